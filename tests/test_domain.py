"""The verdict on a sample: assembly, range, likeness."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from atac2rna.cohort import Cohort
from atac2rna.domain import EDGE, OUTSIDE, check_assembly, infer_assembly, judge
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable
from atac2rna.models.experience import Experience, count_peaks, make_experience
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.kernel import KernelRow
from atac2rna.peaks import Peaks, make_peaks
from toy_cohort import toy_cohort, toy_genes


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


def table() -> dict[str, GeneTable]:
    """The toy genes as hg38, and moved by 11 kb as hg19."""
    genes = toy_genes()
    moved = genes.frame.with_columns(pl.col("start") + 11_000, pl.col("end") + 11_000)
    return {"hg38": genes, "hg19": GeneTable("hg19", moved)}


@pytest.fixture(scope="module")
def experience(cohort: Cohort) -> Experience:
    names, genes = cohort.samples[:9], toy_genes()
    return make_experience(
        cohort.training_set(range(9), KernelRow(), clusters=cohort.groups, seed=0),
        activity=[cohort.inputs(name, ActivityRank()) for name in names],
        peaks=[count_peaks(cohort.atlas.peaks(name), genes) for name in names],
        checksums=[(f"sha of {name}",) for name in names],
    )


def random_peaks(count: int = 150) -> Peaks:
    rng = np.random.default_rng(0)
    start = rng.integers(0, 1_200_000, count)
    return make_peaks(("chr1", "chr2", "chr3"), rng.integers(0, 3, count), start, start + 200, signal=rng.random(count))


def test_a_training_sample_is_recognised(cohort: Cohort, experience: Experience) -> None:
    peaks = cohort.atlas.peaks("s4")
    found = judge(experience, peaks, table(), assembly="hg38", checksums=("sha of s4",))
    assert (found.verdict, found.trained_on, found.remarks) == ("inside", ("s4",), ())
    assert found.nearest[0].sample == "s4"
    assert found.nearest[0].similarity == pytest.approx(1, abs=0.01)
    assert [n.similarity for n in found.nearest] == sorted((n.similarity for n in found.nearest), reverse=True)
    assert found.novelty < EDGE
    assert found.statistics.number == len(peaks)
    assert "trained on this very sample (s4)" in found.describe()


def test_random_intervals_are_outside(experience: Experience) -> None:
    found = judge(experience, random_peaks(), table(), assembly="hg38")
    assert found.verdict == "outside"
    assert found.novelty > OUTSIDE
    assert found.trained_on == ()
    assert "of the promoters are open" in found.remarks[-1]


def test_no_peak_at_all_is_outside(experience: Experience) -> None:
    none = random_peaks().take(np.empty(0, dtype=np.intp))
    found = judge(experience, none, table(), assembly="hg38")
    assert (found.verdict, found.novelty, found.statistics.number) == ("outside", 1.0, 0)


def test_what_lies_beyond_the_range_moves_the_verdict_to_the_edge(cohort: Cohort, experience: Experience) -> None:
    peaks = cohort.atlas.peaks("s4")
    wide = replace(peaks, start=np.maximum(peaks.start - 600, 0), end=peaks.end + 600, summit=peaks.point)
    found = judge(experience, wide, table(), assembly="hg38")
    assert found.verdict == "edge"
    assert found.remarks[0].startswith("1,400 bp median width of the peaks, against 200 to 200 in training")


def test_the_verdict_is_the_same_whatever_stands_beside_it(cohort: Cohort, experience: Experience) -> None:
    peaks = cohort.atlas.peaks("s10")
    first = judge(experience, peaks, table(), assembly="hg38")
    judge(experience, random_peaks(), table(), assembly="hg38")
    assert judge(experience, peaks, table(), assembly="hg38") == first


def test_the_assembly_is_told_by_promoters(cohort: Cohort) -> None:
    peaks, tables = cohort.atlas.peaks("s4"), table()
    assert infer_assembly(peaks, tables) == "hg38"
    check_assembly(peaks, tables, assembly="hg38", name="x.bed")
    with pytest.raises(
        InputError, match=r"x\.bed: .* of the promoters of hg19 and .* of those of hg38\. Pass --assembly hg38"
    ):
        check_assembly(peaks, tables, assembly="hg19", name="x.bed")


def test_where_promoters_do_not_decide_nothing_is_refused(cohort: Cohort) -> None:
    tables = table()
    assert infer_assembly(random_peaks(), tables) is None
    assert infer_assembly(cohort.atlas.peaks("s4"), {"hg38": tables["hg38"]}) is None
    check_assembly(random_peaks(), tables, assembly="hg19", name="x.bed")
