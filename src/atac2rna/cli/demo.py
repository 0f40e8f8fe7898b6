"""atac2rna demo."""

HELP = ""


def demo() -> None:
    """Placeholder while the file is being written."""
