"""Cells of a MuData file, gathered into samples."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atac2rna.building.columns import name_some
from atac2rna.errors import InputError, nearest_names
from atac2rna.formats.multimodal import MultimodalFile

MOST_SAMPLES = 2_000
"""More samples than this are cells, which a column gathers into samples."""

_TAKEN = ("sample", "atac", "rna", "assembly")


@dataclass(frozen=True, eq=False)
class Cells:
    """Which rows of each modality make up which sample.

    Attributes:
        samples: Names of the samples, in the order of their first row in `atac`.
        groups: Sample of each row by modality of the file, -1 for rows of none.
        columns: Columns of each sample: those of obs that are the same in all of its rows, and numbers of cells.
        remarks: What was left out.
    """

    samples: tuple[str, ...]
    groups: Mapping[str, NDArray[np.intp]]
    columns: Mapping[str, Mapping[str, str]]
    remarks: tuple[str, ...]


def group_cells(file: MultimodalFile, by: str | None) -> Cells:
    """Gather rows by the value of a column of obs, or take each for a sample.

    Args:
        file: The open file, with the modality `atac`, and `rna` if it has one.
        by: Column of obs, of the file or of a modality; None: every row is a sample.

    Raises:
        InputError: If there is no such column, the modalities contradict each other or have no sample in common, or samples
            are too many to be samples.
    """
    tables = {name: modality.obs for name, modality in file.modalities.items()}
    names = {name: [str(cell) for cell in table.index] for name, table in tables.items()}
    label = _labels(file, by) if by is not None else {cell: cell for cells in names.values() for cell in cells}
    samples = tuple(dict.fromkeys(label[cell] for cell in names["atac"] if label.get(cell)))
    if by is None and len(samples) > MOST_SAMPLES:
        raise InputError(
            f"{file.path}: every row is a sample where no column gathers them; {len(samples):,} rows look like cells. Pass --by "
            f"with a column of obs; {nearest_names('cell_type', _column_names(file))}"
        )
    if len(samples) > MOST_SAMPLES:
        raise InputError(
            f"{file.path}: a sample is many cells; {by!r} has {len(samples):,} values, as a number of each cell has. Pass "
            f"another column by --by; {nearest_names('cell_type', [name for name in _column_names(file) if name != by])}"
        )
    if not samples:
        raise InputError(f"{file.path}: no row of atac has a value of {by!r}. Pass another column by --by.")
    place = {sample: i for i, sample in enumerate(samples)}
    groups = {
        name: np.array([place.get(label.get(cell, ""), -1) for cell in cells], dtype=np.intp)
        for name, cells in names.items()
    }
    if "rna" in groups and not (groups["rna"] >= 0).any():
        raise InputError(
            _nothing_shared(file, samples, list(dict.fromkeys(label.get(cell, "") for cell in names["rna"])), by)
        )
    columns: dict[str, dict[str, str]] = {sample: {} for sample in samples}
    for column, values in _constant(file, label, by).items():
        for sample in samples:
            columns[sample][column] = values.get(sample, "")
    if by is not None:
        for name, group in groups.items():
            for sample, count in zip(samples, np.bincount(group[group >= 0], minlength=len(samples)), strict=True):
                columns[sample][f"cells_{name}"] = str(count)
    return Cells(samples, groups, columns, tuple(_remarks(names, label, samples, by)))


def _nothing_shared(file: MultimodalFile, samples: Sequence[str], further: Sequence[str], by: str | None) -> str:
    known = [name for name in further if name]
    held = f"rna has {name_some(known)}" if known else "no row of rna has one"
    what = "the same name in atac and rna" if by is None else f"the same value of {by!r} in atac and rna"
    way = "Rename the rows of one" if by is None else "Rename the values in one, or pass another column by --by"
    return (
        f"{file.path}: a sample has {what}; of the {len(samples):,} of atac none is in rna: atac has "
        f"{name_some(samples)}, {held}. {way}; for accessibility alone leave the modality rna out of the file."
    )


def _remarks(
    names: Mapping[str, list[str]], label: Mapping[str, str], samples: tuple[str, ...], by: str | None
) -> list[str]:
    remarks = []
    for name, cells in names.items():
        lost = sum(not label.get(cell) for cell in cells)
        if lost:
            remarks.append(f"{name}: {lost:,} of {len(cells):,} cells have no value of {by} and are left out")
    known = set(samples)
    further = list(
        dict.fromkeys(label[cell] for cell in names.get("rna", []) if label.get(cell) and label[cell] not in known)
    )
    return remarks + ([f"in rna only, left out: {name_some(further)}"] if further else [])


def _column_names(file: MultimodalFile) -> list[str]:
    tables = [file.obs, *(modality.obs for modality in file.modalities.values())]
    return list(dict.fromkeys(str(name) for table in tables if table is not None for name in table.columns))


def _labels(file: MultimodalFile, by: str) -> dict[str, str]:
    """Value of the column for each row that has one: of the file's table, else of the modalities'."""
    tables = [file.obs] if file.obs is not None and by in file.obs.columns else []
    tables = tables or [m.obs for m in file.modalities.values() if by in m.obs.columns]
    if not tables:
        raise InputError(
            f"{file.path}: --by names a column of obs, of the file or of a modality; got {by!r}; "
            f"{nearest_names(by, _column_names(file))}"
        )
    labels: dict[str, str] = {}
    for table in tables:
        _refuse_fractions(file, table[by], by)
        for cell, value in _text(table, by).items():
            if labels.setdefault(cell, value) != value:
                raise InputError(
                    f"{file.path}: a cell belongs to one sample; {by!r} of {cell} is {labels[cell]!r} in one modality and "
                    f"{value!r} in another. Put the right column into the obs of the file."
                )
    return labels


def _refuse_fractions(file: MultimodalFile, values: Any, by: str) -> None:
    """Refuse a measurement for a name; numbers of clusters beside missing values are whole, if as floats."""
    found = [value for value in values.dropna().unique() if isinstance(value, (float, np.floating))]
    wrong = [value for value in found if not value.is_integer()]
    if wrong:
        raise InputError(
            f"{file.path}: --by names a column of names, as of cell types; {by!r} holds numbers with fractions, such as "
            f"{wrong[0]:g}; {nearest_names('cell_type', [name for name in _column_names(file) if name != by])}"
        )


def _text(table: Any, column: str) -> dict[str, str]:
    """Values of a column as text, by name of row, whole numbers without point; rows without a value are left out."""
    values = table[column]
    known = values.notna()
    return {str(cell): _word(value) for cell, value in values[known].items() if str(value)}


def _word(value: object) -> str:
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value)


def _constant(file: MultimodalFile, label: Mapping[str, str], by: str | None) -> dict[str, dict[str, str]]:
    """Columns of obs that are the same in all rows of every sample, other than measurements (fractions), by sample.

    One that is empty throughout stays, as the column of a samples.tsv that nobody filled in.
    """
    found: dict[str, dict[str, str]] = {}
    for table in (file.obs, *(modality.obs for modality in file.modalities.values())):
        for name in [] if table is None else table.columns:
            if str(name) in found or name == by or str(name) in _TAKEN or table[name].dtype.kind in "fc":
                continue
            pairs: Counter[tuple[Hashable, str]] = Counter(
                (label[cell], value) for cell, value in _text(table, name).items() if label.get(cell)
            )
            if len({sample for sample, _ in pairs}) == len(pairs):
                found[str(name)] = {str(sample): value for sample, value in pairs}
    return found
