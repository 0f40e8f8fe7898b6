"""genes.tsv.gz of a model directory: the genes that a model predicts, their place in each assembly, their reliability."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.files import read_text_bytes
from atac2rna.genome import GENE_SCHEMA, GeneTable

_PLACE = ("chrom", "start", "end", "strand", "tss")
_OWN = ("gene_id", "gene_name", "biotype", "version")


def model_gene_bytes(tables: Mapping[str, GeneTable], reliability: NDArray[np.floating] | None) -> bytes:
    """Give the content of the file; equal tables give equal bytes.

    Args:
        tables: Gene tables by assembly, at least one, all of the same genes in the order of the predictions.
        reliability: Per-gene reliability, shape (genes,); None: unknown (NaN).
    """
    first = next(iter(tables.values())).frame
    columns = {name: first[name] for name in _OWN}
    values = np.full(first.height, np.nan) if reliability is None else reliability
    columns["reliability"] = pl.Series(values, dtype=pl.Float32)
    for assembly, table in tables.items():
        frame = table.frame.with_columns(tss=pl.Series(table.tss))
        columns |= {f"{name}.{assembly}": frame[name] for name in _PLACE}
    text = pl.DataFrame(columns).write_csv(separator="\t", quote_style="never")
    return gzip.compress(text.encode(), mtime=0)


def read_model_genes(path: Path, assemblies: Sequence[str]) -> tuple[dict[str, GeneTable], NDArray[np.float32]]:
    """Read the gene table of each assembly, and the reliability of each gene, shape (genes,), NaN where unknown.

    Raises:
        InputError: If an assembly or a column is missing.
    """
    text = read_text_bytes(path, what="the gene table of a model")
    frame = pl.read_csv(text, separator="\t", infer_schema=False, quote_char=None).fill_null("")
    wanted = [*_OWN, "reliability", *(f"{name}.{assembly}" for assembly in assemblies for name in _PLACE)]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: is damaged (it lacks the column {missing[0]!r}); copy the model again.")
    tables = {}
    for assembly in assemblies:
        places = {f"{name}.{assembly}": name for name in _PLACE[:-1]}
        own = frame.select(*_OWN, *places).rename(places)
        tables[assembly] = GeneTable(assembly, own.select(pl.col(c).cast(dtype) for c, dtype in GENE_SCHEMA.items()))
    return tables, frame["reliability"].cast(pl.Float32).to_numpy()
