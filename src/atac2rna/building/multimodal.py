"""Samples of a MuData file: its rows, or the sums of its cells by a column (pseudobulk)."""

from collections.abc import Callable, Container, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import SampleData
from atac2rna.building.cells import Cells, group_cells
from atac2rna.building.columns import info_remarks, name_some, with_info
from atac2rna.building.genes import join_genes, refuse_unjoined
from atac2rna.building.presence import presence_remark, sample_peaks
from atac2rna.building.reference import GeneReference
from atac2rna.building.settings import BuildSettings
from atac2rna.building.shared_file import SharedExpression, shared_file_sample
from atac2rna.errors import InputError, nearest_names
from atac2rna.files import checksum
from atac2rna.formats.expression.genes import plain_ids
from atac2rna.formats.intervals_table import place_columns, regions_from_table
from atac2rna.formats.manifest import require_fit_name
from atac2rna.formats.multimodal import GroupSums, Modality, open_multimodal
from atac2rna.formats.region_matrix import refuse_logarithms
from atac2rna.formats.regions import Regions, count_region_names, regions_from_names
from atac2rna.formats.sample_info import read_sample_info
from atac2rna.genome import canonical_assembly

_AT_ONCE = 128
"""Samples whose sums are held at a time."""

_MILLION = 1_000_000.0
_HIGHEST_SUM = 2 * _MILLION
_LOG_MAXIMUM = 25.0


@dataclass(frozen=True)
class Multimodal:
    """A MuData file and what of it to read.

    Attributes:
        path: The file.
        by: Column of obs whose values are the samples; None: every row is one.
        atac_layer: Layer of counts in `atac`; None: X.
        rna_layer: Layer of counts, or without `by` of TPM, in `rna`; None: X.
        info: Table of further columns, a row a sample; None: there are none.
    """

    path: Path
    by: str | None = None
    atac_layer: str | None = None
    rna_layer: str | None = None
    info: Path | None = None


class MultimodalSamples:
    """The samples of a MuData file with the modalities `atac` and `rna`."""

    def __init__(self, file: Multimodal, *, assembly: str, least_signal: float | None = None) -> None:
        """Read what names the cells, not yet their counts.

        Args:
            file: The file.
            assembly: Assembly of the peaks.
            least_signal: See `sample_peaks`.

        Raises:
            InputError: If the file is no such file, or the column does not exist.
        """
        self._file = file
        self._assembly = canonical_assembly(assembly)
        self._least_signal = least_signal
        self._layers = {"atac": file.atac_layer, "rna": file.rna_layer}
        self._info = read_sample_info(file.info) if file.info is not None else None
        with open_multimodal(file.path, self._layers) as opened:
            self._cells: Cells = group_cells(opened, file.by)
        for name in self.names:
            require_fit_name(name, what="a sample", where=f"{file.path}, {file.by or 'obs'}")
        self._columns = with_info(self.names, self._cells.columns, self._info)
        self.remarks: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samples: groups that have cells with accessibility, in the order of their first cell."""
        return self._cells.samples

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Assembly of each sample."""
        return (self._assembly,) * len(self.names)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Path and checksum of the file, and how samples were made of it."""
        file = self._file
        files = {"h5mu": file.path} | ({} if file.info is None else {"info": file.info})
        settings = {"by": file.by, "atac_layer": file.atac_layer, "rna_layer": file.rna_layer}
        return {
            "matrices": {name: {"path": str(path), "sha256": checksum(path)} for name, path in files.items()},
            "settings": {**settings, "least_signal": self._least_signal},
        }

    def where(self, sample: str) -> str:
        """Say where a sample is named."""
        return f"{self._file.path}, {self._file.by or 'obs'}"

    def releases(self, *, given: Container[str]) -> dict[str, str]:
        """Name no annotation: the tables do not tell theirs."""
        return {}

    def read(
        self, reference: GeneReference, settings: BuildSettings, progress: Callable[[str], None]
    ) -> Generator[SampleData]:
        """Add up the cells of each sample; afterwards `remarks` tells what was left out.

        Raises:
            InputError: If a matrix holds no counts, or places or genes cannot be told.
        """
        counts = []
        with open_multimodal(self._file.path, self._layers) as opened:
            atac, rna = opened.modalities["atac"], opened.modalities["rna"]
            regions = find_regions(atac)
            gene_ids = find_gene_ids(rna, settings.gene_column)
            refuse_unjoined([join_genes(self._file.path, gene_ids, reference)], where=rna.label)
            tpm = self._tpm(rna, rna.add_up(self._cells.groups["rna"], len(self.names)), gene_ids)
            for row, signal in enumerate(self._signal(atac)):
                values = tpm.values[row] if np.isfinite(tpm.values[row]).all() else None
                peaks = sample_peaks(regions, signal, least=self._least_signal)
                counts.append(len(peaks))
                progress(f"read {self.names[row]}")
                yield shared_file_sample(
                    self.names[row],
                    peaks,
                    assembly=self._assembly,
                    columns=self._columns[self.names[row]],
                    naming=regions.naming,
                    atac=self._file.path,
                    rna=None if values is None else SharedExpression(self._file.path, "mudata", tpm.gene_ids, values),
                    reference=reference,
                )
        without = [name for name, values in zip(self.names, tpm.values, strict=True) if not np.isfinite(values).all()]
        self.remarks = [*self._cells.remarks, presence_remark(counts, len(regions), self._least_signal), tpm.remark]
        self.remarks += [f"without RNA: {name_some(without)}"] if without else []
        self.remarks += info_remarks(self.names, self._info)

    def _tpm(self, rna: Modality, found: GroupSums, gene_ids: tuple[str, ...]) -> "_Expression":
        """Turn sums of each sample into values per million."""
        ids, sums = _add_copies(rna, gene_ids, found.sums)
        total = sums.sum(axis=1, keepdims=True)
        if found.whole:
            with np.errstate(invalid="ignore", divide="ignore"):
                values = sums * (_MILLION / total)
            return _Expression(
                ids, np.where(total > 0, values, np.nan), f"{rna.label}: counts, scaled to a million a sample"
            )
        if self._file.by is not None:
            raise InputError(_fractions(rna))
        if total.max(initial=0) > _HIGHEST_SUM or sums.max(initial=0) <= _LOG_MAXIMUM:
            raise InputError(
                f"{rna.label}: values with fractions are TPM, which add up to about a million; those of the first sample add up "
                f"to {total[0, 0]:,.0f}, the highest is {sums.max():,.4g}. Name a layer of counts or TPM with --rna-layer."
            )
        return _Expression(ids, np.where(total > 0, sums, np.nan), f"{rna.label}: taken for TPM")

    def _signal(self, atac: Modality) -> Iterator[NDArray[np.float64]]:
        """Sums of each sample over its cells, shape (peaks,), some samples at a time: peaks are many."""
        group = self._cells.groups["atac"]
        for first in range(0, len(self.names), _AT_ONCE):
            last = min(first + _AT_ONCE, len(self.names))
            found = atac.add_up(np.where((group >= first) & (group < last), group - first, -1), last - first)
            if not found.whole and self._file.by is not None:
                raise InputError(_fractions(atac))
            if not found.whole:
                refuse_logarithms(atac.label, found.sums)
            yield from found.sums


@dataclass(frozen=True, eq=False)
class _Expression:
    """Values per million, shape (samples, genes), NaN in samples without RNA; and what was made of the file's."""

    gene_ids: tuple[str, ...]
    values: NDArray[np.float64]
    remark: str


