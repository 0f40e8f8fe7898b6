"""First half of the first experiment: the network on the matrices it was made for, judged on samples it never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.formats.matrices import (
    RegionGenes,
    SeedMatrices,
    SeedTable,
    find_gene_file,
    read_region_genes,
    read_seed_matrices,
)
from atac2rna.models.base import TrainingSet
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_network import Samples, train_network
from atac2rna.models.region_settings import History, RegionMlpSettings
from atac2rna.quality.finding import Finding
from atac2rna.quality.matrices import find_matrix_problems
from atac2rna.quality.matrix_cleaning import CleanMatrices, CleanTable, clean_matrices
from atac2rna.quality.matrix_columns import ColumnOrders, column_orders

WIDTH = 1_000
REGIONS = {"10 Mb": 10_000_000, "1 Mb": 1_000_000}
SEEDS = range(5)
MEAN, LONG, STOPPED, ZERO = "training mean", "network, 300 epochs", "network, stopped early", "0 for every gene"
VARIANTS = {LONG: {"early_stopping": False}, STOPPED: {"early_stopping": True}}

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Table:
    """Samples of one table in one region: bins (samples, bins), log2(TPM + 1) (samples, genes), names, clusters."""

    name: str
    bins: Floats
    expression: Floats
    samples: tuple[str, ...]
    clusters: tuple[str, ...]

    def take(self, rows: Sequence[int]) -> "Table":
        """Take samples by row."""
        picked = [tuple(values[i] for i in rows) for values in (self.samples, self.clusters)]
        return Table(self.name, self.bins[list(rows)], self.expression[list(rows)], *picked)


@dataclass(frozen=True)
class Scores:
    """Scores of one model in one setting, one value a test sample."""

    region: str
    setting: str
    model: str
    across_gene_r: Floats
    delta_r: Floats
    skill: Floats
    clusters: tuple[str, ...]
    samples: tuple[str, ...]

    def interval(self, metric: str) -> metrics.Interval:
        """Mean of a metric over samples with its 95% interval over clusters."""
        return metrics.cluster_bootstrap(getattr(self, metric), self.clusters, self.samples)


@dataclass(frozen=True)
class Control:
    """Delta r of each sample predicted by one network from its own peaks and from those of others (their mean)."""

    region: str
    setting: str
    own: Floats
    wrong: Floats
    clusters: tuple[str, ...]
    samples: tuple[str, ...]

    def interval(self, what: Literal["own", "wrong", "difference"]) -> metrics.Interval:
        """Mean over samples with its 95% interval over clusters; the difference is paired by sample."""
        values = self.own - self.wrong if what == "difference" else getattr(self, what)
        return metrics.cluster_bootstrap(values, self.clusters, self.samples)


@dataclass(frozen=True)
class Curve:
    """A learning curve with the loss on the other table, and the loss that the training mean has there."""

    trained_on: str
    tested_on: str
    history: History
    mean_loss: float


@dataclass(frozen=True)
class Example:
    """One unseen sample for the picture, with one training sample beside it."""

    train_name: str
    train_truth: Floats
    train_predicted: Floats
    name: str
    truth: Floats
    predicted: Floats
    mean: Floats


@dataclass(frozen=True)
class Results:
    """All that the page is written from."""

    matrices: SeedMatrices
    findings: list[Finding]
    orders: ColumnOrders
    clean: CleanMatrices
    biotypes: dict[str, tuple[int, int]]
    scores: list[Scores]
    asis: list[Scores]
    controls: list[Control]
    seed_means: dict[str, list[float]]
    curves: list[Curve]
    example: Example
    bins_used: dict[str, int]


def run_first_half(data: Path) -> Results:
    """Repeat the experiment on its own matrices."""
    folder = data / "seed_chr1"
    matrices = read_seed_matrices(folder)
    gene_file = find_gene_file(folder)
    if gene_file is None:
        raise SystemExit(f"{folder}: the gene table ensembl_genes.txt.gz is needed to order the columns")
    genes = read_region_genes(gene_file, end=REGIONS["10 Mb"])
    orders, clean = column_orders(matrices, genes), clean_matrices(matrices, genes)
    wide = {name: cut(clean, name, REGIONS["10 Mb"]) for name in ("lines", "tissues")}
    return Results(
        matrices,
        find_matrix_problems(matrices, genes),
        orders,
        clean,
        count_biotypes(data / "annotation" / "genes_hg38.tsv.gz", matrices["lines"], orders, genes),
        [score for region in REGIONS for score in judge_region(clean, region)],
        list(judge_asis(matrices)),
        [control for region in REGIONS for control in control_region(clean, region)],
        {f"{a} to {b}": seed_spread(wide[a], wide[b]) for a, b in (("lines", "tissues"), ("tissues", "lines"))},
        [learning_curve(wide["lines"], wide["tissues"]), learning_curve(wide["tissues"], wide["lines"])],
        make_example(wide["lines"], wide["tissues"]),
        {name: int(table.bins.any(axis=0).sum()) for name, table in wide.items()},
    )


def cut(clean: CleanMatrices, name: str, end: int) -> Table:
    """Take the bins of a region that starts at 0 and the genes that end within it."""
    table: CleanTable = clean[name]
    if clean.genes is None:
        raise SystemExit("the gene table does not tell which gene a column is; the region cannot be cut")
    inside = clean.genes.end <= end
    return Table(name, table.peaks[:, : end // WIDTH], table.expression[:, inside], table.samples, table.clusters)


def judge_region(clean: CleanMatrices, region: str) -> Iterator[Scores]:
    """Score fit, the other table, and leave-one-out within each table."""
    end = REGIONS[region]
    lines, tissues = (cut(clean, name, end) for name in ("lines", "tissues"))
    for train in (lines, tissues):
        yield from judge(region, f"fit to the {train.name} trained on", [(train, train)], end)
    for train, test in ((lines, tissues), (tissues, lines)):
        yield from judge(region, f"{train.name} to {test.name}", [(train, test)], end)
    for table in (lines, tissues):
        yield from judge(region, f"leave one out, {table.name}", list(leave_one_out(table)), end)


def leave_one_out(table: Table) -> Iterator[tuple[Table, Table]]:
    """Hold out each sample with whatever may be the same tissue again."""
    for cluster in dict.fromkeys(table.clusters):
        held = [i for i, c in enumerate(table.clusters) if c == cluster]
        yield table.take([i for i in range(len(table.clusters)) if i not in held]), table.take(held)


def judge(region: str, setting: str, folds: list[tuple[Table, Table]], end: int) -> Iterator[Scores]:
    """Score the mean, the network trained for 300 epochs and the network stopped early, on the same folds."""
    test = join([test for _, test in folds])
    means = np.concatenate([np.tile(train.expression.mean(axis=0), (len(test.samples), 1)) for train, test in folds])
    yield score(region, setting, MEAN, means, test, means)
    for name, changes in VARIANTS.items():
        predicted = [predict(fit(train, end, **changes), held.bins) for train, held in folds]
        yield score(region, setting, name, np.concatenate(predicted), test, means)


def control_region(clean: CleanMatrices, region: str) -> Iterator[Control]:
    """Ask whose peaks the 300-epoch network reads: each sample is predicted from its own and from others' peaks."""
    end = REGIONS[region]
    lines, tissues = (cut(clean, name, end) for name in ("lines", "tissues"))
    for train, test in ((lines, tissues), (tissues, lines)):
        pairs = [(i, j) for i in range(len(test.samples)) for j in others(test, i)]
        grid = cross_delta_r(fit(train, end, **VARIANTS[LONG]), train, test)
        yield make_control(region, f"{train.name} to {test.name}", test, [(i, j, grid) for i, j in pairs])
    for table in (lines, tissues):
        yield make_control(region, f"leave two out, {table.name}", table, list(leave_two_out(table, end)))


