"""What a model keeps of its training samples: enough to say whether a new sample is like them, and to refit the baselines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import promoters_hit
from atac2rna.genome import GeneTable
from atac2rna.models.base import Representation, TrainingSet
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.kernel import KernelRow
from atac2rna.models.mean import Blind
from atac2rna.models.packed_rows import PackedRows
from atac2rna.peaks import Peaks

NOISE = 0.03
"""Share of a row that is noise, in `novelty`."""

_RANKS = 255


class PeakStatistics(NamedTuple):
    """What can be counted of a sample's peaks.

    Attributes:
        number: Number of peaks.
        width: Median width in bp; 0 without peaks.
        promoters: Share of the genes with a peak within 1 kb of the TSS.
    """

    number: int
    width: float
    promoters: float


def count_peaks(peaks: Peaks, genes: GeneTable) -> PeakStatistics:
    """Count a sample's peaks; `genes` in the assembly of `peaks`, not empty."""
    width = float(np.median(peaks.end - peaks.start)) if len(peaks) else 0.0
    return PeakStatistics(len(peaks), width, promoters_hit(peaks, genes))


def novelty(cosines: NDArray[np.floating], similarity: NDArray[np.floating]) -> float:
    """Share of a sample's accessibility pattern that no mixture of known samples explains, 0 to 1.

    With k the cosines of the sample's row with the known rows and K those among them: 1 - k (K + noise I)^-1 k, the variance
    that is left of a Gaussian process, in units of what it is without any known sample (Rasmussen and Williams 2006, 2.2).

    Args:
        cosines: K, shape (known, known).
        similarity: k, shape (known,).
    """
    system = cosines + NOISE * np.eye(len(cosines))
    explained = float(similarity @ np.linalg.solve(system, similarity)) if len(cosines) else 0.0
    return float(np.clip(1 - explained, 0, 1))