def find_regions(atac: Modality) -> Regions:
    """Read the places of the peaks: columns of var, else names of var or a column of names.

    Raises:
        InputError: If neither tells them, or a peak stands twice.
    """
    what = f"{atac.path}, atac.var"

    def row(number: int) -> str:
        return f"{what} row {number} ({atac.var.index[number]})"

    if place_columns([str(name) for name in atac.var.columns]) is not None:
        regions = regions_from_table(atac.var, what=what, row=row)
    else:
        for names in (atac.var.index, *(atac.var[name] for name in atac.var.columns)):
            text = [str(name) for name in names]
            if 2 * count_region_names(text[:100]) > len(text[:100]):
                break
        else:
            raise InputError(
                f"{what}: tells the place of each peak, in columns chrom, start and end or in names such as chr1:100-200; got "
                f"the name {str(next(iter(atac.var.index), ''))!r} and the columns "
                f"{', '.join(map(repr, atac.var.columns)) or 'none'}. Add them."
            )
        regions = regions_from_names(text, what=what, row=row)
    regions.require_distinct(row)
    return regions


def find_gene_ids(rna: Modality, column: str | None) -> tuple[str, ...]:
    """Read the ids of the genes, without version: the column named, else the first of var's that holds Ensembl ids.

    Raises:
        InputError: If the column does not exist.
    """
    if column is not None:
        if column not in rna.var.columns:
            raise InputError(
                f"{rna.path}: --gene-column names a column of rna.var; got {column!r}; "
                f"{nearest_names(column, [str(name) for name in rna.var.columns])}"
            )
        return plain_ids([str(name) for name in rna.var[column]])
    for names in (rna.var.index, *(rna.var[name] for name in rna.var.columns)):
        ids = [str(name) for name in names]
        if 2 * sum(name.startswith("ENS") for name in ids[:1000]) > len(ids[:1000]):
            return plain_ids(ids)
    return plain_ids([str(name) for name in rna.var.index])


def _add_copies(
    rna: Modality, gene_ids: tuple[str, ...], sums: NDArray[np.float64]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Add the columns of one gene (copies on Y of pseudoautosomal genes); many repeats are a mistake."""
    ids = tuple(dict.fromkeys(gene_ids))
    if len(ids) == len(gene_ids):
        return ids, sums
    if len(gene_ids) - len(ids) > 0.01 * len(gene_ids):
        raise InputError(
            f"{rna.path}, rna.var: a gene has one row; {len(gene_ids) - len(ids):,} of {len(gene_ids):,} repeat a gene. Keep one "
            "row a gene, or name the column of ids with --gene-column."
        )
    place = {gene: i for i, gene in enumerate(ids)}
    added = np.zeros((len(ids), len(sums)))
    np.add.at(added, np.array([place[gene] for gene in gene_ids]), sums.T)
    return ids, added.T


def _fractions(modality: Modality) -> str:
    return (
        f"{modality.label}: the cells of a sample are added up as counts, which are whole numbers; there are fractions, as in "
        f"normalised values. Name the layer that holds counts with --{modality.name}-layer."
    )
