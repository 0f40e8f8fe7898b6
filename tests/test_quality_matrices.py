import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.formats.matrices import (
    RegionGenes,
    SeedMatrices,
    SeedTable,
    find_gene_file,
    read_region_genes,
    read_seed_matrices,
)
from atac2rna.quality.finding import Finding
from atac2rna.quality.matrices import find_matrix_problems, near_duplicates, rows_text, sample_problems
from atac2rna.quality.matrix_cleaning import clean_matrices
from atac2rna.quality.matrix_columns import column_orders

GENES, BINS = 80, 400
UNFILLED = np.arange(3, 80, 7)


def genes() -> RegionGenes:
    rng = np.random.default_rng(5)
    start = rng.permutation(GENES) * 1_000
    return RegionGenes(
        tuple(f"ENSG{i:011d}" for i in rng.permutation(GENES)),
        tuple(f"ENSG{i:011d}.1" for i in range(GENES)),
        start.astype(np.int64),
        (start + rng.integers(1, 5_000, GENES)).astype(np.int64),
    )


def table(name: str, samples: int, seed: int) -> SeedTable:
    """Samples alike in gene means, each with its own deviations; columns in the order of the gene table."""
    means = np.random.default_rng(1).normal(4, 1.8, GENES)
    rng = np.random.default_rng(seed)
    tpm = np.exp2(np.maximum(means + rng.normal(0, 0.9, (samples, GENES)), 0)) - 1
    tpm[:, UNFILLED] = 0
    bare = np.zeros(tpm.shape, dtype=bool)
    bare[:, UNFILLED] = True
    peaks = (rng.random((samples, BINS)) < 0.2).astype(np.uint8)
    return SeedTable(name, peaks, tpm, bare)


def reorder(table: SeedTable, columns: np.ndarray) -> SeedTable:
    return replace(table, expression=table.expression[:, columns], bare_zero=table.bare_zero[:, columns])


def good() -> SeedMatrices:
    return SeedMatrices((table("lines", 8, 2), table("tissues", 9, 3)))


def shuffled() -> SeedMatrices:
    by_start = np.argsort(genes().start)
    lines, tissues = good().tables
    return SeedMatrices((lines, reorder(tissues, by_start)))


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def only(findings: list[Finding], code: str, table: str = "") -> Finding:
    (found,) = [f for f in findings if f.code == code and f.subject.startswith(table)]
    return found


def test_samples_with_names_are_named() -> None:
    bad = table("all", 8, 2)
    bad.expression[0] = 0
    bad.peaks[[1, 2]] = 0
    bad.expression[5] = bad.expression[4] * 1.01
    named = replace(bad, samples=tuple("ABCDEFGH"))
    found = find_matrix_problems(SeedMatrices((named,)), None)
    assert only(found, "matrix-no-expression").subject == "all A"
    few = only(found, "matrix-few-peaks")
    assert (few.subject, few.value) == ("all B, C", "B: 0 bins; C: 0 bins")
    alike = only(found, "matrix-near-duplicates")
    assert (alike.subject, alike.value[:7]) == ("all E, F", "E and F")
    (numbered,) = [one for one in find_matrix_problems(SeedMatrices((bad,)), None) if one.code == few.code]
    assert (numbered.subject, numbered.value) == ("all rows 1-2", "row 1: 0 bins; row 2: 0 bins")


def test_good_tables_have_only_what_was_planted() -> None:
    found = find_matrix_problems(good(), genes())
    assert set(codes(found)) == {"matrix-unfilled-columns", "matrix-zero-genes", "matrix-zero-bins", "matrix-unlogged"}
    unfilled = only(found, "matrix-unfilled-columns", "lines")
    assert unfilled.severity == "error"
    assert unfilled.value == f"{UNFILLED.size} of {GENES} columns"
    assert unfilled.subject == f"lines {rows_text(UNFILLED.tolist(), 'column')}"


def test_different_column_orders_are_found_without_a_gene_table_and_recovered_with_one() -> None:
    blind = only(find_matrix_problems(shuffled(), None), "matrix-column-order")
    assert blind.severity == "error"
    assert "Give the gene table" in blind.remedy
    orders = column_orders(shuffled(), genes())
    assert orders.recovered
    assert abs(orders.before) < 0.3
    assert orders.after > 0.8
    assert orders.names == ("the gene table's rows", "gene start")
    assert orders.unfilled_after == 1
    np.testing.assert_array_equal(orders.columns[0], np.arange(GENES))
    seen = only(find_matrix_problems(shuffled(), genes()), "matrix-column-order")
    assert f"{orders.after:.3f} reordered" in seen.value
    assert "lines: the gene table's rows; tissues: gene start" in seen.remedy


