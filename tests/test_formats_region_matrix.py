"""Matrices of accessibility: every spelling of the same regions, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.formats.pairs import Pair, PairMap, read_pairs
from atac2rna.formats.region_matrix import RegionMatrix, read_region_matrix
from atac2rna.formats.sample_info import read_sample_info

VALUES = [[1.5, 0.0], [0.0, 2.0], [30.25, 4.0]]
PLACES = [("chr1", 100, 600), ("chr2", 50, 300), ("chrX", 7, 9)]


def read(folder: Path, text: str | bytes, name: str = "m.tsv") -> RegionMatrix:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_region_matrix(path)


def rows(form: str, separator: str = "\t") -> str:
    """Rows of the matrix, each place written as `form`, which may hold a separator."""
    return "".join(
        form.format(c=place[0], a=place[1], b=place[2], bare=place[0][3:], one=place[1] + 1, width=place[2] - place[1])
        + separator
        + separator.join(str(v) for v in values)
        + "\n"
        for place, values in zip(PLACES, VALUES, strict=True)
    )


SPELLINGS = {
    "columns": "chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}"),
    "columns of GRanges": "seqnames\tstart\tend\twidth\tstrand\tA\tB\n" + rows("{c}\t{one}\t{b}\t{width}\t*"),
    "columns of featureCounts": "# Program:featureCounts\nGeneid\tChr\tStart\tEnd\tStrand\tLength\tbam/A.bam\tbam/B.bam\n"
    + rows("peak_x\t{c}\t{one}\t{b}\t+\t{width}"),
    "BED with a width": "#chr\tstart\tend\twidth\tA\tB\n" + rows("{c}\t{a}\t{b}\t{width}"),
    "header of a comment": "#chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}"),
    "annotation": "Chr\tStart\tEnd\tpeak_id\tannotation\tdistanceToTSS\tscore\tA\tB\n"
    + rows("{c}\t{a}\t{b}\tp1\tPromoter (<=1kb)\t-35\t7"),
    "names": "peak\tA\tB\n" + rows("{c}:{a}-{b}"),
    "names without a header cell": "\tA\tB\n" + rows("{c}_{a}_{b}"),
    "names under a short header": "A\tB\n" + rows("{c}-{a}-{b}"),
    "names without chr": "id\tA\tB\n" + rows("{bare}:{a}-{b}"),
    "names second": "gene\tinterval\tA\tB\n" + rows("x\t{c}:{a}-{b}"),
    "commas": "peak,A,B\n" + rows("{c}:{a}-{b}", ","),
    "quotes": '"peak"\t"A"\t"B"\n' + rows('"{c}:{a}-{b}"'),
    "carriage returns": ("peak\tA\tB\n" + rows("{c}:{a}-{b}")).replace("\n", "\r\n"),
    "HOMER": "PeakID (cmd=annotatePeaks.pl x hg38)\tChr\tStart\tEnd\tStrand\tPeak Score\tFocus Ratio/Region Size\t"
    "Annotation\tDistance to TSS\tEntrez ID\tGene Name\tCpG%\tA\tB\n"
    + rows("p1\t{c}\t{a}\t{b}\t+\t7\t0.5\tintron\t-35\t1234\tG\t0.02"),
    "columns of NA alone": "chrom\tstart\tend\tnearest\tA\tnote\tB\n"
    + rows("{c}\t{a}\t{b}\tNA")
    .replace("\t0.0\n", "\tn/a\t0.0\n")
    .replace("\t2.0\n", "\t\t2.0\n")
    .replace("\t4.0\n", "\tNaN\t4.0\n"),
    "separators at the ends of all lines": ("chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}")).replace(
        "\n", "\t\t\n"
    ),
    "separators at the ends of the rows": "chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}").replace("\n", "\t\n"),
    "the same below a comment": "#chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}").replace("\n", "\t\n"),
    "the same in quotes": '"peak","A","B"\n' + rows('"{c}:{a}-{b}"', ",").replace("\n", ',""\n'),
    "exponents": "chrom\tstart\tend\tA\tB\n" + rows("{c}\t{a}\t{b}").replace("\t100\t", "\t1e+02\t"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same(tmp_path: Path, spelling: str) -> None:
    matrix = read(tmp_path, SPELLINGS[spelling])
    regions = matrix.regions
    found = [
        (regions.chroms[c], int(a), int(b)) for c, a, b in zip(regions.chrom, regions.start, regions.end, strict=True)
    ]
    assert found == PLACES
    assert matrix.samples == ("A", "B")
    np.testing.assert_array_equal(matrix.signal, np.array(VALUES, dtype=np.float32).T)
    assert matrix.one_based == ("GRanges" in spelling or "featureCounts" in spelling)


def test_gzip_is_read_and_columns_left_out_are_named(tmp_path: Path) -> None:
    matrix = read(tmp_path, gzip.compress(SPELLINGS["annotation"].encode()), "m.tsv.gz")
    assert matrix.left_out == ("peak_id", "annotation", "distanceToTSS", "score")
    assert matrix.regions.naming == "ucsc"


def test_peaks_of_a_sample_are_sorted_and_lack_closed_regions(tmp_path: Path) -> None:
    matrix = read(tmp_path, "peak\tA\nchr2:5-9\t1\nchr1:30-40\t0\nchr1:10-20\t7\n")
    peaks = matrix.regions.peaks(matrix.signal[0] > 0, signal=matrix.signal[0])
    assert peaks.chroms == ("chr1", "chr2")
    assert peaks.start.tolist() == [10, 5]
    assert peaks.signal.tolist() == [7, 1]


LOGS = "peak\tA\n" + "".join(f"chr1:{10 * i}-{10 * i + 5}\t{5 + i % 700 / 100}\n" for i in range(1500))
REFUSED = {
    "no header": (rows("{c}:{a}-{b}"), r"m.tsv line 1: .* has a header"),
    "no places": (
        "gene\tA\nTP53\t1\nMYC\t2\n",
        r"tells the place of each peak.*'gene', 'A' and 'TP53' in the first row",
    ),
    "a broken name": (
        "peak\tA\nchr1:1-5\t1\nchr1:5\t1\nchr1:7-9\t1\n",
        r"m.tsv line 3: the name of a peak holds its place.*'chr1:5'",
    ),
    "reversed": ("peak\tA\nchr1:9-5\t1\n", r"m.tsv line 2: a peak has 0 <= start < end"),
    "a word for a start": ("chr\tstart\tend\tA\nchr1\tx\t5\t1\n", r"m.tsv line 2: column start is a whole number"),
    "negative": (
        "peak\tA\tB\nchr1:1-5\t1\t2\nchr1:7-9\t1\t-0.5\n",
        r"line 3: .* got '-0.5' for B \(1 of 2 rows\).*z-scores, or remove the column if it is no sample\.$",
    ),
    "NaN": (
        "peak\tA\nchr1:1-5\tNA\nchr1:7-9\t1\n",
        r"line 2: .* got 'NA' for A .*Write 0 where there is no peak .*, or remove the column if it is no sample",
    ),
    "a number below a hundred of NA": (
        "peak\tA\tB\n" + "".join(f"chr1:{i}-{i + 5}\t{i if i > 150 else 'NA'}\t1\n" for i in range(160)),
        r"line 2: .* got 'NA' for A \(151 of 160 rows\)",
    ),
    "NA alone": ("peak\tA\nchr1:1-5\tNA\n", r"has a column of numbers for each sample; got 'peak', 'A'"),
    "empty": ("peak\tA\tB\nchr1:1-5\t\t1\nchr1:7-9\t2\t1\n", r"line 2: .* got '' for A"),
    "commas in names": (
        "peak\tA\nchr1:1,000-2,000\t1\n",
        r"got 'chr1:1,000-2,000' in the first row. Write positions without commas",
    ),
    "transposed": (
        "sample,chr1:1-5,chr1:7-9\nA,1,2\nB,3,4\n",
        r"a row for each peak and a column for each sample; the header holds peaks, such as 'chr1:7-9'. Transpose",
    ),
    "repeated": ("peak\tA\nchr1:1-5\t1\nchr1_1_5\t2\n", r"line 3: a peak has one row; chr1:1-5"),
    "two columns of one name": (
        "peak\tA\tA\nchr1:1-5\t1\t2\n",
        r"line 1: every column of samples has a name of its own",
    ),
    "no samples": ("peak\tnote\nchr1:1-5\tx\n", r"has a column of numbers for each sample; got 'peak', 'note'"),
    "ragged": ("peak\tA\tB\nchr1:1-5\t1\t2\nchr1:7-9\t1\n", r"line 3: every row has as many fields"),
    "another species": ("peak\tA\nscaffold_1:1-5\t1\n", r"peaks lie on chromosomes such as chr1"),
    "logarithms": (LOGS, r"not as logarithms; .* Undo the logarithm"),
    "header only": ("peak\tA\n", r"holds a header but no rows|has at least two columns|has a header"),
}


def test_row_names_stay_row_names_where_the_last_column_has_a_value(tmp_path: Path) -> None:
    text = "A\tB\tnote\n" + rows("{c}-{a}-{b}").replace("\n", "\t\n").replace("4.0\t\n", "4.0\tx\n")
    matrix = read(tmp_path, text)
    assert (matrix.samples, matrix.left_out) == (("A", "B"), ("note",))
    np.testing.assert_array_equal(matrix.signal, np.array(VALUES, dtype=np.float32).T)


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(tmp_path: Path, fault: str) -> None:
    text, message = REFUSED[fault]
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_signal_with_a_long_tail_is_no_logarithm(tmp_path: Path) -> None:
    text = LOGS + "chr2:1-5\t24.5\nchr2:7-9\t90.5\n"
    assert read(tmp_path, text).signal.shape == (1, 1502)


@pytest.mark.parametrize("at_once", [1, 2, 3, 32])
def test_columns_are_read_in_blocks(tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.formats.region_matrix._COLUMNS_AT_ONCE", at_once)
    values = np.arange(10).reshape(2, 5)
    head = "peak\t" + "\t".join("ABCDE") + "\n"
    body = [f"chr1:{i}-{i + 1}\t" + "\t".join(map(str, row)) + "\n" for i, row in enumerate(values)]
    np.testing.assert_array_equal(read(tmp_path, head + "".join(body)).signal, values.T)


def names_read(folder: Path, *names: str) -> tuple[str, ...]:
    return read(folder, "\t".join(("peak", *names)) + "\nchr1:1-5" + "\t1.5" * len(names) + "\n").samples


def test_only_paths_of_files_of_reads_are_cut(tmp_path: Path) -> None:
    assert names_read(tmp_path, "CD4/8", "CD4/9") == ("CD4/8", "CD4/9")
    assert names_read(tmp_path, "x/A.bam", "CD4/8") == ("x/A.bam", "CD4/8")
    assert names_read(tmp_path, "x/A.bam", "y/B.bam", "C") == ("A", "B", "C")
    assert names_read(tmp_path, "x/r.bam", "y/r.bam") == ("x/r.bam", "y/r.bam")


def test_pairs_are_read_by_tabs_and_commas(tmp_path: Path) -> None:
    def pairs(path: Path) -> PairMap:
        return read_pairs(path, names={"a1"}, partners={"r1", "r2"})

    path = tmp_path / "map.csv"
    path.write_text("# from the paper\natac,rna\na1,r1\n")
    assert pairs(path) == (Pair("atac", "rna", 2), (Pair("a1", "r1", 3),))
    path.write_text("a1\tr1\na1\tr2\n")
    with pytest.raises(InputError, match="line 2: a sample is paired once; 'a1' stands on line 1"):
        pairs(path)
    path.write_text("a1\tr1\tx\n")
    with pytest.raises(InputError, match=r"has two columns.*got 3 fields"):
        pairs(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\n", "has columns beside the sample's name"),
        ("sample\tlineage\n", "has one row a sample"),
        ("sample\tlineage\nA\tx\nA\ty\n", "line 3: every sample has one row; got 'A'"),
        ("sample\tassembly\nA\thg38\n", "belong to a samples.tsv.*got 'assembly'"),
        ("sample\tlineage\nA\n", "line 2: every row has as many fields"),
    ],
)
def test_sample_info_is_checked(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "info.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_sample_info(path)
