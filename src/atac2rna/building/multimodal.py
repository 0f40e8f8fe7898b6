"""Samples of a MuData file: its rows, or the sums of its cells by a column (pseudobulk)."""

from collections.abc import Callable, Container, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
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
from atac2rna.files import file_record
from atac2rna.formats.expression.genes import plain_ids
from atac2rna.formats.expression.units import LOG_MAXIMUM
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


@dataclass(frozen=True)
class Multimodal:
    """A MuData file and what of it to read.

    Attributes:
        path: The file.
        by: Column of obs whose values are the samples; None: every row is one.
        atac_layer: Layer of counts in `atac`; None: X.
        rna_layer: Layer of counts, or without `by` of TPM, in `rna`; None: X. Counts without `by` are taken only from a
            layer that is named (`X` names X): those of bulk RNA-seq grow with the length of the gene.
        info: Table of further columns, a row a sample; None: there are none.
    """

    path: Path
    by: str | None = None
    atac_layer: str | None = None
    rna_layer: str | None = None
    info: Path | None = None


class MultimodalSamples:
    """The samples of a MuData file with the modality `atac`, and `rna` if any has expression."""

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
        with open_multimodal(file.path, self._layers, optional=("rna",)) as opened:
            if file.rna_layer is not None and "rna" not in opened.modalities:
                raise InputError(
                    f"{file.path}: --rna-layer names a layer of rna; the file has atac alone. Leave the option out."
                )
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
            "matrices": {name: file_record(path) for name, path in files.items()},
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
        counts, without = [], []
        with open_multimodal(self._file.path, self._layers, optional=("rna",)) as opened:
            atac, rna = opened.modalities["atac"], opened.modalities.get("rna")
            regions = find_regions(atac)
            expression = None if rna is None else self._expression(rna, reference, settings.gene_column)
            tpm = repeat(None) if expression is None else expression.rows()
            for name, signal, values in zip(self.names, self._signal(atac), tpm, strict=False):
                peaks = sample_peaks(regions, signal, least=self._least_signal)
                counts.append(len(peaks))
                without += [name] if values is None else []
                progress(f"read {name}")
                yield shared_file_sample(
                    name,
                    peaks,
                    assembly=self._assembly,
                    columns=self._columns[name],
                    naming=regions.naming,
                    atac=self._file.path,
                    rna=None
                    if expression is None or values is None
                    else SharedExpression(self._file.path, "mudata", expression.gene_ids, values),
                    reference=reference,
                )
        self.remarks = [*self._cells.remarks, presence_remark(counts, len(regions), self._least_signal)]
        self.remarks += self._told(expression, without)
        self.remarks += info_remarks(self.names, self._info)

    def _told(self, expression: "_Expression | None", without: list[str]) -> list[str]:
        if expression is None:
            return [f"{self._file.path}: has no modality rna; no sample has RNA"]
        return [expression.remark, *([f"without RNA: {name_some(without)}"] if without else [])]

    def _expression(self, rna: Modality, reference: GeneReference, gene_column: str | None) -> "_Expression":
        """Find out what the values are, from all samples, before any is scaled."""
        gene_ids = find_gene_ids(rna, gene_column)
        refuse_unjoined([join_genes(self._file.path, gene_ids, reference)], where=rna.label)
        ids, place = _without_copies(rna, gene_ids)
        blocks = partial(self._blocks, rna)
        if len(self.names) <= _AT_ONCE:
            blocks = partial(iter, [*blocks()])
        whole, highest, totals = True, 0.0, []
        for found in blocks():
            whole = whole and found.whole
            highest = max(highest, float(found.sums.max(initial=0)))
            totals.append(found.sums.sum(axis=1))
        total = np.concatenate(totals)
        remark = self._judge(rna, whole, highest, total)
        return _Expression(ids, place, blocks, scaled=whole, remark=remark)

    def _judge(self, rna: Modality, whole: bool, highest: float, total: NDArray[np.float64]) -> str:
        """Say what the values are taken for.

        Raises:
            InputError: If they are neither counts of molecules nor TPM.
        """
        if whole and self._file.by is not None:
            return f"{rna.label}: counts, scaled to a million a sample"
        if whole and self._file.rna_layer is not None:
            return f"{rna.label}: taken for counts of molecules (UMI), not of fragments; scaled to a million a sample"
        if whole:
            raise InputError(
                f"{rna.label}: every row is a sample, and its values TPM; got whole numbers, up to {highest:,.0f}. Counts of "
                "bulk RNA-seq grow with the length of the gene: divide by it, and name the layer of TPM with --rna-layer. Where "
                "rows are cells, pass --by; where they are sums of cells counted by UMI, name their layer (--rna-layer X is X)."
            )
        if self._file.by is not None:
            raise InputError(_fractions(rna))
        if total.max(initial=0) > _HIGHEST_SUM or highest <= LOG_MAXIMUM:
            most = int(np.argmax(total))
            raise InputError(
                f"{rna.label}: values with fractions are TPM, which add up to about a million; those of {self.names[most]} add "
                f"up to {total[most]:,.0f}, the highest of all is {highest:,.4g}. Name a layer of counts or TPM with --rna-layer."
            )
        return f"{rna.label}: taken for TPM"

    def _blocks(self, modality: Modality) -> Iterator[GroupSums]:
        """Sums of the samples over their cells, some samples at a time: columns are many."""
        group = self._cells.groups[modality.name]
        for first in range(0, len(self.names), _AT_ONCE):
            last = min(first + _AT_ONCE, len(self.names))
            yield modality.add_up(np.where((group >= first) & (group < last), group - first, -1), last - first)

    def _signal(self, atac: Modality) -> Iterator[NDArray[np.float64]]:
        """Sums of each sample over its cells, shape (peaks,)."""
        for found in self._blocks(atac):
            if not found.whole and self._file.by is not None:
                raise InputError(_fractions(atac))
            if not found.whole:
                refuse_logarithms(atac.label, found.sums)
            yield from found.sums


