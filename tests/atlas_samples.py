"""Made-up samples and gene tables, for the tests of the store."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atac2rna.atlas import (
    Atlas,
    GeneSelection,
    SampleData,
    SampleRecord,
    SourceFile,
    add_to_atlas,
    write_atlas,
)
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks

GENES = ("G1", "G2", "G3", "G4", "G5")
UNION = GeneSelection((), "union")
PEAK_COLUMNS = ("chrom", "start", "end", "summit", "signal", "score")


def table(
    assembly: str = "hg38",
    ids: tuple[str, ...] = GENES,
    *,
    biotype: Mapping[str, str] | None = None,
    chrom: Mapping[str, str] | None = None,
) -> GeneTable:
    """Give a gene table: every gene protein-coding on chr1 unless said otherwise."""
    rows = [
        (
            gene,
            gene.lower(),
            (chrom or {}).get(gene, "chr1"),
            1000 * i,
            1000 * i + 500,
            "+-"[i % 2],
            (biotype or {}).get(gene, "protein_coding"),
            "7",
        )
        for i, gene in enumerate(ids)
    ]
    return GeneTable(assembly, pl.DataFrame(rows, schema=GENE_SCHEMA, orient="row"))


def some_peaks(seed: int, chroms: tuple[str, ...] = ("chr1", "chr2"), count: int = 50) -> Peaks:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 1_000_000, count)
    return make_peaks(
        chroms,
        rng.integers(0, len(chroms), count),
        start,
        start + rng.integers(1, 2000, count),
        summit=np.where(rng.random(count) < 0.5, start, -1),
        signal=rng.random(count),
        score=rng.integers(0, 1000, count).astype(float),
    )


def sample(
    name: str,
    tpm: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
    assembly: str = "hg38",
    peaks: Peaks | None = None,
    rna: bool = True,
    **columns: str,
) -> SampleData:
    tpm = {gene: 10.0 * (i + 1) + seed for i, gene in enumerate(GENES)} if tpm is None and rna else tpm
    record = SampleRecord(
        name=name,
        assembly=assembly,
        columns=columns,
        atac=(SourceFile(f"{name}.bed", "aa"),),
        rna=(SourceFile(f"{name}.tsv", "bb"),) if rna else (),
        peak_layout="narrowPeak",
        peak_naming="ucsc",
        rna_dialect="rsem" if rna else "",
        rna_sum=1e6 if rna else float("nan"),
        join_rate=1.0 if rna else float("nan"),
        symbols=False,
    )
    return SampleData(record, some_peaks(seed) if peaks is None else peaks, tpm if rna else None)


def write(path: Path, samples: list[SampleData], *tables: GeneTable, selection: GeneSelection | None = None) -> Atlas:
    held = {t.assembly: t for t in tables or (table(),)}
    return write_atlas(path, samples, tables=held, selection=selection or GeneSelection(), provenance={"run": 1})


def add(path: Path, samples: Any, *tables: GeneTable) -> Atlas:
    return add_to_atlas(path, samples, tables={t.assembly: t for t in tables}, provenance={"run": 2})


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of every file."""
    return {
        str(path.relative_to(folder)): (sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_same_peaks(read: Peaks, written: Peaks) -> None:
    assert read.chroms == written.chroms
    for column in PEAK_COLUMNS:
        ours, theirs = getattr(read, column), getattr(written, column)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
