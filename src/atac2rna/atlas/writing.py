"""Writing an atlas: blocks of samples, then the gene tables that hold for all, then the names of both."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from atac2rna.atlas.reading import FORMAT, FORMAT_VERSION, PEAK_COLUMNS, Atlas
from atac2rna.atlas.record import GeneSelection, SampleData
from atac2rna.genome import GENE_SCHEMA, GeneTable, is_standard_chrom, sorted_chroms

BLOCK_SAMPLES = 64
"""Samples stored together in one set of arrays; bounds both the memory of a build and the number of files."""

_CHUNK_ROWS = 65_536
_PEAK_DTYPES = {"chrom": "int16", "signal": "float32", "score": "float32"}


def select_genes(
    axis: Sequence[str],
    tables: Mapping[str, GeneTable],
    *,
    measured: NDArray[np.bool_],
    selection: GeneSelection,
) -> NDArray[np.bool_]:
    """Choose the genes of an atlas.

    Args:
        axis: Gene ids.
        tables: Gene table of every assembly of the samples.
        measured: True where the gene was measured in every sample (or in any, for `union`), shape (axis,).
        selection: Biotypes and gene set.

    Returns:
        Shape (axis,): measured genes on nuclear chromosomes that every table has, with a biotype asked for in every
        table that states biotypes.
    """
    keep = measured.copy()
    for table in tables.values():
        frame = table.frame
        good = pl.Series([is_standard_chrom(chrom) for chrom in frame["chrom"].to_list()], dtype=pl.Boolean)
        if selection.biotypes and (frame["biotype"] != "").any():
            good = good & frame["biotype"].is_in(list(selection.biotypes))
        kept = set(frame.filter(good)["gene_id"].to_list())
        keep &= np.fromiter((gene in kept for gene in axis), dtype=bool, count=len(axis))
    return keep


def write_atlas(
    path: Path,
    samples: Iterable[SampleData],
    *,
    tables: Mapping[str, GeneTable],
    selection: GeneSelection,
    provenance: Mapping[str, Any],
) -> Atlas:
    """Write a new atlas into an empty folder; the caller makes it appear whole (`files.whole_folder`)."""
    root = zarr.open_group(path, mode="w", attributes={"format": FORMAT, "format_version": FORMAT_VERSION})
    return _extend(root, path, samples, tables=tables, selection=selection, provenance=provenance, before=None)


def add_to_atlas(
    path: Path, samples: Iterable[SampleData], *, tables: Mapping[str, GeneTable], provenance: Mapping[str, Any]
) -> Atlas:
    """Add samples as new blocks; arrays that are there are not touched, and nothing counts before the last write.

    Args:
        path: The atlas.
        samples: Samples whose names it does not have.
        tables: Gene tables to add for assemblies that it does not have; those that it has stay.
        provenance: Provenance of this addition, appended to the list.
    """
    before = Atlas(path)
    root = zarr.open_group(path, mode="r+")
    chosen = before.attributes["gene_selection"]
    selection = GeneSelection(tuple(chosen["biotypes"]), chosen["gene_set"])
    tables = {**tables, **before.tables}
    return _extend(root, path, samples, tables=tables, selection=selection, provenance=provenance, before=before)


def _extend(
    root: zarr.Group,
    path: Path,
    samples: Iterable[SampleData],
    *,
    tables: Mapping[str, GeneTable],
    selection: GeneSelection,
    provenance: Mapping[str, Any],
    before: Atlas | None,
) -> Atlas:
    """Write blocks of samples and the gene tables that hold for all, then name them in the root attributes."""
    blocks: list[str] = [] if before is None else list(before.attributes["blocks"])
    axis = list(dict.fromkeys([*(before.axis if before else ()), *(g for t in tables.values() for g in t.gene_ids)]))
    everywhere, anywhere = np.ones(len(axis), bool), np.zeros(len(axis), bool)
    if before is not None:
        home = before.attributes["genes"]
        everywhere[:], size = False, len(before.axis)
        everywhere[:size] = before.read(f"{home}/measured_everywhere")
        anywhere[:size] = before.read(f"{home}/measured_anywhere")
    used = {record.assembly for record in (before.samples if before else ())}
    for batch in _batched(samples, BLOCK_SAMPLES):
        tpm = np.stack([_on_axis(sample.tpm, axis) for sample in batch])
        has_rna = np.array([sample.tpm is not None for sample in batch])
        everywhere &= np.isfinite(tpm[has_rna]).all(axis=0)
        anywhere |= np.isfinite(tpm[has_rna]).any(axis=0)
        used |= {sample.record.assembly for sample in batch}
        blocks.append(f"block_{len(blocks):05d}")
        _write_block(root, blocks[-1], batch, tpm)
    genes = f"genes_{len(blocks):05d}"
    selected = select_genes(
        axis,
        {name: table for name, table in tables.items() if name in used},
        measured=everywhere if selection.gene_set == "common" else anywhere,
        selection=selection,
    )
    _write_genes(
        root,
        genes,
        axis,
        tables,
        {"selected": selected, "measured_everywhere": everywhere, "measured_anywhere": anywhere},
    )
    history = [] if before is None else before.attributes["provenance"]
    root.attrs.update(
        {
            "assemblies": list(tables),
            "blocks": blocks,
            "genes": genes,
            "gene_selection": {"biotypes": list(selection.biotypes), "gene_set": selection.gene_set},
            "provenance": [*history, dict(provenance)],
            "findings": [],
        }
    )
    return Atlas(path)


def write_findings(path: Path, findings: Sequence[Mapping[str, str]]) -> None:
    """Store the findings of the last check in the root attributes."""
    zarr.open_group(path, mode="r+").attrs.update({"findings": [dict(finding) for finding in findings]})


def _batched(samples: Iterable[SampleData], size: int) -> Iterable[list[SampleData]]:
    batch: list[SampleData] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _on_axis(tpm: Mapping[str, float] | None, axis: Sequence[str]) -> NDArray[np.float32]:
    if tpm is None:
        return np.full(len(axis), np.nan, dtype=np.float32)
    return np.fromiter((tpm.get(gene, np.nan) for gene in axis), dtype=np.float32, count=len(axis))


def _write_block(root: zarr.Group, name: str, batch: list[SampleData], tpm: NDArray[np.float32]) -> None:
    chroms = list(sorted_chroms(chrom for sample in batch for chrom in sample.peaks.chroms))
    rank = {chrom: i for i, chrom in enumerate(chroms)}
    block = root.create_group(name, overwrite=True, attributes={"samples": [s.record.to_json() for s in batch]})
    peaks = block.create_group("peaks", attributes={"chroms": chroms})
    offset = np.cumsum([0, *(len(sample.peaks) for sample in batch)], dtype=np.int64)
    _write_array(peaks, "offset", offset, chunk=offset.shape)
    for column in PEAK_COLUMNS:
        parts = [getattr(sample.peaks, column) for sample in batch]
        if column == "chrom":
            parts = [
                np.array([rank[c] for c in s.peaks.chroms], np.int16)[part]
                for s, part in zip(batch, parts, strict=True)
            ]
        values = np.concatenate(parts).astype(_PEAK_DTYPES.get(column, "int32"))
        _write_array(peaks, column, values, chunk=(_CHUNK_ROWS,))
    _write_array(block, "tpm", tpm, chunk=(1, tpm.shape[1]))


def _write_array(group: zarr.Group, name: str, values: NDArray[Any], *, chunk: tuple[int, ...]) -> None:
    """Write an array as one file: all chunks in a single shard."""
    chunk = tuple(max(1, size) for size in chunk)
    shard = tuple(max(1, -(-n // c)) * c for n, c in zip(values.shape, chunk, strict=True))
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunk,
        shards=shard,
        compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
        fill_value=np.nan if values.dtype.kind == "f" else 0,
    )
    array[...] = values


def _write_genes(
    root: zarr.Group,
    name: str,
    axis: Sequence[str],
    tables: Mapping[str, GeneTable],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    group = root.create_group(name, overwrite=True)
    _write_strings(group, "gene_id", axis)
    for mask_name, mask in masks.items():
        _write_array(group, mask_name, mask, chunk=mask.shape)
    for assembly, table in tables.items():
        home = group.create_group(f"tables/{assembly}", attributes={"fingerprint": table.fingerprint})
        for column, dtype in GENE_SCHEMA.items():
            if dtype == pl.String():
                _write_strings(home, column, table.frame[column].to_list())
            else:
                values = table.frame[column].to_numpy()
                _write_array(home, column, values, chunk=values.shape)


def _write_strings(group: zarr.Group, name: str, values: Sequence[str]) -> None:
    array = np.array(values, dtype=np.dtypes.StringDType())
    group.create_array(name, data=array, chunks=(max(1, array.size),))
