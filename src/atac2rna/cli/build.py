"""atac2rna build."""

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.options import Annotations, Quiet, Verbose, Workers, parse_annotations, parse_names
from atac2rna.cli.sample_tables import (
    AtacLayer,
    AtacMatrix,
    By,
    H5mu,
    LeastSignal,
    Pairs,
    RnaLayer,
    RnaMatrix,
    SamplesInfo,
    SampleTables,
    TableAssembly,
    choose_source,
)

if TYPE_CHECKING:
    from atac2rna.atlas import Atlas
    from atac2rna.building import WriteMode
    from atac2rna.cli.console import Console
    from atac2rna.quality.finding import Finding

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


Biotypes = Annotated[str, typer.Option(help="Biotypes of the genes, comma-separated; 'all' for every one.")]
GeneSet = Annotated[GeneSetOption, typer.Option(help="Genes measured in every sample, or in any.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="ATLAS", help="Folder of the atlas, as atlas.zarr.")]
Add = Annotated[bool, typer.Option("--add", help="Add the samples to the atlas; its others stay as they are.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the atlas once the new one is complete.")]


def build(
    output: Output,
    samples: Annotated[Path | None, typer.Argument(metavar="SAMPLES.tsv", help="Table of samples.")] = None,
    atac_matrix: AtacMatrix = None,
    rna_matrix: RnaMatrix = None,
    pairs: Pairs = None,
    h5mu: H5mu = None,
    by: By = None,
    atac_layer: AtacLayer = None,
    rna_layer: RnaLayer = None,
    samples_info: SamplesInfo = None,
    assembly: TableAssembly = None,
    least_signal: LeastSignal = None,
    annotation: Annotations = [],
    biotypes: Biotypes = "protein_coding",
    gene_set: GeneSet = GeneSetOption.common,
    gene_column: Annotated[str | None, typer.Option(help="Column of gene ids in the expression files.")] = None,
    value_column: Annotated[str | None, typer.Option(help="Column of TPM in the expression files.")] = None,
    add: Add = False,
    overwrite: Overwrite = False,
    workers: Workers = 2,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, build, print what is in it and what was found."""
    from atac2rna.atlas import GeneSelection
    from atac2rna.building import BuildSettings, build_atlas
    from atac2rna.checking import check_built
    from atac2rna.cli.console import Console

    mode = _write_mode(output, add=add, overwrite=overwrite)
    console = Console(quiet=quiet, verbose=verbose)
    tables = SampleTables(
        atac_matrix=atac_matrix,
        rna_matrix=rna_matrix,
        pairs=pairs,
        h5mu=h5mu,
        by=by,
        atac_layer=atac_layer,
        rna_layer=rna_layer,
        samples_info=samples_info,
        assembly=assembly,
        least_signal=least_signal,
    )
    source = choose_source(samples, tables, value_column=value_column)
    chosen = () if biotypes == "all" else parse_names(biotypes, option="--biotypes")
    settings = BuildSettings(
        selection=GeneSelection(chosen, gene_set.value),
        gene_column=gene_column,
        value_column=value_column,
        workers=workers,
    )
    genes = parse_annotations(annotation)
    with console.progress("build", len(source.names)) as advance:
        atlas = build_atlas(
            source, output, annotations=genes, settings=settings, mode=mode, progress=advance, note=console.note
        )
    for remark in source.remarks:
        console.note(remark)
    _tell(console, atlas, check_built(atlas))


def _write_mode(output: Path, *, add: bool, overwrite: bool) -> "WriteMode":
    """What is to be done with an atlas that is there; refused before tables are read, which takes long."""
    from atac2rna.building import check_output
    from atac2rna.errors import InputError

    if add and overwrite:
        raise InputError("an atlas is added to or replaced; got both --add and --overwrite. Leave one out.")
    mode: WriteMode = "add" if add else "overwrite" if overwrite else "new"
    check_output(output, mode)
    return mode


def _tell(console: "Console", atlas: "Atlas", findings: "list[Finding]") -> None:
    from atac2rna.cli.console import count_findings

    shared = atlas.attributes["gene_selection"]["gene_set"]
    console.say(
        f"{atlas.path}: {len(atlas.samples)} samples ({len(atlas.paired)} with RNA), "
        f"{len(atlas.gene_ids):,} genes measured in {'every' if shared == 'common' else 'any'} sample"
    )
    console.say(f"{count_findings(findings)}; see them with: atac2rna check {shlex.quote(str(atlas.path))}")
