"""The parts of `joint` below the stack, and how they predict; no torch is needed to predict.

While a model is fitted its arrays are torch tensors, on the GPU where there is one; once it is fitted they are numpy arrays.
What is written here is the same for both.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, TypeAlias

from atac2rna.models.joint.view import LOCAL, SCORE, WINDOW_BINS

Array: TypeAlias = Any
"""A torch tensor or a numpy array; the docstrings give shapes."""

SLOPED = [WINDOW_BINS, WINDOW_BINS + 2, WINDOW_BINS + 4]
"""Scores that also enter times a slope of the gene's own: those of 1 kb, 20 kb and the body."""


class KernelScale(NamedTuple):
    """What turns dot products of rows into the kernel, learned from the training samples, float64.

    Attributes:
        traces: Trace of the dot products, ranked strength and log signal, shape (2,).
        column: Mean of the raw kernel over the training samples, shape (n,).
        scale: Mean diagonal of the centred kernel, shape (1,).
    """

    traces: Array
    column: Array
    scale: Array

    def apply(self, grams: Array) -> Array:
        """Similarity of other samples to the training samples, shape (others, n), from dot products (2, others, n)."""
        raw = (grams / self.traces[:, None, None]).sum(0)
        return (raw - raw.mean(1)[:, None] - self.column + self.column.mean()) / self.scale


class OwnGene(NamedTuple):
    """Weights of the Gaussian process of each gene.

    Attributes:
        samples: Weight of the similarity to each training sample, shape (n, genes).
        scores: Weight of each own score, shape (genes, scores).
    """

    samples: Array
    scores: Array

    def predict(self, similarity: Array, scores: Array) -> Array:
        """Predict expression beyond the mean, shape (samples, genes), float32.

        Args:
            similarity: Global kernel to the training samples, shape (samples, n).
            scores: Scores beyond their mean, scaled as in the fit, shape (samples, genes, scores).
        """
        return _as_type(similarity, self.samples) @ self.samples + (scores * self.scores).sum(-1)


class Evidence(NamedTuple):
    """The ridge of local evidence.

    Attributes:
        weights: Of the local features and of the sloped ones, shape (LOCAL + sloped,).
        slopes: Slope of each gene, shape (genes, sloped).
    """

    weights: Array
    slopes: Array

    def read(self, z: Array) -> Array:
        """Give the evidence of local features beyond their training mean, (..., genes, LOCAL) to (..., genes)."""
        return z @ self.weights[:LOCAL] + (z[..., SLOPED] * (self.slopes * self.weights[LOCAL:])).sum(-1)


class PartPredictions(NamedTuple):
    """Predictions beyond the training mean.

    Attributes:
        own: Of the Gaussian process of each gene, shape (samples, genes).
        state: Of the sample's state among all known profiles, shape (samples, genes).
        paired: Of its state among the training samples alone, shape (samples, genes).
        evidence: Local evidence, shape (samples, genes).
        scores: The five gene scores beyond their training mean, without curves, shape (samples, genes, scores).
    """

    own: Array
    state: Array
    paired: Array
    evidence: Array
    scores: Array


class Context(NamedTuple):
    """What a fit knows of each gene, shape (genes,) each, or (rows, genes) for many fits.

    Attributes:
        mean: Training mean.
        sd: Standard deviation over the training samples.
        prior_mean: Mean of the compendium's profiles beyond the training mean.
        prior_sd: Their standard deviation.
        weights: Weight of the gene as evidence of the state.
    """

    mean: Array
    sd: Array
    prior_mean: Array
    prior_sd: Array
    weights: Array

    def numpy(self) -> "Context":
        """Give the same as numpy arrays."""
        return Context(*map(_numpy, self))


@dataclass(frozen=True)
class Parts:
    """Everything fitted below the stack.

    Attributes:
        known: Genes measured in a training sample, shape (genes,), bool.
        context: What is known of each gene; the mean is 0 where a gene was never measured.
        centre: Training mean of the local features, shape (genes, LOCAL).
        curves: Orthonormal basis of the curves over gene covariates, shape (rank, genes).
        size: Root mean square of each score over training samples and genes, shape (scores,).
        kernel: Scale of the global kernel.
        own_gene: Weights of the Gaussian processes.
        evidence: Weights of the local evidence.
        profiles: Known profiles beyond the mean, training samples first, shape (profiles, genes).
        readers: Map from evidence to the state among them, shape (profiles, genes).
        paired_readers: The same among the training samples alone, shape (n, genes).
    """

    known: Array
    context: Context
    centre: Array
    curves: Array
    size: Array
    kernel: KernelScale
    own_gene: OwnGene
    evidence: Evidence
    profiles: Array
    readers: Array
    paired_readers: Array

    def predict(self, local: Array, grams: Array) -> PartPredictions:
        """Predict samples, each by itself.

        Args:
            local: Windows and scores, shape (samples, genes, LOCAL).
            grams: Dot products of their rows with those of the training samples, shape (2, samples, n), float64.
        """
        z = without_curves(local - self.centre, self.curves)
        scores = z[..., SCORE] / self.size
        evidence = self.evidence.read(z)
        return PartPredictions(
            own=self.own_gene.predict(self.kernel.apply(grams), scores),
            state=(evidence @ self.readers.T) @ self.profiles,
            paired=(evidence @ self.paired_readers.T) @ self.profiles[: len(self.paired_readers)],
            evidence=evidence,
            scores=scores,
        )

    def without_prior(self) -> "Parts":
        """Give the same parts as if no compendium had been given."""
        count, none = len(self.paired_readers), self.context.mean * 0
        return replace(
            self,
            profiles=self.profiles[:count],
            readers=self.paired_readers,
            context=self.context._replace(prior_mean=none, prior_sd=none),
        )

    def numpy(self) -> "Parts":
        """Give the same parts as numpy arrays."""
        return Parts(**{field.name: _numpy(getattr(self, field.name)) for field in fields(self)})


def _numpy(value: Any) -> Any:
    return type(value)(*map(_numpy, value)) if isinstance(value, tuple) else value.cpu().numpy()


def _as_type(values: Array, like: Array) -> Array:
    """Give values the number type of another array of the same library."""
    return values.to(like.dtype) if hasattr(values, "to") else values.astype(like.dtype)


def without_curves(values: Array, basis: Array) -> Array:
    """Take curves out of values over genes.

    Args:
        values: Shape (..., genes, channels).
        basis: Orthonormal rows, shape (rank, genes).
    """
    return values - basis.T @ (basis @ values)