def test_the_table_that_was_sorted_is_told_from_the_one_that_was_not() -> None:
    lines, tissues = good().tables
    swapped = SeedMatrices((reorder(lines, np.argsort(genes().start)), tissues))
    assert column_orders(swapped, genes()).names == ("gene start", "the gene table's rows")


def test_an_order_that_no_gene_table_explains_stays_an_error() -> None:
    lines, tissues = good().tables
    matrices = SeedMatrices((lines, reorder(tissues, np.random.default_rng(9).permutation(GENES))))
    orders = column_orders(matrices, genes())
    assert not orders.agree
    assert not orders.recovered
    assert "matrix-column-order" in codes(find_matrix_problems(matrices, genes()))
    with pytest.raises(InputError, match="explains none of them"):
        clean_matrices(matrices, genes())
    with pytest.raises(InputError, match="no gene table was given"):
        clean_matrices(matrices, None)


def test_a_gene_table_of_another_region_is_named() -> None:
    short = RegionGenes(genes().gene_ids[1:], genes().versions[1:], genes().start[1:], genes().end[1:])
    assert only(find_matrix_problems(good(), short), "matrix-gene-count").value == "80 columns, 79 genes"


def planted() -> SeedMatrices:
    lines, tissues = good().tables
    expression, peaks = tissues.expression.copy(), tissues.peaks.copy()
    expression[0] = 0
    expression[2] *= 0.01
    expression[5] *= 0.08
    expression[7] = expression[4] * 1.02
    peaks[0], peaks[3] = 0, 0
    peaks[3, :6] = 1
    peaks[6] = 0
    peaks[6, :34] = 1
    return SeedMatrices((lines, replace(tissues, expression=expression, peaks=peaks)))


def test_bad_samples_are_named_with_their_rows() -> None:
    found = find_matrix_problems(planted(), genes())
    by_code = {(f.code, f.severity): f.subject for f in found if f.subject.startswith("tissues row")}
    assert by_code == {
        ("matrix-no-expression", "error"): "tissues row 0",
        ("matrix-little-expression", "error"): "tissues row 2",
        ("matrix-little-expression", "warning"): "tissues row 5",
        ("matrix-few-peaks", "error"): "tissues rows 0, 3",
        ("matrix-few-peaks", "warning"): "tissues row 6",
        ("matrix-near-duplicates", "warning"): "tissues rows 4, 7",
    }
    assert [f.severity for f in found] == sorted([f.severity for f in found], key=["error", "warning", "note"].index)
    assert not [p for p in sample_problems(planted()) if p.table == "lines"]


def test_an_unlike_profile_is_a_warning_even_where_the_sum_is_right() -> None:
    lines, tissues = good().tables
    expression = tissues.expression.copy()
    expression[1] = expression[1][::-1]
    (problem,) = sample_problems(SeedMatrices((lines, replace(tissues, expression=expression))))
    assert (problem.table, problem.row, problem.severity) == ("tissues", 1, "warning")


def test_values_unfilled_in_some_samples_only_become_missing() -> None:
    lines, tissues = good().tables
    expression, bare = lines.expression.copy(), lines.bare_zero.copy()
    expression[2, 12], bare[2, 12] = 0, True
    expression[3, 13] = 0
    matrices = SeedMatrices((replace(lines, expression=expression, bare_zero=bare), tissues))
    assert only(find_matrix_problems(matrices, None), "matrix-unfilled-values").subject == "lines column 12"
    clean = clean_matrices(matrices, None)["lines"]
    assert np.argwhere(np.isnan(clean.expression)).tolist() == [[2, clean.columns.tolist().index(12)]]


def test_logged_tables_are_not_called_unlogged() -> None:
    matrices = SeedMatrices(tuple(replace(t, expression=np.log2(t.expression + 1)) for t in good().tables))
    assert "matrix-unlogged" not in codes(find_matrix_problems(matrices, None))


