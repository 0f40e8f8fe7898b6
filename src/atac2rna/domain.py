"""Whether a model may be believed about a sample: its assembly, its peaks, and how like the training samples it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from atac2rna.errors import InputError
from atac2rna.features import promoters_hit
from atac2rna.genome import GeneTable
from atac2rna.models.experience import Experience, PeakStatistics, count_peaks
from atac2rna.models.kernel import KernelRow
from atac2rna.peaks import Peaks
from atac2rna.quality.assembly import CLEARLY_BELOW, WORTH_COMPARING

Verdict = Literal["inside", "edge", "outside"]
"""inside: like the training samples; edge: less alike, errors and intervals are larger; outside: unlike all of them."""

EDGE = 1 / 3
"""Novelty above which a sample is at the edge of the model's experience. On 21 real samples, each held out with its lineage,
the error of the samples below is 0.9 on average, of those above 1.4 (docs/models.md)."""

OUTSIDE = 1 / 2
"""Novelty above which it is outside: no training sample is of its kind."""

NEIGHBOURS = 3

SAME_PEAKS = 0.999
"""Cosine of accessibility around genes beyond which two samples have the same peaks in different files."""

FEWEST_PEAKS = 1_000
"""Peaks near genes that a sample has at least, on a gene table of a whole genome; a tenth of what a poor experiment gives."""

MOST_PEAKS = 1_000_000
"""More are reads, fragments or windows rather than peaks."""


class Neighbour(NamedTuple):
    """A training sample, and its cosine with the sample judged."""

    sample: str
    similarity: float


@dataclass(frozen=True)
class Domain:
    """What is known of a sample in the light of the training samples.

    Attributes:
        verdict: See `Verdict`.
        novelty: Share of the accessibility pattern that no mixture of training samples explains, 0 to 1.
        nearest: The training samples most alike, most alike first.
        trained_on: Training samples that have the same peaks, in the same file or another.
        statistics: Number, width and share of promoters of the peaks.
        ranges: Lowest and highest of the same among the training samples; None where the model knows no such numbers.
        promoters: Share of the model's genes with a peak within 1 kb of the TSS, by assembly that the model knows.
        remarks: Sentences: what lies beyond the range of the training samples.
    """

    verdict: Verdict
    novelty: float
    nearest: tuple[Neighbour, ...]
    trained_on: tuple[str, ...]
    statistics: PeakStatistics
    ranges: tuple[PeakStatistics, PeakStatistics] | None
    promoters: dict[str, float]
    remarks: tuple[str, ...]

    def describe(self) -> str:
        """Say in a sentence how far the model may be trusted with the sample."""
        kin = ", ".join(f"{name} {similarity:.2f}" for name, similarity in self.nearest)
        told = f"{_VERDICTS[self.verdict]} (novelty {self.novelty:.2f}; most alike: {kin})"
        if self.trained_on:
            told += f"; the model was trained on this very sample ({', '.join(self.trained_on)})"
        return told

    def describe_peaks(self) -> str:
        """Say how many peaks there are, how wide, and how many promoters they open, against the training samples'."""
        own = self.statistics
        if self.ranges is None:
            return f"{own.number:,} peaks, median width {own.width:,.0f} bp, {own.promoters:.1%} of the promoters open"
        low, high = self.ranges
        return (
            f"{own.number:,} peaks ({low.number:,} to {high.number:,} in training samples), median width {own.width:,.0f} bp "
            f"({low.width:,.0f} to {high.width:,.0f}), {own.promoters:.1%} of the promoters open ({low.promoters:.1%} to "
            f"{high.promoters:.1%})"
        )


_VERDICTS: dict[Verdict, str] = {
    "inside": "inside the model's experience",
    "edge": "at the edge of the model's experience: expect larger errors",
    "outside": "outside the model's experience: believe single genes little",
}


