"""atac2rna build."""

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from atac2rna.cli.options import Annotations, Quiet, Verbose, Workers, parse_annotations, parse_names

if TYPE_CHECKING:
    from atac2rna.building import SampleSource

HELP = """Build an atlas from a table of samples, from two matrices, or from a MuData file.

SAMPLES.tsv is tab-separated with the columns sample, atac, rna, assembly, and any further ones (lineage, group, dataset).
In its place: --atac-matrix, peaks x samples, with --rna-matrix, genes x samples; or --h5mu, whose cells --by adds up. Both
need --assembly. Intervals are taken for BED's: 0-based, the end not included.

\b
Example: atac2rna build samples.tsv -o atlas.zarr --annotation hg38=gencode.v47.gtf.gz
         atac2rna build --atac-matrix peaks.tsv.gz --rna-matrix tpm.tsv.gz --assembly hg38 -o atlas.zarr
         atac2rna build --h5mu multiome.h5mu --by cell_type --assembly hg38 -o atlas.zarr
"""


class GeneSetOption(Enum):
    """Genes of an atlas; see `atlas.GeneSet`."""

    common = "common"
    union = "union"


class _Tables(NamedTuple):
    """What is given in place of a SAMPLES.tsv."""

    atac_matrix: Path | None
    rna_matrix: Path | None
    pairs: Path | None
    h5mu: Path | None
    by: str | None
    atac_layer: str | None
    rna_layer: str | None
    samples_info: Path | None
    assembly: str | None
    least_signal: float | None

    def options(self) -> list[str]:
        """Name the options that are given."""
        return [f"--{name.replace('_', '-')}" for name, value in self._asdict().items() if value is not None]


_OF_MATRICES = ("--atac-matrix", "--rna-matrix", "--pairs")
_OF_H5MU = ("--h5mu", "--by", "--atac-layer", "--rna-layer")


def _source(samples: Path | None, tables: _Tables) -> "SampleSource":
    """Choose where the samples come from; exactly one of three ways."""
    from atac2rna.building import ManifestSamples
    from atac2rna.building.matrices import MatrixFiles, MatrixSamples
    from atac2rna.building.multimodal import Multimodal, MultimodalSamples
    from atac2rna.errors import InputError
    from atac2rna.formats.manifest import read_manifest

    given = tables.options()
    if samples is not None:
        if given:
            raise InputError(f"{given[0]} is not for a SAMPLES.tsv, which tells all of its samples. Leave one of them out.")
        return ManifestSamples(read_manifest(samples))
    mixed = [name for name in given if name in _OF_MATRICES], [name for name in given if name in _OF_H5MU]
    if all(mixed):
        raise InputError(f"samples come from matrices or from a MuData file; got {mixed[0][0]} and {mixed[1][0]}. Leave one out.")
    main = tables.atac_matrix or tables.h5mu
    if main is None:
        got = f"got {given[0]} alone" if given else "got none"
        raise InputError(f"an atlas is built from a SAMPLES.tsv, an --atac-matrix or an --h5mu; {got}. Add one of them.")
    if tables.assembly is None:
        raise InputError(f"{main}: a table of peaks does not say its assembly. Add --assembly hg38 (or hg19, mm10).")
    if tables.h5mu is not None:
        what = Multimodal(tables.h5mu, tables.by, tables.atac_layer, tables.rna_layer, tables.samples_info)
        return MultimodalSamples(what, assembly=tables.assembly, least_signal=tables.least_signal)
    files = MatrixFiles(main, tables.rna_matrix, tables.pairs, tables.samples_info)
    return MatrixSamples(files, assembly=tables.assembly, least_signal=tables.least_signal)


def build(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="ATLAS", help="Folder of the atlas, as atlas.zarr.")
    ],
    samples: Annotated[Path | None, typer.Argument(metavar="[SAMPLES.tsv]", help="Table of samples.")] = None,
    atac_matrix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Counts or signal, peaks x samples; places in columns or names.")
    ] = None,
    rna_matrix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TPM, or counts with lengths, genes x samples, same names.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Two columns: name in the ATAC matrix, name in the RNA matrix.")
    ] = None,
    h5mu: Annotated[
        Path | None, typer.Option(metavar="FILE", help="MuData with modalities atac and rna, counts of cells or samples.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of obs whose values are the samples: cells are added up.")
    ] = None,
    atac_layer: Annotated[str | None, typer.Option(metavar="NAME", help="Layer of counts in atac; else X.")] = None,
    rna_layer: Annotated[str | None, typer.Option(metavar="NAME", help="Layer of counts or TPM in rna; else X.")] = None,
    samples_info: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of lineage, group, ...; first column: sample.")
    ] = None,
    assembly: Annotated[str | None, typer.Option(help="Assembly of the peaks of a matrix or MuData file.")] = None,
    least_signal: Annotated[
        float | None,
        typer.Option(min=0, help="Count or signal from which on a region of a matrix is a peak; else by its median."),
    ] = None,
    annotation: Annotations = [],
    biotypes: Annotated[
        str, typer.Option(help="Biotypes of the genes, comma-separated; 'all' for every one.")
    ] = "protein_coding",
    gene_set: Annotated[
        GeneSetOption, typer.Option(help="Genes measured in every sample, or in any.")
    ] = GeneSetOption.common,
    gene_column: Annotated[str | None, typer.Option(help="Column of gene ids in the expression files.")] = None,
    value_column: Annotated[str | None, typer.Option(help="Column of TPM in the expression files.")] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add the samples to the atlas; its others stay as they are.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the atlas once the new one is complete.")
    ] = False,
    workers: Workers = 2,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, build, print what is in it and what was found."""
    from atac2rna.atlas import GeneSelection
    from atac2rna.building import BuildSettings, build_atlas
    from atac2rna.checking import check_built
    from atac2rna.cli.console import Console, count_findings
    from atac2rna.errors import InputError

    if add and overwrite:
        raise InputError("an atlas is added to or replaced; got both --add and --overwrite. Leave one out.")
    console = Console(quiet=quiet, verbose=verbose)
    tables = _Tables(atac_matrix, rna_matrix, pairs, h5mu, by, atac_layer, rna_layer, samples_info, assembly, least_signal)
    if value_column is not None and samples is None:
        raise InputError("--value-column names the values of single samples in a SAMPLES.tsv; leave it out.")
    source = _source(samples, tables)
    chosen = () if biotypes == "all" else parse_names(biotypes, option="--biotypes")
    settings = BuildSettings(
        selection=GeneSelection(chosen, "union" if gene_set is GeneSetOption.union else "common"),
        gene_column=gene_column,
        value_column=value_column,
        workers=workers,
    )
    with console.progress("build", len(source.names)) as advance:
        atlas = build_atlas(
            source,
            output,
            annotations=parse_annotations(annotation),
            settings=settings,
            mode="add" if add else "overwrite" if overwrite else "new",
            progress=advance,
        )
    for remark in source.remarks:
        console.note(remark)
    findings = check_built(atlas)
    shared = atlas.attributes["gene_selection"]["gene_set"]
    console.say(
        f"{output}: {len(atlas.samples)} samples ({len(atlas.paired)} with RNA), "
        f"{len(atlas.gene_ids):,} genes measured in {'every' if shared == 'common' else 'any'} sample"
    )
    console.say(f"{count_findings(findings)}; see them with: atac2rna check {shlex.quote(str(output))}")
