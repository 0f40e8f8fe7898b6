"""Peaks that are too few, or unlike those of the other samples."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import promoter_profile, promoters_hit
from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks
from atac2rna.quality.cohort import CheckInput, count_phrase
from atac2rna.quality.finding import Finding, Severity
from atac2rna.quality.outlier import OUTLYING, modified_z

REACH = 1_000
"""A promoter is open if a peak comes within this many bp of the TSS."""

GENOME_WIDE = 15_000
"""Genes from which on a gene table counts as the whole genome; on smaller ones fewer peaks are expected."""

FEWEST_ALIKE = 5
"""Samples needed to tell an outlier."""


@dataclass(frozen=True)
class PeakSummary:
    """What the rules need to know of one sample's peaks.

    Attributes:
        count: Number of peaks.
        width: Median width in bp; 0 without peaks.
        score: Lowest and highest score; 0 without peaks.
        at_top: Share of the peaks that have the highest score.
        signal: Lowest and highest signal.
        digest: Checksum of the intervals, equal for files that differ only in compression or row order.
        promoters: Share of the promoters hit, by assembly.
    """

    count: int
    width: float
    score: tuple[float, float]
    at_top: float
    signal: tuple[float, float]
    digest: str
    promoters: dict[str, float]


@dataclass(frozen=True)
class Accessibility:
    """Everything that is taken from the peaks, each sample read once.

    Attributes:
        summaries: One a sample.
        profile: Strength of each promoter, shape (samples, genes); NaN where the sample's assembly lacks the gene.
    """

    summaries: tuple[PeakSummary, ...]
    profile: NDArray[np.float32]


def _coding(genes: GeneTable) -> GeneTable:
    """Keep protein-coding genes, whose promoters are open in most tissues, where the table tells them."""
    coding = genes.frame["biotype"] == "protein_coding"
    return GeneTable(genes.assembly, genes.frame.filter(coding)) if coding.any() else genes


def _summary(peaks: Peaks, promoters: dict[str, GeneTable]) -> PeakSummary:
    count = len(peaks)
    digest = sha256(repr(peaks.chroms).encode())
    for column in (peaks.chrom, peaks.start, peaks.end):
        digest.update(column.tobytes())
    top = float(peaks.score.max(initial=0))
    return PeakSummary(
        count=count,
        width=float(np.median(peaks.end - peaks.start)) if count else 0.0,
        score=(float(peaks.score.min()), top) if count else (0.0, 0.0),
        at_top=float((peaks.score == top).mean()) if count else 0.0,
        signal=(float(peaks.signal.min()), float(peaks.signal.max())) if count else (0.0, 0.0),
        digest=digest.hexdigest(),
        promoters={
            name: promoters_hit(peaks, genes, reach=REACH) if count else 0.0 for name, genes in promoters.items()
        },
    )


def summarise_peaks(cohort: CheckInput) -> Accessibility:
    """Read every sample's peaks once and keep what the rules need."""
    column_of = {gene: column for column, gene in enumerate(cohort.gene_ids)}
    columns = {
        name: np.array([column_of[gene] for gene in table.gene_ids], dtype=np.intp)
        for name, table in cohort.genes.items()
    }
    promoters = {name: _coding(table) for name, table in cohort.genes.items() if len(table)}
    profile = np.full(cohort.tpm.shape, np.nan, dtype=np.float32)
    summaries = []
    for row, peaks in enumerate(cohort.peaks):
        summaries.append(_summary(peaks, promoters))
        assembly = cohort.assemblies[row]
        if assembly in promoters and len(peaks):
            profile[row, columns[assembly]] = promoter_profile(peaks, cohort.genes[assembly], reach=REACH)
    return Accessibility(tuple(summaries), profile)


def expected_peaks(cohort: CheckInput, min_peaks: int) -> float:
    """Scale `min_peaks` of a whole genome down to the genes of the cohort."""
    return min_peaks * min(1.0, len(cohort.gene_ids) / GENOME_WIDE)