@dataclass(frozen=True, eq=False)
class _Expression:
    """Values per million of the samples, read when they are asked for.

    Attributes:
        gene_ids: Genes, each once.
        place: Gene of each column of the file; None: they are the same.
        blocks: Gives the sums of the samples, some at a time.
        scaled: Whether a sample is brought to a million, else taken as it is.
        remark: What was made of the file's values.
    """

    gene_ids: tuple[str, ...]
    place: NDArray[np.intp] | None
    blocks: Callable[[], Iterator[GroupSums]]
    scaled: bool
    remark: str

    def rows(self) -> Iterator[NDArray[np.float64] | None]:
        """Give each sample's values, shape (genes,); None for samples without any above 0, which have no RNA."""
        for found in self.blocks():
            for sums in found.sums:
                values: NDArray[np.float64] = sums
                if self.place is not None:
                    values = np.bincount(self.place, sums, minlength=len(self.gene_ids)).astype(np.float64)
                total = values.sum()
                yield None if total <= 0 else values * (_MILLION / total) if self.scaled else values


def find_regions(atac: Modality) -> Regions:
    """Read the places of the peaks: columns of var, else names of var or a column of names.

    Raises:
        InputError: If neither tells them, or a peak stands twice.
    """
    what = f"{atac.path}, atac.var"

    def row(number: int) -> str:
        return f"{what} row {number} ({atac.var.index[number]})"

    columns = place_columns([str(name) for name in atac.var.columns])
    if columns is not None:
        # A column that a table of peaks would have as score or summit may be anything here, and is not asked.
        regions = regions_from_table(atac.var[list(columns)], what=what, row=row)
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


def _without_copies(rna: Modality, gene_ids: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.intp] | None]:
    """Each gene once, and that of each column: copies (on Y, of pseudoautosomal genes) add up; many repeats are a mistake."""
    ids = tuple(dict.fromkeys(gene_ids))
    if len(ids) == len(gene_ids):
        return ids, None
    if len(gene_ids) - len(ids) > 0.01 * len(gene_ids):
        raise InputError(
            f"{rna.path}, rna.var: a gene has one row; {len(gene_ids) - len(ids):,} of {len(gene_ids):,} repeat a gene. Keep one "
            "row a gene, or name the column of ids with --gene-column."
        )
    place = {gene: i for i, gene in enumerate(ids)}
    return ids, np.array([place[gene] for gene in gene_ids], dtype=np.intp)


def _fractions(modality: Modality) -> str:
    return (
        f"{modality.label}: the cells of a sample are added up as counts, which are whole numbers; there are fractions, as in "
        f"normalised values. Name the layer that holds counts with --{modality.name}-layer."
    )
