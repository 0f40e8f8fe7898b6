"""Options that the encode commands share."""

from typing import Annotated

import typer

PortalAddress = Annotated[
    str | None,
    typer.Option("--portal", metavar="URL", help="Address of the portal (default: the ENCODE portal's own)."),
]
