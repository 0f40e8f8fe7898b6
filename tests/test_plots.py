"""Figures are judged by what they hold: bars, lines, points, words."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from atac2rna import plots

NAN = float("nan")
RNG = np.random.default_rng(7)
GENES = 500
MEASURED = RNG.gamma(2.0, 2.0, GENES)
PREDICTED = MEASURED + RNG.normal(0, 1, GENES)
METRICS = {"across_gene_r": 0.9137, "delta_r": 0.404, "skill": -0.128}


def words(figure: Figure) -> str:
    """All text of a drawn figure, layout and all."""
    figure.draw_without_rendering()
    found = figure.findobj(mpl.text.Text)
    return "\n".join(t.get_text() for t in found if t.get_visible())


def line(figure: Figure, label: str, panel: int = 0):
    return next(a for a in figure.axes[panel].lines if a.get_label() == label)


def gene_bars(count: int, **changes: object) -> Figure:
    values = {"measured": MEASURED[:count], "predicted": PREDICTED[:count], "baseline": MEASURED[:count] + 1} | changes
    measured, predicted = values.pop("measured"), values.pop("predicted")
    names = [f"GENE{i}" for i in range(count)]
    return plots.per_gene_bars(names, measured, predicted, sample="K562", model="ridge", **values)


def some_similarity(count: int) -> np.ndarray:
    similarity = np.corrcoef(RNG.normal(size=(count, 30)))
    return np.round(similarity, 6)


def history(*runs: list[tuple[int, float, float]]) -> list[dict[str, object]]:
    keys = ("epoch", "train_loss", "validation_loss")
    return [{"run": i, **dict(zip(keys, row, strict=True))} for i, rows in enumerate(runs) for row in rows]


SUMMARY = {
    "mean": {"across_gene_r": (0.88, 0.86, 0.9), "delta_r": (0.0, 0.0, 0.0), "skill": (0.0, 0.0, 0.0)},
    "joint": {
        "across_gene_r": (0.93, 0.91, 0.95),
        "delta_r": (0.5, 0.44, 0.57),
        "skill": (0.25, 0.2, 0.31),
        "delta_r_null": (0.04, 0.0, 0.08),
        "delta_r_wrong": (0.12, 0.1, 0.2),
    },
    "region-mlp": {"across_gene_r": (0.7, 0.6, 0.8), "delta_r": (NAN, NAN, NAN), "skill": (-2.4, -3.0, -2.0)},
}
BARS = ["across_gene_r", "delta_r", "skill"]
QC = pl.DataFrame(
    {
        "sample": ["a", "b", "c"],
        "dataset": ["ENCODE", "ENCODE", "own"],
        "peaks": [3, 100_000, 200_000],
        "median_width": [300.0, None, 400.0],
        "frip": [None, None, None],
        "flag": ["3 peaks", None, ""],
    },
    schema_overrides={"frip": pl.Float64},
)


def every_figure() -> dict[str, Figure]:
    r = RNG.uniform(-1, 1, 100)
    panels = [plots.ScatterPanel(f"s{i}", MEASURED, PREDICTED, METRICS) for i in range(3)]
    return {
        "genes": gene_bars(100),
        "density": plots.density_scatter(MEASURED, PREDICTED, sample="s", model="joint", metrics=METRICS),
        "delta": plots.delta_scatter(MEASURED, PREDICTED, sample="s", model="joint", metrics=METRICS),
        "grid": plots.scatter_grid(panels, model="joint"),
        "curves": plots.learning_curves(history([(1, 2.0, 2.1), (2, 1.0, 1.5)]), model="deep"),
        "bars": plots.model_bars(SUMMARY, metric_names=BARS),
        "histogram": plots.per_gene_histogram({"joint": r}),
        "similarity": plots.similarity_heatmap(some_similarity(5), list("abcde"), list("xyxyx"), what="Pearson r"),
        "qc": plots.qc_overview(QC),
    }


class TestPerGeneBars:
    def test_bars_dots_and_ticks_are_the_values_in_the_order_given(self):
        figure = gene_bars(30)
        axes = figure.axes[0]
        assert [p.get_height() for p in axes.patches] == pytest.approx(MEASURED[:30])
        assert line(figure, "predicted (ridge)").get_ydata() == pytest.approx(PREDICTED[:30])
        assert line(figure, "mean of training samples").get_ydata() == pytest.approx(MEASURED[:30] + 1)
        assert [t.get_text() for t in axes.get_xticklabels()] == [f"GENE{i}" for i in range(30)]
        assert axes.get_ylabel() == "log2(TPM + 1)"
        assert "K562: expression of 30 genes" in words(figure)
        assert "no measurement" not in words(figure)

    def test_many_genes_run_over_rows_of_one_scale(self):
        figure = gene_bars(401)
        assert len(figure.axes) == 6
        assert sum(len(a.patches) for a in figure.axes) == 401
        labels = [t.get_text() for a in figure.axes for t in a.get_xticklabels()]
        assert labels == [f"GENE{i}" for i in range(401)]
        assert len({a.get_xlim() for a in figure.axes}) == len({a.get_ylim() for a in figure.axes}) == 1
        figure.draw_without_rendering()
        boxes = [t.get_window_extent() for t in figure.axes[0].get_xticklabels()]
        assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))

    def test_a_gene_without_measurement_is_marked_and_has_no_bar(self):
        measured = MEASURED[:100].copy()
        measured[90] = NAN
        figure = gene_bars(100, measured=measured)
        assert sum(len(a.patches) for a in figure.axes) == 99
        assert line(figure, "no measurement", panel=1).get_xdata() == [40]
        assert "no measurement" in words(figure)

    def test_a_sample_without_rna_shows_its_prediction(self):
        figure = gene_bars(40, measured=np.full(40, NAN), baseline=np.full(40, NAN))
        assert not figure.axes[0].patches
        assert line(figure, "predicted (ridge)").get_ydata() == pytest.approx(PREDICTED[:40])
        assert "mean of training samples" not in words(figure)

    def test_lengths_and_number_are_checked(self):
        with pytest.raises(ValueError, match=r"one value a gene; got shape \(3,\) for 30 genes"):
            gene_bars(30, baseline=np.zeros(3))
        with pytest.raises(ValueError, match="at most 1,000 genes; got 1,001"):
            gene_bars(1001, measured=np.zeros(1001), predicted=np.zeros(1001), baseline=np.zeros(1001))


class TestScatter:
    def test_every_gene_with_both_values_is_counted_once(self):
        measured = MEASURED.copy()
        measured[:20] = NAN
        figure = plots.density_scatter(measured, PREDICTED, sample="K562", model="joint", metrics=METRICS)
        hexagons = next(c for c in figure.axes[0].collections if isinstance(c, PolyCollection))
        assert hexagons.get_array().sum() == GENES - 20
        assert "480 genes" in words(figure)

    def test_metrics_labels_and_identity_line(self):
        figure = plots.density_scatter(MEASURED, PREDICTED, sample="K562", model="joint", metrics=METRICS)
        axes, text = figure.axes[0], words(figure)
        for expected in ("r across genes = 0.91", "delta r = 0.40", "skill = -0.13", "K562", "joint"):
            assert expected in text
        assert axes.get_xlabel() == "log2(TPM + 1), measured"
        assert axes.get_ylabel() == "log2(TPM + 1), predicted"
        assert axes.get_xlim() == axes.get_ylim()
        assert list(axes.lines[0].get_xdata()) == list(axes.lines[0].get_ydata()) == list(axes.get_xlim())

    def test_an_undefined_metric_is_written_as_such(self):
        figure = plots.density_scatter(MEASURED, PREDICTED, sample="s", model="joint", metrics={"across_gene_r": NAN})
        assert "r across genes n/a" in words(figure)

    def test_delta_axes_are_symmetric_and_say_delta(self):
        figure = plots.delta_scatter(MEASURED - 4, PREDICTED - 4, sample="s", model="joint", metrics={"delta_r": 0.5})
        axes = figure.axes[0]
        assert axes.get_xlim()[0] == -axes.get_xlim()[1]
        assert axes.get_xlabel() == "delta log2(TPM + 1) to the training mean, measured"
        assert "delta r = 0.50" in words(figure)

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match="one value a gene each"):
            plots.density_scatter(MEASURED, PREDICTED[:-1], sample="s", model="joint", metrics={})

    def test_a_dollar_sign_in_a_name_is_no_formula(self):
        figure = plots.density_scatter(MEASURED, PREDICTED, sample="a$b_{c$", model="joint", metrics={})
        assert "a$b_{c$" in words(figure)


class TestScatterGrid:
    def test_one_panel_a_sample_on_one_scale(self):
        panels = [plots.ScatterPanel(f"s{i}", MEASURED, PREDICTED * i / 8, {"skill": i / 100}) for i in range(8)]
        panels[4] = plots.ScatterPanel("s4", MEASURED * NAN, PREDICTED)
        figure = plots.scatter_grid(panels, model="kernel")
        shown = [a for a in figure.axes if a.get_title(loc="left")]
        assert [a.get_title(loc="left") for a in shown] == [f"s{i}" for i in range(8)]
        assert len({a.get_xlim() for a in shown}) == 1
        norms = {(c.norm.vmin, c.norm.vmax) for a in shown for c in a.collections}
        assert len(norms) == 1
        assert [t.get_text() for t in shown[4].texts] == ["no data"]
        assert shown[7].texts[0].get_text() == "skill = 0.07"
        assert "8 held-out samples, 500 genes" in words(figure)

    def test_of_too_many_samples_evenly_spaced_ones_are_shown_and_said(self):
        panels = [plots.ScatterPanel(f"s{i}", MEASURED, PREDICTED) for i in range(41)]
        figure = plots.scatter_grid(panels, model="kernel", most=5)
        assert [a.get_title(loc="left") for a in figure.axes[:5]] == ["s0", "s10", "s20", "s30", "s40"]
        assert "5 of 41 held-out samples" in words(figure)


class TestLearningCurves:
    def test_both_losses_log_axis_and_best_epoch(self):
        rows = history([(1, 2.0, 2.2), (2, 1.0, 1.1), (3, 0.5, 1.4)])
        figure = plots.learning_curves(rows, model="deep")
        axes = figure.axes[0]
        drawn = [tuple(a.get_ydata()) for a in axes.lines]
        assert (2.0, 1.0, 0.5) in drawn
        assert (2.2, 1.1, 1.4) in drawn
        assert axes.get_yscale() == "log"
        dot = next(a for a in axes.lines if a.get_marker() == "o" and len(a.get_xdata()))
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (2, 1.1)
        assert "best epoch: 2" in words(figure)
        validation = next(a for a in axes.lines if a.get_label() == "validation")
        assert validation.get_color() == plots.MODEL_COLOURS["deep"]

    def test_runs_are_faint_and_the_median_ends_with_the_shortest(self):
        runs = history(
            [(1, 3.0, 3.0), (2, 2.0, 2.0), (3, 1.0, 1.0)],
            [(1, 5.0, 5.0), (2, 4.0, 4.5)],
            [(1, 4.0, 4.0), (2, 3.0, 5.0)],
        )
        figure = plots.learning_curves(pl.DataFrame(runs), model="deep")
        lines = figure.axes[0].lines
        assert sum(a.get_alpha() == 0.35 for a in lines) == 6
        assert [4.0, 4.5] in [list(a.get_ydata()) for a in lines]
        assert "3 runs" in words(figure)
        assert "best epoch: 1 to 3" in words(figure)

    def test_a_loss_below_zero_has_a_linear_axis(self):
        figure = plots.learning_curves(history([(1, 0.5, 0.6), (2, -0.2, 0.1)]), model="deep")
        assert figure.axes[0].get_yscale() == "linear"

    def test_a_loss_that_is_not_a_number_is_left_out(self):
        figure = plots.learning_curves(
            history([(1, NAN, NAN), (2, 1.0, 1.5)], [(1, 2.0, NAN), (2, 1.0, NAN)]), model="d"
        )
        assert "best epoch: 2" in words(figure)

    def test_a_missing_column_is_named(self):
        with pytest.raises(ValueError, match="missing: validation_loss"):
            plots.learning_curves([{"epoch": 1, "train_loss": 2.0}], model="deep")


class TestModelBars:
    def test_bars_are_means_and_lines_are_intervals(self):
        figure = plots.model_bars(SUMMARY, metric_names=BARS, held_out="21 samples, 12 lineages")
        for k, metric in enumerate(BARS):
            axes = figure.axes[k]
            assert [p.get_width() for p in axes.patches] == pytest.approx(
                [np.nan_to_num(m[metric][0]) for m in SUMMARY.values()]
            )
            intervals = next(c for c in axes.collections if isinstance(c, LineCollection)).get_segments()
            drawn = [s[:, 0].tolist() for s in intervals if len(s)]
            known = [list(m[metric][1:]) for m in SUMMARY.values() if np.isfinite(m[metric][0])]
            assert [d for d in drawn if np.isfinite(d).all()] == known
        assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(SUMMARY)
        assert "(21 samples, 12 lineages)" in words(figure)

    def test_colours_are_those_of_the_models(self):
        patches = plots.model_bars(SUMMARY, metric_names=BARS).axes[0].patches
        assert [to_hex(p.get_facecolor()) for p in patches] == [plots.MODEL_COLOURS[m] for m in SUMMARY]

    def test_controls_are_markers_beside_the_metric_that_has_them(self):
        figure = plots.model_bars(SUMMARY, metric_names=BARS)
        for label, value in (("null: other samples", 0.04), ("control: wrong ATAC", 0.12)):
            marker = line(figure, label, panel=1)
            assert (marker.get_xdata().tolist(), marker.get_ydata().tolist()) == ([value], [1])
        assert len(figure.axes[0].lines) == 1
        assert "control: wrong ATAC" in words(figure)

    def test_a_hopeless_skill_does_not_flatten_the_others(self):
        axes = plots.model_bars(SUMMARY, metric_names=BARS).axes[2]
        assert axes.get_xlim()[0] == -1
        assert "axis cut at -1" in axes.get_xlabel()
        assert [t.get_text() for t in axes.texts] == ["0.00", "0.25", "-2.40"]

    def test_an_unknown_metric_is_not_taken_for_a_correlation(self):
        axes = plots.model_bars({"ridge": {"rmse": (2.0, 1.5, 2.5)}}, metric_names=["rmse"]).axes[0]
        assert axes.get_xlim()[1] > 2.5
        assert axes.get_xlabel() == "rmse"

    def test_an_undefined_value_is_written_as_such(self):
        axes = plots.model_bars(SUMMARY, metric_names=BARS).axes[1]
        assert [t.get_text() for t in axes.texts] == ["0.00", "0.50", "n/a"]

    def test_a_metric_that_no_model_has(self):
        figure = plots.model_bars(SUMMARY, metric_names=["skill", "delta_r_block"])
        assert [t.get_text() for t in figure.axes[1].texts] == ["n/a"] * 3
        words(figure)


class TestPerGeneHistogram:
    def test_counts_and_medians(self):
        r = np.array([0.1, 0.3, 0.32, NAN, 1.0, -1.0])
        figure = plots.per_gene_histogram({"joint": r, "mean": np.zeros(5), "deep": np.full(5, NAN)})
        joint, mean, deep = figure.axes
        assert sum(p.get_height() for p in joint.patches) == 5
        assert 0.3 in [a.get_xdata()[0] for a in joint.lines]
        assert "joint: median 0.30, n = 5" in words(figure)
        assert mean.texts[0].get_text() == "mean: median 0.00, n = 5, bar cut"
        assert deep.texts[0].get_text() == "deep: no data"

    def test_the_mean_alone_is_shown_whole(self):
        figure = plots.per_gene_histogram({"mean": np.zeros(50)})
        assert figure.axes[0].get_ylim()[1] > 50
        assert "bar cut" not in words(figure)


class TestSimilarity:
    def test_lineages_lie_together_and_neighbours_are_alike(self):
        similarity = np.array(
            [[1.0, 0.1, 0.2, 0.9], [0.1, 1.0, 0.3, 0.4], [0.2, 0.3, 1.0, 0.6], [0.9, 0.4, 0.6, 1.0]], dtype=np.float32
        )
        figure = plots.similarity_heatmap(similarity, list("abcd"), ["x", "y", "x", "x"], what="Jaccard index")
        axes = figure.axes[0]
        assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "d", "c", "b"]
        assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "d", "c", "b"]
        shown = axes.images[0].get_array()
        order = [0, 3, 2, 1]
        off = ~np.eye(4, dtype=bool)
        assert np.asarray(shown)[off] == pytest.approx(similarity[np.ix_(order, order)][off])
        assert np.ma.masked_invalid(shown).mask.diagonal().all()
        assert [t.get_text() for t in axes.texts] == ["x", "y"]
        assert axes.images[1].get_array().shape == (4, 1, 3)
        assert "4 samples, 2 lineages" in words(figure)
        assert "Jaccard index" in words(figure)

    def test_many_samples_lose_their_names_and_crowded_lineages_theirs(self):
        groups = [f"g{i // 2}" for i in range(200)]
        figure = plots.similarity_heatmap(some_similarity(200), [f"s{i}" for i in range(200)], groups, what="r")
        assert "s17" not in words(figure)
        boxes = sorted((t.get_window_extent() for t in figure.axes[0].texts), key=lambda b: b.y0)
        assert 20 < len(boxes) < 100
        assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(boxes))

    def test_one_value_for_all_pairs(self):
        assert "r" in words(plots.similarity_heatmap(np.full((2, 2), 0.5), ["a", "b"], ["x", "y"], what="r"))

    def test_shape_is_checked(self):
        with pytest.raises(ValueError, match=r"samples x samples; got \(3, 3\) for 2 names"):
            plots.similarity_heatmap(np.eye(3), ["a", "b"], ["x", "y"], what="r")


class TestQcOverview:
    def test_dots_colours_and_flags(self):
        figure = plots.qc_overview(QC)
        peaks, width, frip = figure.axes
        dots = next(c for c in peaks.collections if isinstance(c, PathCollection))
        assert dots.get_offsets().tolist() == [[3, 0], [100_000, 1], [200_000, 2]]
        colours = [to_hex(c) for c in dots.get_facecolors()]
        assert colours[0] == colours[1] != colours[2]
        assert peaks.get_xscale() == "log"
        assert width.get_xscale() == "linear"
        assert [t.get_text() for t in frip.texts] == ["no data"]
        assert [len(a.patches) for a in figure.axes] == [1, 1, 1]
        labels = peaks.get_yticklabels()
        assert [t.get_text() for t in labels] == ["a", "b", "c"]
        assert labels[0].get_color() != labels[1].get_color() == labels[2].get_color()
        text = words(figure)
        for expected in ("3 samples, 1 flagged", "ENCODE", "own", "median peak width", "flagged"):
            assert expected in text

    def test_a_table_without_dataset_and_flag(self):
        figure = plots.qc_overview(pl.DataFrame({"sample": ["a", "b"], "my_measure": [0.0, 1.0]}))
        assert figure.axes[0].get_xlabel() == "my measure"
        assert not figure.legends

    def test_of_many_samples_the_flagged_are_named(self):
        table = pl.DataFrame({"sample": [f"s{i}" for i in range(300)], "peaks": range(300)})
        figure = plots.qc_overview(table.with_columns(flag=pl.col("peaks") == 7))
        assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["s7"]

    def test_the_sample_column_is_needed(self):
        with pytest.raises(ValueError, match="has a column sample; got peaks"):
            plots.qc_overview(pl.DataFrame({"peaks": [1]}))


EMPTY = np.empty(0)
NOTHING = {
    "genes none": lambda: plots.per_gene_bars([], EMPTY, EMPTY, baseline=EMPTY, sample="s", model="m"),
    "genes nan": lambda: gene_bars(3, measured=np.full(3, NAN), predicted=np.full(3, NAN)),
    "density none": lambda: plots.density_scatter(EMPTY, EMPTY, sample="s", model="m", metrics={}),
    "density nan": lambda: plots.density_scatter(MEASURED * NAN, PREDICTED, sample="s", model="m", metrics=METRICS),
    "delta inf": lambda: plots.delta_scatter(MEASURED + np.inf, PREDICTED, sample="s", model="m", metrics={}),
    "grid none": lambda: plots.scatter_grid([], model="m"),
    "grid nan": lambda: plots.scatter_grid([plots.ScatterPanel("s", MEASURED * NAN, PREDICTED)], model="m"),
    "curves none": lambda: plots.learning_curves([], model="m"),
    "curves nan": lambda: plots.learning_curves(history([(1, NAN, NAN)]), model="m"),
    "curves null": lambda: plots.learning_curves(
        [{"epoch": 1, "train_loss": None, "validation_loss": None}], model="m"
    ),
    "bars none": lambda: plots.model_bars({}, metric_names=BARS),
    "bars nan": lambda: plots.model_bars({"mean": {"skill": (NAN, NAN, NAN)}}, metric_names=BARS),
    "histogram none": lambda: plots.per_gene_histogram({}),
    "histogram nan": lambda: plots.per_gene_histogram({"m": np.full(3, NAN)}),
    "similarity none": lambda: plots.similarity_heatmap(np.empty((0, 0)), [], [], what="r"),
    "similarity one": lambda: plots.similarity_heatmap(np.ones((1, 1)), ["a"], ["x"], what="r"),
    "qc none": lambda: plots.qc_overview(QC.clear()),
    "qc no measure": lambda: plots.qc_overview(QC.select("sample")),
}


@pytest.mark.parametrize("case", NOTHING)
def test_nothing_to_draw_is_said(case: str):
    assert "no data" in words(NOTHING[case]())


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_one_gene_and_constant_values_can_be_drawn(value: float):
    one = np.array([value])
    words(plots.density_scatter(one, one, sample="s", model="m", metrics={}))
    words(plots.per_gene_bars(["g"], one, one, baseline=one, sample="s", model="m"))
    words(plots.qc_overview(pl.DataFrame({"sample": ["a"], "peaks": [value]})))
    words(plots.learning_curves([{"epoch": 1, "train_loss": value, "validation_loss": value}], model="m"))


def test_files_are_whole_and_the_same_on_a_second_run(tmp_path: Path):
    figure = every_figure()["bars"]
    first = plots.save_figure(figure, tmp_path / "one" / "atlas.v2")
    assert [p.name for p in first] == ["atlas.v2.png", "atlas.v2.svg"]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[1].read_bytes()
    again = plots.save_figure(figure, tmp_path / "two")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in first]
    assert {p.name for p in tmp_path.iterdir()} == {"one", "two.png", "two.svg"}


def test_a_figure_drawn_anew_gives_the_same_bytes(tmp_path: Path):
    for stem in ("one", "two"):
        figure = plots.density_scatter(MEASURED, PREDICTED, sample="s", model="joint", metrics=METRICS)
        plots.save_figure(figure, tmp_path / stem)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_settings_of_the_caller_neither_change_nor_matter(tmp_path: Path):
    expected = plots.save_figure(every_figure()["bars"], tmp_path / "plain")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        before = dict(mpl.rcParams)
        odd = plots.save_figure(every_figure()["bars"], tmp_path / "odd")
        assert dict(mpl.rcParams) == before
    assert [p.read_bytes() for p in odd] == [p.read_bytes() for p in expected]


def test_no_window_system_is_touched():
    code = "import sys, atac2rna.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_long_title_is_broken_not_cut():
    figure = plots.density_scatter(MEASURED, PREDICTED, sample="x" * 60, model="a-model" * 5, metrics={})
    figure.draw_without_rendering()
    assert figure._suptitle.get_window_extent().x1 <= figure.bbox.x1


def test_baselines_and_models_have_colours_of_their_own():
    assert len(set(plots.MODEL_COLOURS.values())) == len(plots.MODEL_COLOURS)
