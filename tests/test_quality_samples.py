"""Each rule fires on a toy with its defect; the sound toy is passed without a word."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from atac2rna.errors import InputError
from atac2rna.folds import make_folds
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks
from atac2rna.quality.accessibility import summarise_peaks
from atac2rna.quality.cohort import CheckInput, log_expression
from atac2rna.quality.finding import Finding
from atac2rna.quality.pairing import find_swaps
from atac2rna.quality.samples import find_problems

GENES = 3_000
"""A fifth of a whole genome, so that 2,000 peaks are the bound of the warning and 200 that of the error."""


def gene_table(assembly: str, shift: int) -> GeneTable:
    """Genes 20 kb apart on two chromosomes; `shift` moves them, as another assembly does."""
    rows = np.arange(GENES)
    start = 50_000 + 20_000 * (rows // 2) + shift
    columns = {
        "gene_id": [f"ENSG{i:011d}" for i in rows],
        "gene_name": [f"G{i}" for i in rows],
        "chrom": [f"chr{1 + i % 2}" for i in rows],
        "start": start,
        "end": start + 5_000,
        "strand": ["+" if i % 3 else "-" for i in rows],
        "biotype": ["protein_coding"] * GENES,
        "version": [""] * GENES,
    }
    return GeneTable(assembly, pl.DataFrame(columns).cast(dict(GENE_SCHEMA)).sort("chrom", "start"))


def peaks_of(level: np.ndarray, genes: GeneTable, rng: np.random.Generator) -> Peaks:
    """A peak at each promoter of the upper 60% of genes, stronger with expression, and 800 elsewhere."""
    on = np.flatnonzero(level > np.quantile(level, 0.4))
    far = rng.integers(0, GENES, 800)
    centre = np.concatenate([genes.tss[on] + rng.integers(-300, 300, on.size), genes.tss[far] + 8_000])
    half = rng.integers(150, 400, centre.size)
    chroms = (genes.frame["chrom"] == "chr2").to_numpy().astype(int)
    return make_peaks(
        ("chr1", "chr2"),
        np.concatenate([chroms[on], chroms[far]]),
        centre - half,
        centre + half,
        summit=centre,
        signal=np.concatenate([level[on] + rng.normal(0, 0.5, on.size), rng.gamma(2, 1, far.size)]),
        score=rng.integers(10, 900, centre.size),
    )


@lru_cache(maxsize=1)
def toy() -> CheckInput:
    """Eight samples of four cell types, two replicates each, in two datasets; two of them in another assembly."""
    rng = np.random.default_rng(0)
    genes = {"hg38": gene_table("hg38", 0), "hg19": gene_table("hg19", 9_000)}
    base = rng.gamma(2, 1.5, GENES)
    types = base + rng.normal(0, 1.5, (4, GENES))
    levels = np.clip(np.repeat(types, 2, axis=0) + rng.normal(0, 0.5, (8, GENES)), 0, None)
    tpm = 2**levels - 1
    tpm *= 1e6 / tpm.sum(axis=1, keepdims=True)
    assemblies = ("hg38",) * 6 + ("hg19",) * 2
    count = len(assemblies)
    return CheckInput(
        samples=tuple(f"s{i}" for i in range(count)),
        peaks=[peaks_of(level, genes[name], rng) for level, name in zip(levels, assemblies, strict=True)],
        assemblies=assemblies,
        genes=genes,
        gene_ids=genes["hg38"].gene_ids,
        tpm=tpm,
        tpm_sums_file=tpm.sum(axis=1),
        join_rate=np.ones(count),
        symbols=np.zeros(count, dtype=bool),
        peak_naming=("ucsc",) * count,
        atac_checksums=tuple((f"a{i}",) for i in range(count)),
        rna_checksums=tuple((f"r{i}",) for i in range(count)),
        columns={
            "group": ("A", "A", "B", "B", "C", "C", "D", "D"),
            "lineage": ("A", "A", "B", "B", "C", "C", "D", "D"),
            "dataset": ("one", "two") * 4,
            "donor": ("d1", "d1", "d2", "d2", "d3", "d3", "", ""),
            "assay": ("ATAC-seq",) * 8,
        },
    )


def with_tpm(cohort: CheckInput, row: int, values: np.ndarray | float, total: float | None = None) -> CheckInput:
    """Give one sample other values and the sum that goes with them."""
    tpm, sums = cohort.tpm.copy(), cohort.tpm_sums_file.copy()
    tpm[row] = values
    sums[row] = np.nansum(tpm[row]) if total is None else total
    return replace(cohort, tpm=tpm, tpm_sums_file=sums)


def with_peaks(cohort: CheckInput, change: Callable[[Peaks], Peaks], rows: tuple[int, ...] = (0,)) -> CheckInput:
    """Change the peaks of some samples."""
    return replace(cohort, peaks=[change(p) if i in rows else p for i, p in enumerate(cohort.peaks)])


def with_column(cohort: CheckInput, name: str, values: tuple[str, ...]) -> CheckInput:
    """Set one manifest column."""
    return replace(cohort, columns={**cohort.columns, name: values})


def without_column(cohort: CheckInput, name: str) -> CheckInput:
    """Drop one manifest column."""
    return replace(cohort, columns={key: values for key, values in cohort.columns.items() if key != name})


def first(peaks: Peaks, count: int) -> Peaks:
    """Keep a number of peaks, spread over the genome."""
    return peaks.take(np.linspace(0, len(peaks) - 1, count).astype(np.intp))


def reordered(cohort: CheckInput, rows: tuple[int, ...]) -> CheckInput:
    """Shuffle the genes of some samples, all in the same way."""
    order = np.random.default_rng(1).permutation(GENES)
    tpm = cohort.tpm.copy()
    tpm[list(rows)] = tpm[list(rows)][:, order]
    return replace(cohort, tpm=tpm)


def swapped(cohort: CheckInput, one: int, other: int) -> CheckInput:
    """Exchange the RNA of two samples."""
    order = np.arange(len(cohort.samples))
    order[[one, other]] = order[[other, one]]
    return replace(cohort, tpm=cohort.tpm[order], tpm_sums_file=cohort.tpm_sums_file[order])


def copied(cohort: CheckInput, source: int, target: int, noise: float = 0.0) -> CheckInput:
    """Give `target` the RNA of `source`, each value off by `noise` in log2."""
    rng = np.random.default_rng(2)
    return with_tpm(cohort, target, cohort.tpm[source] * 2 ** rng.normal(0, noise, GENES), 1e6)


def checksum(values: tuple[tuple[str, ...], ...], row: int, sums: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Replace the checksums of one sample."""
    return tuple(sums if i == row else own for i, own in enumerate(values))


