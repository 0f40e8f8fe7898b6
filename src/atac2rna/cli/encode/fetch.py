"""atac2rna encode fetch."""

from pathlib import Path
from typing import Annotated

import typer

from atac2rna.cli.encode.options import PortalAddress
from atac2rna.cli.options import Quiet, Verbose

HELP = """Fetch a set: the pairs of a search, or exactly what a manifest pins.

Writes peaks to DIR/atac, gene quantifications to DIR/rna, then DIR/samples.tsv for `build` and DIR/manifest.json, from which
`--manifest` has the same set again, here or on another machine. What is there and undamaged is not fetched again; after an
interruption the same command goes on where it was. Files are shared between sets by way of the cache folder.

\b
Example: atac2rna encode fetch pairs.tsv -o encode
"""


def fetch(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the set.")],
    pairs: Annotated[Path | None, typer.Argument(metavar="[PAIRS.tsv]", help="Table of pairs, from search.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A manifest.json, in place of a table of pairs.")
    ] = None,
    keep_revoked: Annotated[
        bool, typer.Option("--keep-revoked", help="Fetch files that the portal has revoked, too.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=32, help="Files fetched at a time.")] = 4,
    portal: PortalAddress = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, fetch, print where the set is."""
