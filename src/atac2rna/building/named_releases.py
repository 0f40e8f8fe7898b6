"""Which annotation the samples of a manifest were quantified with, by its column `genome_annotation`."""

from collections.abc import Container

from atac2rna.annotations import parse_release
from atac2rna.errors import InputError
from atac2rna.formats.manifest import Entry, Manifest

COLUMN = "genome_annotation"


def named_releases(manifest: Manifest, *, given: Container[str] = ()) -> dict[str, str]:
    """Read the release of each assembly, where a sample names one.

    Args:
        manifest: The samples.
        given: Assemblies whose annotation is given anyhow; theirs is not looked at.

    Returns:
        By canonical assembly: a release as `GENCODE:V29`, or the text of the column where it names none of those known.

    Raises:
        InputError: If samples of one assembly name several, or one of another assembly.
    """
    first: dict[str, tuple[str, Entry]] = {}
    for entry in manifest.entries:
        text = entry.columns.get(COLUMN, "").strip()
        if not text or entry.assembly in given:
            continue
        name = _canonical(manifest, entry, text)
        known, other = first.setdefault(entry.assembly, (name, entry))
        if known != name:
            raise InputError(
                f"{manifest.path} line {entry.line}: samples of one assembly share an annotation; {COLUMN} is {name}, and on "
                f"line {other.line} {known}. Build them apart, or pass --annotation {entry.assembly}=FILE for all."
            )
    return {assembly: name for assembly, (name, _) in first.items()}


def _canonical(manifest: Manifest, entry: Entry, text: str) -> str:
    try:
        release = parse_release(text)
    except InputError:
        return text
    if release.assembly != entry.assembly:
        raise InputError(
            f"{manifest.path} line {entry.line}: an annotation lies on the assembly of its sample, here {entry.assembly}; "
            f"{COLUMN} {text!r} is of {release.assembly}. Mend the cell, or pass --annotation {entry.assembly}=FILE."
        )
    return release.name
