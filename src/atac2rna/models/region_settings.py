"""What the network of one region sees, how it is trained, and what its training told."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from atac2rna.genome import GeneTable, canonical_chrom
from atac2rna.models.settings import ModelSettings

Float32 = NDArray[np.float32]

_MIN_PASSING = 0.01


class RegionMlpSettings(ModelSettings):
    """Settings of `region-mlp`; the defaults are those of the first experiment.

    Attributes:
        chrom: Chromosome of the region.
        start: First base of the region, 0-based.
        end: One past its last base; `end - start` is a multiple of `width`.
        width: Bin width in bp.
        min_score: With `bins` = "score": peaks of at least this score open the bin of their midpoint.
        bins: "score", or "top=N": the N peaks of strongest signal of each sample instead of a score limit.
        hidden: Units of the hidden layer.
        epochs: Passes over the training samples, one step each, at most.
        early_stopping: Hold whole clusters out of the training samples, stop when their loss no longer falls, and
            return the weights at which it was lowest. Without it the training loss decides.
        patience: Epochs without improvement before stopping.
        validation_share: Share of the clusters held out for early stopping.
        learning_rate: Of Adam.
        weight_decay: Of Adam: penalty on the sum of squared weights.
        seed: Seed of weights and inner split; None: that of the training set.
    """

    chrom: str = "chr1"
    start: int = Field(default=0, ge=0)
    end: int = Field(default=10_000_000, gt=0)
    width: int = Field(default=1_000, gt=0)
    min_score: float = 1_000.0
    bins: str = Field(default="score", pattern=r"^(score|top=[1-9]\d*)$")
    hidden: int = Field(default=500, gt=0)
    epochs: int = Field(default=300, gt=0)
    early_stopping: bool = True
    patience: int = Field(default=30, gt=0)
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    seed: int | None = None

    @model_validator(mode="after")
    def _whole_bins(self) -> Self:
        if self.end <= self.start or (self.end - self.start) % self.width:
            raise ValueError(
                f"a region is a whole number of bins; got {self.chrom}:{self.start:,}-{self.end:,} and width "
                f"{self.width:,}. Choose an end that is a multiple of the width away from the start."
            )
        return self

    @property
    def top(self) -> int | None:
        """Number of strongest peaks a sample, None for the score limit."""
        return int(self.bins.removeprefix("top=")) if self.bins != "score" else None


def genes_in_region(genes: GeneTable, settings: RegionMlpSettings) -> NDArray[np.bool_]:
    """Tell which genes lie wholly within the region, shape (genes,): those that the network can predict."""
    start, end = genes.frame["start"].to_numpy(), genes.frame["end"].to_numpy()
    on_chrom = (genes.frame["chrom"] == canonical_chrom(settings.chrom)).to_numpy()
    inside: NDArray[np.bool_] = on_chrom & (start >= settings.start) & (end <= settings.end)
    return inside


class History(NamedTuple):
    """The learning curve: mean squared errors after each epoch, each at the same weights.

    Attributes:
        epoch: Counted from 1, shape (epochs,), float32 like the rest.
        train_loss: Over the samples trained on, shape (epochs,).
        validation_loss: Over the clusters held out for early stopping, shape (epochs,); NaN where there are none.
    """

    epoch: Float32
    train_loss: Float32
    validation_loss: Float32

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept: of lowest validation loss, or training loss where nothing is held out."""
        watched = self.train_loss if np.isnan(self.validation_loss).any() else self.validation_loss
        return int(self.epoch[np.argmin(watched)])


class BinChoice(NamedTuple):
    """Which peaks open a bin, as `RegionMlpSettings.bins`, and why the score limit was given up (None: it was not)."""

    bins: str
    message: str | None


def choose_bins(scores: Mapping[str, Float32], *, min_score: float = 1_000.0, top: int = 20_000) -> BinChoice:
    """Keep the score limit where the score of every sample can carry it, else take the strongest peaks by signal.

    Score means different things in different files: capped at 1000 or not, or constant. A limit that hardly any peak
    of a sample passes leaves that sample empty, which once cost half of a table of samples.

    Args:
        scores: Scores of all peaks of each training sample, by sample name.
        min_score: The limit.
        top: How many peaks a sample to take instead.
    """
    reasons: dict[Literal["constant", "few"], list[str]] = {"constant": [], "few": []}
    for sample, score in scores.items():
        if score.size == 0 or score.min() == score.max():
            reasons["constant"].append(sample)
        elif (score >= min_score).mean() < _MIN_PASSING:
            reasons["few"].append(sample)
    told: list[str] = []
    if reasons["constant"]:
        told.append(f"is the same for all peaks in {_some(reasons['constant'], len(scores))}")
    if reasons["few"]:
        told.append(
            f"reaches {min_score:g} for fewer than {_MIN_PASSING:.0%} of the peaks in "
            f"{_some(reasons['few'], len(scores))}"
        )
    if not told:
        return BinChoice("score", None)
    return BinChoice(
        f"top={top}",
        f"the score column cannot carry a limit: it {' and '.join(told)}; the {top:,} peaks of strongest signal of "
        "each sample are used instead",
    )


def _some(samples: list[str], total: int) -> str:
    shown = ", ".join(samples[:3])
    return f"{len(samples)} of {total} samples ({shown}{', ...' if len(samples) > 3 else ''})"
