"""Samples that are one and the same under two names."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from atac2rna.quality.accessibility import Accessibility
from atac2rna.quality.cohort import CheckInput
from atac2rna.quality.finding import Finding

TOO_ALIKE = 0.995
"""Correlation of log2(TPM + 1) beyond which two samples are taken for one; HSC and MPP reach 0.989."""


def find_duplicates(cohort: CheckInput, accessibility: Accessibility, expression: NDArray[np.float32]) -> list[Finding]:
    """Find samples that share a peak file or an RNA file, or whose expression is all but equal.

    Inside one group (replicates may share an RNA file) it is a warning. Across groups it is an error: a split would put
    the same measurement on both sides, and the test would score memory.

    Args:
        cohort: The samples.
        accessibility: Their peaks, summed up; equal intervals count as the same file, unless
            a table gives them to all samples.
        expression: log2(TPM + 1), shape (samples, genes); NaN where missing.
    """
    peak_keys = [
        {*checksums, *([summary.digest] if summary.count and not cohort.shares_regions(row) else [])}
        for row, (checksums, summary) in enumerate(zip(cohort.atac_checksums, accessibility.summaries, strict=True))
    ]
    same_peaks = _sharing(peak_keys)
    same_rna = _sharing([set(checksums) for checksums in cohort.rna_checksums])
    told = _labels(same_rna, len(cohort.samples))
    alike = {pair: r for pair, r in _too_alike(expression).items() if told[pair[0]] != told[pair[1]]}
    return [
        *_tell(cohort, same_peaks, "peaks", "the same peaks"),
        *_tell(cohort, same_rna, "rna", "the same RNA file"),
        *_tell(cohort, list(alike), "expression", "expression that is all but equal", alike),
    ]


def _sharing(keys: Iterable[set[str]]) -> list[tuple[int, int]]:
    """Pair each row with the first one that has a key in common."""
    first: dict[str, int] = {}
    pairs = []
    for row, own in enumerate(keys):
        for key in sorted(own):
            if key in first:
                pairs.append((first[key], row))
            else:
                first[key] = row
    return sorted(set(pairs))


def _labels(pairs: list[tuple[int, int]], number: int) -> NDArray[np.int32]:
    """Number the sets of rows that pairs connect, shape (number,)."""
    a, b = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    labels: NDArray[np.int32] = connected_components(
        coo_array((np.ones(a.size), (a, b)), shape=(number, number)), directed=False
    )[1]
    return labels


def _too_alike(expression: NDArray[np.float32]) -> dict[tuple[int, int], float]:
    """Correlation of each pair above `TOO_ALIKE`, over genes of at least 1 TPM in some sample.

    Genes silent in all samples would raise every correlation. Pairs are nominated with missing values filled by the
    gene's mean, in one matrix product, and confirmed on the genes measured in both.
    """
    rows = np.flatnonzero(np.isfinite(expression).any(axis=1))
    expressed = np.nanmax(expression[rows], axis=0, initial=0) >= 1
    values = expression[rows][:, expressed]
    if rows.size < 2 or values.shape[1] < 100:
        return {}
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    filled = centred + np.nanmean(values, axis=0)
    filled -= filled.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(filled, axis=1, keepdims=True)
    filled /= np.where(norm > 0, norm, 1)
    pairs = {}
    for i, j in np.argwhere(np.triu(filled @ filled.T > TOO_ALIKE - 0.01, 1)):
        both = np.isfinite(values[i]) & np.isfinite(values[j])
        r = float(np.corrcoef(values[i, both], values[j, both])[0, 1]) if both.sum() >= 100 else 0.0
        if r > TOO_ALIKE:
            pairs[int(rows[i]), int(rows[j])] = r
    return pairs


def _tell(
    cohort: CheckInput,
    pairs: list[tuple[int, int]],
    code: str,
    what: str,
    correlations: dict[tuple[int, int], float] | None = None,
) -> list[Finding]:
    """Report each set of samples connected by pairs once."""
    label = _labels(pairs, len(cohort.samples))
    findings = []
    for one in dict.fromkeys(int(label[row]) for row, _ in pairs):
        rows = np.flatnonzero(label == one)
        groups = list(dict.fromkeys(cohort.groups[row] for row in rows))
        value = f"{rows.size} samples"
        if correlations is not None:
            value = f"r = {max(r for pair, r in correlations.items() if label[pair[0]] == one):.4f}"
        across = len(groups) > 1
        where = f"{len(groups)} groups ({', '.join(groups)})" if across else f"the group {groups[0]}"
        findings.append(
            Finding(
                "error" if across else "warning",
                f"duplicate-{code}{'' if across else '-in-group'}",
                cohort.names(rows),
                value,
                f"{rows.size} samples of {where} have {what}" + (f" ({value})." if correlations is not None else "."),
                "Leave all but one out, or give them one group so that no split can part them."
                if across
                else "Fine for replicates; otherwise leave all but one out, as they count double.",
            )
        )
    return findings