def wide(peaks: Peaks) -> Peaks:
    return replace(peaks, start=np.maximum(peaks.start - 1_500, 0), end=peaks.end + 1_500)


def constant(field: str, value: float) -> Callable[[Peaks], Peaks]:
    return lambda peaks: replace(peaks, **{field: np.full(len(peaks), value, dtype=np.float32)})


def capped(peaks: Peaks) -> Peaks:
    return replace(peaks, score=np.minimum(peaks.score, 500).astype(np.float32))


def uncapped(peaks: Peaks) -> Peaks:
    return replace(peaks, score=(peaks.score * 10).astype(np.float32))


def off_promoters(peaks: Peaks) -> Peaks:
    return replace(peaks, start=peaks.start + 4_500, end=peaks.end + 4_500, summit=peaks.summit + 4_500)


SPARSE = np.where(np.arange(GENES) % 25 == 0, 1e6 * 25 / GENES, 0.0)

CASES: list[tuple[str, str, str, Callable[[CheckInput], CheckInput]]] = [
    ("error", "expression-all-zero", "s2", lambda c: with_tpm(c, 2, 0.0)),
    ("error", "expression-constant", "s2", lambda c: with_tpm(c, 2, 1e6 / GENES)),
    ("error", "expression-negative", "s2", lambda c: with_tpm(c, 2, c.tpm[2] - 1)),
    ("error", "expression-almost-none", "s2", lambda c: with_tpm(c, 2, np.where(np.arange(GENES) < 20, 5e4, 0.0))),
    ("warning", "expression-sparse", "s2", lambda c: with_tpm(c, 2, np.where(SPARSE > 0, c.tpm[2], 0), 1e6)),
    ("error", "expression-log", "s2", lambda c: with_tpm(c, 2, np.log2(c.tpm[2] + 1))),
    ("error", "expression-counts", "s2", lambda c: with_tpm(c, 2, np.rint(c.tpm[2] * 31.4))),
    ("warning", "expression-sum", "s2", lambda c: with_tpm(c, 2, c.tpm[2] / 44)),
    ("error", "gene-ids-unmatched", "s2", lambda c: joined(c, 2, 0.05)),
    ("warning", "gene-ids-join-low", "s2", lambda c: joined(c, 2, 0.5)),
    ("error", "gene-ids-symbols", "s2", lambda c: replace(joined(c, 2, 0.0), symbols=np.arange(8) == 2)),
    ("error", "expression-disagrees", "s2", lambda c: reordered(c, (2,))),
    ("error", "datasets-disagree", "datasets one, two", lambda c: reordered(c, (1, 3, 5, 7))),
    ("error", "peaks-almost-none", "s0", lambda c: with_peaks(c, lambda p: first(p, 3))),
    ("error", "peaks-almost-none", "s0", lambda c: with_peaks(c, lambda p: first(p, 0))),
    ("warning", "peaks-few", "s0", lambda c: with_peaks(c, lambda p: first(p, 1_900))),
    ("warning", "peaks-count-outlier", "s0", lambda c: with_peaks(c, lambda p: first(p, 900))),
    ("warning", "peaks-width-outlier", "s0", lambda c: with_peaks(c, wide)),
    ("warning", "score-constant", "s0, s1", lambda c: with_peaks(c, constant("score", 0), (0, 1))),
    ("warning", "score-uncapped", "s0", lambda c: with_peaks(c, uncapped)),
    ("note", "score-saturated", "s0", lambda c: with_peaks(c, capped)),
    ("warning", "signal-constant", "s0", lambda c: with_peaks(c, constant("signal", 1))),
    ("error", "assembly-wrong", "s0", lambda c: replace(c, assemblies=("hg19", *c.assemblies[1:]))),
    ("warning", "assembly-unknown", "s0", lambda c: replace(c, assemblies=("mm10", *c.assemblies[1:]))),
    ("warning", "promoters-few", "s0", lambda c: with_peaks(c, off_promoters)),
    ("warning", "chromosomes-mixed", "s0", lambda c: replace(c, peak_naming=("mixed", *c.peak_naming[1:]))),
    ("note", "chromosomes-renamed", "s0", lambda c: replace(c, peak_naming=("ensembl", *c.peak_naming[1:]))),
    ("error", "atac-rna-swapped", "s0, s2", lambda c: swapped(c, 0, 2)),
    ("error", "duplicate-expression", "s0, s2", lambda c: copied(c, 0, 2, 0.01)),
    ("warning", "duplicate-expression-in-group", "s0, s1", lambda c: copied(c, 0, 1, 0.01)),
    (
        "error",
        "duplicate-rna",
        "s0, s2",
        lambda c: replace(copied(c, 0, 2), rna_checksums=checksum(c.rna_checksums, 2, ("r0",))),
    ),
    (
        "warning",
        "duplicate-rna-in-group",
        "s0, s1",
        lambda c: replace(copied(c, 0, 1), rna_checksums=checksum(c.rna_checksums, 1, ("r0", "r9"))),
    ),
    (
        "error",
        "duplicate-peaks",
        "s0, s2",
        lambda c: replace(c, peaks=[c.peaks[0] if i == 2 else p for i, p in enumerate(c.peaks)]),
    ),
    (
        "warning",
        "duplicate-peaks-in-group",
        "s0, s1",
        lambda c: replace(c, atac_checksums=checksum(c.atac_checksums, 1, ("a0",))),
    ),
    ("warning", "groups-of-one", "atlas", lambda c: with_column(c, "group", ("A", "A", "B", "B", "C", "C", "D", "E"))),
    ("warning", "donor-across-groups", "s0, s2", lambda c: with_column(c, "donor", ("d1", "", "d1", *[""] * 5))),
    ("note", "lineage-missing", "atlas", lambda c: without_column(c, "lineage")),
    ("warning", "assays-mixed", "s7", lambda c: with_column(c, "assay", ("ATAC-seq",) * 7 + ("DNase-seq",))),
]


