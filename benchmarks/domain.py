"""Do verdict and intervals mean something? Tables over held-out samples, as Markdown.

python benchmarks/domain.py DATA [--holdout lineage,dataset]

Every sample of atlas21 is judged and predicted by a `joint` model that saw neither it nor its lineage (or dataset), with the
compendium. Beside that: samples without RNA, a training sample, and intervals drawn at random, against the model of all
samples. About 8 minutes on one core.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.domain import Domain, judge
from atac2rna.evaluation.calibration import calibrate
from atac2rna.evaluation.heldout import HeldOut, cross_validate
from atac2rna.evaluation.scoring import score_samples
from atac2rna.folds import make_folds
from atac2rna.formats.manifest import read_manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import GeneTable
from atac2rna.metrics import cluster_bootstrap
from atac2rna.models.registry import make_model
from atac2rna.peaks import Peaks, make_peaks

VERDICTS = ("inside", "edge", "outside")
MEASURES = ("rmse", "skill", "delta_r", "width_80", "coverage_80", "coverage_95")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--holdout", default="lineage,dataset")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = read_cohort(arguments.data, Path(scratch, "atlas.zarr"))
        for holdout in arguments.holdout.split(","):
            print_holdout(cohort, holdout)
        print_others(cohort, arguments.data)


def read_cohort(data: Path, path: Path) -> Cohort:
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    build_atlas(read_manifest(data / "atlas21" / "samples.tsv"), path, annotations=annotations)
    folder = data / "expression_compendium"
    compendium = load_compendium(folder / "roadmap56_tpm.tsv.gz", folder / "epigenomes.tsv")
    return make_cohort(Atlas(path), compendium=compendium)


def tables(cohort: Cohort) -> dict[str, GeneTable]:
    return {name: cohort.atlas.genes(name, cohort.gene_ids) for name in dict.fromkeys(cohort.columns["assembly"])}


def print_holdout(cohort: Cohort, holdout: str) -> None:
    clusters = cohort.columns[holdout]
    folds = make_folds(
        holdout, columns=cohort.columns, gene_chroms=["chr1"] * len(cohort.gene_ids), groups=cohort.groups
    )
    held_out = cross_validate(cohort, folds, {"joint": partial(make_model, "joint")}, clusters=clusters)
    calibration = calibrate(held_out)
    if calibration is None:
        raise SystemExit("joint gave no intervals")
    rows = calibration.filter(scope="sample", stratum="all", decile="all").join(
        score_samples(held_out).filter(stratum="all").select("sample", "skill", "delta_r"), on="sample"
    )
    verdicts = judge_held_out(held_out)
    rows = rows.with_columns(
        verdict=pl.Series([verdicts[name].verdict for name in rows["sample"]]),
        novelty=pl.Series([verdicts[name].novelty for name in rows["sample"]]),
        nearest=pl.Series([verdicts[name].nearest[0].sample for name in rows["sample"]]),
    ).sort("novelty")
    print(f"\n## Held out by {holdout}\n")
    print(markdown(rows.select("sample", "cluster", "verdict", "novelty", "nearest", *MEASURES)))
    rho = rows.select(
        pl.corr("novelty", "rmse", method="spearman"), b=pl.corr("novelty", "width_80", method="spearman")
    )
    print(
        f"\nSpearman of novelty with the error {rho.item(0, 0):.2f}, with the width of the interval {rho.item(0, 1):.2f}.\n"
    )
    print(markdown(by_verdict(rows)))
    print("\nBy stratum:\n")
    averages = calibration.filter(scope="average")
    print(
        markdown(averages.filter(decile="all").select("stratum", "n_genes", "width_80", "coverage_80", "coverage_95"))
    )
    print("\nGenes by the width of their interval within the sample:\n")
    print(
        markdown(
            averages.filter(pl.col("stratum") == "all", pl.col("decile") != "all").select(
                "decile", "width_80", "rmse", "coverage_80", "coverage_95"
            )
        )
    )


def judge_held_out(held_out: HeldOut) -> dict[str, Domain]:
    """Judge every held-out sample by the training samples of its fold."""
    cohort, found = held_out.cohort, {}
    for fold in held_out.folds:
        experience = cohort.experience(fold.train)
        for i in fold.test:
            name = cohort.samples[i]
            assembly = cohort.atlas.record(name).assembly
            found[name] = judge(experience, cohort.atlas.peaks(name), tables(cohort), assembly=assembly)
    return found


def by_verdict(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean of each measure over the samples of a verdict, groups first, with 95% intervals over clusters."""
    lines = []
    for verdict in (*VERDICTS, "all"):
        own = rows if verdict == "all" else rows.filter(verdict=verdict)
        line = {"verdict": verdict, "samples": own.height}
        for name in MEASURES if own.height else ():
            interval = cluster_bootstrap(own[name].to_numpy(), own["cluster"].to_list(), own["group"].to_list())
            line[name] = f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        lines.append(line)
    return pl.DataFrame(lines)


def print_others(cohort: Cohort, data: Path) -> None:
    """Samples without RNA, a training sample, and random intervals, against the model of all samples."""
    experience = cohort.experience()
    print("\n## Against the model of all samples\n")
    folder = data / "atlas21" / "peaks"
    judged = {name: read_peaks(folder / f"{name}.narrowPeak.gz").peaks for name in ("mDC", "Mega", "CD4")}
    judged["100,000 random intervals"] = random_peaks(data)
    lines = []
    for name, peaks in judged.items():
        found = judge(experience, peaks, tables(cohort), assembly="hg19")
        kin = ", ".join(f"{one.sample} {one.similarity:.2f}" for one in found.nearest)
        lines.append(
            {
                "sample": name,
                "verdict": found.verdict,
                "novelty": found.novelty,
                "most alike": kin,
                "remarks": "; ".join(found.remarks),
            }
        )
    print(markdown(pl.DataFrame(lines)))


def random_peaks(data: Path, *, count: int = 100_000) -> Peaks:
    sizes = [line.split() for line in (data / "annotation" / "hg19.chrom.sizes").read_text().splitlines()]
    sizes = [(name, int(size)) for name, size in sizes if "_" not in name and name != "chrM"]
    names, length = tuple(name for name, _ in sizes), np.array([size for _, size in sizes])
    rng = np.random.default_rng(0)
    chrom = rng.choice(len(names), count, p=length / length.sum())
    start = (rng.random(count) * (length[chrom] - 500)).astype(np.int64)
    return make_peaks(names, chrom, start, start + 500, signal=rng.exponential(10, count))


def markdown(table: pl.DataFrame) -> str:
    def shown(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)

    rows = [table.columns, *([shown(value) for value in row] for row in table.iter_rows())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * table.width, *lines[1:]])


if __name__ == "__main__":
    main()
