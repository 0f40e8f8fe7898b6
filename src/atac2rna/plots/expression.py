"""Predicted beside measured expression: gene by gene, and all genes as a density."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from atac2rna.plots.style import (
    ALARM,
    DENSITY,
    INK,
    METRIC_LABELS,
    PALE,
    UNIT,
    Floats,
    legend_below,
    model_colour,
    no_data,
    say_no_data,
    set_title,
    shortened,
    styled,
)


@dataclass(frozen=True)
class ScatterPanel:
    """One held-out sample of `scatter_grid`.

    Attributes:
        sample: Its name.
        measured: Expression, log2(TPM + 1), shape (genes,).
        predicted: The same, predicted, shape (genes,).
        metrics: Values to write in, by the names of `METRIC_LABELS`.
    """

    sample: str
    measured: Floats
    predicted: Floats
    metrics: Mapping[str, float] = field(default_factory=dict)


@styled
def per_gene_bars(
    gene_names: Sequence[str], measured: Floats, predicted: Floats, *, baseline: Floats, sample: str, model: str
) -> Figure:
    """Draw predicted against measured expression gene by gene, in the order given, 80 genes a row.

    Args:
        gene_names: Names in genome order; at most 1,000.
        measured: log2(TPM + 1) of the sample, shape (genes,); NaN where missing, all NaN where there is no RNA-seq.
        predicted: The prediction, shape (genes,).
        baseline: Mean of each gene over the training samples, shape (genes,).
        sample: Name of the sample.
        model: Name of the model.

    Raises:
        ValueError: If the lengths differ or there are more than 1,000 genes.
    """
    columns = np.vstack([_as_column(a, len(gene_names)) for a in (measured, predicted, baseline)])
    count, title = len(gene_names), f"{sample}: expression of {len(gene_names):,} genes in genome order, {model}"
    if count > 1000:
        raise ValueError(f"per_gene_bars draws at most 1,000 genes; got {count:,}. Choose a region.")
    if not np.isfinite(columns[:2]).any():
        return no_data(title)
    rows = -(-count // 80)
    width = -(-count // rows)
    figure = Figure(figsize=(max(6.0, 0.145 * width + 0.9), 0.6 + 1.75 * rows))
    grid = figure.subplots(rows, 1, squeeze=False, sharey=True)
    for i, axes in enumerate(grid[:, 0]):
        part = slice(i * width, min((i + 1) * width, count))
        _draw_genes(axes, gene_names[part], columns[:, part], model)
        axes.set_xlim(-0.7, width - 0.3)
    set_title(figure, title)
    legend_below(figure, list(grid[:, 0]))
    return figure


@styled
def density_scatter(
    measured: Floats, predicted: Floats, *, sample: str, model: str, metrics: Mapping[str, float]
) -> Figure:
    """Draw predicted against measured expression of all genes of one sample as a density, with the identity line.

    Args:
        measured: log2(TPM + 1), shape (genes,); a gene without both values is left out.
        predicted: The same, predicted, shape (genes,).
        sample: Name of the sample.
        model: Name of the model.
        metrics: Values to write in, by the names of `METRIC_LABELS`; NaN is written "n/a".
    """
    return _one_scatter(
        measured, predicted, metrics, f"{shortened(sample, 26)}: predicted by {model}", UNIT, from_zero=True
    )


@styled
def delta_scatter(
    measured_delta: Floats, predicted_delta: Floats, *, sample: str, model: str, metrics: Mapping[str, float]
) -> Figure:
    """Draw predicted against measured delta: what the sample adds to each gene's mean over the training samples.

    Args:
        measured_delta: Expression minus the training mean, log2(TPM + 1), shape (genes,).
        predicted_delta: The same of the prediction, shape (genes,).
        sample: Name of the sample.
        model: Name of the model.
        metrics: Values to write in, by the names of `METRIC_LABELS`.
    """
    unit = f"delta {UNIT} to the training mean"
    return _one_scatter(
        measured_delta, predicted_delta, metrics, f"{shortened(sample, 26)}: delta by {model}", unit, from_zero=False
    )


@styled
def scatter_grid(panels: Sequence[ScatterPanel], *, model: str, most: int = 30) -> Figure:
    """Draw the density scatter of several held-out samples on common axes and one colour scale.

    Args:
        panels: One a sample, in the order to be drawn.
        model: Name of the model.
        most: Panels to draw at most; of more, evenly spaced ones are taken and the title says so.
    """
    shown = [panels[i] for i in np.unique(np.linspace(0, len(panels) - 1, min(most, len(panels))).astype(int))]
    pairs = [_finite_pairs(p.measured, p.predicted) for p in shown]
    of = f"{len(shown)} of {len(panels)}" if len(shown) < len(panels) else f"{len(shown)}"
    most_genes = max((x.size for x, _ in pairs), default=0)
    samples = "sample" if len(panels) == 1 else "samples"
    title = f"{model}: predicted against measured, {of} held-out {samples}, {most_genes:,} genes"
    if most_genes == 0:
        return no_data(title)
    low, high = _limits(np.concatenate([np.concatenate(pair) for pair in pairs]), from_zero=True)
    columns = min(6, len(shown))
    rows = -(-len(shown) // columns)
    cell = 1.55 if columns > 2 else 2.5
    figure = Figure(figsize=(cell * columns + 0.9, (cell + 0.12) * rows + 0.6))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    drawn: list[PolyCollection] = []
    for axes, panel, (x, y) in zip(grid.flat, shown, pairs, strict=False):
        drawn += _draw_density(axes, x, y, low, high, panel.metrics, cells=32)
        axes.set_title(shortened(panel.sample, 24), fontsize=7)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes in grid.flat[max(0, len(shown) - columns) : len(shown)]:
        axes.tick_params(labelbottom=True)
    _share_scale(figure, drawn, list(grid.flat))
    set_title(figure, title)
    figure.supxlabel(f"{UNIT}, measured", fontsize=8)
    figure.supylabel(f"{UNIT}, predicted", fontsize=8)
    return figure


def _draw_genes(axes: Axes, names: Sequence[str], columns: Floats, model: str) -> None:
    """Draw one row of `per_gene_bars`; `columns` are measured, predicted, baseline, shape (3, genes)."""
    x = np.arange(len(names))
    bars, dots, ticks = columns
    known = np.isfinite(bars)
    axes.bar(x[known], bars[known], width=0.8, color=PALE, label="measured")
    _mark(axes, x, np.where(known, np.nan, 0.0), "x", ALARM, "no measurement")
    _mark(axes, x, ticks, "_", INK, "mean of training samples")
    _mark(axes, x, dots, "o", model_colour(model), f"predicted ({model})")
    axes.set_xticks(x, names, rotation=90, fontsize=6.5, fontstyle="italic")
    axes.tick_params(axis="x", length=0, pad=2)
    axes.set_ylabel(UNIT)


def _as_column(values: Floats, count: int) -> Floats:
    """Check the length of one column of `per_gene_bars`."""
    column = np.asarray(values, dtype=float)
    if column.shape != (count,):
        raise ValueError(f"per_gene_bars needs one value a gene; got shape {column.shape} for {count} genes")
    return column


def _mark(axes: Axes, x: NDArray[np.intp], y: Floats, marker: str, colour: str, label: str) -> None:
    """Mark the finite values; points on the zero line are drawn whole."""
    known = np.isfinite(y)
    # An empty line that is not clipped would take part in the layout at the corner of the figure.
    if known.any():
        size = 5.5 if marker == "_" else 3.5
        axes.plot(x[known], y[known], marker, color=colour, label=label, clip_on=False, markersize=size)


def _finite_pairs(measured: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Keep the genes that have both values."""
    x, y = np.asarray(measured, dtype=float), np.asarray(predicted, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"measured and predicted have one value a gene each; got shapes {x.shape} and {y.shape}")
    both = np.isfinite(x) & np.isfinite(y)
    return x[both], y[both]


