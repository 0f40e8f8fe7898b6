"""A sample that shares its files with others, as a column of a matrix or a group of cells does."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import SampleData, SampleRecord, SourceFile
from atac2rna.building.genes import column_checksum, join_genes, known_tpm
from atac2rna.building.reference import GeneReference
from atac2rna.formats.peaks import Naming
from atac2rna.peaks import Peaks


@dataclass(frozen=True, eq=False)
class SharedExpression:
    """Expression of a sample, from a file of several.

    Attributes:
        path: The file.
        dialect: Its format.
        gene_ids: Genes without version.
        values: TPM or counts per million, shape (genes,).
    """

    path: Path
    dialect: str
    gene_ids: tuple[str, ...]
    values: NDArray[np.float64]


def shared_file_sample(
    name: str,
    peaks: Peaks,
    *,
    assembly: str,
    columns: Mapping[str, str],
    naming: Naming,
    atac: Path,
    rna: SharedExpression | None,
    reference: GeneReference,
) -> SampleData:
    """Put a sample together; its checksums are those of its own peaks and values.

    Args:
        name: Its name.
        peaks: Its peaks.
        assembly: Their assembly.
        columns: Its further columns.
        naming: How the file names chromosomes.
        atac: File of the peaks.
        rna: Its expression; None: it has none.
        reference: The gene tables.
    """
    none = float("nan")
    record = SampleRecord(
        name=name,
        assembly=assembly,
        columns=dict(columns),
        atac=(SourceFile(str(atac), peaks_checksum(peaks)),),
        rna=() if rna is None else (SourceFile(str(rna.path), column_checksum(rna.gene_ids, rna.values)),),
        peak_layout="matrix",
        peak_naming=naming,
        rna_dialect="" if rna is None else rna.dialect,
        rna_sum=none if rna is None else float(rna.values.sum()),
        join_rate=none if rna is None else join_genes(rna.path, rna.gene_ids, reference).rate,
        symbols=False,
    )
    return SampleData(record, peaks, None if rna is None else known_tpm(rna.gene_ids, rna.values, reference))


def peaks_checksum(peaks: Peaks) -> str:
    """Sha256 of peaks with their signal, in hexadecimal."""
    digest = sha256("\n".join(peaks.chroms).encode())
    for column in (peaks.chrom, peaks.start, peaks.end, peaks.signal):
        digest.update(column.tobytes())
    return digest.hexdigest()