def joined(cohort: CheckInput, row: int, rate: float) -> CheckInput:
    """Lose all but a share of the genes of one sample."""
    kept = np.where(np.arange(GENES) < rate * GENES, cohort.tpm[row], np.nan)
    return replace(with_tpm(cohort, row, kept, 1e6), join_rate=np.where(np.arange(8) == row, rate, 1.0))


def test_regions_that_samples_share_have_no_score_to_judge() -> None:
    """A matrix or MuData file tells none: that is no defect of it. That all signal is alike, though, still is one."""
    cohort = with_peaks(with_peaks(toy(), constant("score", 0), tuple(range(8))), constant("signal", 1))
    shared = replace(cohort, shared_regions=(True,) * 8)
    found = {one.code: one.subject for one in find_problems(shared)}
    assert "score-constant" not in found
    assert found["signal-constant"] == "s0"
    some = replace(cohort, shared_regions=(True, *[False] * 7))
    (finding,) = [one for one in find_problems(some) if one.code == "score-constant"]
    assert finding.subject == "s1, s2, s3, s4, s5, s6, s7"


D4 = ("d4", "d4")


@pytest.mark.parametrize(
    ("donors", "severity", "remedy"),
    [
        # Those of the toy, with one across two groups; every sample has one.
        (
            ("d1", "d1", "d1", "d1", "d3", "d3", *D4),
            "warning",
            "Hold out by `donor`, or give all samples of a donor one group.",
        ),
        # A hold-out by donor would divide the first group.
        (("d1", "d2", "d1", "d1", "d3", "d3", *D4), "warning", "Give all samples of a donor one group."),
        (
            ("d1", "d1", "d1", "d1", "d3", "d3", "", ""),
            "warning",
            "or fill in `donor` for every sample and hold out by it.",
        ),
        # As of an inbred strain: nothing can be held out by donor, and one group of all is no split.
        (("d1",) * 8, "note", "Read scores as those of further samples of this donor (of mice: of this strain)."),
    ],
)
def test_what_is_advised_of_shared_donors_can_be_done(donors: tuple[str, ...], severity: str, remedy: str) -> None:
    cohort = with_column(toy(), "donor", donors)
    (found,) = [one for one in find_problems(cohort) if one.code == "donor-across-groups"]
    assert (found.severity, found.remedy.endswith(remedy)) == (severity, True)
    columns = {"sample": cohort.samples, **cohort.columns}
    if "Hold out by `donor`" in found.remedy:
        assert make_folds("donor", columns=columns, gene_chroms=(), groups=cohort.groups)
    else:
        with pytest.raises(InputError):
            make_folds("donor", columns=columns, gene_chroms=(), groups=cohort.groups)


