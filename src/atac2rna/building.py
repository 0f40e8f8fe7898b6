"""From samples.tsv to an atlas: read every file once, join genes, write blocks of samples."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atac2rna import __version__
from atac2rna.annotations import cached_annotation
from atac2rna.atlas import (
    Atlas,
    GeneSelection,
    SampleData,
    SampleRecord,
    SourceFile,
    add_to_atlas,
    write_atlas,
)
from atac2rna.errors import InputError
from atac2rna.files import checksum, whole_folder
from atac2rna.formats.annotation import annotation_kind, read_annotation, read_transcripts
from atac2rna.formats.expression import ExpressionFile, read_expression
from atac2rna.formats.manifest import Entry, Manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import GeneTable
from atac2rna.peaks import pool_replicates

WriteMode = Literal["new", "overwrite", "add"]
"""What an atlas that is already there means: an error, to be replaced, to be added to."""

MIN_JOIN_RATE = 0.1
"""Below this share of known gene ids an expression file is refused: it speaks of other genes."""

_SYMBOL_SHARE = 0.3


class GeneReference:
    """The gene tables that samples are joined against.

    Attributes:
        tables: Gene table of each assembly.
        files: Annotation file of each, for provenance and transcripts.
    """

    def __init__(self, tables: Mapping[str, GeneTable], files: Mapping[str, Path]) -> None:
        """Take the tables and the files that they were read from."""
        self.tables = dict(tables)
        self.files = dict(files)

    @cached_property
    def known_ids(self) -> frozenset[str]:
        """Gene ids of all tables."""
        return frozenset(gene for table in self.tables.values() for gene in table.gene_ids)

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Gene names (symbols) of all tables."""
        names = (name for table in self.tables.values() for name in table.frame["gene_name"].to_list())
        return frozenset(name for name in names if name)

    @cached_property
    def transcripts(self) -> "TranscriptGenes | None":
        """Gene of each transcript, from the annotations that list transcripts; None if none does."""
        listing = [path for path in self.files.values() if annotation_kind(path) != "list"]
        return TranscriptGenes(listing) if listing else None


class TranscriptGenes(Mapping[str, str]):
    """Gene of each transcript, both without version; the annotations are read when the first one is looked up."""

    def __init__(self, annotations: Sequence[Path]) -> None:
        """Take GTF or GFF3 files."""
        self._annotations = tuple(annotations)

    @cached_property
    def _genes(self) -> dict[str, str]:
        return {key: gene for path in self._annotations for key, gene in read_transcripts(path).items()}

    def __bool__(self) -> bool:
        """Tell that there are transcripts, without reading them."""
        return True

    def __getitem__(self, transcript: str) -> str:
        """Give the gene of a transcript."""
        return self._genes[transcript]

    def __iter__(self) -> Iterator[str]:
        """Give the transcripts in file order."""
        return iter(self._genes)

    def __len__(self) -> int:
        """Give the number of transcripts."""
        return len(self._genes)


def read_reference(assemblies: Iterable[str], annotations: Mapping[str, Path]) -> GeneReference:
    """Read the gene table of every assembly needed, and of every other one given.

    Args:
        assemblies: Assemblies of the samples.
        annotations: Annotation file by canonical assembly.

    Raises:
        InputError: If an assembly has no annotation, neither given nor cached.
    """
    files = dict(annotations)
    for assembly in dict.fromkeys(assemblies):
        cached = cached_annotation(assembly)
        if assembly not in files and cached is not None:
            files[assembly] = cached
    missing = [assembly for assembly in dict.fromkeys(assemblies) if assembly not in files]
    if missing:
        raise InputError(
            f"every assembly of the samples has a gene table; there is none for {', '.join(missing)}. "
            f"Pass --annotation {missing[0]}=FILE with a GTF, GFF3, BioMart export or gene table of it."
        )
    return GeneReference({name: read_annotation(path, assembly=name) for name, path in files.items()}, files)


