"""The model of the first experiment: bins of one region in, expression of all genes of that region out.

A fully connected network whose inputs are positions on one chromosome. It can learn nothing that carries over to other
genes or other regions, and has far more weights than there are samples; it is kept runnable, and judged beside the
others on its own genes, because it is where everybody begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.features import region_bins
from atac2rna.genome import GeneTable, canonical_chrom
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.region_settings import History, RegionMlpSettings
from atac2rna.peaks import Peaks

# One cluster held out of fewer than this many costs more than early stopping gains.
_MIN_CLUSTERS = 5


@dataclass(frozen=True)
class RegionBins:
    """Representation of a sample: 1 for each bin of the region that holds a peak of sufficient score, else 0.

    Attributes:
        chrom: Chromosome of the region.
        start: First base of the region, 0-based.
        end: One past its last base.
        width: Bin width in bp.
        min_score: Peaks below this score are left out; ignored where `top` is given.
        top: Take the peaks of strongest signal instead, this many a sample; None: take the score limit.
    """

    chrom: str
    start: int
    end: int
    width: int
    min_score: float
    top: int | None

    def __call__(self, peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
        """Give the bins of one sample, shape (bins,); the genes play no part."""
        return region_bins(
            peaks,
            chrom=self.chrom,
            start=self.start,
            end=self.end,
            width=self.width,
            min_score=self.min_score,
            top=self.top,
        )


class RegionMlp:
    """Network from the bins of one region to its genes.

    Attributes:
        settings: As given.
        history: Learning curve of the last fit; None before.
        notes: What the last fit wants known, such as early stopping that was not possible.
    """

    name: ClassVar[str] = "region-mlp"
    per_gene: ClassVar[bool] = True
    Settings: ClassVar[type[RegionMlpSettings]] = RegionMlpSettings

    def __init__(self, settings: RegionMlpSettings | None = None) -> None:
        self.settings = settings or self.Settings()
        self.history: History | None = None
        self.notes: tuple[str, ...] = ()
        self._fitted: dict[str, NDArray[Any]] | None = None

    @property
    def representation(self) -> RegionBins:
        """How the model sees a sample."""
        s = self.settings
        return RegionBins(canonical_chrom(s.chrom), s.start, s.end, s.width, s.min_score, s.top)

    def fit(self, training: TrainingSet) -> None:
        """Learn from the training samples, all genes of which lie in the region; a second call starts anew.

        Raises:
            InputError: If no training sample has an open bin.
        """
        from atac2rna.models.region_network import Samples, train_network

        seed = training.seed if self.settings.seed is None else self.settings.seed
        bins = np.stack([np.asarray(row, dtype=np.float32) for row in training.inputs])
        held_out, self.notes = self._held_out(training.clusters, seed)
        used = np.flatnonzero((bins[~held_out] != 0).any(axis=0))
        if not used.size:
            raise InputError(
                f"a training sample has peaks in {self.settings.chrom}:{self.settings.start:,}-{self.settings.end:,}; "
                f"none of {len(bins)} has one that passes bins = {self.settings.bins!r}. Choose another region or "
                "bins = 'top=20000'."
            )
        learn, check = (Samples(bins[np.ix_(rows, used)], training.expression[rows]) for rows in (~held_out, held_out))
        weights, self.history = train_network(
            learn, check if held_out.any() else None, self.settings, fan_in=bins.shape[1], seed=seed
        )
        self._fitted = {
            **weights._asdict(),
            "used_bins": used.astype(np.int32),
            "bin_count": np.array([bins.shape[1]], dtype=np.int32),
            "learned": np.logical_or.reduce(np.isfinite(learn.expression)),
            "mean": training_mean(training.expression),
            **{f"history_{key}": value for key, value in self.history._asdict().items()},
        }

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample from its bins, shape (genes,).

        Bins that no training sample opened play no part. A gene that was measured only in samples held out for early
        stopping gets its training mean, a gene measured in no training sample NaN.
        """
        if self._fitted is None:
            raise ValueError("a model predicts after fit or load_state; call one of them first")
        f = self._fitted
        bins = np.asarray(inputs, dtype=np.float32)
        if bins.shape != (int(f["bin_count"][0]),):
            raise ValueError(f"one sample has {int(f['bin_count'][0])} bins; got an array of shape {bins.shape}")
        hidden = np.maximum(f["hidden_weight"] @ bins[f["used_bins"]] + f["hidden_bias"], 0)
        predicted: NDArray[np.float32] = np.where(
            f["learned"], f["output_weight"] @ hidden + f["output_bias"], f["mean"]
        )
        return predicted

    def state(self) -> dict[str, NDArray[Any]]:
        """Give everything fitted, the learning curve included, as arrays."""
        if self._fitted is None:
            raise ValueError("a model has a state after fit or load_state; call one of them first")
        return dict(self._fitted)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""
        self._fitted = {key: np.asarray(value) for key, value in state.items()}
        self.history = History(*(self._fitted[f"history_{field}"] for field in History._fields))

    def _held_out(self, clusters: tuple[str, ...], seed: int) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Choose whole clusters for early stopping, shape (samples,), and say so where that is not possible."""
        names = np.array(sorted(set(clusters)))
        nobody = np.zeros(len(clusters), dtype=bool)
        if not self.settings.early_stopping:
            return nobody, ()
        if len(names) < _MIN_CLUSTERS:
            return nobody, (
                f"no early stopping: {len(names)} clusters of training samples are fewer than the {_MIN_CLUSTERS} of "
                "which one can be spared; the training loss chose the epoch",
            )
        count = max(1, round(self.settings.validation_share * len(names)))
        chosen = np.random.default_rng(seed).permutation(names)[:count]
        return np.isin(np.array(clusters), chosen), ()
