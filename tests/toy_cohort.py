"""A cohort in memory, small enough to fit every model in a moment: peaks at promoters that expression follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks

CHROMS = ("chr1", "chr2", "chr3")
GENES_A_CHROM = 40
SPACING = 30_000


@dataclass(frozen=True)
class ToyAtlas:
    """As much of an atlas as a cohort asks for."""

    of_sample: dict[str, Peaks]
    table: GeneTable
    path: Path = Path("toy")

    def record(self, sample: str) -> Any:
        return SimpleNamespace(assembly=self.table.assembly)

    def peaks(self, sample: str) -> Peaks:
        return self.of_sample[sample]

    def genes(self, assembly: str, gene_ids: Sequence[str]) -> GeneTable:
        return self.table.select(gene_ids)


def toy_genes() -> GeneTable:
    rows = [(chrom, i) for chrom in CHROMS for i in range(GENES_A_CHROM)]
    start = np.array([(i + 1) * SPACING for _, i in rows], dtype=np.int32)
    columns = {
        "gene_id": [f"{chrom}.{i}" for chrom, i in rows],
        "gene_name": [f"NAME{k}" for k in range(len(rows))],
        "chrom": [chrom for chrom, _ in rows],
        "start": start,
        "end": start + 2_000,
        "strand": ["+-"[i % 2] for _, i in rows],
        "biotype": ["protein_coding"] * len(rows),
        "version": [""] * len(rows),
    }
    return GeneTable("hg38", pl.DataFrame(columns, schema=GENE_SCHEMA))


def toy_peaks(genes: GeneTable, openness: NDArray[np.floating], number: int, rng: np.random.Generator) -> Peaks:
    """A peak at each open promoter, some at random; on chrN one peak at `number`, which tells the sample."""
    names = (*CHROMS, "chrN")
    open_ = openness > -0.8
    stray = 60
    chrom = np.concatenate([genes.chrom[open_], rng.integers(0, 3, stray), [3]])
    point = np.concatenate([genes.tss[open_], rng.integers(1_000, SPACING * GENES_A_CHROM, stray), [number + 100]])
    signal = np.concatenate([np.exp(openness[open_]), rng.uniform(0.1, 3, stray), [1.0]])
    return make_peaks(names, chrom, point - 100, point + 100, summit=point, signal=signal)


def toy_cohort(
    *, lineages: int = 4, per_lineage: int = 3, seed: int = 0, datasets: Sequence[str] = ("x", "y")
) -> Cohort:
    """Samples of each lineage, the first two one group; dataset by position in the lineage (`x` for all but the last)."""
    rng = np.random.default_rng(seed)
    genes = toy_genes()
    base, state = 2 + 3 * rng.random(len(genes)), rng.normal(size=(lineages, len(genes)))
    count = lineages * per_lineage
    lineage = np.repeat(np.arange(lineages), per_lineage)
    place = np.tile(np.arange(per_lineage), lineages)
    openness = 0.3 * base + state[lineage] + 0.4 * rng.normal(size=(count, len(genes)))
    expression = np.maximum(base + openness + 0.3 * rng.normal(size=openness.shape), 0).astype(np.float32)
    samples = tuple(f"s{i}" for i in range(count))
    peaks = {name: toy_peaks(genes, openness[i], i, rng) for i, name in enumerate(samples)}
    columns = {
        "sample": samples,
        "assembly": ("hg38",) * count,
        "lineage": tuple(f"L{i}" for i in lineage),
        "group": tuple(f"L{i}.{max(p, 1)}" for i, p in zip(lineage, place, strict=True)),
        "dataset": tuple(datasets[int(p == per_lineage - 1)] for p in place),
    }
    return Cohort(ToyAtlas(peaks, genes), samples, genes.gene_ids, expression, columns)  # type: ignore[arg-type]


def with_expression(cohort: Cohort, expression: NDArray[np.floating]) -> Cohort:
    return replace(cohort, expression=expression.astype(np.float32))


def with_columns(cohort: Cohort, **columns: Sequence[str]) -> Cohort:
    return replace(cohort, columns=cohort.columns | {name: tuple(values) for name, values in columns.items()})


def with_genes(cohort: Cohort, order: NDArray[np.intp]) -> Cohort:
    ids = tuple(cohort.gene_ids[i] for i in order)
    return replace(cohort, gene_ids=ids, expression=cohort.expression[:, order])


def altered(cohort: Cohort, rows: Sequence[int], *, seed: int = 99) -> Cohort:
    """Replace peaks and expression of some samples by nonsense."""
    rng = np.random.default_rng(seed)
    atlas: Any = cohort.atlas
    nonsense = {
        cohort.samples[i]: toy_peaks(atlas.table, 5 * rng.normal(size=len(atlas.table)), 1_000 + i, rng) for i in rows
    }
    expression = cohort.expression.copy()
    expression[list(rows)] = rng.uniform(0, 15, (len(rows), expression.shape[1]))
    return replace(cohort, atlas=replace(atlas, of_sample=atlas.of_sample | nonsense), expression=expression)
