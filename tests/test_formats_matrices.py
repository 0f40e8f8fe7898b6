import gzip
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.formats.matrices import find_gene_file, read_region_genes, read_seed_matrices

HEADER = "Gene stable ID\tChromosome/scaffold name\tGene start (bp)\tGene end (bp)\tGene stable ID version\n"


def write(
    folder: Path, peaks: str = "0,1\n1,0\n", expression: str = "0,0.0,3.5\n0,1.25,2\n", name: str = "lines"
) -> Path:
    (folder / f"peaks_input_{name}.csv").write_text(peaks)
    (folder / f"exp_output_{name}.csv").write_text(expression)
    return folder


def test_values_and_bare_zeros_are_read_as_written(tmp_path: Path) -> None:
    table = read_seed_matrices(write(tmp_path))["lines"]
    np.testing.assert_array_equal(table.peaks, np.array([[0, 1], [1, 0]], dtype=np.uint8))
    assert table.peaks.dtype == np.uint8
    assert table.expression.dtype == np.float64
    np.testing.assert_array_equal(table.expression, [[0, 0, 3.5], [0, 1.25, 2]])
    np.testing.assert_array_equal(table.bare_zero, [[True, False, False], [True, False, False]])
    np.testing.assert_array_equal(table.never_filled, [True, False, False])


def test_bare_zeros_tell_nothing_where_no_zero_is_written_otherwise(tmp_path: Path) -> None:
    table = read_seed_matrices(write(tmp_path, expression="0,1,3\n0,2,2\n"))["lines"]
    assert table.bare_zero.any()
    assert not table.unfilled.any()


def test_tables_come_in_alphabetical_order_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, name="tissues", peaks="0,1\r\n1,0\r\n\r\n", expression="0, 0.0,3.5\r\n0,1.25,2\r\n")
    write(tmp_path, name="lines")
    tissues, lines = (read_seed_matrices(tmp_path)[name] for name in ("tissues", "lines"))
    assert [table.name for table in read_seed_matrices(tmp_path).tables] == ["lines", "tissues"]
    np.testing.assert_array_equal(tissues.expression, lines.expression)


@pytest.mark.parametrize(
    ("peaks", "expression", "words"),
    [
        ("0,1\n1\n", "1,2\n1,2\n", ["peaks_input_lines.csv line 2", "got 1 instead of 2"]),
        ("0,1\n1,0\n", "1,2\n1,2,3\n", ["exp_output_lines.csv line 2", "got 3 instead of 2"]),
        ("0,1\n1,0\n", "g1,g2\n1,2\n", ["line 1, column 1", "'g1'", "2 such values"]),
        ("0,1\n1,0\n", "1,2\n1,-2.5\n", ["line 2, column 2", "'-2.5'"]),
        ("0,1\n1,0\n", "1,nan\n1,2\n", ["line 1, column 2", "'nan'"]),
        ("0,1\n1,\n", "1,2\n1,2\n", ["line 2, column 2", "''"]),
        ("0,1\n3,0\n", "1,2\n1,2\n", ["line 2, column 1", "0 or 1", "got 3"]),
        ("0,1\n1,0\n", "1,2\n", ["has 1 samples", "peaks_input_lines.csv 2"]),
        ("\n", "1,2\n", ["is empty"]),
    ],
)
def test_a_broken_file_is_told_with_its_place(tmp_path: Path, peaks: str, expression: str, words: list[str]) -> None:
    write(tmp_path, peaks, expression)
    with pytest.raises(InputError) as caught:
        read_seed_matrices(tmp_path)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_unequal_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_seed_matrices(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no peaks_input_"):
        read_seed_matrices(tmp_path)
    write(tmp_path)
    write(tmp_path, name="tissues", expression="1,2\n1,2\n")
    with pytest.raises(InputError, match="tissues has 2 and lines 3"):
        read_seed_matrices(tmp_path)
    (tmp_path / "exp_output_tissues.csv").unlink()
    with pytest.raises(InputError, match=r"exp_output_tissues\.csv: no such file"):
        read_seed_matrices(tmp_path)


def test_genes_of_a_region_lie_wholly_inside_it(tmp_path: Path) -> None:
    path = tmp_path / "ensembl_genes.txt.gz"
    rows = [
        "ENSG01\tMT\t1\t10\tENSG01.1",
        "ENSG03\t1\t501\t1000\tENSG03.7",
        "ENSG02\t1\t1\t10\tENSG02.2",
        "ENSG04\t1\t901\t1001\tENSG04.1",
    ]
    path.write_bytes(gzip.compress((HEADER + "\n".join(rows) + "\n").encode()))
    assert find_gene_file(tmp_path) == path
    genes = read_region_genes(path, chrom="chr1", end=1_000)
    assert genes.gene_ids == ("ENSG03", "ENSG02")
    assert genes.versions == ("ENSG03.7", "ENSG02.2")
    np.testing.assert_array_equal(genes.start, [500, 0])
    np.testing.assert_array_equal(genes.end, [1000, 10])
    assert len(read_region_genes(path, chrom="1", start=1, end=1_000)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER.replace("Gene end (bp)", "Gene End") + "a\t1\t1\t2\ta.1\n", ["'Gene end (bp)'", "'Gene End'"]),
        (HEADER + "a\t1\t1\t2\ta.1\nb\t1\tx\t2\tb.1\n", ["line 3", "1 of 2 rows"]),
        (HEADER + "a\t2\t1\t2\ta.1\n", ["none of 1 genes lies in chr1:0-10,000,000"]),
    ],
)
def test_a_broken_gene_table_is_told_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "ensembl_genes.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_region_genes(path)
    for word in words:
        assert word in str(caught.value)


def test_no_gene_file_is_no_error(tmp_path: Path) -> None:
    assert find_gene_file(tmp_path) is None
