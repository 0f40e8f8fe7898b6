"""The atlas, opened for reading."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zarr
from numpy.typing import NDArray

from atac2rna.atlas.record import SampleRecord
from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks

FORMAT = "atac2rna-atlas"
FORMAT_VERSION = 1
PEAK_COLUMNS = ("chrom", "start", "end", "summit", "signal", "score")


class Atlas:
    """An atlas on disk, opened for reading; arrays are read when asked for.

    Attributes:
        path: Its folder.
        samples: Records in the order in which they were added.
        axis: Every gene id known to the atlas (of all its gene tables), without version.
        tables: Gene table of each assembly, in the table's own order.
        gene_ids: The selected genes, in axis order: those that models and evaluation speak of.
        attributes: The root attributes: settings, provenance, findings.
    """

    def __init__(self, path: Path) -> None:
        """Open the atlas at `path`.

        Raises:
            InputError: If there is no atlas, or one of another format version.
        """
        self.path = path
        self._root = _open_root(path)
        self.attributes: dict[str, Any] = dict(self._root.attrs)
        self._nodes: dict[str, zarr.Group | zarr.Array[Any]] = {}
        self._selections: dict[tuple[str, tuple[str, ...]], GeneTable] = {}
        self._homes: dict[str, tuple[str, int]] = {}
        records = []
        for block in self.attributes["blocks"]:
            for row, value in enumerate(self._attributes_of(block)["samples"]):
                record = SampleRecord.from_json(value)
                self._homes[record.name] = (block, row)
                records.append(record)
        self.samples: tuple[SampleRecord, ...] = tuple(records)

    def _node(self, name: str) -> zarr.Group | zarr.Array[Any]:
        """Open a group or an array once, and make sure that the file of an array is there: zarr would give zeros."""
        if name not in self._nodes:
            try:
                node = self._root[name]
            except (KeyError, ValueError):
                raise self._damage(name, "is missing") from None
            if isinstance(node, zarr.Array) and node.size and not self._values_of(name, node.ndim).is_file():
                raise self._damage(name, "has lost its values")
            self._nodes[name] = node
        return self._nodes[name]

    def _values_of(self, name: str, dimensions: int) -> Path:
        return self.path.joinpath(name, "c", *("0" * dimensions))

    def _damage(self, name: str, what: str) -> InputError:
        return InputError(f"{self.path}: the atlas is damaged ({name} {what}); build it again.")

    def _attributes_of(self, name: str) -> dict[str, Any]:
        return dict(self._node(name).attrs)

    def read(self, name: str, rows: slice | int = slice(None)) -> NDArray[Any]:
        """Read rows of a stored array by its name in the tree (`docs/atlas-format.md`).

        Raises:
            InputError: If the array is missing or its file is cut or changed.
        """
        node = self._node(name)
        try:
            return np.asarray(node[rows])  # type: ignore[index]
        except (ValueError, RuntimeError):
            raise self._damage(name, "cannot be decoded") from None

    @cached_property
    def axis(self) -> tuple[str, ...]:
        """Every gene id known to the atlas, without version."""
        return tuple(str(gene) for gene in self.read(f"{self.attributes['genes']}/gene_id"))

    @cached_property
    def selected(self) -> NDArray[np.bool_]:
        """True for the genes of `gene_ids`, shape (axis,)."""
        return self.read(f"{self.attributes['genes']}/selected")

    @cached_property
    def gene_ids(self) -> tuple[str, ...]:
        """The selected genes, in axis order."""
        return tuple(gene for gene, keep in zip(self.axis, self.selected, strict=True) if keep)

    @cached_property
    def tables(self) -> dict[str, GeneTable]:
        """Gene table of each assembly, by name."""
        home = f"{self.attributes['genes']}/tables"
        return {name: self._read_table(f"{home}/{name}", name) for name in self.attributes["assemblies"]}

    def _read_table(self, home: str, assembly: str) -> GeneTable:
        columns = {c: pl.Series(c, self.read(f"{home}/{c}").tolist(), dtype) for c, dtype in GENE_SCHEMA.items()}
        return GeneTable(assembly, pl.DataFrame(columns))

    @cached_property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Values of each sample by column; `sample` and `assembly` first, then the manifest's own."""
        names = dict.fromkeys(name for record in self.samples for name in record.columns)
        own = {name: tuple(record.columns.get(name, "") for record in self.samples) for name in names}
        return {
            "sample": tuple(record.name for record in self.samples),
            "assembly": tuple(record.assembly for record in self.samples),
            **own,
        }

    @cached_property
    def paired(self) -> tuple[str, ...]:
        """Names of the samples that have RNA, in order."""
        return tuple(record.name for record in self.samples if record.rna)

    def record(self, sample: str) -> SampleRecord:
        """Give the record of a sample.

        Raises:
            InputError: If the atlas has no such sample.
        """
        self._home(sample)
        return self._records[sample]

    @cached_property
    def _records(self) -> dict[str, SampleRecord]:
        return {record.name: record for record in self.samples}

    def peaks(self, sample: str) -> Peaks:
        """Read the peaks of a sample, as they were written; chromosomes without a peak are left out of `chroms`.

        Raises:
            InputError: If the atlas has no such sample.
        """
        block, row = self._home(sample)
        begin, end = self.read(f"{block}/peaks/offset", slice(row, row + 2)).tolist()
        columns = {c: self.read(f"{block}/peaks/{c}", slice(begin, end)) for c in PEAK_COLUMNS}
        names = self._attributes_of(f"{block}/peaks")["chroms"]
        used, codes = np.unique(columns.pop("chrom"), return_inverse=True)
        return Peaks(tuple(names[i] for i in used), codes.astype(np.int16), **columns)

    def raw_tpm(self, samples: Sequence[str]) -> NDArray[np.float32]:
        """Read TPM as in the files, shape (samples, axis); NaN where not measured."""
        values = np.full((len(samples), len(self.axis)), np.nan, dtype=np.float32)
        for i, sample in enumerate(samples):
            block, row = self._home(sample)
            stored = self.read(f"{block}/tpm", row)
            values[i, : stored.size] = stored
        return values

    def expression(self, samples: Sequence[str], gene_ids: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Read expression as log2(TPM + 1), TPM per million over the selected genes.

        Args:
            samples: Names; each must have RNA.
            gene_ids: Genes of the axis to give; None: the selected ones. Others are scaled by the same factor.

        Returns:
            Shape (samples, genes), float32; NaN where not measured.

        Raises:
            InputError: If the selected genes of a sample add up to 0 TPM, or a gene is not on the axis.
        """
        raw = self.raw_tpm(samples).astype(np.float64)
        totals = np.nansum(raw[:, self.selected], axis=1, keepdims=True)
        if not (totals > 0).all():
            sample = samples[int(np.flatnonzero(totals <= 0)[0])]
            raise InputError(
                f"{self.path}: expression is scaled to a million over the selected genes; those of {sample} add up to 0 "
                f"({int((totals <= 0).sum())} of {len(samples)} samples). Leave it out."
            )
        keep = self.selected if gene_ids is None else self._axis_index(gene_ids)
        values: NDArray[np.float32] = np.log2(raw[:, keep] * (1e6 / totals) + 1).astype(np.float32)
        return values

    def genes(self, assembly: str, gene_ids: Sequence[str] | None = None) -> GeneTable:
        """Give the gene table of an assembly in the order of `gene_ids` (None: the selected genes).

        The same question gets the same object, so that what a table works out once (its TSSs) is kept.

        Raises:
            InputError: If the atlas has no table of the assembly, or a gene is not in it.
        """
        if assembly not in self.tables:
            known = nearest_names(assembly, [*self.tables])
            raise InputError(f"{self.path}: has no gene table of assembly {assembly!r}: {known}")
        key = assembly, self.gene_ids if gene_ids is None else tuple(gene_ids)
        if key not in self._selections:
            self._selections[key] = self.tables[assembly].select(key[1])
        return self._selections[key]

    def _home(self, sample: str) -> tuple[str, int]:
        if sample not in self._homes:
            raise InputError(f"{self.path}: has no sample {sample!r}: {nearest_names(sample, [*self._homes])}")
        return self._homes[sample]

    @cached_property
    def _row_on_axis(self) -> dict[str, int]:
        return {gene: row for row, gene in enumerate(self.axis)}

    def _axis_index(self, gene_ids: Sequence[str]) -> NDArray[np.intp]:
        missing = [gene for gene in gene_ids if gene not in self._row_on_axis]
        if missing:
            raise InputError(
                f"{self.path}: every gene asked for is in a gene table of the atlas; {len(missing):,} of "
                f"{len(gene_ids):,} are not, the first {missing[0]}. Use genes of its annotations."
            )
        return np.array([self._row_on_axis[gene] for gene in gene_ids], dtype=np.intp)


def _open_root(path: Path) -> zarr.Group:
    marker = path / "zarr.json"
    if not marker.is_file():
        raise InputError(
            f"{path}: is no atlas (no zarr.json in it); make one with 'atac2rna build SAMPLES.tsv -o {path}'."
        )
    try:
        attributes = json.loads(marker.read_text()).get("attributes", {})
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        raise InputError(f"{marker}: is damaged (no JSON of a zarr group); build the atlas again.") from None
    if attributes.get("format") != FORMAT:
        raise InputError(f"{path}: is a zarr store but no atlas of atac2rna; make one with 'atac2rna build'.")
    if attributes.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: this version reads atlas format {FORMAT_VERSION}; got {attributes.get('format_version')}. "
            "Build the atlas again with this version, or use the version that wrote it."
        )
    return zarr.open_group(path, mode="r")
