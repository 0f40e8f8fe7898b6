"""From the fields of a table to TPM."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.expression.dialect import Layout
from atac2rna.formats.table import Table

MILLION = 1_000_000.0
# TPM of a sample add up to a million; normalisation between samples (TMM) may stretch that, not double it.
_HIGHEST_SUM = 2 * MILLION
# Whole numbers alone mean counts, unless there are so few that chance may do it.
_FEW = 100
LOG_MAXIMUM = 25.0
"""Whole tables of fractions with nothing above this are taken for logarithms."""
# Of fewer genes than these all may be low, if they were chosen so.
_LOG_FEWEST = 1000


def to_tpm(table: Table, layout: Layout, frame: pl.DataFrame, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Turn the value columns into TPM.

    TPM stay as they are. FPKM are scaled to a million (TPM = FPKM / sum of FPKM x 10^6, Pachter 2011,
    arXiv:1104.3889), counts are divided by length first. The sums run over all `rows`, spike-ins included, as the
    quantifiers themselves do.

    Args:
        table: Where the values come from, for errors.
        layout: Which columns are what.
        frame: The columns as strings, as `table.read` gives them, restricted to `rows`.
        rows: Row of `table` for each row of `frame`, shape (rows,).

    Returns:
        Shape (rows, samples).

    Raises:
        InputError: If a value is missing, negative or not finite, or the values are not what they are said to be.
    """
    ids = frame[str(layout.ids)]
    values = _numbers(table, layout, frame, layout.values, rows)
    if layout.unit == "counts" and layout.length is not None:
        length = _numbers(table, layout, frame, (layout.length,), rows)
        if not length.all():
            row = int(np.flatnonzero(length[:, 0] == 0)[0])
            raise InputError(
                f"{table.path} line {table.line_of(int(rows[row]))}: the length of a gene is above 0; "
                f"got 0 for {ids[row]}."
            )
        values = values / length
    elif not layout.declared:
        _refuse_counts(table, layout, values)
        if layout.unit == "tpm" and len(values) >= _LOG_FEWEST and are_logarithms(values):
            raise InputError(
                f"{table.path}: values are TPM, not logarithms; the highest of {len(values):,} genes is {values.max():.4g}, and "
                f"{table.label(layout.values[0])} adds up to {values[:, 0].sum():,.0f}, TPM of a sample to about a million. "
                "Undo the logarithm (2^x - 1)."
            )
    total = values.sum(axis=0)
    if layout.unit != "tpm":
        for column, amount in zip(layout.values, total, strict=True):
            if amount == 0:
                raise InputError(
                    f"{table.path}: {layout.unit} are scaled to a million; all values of "
                    f"{table.label(column)} are 0. Leave the sample out."
                )
        return np.asarray(values * (MILLION / total))
    for column, amount in zip(layout.values, total, strict=True):
        if amount > _HIGHEST_SUM:
            raise InputError(
                f"{table.path}: TPM of a sample add up to about a million; {table.label(column)} adds up to "
                f"{amount:,.0f}, as read counts do. Give TPM, or counts with lengths as featureCounts writes them."
            )
    return values


def are_counts(frame: pl.DataFrame, layout: Layout) -> bool:
    """Tell whether all values are whole numbers, too many for chance; a value that is no number is none."""
    text = frame.select(str(column) for column in layout.values)
    values = text.select(pl.all().str.strip_chars().cast(pl.Float64, strict=False))
    whole = values.select(pl.all_horizontal((pl.all() == pl.all().floor()).fill_null(False).all())).item()
    return bool(whole) and bool(values.select(pl.any_horizontal((pl.all() > 0).sum() > _FEW)).item())


def are_logarithms(values: NDArray[np.float64]) -> bool:
    """Tell whether values that should be TPM look like logarithms of them: fractions, and none above 25.

    The million of TPM lies on some thousands of genes, so that some have hundreds; log2 of a million is 20. Of a few genes
    all may be low.

    Args:
        values: Of all samples and genes, at least 0, any shape.
    """
    return bool(values.max(initial=0) <= LOG_MAXIMUM and (values != np.floor(values)).any())


def _numbers(
    table: Table, layout: Layout, frame: pl.DataFrame, columns: tuple[int, ...], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Values of columns, shape (rows, columns): finite and at least 0."""
    text, ids = frame.select(str(column) for column in columns), frame[str(layout.ids)]
    numbers = text.cast(pl.Float64, strict=False)
    if sum(numbers.null_count().row(0)):
        text = text.select(pl.all().str.strip_chars())
        numbers = text.cast(pl.Float64, strict=False)
    values = np.ascontiguousarray(numbers.fill_null(np.nan).to_numpy(), dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = text[row, column]
        raise InputError(
            f"{table.path} line {table.line_of(int(rows[row]))}: {table.label(columns[column])} of a gene is a finite "
            f"number of at least 0; got {value!r} for {ids[row]} ({int(wrong.any(axis=1).sum()):,} of "
            f"{len(values):,} rows). {_advice(value, several=bool(layout.samples))}"
        )
    return values


def _advice(value: str, *, several: bool) -> str:
    if "," in value:
        return "Write decimals with a point and nothing between thousands."
    if value.startswith("-") and value[1:2].isdigit():
        return "Logarithms? Give plain TPM" + (", or remove the column if it is no sample." if several else ".")
    if several:
        return "Remove the row of a gene that was not measured, or the column if it is no sample."
    return "Remove the row of a gene that was not measured, or name another column with --value-column."


def _refuse_counts(table: Table, layout: Layout, values: NDArray[np.float64]) -> None:
    """Refuse values of no stated unit that are all whole numbers."""
    whole = (values == np.floor(values)).all(axis=0)
    expressed = (values > 0).sum(axis=0)
    for column, is_whole, count in zip(layout.values, whole, expressed, strict=True):
        if is_whole and count > _FEW:
            raise InputError(
                f"{table.path}: values are TPM; all {count:,} values above 0 of {table.label(column)} are whole "
                "numbers, as read counts are. Give TPM, or counts with lengths as featureCounts writes them"
                + ("." if layout.samples else "; name the column with --value-column if it is TPM.")
            )
