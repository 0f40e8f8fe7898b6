"""atac2rna evaluate."""

HELP = ""


def evaluate() -> None:
    """Placeholder while the file is being written."""