def test_one_donor_of_the_samples_with_rna_is_one_donor() -> None:
    cohort = with_column(toy(), "donor", (*["d1"] * 6, *D4))
    cohort = replace(cohort, tpm_sums_file=np.where(np.arange(8) < 6, cohort.tpm_sums_file, np.nan))
    (found,) = [one for one in find_problems(cohort) if one.code == "donor-across-groups"]
    assert found.message.startswith("All samples with RNA are of one donor, d1: ")


# What a defect brings with it besides its own finding.
COMPANIONS = {
    "peaks-few": set(),
    "peaks-count-outlier": {"peaks-few"},
    "peaks-almost-none": {"peaks-count-outlier"},
    "expression-almost-none": {"expression-disagrees"},
    "expression-sparse": {"expression-disagrees", "expression-unlike"},
    "datasets-disagree": {"expression-disagrees", "expression-unlike"},
    "duplicate-peaks": set(),
}


def told(findings: list[Finding]) -> set[tuple[str, str, str]]:
    return {(finding.severity, finding.code, finding.subject) for finding in findings}


def test_sound_samples_are_passed_without_a_word() -> None:
    assert find_problems(toy()) == []


@pytest.mark.parametrize(("severity", "code", "subject", "harm"), CASES, ids=[case[1] for case in CASES])
def test_defect_is_found_and_nothing_else(
    severity: str, code: str, subject: str, harm: Callable[[CheckInput], CheckInput]
) -> None:
    findings = find_problems(harm(toy()))
    assert (severity, code, subject) in told(findings)
    assert {finding.code for finding in findings} - {code} <= COMPANIONS.get(code, set())
    for finding in findings:
        assert finding.value
        assert finding.message.endswith(".")
        assert finding.remedy.endswith(".")


def test_value_is_what_was_measured() -> None:
    (few,) = find_problems(with_peaks(toy(), lambda peaks: first(peaks, 1_900)))
    assert few.value == "1,900 peaks"
    (total,) = find_problems(with_tpm(toy(), 2, toy().tpm[2] / 44))
    assert total.value == "22,727"
    (wrong,) = find_problems(replace(toy(), assemblies=("hg19", *toy().assemblies[1:])))
    assert wrong.value.startswith("hg38 60.0%, hg19 ")


def test_samples_without_rna_are_judged_by_their_peaks_alone() -> None:
    cohort = with_tpm(toy(), 2, np.nan, np.nan)
    cohort = replace(
        cohort,
        join_rate=np.where(np.arange(8) == 2, np.nan, 1.0),
        rna_checksums=checksum(cohort.rna_checksums, 2, ()),
    )
    assert find_problems(cohort) == []
    everywhere = replace(
        cohort, tpm=np.full_like(cohort.tpm, np.nan), tpm_sums_file=np.full(8, np.nan), join_rate=np.full(8, np.nan)
    )
    assert find_problems(everywhere) == []


