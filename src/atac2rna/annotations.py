"""Where gene tables that were fetched once are kept."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from atac2rna.genome import canonical_assembly

CACHE_VARIABLE = "ATAC2RNA_CACHE"


def annotation_cache_path(assembly: str) -> Path:
    """Give the place of an assembly's gene table: `<cache>/annotation/<assembly>.tsv.gz`, whether it exists or not.

    The cache is the folder named by ATAC2RNA_CACHE, else the user's cache folder for atac2rna.
    """
    named = os.environ.get(CACHE_VARIABLE)
    cache = Path(named) if named else user_cache_path("atac2rna", appauthor=False)
    return cache / "annotation" / f"{canonical_assembly(assembly)}.tsv.gz"


def cached_annotation(assembly: str) -> Path | None:
    """Give the cached gene table of an assembly, None if there is none."""
    path = annotation_cache_path(assembly)
    return path if path.is_file() else None
