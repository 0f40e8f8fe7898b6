"""Measure accuracy against the number of training samples on the two truths of simulate/grammar.py.

python benchmarks/scaling.py [-o docs/scaling] [--models ridge,kernel,boosting,deep] [--sizes 20,50,100,200,500] [--seeds 0,1,2]

Each cell of the table (truth, seed, size, model) is appended to cells.tsv when it is done, and not computed again: an
interrupted study goes on where it stood, and a model added later runs alone. The test samples of a seed are the first
TEST_LINEAGES lineages, the same for every size and model; training samples are those of the lineages after them. Then
summary.tsv (means with 95% intervals over the lineages of all seeds, and the paired difference of deep to each other
model) and crossing.png are written.

`boosting` is scikit-learn's histogram gradient boosting on what `deep` is given of a (sample, gene) pair, with the same
leave-a-fold-out rows and with clusters held out for early stopping; it exists here alone.
"""

import argparse
from functools import cache
from pathlib import Path
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import torch

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import fit_model
from atac2rna.metrics import cluster_bootstrap, delta_r, skill
from atac2rna.models.registry import MODELS, make_model
from atac2rna.plots.style import MODEL_COLOURS
from atac2rna.simulate.grammar import GrammarSettings, simulate_grammar
from boosting import Boosting

TRUTHS = ("grammar", "additive")
TEST_LINEAGES, TEST_DONORS, DONORS = 12, 2, 4
CELL_COLUMNS = ("truth", "seed", "size", "model", "delta_r", "skill", "seconds")
COLOURS = {**{name: MODEL_COLOURS[name] for name in ("deep", "joint", "kernel", "ridge")}, "boosting": "#666666"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "docs" / "scaling")
    known = [name for name in ("ridge", "kernel", "joint", "deep") if name in MODELS]
    parser.add_argument("--models", type=words, default=[*known[:-1], "boosting", "deep"])
    parser.add_argument(
        "--sizes", type=lambda text: [int(word) for word in words(text)], default=[20, 50, 100, 200, 500]
    )
    parser.add_argument("--seeds", type=lambda text: [int(word) for word in words(text)], default=[0, 1, 2])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.output.mkdir(parents=True, exist_ok=True)
    table = asked.output / "cells.tsv"
    if not table.exists():
        table.write_text("\t".join(CELL_COLUMNS) + "\n")
    for size in asked.sizes:
        for seed in asked.seeds:
            for truth in TRUTHS:
                for model in asked.models:
                    run_cell(table, truth, seed, size, model, largest=max(asked.sizes))
    cells = read_cells(table)
    summary = summarise(cells)
    summary.write_csv(asked.output / "summary.tsv", separator="\t", float_precision=4)
    draw(summary, asked.output / "crossing.png")
    print(describe(summary))


def words(text: str) -> list[str]:
    return text.split(",")


