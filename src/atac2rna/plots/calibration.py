"""Whether a model knows how far off it is: coverage of its intervals, and error against their width."""

from statistics import NormalDist
from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atac2rna.plots.style import (
    INK,
    OTHER,
    PALE,
    UNIT,
    legend_below,
    model_colour,
    no_data,
    round_ticks,
    set_title,
    shortened,
    styled,
)

_LEVELS: Final = ((80, "coverage_80", "o"), (95, "coverage_95", "D"))
_MOST_NAMES: Final = 45
_GAUSSIAN: Final = 2 * NormalDist().inv_cdf(0.9)
"""Width of the 80% interval of a Gaussian error of root mean square 1."""


@styled
def calibration_panels(samples: pl.DataFrame, deciles: pl.DataFrame, *, held_out: str = "") -> Figure:
    """Draw, left, which share of genes the intervals hold in each sample; right, error against width of the interval.

    Args:
        samples: Rows of `model`, `sample`, `coverage_80`, `coverage_95` (shares, NaN where unknown). Samples are drawn in
            the order of the first model's coverage; beyond 45 they have no names.
        deciles: Rows of `model`, `width_80`, `rmse`, one a decile of width, log2(TPM + 1).
        held_out: What the numbers rest on, for the title.
    """
    title = "Intervals of held-out samples" + (f" ({held_out})" if held_out else "")
    shown = samples.filter(pl.col("coverage_80").is_finite())
    if shown.is_empty():
        return no_data(title)
    names = list(dict.fromkeys(shown.sort("coverage_80", maintain_order=True)["sample"].to_list()))
    first = shown.filter(pl.col("model") == shown["model"][0]).sort("coverage_80", "sample")["sample"].to_list()
    order = first + [name for name in names if name not in set(first)]
    figure = Figure(figsize=(7.0, 1.35 + 0.14 * min(max(len(order), 12), _MOST_NAMES)))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_coverage(left, shown, order)
    _draw_errors(right, deciles)
    set_title(figure, title)
    legend_below(figure, [left, right])
    return figure


def _draw_coverage(axes: Axes, samples: pl.DataFrame, order: list[str]) -> None:
    """Draw a dot a sample and level, and the nominal levels."""
    models = list(dict.fromkeys(samples["model"].to_list()))
    shift = dict(zip(models, 0.5 * (np.arange(len(models)) - (len(models) - 1) / 2) / len(models), strict=True))
    place = {name: y for y, name in enumerate(order)}
    named = len(order) <= _MOST_NAMES
    for level, column, marker in _LEVELS:
        axes.axvline(level, color=OTHER, linewidth=0.8, linestyle="--", zorder=1)
        axes.text(level, 1.01, f"{level}%", transform=axes.get_xaxis_transform(), ha="center", fontsize=7, color=OTHER)
        for model in models:
            own = samples.filter(pl.col("model") == model)
            y = [place[name] + shift[model] for name in own["sample"]]
            (dots,) = axes.plot(100 * own[column].to_numpy(), y, marker, linestyle="none", label=f"{model}, {level}%")
            dots.set(color=model_colour(model), markersize=4 if named else 2, markeredgewidth=0.8, clip_on=False)
            dots.set_markerfacecolor(model_colour(model) if level == _LEVELS[0][0] else "white")
    if named:
        axes.set_yticks(range(len(order)), [shortened(name, 26) for name in order])
        axes.hlines(range(len(order)), 0, 100, color=PALE, linewidth=0.5, zorder=0)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(order)} samples")
    axes.set_ylim(-0.7, len(order) - 0.3)
    lowest = 100 * float(np.nanmin(samples.select("coverage_80", "coverage_95").to_numpy()))
    axes.set_xlim(min(50.0, max(0.0, 10 * np.floor(lowest / 10 - 0.2))), 100)
    axes.xaxis.set_major_locator(round_ticks())
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("genes within their interval (%)")


def _draw_errors(axes: Axes, deciles: pl.DataFrame) -> None:
    """Draw a line a model through its deciles, beside what Gaussian errors of the widths claimed would show."""
    known = deciles.filter(pl.col("width_80").is_finite() & pl.col("rmse").is_finite())
    for model in dict.fromkeys(known["model"].to_list()):
        own = known.filter(pl.col("model") == model).sort("width_80")
        axes.plot(
            own["width_80"], own["rmse"], "s-", color=model_colour(model), markersize=3.5, label=f"{model}, deciles"
        )
    if not known.is_empty():
        end = 1.05 * float(known["width_80"].max() or 0.0)  # type: ignore[arg-type]
        axes.plot([0, end], [0, end / _GAUSSIAN], color=INK, linewidth=0.8, linestyle=":", label="Gaussian errors")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(round_ticks())
    axes.yaxis.set_major_locator(round_ticks())
    axes.set_xlabel(f"width of the 80% interval, {UNIT}")
    axes.set_ylabel(f"root mean squared error, {UNIT}")
