"""How well models do: loss by epoch, models beside baselines, r of each gene."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atac2rna.plots.style import (
    INK,
    METRIC_LABELS,
    OTHER,
    PALE,
    Floats,
    legend_below,
    model_colour,
    no_data,
    plain_ticks,
    round_ticks,
    set_title,
    styled,
)

_HISTORY: Final = ("epoch", "train_loss", "validation_loss")
_CONTROLS: Final = {"null": ("D", "null: other samples"), "wrong": ("o", "control: wrong ATAC")}


@styled
def learning_curves(history: pl.DataFrame | Sequence[Mapping[str, object]], *, model: str) -> Figure:
    """Draw training and validation loss by epoch, the best epoch marked; the loss axis is logarithmic where it can be.

    Args:
        history: Rows of `epoch`, `train_loss`, `validation_loss` and, for several seeds or folds, `run`. Runs are
            faint lines; the strong line is their median over the epochs that all of them reached.
        model: Name of the model.

    Raises:
        ValueError: If a column is missing.
    """
    frame = pl.DataFrame(history, infer_schema_length=None) if len(history) else pl.DataFrame()
    if missing := [c for c in _HISTORY if len(frame) and c not in frame.columns]:
        raise ValueError(f"a history has epoch, train_loss and validation_loss; missing: {', '.join(missing)}")
    runs = frame.partition_by("run", maintain_order=True) if "run" in frame.columns else [frame]
    tables = [np.array(r.select(*_HISTORY).sort("epoch").to_numpy(), dtype=float) for r in runs if len(r)]
    losses = np.concatenate([t[:, 1:].ravel() for t in tables]) if tables else np.empty(0)
    title = f"{model}: loss by epoch, {len(tables)} run{'s' * (len(tables) != 1)}"
    losses = losses[np.isfinite(losses)]
    if losses.size == 0:
        return no_data(title)
    figure = Figure(figsize=(4.6, 3.1))
    axes = figure.subplots()
    best = _draw_runs(axes, tables, model_colour(model))
    if losses.min() > 0:
        axes.set_yscale("log")
        plain_ticks(axes.yaxis, losses, log=True)
    axes.xaxis.set_major_locator(round_ticks(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (log scale)" if losses.min() > 0 else "loss")
    span = " to ".join(f"{epoch:g}" for epoch in sorted({min(best, default=0), max(best, default=0)}))
    axes.plot([], [], "o", color=INK, markersize=3.5, label=f"best epoch: {span}" if best else "best epoch: n/a")
    axes.legend(loc="upper right")
    set_title(figure, title)
    return figure


@styled
def model_bars(
    summary: Mapping[str, Mapping[str, tuple[float, float, float]]], *, metric_names: Sequence[str], held_out: str = ""
) -> Figure:
    """Draw models beside baselines: one panel a metric, one bar a model, with intervals and controls.

    Args:
        summary: Model to metric to (mean, low, high). A metric `M_null` or `M_wrong` of a model is drawn as a marker
            on its bar of `M`: what pairing with other samples, or the wrong sample's ATAC, reaches.
        metric_names: Metrics to draw, in order.
        held_out: What the numbers rest on, for the title ("21 samples, 12 lineages").
    """
    title = "Held-out performance, mean and 95% interval" + (f" ({held_out})" if held_out else "")
    blank = (np.nan, np.nan, np.nan)
    values = np.array([[m.get(k, blank) for k in metric_names] for m in summary.values()], dtype=float)
    if not np.isfinite(values).any():
        return no_data(title)
    figure = Figure(figsize=(1.3 + 2.3 * len(metric_names), 1.15 + 0.25 * len(summary)))
    grid = figure.subplots(1, len(metric_names), squeeze=False, sharey=True)[0]
    y = np.arange(len(summary))
    for k, (axes, metric) in enumerate(zip(grid, metric_names, strict=True)):
        mean, low, high = values[:, k].T
        axes.barh(y, np.nan_to_num(mean), height=0.62, color=[model_colour(m) for m in summary], alpha=0.85)
        axes.hlines(y, low, high, color=INK, linewidth=1.1)
        _draw_controls(axes, summary, metric)
        axes.axvline(0, color=INK, linewidth=0.6)
        _finish_bars(axes, mean, metric)
    grid[0].set_yticks(y, list(summary))
    grid[0].invert_yaxis()
    set_title(figure, title)
    legend_below(figure, list(grid))
    return figure


@styled
def per_gene_histogram(per_gene_r: Mapping[str, Floats]) -> Figure:
    """Draw how the correlation over held-out samples is spread over genes: one row a model, its median marked.

    Args:
        per_gene_r: Model to r of each gene, shape (genes,); NaN where undefined.
    """
    finite = {m: np.asarray(r, dtype=float)[np.isfinite(r)] for m, r in per_gene_r.items()}
    title = "r of each gene over held-out samples (delta to the training mean)"
    if not any(r.size for r in finite.values()):
        return no_data(title)
    edges = np.linspace(-1.02, 1.02, 52)
    tops = {m: np.histogram(r, edges)[0].max() for m, r in finite.items() if r.size}
    # A model that predicts the mean has r = 0 for all genes: its one full bin must not flatten the others.
    spread = [top for m, top in tops.items() if np.ptp(finite[m]) > 0]
    top = 1.35 * max(spread or tops.values())
    figure = Figure(figsize=(5.2, 0.75 + 0.72 * len(finite)))
    grid = figure.subplots(len(finite), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (model, r) in zip(grid, finite.items(), strict=True):
        axes.axvline(0, color=PALE, linewidth=0.8)
        note = f"{model}: no data"
        if r.size:
            axes.hist(r, bins=edges, color=model_colour(model), alpha=0.8)
            axes.axvline(np.median(r), color=INK, linewidth=1.2)
            note = f"{model}: median {np.median(r):.2f}, n = {r.size:,}"
            note += ", bar cut" if tops[model] > top else ""
        axes.text(0.01, 0.98, note, transform=axes.transAxes, va="top", fontsize=7)
    grid[0].set_ylim(0, top)
    grid[0].yaxis.set_major_locator(MaxNLocator(2, integer=True))
    grid[-1].set_xlim(-1.02, 1.02)
    grid[-1].set_xlabel("Pearson r")
    figure.supylabel("genes per bin of 0.04", fontsize=8)
    set_title(figure, title)
    return figure


def _draw_runs(axes: Axes, tables: Sequence[Floats], colour: str) -> list[float]:
    """Draw each run, shape (epochs, 3), and the median of several; give the best epoch of each run that has one."""
    best = []
    width, alpha = (1.4, 1.0) if len(tables) == 1 else (0.7, 0.35)
    for t in tables:
        for column, shade in ((1, OTHER), (2, colour)):
            axes.plot(t[:, 0], t[:, column], color=shade, linewidth=width, alpha=alpha)
        if np.isfinite(t[:, 2]).any():
            row = int(np.nanargmin(t[:, 2]))
            best.append(float(t[row, 0]))
            axes.plot(*t[row, [0, 2]], "o", color=INK, markersize=4 if len(tables) == 1 else 2.5, zorder=4)
    shared = reduce(np.intersect1d, [t[:, 0] for t in tables]) if len(tables) > 1 else np.empty(0)
    for column, shade in ((1, OTHER), (2, colour)):
        middle = [np.median([t[t[:, 0] == e, column][0] for t in tables]) for e in shared]
        axes.plot(shared, middle, color=shade, linewidth=1.6)
    suffix = " (median of runs)" if shared.size else ""
    axes.plot([], [], color=OTHER, label=f"training{suffix}")
    axes.plot([], [], color=colour, label=f"validation{suffix}")
    return best


def _draw_controls(axes: Axes, summary: Mapping[str, Mapping[str, tuple[float, float, float]]], metric: str) -> None:
    """Mark what the controls of `metric` reach, where models have them."""
    for suffix, (marker, label) in _CONTROLS.items():
        reached = np.array([m.get(f"{metric}_{suffix}", (np.nan,))[0] for m in summary.values()], dtype=float)
        rows = np.flatnonzero(np.isfinite(reached))
        if rows.size:
            (dots,) = axes.plot(reached[rows], rows, marker, color="white", markersize=4, label=label)
            dots.set(markeredgecolor=INK, clip_on=False, zorder=4)


def _finish_bars(axes: Axes, mean: Floats, metric: str) -> None:
    """Label a panel of `model_bars` and write the means beside it; a skill far below zero is cut at -1."""
    for y, value in enumerate(mean):
        text = f"{value:.2f}" if np.isfinite(value) else "n/a"
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    left, right = axes.get_xlim()
    axes.set_xlabel(METRIC_LABELS.get(metric, metric))
    # Correlations and skill end at 1; a skill may lie far below zero and would flatten all others.
    if metric in METRIC_LABELS:
        axes.set_xlim(max(left, -1.0), min(right, 1.0))
        axes.set_xlabel(METRIC_LABELS[metric] + (" (axis cut at -1)" if left < -1 else ""))
    axes.xaxis.set_major_locator(round_ticks())
    axes.tick_params(axis="y", length=0)
