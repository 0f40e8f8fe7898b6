"""Columns of an accessibility matrix: bins of the genome, or windows around TSSs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError, nearest_names
from atac2rna.features import uniform_edges
from atac2rna.genome import GeneTable, canonical_chrom, is_standard_chrom, sorted_chroms
from atac2rna.intervals import lay_out, points_in_windows
from atac2rna.peaks import Peaks

Kind = Literal["bins", "windows"]
"""bins: equal parts of the genome; windows: equal parts of the surroundings of every TSS."""

_REGION = re.compile(r"(?P<chrom>[^:\s]+):(?P<start>[\d,]+)-(?P<end>[\d,]+)")


class Region(NamedTuple):
    """A stretch of a chromosome, 0-based half-open, the chromosome's name canonical."""

    chrom: str
    start: int
    end: int

    def __str__(self) -> str:
        """Write it as people do."""
        return f"{self.chrom}:{self.start}-{self.end}"


def parse_region(text: str) -> Region:
    """Read `chr1:0-10,000,000`, 0-based half-open.

    Raises:
        InputError: If it is written otherwise, or empty.
    """
    found = _REGION.fullmatch(text.strip())
    start, end = (int(found[side].replace(",", "") or 0) for side in ("start", "end")) if found else (0, 0)
    if found is None or end <= start:
        raise InputError(
            f"a region is CHROM:START-END, 0-based, END above START; got {text!r}. Write chr1:0-10,000,000."
        )
    return Region(canonical_chrom(found["chrom"]), start, end)


class Cells(NamedTuple):
    """Peaks of a sample and the columns that they lie in; a peak may lie in several, and a column hold several.

    Attributes:
        peak: Row of the peak, shape (pairs,).
        column: Its column, shape (pairs,).
    """

    peak: NDArray[np.intp]
    column: NDArray[np.intp]


@dataclass(frozen=True)
class RegionAxis:
    """The columns of an accessibility matrix.

    Attributes:
        names: One a column, unique.
        var: What is known of each column, by name of the property.
        describe: What they are, in a sentence.
        place: Finds the columns of a sample's peaks, given the peaks and the assembly.
    """

    names: NDArray[np.str_]
    var: dict[str, NDArray[np.generic] | list[str]]
    describe: str
    place: Callable[[Peaks, str], Cells]


