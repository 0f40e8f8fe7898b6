"""Samples of two matrices: accessibility (peaks x samples) and expression (genes x samples)."""

from collections.abc import Callable, Container, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from atac2rna.atlas import SampleData
from atac2rna.building.columns import info_remarks, name_some, with_info
from atac2rna.building.genes import join_genes, refuse_unjoined
from atac2rna.building.presence import presence_remark, sample_peaks
from atac2rna.building.reference import GeneReference
from atac2rna.building.settings import BuildSettings
from atac2rna.building.shared_file import SharedExpression, shared_file_sample
from atac2rna.errors import InputError, nearest_names
from atac2rna.files import file_record, peek_text
from atac2rna.formats.expression import WHAT as EXPRESSION
from atac2rna.formats.expression import ExpressionFile, read_expression
from atac2rna.formats.manifest import require_fit_name
from atac2rna.formats.pairs import WHAT as PAIR_MAP
from atac2rna.formats.pairs import read_pairs
from atac2rna.formats.region_matrix import read_region_matrix
from atac2rna.formats.sample_info import read_sample_info
from atac2rna.genome import canonical_assembly
from atac2rna.peaks import Peaks


@dataclass(frozen=True)
class MatrixFiles:
    """The tables that samples are read from.

    Attributes:
        atac: Accessibility, peaks x samples.
        rna: Expression, genes x samples; None: no sample has RNA.
        pairs: Map from the names in `atac` to those in `rna`; None: they are the same.
        info: Table of further columns, a row a sample by its name in `atac`; None: there are none.
    """

    atac: Path
    rna: Path | None = None
    pairs: Path | None = None
    info: Path | None = None


