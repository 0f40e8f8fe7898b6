"""The table of samples, samples.tsv."""

import os.path
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import ForeignFileError, text_lines
from atac2rna.formats.sheet import read_sheet, require_column_names, require_width
from atac2rna.genome import canonical_assembly

REQUIRED = ("sample", "atac", "assembly")
_OWN = (*REQUIRED, "rna")
_REMOTE = re.compile(r"^(?:https?|ftp|s3|gs)://", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One sample of a manifest.

    Attributes:
        sample: Its name, fit for a file name.
        atac: Peak files, one for each replicate; at least one.
        rna: Expression files, one for each replicate; () where there is no RNA.
        assembly: Canonical name of the assembly of the peaks.
        columns: Text of the further columns, in the order of the file.
        line: Line of the manifest, from 1.
    """

    sample: str
    atac: tuple[Path, ...]
    rna: tuple[Path, ...]
    assembly: str
    columns: dict[str, str]
    line: int


@dataclass(frozen=True)
class Manifest:
    """Samples and where their files lie.

    Attributes:
        path: The manifest itself.
        entries: Samples, in the order of the file; names are unique.
        columns: Names of the columns other than sample, atac, rna and assembly.
    """

    path: Path
    entries: tuple[Entry, ...]
    columns: tuple[str, ...]


def read_manifest(path: Path) -> Manifest:
    """Read a samples.tsv and make sure that the files it names exist.

    Tab-separated, with a header; blank lines and lines that begin with `#` are skipped. Columns: `sample` (unique),
    `atac`, `assembly`, and `rna`, which may be absent or empty. Several files of a sample are separated by `;`. Paths
    are relative to the folder of the manifest, absolute, or begin with `~`. A cell in double quotes, as spreadsheets
    write it, is taken without them.

    Args:
        path: The manifest.

    Raises:
        InputError: If the table breaks one of these rules or a file does not exist.
    """
    rows = read_sheet(path, what="a table of samples (samples.tsv)")
    header_line, header = rows[0]
    _check_header(path, header_line, header)
    entries = [_entry(path, line, header, cells) for line, cells in rows[1:]]
    if not entries:
        raise InputError(f"{path}: names no sample; a manifest has one row a sample below its header.")
    _refuse_repeats(path, entries)
    _refuse_missing(path, entries)
    return Manifest(path, tuple(entries), tuple(name for name in header if name not in _OWN))


def _check_header(path: Path, line: int, header: list[str]) -> None:
    if len(header) == 1 and ("," in header[0] or ";" in header[0]):
        mark = "," if "," in header[0] else ";"
        raise InputError(
            f"{path} line {line}: a manifest is separated by tabs; this header is separated by {mark!r} (CSV). "
            "Save the table as tab-separated text."
        )
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InputError(
            f"{path} line {line}: the header names the columns {', '.join(REQUIRED)}; "
            f"got none named {missing[0]!r}; {nearest_names(missing[0], header)}"
        )
    require_column_names(path, line, header)


def _entry(path: Path, line: int, header: list[str], cells: list[str]) -> Entry:
    """Validate one row, except what only the other rows or the disk can tell."""
    where = f"{path} line {line}"
    require_width(path, line, header, cells)
    row = dict(zip(header, cells, strict=True))
    for name in REQUIRED:
        if not row[name]:
            raise InputError(f"{where}: every row fills the columns {', '.join(REQUIRED)}; {name!r} is empty.")
    sample = row["sample"]
    for what, name in (("a sample", sample), ("an assembly", row["assembly"])):
        require_fit_name(name, what=what, where=where)
    return Entry(
        sample=sample,
        atac=_paths(path, where, "atac", row["atac"]),
        rna=_paths(path, where, "rna", row["rna"]) if row.get("rna") else (),
        assembly=canonical_assembly(row["assembly"]),
        columns={name: text for name, text in row.items() if name not in _OWN},
        line=line,
    )


def require_fit_name(name: str, *, what: str, where: str) -> None:
    """Make sure that a name can be one of a file.

    Raises:
        InputError: If it cannot; `where` and `what` ("a sample") tell which.
    """
    if not name or name[0] in ".#" or any(c in "/\\" or not c.isprintable() for c in name):
        raise InputError(
            f"{where}: the name of {what} may serve as a file name, without / or \\, control characters, or a dot "
            f"or # in front; got {name!r}. Rename it."
        )


def _paths(manifest: Path, where: str, column: str, cell: str) -> tuple[Path, ...]:
    """Files of one cell; relative ones start at the manifest's folder."""
    paths: list[Path] = []
    seen: set[str] = set()
    for name in (part.strip() for part in cell.split(";")):
        if not name:
            raise InputError(f"{where}: files are separated by one ';'; {column!r} has an empty one in {cell!r}.")
        if _REMOTE.match(name):
            raise InputError(f"{where}: {column!r} names files on this machine; got {name}. Download it first.")
        try:
            path = manifest.parent / Path(name).expanduser()
        except RuntimeError:
            raise InputError(f"{where}: {column!r} names the home of a user that does not exist: {name}.") from None
        real = os.path.realpath(path)
        if real in seen:
            raise InputError(f"{where}: replicates of a sample are different files; {column!r} names {name} twice.")
        seen.add(real)
        paths.append(path)
    return tuple(paths)


def _refuse_repeats(path: Path, entries: list[Entry]) -> None:
    line_of: dict[str, int] = {}
    for entry in entries:
        first = line_of.setdefault(entry.sample, entry.line)
        if first != entry.line:
            raise InputError(
                f"{path} line {entry.line}: sample names are unique; {entry.sample!r} is also on line {first}. "
                "Name replicates of one sample in one row, separated by ';'."
            )


def _refuse_missing(path: Path, entries: list[Entry]) -> None:
    """Look for every file before complaining, so that the user hears once how many are not there."""
    named = [(entry, file) for entry in entries for file in (*entry.atac, *entry.rna)]
    # os.path says no where pathlib raises: a name too long, a folder that may not be entered.
    missing = [(entry, file) for entry, file in named if not os.path.isfile(file)]
    if missing:
        entry, file = missing[0]
        kind = "is a folder" if os.path.isdir(file) else "does not exist"
        raise InputError(
            f"{path} line {entry.line}: the files of a sample exist; {file} of sample {entry.sample!r} {kind} "
            f"({len(missing)} of {len(named)} files are missing). Paths are relative to the folder of the manifest."
        )


def is_manifest(path: Path) -> bool:
    """Tell whether a file begins with the header of a samples.tsv: a first line with a column `sample`."""
    try:
        with closing(text_lines(path, what="a samples.tsv or peak file")) as text:
            lines = (line for part in text for line in part.splitlines() if line.strip() and not line.startswith(b"#"))
            fields = next(lines, b"").decode("utf-8-sig", "replace").replace(",", "\t").split("\t")
    except ForeignFileError:
        return False
    return "sample" in (field.strip().strip('"') for field in fields)
