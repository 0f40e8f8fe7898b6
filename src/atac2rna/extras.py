"""Packages that only some uses of this one need."""

from typing import Any

from atac2rna.errors import InputError


def import_anndata(what: str = "AnnData") -> Any:
    """Import anndata.

    Args:
        what: What needs it, for the error.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import anndata
    except ImportError:
        raise InputError(
            f"{what} needs the package anndata, which is not installed; run: pip install 'atac2rna[anndata]'"
        ) from None
    return anndata
