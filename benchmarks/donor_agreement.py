"""Print how well one donor predicts the others of its cell type, and what a truth pooled over donors allows, as Markdown.

python benchmarks/donor_agreement.py DATA

DATA is the folder that holds donor_replicates/, atlas21/ and annotation/. Counts of single donors (GSE74246) become
log2(CPM + 1), CPM per million over all genes counted; the genes are those that atlas21 scores and that a symbol names.

For a cell type, x_i is donor i, m the mean over the cell types of other lineages (each the mean of its donors), and
everything is on differences to m, as the evaluation does with its training mean. A last row takes m over all other
cell types, siblings too.

- One donor: x_i against the mean of the other donors of its cell type, averaged over donors.
- The ceiling: what the population mean itself would reach against a truth pooled over the n donors. With q the variance
  between donors over the variance of the population mean (both over genes), the means of a and of b donors correlate at
  r = 1 / sqrt((1 + q/a) (1 + q/b)). r is measured over all divisions of the donors into halves (1 and 2 of three), solved
  for q, and gives R = 1 / (1 + q/n), the reliability of the pool (Spearman and Brown's formula, for unequal halves too). A
  perfect prediction then has delta r sqrt(R) and skill R; the correlation across genes is treated in the same way.
"""

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.building import build_atlas
from atac2rna.formats.manifest import read_manifest

Floats = NDArray[np.float64]

LINEAGE_OF_POOLED = {"GMP": "myeloid prog"}
"""Lineage of the cell type that atlas21 has as three gates, so that no one sample of it is this type's."""
FAR, NEAR = "cell types of other lineages", "all other cell types"
SCORES = ("across_gene_r", "delta_r", "skill")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    donors = pl.read_csv(data / "donor_replicates" / "donors.tsv", separator="\t", infer_schema=False)
    expression, scored = read_expression(data, donors["column"].to_list())
    types = donors["cell_type"].to_numpy()
    names = list(dict.fromkeys(types.tolist()))
    lineages = lineage_of(data, donors)
    pooled = {name: expression[types == name].mean(axis=0) for name in names}
    judged = {
        what: [
            {"donors": int((types == name).sum())}
            | judge(expression[types == name], mean_of_others(pooled, name, lineages if what == FAR else None))
            for name in names
        ]
        for what in (FAR, NEAR)
    }
    print(
        f"{len(donors)} samples of {len(names)} cell types, {expression.shape[1]:,} of the {scored:,} genes of atlas21.\n"
    )
    print(markdown([lineages[name] for name in names], names, judged))


def mean_of_others(pooled: dict[str, Floats], name: str, lineages: dict[str, str] | None) -> Floats:
    """Give the mean over the other cell types; with `lineages`, over those of other lineages alone."""
    return np.mean(
        [x for other, x in pooled.items() if other != name and (not lineages or lineages[other] != lineages[name])],
        axis=0,
    )


def read_expression(data: Path, columns: list[str]) -> tuple[Floats, int]:
    """Read log2(CPM + 1), shape (columns, genes), of the genes that atlas21 scores; and the number of these."""
    counts = pl.read_csv(data / "donor_replicates" / "GSE74246_counts.tsv.gz", separator="\t")
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    with tempfile.TemporaryDirectory() as scratch:
        manifest = read_manifest(data / "atlas21" / "samples.tsv")
        atlas = build_atlas(manifest, Path(scratch) / "atlas.zarr", annotations=annotations)
        wanted = {name: atlas.genes(name, atlas.gene_ids).frame for name in annotations}
    row_of = {symbol: i for i, symbol in enumerate(counts["gene_name"])}
    rows: dict[str, int] = {}
    for frame in wanted.values():  # a symbol of hg19 first, where one gene alone bears it
        for gene, symbol in (
            frame.filter(~pl.col("gene_name").is_duplicated()).select("gene_id", "gene_name").iter_rows()
        ):
            if gene not in rows and symbol in row_of and row_of[symbol] not in rows.values():
                rows[gene] = row_of[symbol]
    values = counts.select(columns).to_numpy().T.astype(np.float64)
    cpm = 1e6 * values / values.sum(axis=1, keepdims=True)
    return np.log2(cpm + 1)[:, sorted(rows.values())], len(atlas.gene_ids)


def lineage_of(data: Path, donors: pl.DataFrame) -> dict[str, str]:
    """Give the lineage of each cell type: that of its sample in atlas21."""
    samples = pl.read_csv(data / "atlas21" / "samples.tsv", separator="\t", infer_schema=False)
    known = dict(samples.select("sample", "lineage").iter_rows())
    pairs = donors.select("cell_type", "atlas21_sample").unique(maintain_order=True).iter_rows()
    return {name: known[sample] if sample else LINEAGE_OF_POOLED[name] for name, sample in pairs}


def judge(x: Floats, m: Floats) -> dict[str, float]:
    """Measure agreement and ceilings of one cell type from its donors `x`, shape (donors, genes)."""
    singles = [score(p=x[i], t=np.delete(x, i, axis=0).mean(axis=0), m=m) for i in range(len(x))]
    found = {f"single {name}": float(np.mean([one[name] for one in singles])) for name in SCORES}
    halves = [
        (x[list(part)].mean(axis=0), np.delete(x, part, axis=0).mean(axis=0))
        for part in combinations(range(len(x)), len(x) // 2)
    ]
    a, b = len(x) // 2, len(x) - len(x) // 2
    found["half delta_r"] = float(np.mean([metrics.delta_r(p=p, t=t, m=m) for p, t in halves]))
    delta = pool_reliability(found["half delta_r"], a, b)
    across = pool_reliability(float(np.mean([metrics.across_gene_r(p=p, t=t) for p, t in halves])), a, b)
    ceilings = {"across_gene_r": np.sqrt(across), "delta_r": np.sqrt(delta), "skill": delta}
    return found | {f"ceiling {name}": float(value) for name, value in ceilings.items()}


def score(*, p: Floats, t: Floats, m: Floats) -> dict[str, float]:
    return {
        "across_gene_r": metrics.across_gene_r(p=p, t=t),
        "delta_r": metrics.delta_r(p=p, t=t, m=m),
        "skill": metrics.skill(p=p, t=t, m=m),
    }


def pool_reliability(r: float, a: int, b: int) -> float:
    """Solve r^2 (1 + q/a) (1 + q/b) = 1 for q >= 0 and give 1 / (1 + q/(a + b))."""
    half, constant = (a + b) / 2, a * b * (1 - 1 / r**2)
    q = -half + np.sqrt(half**2 - constant)
    return float(1 / (1 + q / (a + b)))


def markdown(lineages: list[str], names: list[str], judged: dict[str, list[dict[str, float]]]) -> str:
    """Lay out a row a cell type, its own lineage left out of m, and a row of means, with intervals, for either m."""
    columns = [*(f"single {name}" for name in SCORES), "half delta_r", *(f"ceiling {name}" for name in SCORES)]
    lines = [f"| cell type | lineage | donors | {' | '.join(columns)} |", "|---" * (len(columns) + 3) + "|"]
    for name, lineage, row in zip(names, lineages, judged[FAR], strict=True):
        cells = " | ".join(f"{row[column]:.3f}" for column in columns)
        lines.append(f"| {name} | {lineage} | {row['donors']} | {cells} |")
    for what, rows in judged.items():
        values = {column: np.array([row[column] for row in rows]) for column in columns}
        means = [metrics.cluster_bootstrap(values[column], lineages, names) for column in columns]
        cells = " | ".join(f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]" for found in means)
        lines.append(f"| **mean**, m over {what} | | | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
