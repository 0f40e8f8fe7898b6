"""Fitting the parts of `joint` below the stack, all on the same samples."""

import torch
from torch import Tensor

from atac2rna.models.joint.curves import gene_curves, orthonormal
from atac2rna.models.joint.evidence import fit_evidence
from atac2rna.models.joint.own_gene import fit_own_gene
from atac2rna.models.joint.panel import Panel
from atac2rna.models.joint.parts import Context, Parts, without_curves
from atac2rna.models.joint.sample_state import estimate_disturbances, fit_readers, gene_weights
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.similarity import fit_kernel
from atac2rna.models.joint.view import SCORE, WINDOW_BINS

OPENNESS = (1, 2, 4)
"""Scores whose training mean is a gene covariate: those of 5 kb, 20 kb and the body."""


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
        context=Context(
            mean=mean,
            sd=sd,
            prior_mean=prior.sum(0) / max(len(prior), 1),
            prior_sd=prior.std(0, correction=0) if len(prior) else torch.zeros_like(mean),
            weights=weights,
        ),
        centre=centre,
        curves=basis,
        size=size,
        kernel=scale,
        own_gene=fit_own_gene(kernel, scores / size, deltas, weight=settings.own_weight, noise=settings.own_noise),
        evidence=evidence,
        profiles=profiles,
        readers=fit_readers(profiles, disturbances, weights, noise=noise) if len(prior) else paired,
        paired_readers=paired,
    )


def _prior(panel: Panel, rows: Tensor, mean: Tensor, known: Tensor) -> Tensor:
    """Profiles of the compendium beyond the mean that these samples may see, 0 where not measured."""
    left_out = torch.ones(len(panel.samples), dtype=torch.bool, device=rows.device)
    left_out[rows] = False
    beyond = panel.profiles[~panel.barred[left_out].any(0)] - mean
    return torch.where(beyond.isfinite() & known, beyond, 0.0)
