"""What is known of a sample beside its arrays."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from atac2rna.peaks import Peaks

GeneSet = Literal["common", "union"]
"""common: genes measured in every sample that has RNA; union: in at least one."""


@dataclass(frozen=True)
class SourceFile:
    """A file that a sample was read from: its path as given and a sha256.

    The checksum is that of its bytes; of a table of several samples, that of the sample's own column.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class SampleRecord:
    """What is known of a sample beside its arrays.

    Attributes:
        name: Unique name.
        assembly: Assembly of its peaks.
        columns: Further columns of the manifest (lineage, group, dataset, ...).
        atac: Files of its peaks.
        rna: Files of its expression; empty if there is none.
        peak_layout: `narrowPeak`, `broadPeak` or `bed`; `matrix` where the samples share their regions; `bigWig` where maxima of
            signal stand for peaks.
        peak_naming: How its files name chromosomes: `ucsc`, `ensembl`, `refseq` or `mixed`.
        rna_dialect: Format of its expression file; empty if there is none.
        rna_sum: Sum of TPM over all rows of its file, averaged over replicates; NaN without RNA.
        join_rate: Share of its file's gene ids that are in a gene table of the atlas; NaN without RNA.
        symbols: Whether its gene ids look like symbols.
    """

    name: str
    assembly: str
    columns: dict[str, str]
    atac: tuple[SourceFile, ...]
    rna: tuple[SourceFile, ...]
    peak_layout: str
    peak_naming: str
    rna_dialect: str
    rna_sum: float
    join_rate: float
    symbols: bool

    def to_json(self) -> dict[str, Any]:
        """Give a JSON object; NaN becomes null."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SampleRecord":
        """Take back what `to_json` gave."""
        known = {f.name: value[f.name] for f in fields(cls)}
        for key in ("rna_sum", "join_rate"):
            known[key] = float("nan") if known[key] is None else known[key]
        for key in ("atac", "rna"):
            known[key] = tuple(SourceFile(**source) for source in known[key])
        return cls(**known)


@dataclass(frozen=True)
class SampleData:
    """A sample on its way into an atlas: record, peaks, and TPM as in its file by gene id (None without RNA)."""

    record: SampleRecord
    peaks: Peaks
    tpm: Mapping[str, float] | None


@dataclass(frozen=True)
class GeneSelection:
    """Which genes the atlas speaks of.

    Attributes:
        biotypes: Biotypes kept; empty: all.
        gene_set: See `GeneSet`.
    """

    biotypes: tuple[str, ...] = ("protein_coding",)
    gene_set: GeneSet = "common"