def open_bins(
    atlas: Atlas, samples: Sequence[str], *, width: int, region: Region | None, progress: Callable[[str], None]
) -> RegionAxis:
    """Cut the genome into bins and keep those that hold a summit of any sample; of a region, all.

    Args:
        atlas: The atlas.
        samples: Samples of one assembly.
        width: Width of a bin in bp; bins begin at 0, those of a region at its start.
        region: The region; None: all nuclear chromosomes.
        progress: Told of every sample read.

    Raises:
        InputError: If a region is not a whole number of bins, or its chromosome unknown.
    """
    if region is not None:
        _require_chrom(atlas, samples, region)
        bounds: dict[str, NDArray[np.signedinteger]] = {region.chrom: np.arange((region.end - region.start) // width)}
        if (region.end - region.start) % width:
            raise InputError(f"a region is a whole number of bins; got {region} and --bin {width}. Move its end.")
        return _bins(bounds, width=width, origin=region.start, describe=f"bins of {width} bp of {region}")
    found: dict[str, NDArray[np.signedinteger]] = {}
    for sample in samples:
        peaks = atlas.peaks(sample)
        for name, rows in peaks.chrom_bounds.items():
            if is_standard_chrom(name):
                own: NDArray[np.signedinteger] = np.unique(peaks.point[rows] // width)
                found[name] = np.union1d(found[name], own) if name in found else own
        progress(f"looked at {sample}")
    bounds = {name: found[name] for name in sorted_chroms(found)}
    return _bins(
        bounds, width=width, origin=0, describe=f"bins of {width} bp that hold the summit of a peak of any sample"
    )


def _require_chrom(atlas: Atlas, samples: Sequence[str], region: Region) -> None:
    """Refuse a region on a chromosome that neither the genes nor the first sample's peaks know."""
    table = atlas.tables[atlas.record(samples[0]).assembly]
    known = sorted_chroms([*table.chroms, *atlas.peaks(samples[0]).chroms])
    if region.chrom not in known:
        raise InputError(
            f"{atlas.path}: has no chromosome {region.chrom!r} of {table.assembly}; {nearest_names(region.chrom, known)}"
        )


def _bins(held: dict[str, NDArray[np.signedinteger]], *, width: int, origin: int, describe: str) -> RegionAxis:
    """Make columns of the bins held on each chromosome, ascending, numbered from `origin`."""
    sizes = [bins.size for bins in held.values()]
    first = dict(zip(held, np.concatenate([[0], np.cumsum(sizes)])[:-1].tolist(), strict=True))
    start = origin + width * (np.concatenate([*held.values()]) if held else np.empty(0, dtype=np.int64))
    chrom = [name for name, size in zip(held, sizes, strict=True) for _ in range(size)]
    names = np.array([f"{name}:{low}-{low + width}" for name, low in zip(chrom, start.tolist(), strict=True)])

    def place(peaks: Peaks, _: str) -> Cells:
        peak, column = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
        for name, rows in peaks.chrom_bounds.items():
            if name not in held or not held[name].size:
                continue
            number = (peaks.point[rows].astype(np.int64) - origin) // width
            at = np.minimum(np.searchsorted(held[name], number), held[name].size - 1)
            inside = held[name][at] == number
            peak.append(np.flatnonzero(inside) + rows.start)
            column.append(at[inside] + first[name])
        return Cells(np.concatenate(peak), np.concatenate(column))

    return RegionAxis(names, {"chrom": chrom, "start": start, "end": start + width}, describe, place)


def gene_windows(atlas: Atlas, assemblies: Sequence[str], *, width: int, reach: int) -> RegionAxis:
    """Cut the surroundings of every selected gene's TSS into bins, 5' to 3' of the gene.

    These are the windows of `features.window_accessibility`, and the same in every assembly.

    Args:
        atlas: The atlas.
        assemblies: Assemblies of the samples; where there are several, so are the columns of coordinates.
        width: Width of a bin in bp.
        reach: Distance from the TSS to either end of a window in bp; a multiple of `width`.

    Raises:
        InputError: If it is no multiple.
    """
    if reach < width or reach % width:
        raise InputError(f"--reach is a multiple of --bin; got {reach} and {width}. Choose another one.")
    edges = uniform_edges(reach, width)
    low = np.tile(np.array(edges[:-1]), len(atlas.gene_ids))
    table = atlas.genes(assemblies[0])
    genes = np.repeat(table.frame["gene_id"].to_numpy(), len(edges) - 1)
    var: dict[str, NDArray[np.generic] | list[str]] = {
        "gene_id": genes.tolist(),
        "gene_name": np.repeat(table.frame["gene_name"].to_numpy(), len(edges) - 1).tolist(),
        "from_tss": low,
    }
    for assembly in assemblies:
        var |= _coordinates(atlas.genes(assembly), edges, suffix="" if len(assemblies) == 1 else f"_{assembly}")
    names = np.array([f"{gene}:{start:+d}" for gene, start in zip(genes.tolist(), low.tolist(), strict=True)])

    def place(peaks: Peaks, assembly: str) -> Cells:
        return _in_windows(peaks, atlas.genes(assembly), edges)

    describe = f"bins of {width} bp around each TSS, {reach} bp to either side, 5' to 3' of the gene"
    return RegionAxis(names, var, describe, place)


def _coordinates(
    genes: GeneTable, edges: tuple[int, ...], *, suffix: str
) -> dict[str, NDArray[np.generic] | list[str]]:
    """Where the bins of the genes lie, 0-based half-open; the 5' ones of a gene at a chromosome's start may begin below 0."""
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    tss, forward = genes.tss[:, None].astype(np.int64), genes.forward[:, None]
    start = np.where(forward, tss + low, tss - high + 1).ravel()
    return {
        f"chrom{suffix}": np.repeat(genes.frame["chrom"].to_numpy(), low.size).tolist(),
        f"start{suffix}": start,
        f"end{suffix}": start + (edges[1] - edges[0]),
        f"strand{suffix}": np.repeat(genes.frame["strand"].to_numpy(), low.size).tolist(),
    }


def _in_windows(peaks: Peaks, genes: GeneTable, edges: tuple[int, ...]) -> Cells:
    """Pair peaks with the bins of genes, by the rule of `features.window_accessibility`."""
    line = lay_out(peaks, genes, reach=edges[-1])
    position = line.peaks + peaks.point
    order = np.argsort(position, kind="stable")
    row = genes.genome_order
    tss, forward = genes.tss[row].astype(np.int64), genes.forward[row]
    low = line.genes[row] + tss + np.where(forward, edges[0], 1 - edges[-1])
    peak, column = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    for pairs in points_in_windows(position[order], low, low + (edges[-1] - edges[0])):
        distance = peaks.point[order][pairs.point] - np.repeat(tss[pairs.windows], pairs.counts)
        distance = np.where(np.repeat(forward[pairs.windows], pairs.counts), distance, -distance)
        peak.append(order[pairs.point])
        gene = np.repeat(row[pairs.windows], pairs.counts)
        column.append(gene * (len(edges) - 1) + (distance - edges[0]) // (edges[1] - edges[0]))
    return Cells(np.concatenate(peak), np.concatenate(column))


def gene_columns(atlas: Atlas, assemblies: Sequence[str]) -> pl.DataFrame:
    """Describe the selected genes: ids, names, biotypes, and places in each assembly, 0-based half-open.

    Where there are several assemblies, the columns of places end in `_ASSEMBLY`.
    """
    first = atlas.genes(assemblies[0])
    columns = [first.frame["gene_id"], first.frame["gene_name"], first.frame["biotype"]]
    for assembly in assemblies:
        genes = atlas.genes(assembly)
        suffix = "" if len(assemblies) == 1 else f"_{assembly}"
        columns += [genes.frame[name].alias(f"{name}{suffix}") for name in ("chrom", "start", "end", "strand")]
        columns.append(pl.Series(f"tss{suffix}", genes.tss))
    return pl.DataFrame(columns)
