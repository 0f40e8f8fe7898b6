"""The map from the samples of one table to those of another."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from atac2rna.errors import InputError
from atac2rna.formats.sheet import read_sheet

WHAT = "a map of sample names (two columns: ATAC, RNA)"

_HEADING = re.compile(
    r"(?:(?:atac|rna|seq|samples?|names?|ids?|columns?|matrix|tables?|library|run|dataset|title|accession|geo|gsm)[ _.-]*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pair:
    """A sample of accessibility and the sample of RNA that is the same.

    Attributes:
        atac: Its name in the table of accessibility.
        rna: Its name in the table of RNA.
        line: Line of the map, from 1.
    """

    atac: str
    rna: str
    line: int


class PairMap(NamedTuple):
    """What a map holds: its header, if it has one, and its pairs."""

    header: Pair | None
    pairs: tuple[Pair, ...]


def read_pairs(path: Path, *, names: Collection[str], partners: Collection[str]) -> PairMap:
    """Read a map of two columns, tabs or commas: name in the table of accessibility, name in that of RNA.

    The first row is a header if neither of its names is a sample, or if one is none and either looks like a heading
    (`RNA sample`) or stands beside a name that its column holds again: a sample is paired once.

    Args:
        path: The map; blank lines and lines that begin with `#` are skipped.
        names: Samples of accessibility.
        partners: Samples of RNA.

    Raises:
        InputError: If a row has other than two names, or a name occurs twice.
    """
    pairs: list[Pair] = []
    for line, cells in read_sheet(path, what=WHAT):
        fields = cells if len(cells) > 1 else [cell.strip().strip('"') for cell in cells[0].split(",")]
        if len(fields) != 2 or not all(fields):
            raise InputError(
                f"{path} line {line}: a map of sample names has two columns, the name in the ATAC matrix and the name in the "
                f"RNA matrix; got {len(fields)} fields, {', '.join(map(repr, fields[:4]))}. Separate two names by a tab."
            )
        pairs.append(Pair(fields[0], fields[1], line))
    header = pairs.pop(0) if _is_header(pairs, names, partners) else None
    for side in ("atac", "rna"):
        first: dict[str, int] = {}
        for pair in pairs:
            name = getattr(pair, side)
            if first.setdefault(name, pair.line) != pair.line:
                raise InputError(
                    f"{path} line {pair.line}: a sample is paired once; {name!r} stands on line {first[name]}, too. Leave one "
                    "out (average replicates before)."
                )
    return PairMap(header, tuple(pairs))


def _is_header(pairs: Sequence[Pair], names: Collection[str], partners: Collection[str]) -> bool:
    top, rest = pairs[0], pairs[1:]
    if top.atac in names and top.rna in partners:
        return False
    if top.atac in names:
        return _HEADING.fullmatch(top.rna) is not None or any(pair.atac == top.atac for pair in rest)
    if top.rna in partners:
        return _HEADING.fullmatch(top.atac) is not None or any(pair.rna == top.rna for pair in rest)
    return True
