"""atac2rna encode doctor."""

import typer

from atac2rna.cli.encode.options import PortalAddress
from atac2rna.cli.options import Quiet, Verbose

HELP = """Check, without changing anything, whether the portal is as this program assumes.

Asks what a search asks, fetches one small file, and prints each assumption with what was seen. Exit code 1 if one fails.

\b
Example: atac2rna encode doctor
"""


def doctor(portal: PortalAddress = None, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Parse, examine, print what holds."""
    from atac2rna.cli.console import Console
    from atac2rna.sources.connection import PORTAL, Connection
    from atac2rna.sources.encode.doctor import examine
    from atac2rna.sources.encode.portal import Portal

    console = Console(quiet=quiet, verbose=verbose)
    failed = 0
    with Connection(portal=portal or PORTAL) as connection:
        connection.get_json(f"{connection.portal}/search/?type=Experiment&limit=1&format=json")  # or there is no portal
        for check in examine(Portal(connection), progress=console.note):
            console.say(f"{check.verdict:8}  {check.assumption}: {check.seen}")
            failed += check.verdict == "fails"
    console.say(f"{connection.portal}: {failed or 'no'} assumption{'' if failed == 1 else 's'} failed")
    if failed:
        raise typer.Exit(1)