def others(table: Table, sample: int) -> list[int]:
    """Give the samples of other clusters."""
    return [j for j, cluster in enumerate(table.clusters) if cluster != table.clusters[sample]]


def leave_two_out(table: Table, end: int) -> Iterator[tuple[int, int, Floats]]:
    """Give each pair of samples of two clusters with the grid of a network that saw neither cluster."""
    for a, b in combinations(dict.fromkeys(table.clusters), 2):
        train = table.take([i for i, cluster in enumerate(table.clusters) if cluster not in (a, b)])
        grid = cross_delta_r(fit(train, end, **VARIANTS[LONG]), train, table)
        held = [(i, cluster) for i, cluster in enumerate(table.clusters) if cluster in (a, b)]
        yield from ((i, j, grid) for i, mine in held for j, other in held if mine != other)


def cross_delta_r(model: RegionMlp, train: Table, test: Table) -> Floats:
    """Delta r of the truth of each sample (rows) against the prediction from the peaks of each sample (columns)."""
    mean, predicted = train.expression.mean(axis=0), predict(model, test.bins)
    return np.array([[metrics.delta_r(p=p, t=t, m=mean) for p in predicted] for t in test.expression])


def make_control(region: str, setting: str, test: Table, grids: list[tuple[int, int, Floats]]) -> Control:
    """Average over the pairs (sample, other sample) that a sample is in."""
    count = len(test.samples)
    own = [float(np.mean([grid[i, i] for i, _, grid in grids if i == sample])) for sample in range(count)]
    wrong = [float(np.mean([grid[i, j] for i, j, grid in grids if i == sample])) for sample in range(count)]
    return Control(region, setting, np.array(own), np.array(wrong), test.clusters, test.samples)


def join(tables: list[Table]) -> Table:
    """Put the samples of several tables below each other."""
    return Table(
        tables[0].name,
        np.concatenate([t.bins for t in tables]),
        np.concatenate([t.expression for t in tables]),
        tuple(sample for t in tables for sample in t.samples),
        tuple(cluster for t in tables for cluster in t.clusters),
    )


