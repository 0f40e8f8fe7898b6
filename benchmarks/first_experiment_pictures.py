"""Pictures of the first experiment."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atac2rna import metrics
from atac2rna.files import whole_file
from atac2rna.plots import model_bars
from atac2rna.plots.style import ALARM, INK, MODEL_COLOURS, OTHER, PALE, UNIT, legend_below, set_title, styled
from first_experiment_atlas import AtlasResults
from first_experiment_matrices import Control, Curve, Example, Results

NETWORK = MODEL_COLOURS["joint"]


def draw_all(results: Results, folder: Path, *, weak: set[str]) -> None:
    """Write every picture of the first half."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(column_orders(results), folder / "column-order.png")
    _save(learning_curves(results.curves), folder / "learning-curve.png")
    _save(predicted_against_actual(results.example), folder / "predicted-against-actual.png")
    _save(delta_by_sample([c for c in results.controls if c.region == "10 Mb"], weak), folder / "delta-by-sample.png")


@styled
def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, metadata={"Software": None})


@styled
def column_orders(results: Results) -> Figure:
    """Draw gene means of one table against those of the other, before and after reordering."""
    figure = Figure(figsize=(5.6, 2.9))
    set_title(figure, "Gene means of two tables of one experiment, 360 columns")
    means = [np.log2(table.expression + 1).mean(axis=0) for table in results.matrices.tables]
    ordered = [mean[order] for mean, order in zip(means, results.orders.columns, strict=True)]
    names = [table.name for table in results.matrices.tables]
    for axes, (x, y), title, r in zip(
        figure.subplots(1, 2, sharex=True, sharey=True),
        (means, ordered),
        ("columns as they stand", "columns of one gene together"),
        (results.orders.before, results.orders.after),
        strict=True,
    ):
        axes.plot(x, y, "o", color=NETWORK, markersize=2.5, alpha=0.5, markeredgewidth=0)
        axes.set_title(f"{title}: r = {r:.3f}")
        axes.set_xlabel(f"mean {UNIT}, {names[0]}")
    figure.axes[0].set_ylabel(f"mean {UNIT}, {names[1]}")
    return figure


@styled
def learning_curves(curves: list[Curve]) -> Figure:
    """Draw the loss on the samples trained on, on the other table, and of the training mean there."""
    figure = Figure(figsize=(6.4, 3.0))
    set_title(figure, "Error of the network by epoch, on its own samples and on the other table")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, curve in zip(panels, curves, strict=True):
        epoch = curve.history.epoch
        axes.plot(epoch, curve.history.train_loss, color=OTHER, label="network, samples trained on")
        axes.plot(epoch, curve.history.validation_loss, color=NETWORK, label="network, the other table")
        axes.axhline(curve.mean_loss, color=ALARM, linestyle="--", linewidth=1, label="training mean, the other table")
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_title(f"trained on {curve.trained_on}, tested on {curve.tested_on}")
        # Below this the curve only tells how exactly the samples are known by heart.
        axes.set_ylim(0.01, 1.5)
        axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
        axes.set_yticks([], minor=True)
    panels[0].set_ylabel(f"squared error, {UNIT}")
    legend_below(figure, panels)
    return figure


@styled
def predicted_against_actual(example: Example) -> Figure:
    """Draw the plot of the diary for a sample trained on and one never seen, and what that plot hides."""
    figure = Figure(figsize=(7.4, 4.2))
    set_title(figure, "Predicted against actual: what the plot shows and what it hides (network of 300 epochs)")
    panels = figure.subplots(2, 2)
    values = np.concatenate([example.train_truth, example.truth, example.predicted])
    top = float(values.max()) * 1.05
    network = f"{example.name}, never seen: network"
    _scatter(
        panels[0, 0], example.train_truth, example.train_predicted, f"{example.train_name}, trained on: network", top
    )
    _scatter(panels[0, 1], example.truth, example.predicted, network, top)
    _scatter(panels[1, 0], example.truth, example.mean, f"{example.name}: mean of the training samples", top)
    axes = panels[1, 1]
    x, y = example.truth - example.mean, example.predicted - example.mean
    delta = metrics.delta_r(p=example.predicted, t=example.truth, m=example.mean)
    axes.axline((0, 0), slope=1, color=PALE, linewidth=1, zorder=0)
    axes.plot(x, y, "o", color=NETWORK, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set_title(f"{example.name}: both minus that mean, delta r = {delta:.2f}")
    axes.set_xlabel(f"actual minus mean, {UNIT}")
    axes.set_ylabel("predicted minus mean")
    return figure


def _scatter(axes: Axes, actual: np.ndarray, predicted: np.ndarray, title: str, top: float) -> None:
    axes.axline((0, 0), slope=1, color=PALE, linewidth=1, zorder=0)
    axes.plot(actual, predicted, "o", color=NETWORK, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set_title(f"{title}, r = {metrics.across_gene_r(p=predicted, t=actual):.2f}")
    axes.set_xlim(-0.5, top)
    axes.set_ylim(-1.2, top)
    axes.set_xlabel(f"actual, {UNIT}")
    axes.set_ylabel("predicted")


@styled
def delta_by_sample(controls: list[Control], weak: set[str]) -> Figure:
    """Draw delta r of each held-out sample from its own peaks and from those of others."""
    figure = Figure(figsize=(6.4, 5.2))
    set_title(figure, "Delta r of each held-out sample, region of 10 Mb (network of 300 epochs)")
    panels = figure.subplots(2, 2).ravel()
    for axes, control in zip(panels, controls, strict=True):
        rows = np.arange(len(control.samples))[::-1]
        axes.axvline(0, color=PALE, linewidth=1, zorder=0)
        axes.hlines(rows, control.wrong, control.own, color=PALE, linewidth=1, zorder=0)
        axes.plot(
            control.wrong, rows, "o", color=OTHER, fillstyle="none", markersize=4, label="from peaks of other samples"
        )
        axes.plot(control.own, rows, "o", color=NETWORK, markersize=4, label="from its own peaks")
        axes.set_yticks(rows, [f"{s} (weak)" if s in weak else s for s in control.samples])
        for label, sample in zip(axes.get_yticklabels(), control.samples, strict=True):
            label.set_color(ALARM if sample in weak else INK)
        axes.set_xlim(-1, 1)
        axes.set_title(control.setting)
        axes.set_xlabel("delta r")
    legend_below(figure, panels)
    return figure


def draw_models(atlas: AtlasResults, folder: Path) -> None:
    """Write the picture of the second half: the network beside the whole-genome models, with its control."""
    summary = {
        model: {name: tuple(values[name])[:3] for name in ("across_gene_r", "delta_r", "skill")}
        for model, values in atlas.scores.items()
    }
    for model, values in atlas.control.items():
        summary[model]["delta_r_wrong"] = tuple(values["delta_r_wrong"])[:3]
    held_out = f"{len(atlas.samples)} samples, {atlas.clusters} lineages, {atlas.genes} genes"
    figure = model_bars(summary, metric_names=("across_gene_r", "delta_r", "skill"), held_out=held_out)
    _save(figure, folder / "models-on-the-region.png")
