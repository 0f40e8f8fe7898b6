"""Where gene tables that were fetched once are kept."""

from pathlib import Path

from atac2rna.cache import cache_folder
from atac2rna.genome import canonical_assembly


def annotation_cache_path(assembly: str) -> Path:
    """Give the place of an assembly's gene table: `<cache>/annotation/<assembly>.tsv.gz`, whether it exists or not."""
    return cache_folder() / "annotation" / f"{canonical_assembly(assembly)}.tsv.gz"


def cached_annotation(assembly: str) -> Path | None:
    """Give the cached gene table of an assembly, None if there is none."""
    path = annotation_cache_path(assembly)
    return path if path.is_file() else None
