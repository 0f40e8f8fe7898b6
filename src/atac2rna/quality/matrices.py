"""What is wrong in headerless matrices of one region, told from the data alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atac2rna.formats.matrices import RegionGenes, SeedMatrices, SeedTable
from atac2rna.quality.finding import Finding, Severity, by_severity
from atac2rna.quality.matrix_columns import ColumnOrders, column_orders

# Shares of what a usual sample of the same folder has: the sum of TPM against the median over all samples with any
# expression, the number of open bins against the upper quartile (more than half of a table may be bad).
_SUM_ERROR, _SUM_WARNING = 1 / 20, 1 / 8
_BINS_ERROR, _BINS_WARNING = 1 / 4, 1 / 2
_PROFILE_WARNING = 0.65
# Ten distinct cell lines reach 0.93; what prints as 0.95 or more is the same tissue or the same sample again.
_DUPLICATE = 0.945
# log2(TPM + 1) stays below 20; the largest values of unlogged TPM own the sum of squares.
_LOGGED_MAXIMUM = 30.0

SampleCode = Literal["matrix-no-expression", "matrix-little-expression", "matrix-few-peaks"]


@dataclass(frozen=True)
class SampleProblem:
    """One thing wrong with one sample.

    Attributes:
        table: Name of the table.
        row: Row in the table, counted from 0.
        code: Which rule.
        severity: An error drops the sample from the cleaned matrices.
        value: What was measured.
    """

    table: str
    row: int
    code: SampleCode
    severity: Severity
    value: str


_SAMPLE_TEXTS: dict[SampleCode, tuple[str, str]] = {
    "matrix-no-expression": (
        "Every expression value of {samples} is zero, which no RNA-seq gives.",
        "Leave such samples out, or find out which file should have been read.",
    ),
    "matrix-little-expression": (
        "The expression of {samples} is far less than that of the others of the folder, or its profile unlike theirs: "
        "probably another assay or file type.",
        "Leave such samples out unless you know why.",
    ),
    "matrix-few-peaks": (
        "The open bins of {samples} are far fewer than those of the others of the folder; one score limit was probably "
        "applied to files in which the score means different things.",
        "Leave such samples out, or choose peaks by their rank within the sample.",
    ),
}


def find_matrix_problems(matrices: SeedMatrices, genes: RegionGenes | None) -> list[Finding]:
    """Name what makes matrices unfit for training; without names, with rows and columns counted from 0.

    Args:
        matrices: The tables of one folder.
        genes: Genes of the region in the order of their file, to recover column orders; None: none at hand.

    Returns:
        Findings, errors first.
    """
    orders = column_orders(matrices, genes)
    findings = [*_order_findings(matrices, genes, orders), *_unfilled_findings(matrices)]
    findings += _sample_findings(matrices, sample_problems(matrices))
    findings += [_duplicate_finding(table, pairs) for table in matrices.tables if (pairs := near_duplicates(table))]
    for table in matrices.tables:
        findings += [*_zero_findings(table), *_scale_findings(table)]
    return by_severity(findings)


def sample_problems(matrices: SeedMatrices) -> list[SampleProblem]:
    """Judge every sample against the others of the folder; a sample may have several problems."""
    sums = np.concatenate([table.expression.sum(axis=1) for table in matrices.tables])
    bins = np.concatenate([table.peaks.sum(axis=1) for table in matrices.tables])
    usual_sum = float(np.median(sums[sums > 0])) if (sums > 0).any() else 0.0
    usual_bins = float(np.quantile(bins, 0.75))
    problems: list[SampleProblem] = []
    for table in matrices.tables:
        problems += _expression_problems(table, usual_sum)
        problems += _peak_problems(table, usual_bins)
    return problems


def near_duplicates(table: SeedTable) -> list[tuple[int, int, float]]:
    """Give pairs of samples whose log expression over filled genes correlates as that of one tissue taken twice."""
    similarity = _similarity(table)
    rows, others = np.nonzero(np.triu(similarity, k=1) >= _DUPLICATE)
    return [(int(i), int(j), float(similarity[i, j])) for i, j in zip(rows, others, strict=True)]


def _expression_problems(table: SeedTable, usual_sum: float) -> Iterator[SampleProblem]:
    similarity = _similarity(table)
    expressed = table.expression.sum(axis=1) > 0
    for row, values in enumerate(table.expression):
        if not expressed[row]:
            text = f"all {values.size} values zero"
            yield SampleProblem(table.name, row, "matrix-no-expression", "error", text)
            continue
        others = expressed & (np.arange(len(expressed)) != row)
        profile = float(np.median(similarity[row, others])) if others.sum() >= 3 else float("nan")
        share = values.sum() / usual_sum
        severity: Severity = "error" if share < _SUM_ERROR else "warning"
        if share < _SUM_WARNING or profile < _PROFILE_WARNING:
            text = f"{values.sum():.1f} TPM, {(values > 0).sum()} genes, profile r {profile:.2f}"
            yield SampleProblem(table.name, row, "matrix-little-expression", severity, text)


def _peak_problems(table: SeedTable, usual_bins: float) -> Iterator[SampleProblem]:
    for row, count in enumerate(table.peaks.sum(axis=1)):
        severity: Severity = "error" if count < _BINS_ERROR * usual_bins or count == 0 else "warning"
        if count < _BINS_WARNING * usual_bins or count == 0:
            yield SampleProblem(table.name, row, "matrix-few-peaks", severity, f"{count} bins")


def _similarity(table: SeedTable) -> NDArray[np.float64]:
    """Correlate samples over filled genes on log2(TPM + 1); 0 with a constant sample."""
    log = np.log2(table.expression + 1)[:, ~table.never_filled]
    log = log - log.mean(axis=1, keepdims=True)
    norm = np.sqrt((log**2).sum(axis=1, keepdims=True))
    unit = np.divide(log, norm, out=np.zeros_like(log), where=norm > 0)
    similarity: NDArray[np.float64] = unit @ unit.T
    return similarity


def _sample_findings(matrices: SeedMatrices, problems: list[SampleProblem]) -> Iterator[Finding]:
    """Gather the samples of one table with one problem of one severity into one finding."""

    def key(problem: SampleProblem) -> tuple[str, str, str]:
        return (problem.table, problem.code, problem.severity)

    tables = {table.name: table for table in matrices.tables}
    for (name, _, _), group in groupby(sorted(problems, key=key), key=key):
        table, members = tables[name], list(group)
        message, remedy = _SAMPLE_TEXTS[members[0].code]
        samples = f"{len(members)} samples" if len(members) > 1 else "one sample"
        yield Finding(
            members[0].severity,
            members[0].code,
            f"{name} {_samples_text(table, [member.row for member in members])}",
            "; ".join(f"{_samples_text(table, [member.row])}: {member.value}" for member in members),
            message.format(samples=samples),
            remedy,
        )


def _order_findings(matrices: SeedMatrices, genes: RegionGenes | None, orders: ColumnOrders) -> Iterator[Finding]:
    names = ", ".join(table.name for table in matrices.tables)
    columns = matrices.tables[0].expression.shape[1]
    if genes is not None and len(genes) != columns:
        yield Finding(
            "error",
            "matrix-gene-count",
            names,
            f"{columns} columns, {len(genes)} genes",
            f"The matrices have {columns} columns and the gene table {len(genes)} genes in the region.",
            "Give the gene table and the region from which the matrices were made.",
        )
    if orders.agree and not orders.recovered:
        return
    halves = " and ".join(f"{half:.3f}" for half in orders.halves)
    value = f"r = {orders.before:.3f}"
    remedy = "Give the gene table from which the columns were made; until then train and test within one table only."
    if orders.recovered:
        value += f" as they stand, {orders.after:.3f} reordered"
        found = "; ".join(f"{table.name}: {name}" for table, name in zip(matrices.tables, orders.names, strict=True))
        remedy = (
            f"Reorder the columns ({found}); unfilled columns then coincide for {orders.unfilled_after:.1%} of the "
            f"columns instead of {orders.unfilled_before:.1%}."
        )
    yield Finding(
        "error",
        "matrix-column-order",
        names,
        value,
        "The tables have different column orders: gene means, log2(TPM + 1), do not correlate between the tables "
        f"although the halves of each do (r = {halves}).",
        remedy,
    )


def _unfilled_findings(matrices: SeedMatrices) -> Iterator[Finding]:
    for table in matrices.tables:
        unfilled = table.never_filled
        partly = table.unfilled.any(axis=0) & ~unfilled
        if unfilled.any():
            yield Finding(
                "error",
                "matrix-unfilled-columns",
                f"{table.name} {rows_text(np.flatnonzero(unfilled).tolist(), 'column')}",
                f"{unfilled.sum()} of {unfilled.size} columns",
                "These genes were never filled in any sample (bare 0 where measured zeros are 0.0): missing was "
                "turned into zero, as happens when versioned ids of two annotation releases are joined.",
                "Join ids without version; until then drop these columns.",
            )
        if partly.any():
            yield Finding(
                "warning",
                "matrix-unfilled-values",
                f"{table.name} {rows_text(np.flatnonzero(partly).tolist(), 'column')}",
                f"{table.unfilled[:, partly].sum()} values",
                "These genes were not filled in some samples: missing was turned into zero.",
                "Treat these values as missing.",
            )


def _duplicate_finding(table: SeedTable, pairs: list[tuple[int, int, float]]) -> Finding:
    return Finding(
        "warning",
        "matrix-near-duplicates",
        f"{table.name} {_samples_text(table, sorted({row for i, j, _ in pairs for row in (i, j)}))}",
        "; ".join(f"{_pair_text(table, i, j)}: r = {r:.2f}" for i, j, r in pairs),
        "These samples are as alike as one tissue taken twice"
        f"{'' if table.samples else '; without names it cannot be settled'}.",
        "Keep each pair on one side of every split.",
    )


def _zero_findings(table: SeedTable) -> Iterator[Finding]:
    kinds: tuple[tuple[str, str, NDArray[np.bool_]], ...] = (
        ("matrix-zero-bins", "bins", table.peaks.sum(axis=0) > 0),
        ("matrix-zero-genes", "genes", table.expression.sum(axis=0) > 0),
    )
    for code, what, used in kinds:
        if not used.all():
            yield Finding(
                "note",
                code,
                table.name,
                f"{(~used).sum():,} of {used.size:,} {what}",
                f"These {what} are zero in every sample of the table and carry nothing to learn.",
                f"Read scores over the other {used.sum():,} {what}; a constant zero is predicted for free.",
            )


def _scale_findings(table: SeedTable) -> Iterator[Finding]:
    largest = float(table.expression.max(initial=0))
    if largest <= _LOGGED_MAXIMUM:
        return
    squares = np.sort(table.expression.ravel() ** 2)[::-1]
    yield Finding(
        "warning",
        "matrix-unlogged",
        table.name,
        f"largest value {largest:,.0f}",
        f"Expression is not logged: the 10 largest of {squares.size:,} values hold "
        f"{squares[:10].sum() / squares.sum():.0%} of the sum of squares, and a squared error sees little else.",
        "Train and score on log2(TPM + 1).",
    )


def _samples_text(table: SeedTable, rows: Sequence[int]) -> str:
    """Name samples, by their rows where the table has no names."""
    return ", ".join(table.samples[row] for row in rows) if table.samples else rows_text(rows)


def _pair_text(table: SeedTable, i: int, j: int) -> str:
    return f"{table.samples[i]} and {table.samples[j]}" if table.samples else f"rows {i} and {j}"


def rows_text(numbers: Sequence[int], what: str = "row") -> str:
    """Write numbers as `rows 0, 4, 7` with runs as `3-9`."""
    parts: list[str] = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(parts)}"
