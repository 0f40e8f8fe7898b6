"""The parts of `joint` below the stack, all fitted on the same samples."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from atac2rna.models.joint.curves import gene_curves, orthonormal, without_curves
from atac2rna.models.joint.evidence import Evidence, fit_evidence
from atac2rna.models.joint.own_gene import OwnGene, fit_own_gene
from atac2rna.models.joint.panel import Panel
from atac2rna.models.joint.sample_state import estimate_disturbances, fit_readers, gene_weights
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.similarity import KernelScale, apply_kernel, fit_kernel
from atac2rna.models.joint.view import SCORE, WINDOW_BINS

OPENNESS = (1, 2, 4)
"""Scores whose training mean is a gene covariate: those of 5 kb, 20 kb and the body."""


class PartPredictions(NamedTuple):
    """Predictions beyond the training mean.

    Attributes:
        own: Of the Gaussian process of each gene, shape (samples, genes).
        state: Of the sample's state among all known profiles, shape (samples, genes).
        paired: Of its state among the training samples alone, shape (samples, genes).
        evidence: Local evidence, shape (samples, genes).
        scores: The five gene scores beyond their training mean, without curves, shape (samples, genes, scores).
    """

    own: Tensor
    state: Tensor
    paired: Tensor
    evidence: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Parts:
    """Everything fitted below the stack, as plain tensors.

    Attributes:
        known: Genes measured in a training sample, shape (genes,), bool.
        mean: Training mean of each gene, 0 where never measured, shape (genes,).
        sd: Standard deviation over the training samples, shape (genes,).
        weights: Weight of each gene as evidence of the state, shape (genes,).
        centre: Training mean of the local features, shape (genes, LOCAL).
        curves: Orthonormal basis of the curves over gene covariates, shape (rank, genes).
        size: Root mean square of each score over training samples and genes, shape (scores,).
        kernel: Scale of the global kernel.
        own_gene: Weights of the Gaussian processes.
        evidence: Weights of the local evidence.
        profiles: Known profiles beyond the mean, training samples first, shape (profiles, genes).
        readers: Map from evidence to the state among them, shape (profiles, genes).
        paired_readers: The same among the training samples alone, shape (n, genes).
        prior_mean: Mean of the compendium's profiles beyond the training mean, 0 without any, shape (genes,).
        prior_sd: Their standard deviation, shape (genes,).
    """

    known: Tensor
    mean: Tensor
    sd: Tensor
    weights: Tensor
    centre: Tensor
    curves: Tensor
    size: Tensor
    kernel: KernelScale
    own_gene: OwnGene
    evidence: Evidence
    profiles: Tensor
    readers: Tensor
    paired_readers: Tensor
    prior_mean: Tensor
    prior_sd: Tensor

    def predict(self, local: Tensor, grams: Tensor) -> PartPredictions:
        """Predict samples, each by itself.

        Args:
            local: Windows and scores, shape (samples, genes, LOCAL).
            grams: Dot products of their rows with those of the training samples, shape (2, samples, n).
        """
        z = without_curves(local - self.centre, self.curves)
        scores = z[..., SCORE] / self.size
        evidence = self.evidence.read(z)
        return PartPredictions(
            own=self.own_gene.predict(apply_kernel(grams, self.kernel), scores),
            state=(evidence @ self.readers.T) @ self.profiles,
            paired=(evidence @ self.paired_readers.T) @ self.profiles[: len(self.paired_readers)],
            evidence=evidence,
            scores=scores,
        )

    def without_prior(self) -> "Parts":
        """Give the same parts as if no compendium had been given."""
        count, none = len(self.paired_readers), torch.zeros_like(self.mean)
        return replace(
            self, profiles=self.profiles[:count], readers=self.paired_readers, prior_mean=none, prior_sd=none
        )


def fit_parts(panel: Panel, rows: Tensor, settings: JointSettings) -> Parts:
    """Fit on the samples `rows` of a panel; profiles barred by the samples left out are not used."""
    raw = panel.expression[rows]
    measured = raw.isfinite()
    count = measured.sum(0)
    mean = (raw.nan_to_num(0.0).double().sum(0) / count.clamp(min=1)).to(raw.dtype)
    deltas = torch.where(measured, raw - mean, 0.0)
    sd = (deltas.square().sum(0) / count.clamp(min=1)).sqrt()
    local = panel.local[rows]
    centre = local.mean(0)
    covariates = torch.cat([centre[:, SCORE].T[list(OPENNESS)], panel.place, mean[None], sd[None]])
    curves = gene_curves(covariates)
    basis = orthonormal(curves)
    z = without_curves(local - centre, basis)
    scores = z[..., SCORE]
    size = scores.square().mean((0, 1)).sqrt().clamp(min=1e-6)
    scale, kernel = fit_kernel(panel.grams[:, rows][:, :, rows])
    weights = gene_weights(local[..., WINDOW_BINS + 1], deltas) * (count > 0)
    evidence, trained = fit_evidence(z, deltas, measured, panel.units[rows], penalty=settings.evidence_penalty)
    thinning = evidence.read(without_curves(panel.thinning[rows].mean(0), basis))
    disturbances = estimate_disturbances(trained, torch.cat([curves, thinning[None]]), scale=settings.nuisance)
    prior = _prior(panel, rows, mean, count > 0)
    profiles = torch.cat([deltas, prior])
    noise = settings.state_noise
    paired = fit_readers(deltas, disturbances, weights, noise=noise)
    return Parts(
        known=count > 0,
        mean=mean,
        sd=sd,
        weights=weights,
        centre=centre,
        curves=basis,
        size=size,
        kernel=scale,
        own_gene=fit_own_gene(kernel, scores / size, deltas, weight=settings.own_weight, noise=settings.own_noise),
        evidence=evidence,
        profiles=profiles,
        readers=fit_readers(profiles, disturbances, weights, noise=noise) if len(prior) else paired,
        paired_readers=paired,
        prior_mean=prior.sum(0) / max(len(prior), 1),
        prior_sd=prior.std(0, correction=0) if len(prior) else torch.zeros_like(mean),
    )


def _prior(panel: Panel, rows: Tensor, mean: Tensor, known: Tensor) -> Tensor:
    """Profiles of the compendium beyond the mean that these samples may see, 0 where not measured."""
    left_out = torch.ones(len(panel.samples), dtype=torch.bool, device=rows.device)
    left_out[rows] = False
    beyond = panel.profiles[~panel.barred[left_out].any(0)] - mean
    return torch.where(beyond.isfinite() & known, beyond, 0.0)