def fit(train: Table, end: int, *, seed: int = 0, **changes: object) -> RegionMlp:
    """Fit the network on one table's samples."""
    model = RegionMlp(RegionMlpSettings.model_validate({"end": end, **changes}))
    genes = tuple(str(i) for i in range(train.expression.shape[1]))
    blank = ("",) * len(train.samples)
    model.fit(TrainingSet(train.samples, list(train.bins), train.expression, genes, train.clusters, blank, seed))
    return model


def predict(model: RegionMlp, bins: Floats) -> Floats:
    return np.stack([model.predict(row) for row in bins])


def score(region: str, setting: str, model: str, predicted: Floats, test: Table, means: Floats) -> Scores:
    """Score each test sample over genes."""
    rows = list(zip(predicted, test.expression, means, strict=True))
    return Scores(
        region,
        setting,
        model,
        np.array([metrics.across_gene_r(p=p, t=t) for p, t, _ in rows]),
        np.array([metrics.delta_r(p=p, t=t, m=m) for p, t, m in rows]),
        np.array([metrics.skill(p=p, t=t, m=m) for p, t, m in rows]),
        test.clusters,
        test.samples,
    )


def judge_asis(matrices: SeedMatrices) -> Iterator[Scores]:
    """Score the experiment on the files as they were: own column orders, unfilled columns, all samples."""
    lines, tissues = (asis(matrices[name]) for name in ("lines", "tissues"))
    for train, test in ((lines, lines), (tissues, tissues), (lines, tissues), (tissues, lines)):
        setting = f"fit to the {train.name} trained on" if train is test else f"{train.name} to {test.name}"
        means = np.tile(train.expression.mean(axis=0), (len(test.samples), 1))
        network = predict(fit(train, REGIONS["10 Mb"], early_stopping=False), test.bins)
        rivals = {MEAN: means, LONG: network} | ({} if train is test else {ZERO: np.zeros_like(means)})
        for name, predicted in rivals.items():
            yield score("10 Mb", setting, name, predicted, test, means)


def asis(table: SeedTable) -> Table:
    names = tuple(f"{table.name}-{row}" for row in range(len(table.peaks)))
    log = np.log2(table.expression + 1).astype(np.float32)
    return Table(table.name, table.peaks.astype(np.float32), log, names, names)


def seed_spread(train: Table, test: Table) -> list[float]:
    """Mean delta r on the other table for several seeds of weights and inner split."""
    mean = train.expression.mean(axis=0)
    spread = []
    for seed in SEEDS:
        predicted = predict(fit(train, REGIONS["10 Mb"], seed=seed), test.bins)
        values = [metrics.delta_r(p=p, t=t, m=mean) for p, t in zip(predicted, test.expression, strict=True)]
        spread.append(float(np.mean(values)))
    return spread


def learning_curve(train: Table, test: Table) -> Curve:
    """Follow the loss on the other table over all epochs; the curve is only looked at, nothing is chosen by it."""
    used = np.flatnonzero(train.bins.any(axis=0))
    settings = RegionMlpSettings(patience=RegionMlpSettings().epochs)
    _, history = train_network(
        Samples(train.bins[:, used], train.expression),
        Samples(test.bins[:, used], test.expression),
        settings,
        fan_in=train.bins.shape[1],
        seed=0,
    )
    mean_loss = float(((test.expression - train.expression.mean(axis=0)) ** 2).mean())
    return Curve(train.name, test.name, history, mean_loss)


def make_example(train: Table, test: Table) -> Example:
    """Take the test sample of median across-gene r, so that the picture flatters nobody."""
    model = fit(train, REGIONS["10 Mb"], early_stopping=False)
    predicted = predict(model, test.bins)
    r = [metrics.across_gene_r(p=p, t=t) for p, t in zip(predicted, test.expression, strict=True)]
    middle = int(np.argsort(r)[len(r) // 2])
    return Example(
        train.samples[0],
        train.expression[0],
        model.predict(train.bins[0]),
        test.samples[middle],
        test.expression[middle],
        predicted[middle],
        train.expression.mean(axis=0),
    )


def count_biotypes(
    annotation: Path, table: SeedTable, orders: ColumnOrders, genes: RegionGenes
) -> dict[str, tuple[int, int]]:
    """Count the genes of the region by biotype: (filled, never filled), most frequent first."""
    frame = pl.read_csv(annotation, separator="\t", columns=["gene_id", "biotype"], infer_schema=False)
    biotype = dict(frame.iter_rows())
    filled = ~table.never_filled[orders.columns[0]]
    counts: dict[str, list[int]] = {}
    for gene, is_filled in zip(genes.gene_ids, filled, strict=True):
        counts.setdefault(biotype.get(gene, "not in the annotation"), [0, 0])[0 if is_filled else 1] += 1
    ordered = sorted(counts.items(), key=lambda item: -sum(item[1]))
    return {name: (filled, missing) for name, (filled, missing) in ordered}
