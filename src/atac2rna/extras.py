"""Packages that only some uses of this one need."""

from importlib import import_module
from typing import Any

from atac2rna.errors import InputError


def import_anndata(what: str = "AnnData") -> Any:
    """Import anndata.

    Args:
        what: What needs it, for the error.

    Raises:
        InputError: If it is not installed.
    """
    return _imported("anndata", what)


def import_mudata(what: str) -> Any:
    """Import mudata; see `import_anndata`."""
    return _imported("mudata", what)


def import_pybigwig(what: str) -> Any:
    """Import pyBigWig; see `import_anndata`."""
    return _imported("pyBigWig", what, extra="signal", instead=", or give a peak file.")


def _imported(package: str, what: str, *, extra: str = "anndata", instead: str = "") -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise InputError(
            f"{what} needs the package {package}, which is not installed; run: pip install 'atac2rna[{extra}]'{instead}"
        ) from None
