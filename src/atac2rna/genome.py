"""Assemblies, chromosome names and gene tables."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError

_REFSEQ_HUMAN = {f"NC_{i:06d}": f"chr{i}" for i in range(1, 23)} | {
    "NC_000023": "chrX",
    "NC_000024": "chrY",
    "NC_012920": "chrM",
}
_REFSEQ_MOUSE = {f"NC_{i + 66:06d}": f"chr{i}" for i in range(1, 20)} | {
    "NC_000086": "chrX",
    "NC_000087": "chrY",
    "NC_005089": "chrM",
}
_REFSEQ_CHM13 = {f"NC_{i + 60924:06d}": f"chr{i}" for i in range(1, 23)} | {"NC_060947": "chrX", "NC_060948": "chrY"}
_REFSEQ = _REFSEQ_HUMAN | _REFSEQ_CHM13 | _REFSEQ_MOUSE
_BARE = re.compile(r"(?:[1-9]\d?|[XYMWZ]|MT)", re.IGNORECASE)
_ASSEMBLY_ALIASES = {
    "grch38": "hg38",
    "hg38": "hg38",
    "grch37": "hg19",
    "hg19": "hg19",
    "b37": "hg19",
    "hs37d5": "hg19",
    "mm10": "mm10",
    "grcm38": "mm10",
    "mm39": "mm39",
    "grcm39": "mm39",
    "t2t": "hs1",
    "t2t-chm13": "hs1",
    "hs1": "hs1",
}


@lru_cache(maxsize=100_000)
def canonical_chrom(name: str) -> str:
    """Spell a chromosome as the package does inside: `chr1`, `chrX`, `chrM`.

    Accepts UCSC (`chr1`), Ensembl (`1`, `MT`) and human or mouse RefSeq names (`NC_000001.11`); any other name
    (scaffolds, other genomes) is returned as it is.
    """
    if name.startswith("NC_"):
        return _REFSEQ.get(name.partition(".")[0], name)
    bare = name[3:] if name[:3].lower() == "chr" else name
    if _BARE.fullmatch(bare):
        bare = bare.upper()
        return "chrM" if bare in ("M", "MT") else f"chr{bare}"
    return name


def is_standard_chrom(name: str) -> bool:
    """Tell whether a canonical name is a nuclear chromosome (`chr1`, `chrX`), not `chrM` or a scaffold."""
    return name.startswith("chr") and _BARE.fullmatch(name[3:]) is not None and name != "chrM"


def chrom_sort_key(name: str) -> tuple[int, int, str]:
    """Order chromosomes as people do: chr1 to chr22, X, Y, M, then everything else by name."""
    tail = name[3:] if name.startswith("chr") else ""
    if tail.isdigit():
        return (0, int(tail), "")
    if tail in ("X", "Y", "W", "Z", "M"):
        return (1, "XYWZM".index(tail), "")
    return (2, 0, name)


def canonical_assembly(name: str) -> str:
    """Spell an assembly as UCSC does (`GRCh38` is `hg38`); an unknown name is returned as it is."""
    return _ASSEMBLY_ALIASES.get(name.lower(), name)


def strip_version(gene_id: str) -> str:
    """Drop the version of an Ensembl id (`ENSG00000000003.14` is `ENSG00000000003`).

    The copy on Y of a pseudoautosomal gene (`ENSG00000182378.13_PAR_Y`, or `ENSGR0000182378.8` in older releases) is
    the same gene and gets the id of the copy on X.
    """
    if gene_id.endswith("_PAR_Y"):
        gene_id = gene_id[:-6]
    if gene_id.startswith("ENSGR"):
        gene_id = "ENSG0" + gene_id[5:]
    if gene_id.startswith("ENS"):
        return gene_id.partition(".")[0]
    return gene_id


GENE_SCHEMA: dict[str, pl.DataType] = {
    "gene_id": pl.String(),
    "gene_name": pl.String(),
    "chrom": pl.String(),
    "start": pl.Int32(),
    "end": pl.Int32(),
    "strand": pl.String(),
    "biotype": pl.String(),
    "version": pl.String(),
}


@dataclass(frozen=True, eq=False)
class GeneTable:
    """Genes of one assembly, in a fixed order.

    Two objects are equal only if they are the same object; `fingerprint` compares tables.

    Attributes:
        assembly: Canonical assembly name (`hg38`).
        frame: One row a gene with the columns of `GENE_SCHEMA`: `gene_id` without version and unique, `chrom`
            canonical, `start` and `end` 0-based half-open, `strand` `+` or `-`, `biotype` and `version`
            empty where unknown.
    """

    assembly: str
    frame: pl.DataFrame

    def __post_init__(self) -> None:
        """Hold the invariants above."""
        if dict(self.frame.schema) != GENE_SCHEMA:
            raise ValueError(f"a gene table has the columns {list(GENE_SCHEMA)}; got {self.frame.schema}")
        if not self.frame["strand"].is_in(["+", "-"]).all() or self.frame["strand"].null_count():
            raise ValueError(f"the strand of a gene is + or -; got {self.frame['strand'].unique().to_list()}")
        repeated = self.frame.filter(self.frame["gene_id"].is_duplicated())
        if repeated.height:
            raise InputError(
                f"gene ids of a gene table are unique; {repeated.height} rows of the {self.assembly} table repeat one, "
                f"the first {repeated['gene_id'][0]}. Remove the repeated rows."
            )

    def __len__(self) -> int:
        """Give the number of genes."""
        return self.frame.height

    @cached_property
    def gene_ids(self) -> tuple[str, ...]:
        """Ids without version, in table order."""
        return tuple(self.frame["gene_id"].to_list())

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {gene: row for row, gene in enumerate(self.gene_ids)}

    @cached_property
    def chroms(self) -> tuple[str, ...]:
        """Chromosomes with a gene, in natural order."""
        return sorted_chroms(self.frame["chrom"].unique().to_list())

    @cached_property
    def chrom(self) -> NDArray[np.int16]:
        """Index into `chroms`, shape (genes,)."""
        return self.frame["chrom"].cast(pl.Enum(self.chroms)).to_physical().to_numpy().astype(np.int16)

    @cached_property
    def forward(self) -> NDArray[np.bool_]:
        """True for genes on the plus strand, shape (genes,)."""
        return (self.frame["strand"] == "+").to_numpy()

    @cached_property
    def tss(self) -> NDArray[np.int32]:
        """0-based position of the first transcribed base, shape (genes,)."""
        start, end = self.frame["start"].to_numpy(), self.frame["end"].to_numpy()
        return np.where(self.forward, start, end - 1).astype(np.int32)

    @cached_property
    def genome_order(self) -> NDArray[np.intp]:
        """Rows in the order of chromosome and TSS, shape (genes,); in this order windows are found much faster."""
        return np.lexsort((self.tss, self.chrom))

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 over assembly, ids, chromosomes, TSS and strands; equal tables have equal fingerprints."""
        digest = sha256(self.assembly.encode())
        for column in ("gene_id", "chrom", "strand"):
            digest.update("\n".join(self.frame[column].to_list()).encode())
        digest.update(self.tss.astype("<i4").tobytes())
        return digest.hexdigest()

    def select(self, gene_ids: Sequence[str]) -> "GeneTable":
        """Take the genes named, in the order named.

        Raises:
            InputError: If a gene is not in the table.
        """
        missing = [gene for gene in gene_ids if gene not in self._row_of]
        if missing:
            raise InputError(
                f"every gene asked for is in the {self.assembly} gene table; {len(missing)} of {len(gene_ids)} are "
                f"not, the first {missing[0]}. Use the annotation that the genes come from."
            )
        return GeneTable(self.assembly, self.frame[[self._row_of[gene] for gene in gene_ids]])


def sorted_chroms(names: Iterable[str]) -> tuple[str, ...]:
    """Sort chromosome names in the order of `chrom_sort_key`, each once."""
    return tuple(sorted(set(names), key=chrom_sort_key))
