"""Reading the files of samples, several at a time, and joining their genes with the gene tables."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from atac2rna.atlas import SampleData, SampleRecord, SourceFile
from atac2rna.building.reference import GeneReference
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.expression import ExpressionFile, read_expression
from atac2rna.formats.manifest import Entry, Manifest
from atac2rna.formats.peaks import is_track, read_peaks
from atac2rna.peaks import pool_replicates

MIN_JOIN_RATE = 0.1
"""Below this share of known gene ids an expression file speaks of other genes."""

_SYMBOL_SHARE = 0.3


@dataclass(frozen=True)
class GeneJoin:
    """How the gene ids of an expression file meet the gene tables.

    Attributes:
        path: The file.
        ids: Gene ids of the file.
        joined: Those that are in a gene table.
        named: Those that are a symbol in a gene table.
        table: Genes of the gene tables.
    """

    path: Path
    ids: int
    joined: int
    named: int
    table: int

    @property
    def rate(self) -> float:
        """Share of the file's ids that are known."""
        return self.joined / max(self.ids, 1)

    @property
    def symbols(self) -> bool:
        """Whether the ids look like gene symbols."""
        return self.named > self.joined and self.named >= _SYMBOL_SHARE * self.ids

    @property
    def failed(self) -> bool:
        """Whether the file speaks of other genes.

        A file of 60,000 genes meets a table of 360 with few of its ids, and a file of a few genes fills little of a
        large table; only where both shares are low is it another set of genes.
        """
        return max(self.joined / max(self.ids, 1), self.joined / max(self.table, 1)) < MIN_JOIN_RATE


class ReadSample(NamedTuple):
    """A sample as read, and how the genes of each of its expression files were joined."""

    data: SampleData
    joins: tuple[GeneJoin, ...]


class SampleReader:
    """Reads samples; a table that holds several of them (a matrix) is read once."""

    def __init__(
        self, reference: GeneReference, *, gene_column: str | None = None, value_column: str | None = None
    ) -> None:
        """Take what all samples have in common.

        Args:
            reference: Gene tables to join with.
            gene_column: Column of gene ids in the expression files; None: recognised.
            value_column: Column of expression; None: recognised.
        """
        self._reference = reference
        self._gene_column = gene_column
        self._value_column = value_column
        self._transcripts = reference.transcripts
        self._matrices: dict[Path, tuple[ExpressionFile, str]] = {}
        self._locks: dict[Path, Lock] = {}

    def read(self, entry: Entry) -> ReadSample:
        """Read the files of one sample.

        Returns:
            Replicates pooled: overlapping peaks merged, TPM averaged over the replicates (a gene missing in one is
            missing). Genes that no gene table knows are left out.

        Raises:
            InputError: If a file does not hold what it should.
        """
        files = [read_peaks(path) for path in entry.atac]
        rna, sums = zip(*[self._expression(path) for path in entry.rna], strict=True) if entry.rna else ((), ())
        namings = {file.naming for file in files}
        is_track([file.layout for file in files], entry.sample)
        joins = tuple(self._join(file) for file in rna)
        record = SampleRecord(
            name=entry.sample,
            assembly=entry.assembly,
            columns=entry.columns,
            atac=tuple(SourceFile(str(path), checksum(path)) for path in entry.atac),
            rna=tuple(SourceFile(str(path), sha256) for path, sha256 in zip(entry.rna, sums, strict=True)),
            peak_layout=files[0].layout,
            peak_naming=namings.pop() if len(namings) == 1 else "mixed",
            rna_dialect=rna[0].dialect if rna else "",
            rna_sum=float(np.mean([file.column(entry.sample).sum() for file in rna])) if rna else float("nan"),
            join_rate=min((join.rate for join in joins), default=float("nan")),
            symbols=any(join.symbols for join in joins),
        )
        peaks = pool_replicates([file.peaks for file in files])
        return ReadSample(SampleData(record, peaks, self._mean_tpm(entry.sample, rna)), joins)

    def _expression(self, path: Path) -> tuple[ExpressionFile, str]:
        """Read an expression file and its checksum."""
        with self._locks.setdefault(path, Lock()):
            if path in self._matrices:
                return self._matrices[path]
            file = read_expression(
                path,
                gene_column=self._gene_column,
                value_column=self._value_column,
                transcripts=self._transcripts,
            )
            found = file, checksum(path)
            if file.samples:
                self._matrices[path] = found
            return found

    def _join(self, file: ExpressionFile) -> GeneJoin:
        known, names = self._reference.known_ids, self._reference.known_names
        return GeneJoin(
            path=file.path,
            ids=len(file.gene_ids),
            joined=sum(gene in known for gene in file.gene_ids),
            named=sum(gene in names for gene in file.gene_ids),
            table=len(known),
        )

    def _mean_tpm(self, sample: str, files: Sequence[ExpressionFile]) -> dict[str, float] | None:
        """Mean TPM over the replicates of the known genes that all of them have; None without RNA."""
        if not files:
            return None
        known = self._reference.known_ids
        first, *others = (
            {
                gene: value
                for gene, value in zip(file.gene_ids, file.column(sample).tolist(), strict=True)
                if gene in known
            }
            for file in files
        )
        if not others:
            return first
        shared = [gene for gene in first if all(gene in other for other in others)]
        return {gene: (first[gene] + sum(other[gene] for other in others)) / len(files) for gene in shared}


