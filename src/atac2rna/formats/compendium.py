"""A compendium: expression profiles without accessibility, and what is known of their kinship with samples.

The table: genes x profiles, TPM, a header, first column `gene_id` (Ensembl ids with or without version). The info table:
tab-separated, a header, first column the profile; columns whose names begin with `same_as` or `related` hold names of
samples, separated by `;` or `,`; any other column is for the reader. Either may be gzipped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.formats.expression.genes import plain
from atac2rna.formats.sheet import read_sheet, require_width
from atac2rna.formats.table import Table, read_table

GENE_COLUMN = "gene_id"
SAME_AS = "same_as"
RELATED = "related"

# As for the expression of samples: TPM add up to a million; no normalisation doubles that, but read counts do.
_HIGHEST_SUM = 2_000_000.0


@dataclass(frozen=True)
class ProfileTable:
    """Profiles as a file gives them.

    Attributes:
        profiles: Names, in the order of the columns; unique.
        gene_ids: Genes without version, each once, in the order of the file.
        tpm: TPM as in the file, not rescaled, shape (profiles, genes), float64, finite and at least 0.
    """

    profiles: tuple[str, ...]
    gene_ids: tuple[str, ...]
    tpm: NDArray[np.float64]


@dataclass(frozen=True)
class ProfileInfo:
    """What an info table declares of each profile, in the order of the file.

    Attributes:
        same_as: Samples that the profile is, by profile; () where it is none.
        related: Samples that it is a relative of (same cell type or tissue), by profile.
        declares_related: Whether the table has a column of relatives.
    """

    same_as: Mapping[str, tuple[str, ...]]
    related: Mapping[str, tuple[str, ...]]
    declares_related: bool


def read_profiles(path: Path) -> ProfileTable:
    """Read the table of a compendium.

    Args:
        path: The table, with tabs, commas or semicolons, gzip or not.

    Raises:
        InputError: If the file is no such table: no column `gene_id` in first place, a profile without a name or
            named twice, a gene without an id or twice (also when only versions differ), a value that is no finite
            number of at least 0, or columns that add up as read counts do.
    """
    table = read_table(path, what="a compendium (genes x profiles)")
    profiles = _profile_names(table)
    gene_ids = _gene_ids(table)
    values = _values(table)
    total = values.sum(axis=0)
    if (total > _HIGHEST_SUM).any():
        first = int(np.argmax(total > _HIGHEST_SUM))
        raise InputError(
            f"{path}: TPM of a profile add up to about a million; {profiles[first]} adds up to {total[first]:,.0f} "
            f"({int((total > _HIGHEST_SUM).sum())} of {len(profiles)} profiles), as read counts do. Give TPM."
        )
    return ProfileTable(profiles, gene_ids, np.ascontiguousarray(values.T))


def _profile_names(table: Table) -> tuple[str, ...]:
    """Names of the profiles, from the header."""
    if table.header is None:
        raise InputError(
            f"{table.path} line {table.first_line}: a compendium has a header, {GENE_COLUMN} and the names of the "
            "profiles; got none. Add it."
        )
    where = f"{table.path} line {table.first_line - 1}"
    if table.header[0] != GENE_COLUMN:
        raise InputError(
            f"{where}: the first column of a compendium is {GENE_COLUMN}; got {table.header[0]!r}. Put the column of "
            "Ensembl ids first and name it so."
        )
    names = table.header[1:]
    for position, name in enumerate(names):
        if not name:
            raise InputError(f"{where}: every profile has a name; got none for column {position + 2}. Name it.")
        if name in names[:position]:
            raise InputError(f"{where}: names of profiles are unique; got {name!r} twice. Rename one.")
    return names


def _gene_ids(table: Table) -> tuple[str, ...]:
    """Gene ids without version, shape (rows,)."""
    ids = table.read([0]).select(pl.col("0").str.strip_chars())
    genes = ids.select(plain(pl.col("0"))).to_series()
    empty = (genes == "").arg_true()
    if empty.len():
        raise InputError(
            f"{table.path} line {table.line_of(int(empty[0]))}: every row of a compendium has a gene id; got an empty "
            f"cell ({empty.len():,} of {table.rows:,} rows). Remove such rows."
        )
    again = (~genes.is_first_distinct()).arg_true()
    if again.len():
        row = int(again[0])
        before = int((genes == genes[row]).arg_true()[0])
        raise InputError(
            f"{table.path} line {table.line_of(row)}: a gene has one row, whatever its version; {ids['0'][row]} repeats "
            f"{ids['0'][before]} of line {table.line_of(before)} ({again.len():,} of {table.rows:,} rows repeat a gene). "
            "Keep one row a gene."
        )
    return tuple(genes.to_list())


def _values(table: Table) -> NDArray[np.float64]:
    """Values of all profiles, shape (rows, profiles)."""
    text = table.read(range(1, table.width)).select(pl.all().str.strip_chars())
    values = text.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = text[row, column]
        advice = "Logarithms? Give plain TPM." if re.match(r"-\d", value) else "Remove genes that were not measured."
        raise InputError(
            f"{table.path} line {table.line_of(row)}: TPM of a profile are finite numbers of at least 0; got {value!r} "
            f"for {table.label(column + 1)} ({int(wrong.any(axis=1).sum()):,} of {table.rows:,} rows). {advice}"
        )
    return np.asarray(values, dtype=np.float64)


def read_profile_info(path: Path) -> ProfileInfo:
    """Read the info table of a compendium.

    Args:
        path: The table; blank lines and lines that begin with `#` are skipped.

    Raises:
        InputError: If it has no rows, no column that begins with `same_as` or `related`, a row of another number of
            fields, or a profile without a name or twice.
    """
    (line, header), *rows = read_sheet(path, what="an info table of a compendium")
    if len(header) < 2:
        raise InputError(f"{path} line {line}: an info table is separated by tabs; got one column. Save it so.")
    places = {kind: [i for i, name in enumerate(header) if i and name.startswith(kind)] for kind in (SAME_AS, RELATED)}
    if not any(places.values()):
        raise InputError(
            f"{path} line {line}: an info table has a column whose name begins with {SAME_AS!r} or {RELATED!r}; got "
            f"{', '.join(header)}; {nearest_names(SAME_AS, header)}"
        )
    found: dict[str, dict[str, tuple[str, ...]]] = {SAME_AS: {}, RELATED: {}}
    for number, cells in rows:
        require_width(path, number, header, cells)
        profile = cells[0]
        if not profile:
            raise InputError(f"{path} line {number}: the first column names the profile; it is empty. Fill it in.")
        if profile in found[SAME_AS]:
            raise InputError(f"{path} line {number}: a profile has one row; got {profile!r} again. Leave one out.")
        for kind, columns in places.items():
            found[kind][profile] = _sample_names([cells[i] for i in columns])
    if not found[SAME_AS]:
        raise InputError(f"{path}: holds a header but no rows; an info table has one row a profile.")
    return ProfileInfo(found[SAME_AS], found[RELATED], bool(places[RELATED]))


def _sample_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Names in the cells of one row, each once."""
    names = (name.strip() for cell in cells for name in re.split(r"[;,]", cell))
    return tuple(dict.fromkeys(name for name in names if name))
