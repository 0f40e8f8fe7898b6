"""What is lost with peaks that lack signal or summits, are few, or lie on a grid; as Markdown.

python benchmarks/peak_files.py DATA

Every sample of atlas21 is predicted by a `joint` model with the compendium that did not see its lineage, from its peaks as they
are and from the same peaks with something taken away. About 3 minutes on two cores.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import fit_model
from atac2rna.folds import Fold, make_folds
from atac2rna.metrics import cluster_bootstrap, coverage, delta_r, mean_width, skill
from atac2rna.models.base import IntervalModel, training_mean
from atac2rna.models.kernel import KernelRow
from atac2rna.models.registry import make_model
from atac2rna.peaks import Peaks
from domain import markdown, read_cohort

COLUMNS = ("novelty", "delta_r", "skill", "rmse", "width_80", "coverage_80")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    with tempfile.TemporaryDirectory() as scratch:
        cohort = read_cohort(parser.parse_args().data, Path(scratch, "atlas.zarr"))
        chroms = ["chr1"] * len(cohort.gene_ids)
        folds = make_folds("lineage", columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
        rows = [row for fold in folds for row in judge_fold(cohort, fold)]
    table = pl.DataFrame(rows)
    lines = []
    for name, own in table.group_by("peaks", maintain_order=True):
        clusters, groups = own["cluster"].to_list(), own["group"].to_list()
        line = {"peaks": name[0]}
        for column in COLUMNS:
            found = cluster_bootstrap(own[column].to_numpy(), clusters, groups)
            line[column] = f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
        lines.append(line)
    print(markdown(pl.DataFrame(lines)))


def judge_fold(cohort: Cohort, fold: Fold) -> Iterator[dict[str, str | float]]:
    """Score every held-out sample of a fold from each variant of its peaks."""
    model = fit_model(make_model("joint"), cohort, fold.train, clusters=cohort.columns["lineage"], seed=0)
    if not isinstance(model, IntervalModel):
        raise SystemExit("joint gave no intervals")
    experience, m = cohort.experience(fold.train), training_mean(cohort.expression[list(fold.train)])
    for i in fold.test:
        genes = cohort.atlas.genes(cohort.columns["assembly"][i], cohort.gene_ids)
        t = cohort.expression[i]
        for name, peaks in variants(cohort.atlas.peaks(cohort.samples[i])):
            inputs = model.representation(peaks, genes)
            p, (low, high) = model.predict(inputs), model.bounds(inputs, level=0.8)
            yield {
                "peaks": name,
                "cluster": fold.cluster,
                "group": cohort.groups[i],
                "novelty": experience.novelty(KernelRow()(peaks, genes)),
                "delta_r": delta_r(p=p, t=t, m=m),
                "skill": skill(p=p, t=t, m=m),
                "rmse": float(np.sqrt(np.nanmean((p - t) ** 2))),
                "width_80": mean_width(t=t, low=low, high=high),
                "coverage_80": coverage(t=t, low=low, high=high),
            }


def variants(peaks: Peaks) -> Iterator[tuple[str, Peaks]]:
    """The peaks as they are, and with something taken away."""
    single = peaks.unique_intervals()
    unknown, equal = np.full(len(single), -1, dtype=np.int32), np.ones(len(single), dtype=np.float32)
    yield "as called", peaks
    strongest = np.sort(np.argsort(-peaks.signal, kind="stable")[:50_000])
    yield "the 50,000 strongest", peaks.take(strongest)
    yield "without summits", replace(single, summit=unknown)
    start = (single.point // 500 * 500).astype(np.int32)
    yield "put on a grid of 500 bp", replace(single, start=start, end=start + 500, summit=unknown)
    yield "without signal", replace(peaks, signal=np.ones(len(peaks), dtype=np.float32))
    yield "BED of three columns", replace(single, summit=unknown, signal=equal)


if __name__ == "__main__":
    main()
