"""The annotation of a simulated genome, as GENCODE writes it."""

import numpy as np
from numpy.typing import NDArray

from atac2rna.simulate.landscape import Landscape


def gencode_gtf(landscape: Landscape, *, assembly: str, shift: NDArray[np.int64]) -> str:
    """Write the genes with one transcript of two exons each, 1-based and inclusive.

    The last gene has a copy on chrY under `_PAR_Y`, as the pseudoautosomal genes of older releases do.

    Args:
        landscape: Genes in sim1.
        assembly: Name for the header.
        shift: bp by which each chromosome's coordinates are moved, shape (chromosomes,).
    """
    lines = [f"##description: simulated annotation of {assembly}", "##provider: atac2rna", "##format: gtf"]
    names = list(landscape.chrom_length)
    rows = landscape.genes.frame.rows(named=True)
    for row, length in zip(rows, landscape.transcript_length.tolist(), strict=True):
        moved = int(shift[names.index(row["chrom"])])
        lines += _gene_lines(row, row["chrom"], row["start"] + moved, row["end"] + moved, length)
    copy = dict(rows[-1], version=f"{rows[-1]['version']}_PAR_Y")
    lines += _gene_lines(
        copy, "chrY", 10_000, 10_000 + copy["end"] - copy["start"], int(landscape.transcript_length[-1])
    )
    return "\n".join(lines) + "\n"


def _gene_lines(row: dict[str, str], chrom: str, start: int, end: int, length: int) -> list[str]:
    gene = f"{row['gene_id']}.{row['version']}"
    shared = f'gene_type "{row["biotype"]}"; gene_name "{row["gene_name"]}"; level 2;'
    transcript = f'gene_id "{gene}"; transcript_id "{gene.replace("ENSG", "ENST")}"; {shared}'
    half = max(length // 2, 1)
    places = [("gene", start, end, f'gene_id "{gene}"; {shared}'), ("transcript", start, end, transcript)]
    exons = [(start, start + half), (end - (length - half), end)]
    if row["strand"] == "-":
        exons.reverse()
    places += [("exon", a, b, f"{transcript[:-1]}; exon_number {i + 1};") for i, (a, b) in enumerate(exons)]
    return [
        f"{chrom}\tSIMULATED\t{feature}\t{a + 1}\t{b}\t.\t{row['strand']}\t.\t{text}" for feature, a, b, text in places
    ]
