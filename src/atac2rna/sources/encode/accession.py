"""Accessions: the names of the portal's objects, checked before they reach a path or an address."""

import re
from typing import Literal

from atac2rna.errors import InputError

Kind = Literal["experiment", "file", "biosample", "donor", "series"]

_LETTERS: dict[Kind, str] = {"experiment": "SR", "file": "FF", "biosample": "BS", "donor": "DO", "series": "SR"}
_PATTERN = {kind: re.compile(rf"ENC{letters}[0-9]{{3}}[A-Z]{{3}}") for kind, letters in _LETTERS.items()}


def checked_accession(text: str, kind: Kind, *, where: str) -> str:
    """Give an accession back if it is one.

    Args:
        text: What should be one (`ENCFF001AAA`).
        kind: What it names.
        where: What errors call its place ("pairs.tsv line 7, column atac_files").

    Raises:
        InputError: If it is anything else, a path among it.
    """
    if is_accession(text, kind):
        return text
    letters = _LETTERS[kind]
    raise InputError(
        f"{where}: the accession of an ENCODE {kind} is ENC{letters}, three digits and three letters; got {text[:60]!r}. "
        "Correct it."
    )


def is_accession(text: str, kind: Kind) -> bool:
    """Tell whether a text is an accession."""
    return _PATTERN[kind].fullmatch(text) is not None


def link_name(link: str) -> str:
    """Give the last part of a link of the portal: ENCAN001AAA of `/analyses/ENCAN001AAA/`, and of the name alone."""
    return link.strip("/").rpartition("/")[2]


def linked_accession(link: str, kind: Kind, *, where: str) -> str:
    """Give the accession in a link of the portal (`/experiments/ENCSR001AAA/`), or of an accession alone.

    Raises:
        InputError: As `checked_accession`.
    """
    return checked_accession(link_name(link), kind, where=where)
