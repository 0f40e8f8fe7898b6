"""Writing an atlas: blocks of samples, then the genes that hold for all, then the root that names both.

What the root attributes do not name does not exist, and they are written last, in one step. Whatever fails before
leaves the atlas as it was.
"""

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atac2rna.atlas.parts import tpm_on_axis, write_block, write_genes
from atac2rna.atlas.reading import FORMAT, FORMAT_VERSION, Atlas
from atac2rna.atlas.record import GeneSelection, SampleData
from atac2rna.atlas.selection import Measured, refuse_unknown_biotypes, select_genes
from atac2rna.errors import InputError
from atac2rna.files import uninterrupted, whole_file
from atac2rna.genome import GeneTable

BLOCK_SAMPLES = 64
"""Samples stored together in one set of arrays; bounds both the memory of a build and the number of files."""

_LOCK = ".writing"
_TRIES = 40
_PAUSE = 0.05


def write_atlas(
    path: Path,
    samples: Iterable[SampleData],
    *,
    tables: Mapping[str, GeneTable],
    selection: GeneSelection,
    provenance: Mapping[str, Any],
) -> Atlas:
    """Write a new atlas into an empty folder; the caller makes it appear whole (`files.whole_folder`).

    Args:
        path: The folder.
        samples: Samples with unique names; taken one by one, `BLOCK_SAMPLES` at most are held.
        tables: Gene tables by assembly: those of the samples, and any further ones.
        selection: Which genes the atlas speaks of.
        provenance: Where it comes from.

    Raises:
        InputError: If a name is repeated, or no gene has a biotype that the selection names.
    """
    refuse_unknown_biotypes(tables, selection)
    attributes = _write_parts(path, samples, tables=tables, selection=selection, before=None)
    _write_root(path, {**attributes, "provenance": [dict(provenance)], "findings": []})
    return Atlas(path)


def add_to_atlas(
    path: Path, samples: Iterable[SampleData], *, tables: Mapping[str, GeneTable], provenance: Mapping[str, Any]
) -> Atlas:
    """Add samples as new blocks; blocks that are there are not touched, and nothing counts before the last write.

    Args:
        path: The atlas.
        samples: Samples whose names it does not have.
        tables: Gene tables to add for assemblies that it does not have; those that it has stay.
        provenance: Provenance of this addition, appended to the list.

    Raises:
        InputError: If there is no atlas, another run is writing to it, or a name is taken. It is then as it was, as
            after any other error and after Ctrl-C.
    """
    with _sole_writer(path) as stage:
        before = Atlas(path)
        chosen = before.attributes["gene_selection"]
        attributes = _write_parts(
            stage,
            samples,
            tables={**before.tables, **{name: table for name, table in tables.items() if name not in before.tables}},
            selection=GeneSelection(tuple(chosen["biotypes"]), chosen["gene_set"]),
            before=before,
        )
        parts = [*attributes["blocks"][len(before.attributes["blocks"]) :], attributes["genes"]]
        history = before.attributes["provenance"]
        with uninterrupted():
            try:
                _remove_unnamed(path, parts)  # what a run that was killed may have left
                for part in parts:
                    (stage / part).replace(path / part)
                _write_root(path, {**attributes, "provenance": [*history, dict(provenance)], "findings": []})
            finally:
                _remove_unnamed(path, [*parts, before.attributes["genes"]])
    return Atlas(path)


def write_findings(path: Path, findings: Sequence[Mapping[str, str]]) -> None:
    """Store the findings of the last check in the root attributes.

    Raises:
        InputError: If there is no atlas, or another run is writing to it.
    """
    with _sole_writer(path):
        attributes = Atlas(path).attributes
        _write_root(path, {**attributes, "findings": [dict(finding) for finding in findings]})


def _write_parts(
    folder: Path,
    samples: Iterable[SampleData],
    *,
    tables: Mapping[str, GeneTable],
    selection: GeneSelection,
    before: Atlas | None,
) -> dict[str, Any]:
    """Write blocks and genes into a folder and give the root attributes that name them and what was `before`."""
    blocks: list[str] = [] if before is None else list(before.attributes["blocks"])
    records = () if before is None else before.samples
    axis = list(dict.fromkeys([*(before.axis if before else ()), *(g for t in tables.values() for g in t.gene_ids)]))
    measured = Measured(len(axis), before)
    used = {record.assembly for record in records}
    for batch in _batches(_with_new_names(samples, {record.name for record in records}), BLOCK_SAMPLES):
        tpm = np.stack([tpm_on_axis(sample.tpm, axis) for sample in batch])
        measured.count(tpm[[sample.tpm is not None for sample in batch]])
        used |= {sample.record.assembly for sample in batch}
        blocks.append(f"block_{len(blocks):05d}")
        write_block(folder / blocks[-1], batch, tpm)
        del batch, tpm  # or two blocks would be held while the next one fills
    marks = {
        "selected": select_genes(
            axis,
            {name: table for name, table in tables.items() if name in used},
            measured=measured,
            selection=selection,
        ),
        "measured_everywhere": measured.everywhere,
        "measured_anywhere": measured.anywhere,
    }
    number = 1 + (-1 if before is None else int(before.attributes["genes"].removeprefix("genes_")))
    genes = f"genes_{number:05d}"
    write_genes(folder / genes, axis, tables, marks)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "assemblies": list(tables),
        "blocks": blocks,
        "genes": genes,
        "gene_selection": {"biotypes": list(selection.biotypes), "gene_set": selection.gene_set},
    }


def _with_new_names(samples: Iterable[SampleData], taken: set[str]) -> Iterator[SampleData]:
    for sample in samples:
        name = sample.record.name
        if name in taken:
            raise InputError(f"names of samples are unique in an atlas; got {name!r} again. Rename or leave it out.")
        taken.add(name)
        yield sample


def _batches(samples: Iterable[SampleData], size: int) -> Iterator[list[SampleData]]:
    batch: list[SampleData] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _write_root(path: Path, attributes: Mapping[str, Any]) -> None:
    """Write the root's zarr.json in one step: older zarr writes in place, and a cut file would lose the atlas."""
    node = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    with whole_file(path / "zarr.json") as temporary:
        temporary.write_text(json.dumps(node, indent=2, allow_nan=False) + "\n")


@contextmanager
def _sole_writer(path: Path) -> Iterator[Path]:
    """Give a folder within the atlas that only one run can hold and that vanishes at the end with what is in it."""
    Atlas(path)
    stage = path / _LOCK
    ours = False
    try:
        with uninterrupted():
            stage.mkdir()
            ours = True
        yield stage
    except FileExistsError:
        if ours:
            raise
        raise InputError(
            f"{path}: only one run at a time writes to an atlas, and {stage} says that another one does. Wait for its "
            "end; if there is none (it was killed), delete that folder."
        ) from None
    finally:
        if ours:
            with uninterrupted():
                _remove(stage)


def _remove(stage: Path) -> None:
    """Remove a folder into which zarr's threads may still be writing, as they do for a moment after Ctrl-C."""
    for _ in range(_TRIES):
        shutil.rmtree(stage, ignore_errors=True)
        if not stage.exists():
            return
        time.sleep(_PAUSE)


def _remove_unnamed(path: Path, parts: Iterable[str]) -> None:
    """Remove those of the parts that the root attributes, as they are now, do not name."""
    attributes = Atlas(path).attributes
    named = {*attributes["blocks"], attributes["genes"]}
    for part in parts:
        if part not in named:
            shutil.rmtree(path / part, ignore_errors=True)