def read_sample(
    entry: Entry,
    reference: GeneReference,
    *,
    gene_column: str | None = None,
    value_column: str | None = None,
) -> SampleData:
    """Read the files of one sample.

    Args:
        entry: Its line of the manifest.
        reference: Gene tables to join with.
        gene_column: Column of gene ids in the expression files; None: recognised.
        value_column: Column of expression; None: recognised.

    Returns:
        Replicates pooled: overlapping peaks merged, TPM averaged over the replicates (a gene missing in one is missing).
    """
    files = [read_peaks(path) for path in entry.atac]
    namings = {file.naming for file in files}
    record = SampleRecord(
        name=entry.sample,
        assembly=entry.assembly,
        columns=entry.columns,
        atac=tuple(SourceFile(str(path), checksum(path)) for path in entry.atac),
        rna=tuple(SourceFile(str(path), checksum(path)) for path in entry.rna),
        peak_layout=files[0].layout,
        peak_naming=namings.pop() if len(namings) == 1 else "mixed",
        rna_dialect="",
        rna_sum=float("nan"),
        join_rate=float("nan"),
        symbols=False,
    )
    peaks = pool_replicates([file.peaks for file in files])
    if not entry.rna:
        return SampleData(record, peaks, None)
    rna = [
        read_expression(path, gene_column=gene_column, value_column=value_column, transcripts=reference.transcripts)
        for path in entry.rna
    ]
    ids = [gene for file in rna for gene in file.gene_ids]
    joined = sum(gene in reference.known_ids for gene in ids) / max(len(ids), 1)
    named = sum(gene in reference.known_names for gene in ids) / max(len(ids), 1)
    replicates = [file.column(entry.sample) for file in rna]
    about_rna: dict[str, Any] = {
        "rna_dialect": rna[0].dialect,
        "rna_sum": float(np.mean([values.sum() for values in replicates])),
        "join_rate": joined,
        "symbols": named >= _SYMBOL_SHARE and named > joined,
    }
    return SampleData(replace(record, **about_rna), peaks, _average(rna, replicates, reference.known_ids))


def _average(
    files: Sequence[ExpressionFile], replicates: Sequence[NDArray[np.float64]], known: frozenset[str]
) -> dict[str, float]:
    """Mean TPM over the replicates of the known genes that all of them have."""
    tables = [
        {gene: value for gene, value in zip(file.gene_ids, values.tolist(), strict=True) if gene in known}
        for file, values in zip(files, replicates, strict=True)
    ]
    shared = [gene for gene in tables[0] if all(gene in table for table in tables[1:])]
    return {gene: sum(table[gene] for table in tables) / len(tables) for gene in shared}


def refuse_unjoined(sample: SampleData, entry: Entry, manifest: Manifest) -> None:
    """Refuse a sample whose expression speaks of other genes than the gene tables.

    Raises:
        InputError: If less than `MIN_JOIN_RATE` of its gene ids are known; a missing gene never becomes a zero.
    """
    rate = sample.record.join_rate
    if not rate < MIN_JOIN_RATE:
        return
    hint = (
        "They look like gene symbols; name the column of ids by"
        if sample.record.symbols
        else "Name the column of ids by"
    )
    raise InputError(
        f"{manifest.path} line {entry.line}: at least {MIN_JOIN_RATE:.0%} of the gene ids of an expression file are in the "
        f"gene tables; got {rate:.1%} of those of {entry.rna[0]}. {hint} --gene-column, or pass an --annotation with these ids."
    )


@dataclass(frozen=True)
class BuildSettings:
    """How an atlas is built.

    Attributes:
        selection: Biotypes and gene set.
        gene_column: Column of gene ids in expression files; None: recognised.
        value_column: Column of expression in them; None: recognised.
        workers: Files read at a time.
    """

    selection: GeneSelection = field(default_factory=GeneSelection)
    gene_column: str | None = None
    value_column: str | None = None
    workers: int = 2