def test_cleaning_orders_names_and_tells_what_it_dropped() -> None:
    lines, tissues = planted().tables
    matrices = SeedMatrices((lines, reorder(tissues, np.argsort(genes().start))))
    untouched = matrices["tissues"].expression.copy()
    clean = clean_matrices(matrices, genes())
    filled = np.setdiff1d(np.arange(GENES), UNFILLED)
    assert clean.genes is not None
    assert clean.genes.gene_ids == tuple(genes().gene_ids[i] for i in filled)
    kept = [1, 4, 5, 6, 7, 8]
    assert clean["tissues"].samples == tuple(f"tissues-{row}" for row in kept)
    assert clean["tissues"].clusters == tuple(f"tissues-{row}" for row in [1, 4, 5, 6, 4, 8])
    np.testing.assert_allclose(
        clean["tissues"].expression, np.log2(planted()["tissues"].expression[np.ix_(kept, filled)] + 1), rtol=1e-6
    )
    np.testing.assert_array_equal(clean["tissues"].peaks, planted()["tissues"].peaks[kept])
    what = {item.what: item.why for item in clean.dropped}
    assert set(what) > {"tissues row 0", "tissues row 2", "tissues row 3"}
    assert what["tissues row 0"] == "all 80 values zero; 0 bins"
    assert what[f"lines {rows_text(UNFILLED.tolist(), 'column')}"] == "never filled: missing, not zero"
    np.testing.assert_array_equal(matrices["tissues"].expression, untouched)


def test_a_folder_without_a_usable_sample_is_refused() -> None:
    lines, tissues = good().tables
    empty = replace(tissues, expression=np.zeros_like(tissues.expression))
    with pytest.raises(InputError, match="every one of 9 samples of the table tissues"):
        clean_matrices(SeedMatrices((lines, empty)), None)


def test_one_small_table_has_no_order_to_doubt() -> None:
    orders = column_orders(SeedMatrices((table("lines", 2, 2),)), None)
    assert orders.agree
    assert np.isnan(orders.before)
    assert np.isnan(orders.halves[0])


def test_rows_are_written_as_runs() -> None:
    assert rows_text([4]) == "row 4"
    assert rows_text([0, 1, 2, 7]) == "rows 0-2, 7"


@pytest.fixture(scope="module")
def seed_folder() -> Path:
    root = os.environ.get("ATAC2RNA_TEST_DATA")
    if not root or not (folder := Path(root) / "seed_chr1").is_dir():
        pytest.skip("REAL DATA ABSENT: set ATAC2RNA_TEST_DATA to the folder that holds seed_chr1")
    return folder


@pytest.mark.real
def test_every_measured_defect_of_the_first_experiment_is_named(seed_folder: Path) -> None:
    matrices = read_seed_matrices(seed_folder)
    gene_file = find_gene_file(seed_folder)
    assert gene_file is not None
    table = read_region_genes(gene_file)
    found = find_matrix_problems(matrices, table)
    order = only(found, "matrix-column-order")
    assert order.value == "r = -0.019 as they stand, 0.961 reordered"
    assert "lines: the gene table's rows; tissues: gene start" in order.remedy
    assert "100.0%" in order.remedy
    by_code = {(f.code, f.severity, f.subject) for f in found}
    assert {
        ("matrix-no-expression", "error", "tissues rows 0, 4, 7, 14"),
        ("matrix-little-expression", "error", "tissues rows 10-12"),
        ("matrix-little-expression", "warning", "tissues rows 5, 17"),
        ("matrix-few-peaks", "error", "tissues rows 0-2, 4, 7-8, 10-12, 14"),
        ("matrix-few-peaks", "warning", "tissues row 3"),
        ("matrix-near-duplicates", "warning", "tissues rows 2-3, 6, 9"),
    } <= by_code
    assert not [f for f in found if f.subject.startswith("lines row")]
    for name in ("lines", "tissues"):
        assert only(found, "matrix-unfilled-columns", name).value == "170 of 360 columns"
    assert only(found, "matrix-zero-bins", "lines").value == "8,791 of 10,000 bins"
    assert only(found, "matrix-zero-genes", "tissues").value == "244 of 360 genes"
    assert only(found, "matrix-unlogged", "tissues").value == "largest value 1,390"
    assert [(i, j) for i, j, _ in near_duplicates(matrices["tissues"])] == [(2, 6), (3, 9)]
    clean = clean_matrices(matrices, table)
    assert clean.genes is not None
    assert len(clean.genes) == 190
    assert clean["tissues"].rows.tolist() == [3, 5, 6, 9, 13, 15, 16, 17, 18]


@pytest.mark.real
def test_recovered_columns_equal_the_independent_recovery(seed_folder: Path) -> None:
    gene_file = find_gene_file(seed_folder)
    assert gene_file is not None
    clean = clean_matrices(read_seed_matrices(seed_folder), read_region_genes(gene_file))
    header, *lines = (seed_folder / "columns_360_recovered.tsv").read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    expected = {
        row["gene_id"]: (int(row["lines_column"]), int(row["tissues_column"]))
        for row in rows
        if row["matched_in_rna"] == "1"
    }
    assert clean.genes is not None
    columns = zip(clean["lines"].columns.tolist(), clean["tissues"].columns.tolist(), strict=True)
    assert dict(zip(clean.genes.gene_ids, columns, strict=True)) == expected