class MatrixSamples:
    """The samples of a matrix of accessibility, with their expression from a second matrix.

    A sample is a column of the first; a column of the second that goes with none is left out.
    """

    def __init__(self, files: MatrixFiles, *, assembly: str, least_signal: float | None = None) -> None:
        """Read the matrix of accessibility and what names samples.

        Args:
            files: The tables.
            assembly: Assembly of the peaks.
            least_signal: See `sample_peaks`.

        Raises:
            InputError: If a table does not hold what it should, or a map comes without a matrix of RNA.
        """
        if files.rna is None and files.pairs is not None:
            raise InputError(
                f"--pairs pairs the names of two matrices; got {files.pairs} alone. Add --rna-matrix FILE."
            )
        for path, what in ((files.rna, EXPRESSION), (files.pairs, PAIR_MAP)):
            if path is not None:
                peek_text(path, what=what)  # read after accessibility, which takes long
        self._files = files
        self._assembly = canonical_assembly(assembly)
        self._least_signal = least_signal
        self._info = read_sample_info(files.info) if files.info is not None else None
        self._matrix = read_region_matrix(files.atac)
        for name in self._matrix.samples:
            require_fit_name(name, what="a sample", where=f"{files.atac}, header")
        self._columns = with_info(self.names, {}, self._info)
        self.remarks: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samples, as in the matrix of accessibility."""
        return self._matrix.samples

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Assembly of each sample."""
        return (self._assembly,) * len(self.names)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Path and checksum of each table, and the least signal of a peak."""
        files = {name: getattr(self._files, name) for name in ("atac", "rna", "pairs", "info")}
        return {
            "matrices": {name: file_record(file) for name, file in files.items() if file is not None},
            "settings": {"least_signal": self._least_signal},
        }

    def where(self, sample: str) -> str:
        """Say where a sample is named."""
        return f"{self._files.atac}, header"

    def releases(self, *, given: Container[str]) -> dict[str, str]:
        """Name no annotation: the tables do not tell theirs."""
        return {}

    def read(
        self, reference: GeneReference, settings: BuildSettings, progress: Callable[[str], None]
    ) -> Generator[SampleData]:
        """Give the samples in the order of the matrix of accessibility; afterwards `remarks` tells what was left out.

        Raises:
            InputError: If the matrix of RNA does not hold what it should, or no sample is in both.
        """
        rna = None if self._files.rna is None else self._expression(self._files.rna, reference, settings)
        self.remarks = []
        partners = {} if rna is None else self._pair(rna)
        counts = []
        for row, sample in enumerate(self.names):
            peaks = sample_peaks(self._matrix.regions, self._matrix.signal[row], least=self._least_signal)
            counts.append(len(peaks))
            progress(f"read {sample}")
            yield self._sample(sample, peaks, rna if sample in partners else None, partners.get(sample, ""), reference)
        self.remarks += [*self._left_out(rna), presence_remark(counts, len(self._matrix.regions), self._least_signal)]
        self.remarks += [*_unpaired(self.names, partners, rna), *info_remarks(self.names, self._info)]

    def _expression(self, path: Path, reference: GeneReference, settings: BuildSettings) -> ExpressionFile:
        file = read_expression(path, gene_column=settings.gene_column, transcripts=reference.transcripts, matrix=True)
        refuse_unjoined([join_genes(path, file.gene_ids, reference)], where=str(path))
        return file

    def _pair(self, rna: ExpressionFile) -> dict[str, str]:
        """Name in the matrix of RNA of each sample that is in both."""
        if self._files.pairs is not None:
            paired = paired_by_map(self._files.pairs, self.names, rna.samples, atac=self._files.atac, rna=rna.path)
            self.remarks += paired.remarks
            return paired.partners
        known = set(rna.samples)
        partners = {name: name for name in self.names if name in known}
        if not partners:
            first = self.names[0]
            raise InputError(
                f"{rna.path}: samples have the same name in both matrices; none of its {len(rna.samples)} is one of the "
                f"{len(self.names)} of {self._files.atac}, not {first!r}. Pass --pairs with a map of two columns, "
                f"name in the ATAC matrix and name in the RNA matrix; {nearest_names(first, list(rna.samples))}"
            )
        return partners

    def _sample(
        self, sample: str, peaks: Peaks, rna: ExpressionFile | None, partner: str, reference: GeneReference
    ) -> SampleData:
        values = None if rna is None else rna.column(partner)
        return shared_file_sample(
            sample,
            peaks,
            assembly=self._assembly,
            columns=self._columns[sample],
            naming=self._matrix.regions.naming,
            atac=self._files.atac,
            rna=None
            if rna is None or values is None
            else SharedExpression(rna.path, rna.dialect, rna.gene_ids, values),
            reference=reference,
        )

    def _left_out(self, rna: ExpressionFile | None) -> list[str]:
        matrix = self._matrix
        remarks = []
        if matrix.left_out:
            remarks.append(f"{matrix.path}: columns that are no samples: {name_some(matrix.left_out)}")
        if rna is not None and rna.blank:
            remarks.append(f"{rna.path}: columns that are no samples: {name_some(rna.blank)}")
        if matrix.one_based:
            remarks.append(
                f"{matrix.path}: its widths say that both ends are included from 1; starts were moved by one"
            )
        if matrix.odd_widths:
            remarks.append(
                f"{matrix.path}: nearly all of its widths say that both ends are included from 1, {matrix.odd_widths:,} of "
                f"{len(matrix.regions):,} say otherwise; starts were left as they are, one base too far right if so. Correct "
                "those rows"
            )
        return remarks


class Paired(NamedTuple):
    """The partner of each sample by name, and what to tell of the map."""

    partners: dict[str, str]
    remarks: list[str]


def paired_by_map(path: Path, names: Sequence[str], partners: Sequence[str], *, atac: Path, rna: Path) -> Paired:
    """Pair samples by a map, which may have a header.

    Args:
        path: The map, see `read_pairs`.
        names: Samples of accessibility.
        partners: Samples of RNA.
        atac: Where the former are, for errors.
        rna: Where the latter are.

    Raises:
        InputError: If a name of the map is no sample, or there is none.
    """
    header, pairs = read_pairs(path, names=set(names), partners=set(partners))
    for pair in pairs:
        for name, known, where in ((pair.atac, names, atac), (pair.rna, partners, rna)):
            if name not in known:
                raise InputError(
                    f"{path} line {pair.line}: a map names samples of both matrices; {name!r} is none of the {len(known)} of "
                    f"{where}; {nearest_names(name, list(known))}"
                )
    if not pairs:
        raise InputError(
            f"{path}: a map names samples, first as {atac} does ({name_some(names)}), then as {rna} does "
            f"({name_some(partners)}); got a header alone. Add a row for each pair."
        )
    remarks = []
    if header is not None:
        remarks.append(f"{path} line {header.line}: {header.atac!r} and {header.rna!r} were taken for a header")
    return Paired({pair.atac: pair.rna for pair in pairs}, remarks)


def _unpaired(names: Sequence[str], partners: Mapping[str, str], rna: ExpressionFile | None) -> list[str]:
    if rna is None:
        return []
    without = [name for name in names if name not in partners]
    used = set(partners.values())
    further = [name for name in rna.samples if name not in used]
    remarks = [f"without RNA: {name_some(without)}"] if without else []
    return remarks + ([f"in the RNA matrix only, left out: {name_some(further)}"] if further else [])