@dataclass(frozen=True)
class Experience:
    """The training samples, compact.

    Attributes:
        samples: Names, in the order of the arrays.
        gene_ids: Genes, in the order of the model's predictions.
        rows: `KernelRow` of each sample, unit norm.
        cosines: Cosine of every two of them, shape (samples, samples), float64.
        activity: `ActivityRank` of each sample, shape (samples, genes), float32, rounded to 255 ranks.
        expression: log2(TPM + 1), shape (samples, genes), float32 rounded to float16; NaN where not measured.
        peaks: Number, width and share of promoters of each sample.
        lineages: Lineage, else group, of each sample.
        datasets: Dataset of each; empty strings where there is none.
        checksums: Sha256 of each sample's files, peaks and expression.
    """

    samples: tuple[str, ...]
    gene_ids: tuple[str, ...]
    rows: PackedRows
    cosines: NDArray[np.float64]
    activity: NDArray[np.float32]
    expression: NDArray[np.float32]
    peaks: tuple[PeakStatistics, ...]
    lineages: tuple[str, ...]
    datasets: tuple[str, ...]
    checksums: tuple[tuple[str, ...], ...]

    @cached_property
    def ranges(self) -> tuple[PeakStatistics, PeakStatistics] | None:
        """Lowest and highest of each statistic of the peaks; None where there are none."""
        if not self.peaks:
            return None
        columns = list(zip(*self.peaks, strict=True))
        return PeakStatistics(*map(min, columns)), PeakStatistics(*map(max, columns))

    def similarity(self, row: NDArray[np.floating]) -> NDArray[np.float64]:
        """Cosine of a sample's `KernelRow` with that of each training sample, shape (samples,)."""
        return self.rows.dot(row)

    def novelty(self, row: NDArray[np.floating]) -> float:
        """Novelty of a sample, from its `KernelRow`; see the function of that name."""
        return novelty(self.cosines, self.similarity(row))

    def training_set(self, representation: Representation) -> TrainingSet:
        """Give the training samples as the simple models see them, to fit these anew.

        Raises:
            ValueError: If the samples are not kept in this representation.
        """
        kept: dict[Representation, Any] = {
            KernelRow(): lambda: list(self.rows.unpack()),
            ActivityRank(): lambda: list(self.activity),
            Blind(): lambda: [np.empty(0, dtype=np.float32)] * len(self.samples),
        }
        if representation not in kept:
            raise ValueError(f"training samples are kept as {[*kept]}; got {representation}")
        return TrainingSet(
            samples=self.samples,
            inputs=kept[representation](),
            expression=self.expression,
            gene_ids=self.gene_ids,
            clusters=self.lineages,
            lineages=self.lineages,
            datasets=self.datasets,
        )

    def joined(self, other: "Experience") -> "Experience":
        """Add the samples of another model with the same genes; names that both have are told `apart`."""
        rows = PackedRows.pack(np.concatenate([self.rows.unpack(), other.rows.unpack()]))
        return Experience(
            samples=(*apart(self.samples, other.samples), *other.samples),
            gene_ids=self.gene_ids,
            rows=rows,
            cosines=rows.dot_each(),
            activity=np.concatenate([self.activity, other.activity]),
            expression=np.concatenate([self.expression, other.expression]),
            peaks=(*self.peaks, *other.peaks),
            lineages=(*self.lineages, *other.lineages),
            datasets=(*self.datasets, *other.datasets),
            checksums=(*self.checksums, *other.checksums),
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Give arrays and labels for a safetensors file; the genes are those of the model."""
        arrays = {f"rows.{name}": array for name, array in self.rows.state().items()}
        arrays["cosines"] = self.cosines
        arrays["activity"] = np.rint(self.activity * _RANKS).astype(np.uint8)
        arrays["expression"] = self.expression.astype(np.float16)
        arrays["peaks"] = np.asarray(self.peaks, dtype=np.float64).reshape(-1, len(PeakStatistics._fields))
        labels = {name: getattr(self, name) for name in ("samples", "lineages", "datasets", "checksums")}
        return arrays, {"labels": json.dumps(labels)}  # one entry: the format keeps no order among several

    @classmethod
    def from_state(
        cls, arrays: Mapping[str, NDArray[Any]], labels: Mapping[str, str], *, gene_ids: tuple[str, ...]
    ) -> "Experience":
        """Take back what `state` gave.

        Raises:
            KeyError: If an array or label is missing.
            ValueError: If one is damaged.
        """
        told = json.loads(labels["labels"])
        return cls(
            samples=tuple(told["samples"]),
            gene_ids=gene_ids,
            rows=PackedRows.from_state(
                {n.removeprefix("rows."): a for n, a in arrays.items() if n.startswith("rows.")}
            ),
            cosines=arrays["cosines"],
            activity=arrays["activity"].astype(np.float32) / np.float32(_RANKS),
            expression=arrays["expression"].astype(np.float32),
            peaks=tuple(PeakStatistics(int(number), width, share) for number, width, share in arrays["peaks"].tolist()),
            lineages=tuple(told["lineages"]),
            datasets=tuple(told["datasets"]),
            checksums=tuple(tuple(sums) for sums in told["checksums"]),
        )


def apart(names: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """Name samples of a base apart from others: those whose name is taken get ` (base)`, as often as it takes."""
    known, told = {*taken}, []
    for name in names:
        while name in known:
            name = f"{name} (base)"
        known.add(name)
        told.append(name)
    return tuple(told)


def make_experience(
    training: TrainingSet,
    *,
    activity: Sequence[NDArray[np.float32]],
    peaks: Sequence[PeakStatistics],
    checksums: Sequence[Sequence[str]],
) -> Experience:
    """Round the training samples of a model to what is kept of them.

    Args:
        training: The samples, their inputs in the representation `KernelRow`.
        activity: `ActivityRank` of each sample.
        peaks: Statistics of each sample's peaks.
        checksums: Sha256 of each sample's files.
    """
    ranks = np.rint(np.stack(activity) * _RANKS).astype(np.float32)
    rows = PackedRows.pack(np.stack(training.inputs))
    return Experience(
        samples=training.samples,
        gene_ids=training.gene_ids,
        rows=rows,
        cosines=rows.dot_each(),
        activity=ranks / np.float32(_RANKS),
        expression=training.expression.astype(np.float16).astype(np.float32),
        peaks=tuple(peaks),
        lineages=training.lineages,
        datasets=training.datasets,
        checksums=tuple(tuple(sums) for sums in checksums),
    )
