"""Annotations: gene tables out of GTF, GFF3, Ensembl BioMart exports and the package's own table form.

All of these files count from 1 and include the end; the package counts from 0 and leaves it out.
"""

import gzip
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from atac2rna.errors import InputError
from atac2rna.files import text_lines, whole_file
from atac2rna.formats.gene_list import header_columns, list_genes
from atac2rna.formats.gene_row import GeneRow
from atac2rna.formats.gff import assembled_genes, gff_genes, gff_transcripts
from atac2rna.genome import GENE_SCHEMA, GeneTable, canonical_assembly, is_standard_chrom

AnnotationKind = Literal["gtf", "gff3", "list"]
"""gtf and gff3: nine columns, told apart by the last; list: a table with a header."""

MissingStrand = Literal["refuse", "plus"]
"""What a gene without a strand is. refuse: no gene, as its TSS is unknown; plus: on +, as its interval alone counts."""

_WHAT = "an annotation (GTF, GFF3, Ensembl BioMart table or gene table)"
_GFF3_ATTRIBUTE = re.compile(r"\s*[\w.:-]+=")


def read_annotation(path: Path, *, assembly: str, missing_strand: MissingStrand = "refuse") -> GeneTable:
    """Read the genes of an annotation, whatever its format.

    Genes keep the order of the file. Ids lose their version, which is kept as a column; chromosome names become
    canonical. Of a gene that the file gives several times, the copy on a standard chromosome is kept (not the one on an
    alternative scaffold), and the copy on X (not the pseudoautosomal one on Y). Genes that have only exon lines (tRNAs
    and spike-ins of ENCODE's GTF) are left out, but a GTF without any gene line (UCSC, StringTie) is assembled from
    the extents of its transcripts and exons; a gene whose transcripts then lie on two strands or two standard
    chromosomes has no one TSS and is left out.

    Args:
        path: GTF, GFF3, a BioMart table or a gene table, gzipped or not, recognised by content. A table's `start` and
            `end` are 1-based and inclusive.
        assembly: Assembly of the coordinates; an alias is spelled canonically (`GRCh38` is `hg38`).
        missing_strand: With `refuse`, genes whose strand is `.` are left out, and a file that tells no strand at all is
            an error, since a TSS guessed at the wrong end of the gene is off by the length of the gene. With `plus`,
            they are put on +: right where only the interval is used, as the seed's bins do.

    Raises:
        InputError: If the file is no annotation, has no genes or no strands, a line is malformed, or one gene stands
            twice on standard chromosomes.
    """
    kind = annotation_kind(path)
    rows = list_genes(path) if kind == "list" else gff_genes(path, kind)
    if not rows and kind == "gtf":
        rows = _with_one_place(assembled_genes(path))
    if not rows:
        raise InputError(f"{path}: an annotation has genes; got none. Use the whole file of a release.")
    rows = _with_strand(path, rows, missing_strand)
    return GeneTable(canonical_assembly(assembly), _frame(_one_copy_each(path, rows)))


def read_transcripts(path: Path) -> dict[str, str]:
    """Map the transcripts of a GTF or GFF3 to their genes, to sum transcript quantifications by gene.

    Args:
        path: GTF or GFF3, gzipped or not.

    Returns:
        Gene id by transcript id, both without version, in file order. RefSeq accessions (`NM_000014.6`) keep theirs.

    Raises:
        InputError: If the file is a table of genes, or has no transcripts.
    """
    kind = annotation_kind(path)
    if kind == "list":
        raise InputError(f"{path}: a gene table has no transcripts in it; pass a GTF or GFF3.")
    gene_of = gff_transcripts(path, kind)
    if not gene_of:
        raise InputError(f"{path}: has no transcript with a gene; pass a GTF or GFF3 with transcript or exon lines.")
    return gene_of


