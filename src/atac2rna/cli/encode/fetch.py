"""atac2rna encode fetch."""

import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.encode.options import PortalAddress
from atac2rna.cli.options import Quiet, Verbose

if TYPE_CHECKING:
    from atac2rna.cli.console import Console

_WAYS = {"fetched": "fetched", "cache": "from the cache", "there": "there already"}

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
    annotation: Annotated[
        bool, typer.Option(help="Fetch the gene table that the expression was quantified with, too.")
    ] = True,
    mirror: Annotated[str | None, typer.Option(metavar="URL", help="Root of a mirror of GENCODE.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=32, help="Files fetched at a time.")] = 4,
    portal: PortalAddress = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, fetch, print where the set is."""
    from atac2rna.cache import cache_folder
    from atac2rna.cli.console import Console
    from atac2rna.cli.transfers import shown_transfers
    from atac2rna.sources.addresses import PORTAL, Addresses
    from atac2rna.sources.connection import Connection
    from atac2rna.sources.encode.fetching import fetch_set, read_order
    from atac2rna.sources.encode.portal import Portal

    console = Console(quiet=quiet, verbose=verbose)
    order = read_order(pairs=pairs, manifest=manifest)
    address = (portal or PORTAL).rstrip("/")
    Addresses(address, (mirror,) if mirror else ())  # a wrong one is told before anything is fetched
    if order.search.get("portal", address) != address:
        console.note(f"{order.source} is of the portal {order.search['portal']}; asking {address} (see --portal)")
    with (
        _told_what_stays(console),
        Connection(portal=address) as connection,
        shown_transfers(console, "fetch") as watch,
    ):
        fetched = fetch_set(
            Portal(connection),
            order,
            output,
            cache=cache_folder(),
            keep_revoked=keep_revoked,
            workers=workers,
            watch=watch,
            progress=console.note,
        )
    for line in fetched.told:
        console.say(f"note: {line}")
    if annotation:
        for name in fetched.annotations:
            _gene_table(console, name, mirror=mirror, at_home=portal is None)
    ways = ", ".join(f"{count} {_WAYS[how]}" for how, count in sorted(Counter(fetched.ways).items()))
    console.say(f"{fetched.samples}: {len(order.samples)} samples, {order.n_files} files ({ways})")
    console.say(
        f"{fetched.samples.with_name('manifest.json')}: what was asked and which bytes came; share it with your results"
    )
    console.say(f"build an atlas with: atac2rna build {shlex.quote(str(fetched.samples))} -o encode.zarr")


@contextmanager
def _told_what_stays(console: "Console") -> Iterator[None]:
    from atac2rna.sources.download import FailedFilesError

    try:
        yield
    except (KeyboardInterrupt, FailedFilesError):
        console.note("fetch: what has come is kept; the same command goes on from there")
        raise


def _gene_table(console: "Console", name: str, *, mirror: str | None, at_home: bool) -> None:
    """Have the gene table of a release in the cache; the set is there without it, too, so a failure is a note."""
    from atac2rna.annotations import is_kept, parse_release
    from atac2rna.cli.transfers import shown_transfers
    from atac2rna.errors import InputError
    from atac2rna.sources.gene_releases import fetch_gene_table

    try:
        release = parse_release(name)
        if not (at_home or mirror or is_kept(release)):
            console.note(f"{name}: not fetched, as another portal than ENCODE's was asked; see --mirror")
            return
        with shown_transfers(console, "gene table") as watch:
            kept = fetch_gene_table(release, mirror=mirror, watch=watch, working=console.note)
        console.say(f"{name}: {len(kept.table):,} genes of {release.assembly}, which build will take")
    except InputError as fault:
        console.say(f"note: the gene table is not there: {fault} Later: atac2rna annotation {shlex.quote(name)}")
