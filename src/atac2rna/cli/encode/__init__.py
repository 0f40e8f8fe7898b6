"""atac2rna encode: its commands, one a file."""

import typer

from atac2rna.cli.encode import doctor, fetch, search

HELP = """Find paired samples on the ENCODE portal, fetch them, and keep the receipt.

\b
Example:
  atac2rna encode search --organism human --assembly GRCh38 -o pairs.tsv
  atac2rna encode fetch pairs.tsv -o encode
  atac2rna build encode/samples.tsv -o encode.zarr
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
app.command("search", help=search.HELP)(search.search)
app.command("fetch", help=fetch.HELP)(fetch.fetch)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