def annotation_kind(path: Path) -> AnnotationKind:
    """Recognise the format of an annotation by its first line that is no comment.

    Raises:
        InputError: If it is none, with the columns seen.
    """
    first = ""
    for number, raw in enumerate(text_lines(path, what=_WHAT), 1):
        if raw.strip() and not raw.startswith((b"#", b"track", b"browser")):
            first = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
            break
    if header_columns(first) is not None:
        return "list"
    columns = first.split("\t")
    if len(columns) in (8, 9) and columns[5:8] and columns[7] in (".", "0", "1", "2"):
        return "gff3" if len(columns) == 9 and _GFF3_ATTRIBUTE.match(columns[8]) else "gtf"
    shown = ", ".join(columns[:10])
    raise InputError(
        f"{path}: is not {_WHAT}; its first line has {len(columns)} columns: {shown[:120]}. A table needs gene_id, "
        "chrom, start, end and strand, or BioMart's names for them."
    )


def write_gene_table(table: GeneTable, path: Path, *, comments: Mapping[str, str] | None = None) -> None:
    """Write a gene table in the table form, gzipped; equal tables give equal files.

    Columns: gene_id gene_name chrom start end strand biotype tss version; start, end and tss 1-based, end inclusive.
    `read_annotation` gives the same table back.

    Args:
        table: The genes.
        path: The file.
        comments: What the first lines tell, as `# key: value`: where the table comes from.
    """
    frame = table.frame.with_columns(pl.col("start") + 1, tss=pl.Series(table.tss) + 1)
    order = ["gene_id", "gene_name", "chrom", "start", "end", "strand", "biotype", "tss", "version"]
    head = "".join(f"# {key}: {value}\n" for key, value in (comments or {}).items())
    text = head + frame.select(order).write_csv(separator="\t", quote_style="never")
    with whole_file(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def _with_one_place(rows: list[GeneRow]) -> list[GeneRow]:
    """Leave out assembled genes that stand twice among the best of their copies."""
    places: dict[str, list[tuple[int, int, int]]] = {}
    for row in rows:
        places.setdefault(row.gene_id, []).append(_rank(row))
    return [row for row in rows if _rank(row)[1] == 2 or places[row.gene_id].count(min(places[row.gene_id])) == 1]


def _with_strand(path: Path, rows: list[GeneRow], missing_strand: MissingStrand) -> list[GeneRow]:
    if missing_strand == "plus":
        return [row if row.strand else row._replace(strand="+") for row in rows]
    stranded = [row for row in rows if row.strand]
    if not stranded:
        raise InputError(
            f"{path}: the first transcribed base of a gene follows from its strand; none of {len(rows):,} genes has "
            "one. Export the table again with the attribute Strand, or use a GTF."
        )
    return stranded


def _one_copy_each(path: Path, rows: list[GeneRow]) -> Iterable[GeneRow]:
    """Keep the best copy of each gene, in file order.

    Raises:
        InputError: If two copies are equally good on chromosomes; on scaffolds the first is kept.
    """
    best: dict[str, GeneRow] = {}
    for row in rows:
        known = best.setdefault(row.gene_id, row)
        if row is known:
            continue
        if _rank(row) == _rank(known) and _rank(row)[1] < 2:
            raise InputError(
                f"{path} line {row.line}: an annotation has each gene once; {row.gene_id} on {row.chrom} stands on "
                f"line {known.line} already ({known.chrom}). Remove one of the two."
            )
        if _rank(row) < _rank(known):
            best[row.gene_id] = row
    return sorted(best.values(), key=lambda row: row.line)


def _rank(row: GeneRow) -> tuple[int, int, int]:
    """Order the copies of a gene: marked copies last, then scaffolds, then Y."""
    place = 0 if is_standard_chrom(row.chrom) else 1 if row.chrom == "chrM" else 2
    return (int(row.secondary), place, int(row.chrom == "chrY"))


def _frame(rows: Iterable[GeneRow]) -> pl.DataFrame:
    records = [
        (row.gene_id, row.name, row.chrom, row.start, row.end, row.strand, row.biotype, row.version) for row in rows
    ]
    return pl.DataFrame(records, schema=GENE_SCHEMA, orient="row")
