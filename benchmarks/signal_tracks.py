"""What is lost when a sample is read from a signal track (bigWig) in place of its peaks; as Markdown.

python benchmarks/signal_tracks.py DATA [--samples HSC,K562]

For every sample of atlas21, tracks are written whose signal rises to that of each peak at its summit, over a background of
noise, and read back as `predict` reads them: smooth, with the noise of coverage, and as jagged as counts of cut sites. Each
is predicted by a `joint` model with the compendium that did not see its lineage, beside the peaks themselves. About 4 minutes
a sample on one core.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyBigWig
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import fit_model
from atac2rna.folds import Fold, make_folds
from atac2rna.formats.peaks import read_peaks
from atac2rna.metrics import cluster_bootstrap, delta_r, skill
from atac2rna.models.base import training_mean
from atac2rna.models.kernel import KernelRow
from atac2rna.models.registry import make_model
from atac2rna.peaks import Peaks
from domain import markdown, read_cohort

COLUMNS = ("peaks", "novelty", "delta_r", "skill")
CELL = 20
"""Resolution of the tracks in bp."""

NOISE = {"smooth": None, "noise of coverage": 2.0, "cut sites": 0.4}
"""Shape of the gamma noise by which every cell is multiplied; the smaller, the more jagged."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", help="with commas; default: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = read_cohort(arguments.data, Path(scratch, "atlas.zarr"))
        chosen = set(arguments.samples.split(",")) if arguments.samples else set(cohort.samples)
        chroms = ["chr1"] * len(cohort.gene_ids)
        folds = make_folds("lineage", columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
        wanted = [fold for fold in folds if any(cohort.samples[i] in chosen for i in fold.test)]
        rows = [row for fold in wanted for row in judge_fold(cohort, fold, chosen, arguments.data, Path(scratch))]
    lines = []
    for (name,), own in pl.DataFrame(rows).group_by("read from", maintain_order=True):
        clusters, groups = own["cluster"].to_list(), own["group"].to_list()
        line = {"read from": str(name)}
        for column in COLUMNS:
            found = cluster_bootstrap(own[column].to_numpy(), clusters, groups)
            line[column] = (
                f"{found.mean:,.0f}" if column == "peaks" else f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
            )
        lines.append(line)
    print(markdown(pl.DataFrame(lines)))


def judge_fold(
    cohort: Cohort, fold: Fold, chosen: set[str], data: Path, scratch: Path
) -> Iterator[dict[str, str | float]]:
    """Score every chosen held-out sample of a fold from its peaks and from its tracks."""
    model = fit_model(make_model("joint"), cohort, fold.train, clusters=cohort.columns["lineage"], seed=0)
    experience, m = cohort.experience(fold.train), training_mean(cohort.expression[list(fold.train)])
    for i in fold.test:
        if cohort.samples[i] not in chosen:
            continue
        assembly = cohort.columns["assembly"][i]
        genes, t = cohort.atlas.genes(assembly, cohort.gene_ids), cohort.expression[i]
        sizes = read_sizes(data / "annotation" / f"{assembly}.chrom.sizes")
        for name, peaks in variants(cohort.atlas.peaks(cohort.samples[i]), sizes, scratch / "track.bw", seed=i):
            p = model.predict(model.representation(peaks, genes))
            row: dict[str, str | float] = {
                "read from": name,
                "cluster": fold.cluster,
                "group": cohort.groups[i],
                "peaks": float(len(peaks)),
                "novelty": experience.novelty(KernelRow()(peaks, genes)),
                "delta_r": delta_r(p=p, t=t, m=m),
                "skill": skill(p=p, t=t, m=m),
            }
            print(cohort.samples[i], row, file=sys.stderr, flush=True)
            yield row


def variants(peaks: Peaks, sizes: dict[str, int], path: Path, *, seed: int) -> Iterator[tuple[str, Peaks]]:
    """The peaks as called, and as read from tracks."""
    yield "peaks as called", peaks
    rng = np.random.default_rng(seed)
    clean = {name: signal_of(peaks, name, size, rng) for name, size in sizes.items() if name in peaks.chroms}
    for name, shape in NOISE.items():
        track = pyBigWig.open(str(path), "w")
        track.addHeader([(chrom, sizes[chrom]) for chrom in clean], maxZooms=0)
        for chrom, signal in clean.items():
            noise = 1 if shape is None else rng.standard_gamma(shape, signal.size, dtype=np.float32) / shape
            track.addEntries(chrom, 0, values=(signal * noise).astype(np.float64), span=CELL, step=CELL)
        track.close()
        start = time.perf_counter()
        found = read_peaks(path).peaks
        print(
            f"{name}: {path.stat().st_size / 1e6:,.0f} MB read in {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        yield f"track, {name}", found


def signal_of(peaks: Peaks, chrom: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Mean signal of each cell: a bell around each summit, over a third of the signal of the weakest peaks."""
    own = peaks.take(peaks.chrom_bounds[chrom])
    floor = 0.35 * float(np.quantile(peaks.signal, 0.05))
    cells = size // CELL
    signal = np.repeat(rng.gamma(4, floor / 4, cells // 10 + 1).astype(np.float32), 10)[:cells]
    spread = np.clip((own.end - own.start) / 6, 40, 150)[:, None]
    cell = own.point[:, None] // CELL + np.arange(-22, 23)
    height = (own.signal * rng.lognormal(0, 0.1, len(own)))[:, None]
    bell = height * np.exp(-0.5 * ((cell * CELL + CELL / 2 - own.point[:, None]) / spread) ** 2)
    inside = (cell >= 0) & (cell < cells)
    np.maximum.at(signal, cell[inside], bell[inside].astype(np.float32))
    return signal


def read_sizes(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {name: int(size) for name, size in rows}


if __name__ == "__main__":
    main()
