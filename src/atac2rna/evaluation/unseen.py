"""Paired samples that a trained model never saw: read, held against what it was trained on, gathered in an atlas."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from atac2rna.atlas import Atlas, GeneSelection, SampleData, write_atlas
from atac2rna.building import GeneReference, SampleReader, named_releases, read_reference, read_samples
from atac2rna.domain import Domain
from atac2rna.errors import InputError
from atac2rna.evaluation.screen import Screen
from atac2rna.formats.manifest import Manifest, read_manifest
from atac2rna.genome import GeneTable
from atac2rna.models.store import TrainedModel

Source = Manifest | Atlas
"""Where paired samples are read from."""


@dataclass(frozen=True)
class Reading:
    """How samples are read.

    Attributes:
        annotations: Annotation by canonical assembly, for assemblies that the model does not know; for any, its transcripts.
        gene_column: Column of gene ids in expression files; None: recognised.
        value_column: Column of expression in them; None: recognised.
        workers: Files read at a time.
    """

    annotations: Mapping[str, Path] = field(default_factory=dict)
    gene_column: str | None = None
    value_column: str | None = None
    workers: int = 2


@dataclass(frozen=True)
class Unseen:
    """Samples to be scored, and those that are not.

    Attributes:
        atlas: The samples to be scored, with the genes of the model as axis and in every gene table.
        domains: How far each of them lies within the model's experience, by name.
        flagged: Those that are all but equal to a training sample, and why, by name; they are scored.
        left_out: Samples that the model was trained on, and what tells it, by name.
        without_rna: Samples without RNA.
        notes: Sentences to be told.
    """

    atlas: Atlas
    domains: dict[str, Domain]
    flagged: dict[str, str]
    left_out: dict[str, str]
    without_rna: tuple[str, ...]
    notes: tuple[str, ...]


def open_samples(path: Path) -> Source:
    """Open an atlas, or read a samples.tsv.

    Raises:
        InputError: If it is neither.
    """
    return Atlas(path) if path.is_dir() else read_manifest(path)


def paired_names(source: Source) -> tuple[str, ...]:
    """Name the samples that have RNA, in order."""
    if isinstance(source, Atlas):
        return source.paired
    return tuple(entry.sample for entry in source.entries if entry.rna)


def gather_unseen(
    trained: TrainedModel,
    source: Source,
    folder: Path,
    reading: Reading | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Unseen:
    """Read paired samples and gather those that the model was not trained on.

    Args:
        trained: The model.
        source: The samples.
        folder: Empty folder, for an atlas of the samples that are to be scored.
        reading: See `Reading`.
        progress: Told of every paired sample when it is read, and of every one that is left out.

    Raises:
        InputError: If no sample has RNA or all were trained on, a sample has under half of the model's genes, its peaks are
            clearly of another assembly, or a file does not hold what it should.
    """
    reading = reading or Reading()
    names = _names(source)
    paired = paired_names(source)
    if not paired:
        raise InputError(
            f"{source.path}: a model is scored on samples with RNA; got none among {len(names)}. Fill the column rna."
        )
    tables, reference = _gene_tables(trained, source, reading)
    screen = Screen(trained, tables, source.path)
    with closing(_read(source, reference, reading, progress)) as samples:
        kept = screen.sift(samples, progress)
        first = next(kept, None)
        if first is None:
            name, reason = next(iter(screen.left_out.items()))
            raise InputError(
                f"{source.path}: a model is scored on samples that it was not trained on; it was on all of these, "
                f"{len(paired)} of {len(paired)} ({name}: {reason}). Give other samples; the cross-validated scores of its "
                "kind are those of 'atac2rna evaluate ATLAS'."
            )
        atlas = write_atlas(
            folder, chain([first], kept), tables=tables, selection=GeneSelection((), "union"), provenance={}
        )
    return Unseen(
        atlas=atlas,
        domains=screen.domains,
        flagged=screen.flagged,
        left_out=screen.left_out,
        without_rna=tuple(name for name in names if name not in paired),
        notes=tuple(screen.notes),
    )


def _names(source: Source) -> tuple[str, ...]:
    if isinstance(source, Atlas):
        return tuple(record.name for record in source.samples)
    return tuple(entry.sample for entry in source.entries)


def _assemblies(source: Source) -> tuple[str, ...]:
    """Assemblies of the samples with RNA, each once."""
    if isinstance(source, Atlas):
        return tuple(dict.fromkeys(record.assembly for record in source.samples if record.rna))
    return tuple(dict.fromkeys(entry.assembly for entry in source.entries if entry.rna))


def _gene_tables(trained: TrainedModel, source: Source, reading: Reading) -> tuple[dict[str, GeneTable], GeneReference]:
    """Give the model's genes in every assembly that it or a sample knows, and what expression files are joined with.

    An assembly that is new to the model has its table from --annotation, from the atlas of the samples, or from the cache.
    """
    assemblies = _assemblies(source)
    new = [name for name in assemblies if name not in trained.tables]
    held = {name: table for name, table in source.tables.items() if name in new} if isinstance(source, Atlas) else {}
    given = {name: path for name, path in reading.annotations.items() if name in new}
    named = {} if isinstance(source, Atlas) else named_releases(source, given={*given, *trained.tables})
    found = read_reference(new, given, held=held, named=named)
    tables = {**trained.tables, **{name: found.tables[name].select(trained.gene_ids) for name in new}}
    used = {name: tables[name] for name in assemblies}
    return tables, GeneReference(used, {**found.files, **reading.annotations})


def _read(
    source: Source, reference: GeneReference, reading: Reading, progress: Callable[[str], None]
) -> Generator[SampleData]:
    """Read the samples with RNA, one by one."""
    if isinstance(source, Atlas):
        return _from_atlas(source, progress)
    wanted = replace(source, entries=tuple(entry for entry in source.entries if entry.rna))
    reader = SampleReader(reference, gene_column=reading.gene_column, value_column=reading.value_column)
    return read_samples(wanted, reader, workers=reading.workers, progress=progress)


def _from_atlas(source: Atlas, progress: Callable[[str], None]) -> Generator[SampleData]:
    for name in source.paired:
        tpm = source.raw_tpm([name])[0]
        known = np.flatnonzero(np.isfinite(tpm))
        values = {source.axis[i]: float(tpm[i]) for i in known}
        progress(f"read {name}")
        yield SampleData(source.record(name), source.peaks(name), values)
