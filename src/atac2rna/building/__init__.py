"""From samples to an atlas: read every file once, join genes, write blocks of samples."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal

from atac2rna import __version__
from atac2rna.atlas import Atlas, add_to_atlas, write_atlas
from atac2rna.atlas.reading import FORMAT
from atac2rna.building.genes import MIN_JOIN_RATE
from atac2rna.building.named_releases import named_releases
from atac2rna.building.reading import SampleReader, read_sample, read_samples
from atac2rna.building.reference import GeneReference, read_reference
from atac2rna.building.settings import BuildSettings
from atac2rna.building.source import ManifestSamples, SampleSource
from atac2rna.errors import InputError
from atac2rna.files import file_record, whole_folder
from atac2rna.formats.manifest import Manifest

__all__ = [
    "MIN_JOIN_RATE",
    "BuildSettings",
    "GeneReference",
    "ManifestSamples",
    "SampleReader",
    "SampleSource",
    "WriteMode",
    "build_atlas",
    "check_output",
    "named_releases",
    "read_reference",
    "read_sample",
    "read_samples",
]

WriteMode = Literal["new", "overwrite", "add"]
"""What an atlas that is already there means: an error, to be replaced, to be added to."""


def build_atlas(
    samples: Manifest | SampleSource,
    path: Path,
    *,
    annotations: Mapping[str, Path],
    settings: BuildSettings | None = None,
    mode: WriteMode = "new",
    progress: Callable[[str], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Atlas:
    """Build an atlas, or add samples to one.

    Args:
        samples: A samples.tsv, or another source of samples.
        path: Folder of the atlas.
        annotations: Annotation file by canonical assembly; assemblies without one: see `read_reference`.
        settings: See `BuildSettings`; samples that are added follow the selection of the atlas instead.
        mode: See `WriteMode`.
        progress: Told of every sample read.
        note: Told which gene table each assembly has, and what the user should know of the choice.

    Raises:
        InputError: If the atlas exists (`new`) or a name is taken (`add`), a file does not hold what it should, or an
            assembly has no gene table. What was at `path` is then as it was.
    """
    settings = settings or BuildSettings()
    source = ManifestSamples(samples) if isinstance(samples, Manifest) else samples
    before = _existing(source, path, mode)
    held = {} if before is None else before.tables
    named = source.releases(given={*annotations, *held})
    reference = read_reference(source.assemblies, annotations, held=held, named=named)
    for text in (*map(reference.describe, dict.fromkeys(source.assemblies)), *reference.notes):
        note(text)
    own = dict(source.provenance)
    columns = {"gene_column": settings.gene_column, "value_column": settings.value_column}
    provenance = {
        "version": __version__,
        **own,
        "annotations": {name: _annotation_record(reference, name) for name in reference.files},
        "genome_annotation": named,
        "samples": list(source.names),
        "settings": {**columns, **own.get("settings", {})},
    }
    with closing(source.read(reference, settings, progress)) as stream:
        if before is not None:
            return add_to_atlas(path, stream, tables=reference.tables, provenance=provenance)
        with whole_folder(path) as folder:
            write_atlas(folder, stream, tables=reference.tables, selection=settings.selection, provenance=provenance)
    return Atlas(path)


def _annotation_record(reference: GeneReference, assembly: str) -> dict[str, str]:
    """Path and checksum of an annotation, and the address that it was fetched from if it is of the cache."""
    address = reference.addresses.get(assembly)
    return file_record(reference.files[assembly]) | ({} if address is None else {"url": address})


def _existing(source: SampleSource, path: Path, mode: WriteMode) -> Atlas | None:
    """Give the atlas that is to be added to, and refuse what would lose or repeat something."""
    atlas = check_output(path, mode)
    if atlas is not None:
        taken = {record.name for record in atlas.samples}
        repeated = [name for name in source.names if name in taken]
        if repeated:
            raise InputError(
                f"{source.where(repeated[0])}: sample names are unique; {path} already has "
                f"{repeated[0]!r} ({len(repeated)} of {len(source.names)} names). Leave them out or rename them."
            )
    return atlas


def check_output(path: Path, mode: WriteMode) -> Atlas | None:
    """Make sure that an atlas may be written, before samples are read at length; give the one that is to be added to.

    Args:
        path: Folder of the atlas.
        mode: See `WriteMode`.

    Raises:
        InputError: If something is there that would be lost, or no atlas that could be added to.
    """
    if mode == "add":
        return Atlas(path)
    if path.is_dir() and not any(path.iterdir()):
        return None
    if path.exists() and mode == "new":
        raise InputError(f"{path}: exists; pass --overwrite to replace it, --add to add samples, or another -o.")
    if path.exists() and not _holds_atlas(path):
        raise InputError(f"{path}: holds something other than an atlas; choose another -o.")
    return None


def _holds_atlas(path: Path) -> bool:
    """Tell whether a folder is an atlas of any version, damaged or not: one that may be replaced."""
    try:
        node = json.loads((path / "zarr.json").read_bytes())
        return bool(node["attributes"]["format"] == FORMAT)
    except (OSError, ValueError, TypeError, KeyError):
        return False
