"""The one look of all figures: fonts, colours, ticks, labels."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import fill
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from atac2rna.files import whole_file

Floats = NDArray[np.floating]

MODEL_COLOURS: Final[Mapping[str, str]] = {
    "mean": "#8c8c8c",
    "nearest": "#e69f00",
    "gene-activity": "#56b4e9",
    "ridge": "#009e73",
    "kernel": "#cc79a7",
    "region-mlp": "#b5a500",
    "joint": "#0072b2",
    "joint-paired": "#00436b",
    "deep": "#d55e00",
    "deep-paired": "#8a3d00",
    "auto": "#444444",
    "auto-paired": "#777777",
}
"""One colour a model in every figure (Okabe and Ito's colour-blind-safe set, its yellow darkened for white paper)."""

METRIC_LABELS: Final[Mapping[str, str]] = {
    "across_gene_r": "r across genes",
    "delta_r": "delta r",
    "delta_r_within": "delta r within dataset",
    "delta_r_block": "delta r of the block",
    "per_gene_r": "r per gene",
    "skill": "skill",
}
UNIT: Final = "log2(TPM + 1)"
INK, PALE, OTHER, ALARM = "#333333", "#d4d8dd", "#555555", "#c0392b"
CATEGORIES: Final = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b5a500", "#8c8c8c"),
    *("#6a3d9a", "#7f4f24", "#1b4332", "#f4978e", "#00436b", "#a3b18a", "#ffd166", "#000000"),
)
DENSITY: Final = LinearSegmentedColormap.from_list("density", ["#cbd9e7", "#4a86b8", "#0b2e59"])
STYLE: Final = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 9,
    "legend.frameon": False,
    "legend.handlelength": 1.3,
    "legend.columnspacing": 1.2,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    # Widths of letters depend on the resolution: the layout is made at the one that is written.
    "figure.dpi": 150,
    # Names of samples and genes are shown as they are, a dollar sign in them too.
    "text.parse_math": False,
    "svg.hashsalt": "atac2rna",
}
# Defaults first: what a user has set elsewhere never changes a figure of ours. Used as a decorator.
styled = style.context(["default", STYLE])


@styled
def save_figure(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write `stem.png` (150 dpi) and `stem.svg`; the same figure gives the same bytes, whatever the day.

    The layout is settled by the first call, since one that starts from an earlier one differs in its last digits.

    Args:
        figure: Any figure of this module.
        stem: Path without suffix; a dot in its name is kept.

    Returns:
        The two paths.
    """
    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for path, drop in zip(paths, ("Software", "Date"), strict=True):
        with whole_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi="figure", metadata={drop: None})
    return paths


def model_colour(model: str) -> str:
    """Give the fixed colour of a model, dark grey for one that has none."""
    return MODEL_COLOURS.get(model, OTHER)


def category_colours(values: Iterable[str]) -> dict[str, str]:
    """Give each distinct value a colour, in order of first appearance; after 16 the colours begin again."""
    return {value: CATEGORIES[i % len(CATEGORIES)] for i, value in enumerate(dict.fromkeys(values))}


def shortened(name: str, length: int) -> str:
    """Cut a long name in its middle, where names of samples differ least."""
    tail = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - tail]}…{name[-tail:]}"


def set_title(figure: Figure, title: str) -> None:
    """Write the title of the whole figure, flush left, broken where it is longer than the figure is wide."""
    # At 9 points a letter of DejaVu Sans is about 0.075 inch wide.
    figure.suptitle(fill(title, int(figure.get_figwidth() / 0.075)), x=0.01, ha="left")


def legend_below(figure: Figure, panels: Iterable[Axes]) -> None:
    """Write one legend for all panels below them, each label once; none where nothing has a label."""
    handles = {label: h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower left", ncols=4)


def no_data(title: str) -> Figure:
    """Give the figure that stands where there is nothing to draw."""
    figure = Figure(figsize=(4.6, 1.6))
    axes = figure.subplots()
    say_no_data(axes)
    axes.set_axis_off()
    set_title(figure, title)
    return figure


def say_no_data(axes: Axes) -> None:
    """Write "no data" in the middle of a panel, whose axes may be shared with others."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=OTHER)


def round_ticks(*, integer: bool = False) -> MaxNLocator:
    """Place about four ticks at multiples of 1, 2, 2.5 or 5."""
    return MaxNLocator(5, steps=[1, 2, 5, 10] if integer else [1, 2, 2.5, 5, 10], integer=integer)


def plain_ticks(axis: Axis, values: Floats, *, log: bool) -> None:
    """Label an axis in plain numbers (20k, 0.5): powers of ten would need mathematical text, which is off.

    Args:
        axis: The axis, its scale already set.
        values: The finite values drawn on it.
        log: Whether its scale is logarithmic.
    """
    low, high = float(values.min()), float(values.max())
    wide = log and high / low >= 10
    axis.set_major_locator(LogLocator(subs=(1.0,) if high / low >= 1000 else (1.0, 3.0)) if wide else round_ticks())
    axis.set_major_formatter(EngFormatter(sep="") if high >= 10_000 else StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
