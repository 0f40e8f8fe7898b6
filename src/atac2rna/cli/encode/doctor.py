"""atac2rna encode doctor."""

HELP = ""


def doctor() -> None:
    """Stand in until it is written."""
