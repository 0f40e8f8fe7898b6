"""Which program wrote an expression table, and which of its columns count."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from atac2rna.errors import InputError, nearest_names
from atac2rna.formats.table import Table, bam_names

Dialect = Literal[
    "rsem",  # genes.results
    "rsem-isoforms",  # isoforms.results, summed by its gene_id column
    "salmon-genes",  # quant.genes.sf
    "salmon-transcripts",  # quant.sf
    "kallisto",  # abundance.tsv
    "stringtie",  # gene abundance table of stringtie -A
    "featurecounts",  # counts and lengths
    "gct",  # GCT 1.2, as GTEx ships it
    "table",  # a header, a gene id column and one column of TPM, FPKM, or counts beside lengths
    "two-column",  # gene id and value, with or without a header
    "matrix",  # genes x samples
]
Unit = Literal["tpm", "fpkm", "counts"]

_SIGNATURES: dict[Dialect, set[str]] = {
    "rsem": {"gene_id", "transcript_id(s)", "length", "expected_count", "tpm", "fpkm"},
    "rsem-isoforms": {"transcript_id", "gene_id", "length", "expected_count", "tpm", "fpkm"},
    "salmon-genes": {"name", "length", "effectivelength", "tpm", "numreads"},
    "kallisto": {"target_id", "length", "eff_length", "est_counts", "tpm"},
    "stringtie": {"gene_id", "gene_name", "reference", "strand", "start", "end", "coverage", "fpkm", "tpm"},
}
_FEATURECOUNTS = ("geneid", "chr", "start", "end", "strand", "length")
_GENE_IDS = (
    "gene_id",
    "geneid",
    "gene_ids",
    "ensembl_gene_id",
    "ensembl_id",
    "ensembl",
    "ensgene",
    "ensg",
    "gene_stable_id",
    "feature_id",
    "name",
    "id",
    "gene",
    "gene_name",
    "genename",
    "gene_symbol",
    "symbol",
    "hgnc_symbol",
)
_TRANSCRIPT_IDS = ("transcript_id", "target_id", "t_name", "tx_id", "ensembl_transcript_id")
_TPM = ("tpm", "tpm_unstranded", "tpm_value", "gene_tpm", "transcripts_per_million", "pme_tpm")
_FPKM = ("fpkm", "rpkm", "fpkm_unstranded", "pme_fpkm")
_COUNTS = ("expected_count", "est_counts", "numreads", "num_reads", "raw_count", "read_count", "count", "counts")
_LENGTHS = ("length", "gene_length", "exon_length")
_NOT_SAMPLES = {
    *_GENE_IDS,
    *_TRANSCRIPT_IDS,
    *_LENGTHS,
    *("transcript_id(s)", "description", "gene_type", "gene_biotype", "biotype", "chr", "chrom", "chromosome"),
    *("seqname", "seqnames", "reference", "start", "end", "width", "strand", "effective_length", "eff_length"),
    *("effectivelength", "entrez", "entrezid", "entrez_id", "entrezgene", "hgnc_id", "version", "gene_version"),
}
_LOGARITHM = re.compile(r"(?:^|_)log(?:2|10|e|1p)?(?:_|\(|$)")
_ENSEMBL_GENE = r"^(?:gene:)?ENS[A-Z]*GR?\d"


@dataclass(frozen=True)
class Layout:
    """Where the ids and the values of a table stand.

    Attributes:
        dialect: The kind of table; `salmon-genes` also for a quant.sf, which only its ids tell apart.
        ids: Column whose ids name the rows.
        genes: Column of the gene that a row, then a transcript, belongs to; None where the rows are genes, or where
            the gene must be found from the id.
        values: Columns of values.
        samples: Their names in a table of several samples, else ().
        unit: What the values are.
        length: Column of gene lengths, None unless `unit` is counts, or may turn out to be (a matrix beside lengths).
        declared: Whether the file or the user named the unit; if not, values that look like counts are refused.
        isoforms: Whether the header says that rows are transcripts.
    """

    dialect: Dialect
    ids: int
    values: tuple[int, ...]
    samples: tuple[str, ...] = ()
    genes: int | None = None
    unit: Unit = "tpm"
    length: int | None = None
    declared: bool = False
    isoforms: bool = False


def recognise(table: Table, *, gene_column: str | None, value_column: str | None, matrix: bool = False) -> Layout:
    """Recognise a table by its header and first rows, never by the name of its file.

    Args:
        table: The table.
        gene_column: Header of the column of gene ids; None: recognised.
        value_column: Header of the column of values, which makes any table one of a single sample; None: recognised.
        matrix: Whether it has to be a table of several samples.

    Raises:
        InputError: If a column asked for does not exist, ids or values cannot be told, or a table of several samples
            has one.
    """
    layout = _recognised(table, gene_column, value_column, matrix)
    if matrix and not layout.samples:
        raise InputError(
            f"{table.path}: a matrix of expression has a column for each of several samples; got one column of values, "
            f"{table.label(layout.values[0])}. Name a single sample in a samples.tsv."
        )
    return layout


def _recognised(table: Table, gene_column: str | None, value_column: str | None, matrix: bool) -> Layout:
    if table.header is None:
        return _headerless(table, gene_column, value_column)
    names = [re.sub(r"[ .\-]+", "_", name.lower()) for name in table.header]
    if tuple(names[:6]) == _FEATURECOUNTS:
        return _featurecounts(table, gene_column, value_column)
    if value_column is None and table.dims is not None:
        return _gct(table, names, gene_column)
    value = _value_column(table, names, value_column, matrix)
    if value is None:
        return _matrix(table, names, gene_column, matrix)
    column, unit = value
    gene = _gene_column(table, names, gene_column, other_than=column)
    isoform = next((names.index(name) for name in _TRANSCRIPT_IDS if name in names), None)
    ids = gene if isoform is None else isoform
    if ids is None:
        raise InputError(_no_gene_ids(table))
    two = len(_named_columns(table)) == 2
    dialect: Dialect = "gct" if table.dims is not None else "two-column" if two else "table"
    return Layout(
        next((known for known, signature in _SIGNATURES.items() if signature <= set(names)), dialect),
        ids,
        (column,),
        genes=gene if gene != ids else None,
        unit=unit,
        length=next(names.index(name) for name in _LENGTHS if name in names) if unit == "counts" else None,
        declared=value_column is not None or unit != "tpm" or names[column] in _TPM,
        isoforms=isoform is not None and isoform != gene,
    )


def column_named(table: Table, name: str, option: str) -> int:
    """Position of the column that the user names: as it is written, or else whatever its case.

    Raises:
        InputError: If there is none.
    """
    header = table.header or ()
    if name in header:
        return header.index(name)
    folded = [known.lower() for known in header]
    if folded.count(name.lower()) == 1:
        return folded.index(name.lower())
    raise InputError(
        f"{table.path}: {option} names a column of the table; got {name!r}; {nearest_names(name, [*header])}"
    )


def _headerless(table: Table, gene_column: str | None, value_column: str | None) -> Layout:
    asked = gene_column if gene_column is not None else value_column
    if asked is not None:
        option = "--gene-column" if gene_column is not None else "--value-column"
        raise InputError(f"{table.path}: {option} {asked!r} needs a header line; the first line of the table is data.")
    if table.width != 2:
        raise InputError(
            f"{table.path}: a table without a header has two columns, gene id and TPM; got {table.width}. "
            "Add a line with the names of the columns (gene_id, TPM); counts of STAR lack lengths and cannot be used."
        )
    if table.read([0])["0"].cast(pl.Float64, strict=False).null_count() == 0:
        raise InputError(
            f"{table.path}: a table without a header has gene ids in its first column; all of that column are "
            "numbers. If they are ids (Entrez), add a line with the names of the columns (gene_id, TPM)."
        )
    return Layout("two-column", 0, (1,))


def _featurecounts(table: Table, gene_column: str | None, value_column: str | None) -> Layout:
    """Counts stand after the lengths and after the attributes that --extraAttributes adds, which are text."""
    columns = table.numeric_columns(_named_columns(table, 6))
    if not columns:
        raise InputError(f"{table.path}: featureCounts writes counts after the column Length; got no such column.")
    samples = bam_names([table.label(column) for column in columns])
    if value_column is not None:
        named = samples.index(value_column) if value_column in samples else None
        columns = [column_named(table, value_column, "--value-column") if named is None else columns[named]]
    ids = 0 if gene_column is None else column_named(table, gene_column, "--gene-column")
    return Layout(
        "featurecounts",
        ids,
        tuple(columns),
        samples=samples if len(columns) > 1 else (),
        unit="counts",
        length=5,
        declared=True,
    )


def _gct(table: Table, names: Sequence[str], gene_column: str | None) -> Layout:
    if "name" not in names or "description" not in names:
        raise InputError(
            f"{table.path} line {table.first_line - 1}: the header of a GCT file names the columns Name and "
            f"Description; got {_seen(table)}."
        )
    values = tuple(_named_columns(table, names.index("description") + 1))
    if table.dims != (table.rows, len(values)):
        announced = table.dims or (0, 0)
        raise InputError(
            f"{table.path}: a GCT file holds the rows and samples that its second line announces, {announced[0]} and "
            f"{announced[1]}; got {table.rows} and {len(values)} (a cut download?)."
        )
    ids = names.index("name") if gene_column is None else column_named(table, gene_column, "--gene-column")
    return Layout("gct", ids, values, samples=_sample_names(table, values))


def _matrix(table: Table, names: Sequence[str], gene_column: str | None, matrix: bool) -> Layout:
    """All columns that hold numbers and do not describe the gene are samples."""
    ids = _gene_column(table, names, gene_column)
    if ids is None and table.numeric_columns([0]):
        raise InputError(_no_gene_ids(table))
    ids = 0 if ids is None else ids
    columns = _named_columns(table)
    rest = [i for i in columns if i != ids and names[i] not in _NOT_SAMPLES]
    values = tuple(table.numeric_columns(rest))
    if not values:
        raise InputError(
            f"{table.path}: a gene expression table has a column of values; got the columns {_seen(table)}. "
            + ("Separate decimals by points." if matrix else "Name one with --value-column.")
        )
    for column in values:
        if _LOGARITHM.search(names[column]):
            raise InputError(_logarithms(table, column))
    if len(columns) == 2:
        return Layout("two-column", ids, values)
    length = next((names.index(name) for name in _LENGTHS if name in names), None)
    return Layout("matrix", ids, values, samples=_sample_names(table, values), length=length)


def _named_columns(table: Table, first: int = 0) -> list[int]:
    """The columns from `first` on, without those that have neither name nor values."""
    return [column for column in range(first, table.width) if column not in table.blank_columns]


def _sample_names(table: Table, values: Sequence[int]) -> tuple[str, ...]:
    samples = [(table.header or ())[column] for column in values]
    for position, sample in enumerate(samples):
        if not sample or sample in samples[:position]:
            raise InputError(
                f"{table.path} line {table.first_line - 1}: every column of samples has a name of its own; "
                f"got {sample!r} for column {values[position] + 1}. Rename it."
            )
    return tuple(samples)


def _value_column(
    table: Table, names: Sequence[str], value_column: str | None, matrix: bool
) -> tuple[int, Unit] | None:
    """The one column of values and its unit: TPM before FPKM before counts; None where no name says so."""
    if value_column is not None:
        column = column_named(table, value_column, "--value-column")
        if _LOGARITHM.search(names[column]):
            raise InputError(_logarithms(table, column))
        unit: Unit = "counts" if names[column] in _COUNTS else "tpm"
        unit = "fpkm" if "fpkm" in names[column] or "rpkm" in names[column] else unit
    else:
        found = next((name for name in (*_TPM, *_FPKM, *_COUNTS) if name in names), None)
        if found is None:
            return None
        if names.count(found) > 1:
            raise InputError(
                f"{table.path}: one column holds the values; got {names.count(found)} named {found} in any case. "
                + ("Name columns by their samples." if matrix else "Name one with --value-column.")
            )
        column = names.index(found)
        unit = "tpm" if found in _TPM else "fpkm" if found in _FPKM else "counts"
    if unit == "counts" and not any(name in names for name in _LENGTHS):
        raise InputError(
            f"{table.path}: read counts need the lengths of the genes to become TPM; got the counts "
            f"{table.label(column)} and no column Length. Give TPM, or the table that featureCounts writes."
        )
    return column, unit


def _gene_column(
    table: Table, names: Sequence[str], gene_column: str | None, *, other_than: int | None = None
) -> int | None:
    """The column of gene ids: the one asked for, else the known name that holds Ensembl ids, else a known name."""
    if gene_column is not None:
        return column_named(table, gene_column, "--gene-column")
    known = [names.index(name) for name in _GENE_IDS if name in names]
    candidates = [column for column in dict.fromkeys((*known, 0)) if column != other_than] or [1]
    top = table.read(candidates, rows=1000)
    for column in candidates:
        ensembl = top[str(column)].str.contains(_ENSEMBL_GENE).sum()
        if 2 * ensembl > top.height:
            return column
    if known:
        return known[0]
    if table.width == 2 and other_than is not None and not table.numeric_columns(candidates):
        return 1 - other_than
    return None


def _seen(table: Table) -> str:
    header = table.header or ()
    return ", ".join(name or "''" for name in header[:12]) + (", ..." if len(header) > 12 else "")


def _no_gene_ids(table: Table) -> str:
    return (
        f"{table.path}: no column of gene ids is recognised among the columns {_seen(table)}. "
        "Name it with --gene-column."
    )


def _logarithms(table: Table, column: int) -> str:
    return f"{table.path}: values are TPM, not logarithms; got the column {table.label(column)}. Give plain TPM."
