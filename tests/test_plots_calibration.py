"""The picture of calibration, judged by what it holds."""

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from atac2rna import plots

NAN = float("nan")
SAMPLES = pl.DataFrame(
    {
        "model": ["joint"] * 3 + ["deep"] * 3,
        "sample": ["a", "b", "c"] * 2,
        "coverage_80": [0.8, 0.6, 0.9, 0.7, NAN, 0.85],
        "coverage_95": [0.95, 0.8, 0.99, 0.9, NAN, 0.97],
    }
)
DECILES = pl.DataFrame({"model": ["joint"] * 3, "width_80": [2.0, 1.0, NAN], "rmse": [0.8, 0.5, NAN]})


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def line(figure: Figure, label: str, panel: int):
    return next(artist for artist in figure.axes[panel].lines if artist.get_label() == label)


def test_a_dot_a_sample_and_level_in_the_order_of_the_first_models_coverage() -> None:
    figure = plots.calibration_panels(SAMPLES, DECILES, held_out="3 samples, 3 of lineage")
    left = figure.axes[0]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["b", "a", "c"]
    joint = line(figure, "joint, 80%", 0)
    assert joint.get_xdata().tolist() == pytest.approx([80, 60, 90])
    assert np.round(joint.get_ydata()).tolist() == [1, 0, 2]
    assert line(figure, "deep, 95%", 0).get_xdata().tolist() == pytest.approx([90, 97])
    assert [joint.get_color(), line(figure, "deep, 80%", 0).get_color()] == [
        plots.MODEL_COLOURS["joint"], plots.MODEL_COLOURS["deep"],
    ]  # fmt: skip
    nominal = [artist.get_xdata()[0] for artist in left.lines if artist.get_linestyle() == "--"]
    assert nominal == [80, 95]
    assert left.get_xlim()[0] <= 50
    text = words(figure)
    for expected in ("(3 samples, 3 of lineage)", "80%", "95%", "genes within their interval (%)", "joint, deciles"):
        assert expected in text


def test_errors_rise_with_the_width_beside_those_of_gaussian_errors() -> None:
    figure = plots.calibration_panels(SAMPLES, DECILES)
    deciles = line(figure, "joint, deciles", 1)
    assert (deciles.get_xdata().tolist(), deciles.get_ydata().tolist()) == ([1, 2], [0.5, 0.8])
    gaussian = line(figure, "Gaussian errors", 1)
    assert gaussian.get_ydata()[1] / gaussian.get_xdata()[1] == pytest.approx(1 / (2 * 1.2816), rel=1e-4)


def test_many_samples_lose_their_names() -> None:
    many = pl.DataFrame({"model": "joint", "sample": [f"s{i}" for i in range(200)], "coverage_80": 0.8})
    figure = plots.calibration_panels(many.with_columns(coverage_95=pl.lit(0.95)), DECILES)
    assert "s17" not in words(figure)
    assert "200 samples" in words(figure)
    assert figure.get_figheight() < 10


def test_nothing_to_draw_is_said() -> None:
    unknown = SAMPLES.with_columns(coverage_80=pl.lit(NAN))
    assert "no data" in words(plots.calibration_panels(unknown, DECILES))
    assert "no data" in words(plots.calibration_panels(SAMPLES.clear(), DECILES.clear()))
    words(plots.calibration_panels(SAMPLES, DECILES.clear()))


def test_a_long_name_is_shortened_and_nothing_is_cut() -> None:
    named = SAMPLES.with_columns(sample=pl.col("sample") + "x" * 60)
    figure = plots.calibration_panels(named, DECILES)
    assert "x" * 40 not in words(figure)
    for tick in figure.axes[0].get_yticklabels():
        assert tick.get_window_extent().x0 >= figure.bbox.x0
