"""GTF and GFF3: genes, and the gene of each transcript.

Ensembl, GENCODE, RefSeq and UCSC write the same nine columns with different words in the last. Coordinates are 1-based
and inclusive. Lines are chosen by their third column before anything else is parsed, so that a whole GENCODE release
takes seconds.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from atac2rna.errors import InputError
from atac2rna.files import text_lines
from atac2rna.formats.gene_row import GeneRow, gene_row
from atac2rna.genome import strip_version

Dialect = Literal["gtf", "gff3"]

_WHAT = "an annotation"
_GTF_ATTRIBUTE = re.compile(r'([\w.-]+)[ =]+(?:"([^"]*)"|([^;"\s]+))')
_ENSEMBL_GENE = re.compile(r"Ensembl:(ENS[A-Z]*G\d+(?:\.\d+)?)")
_EXTENT_FEATURES = (b"transcript", b"exon", b"mRNA")
_PARTS = frozenset(
    {b"exon", b"CDS", b"five_prime_UTR", b"three_prime_UTR", b"start_codon", b"stop_codon", b"UTR", b"intron"}
)


def gff_genes(path: Path, dialect: Dialect) -> list[GeneRow]:
    """Read the gene lines, in file order; genes that have exon lines alone (tRNAs, spike-ins) are left out.

    Raises:
        InputError: If a gene line has no id, or `gene_row` refuses it.
    """
    rows = []
    for number, columns in _features(path):
        is_gene = columns[2] == b"gene" if dialect == "gtf" else columns[2].endswith(b"gene")
        if not is_gene:
            continue
        row = _gtf_gene(path, number, columns) if dialect == "gtf" else _gff3_gene(path, number, columns)
        if row is not None:
            rows.append(row)
    return rows


def assembled_genes(path: Path) -> list[GeneRow]:
    """Make genes out of the extents of their transcripts and exons, for GTF files without gene lines (UCSC, StringTie).

    Genes come in the order of their first line. A gene whose transcripts lie on two strands or two chromosomes is
    given once for each.

    Raises:
        InputError: If a line has no gene_id, or every gene_id repeats the transcript_id (a UCSC table browser GTF,
            which does not know genes).
    """
    found: dict[tuple[str, str, str], GeneRow] = {}
    knows_genes = False
    for number, columns in _features(path):
        if columns[2] not in _EXTENT_FEATURES:
            continue
        row = _gtf_gene(path, number, columns)
        knows_genes |= _gtf_attribute(columns[8], b"transcript_id") != _gtf_attribute(columns[8], b"gene_id")
        key = (row.gene_id, row.chrom, row.strand)
        known = found.get(key, row)
        found[key] = known._replace(start=min(known.start, row.start), end=max(known.end, row.end))
    if found and not knows_genes:
        raise InputError(
            f"{path}: every gene_id repeats the transcript_id (as the UCSC table browser writes it), so the file does "
            "not say which transcripts form a gene; use a GTF made with genePredToGtf or from Ensembl or GENCODE."
        )
    return list(found.values())


def gff_transcripts(path: Path, dialect: Dialect) -> dict[str, str]:
    """Map transcript ids to gene ids, both without version, in file order."""
    return _gtf_transcripts(path) if dialect == "gtf" else _gff3_transcripts(path)


def _features(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Give line number and columns of every feature line; the last column is split off only where nine are there."""
    for number, line in enumerate(text_lines(path, what=_WHAT), 1):
        if line.startswith((b"#", b"track", b"browser", b">")) or not line.strip():
            if line.startswith((b"##FASTA", b">")):
                return
            continue
        columns = line.split(b"\t", 8)
        if len(columns) < 9:
            if len(columns) == 8:
                columns.append(b"")
            else:
                raise InputError(
                    f"{path} line {number}: a line of a GTF or GFF3 file has 9 tab-separated columns; "
                    f"got {len(columns)}."
                )
        yield number, columns


def _fields(columns: list[bytes], **more: str) -> dict[str, str]:
    chrom, start, end, strand = (columns[i].decode("utf-8", "replace") for i in (0, 3, 4, 6))
    return {"chrom": chrom, "start": start, "end": end, "strand": strand, **more}


def _no_gene_id(path: Path, number: int, attributes: str) -> InputError:
    shown = attributes if len(attributes) <= 80 else attributes[:77] + "..."
    return InputError(f"{path} line {number}: a gene line has an attribute gene_id; got {shown!r}.")


