"""The two kinds of parts of an atlas: a block of samples, and the genes that hold for all blocks.

Each is a zarr group of its own, written once. Every array is one file: all chunks lie in a single shard, and each chunk
carries a checksum, so that a damaged file is an error and not a number.

When these functions return or raise, nothing is writing any more, so that the caller can clean up. zarr's own calls do
not promise that: its event loop lives in a thread, where writes begun go on after an error in another one, and after
Ctrl-C. Here the loop is one of our own, closed before we go on; it has a thread because a notebook's own loop runs in
the main one.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zarr.api.asynchronous as zarr
from numpy.typing import NDArray
from zarr import AsyncGroup
from zarr.codecs import BloscCodec, Crc32cCodec

from atac2rna.atlas.reading import PEAK_COLUMNS
from atac2rna.atlas.record import SampleData
from atac2rna.files import uninterrupted
from atac2rna.genome import GENE_SCHEMA, GeneTable, sorted_chroms

_CHUNK_ROWS = 65_536
_PEAK_DTYPES = {"signal": "float32", "score": "float32"}
# A chunk of nothing but the fill value is written, too: a file that is not there is then always a loss.
_CONFIG: Any = {"write_empty_chunks": True}


def tpm_on_axis(tpm: Mapping[str, float] | None, axis: Sequence[str]) -> NDArray[np.float32]:
    """Lay the TPM of one sample along the genes of an atlas, shape (axis,); NaN where not measured."""
    if tpm is None:
        return np.full(len(axis), np.nan, dtype=np.float32)
    return np.array([*map(tpm.get, axis)], dtype=np.float32)  # None becomes NaN


def write_block(folder: Path, batch: Sequence[SampleData], tpm: NDArray[np.float32]) -> None:
    """Write samples together.

    Args:
        folder: New folder of the block.
        batch: The samples.
        tpm: Their TPM, shape (samples, axis); NaN where not measured.
    """
    _to_the_end(_write_block(folder, batch, tpm))


def write_genes(
    folder: Path,
    axis: Sequence[str],
    tables: Mapping[str, GeneTable],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Write the genes of an atlas.

    Args:
        folder: New folder of the part.
        axis: Gene ids.
        tables: Gene table of each assembly.
        masks: Named marks of the genes, each of shape (axis,).
    """
    _to_the_end(_write_genes(folder, axis, tables, masks))


def _to_the_end(writing: Coroutine[Any, Any, None]) -> None:
    with uninterrupted(), ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, writing).result()


async def _write_block(folder: Path, batch: Sequence[SampleData], tpm: NDArray[np.float32]) -> None:
    attributes: dict[str, Any] = {"samples": [sample.record.to_json() for sample in batch]}
    block = await zarr.create_group(store=folder, attributes=attributes)
    chroms = list(sorted_chroms(chrom for sample in batch for chrom in sample.peaks.chroms))
    rank = {chrom: i for i, chrom in enumerate(chroms)}
    peaks = await block.create_group("peaks", attributes={"chroms": chroms})
    offset = np.cumsum([0, *(len(sample.peaks) for sample in batch)], dtype=np.int64)
    await _write_array(peaks, "offset", offset, chunk=offset.shape)
    for column in PEAK_COLUMNS:
        parts = [getattr(sample.peaks, column) for sample in batch]
        if column == "chrom":
            codes = [np.array([rank[name] for name in s.peaks.chroms], dtype=np.int32) for s in batch]
            parts = [code[part] for code, part in zip(codes, parts, strict=True)]
        values = np.concatenate(parts).astype(_PEAK_DTYPES.get(column, "int32"))
        await _write_array(peaks, column, values, chunk=(_CHUNK_ROWS,))
    await _write_array(block, "tpm", tpm, chunk=(1, tpm.shape[1]))


async def _write_genes(
    folder: Path,
    axis: Sequence[str],
    tables: Mapping[str, GeneTable],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    group = await zarr.create_group(store=folder)
    await _write_strings(group, "gene_id", axis)
    for name, mask in masks.items():
        await _write_array(group, name, mask, chunk=mask.shape)
    for assembly, table in tables.items():
        home = await group.create_group(f"tables/{assembly}", attributes={"fingerprint": table.fingerprint})
        for column, dtype in GENE_SCHEMA.items():
            if dtype == pl.String():
                await _write_strings(home, column, table.frame[column].to_list())
            else:
                values = table.frame[column].to_numpy()
                await _write_array(home, column, values, chunk=values.shape)


def _compressors() -> list[Any]:
    return [BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"), Crc32cCodec()]


async def _write_array(group: AsyncGroup, name: str, values: NDArray[Any], *, chunk: tuple[int, ...]) -> None:
    """Write an array as one file: all chunks in a single shard."""
    chunk = tuple(max(1, size) for size in chunk)
    shard = tuple(max(1, -(-n // c)) * c for n, c in zip(values.shape, chunk, strict=True))
    array = await group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunk,
        shards=shard,
        compressors=_compressors(),
        fill_value=np.nan if values.dtype.kind == "f" else 0,
        config=_CONFIG,
    )
    await array.setitem(..., values)


async def _write_strings(group: AsyncGroup, name: str, values: Sequence[str]) -> None:
    """Write strings as one chunk; zarr does not shard them."""
    text = np.array(values, dtype=np.dtypes.StringDType())
    chunk = (max(1, text.size),)
    array = await group.create_array(
        name, shape=text.shape, dtype=text.dtype, chunks=chunk, compressors=_compressors(), config=_CONFIG
    )
    await array.setitem(..., text)
