"""How right a model is about its own errors: coverage and error by sample, stratum, and decile of interval width."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.evaluation.heldout import LEVELS, STRATA, HeldOut, Stratum
from atac2rna.evaluation.scoring import stratum_mask
from atac2rna.metrics import cluster_mean

MEASURES = ("width_80", "coverage_80", "coverage_95", "rmse")
"""Mean width of the 80% interval, share of genes whose truth each interval holds, root mean squared error."""

ALL = "all"
DECILES = 10

_LABELS = ("fold", "sample", "cluster", "group")
_ROUNDING = 4
"""Decimals of a width that count: an interval of constant width is no two widths, whatever float32 makes of its ends."""


def calibrate(held_out: HeldOut) -> pl.DataFrame | None:
    """Hold the intervals of every model against the truth of held-out samples.

    Genes of a sample fall into deciles by the width of their 80% interval among the genes of that sample and stratum; genes
    of equal width share a decile, so that a decile may be empty.

    Returns:
        Columns scope, model, fold, sample, cluster, group, stratum, decile ("1", the narrowest, to "10", and "all"), n_genes,
        then `MEASURES`. Rows of scope `sample` are one held-out sample each; rows of scope `average`, without labels,
        are means over samples: groups first, then clusters (n_genes is rounded). None where no model has intervals.
    """
    tables = []
    for model in held_out.bounds:
        rows = [
            {"scope": "sample", "model": model, **_labels(held_out, row), "stratum": stratum, **values}
            for stratum in STRATA
            for row in range(len(held_out.rows))
            for values in _deciles(held_out, model, row, stratum)
        ]
        samples = pl.DataFrame(rows)
        tables += [_averages(samples), samples]
    return pl.concat(tables) if tables else None


def _labels(held_out: HeldOut, row: int) -> dict[str, str]:
    fold, sample = held_out.rows[row]
    cohort = held_out.cohort
    values = (held_out.folds[fold].name, cohort.samples[sample], held_out.clusters[row], cohort.groups[sample])
    return dict(zip(_LABELS, values, strict=True))


def _deciles(held_out: HeldOut, model: str, row: int, stratum: Stratum) -> Iterator[dict[str, str | int | float]]:
    """Measure a held-out sample over all genes of a stratum, then over each decile."""
    fold, sample = held_out.rows[row]
    t, p = held_out.cohort.expression[sample], held_out.predictions[model][row]
    bounds = [held_out.bounds[model][level] for level in LEVELS]
    known = np.isfinite(np.stack([t, p, *(side[row] for own in bounds for side in own)])).all(axis=0)
    known &= stratum_mask(held_out, fold, stratum) & np.isfinite(held_out.baselines[fold].mean)
    t, p = t[known].astype(np.float64), p[known]
    low, high = (np.stack([side[row][known] for side in sides]) for sides in zip(*bounds, strict=True))
    width, (in_80, in_95) = high[0] - low[0], (low <= t) & (t <= high)
    decile = width_deciles(width)
    parts = np.stack(
        [np.bincount(decile, weights=of, minlength=DECILES) for of in (width, in_80, in_95, (p - t) ** 2)], axis=1
    )
    count = np.bincount(decile, minlength=DECILES)
    names = (ALL, *(str(number + 1) for number in range(DECILES)))
    for name, n, sums in zip(names, (count.sum(), *count), (parts.sum(axis=0), *parts), strict=True):
        means = sums / n if n else np.full(len(MEASURES), np.nan)
        means[-1] = np.sqrt(means[-1])
        yield {"decile": name, "n_genes": int(n), **dict(zip(MEASURES, means.tolist(), strict=True))}


def width_deciles(width: NDArray[np.floating]) -> NDArray[np.intp]:
    """Decile of each width among all, 0 to 9, shape (genes,); equal widths have the decile of their middle rank."""
    _, place, count = np.unique(np.round(width, _ROUNDING), return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2  # number of genes below, and half of one's equals
    decile: NDArray[np.intp] = np.floor(DECILES * middle[place] / max(width.size, 1)).astype(np.intp)
    return decile


def _averages(samples: pl.DataFrame) -> pl.DataFrame:
    """Average the rows of one model over samples, for each stratum and decile."""
    rows = []
    for (model, stratum, decile), own in samples.group_by("model", "stratum", "decile", maintain_order=True):
        clusters, groups = own["cluster"].to_list(), own["group"].to_list()
        means = {name: cluster_mean(own[name].to_numpy(), clusters, groups) for name in ("n_genes", *MEASURES)}
        labels = {"scope": "average", "model": model, **dict.fromkeys(_LABELS, ""), "stratum": stratum}
        rows.append({**labels, "decile": decile, **means, "n_genes": round(means["n_genes"])})
    return pl.DataFrame(rows, schema=samples.schema)


def of_samples(calibration: pl.DataFrame) -> pl.DataFrame:
    """Give model, sample and the coverages over all genes, one row a model and sample (a mean where it is in several folds)."""
    rows = calibration.filter(pl.col("scope") == "sample", pl.col("stratum") == ALL, pl.col("decile") == ALL)
    means = [pl.col(name).fill_nan(None).mean().fill_null(np.nan) for name in ("coverage_80", "coverage_95")]
    return rows.group_by("model", "sample", maintain_order=True).agg(means)


def of_deciles(calibration: pl.DataFrame) -> pl.DataFrame:
    """Give model, decile, mean width and error of the deciles of all genes, averaged over samples."""
    rows = calibration.filter(pl.col("scope") == "average", pl.col("stratum") == ALL, pl.col("decile") != ALL)
    return rows.select("model", "decile", "width_80", "rmse")


def describe_calibration(calibration: pl.DataFrame) -> list[str]:
    """Say in a sentence a model what share of genes its intervals hold, on average and in single samples."""
    averages = calibration.filter(pl.col("scope") == "average", pl.col("stratum") == ALL, pl.col("decile") == ALL)
    samples = of_samples(calibration).filter(pl.col("coverage_80").is_finite())
    lines = []
    for row in averages.iter_rows(named=True):
        own = samples.filter(pl.col("model") == row["model"])["coverage_80"].to_numpy()
        if own.size:
            lines.append(
                f"{row['model']}: 80% intervals hold {row['coverage_80']:.1%} of genes (samples from {own.min():.0%} to "
                f"{own.max():.0%}), 95% intervals {row['coverage_95']:.1%}"
            )
    return lines