def _gtf_gene(path: Path, number: int, columns: list[bytes]) -> GeneRow:
    text = columns[8].decode("utf-8", "replace")
    attributes: dict[str, str] = {}
    for key, quoted, bare in _GTF_ATTRIBUTE.findall(text):
        attributes.setdefault(key, quoted or bare)
    written = attributes.get("gene_id", "")
    if not written:
        raise _no_gene_id(path, number, text)
    symbol = attributes.get("gene", "")
    # RefSeq numbers the further copies of a gene: gene_id "ASMTL_1"; gene "ASMTL".
    secondary = bool(symbol) and re.fullmatch(re.escape(symbol) + r"_\d+", written) is not None
    ensembl = _ENSEMBL_GENE.search(text)
    fields = _fields(
        columns,
        gene_id=ensembl.group(1) if ensembl else symbol if secondary else written,
        name=attributes.get("gene_name", symbol),
        biotype=attributes.get("gene_type") or attributes.get("gene_biotype") or attributes.get("biotype", ""),
        version=attributes.get("gene_version", ""),
    )
    return gene_row(path, number, fields, secondary=secondary)


def _gff3_attributes(column: bytes) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in column.decode("utf-8", "replace").split(";"))
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if value}


def _gff3_gene(path: Path, number: int, columns: list[bytes]) -> GeneRow | None:
    attributes = _gff3_attributes(columns[8])
    if "Parent" in attributes:  # Older Ensembl files use `pseudogene` for its transcripts too.
        return None
    written, secondary = _gff3_gene_id(attributes)
    if not written:
        raise _no_gene_id(path, number, columns[8].decode("utf-8", "replace"))
    fields = _fields(
        columns,
        gene_id=written,
        name=attributes.get("gene_name") or attributes.get("Name") or attributes.get("gene", ""),
        biotype=attributes.get("gene_type") or attributes.get("gene_biotype") or attributes.get("biotype", ""),
        version=attributes.get("version", ""),
    )
    return gene_row(path, number, fields, secondary=secondary)


def _gff3_gene_id(attributes: dict[str, str]) -> tuple[str, bool]:
    """Give a gene's id as written, and whether RefSeq marks it as a further copy (ID=gene-ASMTL-2;gene=ASMTL)."""
    own = attributes.get("ID", "")
    symbol = attributes.get("gene", "")
    secondary = bool(symbol) and re.fullmatch("gene-" + re.escape(symbol) + r"-\d+", own) is not None
    ensembl = _ENSEMBL_GENE.search(attributes.get("Dbxref", ""))
    if ensembl:
        return ensembl.group(1), secondary
    if "gene_id" in attributes:
        # GENCODE writes ENSG00000182378.15 with ID=ENSG00000182378.15_PAR_Y for the copy on Y.
        return attributes["gene_id"], own.endswith("_PAR_Y")
    if secondary:
        return symbol, True
    return own.removeprefix("gene:").removeprefix("gene-"), False


def _gtf_attribute(column: bytes, key: bytes) -> bytes:
    """Find one attribute without parsing the others; empty where absent."""
    match = re.search(rb"(?:^|[;\s])" + key + rb'[ =]+"?([^";\s]*)', column)
    return match.group(1) if match else b""


def _gtf_transcripts(path: Path) -> dict[str, str]:
    gene_of: dict[str, str] = {}
    id_of: dict[str, str] = {}
    last = b""
    for number, columns in _features(path):
        if columns[2] == b"gene":
            id_of[_gtf_attribute(columns[8], b"gene_id").decode()] = _gtf_gene(path, number, columns).gene_id
        if columns[2] not in _EXTENT_FEATURES:
            continue
        transcript = _gtf_attribute(columns[8], b"transcript_id")
        if transcript in (b"", last):
            continue
        last = transcript
        gene = _gtf_attribute(columns[8], b"gene_id")
        if gene:
            gene_of.setdefault(strip_version(transcript.decode()), gene.decode())
    return {transcript: id_of.get(gene) or strip_version(gene) for transcript, gene in gene_of.items()}


def _gff3_transcripts(path: Path) -> dict[str, str]:
    genes: dict[str, str] = {}
    children: dict[str, str] = {}
    for _, columns in _features(path):
        if columns[2] in _PARTS:
            continue
        attributes = _gff3_attributes(columns[8])
        own = attributes.get("ID", "")
        if "Parent" in attributes:
            written = attributes.get("transcript_id") or own.removeprefix("transcript:").removeprefix("rna-")
            children.setdefault(strip_version(written), attributes["Parent"])
        elif own:
            genes[own] = strip_version(_gff3_gene_id(attributes)[0])
    return {transcript: genes[parent] for transcript, parent in children.items() if transcript and parent in genes}