def _limits(values: Floats, *, from_zero: bool) -> tuple[float, float]:
    """Give limits for both axes: from zero (or what lies below) for expression, symmetric for delta."""
    if from_zero:
        return min(0.0, float(values.min())) - 0.2, max(1.0, float(values.max())) + 0.2
    reach = max(0.5, float(np.abs(values).max())) * 1.03
    return -reach, reach


def _one_scatter(
    measured: Floats, predicted: Floats, metrics: Mapping[str, float], what: str, unit: str, *, from_zero: bool
) -> Figure:
    """Draw a figure of one density scatter."""
    x, y = _finite_pairs(measured, predicted)
    title = f"{what}, {x.size:,} genes"
    if x.size == 0:
        return no_data(title)
    figure = Figure(figsize=(4.5, 3.7))
    axes = figure.subplots()
    low, high = _limits(np.concatenate([x, y]), from_zero=from_zero)
    drawn = _draw_density(axes, x, y, low, high, metrics, cells=60)
    if not from_zero:
        axes.axhline(0, color=PALE, linewidth=0.6, zorder=0)
        axes.axvline(0, color=PALE, linewidth=0.6, zorder=0)
    axes.set_xlabel(f"{unit}, measured")
    axes.set_ylabel(f"{unit}, predicted")
    _share_scale(figure, drawn, [axes])
    set_title(figure, title)
    return figure


def _draw_density(
    axes: Axes, x: Floats, y: Floats, low: float, high: float, metrics: Mapping[str, float], *, cells: int
) -> list[PolyCollection]:
    """Draw hexagons, the identity line and the metrics into one panel, or say that it has no genes."""
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    if x.size == 0:
        say_no_data(axes)
        return []
    hexagons = axes.hexbin(
        x, y, gridsize=cells, extent=(low, high, low, high), mincnt=1, cmap=DENSITY, linewidths=0.1, rasterized=True
    )
    axes.plot([low, high], [low, high], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
    lines = [METRIC_LABELS.get(k, k) + (f" = {v:.2f}" if np.isfinite(v) else " n/a") for k, v in metrics.items()]
    axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=7 if cells > 40 else 5.5)
    return [hexagons]


def _share_scale(figure: Figure, drawn: Sequence[PolyCollection], axes: Sequence[Axes]) -> None:
    """Give all densities one logarithmic colour scale and its bar."""
    most = max(float(np.max(np.asarray(hexagons.get_array()))) for hexagons in drawn)
    for hexagons in drawn:
        hexagons.set_norm(LogNorm(1, max(2.0, most)))
    bar = figure.colorbar(drawn[0], ax=axes, label="genes per hexagon", format="{x:g}", shrink=0.6, aspect=25)
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