def test_one_sample_and_none_are_fine() -> None:
    cohort = toy()
    for count in (0, 1, 2):
        few = replace(
            cohort,
            **{
                name: getattr(cohort, name)[:count]
                for name in CheckInput.__dataclass_fields__
                if name not in ("genes", "gene_ids", "columns")
            },
            columns={name: values[:count] for name, values in cohort.columns.items()},
        )
        assert {finding.code for finding in find_problems(few)} <= {"groups-of-one"}


def test_genes_that_an_assembly_lacks_are_left_out_of_its_table() -> None:
    cohort = toy()
    hg19 = cohort.genes["hg19"].select(cohort.gene_ids[::-1][: GENES - 300])
    assert find_problems(replace(cohort, genes={**cohort.genes, "hg19": hg19})) == []


def test_missing_values_do_not_count_as_zero() -> None:
    tpm = np.where(np.arange(GENES) % 7 == 0, np.nan, toy().tpm)
    tpm[3, ::5] = np.nan
    assert find_problems(replace(toy(), tpm=tpm)) == []


def test_order_of_samples_does_not_matter() -> None:
    harmed = swapped(with_peaks(toy(), uncapped, (4,)), 0, 2)
    order = np.array([5, 2, 7, 0, 1, 6, 3, 4])
    mixed = CheckInput(
        samples=tuple(harmed.samples[i] for i in order),
        peaks=[harmed.peaks[i] for i in order],
        assemblies=tuple(harmed.assemblies[i] for i in order),
        genes=harmed.genes,
        gene_ids=harmed.gene_ids,
        tpm=harmed.tpm[order],
        tpm_sums_file=harmed.tpm_sums_file[order],
        join_rate=harmed.join_rate[order],
        symbols=harmed.symbols[order],
        peak_naming=tuple(harmed.peak_naming[i] for i in order),
        atac_checksums=tuple(harmed.atac_checksums[i] for i in order),
        rna_checksums=tuple(harmed.rna_checksums[i] for i in order),
        columns={name: tuple(values[i] for i in order) for name, values in harmed.columns.items()},
    )
    assert {(f.code, frozenset(f.subject.split(", "))) for f in find_problems(mixed)} == {
        (f.code, frozenset(f.subject.split(", "))) for f in find_problems(harmed)
    }


def test_relatives_may_fit_each_other_better() -> None:
    kin = ("A", "A", "A", "A", "C", "C", "D", "D")
    assert find_problems(with_column(swapped(toy(), 0, 2), "lineage", kin)) == []


def test_swap_is_told_once_and_the_same_each_time() -> None:
    harmed = swapped(swapped(toy(), 0, 2), 5, 7)
    findings = find_problems(harmed)
    assert [finding.subject for finding in findings] == ["s0, s2", "s5, s7"]
    assert find_problems(harmed, seed=0) == findings


def test_small_region_of_weak_genes_is_not_taken_for_logarithms() -> None:
    values = np.random.default_rng(4).lognormal(-1.5, 1.2, GENES)
    assert values.max() < 25
    codes = {finding.code for finding in find_problems(with_tpm(toy(), 2, values, 2e4))}
    assert "expression-log" not in codes


def test_log_expression_is_on_a_million_and_keeps_what_is_missing() -> None:
    expression = log_expression(np.array([[1.0, 3.0, np.nan], [0.0, 0.0, 0.0], [np.nan] * 3]))
    np.testing.assert_allclose(expression[0, :2], np.log2([250_001, 750_001]), rtol=1e-6)
    assert np.isnan(expression[0, 2])
    assert np.isnan(expression[1:]).all()


def test_fields_of_uneven_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one entry a sample \(8\); got \{'assemblies': 7\}"):
        replace(toy(), assemblies=toy().assemblies[1:])
    with pytest.raises(ValueError, match="one column a gene"):
        replace(toy(), tpm=toy().tpm[:, 1:])


def test_sample_in_error_takes_no_part_in_the_swap_test() -> None:
    cohort = swapped(toy(), 0, 2)
    accessibility, expression = summarise_peaks(cohort), log_expression(cohort.tpm)
    assert [finding.subject for finding in find_swaps(cohort, accessibility, expression)] == ["s0, s2"]
    assert find_swaps(cohort, accessibility, expression, leave_out={"s2"}) == []
