"""Releases of gene annotations, and where gene tables that were fetched once are kept."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atac2rna.cache import cache_folder
from atac2rna.errors import InputError
from atac2rna.files import peek_text
from atac2rna.genome import canonical_assembly

Organism = Literal["human", "mouse"]
AnnotationSource = Literal["GENCODE", "ENSEMBL"]

ROOTS: dict[AnnotationSource, str] = {
    "GENCODE": "https://ftp.ebi.ac.uk/pub/databases/gencode",
    "ENSEMBL": "https://ftp.ensembl.org/pub",
}
"""Where the releases lie; a mirror replaces the root and keeps what is below."""

_RELEASE = re.compile(r"(?:(GENCODE|ENSEMBL)[: ])?(V?M|V?)([1-9][0-9]{0,2}[a-d]?)", re.IGNORECASE | re.ASCII)
_KEPT = re.compile(r"(GENCODE|ENSEMBL)-([VM]?)([1-9][0-9]*)([a-d]?)\.tsv\.gz")
# First release on each assembly, newest first; what is older than the last line lies on assemblies of before 2009.
_SINCE: dict[tuple[AnnotationSource, Organism], tuple[tuple[int, str], ...]] = {
    ("GENCODE", "human"): ((20, "hg38"), (3, "hg19")),
    ("GENCODE", "mouse"): ((26, "mm39"), (2, "mm10"), (1, "mm9")),
    ("ENSEMBL", "human"): ((76, "hg38"), (55, "hg19")),
    ("ENSEMBL", "mouse"): ((103, "mm39"), (68, "mm10")),
}
_SPECIES = {"human": "homo_sapiens", "mouse": "mus_musculus"}
_USUAL = {"hg38": "GENCODE:V29", "hg19": "GENCODE:V19", "mm10": "GENCODE:M21", "mm39": "GENCODE:M30"}


@dataclass(frozen=True)
class Release:
    """A release of an annotation.

    Attributes:
        source: Who releases it.
        number: As the source calls it: `V29`, `M21` (GENCODE), `110` (Ensembl).
        organism: Of which.
        assembly: Canonical name of the assembly that it lies on.
    """

    source: AnnotationSource
    number: str
    organism: Organism
    assembly: str

    @property
    def name(self) -> str:
        """Source and number, as the command line takes it: `GENCODE:V29`."""
        return f"{self.source}:{self.number}"

    @property
    def species(self) -> str:
        """Name of the species as Ensembl's folders have it: `homo_sapiens`."""
        return _SPECIES[self.organism]

    def address(self, mirror: str | None = None) -> str:
        """Folder of its files, at its source or below the root of a mirror."""
        root = (mirror or ROOTS[self.source]).rstrip("/")
        if self.source == "GENCODE":
            folder = self.number if self.organism == "mouse" else self.number[1:]
            return f"{root}/Gencode_{self.organism}/release_{folder}"
        return f"{root}/release-{self.number}/gtf/{self.species}"


def parse_release(text: str, *, organism: Organism | None = None) -> Release:
    """Read the name of a release: `GENCODE:V29`, `GENCODE:M21`, `ENSEMBL:110`, or as the ENCODE portal writes it, `V29`.

    Args:
        text: The name; upper and lower case are alike.
        organism: Of which; None: as V or M say, of Ensembl's human.

    Raises:
        InputError: If it names no release, not the organism's, or one older than the assemblies that are supported.
    """
    found = _RELEASE.fullmatch(text.strip())
    source, letter, number = (part or "" for part in found.groups()) if found else ("", "", "")
    source, letter, number = source.upper(), letter.upper()[-1:], number.lower()  # vM21 is M21 in GENCODE's files
    if not (source or letter) or (source, letter) == ("ENSEMBL", "M"):
        raise InputError(
            f"an annotation is SOURCE:RELEASE; got {text!r}. Write GENCODE:V29, GENCODE:M21 or ENSEMBL:110."
        )
    if source == "ENSEMBL":
        return _release("ENSEMBL", number, organism or "human")
    if not letter and organism is None:
        raise InputError(
            f"releases of GENCODE are V (human) or M (mouse) and a number; got {text!r}. Write GENCODE:V{number} or "
            f"GENCODE:M{number}."
        )
    told: Organism = "mouse" if letter == "M" or (not letter and organism == "mouse") else "human"
    number = f"{'M' if told == 'mouse' else 'V'}{number}"
    if organism not in (None, told):
        raise InputError(f"GENCODE:{number} is an annotation of {told}; got the organism {organism}. Leave one out.")
    return _release("GENCODE", number, told)


def _release(source: AnnotationSource, number: str, organism: Organism) -> Release:
    count = int(re.sub(r"\D", "", number))
    steps = _SINCE[source, organism]
    for first, assembly in steps:
        if count >= first:
            return Release(source, number, organism, assembly)
    raise InputError(
        f"releases of {source} for {organism} are taken from {steps[-1][0]} on; got {number}, on an older assembly. Take a "
        "later one."
    )


def usual_release(assembly: str) -> str | None:
    """Name a release that an assembly is often annotated with, to be proposed; None for an unknown assembly."""
    return _USUAL.get(assembly)


def release_path(release: Release) -> Path:
    """Give the place of a release's gene table: `<cache>/annotation/<assembly>/GENCODE-V29.tsv.gz`, there or not."""
    return _folder(release.assembly) / f"{release.source}-{release.number}.tsv.gz"


def is_kept(release: Release, *, mirror: str | None = None) -> bool:
    """Tell whether the gene table of a release is in the cache, undamaged at its head and made from where it is asked of.

    Args:
        release: Which.
        mirror: Root of a mirror; None: the source itself.
    """
    path = release_path(release)
    try:
        address = kept_address(path) if path.is_file() else None
    except InputError:  # damaged: as if it were not there
        return False
    return address is not None and address.startswith(f"{release.address(mirror)}/")


def kept_address(path: Path) -> str | None:
    """Give the address that a gene table in the cache was made from, as its first lines tell; None if they do not.

    Raises:
        InputError: If the file is no text, or damaged.
    """
    for line in peek_text(path, what="a gene table").decode("utf-8", "replace").splitlines():
        if not line.startswith("#"):
            break
        key, _, value = line.partition(":")
        if key == "# url":
            return value.strip() or None
    return None


def is_official(address: str) -> bool:
    """Tell whether an address is at the source of a release, and not at a mirror."""
    return address.startswith(tuple(f"{root}/" for root in ROOTS.values()))


def cached_releases(assembly: str) -> dict[str, Path]:
    """Give the gene tables of an assembly that were fetched, by name of the release, oldest first within a source."""
    folder = _folder(canonical_assembly(assembly))
    if folder.parent.name != "annotation" or not folder.is_dir():
        return {}
    kept = [(found, path) for path in folder.iterdir() if (found := _KEPT.fullmatch(path.name)) and path.is_file()]
    kept.sort(key=lambda one: (one[0][1], one[0][2], int(one[0][3]), one[0][4]))
    return {f"{found[1]}:{found[2]}{found[3]}{found[4]}": path for found, path in kept}


def _folder(assembly: str) -> Path:
    return cache_folder() / "annotation" / assembly