def refuse_unjoined(joins: Sequence[GeneJoin], entry: Entry, manifest: Manifest) -> None:
    """Refuse a sample one of whose expression files speaks of other genes than the gene tables.

    Raises:
        InputError: With the line of the manifest; a missing gene never becomes a zero.
    """
    for join in joins:
        if join.failed:
            advice = (
                "They look like gene symbols; pass --gene-column with the column of ids, or an --annotation whose ids "
                "are symbols; beside a trained model (--with) give the ids of the model, Ensembl's."
                if join.symbols
                else "Pass --gene-column with the column of ids, or the --annotation that the genes were quantified with."
            )
            raise InputError(
                f"{manifest.path} line {entry.line}: gene ids of {join.path} match {join.joined:,} of {join.table:,} genes "
                f"of the gene table ({join.joined / max(join.table, 1):.1%}; {join.rate:.1%} of its own {join.ids:,}). "
                f"{advice}"
            )


def read_sample(
    entry: Entry,
    reference: GeneReference,
    *,
    gene_column: str | None = None,
    value_column: str | None = None,
) -> SampleData:
    """Read the files of one sample, whatever their join rate; the arguments are those of `SampleReader`."""
    return SampleReader(reference, gene_column=gene_column, value_column=value_column).read(entry).data


def read_samples(
    manifest: Manifest,
    reader: SampleReader,
    *,
    workers: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Generator[SampleData]:
    """Read the samples of a manifest in its order, a few ahead of the one that is asked for.

    Args:
        manifest: The samples.
        reader: What reads one.
        workers: Samples read at a time.
        progress: Told of every sample read.

    Raises:
        InputError: If a file does not hold what it should, or speaks of other genes; no further one is then begun.
    """
    entries = manifest.entries
    with ThreadPoolExecutor(workers) as pool:
        try:
            ahead = deque(pool.submit(reader.read, entry) for entry in entries[: 2 * workers])
            for i, entry in enumerate(entries):
                sample = ahead.popleft().result()
                if i + 2 * workers < len(entries):
                    ahead.append(pool.submit(reader.read, entries[i + 2 * workers]))
                refuse_unjoined(sample.joins, entry, manifest)
                progress(f"read {entry.sample}")
                yield sample.data
                del sample  # or it would be held while the next one is waited for
        finally:
            pool.shutdown(cancel_futures=True)
