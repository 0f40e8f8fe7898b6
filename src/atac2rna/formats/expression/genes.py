"""From the rows of a table to genes: ids without version, transcripts summed, each gene once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.expression.dialect import Layout
from atac2rna.formats.table import Table

_ENSEMBL = r"^ENS[A-Z]*[GT]\d"
_TRANSCRIPT = r"^(?:ENS[A-Z]*T\d|[NX][MR]_\d)"
_VERSION = r"^ENS[A-Z]*[GT]R?\d+\.\d"
_COPY = r"^[^|]*_PAR_Y(?:\||$)|^ENS[A-Z]*[GT]R\d"
_SPIKE_IN = r"^(?:[gt]Spikein_|ERCC-\d{5}|phiX)"
_READ_TOTAL = r"^(?:__\w+|N_(?:unmapped|multimapping|noFeature|ambiguous))$"
# Names that several genes share (Y_RNA) are few; more repeats mean that the table is not one row a gene.
_SHARED_NAMES = 0.05


@dataclass(frozen=True)
class GeneRows:
    """The rows of a table that are genes, or transcripts of genes.

    Attributes:
        at: Position of each row, ascending, shape (rows,).
        gene: Its gene, without version; several rows of one gene are to be added.
        transcripts: Whether the rows are transcripts.
        merged: Rows that repeat the gene (in a table of transcripts: the transcript) of another row.
        versioned: Whether an id carries a version.
        dropped: How many rows were left out, by reason.
    """

    at: NDArray[np.intp]
    gene: pl.Series
    transcripts: bool
    merged: int
    versioned: bool
    dropped: dict[str, int]


def plain(ids: pl.Expr) -> pl.Expr:
    """Strip versions as `genome.strip_version` does, of transcripts too, and the prefix that Ensembl's GFF3 has."""
    bare = (
        ids.str.replace(r"^(?:gene|transcript):", "")
        .str.replace(r"_PAR_Y$", "")
        .str.replace(r"^(ENS[A-Z]*[GT])R(\d)", "${1}0${2}")
    )
    return pl.when(bare.str.starts_with("ENS")).then(bare.str.replace(r"\..*$", "")).otherwise(bare)


