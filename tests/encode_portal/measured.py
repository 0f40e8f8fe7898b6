"""Made-up measurements: peak files and gene quantifications of one genome, in which peaks follow expression.

A gene has a base level and answers to a state of ten numbers that a term has (donors and libraries differ from it a
little). Its promoter is a peak, and so are three elements near it, the stronger the higher the gene's level; a file
holds the strongest.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.shipped import shipped_gene_table

Floats = NDArray[np.float64]

STATES = 10
ELEMENTS = 3  # near each gene, beside its promoter
MOUSE_CHROMS = [*(f"chr{number}" for number in range(1, 20)), "chrX", "chrY"]
TRNAS = 40
SPIKE_INS = 12
SMALL_RNAS = ("ENSG00000202198", "ENSG00000276168", "ENSG00000274012")  # 7SK and two of 7SL: no coding genes
_OLD = ("V24", "V19")
_NARROW_PEAK = ("chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "summit")


@dataclass(frozen=True)
class Genome:
    """Genes of which measurements are made.

    Attributes:
        genes: Gene table; real ids and TSS for human, made-up ones for mouse.
        seed: Of everything.
    """

    genes: GeneTable
    seed: int = 0

    @cached_property
    def base(self) -> Floats:
        """log2 level of each gene where no state moves it, shape (genes,)."""
        rng = self.draw("base")
        count = len(self.genes)
        return np.where(rng.random(count) < 0.65, rng.normal(4.0, 1.8, count), rng.normal(-4.0, 1.5, count))

    @cached_property
    def answer(self) -> Floats:
        """How each gene answers to the state, shape (genes, states)."""
        return self.draw("answer").normal(0.0, 0.55, (len(self.genes), STATES))

    @cached_property
    def centre(self) -> NDArray[np.int64]:
        """Place of each gene's promoter and elements, shape (genes, 1 + ELEMENTS)."""
        rng = self.draw("centre")
        count = len(self.genes)
        away = np.exp(rng.uniform(np.log(2_000), np.log(60_000), (count, ELEMENTS))).astype(np.int64)
        away = away * rng.choice([-1, 1], (count, ELEMENTS))
        tss = self.genes.tss.astype(np.int64)[:, None]
        return np.concatenate([tss, np.maximum(tss + away, 1_000)], axis=1)

    def draw(self, *words: object) -> np.random.Generator:
        """Give a generator that depends on the seed and the words alone."""
        text = " ".join(str(word) for word in (self.seed, self.genes.assembly, *words))
        return np.random.default_rng(int.from_bytes(sha256(text.encode()).digest()[:8]))

    def level(self, term: str, donor: str, library: str) -> Floats:
        """Give the log2 level of each gene in a library, shape (genes,)."""
        state = self.draw("term", term).normal(size=STATES) + 0.3 * self.draw("donor", donor).normal(size=STATES)
        return self.base + self.answer @ state + 0.15 * self.draw("library", library).normal(size=self.base.size)

    def peaks(self, level: Floats, library: str, *, count: int, idr: bool = False) -> bytes:
        """Write a narrowPeak file, gzipped; strongest first, as the pipeline leaves it.

        Args:
            level: Of the genes.
            library: Names the noise.
            count: Intervals; at most one for every promoter and element.
            idr: Score from 540 to 1000 as of IDR, else ten times -log10 p, at most 1000.
        """
        rng = self.draw("peaks", library)
        own = self.draw("elements").normal(0.0, 1.0, self.centre.shape)
        strength = (0.35 * level[:, None] + own + rng.normal(0.0, 0.4, self.centre.shape)).ravel()
        chosen = np.argsort(-strength, kind="stable")[:count]
        chosen = np.sort(np.concatenate([chosen, chosen[::17]]))  # some intervals have a second summit
        chosen = chosen[np.argsort(-strength[chosen], kind="stable")]
        again = np.concatenate([[False], chosen[1:] == chosen[:-1]])
        half = self.draw("width").integers(90, 420, strength.size)[chosen]
        centre = self.centre.ravel()[chosen]
        signal = 1.5 * np.exp2(0.6 * (strength[chosen] - strength[chosen].min())) * np.where(again, 0.6, 1.0)
        p = 6.0 * signal**1.3
        score = np.minimum(10 * p, 1000) if not idr else np.clip(540 + 20 * signal, 540, 1000)
        start = np.maximum(centre - half, 0)
        frame = pl.DataFrame(
            {
                "chrom": self.genes.frame["chrom"].gather(chosen // (1 + ELEMENTS)),
                "start": start,
                "end": start + 2 * half,
                "name": pl.Series([f"Peak_{i + 1}" for i in range(chosen.size)]),
                "score": score.astype(np.int64),
                "strand": pl.repeat(".", chosen.size, eager=True),
                "signal": np.round(signal, 5),
                "p": np.round(p, 5),
                "q": np.round(np.maximum(p - 1.5, -1), 5),
                "summit": np.where(again, half // 2, half),
            }
        )
        return gzip.compress(
            frame.select(_NARROW_PEAK).write_csv(separator="\t", include_header=False).encode(), 1, mtime=0
        )

    def quantification(self, level: Floats, library: str, *, annotation: str, total: bool) -> bytes:
        """Write a gene quantification as RSEM does.

        tRNAs with whole numbers for ids; genes with versioned ids, sorted; copies on Y; spike-ins. TPM of all rows add
        up to a million, of which small RNAs take most in total RNA.

        Args:
            level: Of the genes.
            library: Names the noise.
            annotation: V29 and M21 have the 17 columns of the current release, V24 and V19 have 15 and write the
                copies on Y as ENSGR.
            total: Whether small RNAs were sequenced too.
        """
        rows = self._rows[annotation]
        rng = self.draw("quantification", library)
        rate = np.where(rows.gene >= 0, np.exp2(level)[np.maximum(rows.gene, 0)], 0.0)
        rate[rows.small] = rate.sum() * (1.5 if total else 0.001)
        rate[rows.spike] = 0.01 * rate.sum() * rng.dirichlet(np.full(int(rows.spike.sum()), 0.5))
        tpm = 1e6 * rate / rate.sum()
        effective = np.maximum(rows.length - 181.59, 0.0)
        count = rng.poisson(30e6 * tpm * effective / (tpm * effective).sum()).astype(np.float64)
        fpkm = 1e9 * np.divide(count, effective * count.sum(), out=np.zeros_like(count), where=effective > 0)
        pme = tpm + 0.01
        columns: dict[str, object] = {
            "gene_id": rows.id,
            "transcript_id(s)": rows.transcript,
            "length": rows.length,
            "effective_length": effective,
            "expected_count": count,
            "TPM": tpm,
            "FPKM": fpkm,
            "posterior_mean_count": count,
            "posterior_standard_deviation_of_count": np.zeros(count.size),
            "pme_TPM": pme,
            "pme_FPKM": fpkm + 0.01,
        }
        for name, values in (("TPM", pme), ("FPKM", fpkm + 0.01)):
            columns |= {f"{name}_ci_lower_bound": values * 0.95, f"{name}_ci_upper_bound": values * 1.05}
            if annotation not in _OLD:
                columns[f"{name}_coefficient_of_quartile_variation"] = 0.05 / (1 + values)
        return pl.DataFrame(columns).write_csv(separator="\t", float_precision=2).encode()

    @cached_property
    def _rows(self) -> dict[str, "_Rows"]:
        """Rows of a quantification, by annotation."""
        names = ("V29", *_OLD) if self.genes.assembly == "hg38" else ("M21",)
        return {name: _table_rows(self, name) for name in names}


@dataclass(frozen=True)
class _Rows:
    """Rows of a quantification: ids, transcripts, row of the gene (-1: none), lengths, which are what."""

    id: pl.Series
    transcript: pl.Series
    gene: NDArray[np.int64]
    length: Floats
    small: NDArray[np.bool_]
    spike: NDArray[np.bool_]


def _table_rows(genome: Genome, annotation: str) -> _Rows:
    genes = sorted(zip(versioned(genome.genes, annotation), range(len(genome.genes)), strict=True))
    chroms = genome.genes.frame["chrom"].to_list()
    copies = [gene for gene, row in genes if chroms[row] == "chrX"][:3]
    copies = [gene.replace("G0", "GR", 1) if annotation in _OLD else f"{gene}_PAR_Y" for gene in copies]
    small = [f"{gene}.1" for gene in SMALL_RNAS] if genome.genes.assembly == "hg38" else []
    spikes = [*(f"gSpikein_ERCC-{i + 2:05d}" for i in range(SPIKE_INS)), "gSpikein_phiX174"]
    ids = [*(str(10_904 + 2_050 * i) for i in range(TRNAS)), *(gene for gene, _ in genes), *copies, *small, *spikes]
    row = [*[-1] * TRNAS, *(number for _, number in genes), *[-1] * (len(copies) + len(small) + len(spikes))]
    length = np.round(genome.draw("length").lognormal(7.4, 0.6, len(row)), 2)
    length[:TRNAS] = 73.0
    transcripts = [gene.replace("G0", "T0", 1).replace("gSpike", "tSpike") for gene in ids]
    return _Rows(
        id=pl.Series(ids),
        transcript=pl.Series(transcripts),
        gene=np.array(row),
        length=length,
        small=np.isin(ids, [f"{gene}.1" for gene in SMALL_RNAS]),
        spike=np.isin(ids, spikes),
    )


def versioned(genes: GeneTable, annotation: str) -> list[str]:
    """Give the ids with versions of an annotation; releases differ in the versions of some genes."""
    later = 0 if annotation in _OLD else 1
    return [f"{gene}.{int(gene[-4:]) % 11 + 1 + later * (int(gene[-1]) % 2)}" for gene in genes.gene_ids]


def human_genome(count: int | None, seed: int = 0) -> Genome:
    """Give a genome of real human genes, those of the shipped model; `count` of them, evenly, or all."""
    table = shipped_gene_table("hg38")
    if table is None:
        raise ValueError("the shipped model knows hg38")
    if count is not None and count < len(table):
        table = table.select([table.gene_ids[i] for i in np.linspace(0, len(table) - 1, count).astype(int)])
    return Genome(table, seed)


def mouse_genome(count: int, seed: int = 0) -> Genome:
    """Give a genome of made-up mouse genes on the chromosomes of mm10."""
    rng = np.random.default_rng([seed, 10])
    place = np.sort(rng.permutation(60_000_000 // 5_000)[: -(-count // len(MOUSE_CHROMS))]) * 5_000 + 3_000_000
    rows = [(chrom, int(start)) for chrom in MOUSE_CHROMS for start in place][:count]
    columns: dict[str, Sequence[object]] = {
        "gene_id": [f"ENSMUSG{i + 1:011d}" for i in range(count)],
        "gene_name": [f"Made{i + 1}" for i in range(count)],
        "chrom": [chrom for chrom, _ in rows],
        "start": [start for _, start in rows],
        "end": [start + 4_000 for _, start in rows],
        "strand": ["+-"[i % 2] for i in range(count)],
        "biotype": ["protein_coding"] * count,
        "version": [""] * count,
    }
    return Genome(GeneTable("mm10", pl.DataFrame(columns, schema=GENE_SCHEMA)), seed)
