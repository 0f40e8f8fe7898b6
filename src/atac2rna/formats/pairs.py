"""The map from the samples of one table to those of another."""

from dataclasses import dataclass
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.formats.sheet import read_sheet


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


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """Read a map of two columns, tabs or commas: name in the table of accessibility, name in that of RNA.

    A header is a row like any other; the caller, who knows the names, tells which it is.

    Args:
        path: The map; blank lines and lines that begin with `#` are skipped.

    Raises:
        InputError: If a row has other than two names, or a name occurs twice.
    """
    what = "a map of sample names (two columns: ATAC, RNA)"
    pairs: list[Pair] = []
    for line, cells in read_sheet(path, what=what):
        names = cells if len(cells) > 1 else [cell.strip().strip('"') for cell in cells[0].split(",")]
        if len(names) != 2 or not all(names):
            raise InputError(
                f"{path} line {line}: a map of sample names has two columns, the name in the ATAC matrix and the name in the "
                f"RNA matrix; got {len(names)} fields, {', '.join(map(repr, names[:4]))}. Separate two names by a tab."
            )
        pairs.append(Pair(names[0], names[1], line))
    for side in ("atac", "rna"):
        first: dict[str, int] = {}
        for pair in pairs:
            name = getattr(pair, side)
            if first.setdefault(name, pair.line) != pair.line:
                raise InputError(
                    f"{path} line {pair.line}: a sample is paired once; {name!r} stands on line {first[name]}, too. Leave one "
                    "out (average replicates before)."
                )
    return tuple(pairs)