def plain_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Strip versions and copies as `plain` does."""
    return tuple(pl.DataFrame({"id": ids}, schema={"id": pl.String}).select(plain(pl.col("id"))).to_series().to_list())


def is_read_total(ids: pl.Series) -> NDArray[np.bool_]:
    """Tell which rows are the totals of reads that STAR and HTSeq write among the genes (`N_unmapped`)."""
    return np.asarray(ids.str.contains(_READ_TOTAL).to_numpy())


def find_genes(
    table: Table,
    layout: Layout,
    frame: pl.DataFrame,
    values: NDArray[np.float64],
    lines: NDArray[np.intp],
    transcripts: Mapping[str, str] | None,
) -> GeneRows:
    """Find the gene of each row and leave out what is none.

    A row of the same id and the same values as an earlier one is left out and counted. Any other row that repeats an
    Ensembl id is refused, except the copy on Y of a pseudoautosomal gene and the loci into which StringTie splits a
    gene: those are to be added. A name that is no Ensembl id and stands in several rows (Y_RNA) is left out with its
    count, since nobody knows which gene is meant.

    Args:
        table: Where the rows come from, for errors.
        layout: Which columns are what.
        frame: Columns as strings.
        values: TPM, shape (rows, samples).
        lines: Row of `table` for each row of `frame`, shape (rows,).
        transcripts: Gene of each transcript, both without version; None: unknown.

    Raises:
        InputError: If an id is empty or repeated, or the rows are transcripts whose genes are unknown.
    """
    named = pl.lit(None, dtype=pl.String) if layout.genes is None else pl.col(str(layout.genes)).str.strip_chars()
    work = frame.select(id=pl.col(str(layout.ids)).str.strip_chars(), named=named).with_row_index("at")
    empty = work.filter(pl.col("id") == "")["at"]
    if empty.len():
        raise InputError(
            f"{table.path} line {table.line_of(int(lines[empty[0]]))}: every row names its gene; the column "
            f"{table.label(layout.ids)} is empty ({empty.len():,} of {work.height:,} rows). Remove such rows."
        )
    work = work.with_columns(
        key=plain(pl.coalesce(pl.col("id").str.extract(r"^(ENS[^|]*)\|"), pl.col("id"))),
        copy=pl.col("id").str.contains(_COPY),
    )
    isoforms = layout.isoforms or _are_transcripts(work["key"], transcripts)
    gene = pl.coalesce(plain(pl.col("named")), plain(pl.col("id").str.extract(r"^[^|]+\|([^|]+)")))
    work = work.with_columns(gene=gene if isoforms else pl.col("key"), why=_reason(work, isoforms))
    if isoforms:
        work = _map_transcripts(table, work, transcripts)
    dropped = Counter(work["why"].drop_nulls().to_list())
    kept = work.filter(pl.col("why").is_null())
    if kept.height == 0:
        raise InputError(f"{table.path}: no row is a gene; got {_phrase(dropped)}.")
    if layout.dialect != "stringtie":
        kept = _refuse_repeats(table, kept, values, lines, dropped)
    return GeneRows(
        at=kept["at"].to_numpy().astype(np.intp),
        gene=kept["gene"],
        transcripts=isoforms,
        merged=kept.height - kept["key"].n_unique(),
        versioned=bool(kept["id"].str.contains(_VERSION).any()),
        dropped=dict(dropped),
    )


def _are_transcripts(keys: pl.Series, transcripts: Mapping[str, str] | None) -> bool:
    """Tell whether most ids are transcripts: by their form, or because the annotation knows them as such."""
    half = keys.len() / 2
    if keys.str.contains(_TRANSCRIPT).sum() > half:
        return True
    if not transcripts or keys.str.contains(_ENSEMBL).sum() > half:
        return False
    return sum(key in transcripts for key in keys) > half


def _reason(work: pl.DataFrame, isoforms: bool) -> pl.Expr:
    """Why a row is left out, null where it stays; integers are tRNA genes of ENCODE only beside Ensembl ids."""
    ensembl = bool(work["key"].str.contains(_ENSEMBL).any())
    return (
        pl.when(pl.col("id").str.contains(_SPIKE_IN))
        .then(pl.lit("spike-in"))
        .when(pl.col("id").str.contains(r"^\d+$") & pl.lit(ensembl))
        .then(pl.lit("tRNA"))
        .when(pl.col("key").str.contains(_TRANSCRIPT) & pl.lit(not isoforms))
        .then(pl.lit("transcript"))
    )


def _map_transcripts(table: Table, work: pl.DataFrame, transcripts: Mapping[str, str] | None) -> pl.DataFrame:
    """Complete the genes of transcripts from the annotation; without a gene a transcript is left out and counted."""
    if transcripts is not None:
        known = pl.Series("known", [transcripts.get(key) for key in work["key"]], dtype=pl.String)
        work = work.with_columns(gene=pl.coalesce("gene", known))
    orphan = pl.col("why").is_null() & (pl.col("gene").is_null() | (pl.col("gene") == ""))
    orphans = work.filter(orphan)
    candidates = int(work["why"].is_null().sum())
    if orphans.height and transcripts is None:
        raise InputError(
            f"{table.path}: the rows are transcripts (the first without a gene is {orphans['id'][0]}), and nothing "
            "tells their genes. Pass the annotation that they were quantified with, a GTF or GFF3 file."
        )
    if 2 * orphans.height > candidates:
        raise InputError(
            f"{table.path}: the annotation knows the genes of {candidates - orphans.height:,} of {candidates:,} "
            f"transcripts, not of {orphans['id'][0]}. Pass the annotation that they were quantified with."
        )
    lost = pl.lit("transcript of no known gene")
    return work.with_columns(why=pl.when(orphan).then(lost).otherwise("why"))


def _refuse_repeats(
    table: Table,
    kept: pl.DataFrame,
    values: NDArray[np.float64],
    lines: NDArray[np.intp],
    dropped: Counter[str],
) -> pl.DataFrame:
    """Leave out rows that repeat an earlier row whole, and names that several genes share; count them in `dropped`."""
    one_gene = ("key", "copy")
    if not kept.select(pl.struct(one_gene).is_duplicated().any()).item():
        return kept
    kept = kept.with_columns(first=pl.col("at").first().over(one_gene), first_id=pl.col("id").first().over(one_gene))
    at, first = kept["at"].to_numpy(), kept["first"].to_numpy()
    later = at != first
    again = later & (kept["id"] == kept["first_id"]).to_numpy()
    again[again] = (values[at[again]] == values[first[again]]).all(axis=1)
    dropped.update({"repeated row": int(again.sum())} if again.any() else {})
    other = kept.filter(pl.Series(later & ~again))
    bad = other.filter(pl.col("key").str.contains(_ENSEMBL))
    shared = kept.filter(~pl.Series(again) & pl.col("key").is_in(other["key"].to_list()))
    if bad.height or shared.height > _SHARED_NAMES * kept.height:
        bad = bad if bad.height else other
        here, before = (table.line_of(int(lines[bad[column][0]])) for column in ("at", "first"))
        raise InputError(
            f"{table.path} line {here}: a gene has one row; {bad['id'][0]} repeats {bad['first_id'][0]} of line "
            f"{before} with other values ({bad.height:,} of {kept.height:,} rows repeat a gene). Keep one row a gene."
        )
    dropped.update({"name of several genes": shared.height} if shared.height else {})
    return kept.filter(~pl.Series(again) & ~pl.col("key").is_in(shared["key"].to_list()))


def _phrase(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} x {reason}" for reason, count in dropped.items())
