"""Accessibility and expression that were swapped between two samples."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from atac2rna.quality.accessibility import Accessibility
from atac2rna.quality.cohort import CheckInput
from atac2rna.quality.finding import Finding

GAIN = 0.02
"""Least gain in correlation, whatever its error, from exchanging the RNA of two samples."""

DEVIATIONS = 3.0
"""How many bootstrap standard errors the gain of either sample has to exceed."""

BLOCK = 50
"""Consecutive genes of a bootstrap block: neighbours share promoters and domains, so genes are not drawn one by one."""

DRAWS = 500


def find_swaps(
    cohort: CheckInput,
    accessibility: Accessibility,
    expression: NDArray[np.float32],
    *,
    leave_out: Collection[str] = (),
    seed: int = 0,
) -> list[Finding]:
    """Find pairs of samples of which each fits the other's expression better than its own.

    The fit is the correlation over genes of promoter rank and expression, both minus the mean over all samples:
    what sets a sample apart in one should set it apart in the other. Relatives, which share a lineage or a group, are
    passed over, since each often fits the other as well as itself.

    Args:
        cohort: The samples.
        accessibility: Their promoter profiles.
        expression: log2(TPM + 1), shape (samples, genes); NaN where missing.
        leave_out: Samples in which another error was found: expression in another gene order, say, fits nobody, and
            any other sample's may then seem to fit better.
        seed: Of the bootstrap over genes.

    Returns:
        One error for each pair; a sample is in one pair at most.
    """
    kept = np.array([sample not in leave_out for sample in cohort.samples], dtype=bool)
    measured = np.isfinite(accessibility.profile).any(axis=1) & np.isfinite(expression).any(axis=1)
    rows = np.flatnonzero(kept & measured)
    if rows.size < 3:
        return []
    profile, levels = accessibility.profile[rows], expression[rows]
    genes = (np.nanmax(levels, axis=0, initial=0) >= 1) & (np.isfinite(profile) & np.isfinite(levels)).any(axis=0)
    atac, rna = _deltas(_ranks(profile[:, genes])), _deltas(levels[:, genes])
    fit = atac @ rna.T
    findings = []
    for i, j in _nominate(fit, _related(cohort, rows)):
        gains = np.array([fit[i, j] - fit[i, i], fit[j, i] - fit[j, j]])
        error = _standard_errors(atac[[i, j]], rna[[i, j]], seed=seed)
        if (gains < DEVIATIONS * error).any():
            continue
        one, other = (cohort.samples[rows[k]] for k in (i, j))
        findings.append(
            Finding(
                "error",
                "atac-rna-swapped",
                f"{one}, {other}",
                f"r = {fit[i, i]:.2f} and {fit[j, j]:.2f} as given, {fit[i, j]:.2f} and {fit[j, i]:.2f} exchanged",
                f"The peaks of {one} fit the expression of {other} better than that of {one} by {gains[0]:.2f} ± "
                f"{error[0]:.2f}, and those of {other} fit {one} better by {gains[1]:.2f} ± {error[1]:.2f} "
                "(correlation over genes of the differences from the mean sample).",
                f"Check which files belong to {one} and which to {other}: their RNA, or their peaks, seem exchanged.",
            )
        )
    return findings


def _ranks(profile: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rank promoters within each sample, from 0 to 1, so that neither assay nor number of peaks sets a scale."""
    ranks = np.full_like(profile, np.nan)
    for row, own in zip(ranks, profile, strict=True):
        measured = np.isfinite(own)
        row[measured] = rankdata(own[measured]) / max(measured.sum(), 1)
    return ranks


def _deltas(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the mean sample away and scale each row to length 1 about its mean; 0 where missing."""
    measured = np.isfinite(values)
    count = np.maximum(measured.sum(axis=0), 1)
    mean = np.where(measured, values, 0).sum(axis=0, dtype=np.float64) / count
    deltas = np.where(measured, values - mean, 0)
    deltas -= deltas.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(deltas, axis=1, keepdims=True)
    return (deltas / np.where(norm > 0, norm, 1)).astype(np.float32)


def _related(cohort: CheckInput, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """True for pairs that share a known lineage or a group, shape (rows, rows)."""
    related = np.zeros((rows.size, rows.size), dtype=bool)
    for labels in (cohort.groups, cohort.columns.get("lineage", ("",) * len(cohort.samples))):
        own = np.array(labels)[rows]
        related |= (own[:, None] == own[None, :]) & (own != "")[:, None]
    return related


def _nominate(fit: NDArray[np.float32], related: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs that gain by exchange on both sides and are each other's best, so that few are left to bootstrap."""
    gain = fit - np.diag(fit)[:, None]
    mutual = np.where(related, -np.inf, np.minimum(gain, gain.T))
    best = mutual.argmax(axis=1)
    return [(i, int(j)) for i, j in enumerate(best) if i < j and best[j] == i and mutual[i, j] > GAIN]


def _standard_errors(atac: NDArray[np.float32], rna: NDArray[np.float32], *, seed: int) -> NDArray[np.float64]:
    """Bootstrap standard error of the gain of either sample, over blocks of genes.

    Args:
        atac: Promoter deltas of the two samples, shape (2, genes).
        rna: Expression deltas of the two samples, shape (2, genes).
        seed: Of the draws.

    Returns:
        Shape (2,).
    """
    both = np.concatenate([atac, rna]).astype(np.float64)
    starts = np.arange(0, both.shape[1], BLOCK)
    # Every correlation is a function of sums over genes, so a draw only weights the sums of the blocks.
    sums = np.add.reduceat(both, starts, axis=1)
    products = np.add.reduceat(both[:, None, :] * both[None, :, :], starts, axis=2)
    sizes = np.diff(np.append(starts, both.shape[1]))
    drawn = np.random.default_rng(seed).multinomial(starts.size, np.full(starts.size, 1 / starts.size), size=DRAWS)
    number = (drawn @ sizes)[:, None, None]
    mean = (drawn @ sums.T) / number[:, :, 0]
    covariance = np.einsum("db,ijb->dij", drawn, products) / number - mean[:, :, None] * mean[:, None, :]
    sd = np.sqrt(np.maximum(np.einsum("dii->di", covariance), 1e-300))
    r = covariance / (sd[:, :, None] * sd[:, None, :])
    gains = np.stack([r[:, 0, 3] - r[:, 0, 2], r[:, 1, 2] - r[:, 1, 3]], axis=1)
    errors: NDArray[np.float64] = gains.std(axis=0)
    return errors
