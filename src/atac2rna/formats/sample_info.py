"""What is known of samples beside their measurements: a table with a row a sample."""

from dataclasses import dataclass
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.formats.sheet import read_sheet, require_column_names, require_width

_TAKEN = ("atac", "rna", "assembly")


@dataclass(frozen=True)
class SampleInfo:
    """Columns of samples.

    Attributes:
        path: The table.
        columns: Names of the columns.
        rows: Text of the columns by sample, in the order of the table.
    """

    path: Path
    columns: tuple[str, ...]
    rows: dict[str, dict[str, str]]


def read_sample_info(path: Path) -> SampleInfo:
    """Read a table whose first column names the sample; every further one (lineage, group, dataset) is kept as text.

    Args:
        path: Tab-separated, with a header; blank lines and lines that begin with `#` are skipped.

    Raises:
        InputError: If there are no further columns or no rows, a sample stands twice, or a column has the name of one that
            an atlas fills itself.
    """
    (line, header), *rows = read_sheet(path, what="a table of samples (first column: sample)")
    require_column_names(path, line, header)
    if len(header) < 2:
        raise InputError(
            f"{path} line {line}: a table of samples is separated by tabs and has columns beside the sample's name; got "
            f"{header[0]!r} alone. Save it as tab-separated text."
        )
    for name in header[1:]:
        if name in _TAKEN:
            raise InputError(
                f"{path} line {line}: the columns {', '.join(_TAKEN)} belong to a samples.tsv; a table beside matrices has "
                f"none of them; got {name!r}. Leave it out."
            )
    found: dict[str, dict[str, str]] = {}
    for number, cells in rows:
        require_width(path, number, header, cells)
        sample = cells[0]
        if not sample or sample in found:
            raise InputError(
                f"{path} line {number}: every sample has one row; got {sample!r}. Name it, or leave it out."
            )
        found[sample] = dict(zip(header[1:], cells[1:], strict=True))
    if not found:
        raise InputError(f"{path}: holds a header but no rows; a table of samples has one row a sample.")
    return SampleInfo(path, tuple(header[1:]), found)
