"""Samples beside one another: similarity and quality."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Final

import numpy as np
import polars as pl
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from atac2rna.plots.style import (
    ALARM,
    INK,
    Floats,
    category_colours,
    no_data,
    plain_ticks,
    say_no_data,
    set_title,
    shortened,
    styled,
)

_MEASURE_LABELS: Final = {
    "peaks": "peaks",
    "median_width": "median peak width (bp)",
    "promoter_share": "share of peaks at promoters",
    "genes_expressed": "genes with TPM ≥ 1",
    "tpm_sum": "sum of TPM",
}


@styled
def similarity_heatmap(similarity: Floats, names: Sequence[str], groups: Sequence[str], *, what: str) -> Figure:
    """Draw the similarity of all pairs of samples, lineages together, each sample beside its most similar.

    Args:
        similarity: Shape (samples, samples); the diagonal is not shown.
        names: Sample names; written where at most 60.
        groups: Lineage of each sample; lineages are drawn in the order of their first sample.
        what: The measure, for the colour scale ("Jaccard index of peaks").
    """
    if np.shape(similarity) != (len(names), len(names)) or len(groups) != len(names):
        raise ValueError(f"similarity is samples x samples; got {np.shape(similarity)} for {len(names)} names")
    off = np.where(np.eye(len(names), dtype=bool), np.nan, similarity)
    title = f"Similarity of {len(names):,} samples, {len(dict.fromkeys(groups)):,} lineages"
    if not np.isfinite(off).any():
        return no_data(title)
    order = _lineage_order(off, groups)
    side = float(np.clip(0.16 * len(names), 2.4, 7.0))
    figure = Figure(figsize=(side + 3.4, side + (1.6 if len(names) <= 60 else 0.8)))
    axes = figure.subplots()
    colours = colormaps["viridis"].with_extremes(bad="#eeeeee")
    low, high = np.nanpercentile(off, [1, 99])
    image = axes.imshow(off[np.ix_(order, order)], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    _draw_lineages(axes, [groups[i] for i in order], side / len(names))
    if len(names) <= 60:
        axes.set_xticks(range(len(order)), [shortened(names[i], 28) for i in order], rotation=90, fontsize=6.5)
        axes.set_yticks(range(len(order)), [shortened(names[i], 28) for i in order], fontsize=6.5)
    else:
        axes.set(xticks=[], yticks=[], ylabel="samples", xlabel="samples")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=what, shrink=0.6, extend="both", aspect=25)
    set_title(figure, title)
    return figure


@styled
def qc_overview(table: pl.DataFrame) -> Figure:
    """Draw every numeric column of a table of samples as one panel of dots, one row a sample, coloured by dataset.

    Args:
        table: Columns `sample`, optionally `dataset` (text) and `flag` (a reason or true where a sample is odd), and
            numeric measures. A measure that spans a factor of 100 has a logarithmic axis.
    """
    if "sample" not in table.columns:
        raise ValueError(f"a table of samples has a column sample; got {', '.join(table.columns)}")
    measures = [c for c in table.columns if table[c].dtype.is_numeric() and c not in ("sample", "dataset", "flag")]
    names = table["sample"].cast(pl.String).to_list()
    datasets = [d or "unknown" for d in table["dataset"].cast(pl.String)] if "dataset" in table.columns else []
    flagged = [i for i, f in enumerate(table["flag"].to_list() if "flag" in table.columns else []) if f]
    title = f"Samples at a glance: {len(names):,} samples, {len(flagged):,} flagged"
    values = np.array([table[c].cast(pl.Float64).to_numpy() for c in measures], dtype=float)
    if not np.isfinite(values).any():
        return no_data(title)
    colours = category_colours(datasets)
    height = float(np.clip(0.17 * len(names), 0.7, 12))
    figure = Figure(figsize=(1.8 + 1.45 * len(measures), height + 1.15))
    grid = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, measure, x in zip(grid, measures, values, strict=True):
        for i in flagged:
            axes.axhspan(i - 0.5, i + 0.5, color=ALARM, alpha=0.12, linewidth=0)
        _draw_measure(axes, x, [colours[d] for d in datasets] or INK)
        axes.set_xlabel(fill(_MEASURE_LABELS.get(measure, measure.replace("_", " ")), 18))
        axes.tick_params(axis="y", length=0)
    # Names need 0.13 inch each; where there is no room only the flagged ones are told.
    rows = range(len(names)) if height / len(names) >= 0.13 else flagged
    grid[0].set_yticks(list(rows), [shortened(names[i], 32) for i in rows])
    for label, row in zip(grid[0].get_yticklabels(), rows, strict=True):
        label.set_color(ALARM if row in flagged else INK)
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    _explain_colours(figure, colours, flagged=bool(flagged))
    set_title(figure, title)
    return figure


def _explain_colours(figure: Figure, colours: Mapping[str, str], *, flagged: bool) -> None:
    """Write the legend of `qc_overview`."""
    handles: list[Artist] = [
        Line2D([], [], marker="o", linestyle="", color=c, markersize=4, label=d) for d, c in colours.items()
    ]
    handles += [Patch(color=ALARM, alpha=0.12, label="flagged")] * flagged
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=max(1, int(figure.get_figwidth() / 1.9)))


def _draw_measure(axes: Axes, x: Floats, colours: Sequence[str] | str) -> None:
    """Draw one measure of `qc_overview`, shape (samples,)."""
    finite = x[np.isfinite(x)]
    if finite.size == 0:
        say_no_data(axes)
        axes.set_xticks([])
        return
    log = bool(finite.min() > 0 and finite.max() >= 100 * finite.min())
    if log:
        axes.set_xscale("log")
    axes.hlines(np.arange(x.size), 0, 1, transform=axes.get_yaxis_transform(), color="#eeeeee", linewidth=0.6)
    axes.scatter(x, np.arange(x.size), s=12, c=colours, linewidths=0, zorder=3)
    axes.margins(x=0.1)
    plain_ticks(axes.xaxis, finite, log=log)


def _lineage_order(similarity: Floats, groups: Sequence[str]) -> list[int]:
    """Order samples by lineage, within one each sample followed by the most similar of those that are left."""
    order: list[int] = []
    for group in dict.fromkeys(groups):
        left = [i for i, g in enumerate(groups) if g == group]
        order.append(left.pop(0))
        while left:
            row = np.nan_to_num(similarity[order[-1], left], nan=-np.inf)
            order.append(left.pop(int(np.argmax(row))))
    return order


def _draw_lineages(axes: Axes, groups: Sequence[str], pitch: float) -> None:
    """Draw the strip of lineages right of the heat map, lines between them, and the names that have room.

    Args:
        axes: The heat map, one unit a sample.
        groups: Lineage of each row from the top.
        pitch: Height of a row in inches.
    """
    count, colours = len(groups), category_colours(groups)
    gap, width = 0.012 * count, 0.025 * count
    strip = np.array([[to_rgb(colours[g])] for g in groups])
    box = (count - 0.5 + gap, count - 0.5 + gap + width, count - 0.5, -0.5)
    axes.imshow(strip, extent=box, interpolation="nearest")
    thin = 0.8 if count <= 60 else 0.4
    edges = [i for i in range(1, count) if groups[i] != groups[i - 1]]
    for edge in edges:
        axes.axhline(edge - 0.5, color="white", linewidth=thin)
        axes.plot([edge - 0.5] * 2, [-0.5, count - 0.5], color="white", linewidth=thin)
    last = -np.inf
    for start, stop in zip([0, *edges], [*edges, count], strict=True):
        middle = (start + stop - 1) / 2
        if (middle - last) * pitch >= 0.11:
            axes.text(box[1] + gap, middle, groups[start], va="center", fontsize=6.5)
            last = middle
    axes.set(xlim=(-0.5, box[1]), ylim=(count - 0.5, -0.5))
