"""Reading the files of the samples of a samples.tsv, several at a time."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from atac2rna.atlas import SampleData, SampleRecord, SourceFile
from atac2rna.building.genes import GeneJoin, column_checksum, join_genes, known_tpm, refuse_unjoined
from atac2rna.building.reference import GeneReference
from atac2rna.files import checksum
from atac2rna.formats.expression import ExpressionFile, read_expression
from atac2rna.formats.manifest import Entry, Manifest
from atac2rna.formats.peaks import is_track, read_peaks
from atac2rna.peaks import pool_replicates


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
        joins = tuple(join_genes(file.path, file.gene_ids, self._reference) for file in rna)
        record = SampleRecord(
            name=entry.sample,
            assembly=entry.assembly,
            columns=entry.columns,
            atac=tuple(SourceFile(str(path), checksum(path)) for path in entry.atac),
            rna=tuple(
                SourceFile(
                    str(file.path),
                    column_checksum(file.gene_ids, file.column(entry.sample)) if file.samples else sha256,
                )
                for file, sha256 in zip(rna, sums, strict=True)
            ),
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

    def _mean_tpm(self, sample: str, files: Sequence[ExpressionFile]) -> dict[str, float] | None:
        """Mean TPM over the replicates of the known genes that all of them have; None without RNA."""
        if not files:
            return None
        first, *others = (known_tpm(file.gene_ids, file.column(sample), self._reference) for file in files)
        if not others:
            return first
        shared = [gene for gene in first if all(gene in other for other in others)]
        return {gene: (first[gene] + sum(other[gene] for other in others)) / len(files) for gene in shared}


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
                refuse_unjoined(sample.joins, where=f"{manifest.path} line {entry.line}")
                progress(f"read {entry.sample}")
                yield sample.data
                del sample  # or it would be held while the next one is waited for
        finally:
            pool.shutdown(cancel_futures=True)
