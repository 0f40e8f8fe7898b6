"""What the rules look at: the samples of an atlas, as plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks


@dataclass(frozen=True)
class CheckInput:
    """Samples as they were read, before anything is renormalised or left out.

    Attributes:
        samples: Names, in the order of everything below.
        peaks: Peaks of each sample; read once and in order, so a lazy sequence is fine.
        assemblies: Declared assembly of each sample, canonical.
        genes: Gene tables by assembly, of every known assembly and not only the declared ones. A table may hold any
            part of `gene_ids` in any order: genes that an assembly lacks are left out of its table.
        gene_ids: Ids of the genes axis.
        tpm: Values as in the RNA files, shape (samples, genes); NaN where missing and throughout samples without RNA.
        tpm_sums_file: Sum over all rows of the RNA file, shape (samples,); NaN for samples without RNA.
        join_rate: Share of the ids of the RNA file that the gene table knows, shape (samples,); NaN without RNA.
        symbols: True where the ids of the RNA file look like gene symbols, shape (samples,).
        peak_naming: Spelling of chromosomes in the peak file: `ucsc`, `ensembl`, `refseq` or `mixed`.
        atac_checksums: Checksums of the peak files of each sample, one a replicate.
        rna_checksums: Checksums of the RNA files of each sample; empty for samples without RNA.
        columns: Further manifest columns by name (`lineage`, `group`, `dataset`, `donor`, `assay`), one value a sample;
            an empty value is unknown.
        shared_regions: True for samples whose peaks are regions that a table shares among samples, so that equal intervals
            do not make them one, shape (samples,); empty: none.
        tracks: True for samples read from a signal track (bigWig), whose peaks are maxima of it, shape (samples,); empty:
            none.
    """

    samples: tuple[str, ...]
    peaks: Sequence[Peaks]
    assemblies: tuple[str, ...]
    genes: Mapping[str, GeneTable]
    gene_ids: tuple[str, ...]
    tpm: NDArray[np.floating]
    tpm_sums_file: NDArray[np.floating]
    join_rate: NDArray[np.floating]
    symbols: NDArray[np.bool_]
    peak_naming: tuple[str, ...]
    atac_checksums: tuple[tuple[str, ...], ...]
    rna_checksums: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]]
    shared_regions: tuple[bool, ...] = ()
    tracks: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        """Hold the lengths that every rule relies on."""
        lengths = {
            name: len(getattr(self, name))
            for name in (
                "peaks",
                "assemblies",
                "tpm",
                "tpm_sums_file",
                "join_rate",
                "symbols",
                "peak_naming",
                "atac_checksums",
                "rna_checksums",
            )
        } | {f"columns[{name!r}]": len(values) for name, values in self.columns.items()}
        uneven = {name: length for name, length in lengths.items() if length != len(self.samples)}
        if uneven:
            raise ValueError(f"every field has one entry a sample ({len(self.samples)}); got {uneven}")
        if self.tpm.shape[1:] != (len(self.gene_ids),):
            raise ValueError(f"tpm has one column a gene ({len(self.gene_ids)}); got shape {self.tpm.shape}")

    @property
    def has_rna(self) -> NDArray[np.bool_]:
        """True for samples with an RNA file, whether or not its ids could be joined, shape (samples,)."""
        has: NDArray[np.bool_] = np.isfinite(self.tpm_sums_file)
        return has

    def shares_regions(self, row: int) -> bool:
        """Tell whether a sample's peaks are regions that other samples have by design."""
        return bool(self.shared_regions) and self.shared_regions[row]

    def is_track(self, row: int) -> bool:
        """Tell whether a sample was read from a signal track."""
        return bool(self.tracks) and self.tracks[row]

    @property
    def groups(self) -> tuple[str, ...]:
        """Group of each sample; a sample without one is a group of its own."""
        given = self.columns.get("group", ("",) * len(self.samples))
        return tuple(group or sample for group, sample in zip(given, self.samples, strict=True))

    def rows_by(self, column: str) -> dict[str, list[int]]:
        """Rows of each known value of a manifest column, in order of appearance; empty if there is no such column."""
        rows: dict[str, list[int]] = {}
        for row, value in enumerate(self.columns.get(column, ())):
            if value:
                rows.setdefault(value, []).append(row)
        return rows

    def names(self, rows: Sequence[int] | NDArray[np.intp]) -> str:
        """Join the names of samples for the subject of a finding."""
        return ", ".join(self.samples[row] for row in rows)


def log_expression(tpm: NDArray[np.floating]) -> NDArray[np.float32]:
    """log2(TPM + 1) with TPM brought to a million over the measured genes.

    Args:
        tpm: Raw values, shape (samples, genes); NaN where missing, negative values count as 0.

    Returns:
        Same shape; NaN where missing, and in samples that are zero throughout.
    """
    values = np.clip(tpm, 0, None)
    total = np.nansum(values, axis=1, dtype=np.float64, keepdims=True)
    scaled = values * np.where(total > 0, 1e6 / np.maximum(total, 1e-300), np.nan)
    expression: NDArray[np.float32] = np.log2(scaled + 1).astype(np.float32)
    return expression


def count_phrase(number: int, noun: str) -> str:
    """Write a count with its noun: `1 sample`, `2 samples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
