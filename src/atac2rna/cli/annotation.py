"""atac2rna annotation."""

from pathlib import Path
from typing import Annotated

import typer

from atac2rna.cli.options import OrganismOption, Quiet, Verbose

HELP = """Fetch the gene table of a GENCODE or Ensembl release.

It is kept, and used by build where the samples name it, or where it is the only one of its assembly.

\b
Example: atac2rna annotation GENCODE:V29
         atac2rna annotation ENSEMBL:110 --organism mouse -o genes.tsv.gz
"""


def annotation(
    release: Annotated[
        str, typer.Argument(metavar="SOURCE:RELEASE", help="GENCODE:V29 (human), GENCODE:M21 (mouse), ENSEMBL:110.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the gene table there, too.")
    ] = None,
    organism: Annotated[
        OrganismOption | None, typer.Option(help="Of which; Ensembl without it: human.", show_default=False)
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Root of a mirror, in place of .../pub/databases/gencode or .../pub."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, fetch, copy, print what it is."""
    import gzip

    from atac2rna.annotations import parse_release
    from atac2rna.cli.console import Console
    from atac2rna.cli.transfers import shown_transfers
    from atac2rna.files import whole_file
    from atac2rna.sources.gene_releases import fetch_gene_table

    console = Console(quiet=quiet, verbose=verbose)
    wanted = parse_release(release, organism=None if organism is None else organism.value)
    with shown_transfers(console, "fetch") as watch:
        kept = fetch_gene_table(wanted, mirror=mirror, watch=watch, working=console.note)
    if output is not None:
        with whole_file(output) as temporary:
            raw = kept.path.read_bytes()
            temporary.write_bytes(raw if output.suffix == ".gz" else gzip.decompress(raw))
    state = "fetched" if kept.fetched else "there already"
    console.say(f"{wanted.name}: {len(kept.table):,} genes of {wanted.assembly} ({wanted.organism}), {state}")
    console.say(f"{kept.path}" + ("" if output is None else f"\n{output}"))
