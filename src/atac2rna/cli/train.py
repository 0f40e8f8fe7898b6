"""atac2rna train."""

HELP = ""


def train() -> None:
    """Placeholder while the file is being written."""