def read_samples(
    manifest: Manifest,
    reference: GeneReference,
    settings: BuildSettings,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[SampleData]:
    """Read the samples of a manifest in its order, several at a time, a few ahead of the one that is asked for."""

    def read(entry: Entry) -> SampleData:
        return read_sample(entry, reference, gene_column=settings.gene_column, value_column=settings.value_column)

    entries = manifest.entries
    with ThreadPoolExecutor(settings.workers) as pool:
        try:
            ahead = [pool.submit(read, entry) for entry in entries[: 2 * settings.workers]]
            for i, entry in enumerate(entries):
                sample = ahead.pop(0).result()
                following = i + 2 * settings.workers
                if following < len(entries):
                    ahead.append(pool.submit(read, entries[following]))
                progress(f"read {entry.sample}")
                yield sample
        finally:
            pool.shutdown(cancel_futures=True)


def build_atlas(
    manifest: Manifest,
    path: Path,
    *,
    annotations: Mapping[str, Path],
    settings: BuildSettings | None = None,
    mode: WriteMode = "new",
    progress: Callable[[str], None] = lambda _: None,
) -> Atlas:
    """Build an atlas, or add samples to one.

    Args:
        manifest: The samples.
        path: Folder of the atlas.
        annotations: Annotation file by canonical assembly; assemblies without one are looked for in the cache.
        settings: See `BuildSettings`; its selection is that of the atlas when samples are added.
        mode: See `WriteMode`.
        progress: Told of every sample read.

    Raises:
        InputError: If the atlas exists (`new`) or a name is taken (`add`), a file does not hold what it should, or an
            assembly has no gene table. What was at `path` is then as it was.
    """
    settings = settings or BuildSettings()
    before = _existing(manifest, path, mode)
    held = {} if before is None else before.tables
    needed = [entry.assembly for entry in manifest.entries if entry.assembly not in held]
    reference = read_reference(needed, annotations)
    reference.tables |= held
    samples = _joined(read_samples(manifest, reference, settings, progress=progress), manifest)
    provenance = {
        "version": __version__,
        "manifest": {"path": str(manifest.path), "sha256": checksum(manifest.path)},
        "annotations": {n: {"path": str(f), "sha256": checksum(f)} for n, f in reference.files.items()},
        "samples": [entry.sample for entry in manifest.entries],
        "settings": {"gene_column": settings.gene_column, "value_column": settings.value_column},
    }
    if before is not None:
        return add_to_atlas(path, samples, tables=reference.tables, provenance=provenance)
    with whole_folder(path) as folder:
        write_atlas(folder, samples, tables=reference.tables, selection=settings.selection, provenance=provenance)
    return Atlas(path)


def _existing(manifest: Manifest, path: Path, mode: WriteMode) -> Atlas | None:
    """Give the atlas that is to be added to, and refuse what would lose or repeat something."""
    if mode == "add":
        atlas = Atlas(path)
        taken = {record.name for record in atlas.samples}
        repeated = [entry for entry in manifest.entries if entry.sample in taken]
        if repeated:
            raise InputError(
                f"{manifest.path} line {repeated[0].line}: sample names are unique; {path} already has "
                f"{repeated[0].sample!r} ({len(repeated)} of {len(manifest.entries)} names). Leave them out or rename them."
            )
        return atlas
    if path.exists() and mode == "new":
        raise InputError(f"{path}: exists; pass --overwrite to replace it, --add to add samples, or another -o.")
    if path.exists():
        Atlas(path)  # Only an atlas is replaced, never a folder of something else.
    return None


def _joined(samples: Iterable[SampleData], manifest: Manifest) -> Iterator[SampleData]:
    for sample, entry in zip(samples, manifest.entries, strict=True):
        refuse_unjoined(sample, entry, manifest)
        yield sample