def promoter_shares(peaks: Peaks, tables: Mapping[str, GeneTable]) -> dict[str, float]:
    """Share of the genes with a peak within 1 kb of the TSS, by assembly."""
    return {name: promoters_hit(peaks, table) if len(peaks) else 0.0 for name, table in tables.items()}


def infer_assembly(peaks: Peaks, tables: Mapping[str, GeneTable]) -> str | None:
    """Name the assembly whose promoters the peaks hit; None where that does not decide (one table, or none clearly best)."""
    shares = promoter_shares(peaks, tables)
    best, *others = sorted(shares, key=lambda name: -shares[name])
    if not others or shares[best] < WORTH_COMPARING or shares[others[0]] >= CLEARLY_BELOW * shares[best]:
        return None
    return best


def check_assembly(peaks: Peaks, tables: Mapping[str, GeneTable], *, assembly: str, name: str) -> None:
    """Refuse an assembly that the peaks clearly are not of.

    Args:
        peaks: One sample's peaks.
        tables: Gene table of every assembly to compare.
        assembly: The assembly that the peaks are said to be of; one of `tables`.
        name: What to call the sample in the error.

    Raises:
        InputError: If another assembly's promoters are hit far more often.
    """
    best = infer_assembly(peaks, tables)
    if best is None or best == assembly:
        return
    shares = promoter_shares(peaks, tables)
    raise InputError(
        f"{name}: peaks are of the assembly given; these hit {shares[assembly]:.1%} of the promoters of {assembly} and "
        f"{shares[best]:.1%} of those of {best}. Pass --assembly {best}, or --force if {assembly} is right."
    )


def judge(
    experience: Experience,
    peaks: Peaks,
    tables: Mapping[str, GeneTable],
    *,
    assembly: str,
    checksums: Sequence[str] = (),
) -> Domain:
    """Compare a sample with the training samples of a model.

    Args:
        experience: The training samples.
        peaks: The sample's peaks.
        tables: Gene tables of the model, `assembly` among them.
        assembly: Assembly of the peaks.
        checksums: Sha256 of the sample's peak files.
    """
    genes = tables[assembly]
    row = KernelRow()(peaks, genes)
    similarity = experience.similarity(row)
    order = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
    statistics = count_peaks(peaks, genes)
    strange, remarks = _beyond_range(experience, statistics)
    value = experience.novelty(row)
    verdict: Verdict = "outside" if value > OUTSIDE or strange else "edge" if value > EDGE or remarks else "inside"
    known = zip(experience.samples, experience.checksums, similarity, strict=True)
    return Domain(
        verdict=verdict,
        novelty=value,
        nearest=tuple(Neighbour(experience.samples[i], float(similarity[i])) for i in order),
        trained_on=tuple(name for name, sums, r in known if set(sums) & set(checksums) or r > SAME_PEAKS),
        statistics=statistics,
        ranges=experience.ranges,
        promoters=promoter_shares(peaks, tables),
        remarks=tuple(remarks),
    )


def _beyond_range(experience: Experience, found: PeakStatistics) -> tuple[bool, list[str]]:
    """Compare number, width and promoters with the training samples'; whether they speak against accessibility, and remarks.

    Up to half the lowest and twice the highest value counts as within range: samples differ more than two dozen show.
    """
    if experience.ranges is None:
        return False, []
    low, high = experience.ranges
    told = (
        ("peaks", found.number, low.number, high.number),
        ("bp median width of the peaks", found.width, low.width, high.width),
    )
    remarks = [
        f"{value:,.0f} {what}, against {least:,.0f} to {most:,.0f} in training samples"
        for what, value, least, most in told
        if not least / 2 <= value <= 2 * most
    ]
    if not 0.9 * low.promoters <= found.promoters <= 1.1 * high.promoters:
        remarks.append(
            f"{found.promoters:.1%} of the promoters are open, against {low.promoters:.1%} to {high.promoters:.1%} in training "
            "samples"
        )
    return found.promoters < low.promoters / 2, remarks
