"""Print how long reading and features take, as ratios measured side by side in one run.

python benchmarks/speed.py [--peaks FILE ...]
"""

import argparse
import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import bioframe
import numpy as np
import pandas as pd
import polars as pl
from isal import igzip
from numpy.typing import NDArray

from atac2rna.features import peak_strength, region_bins, uniform_edges, window_accessibility
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks

MEGABASES = [248, 242, 198, 190, 181, 170, 159, 145, 138, 133, 135, 133, 114, 107, 101, 90, 83, 80, 58, 64, 46, 50, 156]
SIZES = dict(zip([f"chr{i}" for i in range(1, 23)] + ["chrX"], [m * 1_000_000 for m in MEGABASES], strict=True))
PEAKS, GENES = 150_000, 60_000
REACH, RESOLUTION = 100_000, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peaks", type=Path, nargs="*", default=[], help="gzipped narrowPeak files to read as well")
    files = parser.parse_args().peaks
    rng = np.random.default_rng(0)
    genes = simulated_genes(rng)
    peaks = simulated_peaks(rng, genes)
    print("| what | ours (ms) | other | other (ms) | ours / other | other / ours |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        simulated = Path(folder) / "simulated.narrowPeak.gz"
        write_narrow(simulated, peaks, rng)
        for path in [simulated, *files]:
            compare_reading(path)
    compare("1-kb bins of the genome", lambda: our_bins(peaks), "bioframe", lambda: bioframe_bins(peaks, BINS), 3)
    label = f"windows of {GENES:,} genes, 100 kb, 1 kb"
    compare(label, lambda: our_windows(peaks, genes), "bioframe, numpy", lambda: bioframe_windows(peaks, genes), 5)
    compare(label, lambda: our_windows(peaks, genes), "bioframe, groupby", lambda: bioframe_groups(peaks, genes), 5)
    compare(label, lambda: our_windows(peaks, genes), "bioframe, bins", lambda: bioframe_cells(peaks, genes), 2)


def compare(
    what: str, ours: Callable[[], object], name: str, other: Callable[[], object], rounds: int, *, same: bool = True
) -> None:
    """Time both in turn, so that both feel the same load; the fastest of the rounds stands."""
    times: dict[str, list[float]] = {"ours": [], "other": []}
    for _ in range(rounds):
        results = []
        for key, call in (("ours", ours), ("other", other)):
            begin = perf_counter()
            results.append(call())
            times[key].append(perf_counter() - begin)
        if same:
            np.testing.assert_allclose(results[0], results[1], rtol=1e-5)
    a, b = min(times["ours"]) * 1e3, min(times["other"]) * 1e3
    print(f"| {what} | {a:.1f} | {name} | {b:.1f} | {a / b:.2f} | {b / a:.1f} |")


def compare_reading(path: Path) -> None:
    raw = path.read_bytes()
    what = f"read {path.name}, {len(read_peaks(path).peaks):,} peaks"
    compare(what, lambda: read_peaks(path), "gzip.decompress", lambda: gzip.decompress(raw), 15, same=False)
    compare(what, lambda: read_peaks(path), "igzip.decompress", lambda: igzip.decompress(raw), 15, same=False)


def simulated_genes(rng: np.random.Generator) -> GeneTable:
    names = list(SIZES)
    chrom = rng.choice(len(names), GENES, p=np.array(MEGABASES) / sum(MEGABASES))
    start = (rng.random(GENES) * (np.array(MEGABASES)[chrom] * 1_000_000 - 200_000)).astype(int) + 100_000
    empty = [""] * GENES
    columns = (
        [f"G{i}" for i in range(GENES)],
        empty,
        [names[i] for i in chrom],
        start,
        start + rng.integers(200, 90_000, GENES),
        rng.choice(["+", "-"], GENES).tolist(),
        empty,
        empty,
    )
    return GeneTable("hg38", pl.DataFrame(dict(zip(GENE_SCHEMA, columns, strict=True)), schema=GENE_SCHEMA))


def simulated_peaks(rng: np.random.Generator, genes: GeneTable) -> Peaks:
    """Half of the peaks near a TSS, half anywhere, a quarter of the intervals with a second summit."""
    names = tuple(genes.chroms)
    size = np.array([SIZES[name] for name in names])
    near = rng.integers(0, GENES, PEAKS // 2)
    chrom = np.concatenate([genes.chrom[near], rng.integers(0, len(names), PEAKS - PEAKS // 2)])
    start = np.concatenate([genes.tss[near] + rng.normal(0, 20_000, near.size), np.zeros(PEAKS - near.size)])
    start[near.size :] = rng.random(PEAKS - near.size) * size[chrom[near.size :]]
    start = np.clip(start.astype(np.int64), 0, size[chrom] - 3_000)
    end = start + rng.integers(150, 1_500, PEAKS)
    twice = rng.random(PEAKS) < 0.25
    chrom[1:][twice[1:]], start[1:][twice[1:]] = chrom[:-1][twice[1:]], start[:-1][twice[1:]]
    end[1:][twice[1:]] = end[:-1][twice[1:]]
    summit = (start + rng.random(PEAKS) * (end - start)).astype(np.int64)
    signal = np.round(np.exp(rng.normal(2, 1, PEAKS)), 5)
    return make_peaks(names, chrom, start, end, summit=summit, signal=signal, score=np.floor(signal * 20))


def write_narrow(path: Path, peaks: Peaks, rng: np.random.Generator) -> None:
    """Write peaks as MACS2 does, at gzip's own level of compression."""
    p, q = peaks.signal * 3 + rng.random(len(peaks)), peaks.signal * 2 + rng.random(len(peaks))
    columns = zip(peaks.chrom, peaks.start, peaks.end, peaks.score, peaks.signal, p, q, peaks.summit, strict=True)
    lines = [
        f"{peaks.chroms[c]}\t{s}\t{e}\tsample_peak_{i}\t{v:.0f}\t.\t{x:.5f}\t{a:.5f}\t{b:.5f}\t{m - s}\n"
        for i, (c, s, e, v, x, a, b, m) in enumerate(columns)
    ]
    path.write_bytes(gzip.compress("".join(lines).encode(), 6))


BINS = bioframe.binnify(pd.Series(SIZES), RESOLUTION)


def our_bins(peaks: Peaks) -> NDArray[np.float32]:
    parts = [region_bins(peaks, chrom=name, end=size, width=RESOLUTION, min_score=0) for name, size in SIZES.items()]
    return np.concatenate(parts)


def bioframe_bins(peaks: Peaks, bins: pd.DataFrame) -> NDArray[np.float32]:
    found = bioframe.overlap(bins, positions(peaks, peaks.midpoint), how="inner", return_index=True)
    present = np.zeros(len(bins), dtype=np.float32)
    present[found["index"].to_numpy()] = 1
    return present


def our_windows(peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
    return window_accessibility(peaks, genes, edges=uniform_edges(REACH, RESOLUTION))


def bioframe_windows(peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
    """Overlap of windows with points in bioframe, then the same bins in numpy."""
    tss = genes.tss.astype(np.int64)
    low = np.where(genes.forward, tss - REACH, tss - REACH + 1)
    windows = pd.DataFrame({"chrom": genes.frame["chrom"].to_list(), "start": low, "end": low + 2 * REACH})
    points = positions(peaks, peaks.point)
    found = bioframe.overlap(windows, points, how="inner", return_index=True, suffixes=("", "_peak"))
    gene, peak = found["index"].to_numpy(), found["index_peak"].to_numpy()
    distance = (peaks.point[peak] - tss[gene]) * np.where(genes.forward, 1, -1)[gene]
    bins = 2 * REACH // RESOLUTION
    cell = gene * bins + (distance + REACH) // RESOLUTION
    values = np.bincount(cell, weights=peak_strength(peaks)[peak], minlength=len(genes) * bins)
    return values.astype(np.float32).reshape(len(genes), bins)


def bioframe_groups(peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
    """As a table: overlap of windows with points, then sums by gene and bin in pandas."""
    tss, sign = genes.tss.astype(np.int64), np.where(genes.forward, 1, -1)
    low = np.where(genes.forward, tss - REACH, tss - REACH + 1)
    columns = {"chrom": genes.frame["chrom"].to_list(), "start": low, "end": low + 2 * REACH}
    windows = pd.DataFrame(columns).assign(gene=np.arange(len(genes)), tss=tss, sign=sign)
    points = positions(peaks, peaks.point).assign(strength=peak_strength(peaks))
    found = bioframe.overlap(windows, points, how="inner", suffixes=("", "_peak"))
    found["bin"] = ((found["start_peak"] - found["tss"]) * found["sign"] + REACH) // RESOLUTION
    sums = found.groupby(["gene", "bin"])["strength_peak"].sum()
    values = np.zeros((len(genes), 2 * REACH // RESOLUTION), dtype=np.float32)
    values[tuple(sums.index.get_level_values(i).to_numpy(dtype=int) for i in (0, 1))] = sums.to_numpy()
    return values


def bioframe_cells(peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
    """In bioframe alone: every bin of every gene is an interval."""
    edges = np.array(uniform_edges(REACH, RESOLUTION)[:-1])
    tss = genes.tss.astype(np.int64)[:, None]
    start = np.where(genes.forward[:, None], tss + edges, tss - edges - RESOLUTION + 1).ravel()
    chrom = np.repeat(genes.frame["chrom"].to_numpy(), edges.size)
    cells = pd.DataFrame({"chrom": chrom, "start": start, "end": start + RESOLUTION})
    found = bioframe.overlap(cells, positions(peaks, peaks.point), how="inner", return_index=True, suffixes=("", "_p"))
    weights = peak_strength(peaks)[found["index_p"].to_numpy()]
    values = np.bincount(found["index"].to_numpy(), weights=weights, minlength=len(cells))
    return values.astype(np.float32).reshape(len(genes), edges.size)


def positions(peaks: Peaks, point: NDArray[np.int32]) -> pd.DataFrame:
    chrom = np.array(peaks.chroms)[peaks.chrom]
    return pd.DataFrame({"chrom": chrom, "start": point.astype(np.int64), "end": point.astype(np.int64) + 1})


if __name__ == "__main__":
    main()
