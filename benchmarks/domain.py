"""Do verdict and intervals mean something? Tables over held-out samples, as Markdown.

python benchmarks/domain.py DATA [--holdout lineage,dataset] [--picture docs/images/domain.png]

Every sample of atlas21 is judged and predicted by a `joint` model that saw neither it nor its lineage (or dataset), with the
compendium. Beside that: samples without RNA, a training sample, and intervals drawn at random, against the model of all
samples. About 8 minutes on one core.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.domain import EDGE, OUTSIDE, Domain, judge
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
COLOURS = {"inside": "#2a7ab9", "edge": "#e69f00", "outside": "#c0392b"}
MEASURES = ("rmse", "skill", "delta_r", "width_80", "coverage_80", "coverage_95")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--holdout", default="lineage,dataset")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = read_cohort(arguments.data, Path(scratch, "atlas.zarr"))
        rows = {holdout: print_holdout(cohort, holdout) for holdout in arguments.holdout.split(",")}
        print_others(cohort, arguments.data)
    if arguments.picture is not None:
        draw(rows).savefig(arguments.picture, dpi=110)


def read_cohort(data: Path, path: Path) -> Cohort:
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    build_atlas(read_manifest(data / "atlas21" / "samples.tsv"), path, annotations=annotations)
    folder = data / "expression_compendium"
    compendium = load_compendium(folder / "roadmap56_tpm.tsv.gz", folder / "epigenomes.tsv")
    return make_cohort(Atlas(path), compendium=compendium)


def tables(cohort: Cohort) -> dict[str, GeneTable]:
    return {name: cohort.atlas.genes(name, cohort.gene_ids) for name in dict.fromkeys(cohort.columns["assembly"])}


def print_holdout(cohort: Cohort, holdout: str) -> pl.DataFrame:
    """Print the tables of a hold-out, and give the one with a row a sample."""
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
    return rows


def draw(rows: dict[str, pl.DataFrame]) -> Figure:
    """Error and width of the interval against novelty, a point a held-out sample."""
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    for panel, (column, label) in zip(
        panels, (("rmse", "root mean squared error"), ("width_80", "mean width of the 80% interval")), strict=True
    ):
        for table, marker in zip(rows.values(), "os", strict=False):
            for verdict, colour in COLOURS.items():
                own = table.filter(verdict=verdict)
                filled = colour if marker == "o" else "none"
                panel.scatter(own["novelty"], own[column], marker=marker, edgecolors=colour, facecolors=filled, s=34)
            if marker == "o" and column == "rmse":
                for name, x, y in table.select("sample", "novelty", "rmse").iter_rows():
                    if x > 0.8 or y > 1.6:  # those that stand apart
                        short = name.removesuffix("_ENTEx")
                        panel.annotate(short, (x, y), xytext=(6, 2), textcoords="offset points", size=8)
        for bound in (EDGE, OUTSIDE):
            panel.axvline(bound, color="#888888", lw=0.8, ls=":")
        panel.set(
            xlabel="novelty to the samples trained on",
            ylabel=f"{label}, log2(TPM + 1)",
            xlim=(0.18, 1.02),
            ylim=(0, None),
        )
        panel.spines[["top", "right"]].set_visible(False)
    handles = [plt.Line2D([], [], ls="", marker="o", color=colour, label=name) for name, colour in COLOURS.items()]
    shapes = {"lineage": "o", "dataset": "s"}
    handles += [
        plt.Line2D(
            [],
            [],
            ls="",
            marker=shapes[name],
            color="#555555",
            mfc="#555555" if name == "lineage" else "none",
            label=f"held out by {name}",
        )
        for name in rows
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


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