def run_cell(table: Path, truth: str, seed: int, size: int, name: str, *, largest: int) -> None:
    """Fit one model on one number of samples and append what it reached on each held-out lineage."""
    done = {tuple(line.split("\t")[:4]) for line in table.read_text().splitlines()}
    if (truth, str(seed), str(size), name) in done:
        return
    cohort = make_cohort(truth, seed, TEST_LINEAGES + -(-max(largest, 500) // DONORS))
    first = TEST_LINEAGES * DONORS
    train = range(first, first + size)
    start = process_time()
    model = Boosting() if name == "boosting" else make_model(name)
    fit_model(model, cohort, train, clusters=cohort.columns["lineage"], seed=seed)
    seconds = process_time() - start
    mean = cohort.expression[list(train)].mean(axis=0)
    found: dict[str, list[str]] = {"delta_r": [], "skill": []}
    for lineage in range(TEST_LINEAGES):
        rows = [lineage * DONORS + donor for donor in range(TEST_DONORS)]
        predicted = [model.predict(cohort.inputs(cohort.samples[row], model.representation)) for row in rows]
        pairs = [(p, cohort.expression[row]) for p, row in zip(predicted, rows, strict=True)]
        found["delta_r"].append(f"{np.mean([delta_r(p=p, t=t, m=mean) for p, t in pairs]):.4f}")
        found["skill"].append(f"{np.mean([skill(p=p, t=t, m=mean) for p, t in pairs]):.4f}")
    cell = (truth, str(seed), str(size), name, ";".join(found["delta_r"]), ";".join(found["skill"]), f"{seconds:.1f}")
    with table.open("a") as stream:
        stream.write("\t".join(cell) + "\n")
    scores = [np.mean([float(value) for value in found[metric]]) for metric in found]
    print(f"{truth} seed {seed} size {size} {name}: delta r {scores[0]:.3f}, skill {scores[1]:.3f}, {seconds:.0f} s")


@cache
def make_cohort(truth: str, seed: int, lineages: int) -> Cohort:
    made = simulate_grammar(
        GrammarSettings.model_validate({"truth": truth, "seed": seed, "lineages": lineages, "donors": DONORS})
    )
    return Cohort(made, made.samples, made.gene_ids, made.expression, made.columns)  # type: ignore[arg-type]


def read_cells(table: Path) -> pl.DataFrame:
    """One row a truth, seed, size, model and lineage."""
    cells = pl.read_csv(table, separator="\t", schema_overrides={"delta_r": pl.String, "skill": pl.String})
    split = cells.with_columns(pl.col("delta_r", "skill").str.split(";")).with_columns(
        lineage=pl.int_ranges(pl.col("delta_r").list.len())
    )
    return split.explode("delta_r", "skill", "lineage").with_columns(pl.col("delta_r", "skill").cast(pl.Float64))


def summarise(cells: pl.DataFrame) -> pl.DataFrame:
    """Mean and interval of each model, and of deep minus each other one, by truth and size."""
    rows = []
    for (truth, size), block in cells.group_by("truth", "size", maintain_order=True):
        deep = block.filter(pl.col("model") == "deep").sort("seed", "lineage")
        for name in block["model"].unique(maintain_order=True).to_list():
            own = block.filter(pl.col("model") == name).sort("seed", "lineage")
            clusters = [f"{seed}.{lineage}" for seed, lineage in own.select("seed", "lineage").iter_rows()]
            for metric in ("delta_r", "skill"):
                values = own[metric].to_numpy()
                told = [*cluster_bootstrap(values, clusters, clusters)[:3]]
                if len(deep) == len(own) and name != "deep":
                    told += cluster_bootstrap(deep[metric].to_numpy() - values, clusters, clusters)[:3]
                else:
                    told += [None] * 3
                seconds = float(own["seconds"].mean())  # type: ignore[arg-type]
                rows.append([truth, size, name, metric, *told, len(own), seconds])
    columns = ("truth", "size", "model", "metric", "mean", "low", "high", "deep_minus", "deep_minus_low")
    columns += ("deep_minus_high", "lineages", "seconds")
    return pl.DataFrame(rows, schema=list(columns), orient="row").sort("truth", "metric", "size", "model")


def describe(summary: pl.DataFrame) -> str:
    """Say from how many samples on deep is ahead of the best other model, with the whole interval."""
    lines = []
    for truth in TRUTHS:
        for metric in ("delta_r", "skill"):
            block = summary.filter((pl.col("truth") == truth) & (pl.col("metric") == metric))
            told = []
            for (size,), at in block.group_by("size", maintain_order=True):
                others = at.filter(pl.col("model") != "deep").sort("mean", descending=True)
                best = others.row(0, named=True)
                told.append(
                    f"{size}: {best['deep_minus']:+.3f} [{best['deep_minus_low']:+.3f}, {best['deep_minus_high']:+.3f}] "
                    f"to {best['model']}"
                )
            lines.append(f"{truth}, {metric}, deep minus the best other model: " + "; ".join(told))
    return "\n".join(lines)


def draw(summary: pl.DataFrame, path: Path) -> None:
    """Draw accuracy against the number of training samples, one column a truth, one row a metric."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), sharex=True, sharey="row", layout="constrained")
    for column, truth in enumerate(TRUTHS):
        for row, (metric, label) in enumerate((("delta_r", "delta r"), ("skill", "skill"))):
            axis = axes[row, column]
            block = summary.filter((pl.col("truth") == truth) & (pl.col("metric") == metric))
            for name, colour in COLOURS.items():
                own = block.filter(pl.col("model") == name).sort("size")
                if own.is_empty():
                    continue
                sizes = own["size"].to_numpy()
                axis.plot(sizes, own["mean"].to_numpy(), "o-", color=colour, label=name, linewidth=1.8, markersize=4)
                axis.fill_between(sizes, own["low"].to_numpy(), own["high"].to_numpy(), color=colour, alpha=0.15, lw=0)
            axis.set_xscale("log")
            ticks = sorted(block["size"].unique().to_list())
            axis.set_xticks(ticks, [str(tick) for tick in ticks])
            axis.minorticks_off()
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            if column == 0:
                axis.set_ylabel(f"{label} on held-out lineages")
            if row == 0:
                names = {"grammar": "nonlinear grammar shared by all genes", "additive": "additive truth"}
                axis.set_title(names[truth])
            else:
                axis.set_xlabel("training samples")
    axes[0, 0].legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    main()
