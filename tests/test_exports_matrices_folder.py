"""The matrices of the first experiment, with names: what is read back is what the atlas holds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas, GeneSelection
from atac2rna.checking import check_matrices
from atac2rna.errors import InputError
from atac2rna.exports.matrices_folder import MatrixSettings, export_matrices
from atac2rna.exports.regions import Region
from atac2rna.features import region_bins
from atac2rna.formats.matrices import read_seed_matrices
from atlas_samples import GENES, sample, some_peaks, table, write

REGION = Region("chr1", 0, 1_000_000)
FILES = ["README.txt", "exp_output.csv", "genes.tsv", "peaks_input.csv"]
SCORED = MatrixSettings(region=REGION, width=2_000, min_score=400.0)


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    """Two samples with RNA, one of them without a value of G3, and one without RNA."""
    few = {gene: i / 3 for i, gene in enumerate(GENES) if gene != "G3"}
    samples = [sample("b,1", seed=1), sample("only", seed=2, rna=False), sample("a", few, seed=3)]
    samples = [
        type(one)(one.record, some_peaks(seed, ("chr1", "chr2"), 300), one.tpm) for seed, one in enumerate(samples)
    ]
    return write(tmp_path / "atlas", samples, selection=GeneSelection((), "union"))


def test_the_reader_takes_back_what_was_written(atlas: Atlas, tmp_path: Path) -> None:
    told: list[str] = []
    done = export_matrices(atlas, tmp_path / "m", SCORED, progress=told.append)
    assert (done.samples, done.bins, done.genes) == (2, 500, 4)
    assert told == ["wrote b,1", "wrote a"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == FILES
    (read,) = read_seed_matrices(tmp_path / "m").tables
    assert read.name == "all"
    assert read.samples == ("b,1", "a")
    assert read.genes == ("G1", "G2", "G4", "G5")
    assert read.bins[:2] == ("chr1:0-2000", "chr1:2000-4000")
    for row, name in enumerate(read.samples):
        expected = region_bins(atlas.peaks(name), end=1_000_000, width=2_000, min_score=400)
        np.testing.assert_array_equal(read.peaks[row], expected)
        assert 0 < expected.sum() < 300
    kept = [atlas.gene_ids.index(gene) for gene in read.genes]
    np.testing.assert_allclose(
        np.log2(read.expression + 1), atlas.expression(["b,1", "a"])[:, kept], rtol=1e-6, atol=1e-7
    )
    assert not read.unfilled.any()
    genes = pl.read_csv(tmp_path / "m" / "genes.tsv", separator="\t")
    assert genes["gene_id"].to_list() == list(read.genes)
    assert genes.row(1) == ("G2", "g2", "protein_coding", "chr1", 1000, 1500, "-", 1499)


def test_the_receipt_tells_what_was_chosen_and_left_out(atlas: Atlas, tmp_path: Path) -> None:
    done = export_matrices(atlas, tmp_path / "m", SCORED)
    text = (tmp_path / "m" / "README.txt").read_text()
    for words in (
        "2 samples x 500 bins",
        "x 4 genes of genes.tsv",
        "midpoint of a peak of score 400 or more",
        "Left out: 1 samples without RNA.",
        "Left out: 1 genes that were not measured in every sample",
        "region: chr1:0-1000000",
        "bin: 2000 bp",
        "assembly: hg38",
    ):
        assert words in text
    assert all(remark in text for remark in done.remarks)


def test_the_strongest_peaks(atlas: Atlas, tmp_path: Path) -> None:
    export_matrices(atlas, tmp_path / "m", MatrixSettings(region=REGION, top=50))
    (read,) = read_seed_matrices(tmp_path / "m").tables
    np.testing.assert_array_equal(read.peaks[1], region_bins(atlas.peaks("a"), end=1_000_000, min_score=0, top=50))
    assert "50 peaks of strongest signal" in (tmp_path / "m" / "README.txt").read_text()


def test_scores_that_cannot_carry_a_limit_give_way(atlas: Atlas, tmp_path: Path) -> None:
    done = export_matrices(atlas, tmp_path / "m", MatrixSettings(region=REGION))
    assert "20,000 peaks of strongest signal" in done.remarks[0]
    assert done.remarks[1].startswith("The score column cannot carry a limit")


def test_check_takes_them(atlas: Atlas, tmp_path: Path) -> None:
    export_matrices(atlas, tmp_path / "m", SCORED)
    assert not [finding for finding in check_matrices(tmp_path / "m") if finding.severity == "error"]


def test_an_earlier_export_is_replaced_and_nothing_else(atlas: Atlas, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    export_matrices(atlas, folder, SCORED)
    first = (folder / "peaks_input.csv").read_bytes()
    export_matrices(atlas, folder, SCORED)
    assert (folder / "peaks_input.csv").read_bytes() == first
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds something other than an export \(notes\.txt\)"):
        export_matrices(atlas, folder, SCORED)
    assert (folder / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "peaks_input.csv").write_text("1,0\n")
    with pytest.raises(InputError, match=r"holds something other than an export \(peaks_input\.csv\)"):
        export_matrices(atlas, other, SCORED)


def test_what_cannot_be_written_is_told(atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of its 5 selected genes lies wholly in chr2:0-1000"):
        export_matrices(atlas, tmp_path / "m", MatrixSettings(region=Region("chr2", 0, 1_000)))
    with pytest.raises(InputError, match=r"whole number of bins; got chr1:0-1000000 and --bin 7000"):
        export_matrices(atlas, tmp_path / "m", MatrixSettings(region=REGION, width=7_000))
    silent = write(tmp_path / "silent", [sample("s", rna=False)])
    with pytest.raises(InputError, match="of 1 samples none has any"):
        export_matrices(silent, tmp_path / "m", SCORED)
    mixed = write(tmp_path / "mixed", [sample("s"), sample("t", assembly="hg19")], table(), table("hg19"))
    with pytest.raises(InputError, match=r"1 of hg38 and 1 of hg19\. Pass --assembly hg38 to export those alone\.$"):
        export_matrices(mixed, tmp_path / "m", SCORED)
    assert export_matrices(mixed, tmp_path / "m", MatrixSettings(region=REGION, assembly="hg19")).samples == 1
