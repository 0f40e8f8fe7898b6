"""atac2rna build."""

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from atac2rna.cli.options import Annotations, Quiet, Verbose, Workers, parse_annotations, parse_names

HELP = """Build an atlas from a table of samples.

SAMPLES.tsv is tab-separated with the columns sample, atac, rna, assembly, and any further ones (lineage, group, dataset).

\b
Example: atac2rna build samples.tsv -o atlas.zarr --annotation hg38=gencode.v47.gtf.gz
"""


class GeneSetOption(Enum):
    """Genes of an atlas; see `atlas.GeneSet`."""

    common = "common"
    union = "union"


def build(
    samples: Annotated[Path, typer.Argument(metavar="SAMPLES.tsv", help="Table of samples.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="ATLAS", help="Folder of the atlas, as atlas.zarr.")
    ],
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
    from atac2rna.formats.manifest import read_manifest

    if add and overwrite:
        raise InputError("an atlas is added to or replaced; got both --add and --overwrite. Leave one out.")
    console = Console(quiet=quiet, verbose=verbose)
    manifest = read_manifest(samples)
    chosen = () if biotypes == "all" else parse_names(biotypes, option="--biotypes")
    settings = BuildSettings(
        selection=GeneSelection(chosen, "union" if gene_set is GeneSetOption.union else "common"),
        gene_column=gene_column,
        value_column=value_column,
        workers=workers,
    )
    with console.progress("build", len(manifest.entries)) as advance:
        atlas = build_atlas(
            manifest,
            output,
            annotations=parse_annotations(annotation),
            settings=settings,
            mode="add" if add else "overwrite" if overwrite else "new",
            progress=advance,
            note=console.note,
        )
    findings = check_built(atlas)
    shared = atlas.attributes["gene_selection"]["gene_set"]
    console.say(
        f"{output}: {len(atlas.samples)} samples ({len(atlas.paired)} with RNA), "
        f"{len(atlas.gene_ids):,} genes measured in {'every' if shared == 'common' else 'any'} sample"
    )
    console.say(f"{count_findings(findings)}; see them with: atac2rna check {shlex.quote(str(output))}")
