"""Draw the architecture of deep with the shapes of its arrays: python benchmarks/deep_figure.py [-o docs/images/deep.png]."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

WIDTH, HEIGHT = 2.9, 0.82
LOCAL, GLOBAL, KNOWN, OUT = "#dcebf7", "#fde3cf", "#ececec", "#d9efe3"

_SUM = """delta (G) = weighted sum of six parts: evidence, trans,
similar, beside, own, shared; weights by least
squares on held-out clusters"""
BOXES: dict[str, tuple[float, float, str, str]] = {
    # name: centre x, centre y, text, colour
    "peaks": (1.6, 9.0, "peaks of one sample", KNOWN),
    "window": (1.6, 7.7, "windows of all genes\n(G, 28 bins) + 4 ranks", LOCAL),
    "row": (8.2, 7.7, "row: bins within 10 kb\nof all genes (G * 16)", GLOBAL),
    "memory": (11.6, 7.7, "memory of the training samples\nwithout the row's fold (+ compendium)", KNOWN),
    "conv": (1.6, 6.3, "convolution over bins:\nbeyond the mean, mean, times slope\nlocal (G, 48)", LOCAL),
    "beside": (4.9, 6.3, "beside: own ridge of\neach gene's bins (G)", LOCAL),
    "similar": (8.2, 6.3, "similar: kernel ridge\nover samples (G)", GLOBAL),
    "place": (11.6, 6.3, "place in the space of\naccessibility (A <= 48)", GLOBAL),
    "evidence": (1.6, 4.9, "evidence of each gene (G)", LOCAL),
    "trans": (4.9, 4.9, "trans: posterior mean in the\nspace of known profiles (G)", GLOBAL),
    "pool": (8.2, 4.9, "learned pooling over genes\nof 8 channels (16 * 8)", GLOBAL),
    "state": (11.6, 4.9, "state of the sample (32)", GLOBAL),
    "own": (4.9, 3.4, "own: head on the window,\nFiLM by state and gene (G)", OUT),
    "shared": (8.2, 3.4, "shared: gene (16) .\nmap of the state (G)", OUT),
    "gene": (11.6, 3.4, "gene embedding (G, 16):\nlearned + from directions", KNOWN),
    "sum": (
        6.55,
        2.0,
        _SUM,
        OUT,
    ),
    "mean": (11.6, 2.0, "training mean (G)", KNOWN),
    "out": (6.55, 0.8, "log2(TPM + 1) (G), mean of 4 members", OUT),
}
ARROWS = (
    ("peaks", "window"),
    ("peaks", "row"),
    ("window", "conv"),
    ("window", "beside"),
    ("row", "similar"),
    ("row", "place"),
    ("memory", "similar"),
    ("memory", "place"),
    ("conv", "evidence"),
    ("evidence", "trans"),
    ("conv", "pool"),
    ("place", "state"),
    ("pool", "state"),
    ("trans", "state"),
    ("state", "own"),
    ("state", "shared"),
    ("gene", "shared"),
    ("conv", "own"),
    ("own", "sum"),
    ("shared", "sum"),
    ("sum", "out"),
    ("mean", "out"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "docs" / "images" / "deep.png")
    output = parser.parse_args().output
    figure, axis = plt.subplots(figsize=(11.5, 7.6), layout="constrained")
    for source, target in ARROWS:
        arrow(axis, source, target)
    for x, y, text, colour in BOXES.values():
        wide = WIDTH * (1.55 if "six parts" in text or "members" in text else 1.0)
        box = FancyBboxPatch(
            (x - wide / 2, y - HEIGHT / 2),
            wide,
            HEIGHT,
            boxstyle="round,pad=0.04",
            facecolor=colour,
            edgecolor="#444444",
        )
        axis.add_patch(box)
        axis.text(x, y, text, ha="center", va="center", fontsize=8.2)
    legend = (("each gene's own window", LOCAL), ("all genes of the sample", GLOBAL), ("from training samples", KNOWN))
    for i, (text, colour) in enumerate(legend):
        axis.add_patch(FancyBboxPatch((0.2, 2.2 - 0.55 * i), 0.3, 0.25, boxstyle="round,pad=0.03", facecolor=colour))
        axis.text(0.7, 2.32 - 0.55 * i, text, va="center", fontsize=8.2)
    axis.set_xlim(0, 13.3)
    axis.set_ylim(0.2, 9.6)
    axis.axis("off")
    figure.savefig(output, dpi=130)


def arrow(axis: Axes, source: str, target: str) -> None:
    (x0, y0), (x1, y1) = BOXES[source][:2], BOXES[target][:2]
    bend = "arc3"
    if (source, target) == ("trans", "state"):  # around the box between them
        start, end, bend = (x0 + 0.6, y0 - HEIGHT / 2), (x1 - WIDTH / 2, y1 - 0.25), "arc3,rad=0.12"
    elif y0 == y1:
        side = 1 if x1 > x0 else -1
        start, end = (x0 + side * WIDTH / 2, y0), (x1 - side * WIDTH / 2, y1)
    else:
        start, end = (x0, y0 - HEIGHT / 2), (x1, y1 + HEIGHT / 2)
    axis.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": "#666666", "shrinkA": 2, "shrinkB": 3, "connectionstyle": bend},
    )


if __name__ == "__main__":
    main()