def find_peak_problems(cohort: CheckInput, accessibility: Accessibility, *, min_peaks: int) -> list[Finding]:
    """Judge number and width of each sample's peaks.

    Args:
        cohort: The samples.
        accessibility: Their peaks, summed up.
        min_peaks: Fewer peaks than this are a warning, fewer than a tenth of it an error; scaled down in proportion
            for gene tables of fewer than `GENOME_WIDE` genes.
    """
    return [
        *_few_peaks(cohort, accessibility, min_peaks),
        *_outliers(cohort, accessibility),
        *_tracks(cohort),
    ]


def _tracks(cohort: CheckInput) -> list[Finding]:
    """Name the samples whose peaks are maxima of a signal track; beside called peaks they differ for that alone."""
    rows = [row for row in range(len(cohort.samples)) if cohort.is_track(row)]
    if not rows:
        return []
    among = f"{len(rows)} of {count_phrase(len(cohort.samples), 'sample')}"
    mixed = len(rows) < len(cohort.samples)
    beside = "; beside called peaks of other samples, that alone makes them differ" if mixed else ""
    return [
        Finding(
            "warning" if mixed else "note",
            "signal-tracks-mixed" if mixed else "signal-tracks",
            cohort.names(rows),
            among,
            f"Read from a signal track (bigWig), {among}: the strongest maxima stand for peaks, and their number and width are "
            f"not compared{beside}.",
            "Use called peaks where there are any" + (", or tracks for all samples." if mixed else "."),
        )
    ]


def _few_peaks(cohort: CheckInput, accessibility: Accessibility, min_peaks: int) -> list[Finding]:
    bound = expected_peaks(cohort, min_peaks)
    findings = []
    for sample, summary in zip(cohort.samples, accessibility.summaries, strict=True):
        if summary.count >= bound:
            continue
        severity: Severity = "error" if summary.count < max(1.0, bound / 10) else "warning"
        findings.append(
            Finding(
                severity,
                "peaks-almost-none" if severity == "error" else "peaks-few",
                sample,
                count_phrase(summary.count, "peak"),
                f"{count_phrase(summary.count, 'peak')}, where at least {bound:,.0f} are expected; "
                "promoters without a peak will be taken for closed.",
                "Look whether the file was filtered (by score, by chromosome) or cut short, and use the complete peak "
                "calls; leave the sample out if there are none.",
            )
        )
    return findings


def _outliers(cohort: CheckInput, accessibility: Accessibility) -> list[Finding]:
    """Compare count and width among samples of one assay, as DNase peaks of 150 bp beside ATAC are no fault."""
    assays = cohort.rows_by("assay") or {"": list(range(len(cohort.samples)))}
    measures: tuple[tuple[str, str, str, Callable[[PeakSummary], float]], ...] = (
        ("peaks-count-outlier", "peaks", "number of peaks", lambda summary: summary.count),
        ("peaks-width-outlier", "bp", "median width", lambda summary: summary.width),
    )
    findings = []
    for rows in assays.values():
        filled = [row for row in rows if accessibility.summaries[row].count and not cohort.is_track(row)]
        if len(filled) < FEWEST_ALIKE:
            continue
        for code, unit, noun, measure in measures:
            values = np.array([measure(accessibility.summaries[row]) for row in filled])
            # The floor of 0.2 (log2) makes a factor of two the least that is reported.
            z = modified_z(np.log2(values), floor=0.2)
            findings += [
                Finding(
                    "warning",
                    code,
                    cohort.samples[filled[i]],
                    f"{values[i]:,.0f} {unit}",
                    f"{noun} {values[i]:,.0f} {unit}, against a median of {np.median(values):,.0f} over "
                    f"{len(filled)} samples (robust z {z[i]:+.1f}).",
                    "Compare how its peaks were called (caller, threshold, replicates); call them again as the others.",
                )
                for i in np.flatnonzero(np.abs(z) > OUTLYING)
            ]
    return findings
