"""Checks of an atlas, or of the files of a samples.tsv, by all rules of `quality`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atac2rna.annotations import cached_releases, is_official
from atac2rna.atlas import Atlas, SampleData, SampleRecord, tpm_on_axis, write_findings
from atac2rna.building import BuildSettings, GeneReference, named_releases, read_reference, read_sample
from atac2rna.building.reference import elsewhere
from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation
from atac2rna.formats.manifest import Entry, Manifest, is_manifest, read_manifest
from atac2rna.formats.matrices import (
    PEAKS_PREFIX,
    find_gene_file,
    holds_matrices,
    read_region_genes,
    read_seed_matrices,
)
from atac2rna.formats.peaks import SIGNAL_TRACK
from atac2rna.genome import GeneTable, canonical_assembly
from atac2rna.peaks import Peaks
from atac2rna.quality.cohort import CheckInput
from atac2rna.quality.finding import Finding, by_severity
from atac2rna.quality.matrices import find_matrix_problems
from atac2rna.quality.samples import find_problems
from atac2rna.shipped import ASSEMBLIES, shipped_gene_table

COMMON_ASSEMBLIES = ("hg38", "hg19", "mm10", "mm39")
"""Assemblies whose cached gene tables, where there are any, are tried on every sample."""

_OF_THE_TABLE = ("groups-of-one", "lineage-missing")
"""Codes of findings about the columns of a samples.tsv, which peak files by themselves have not."""


class _AtlasPeaks(Sequence[Peaks]):
    """The peaks of an atlas' samples, read one at a time."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas

    def __len__(self) -> int:
        return len(self._atlas.samples)

    def __getitem__(self, index: int) -> Peaks:  # type: ignore[override]
        return self._atlas.peaks(self._atlas.samples[index].name)


def check_atlas(atlas: Atlas, *, annotations: Mapping[str, Path] | None = None, seed: int = 0) -> list[Finding]:
    """Check the samples of an atlas.

    Args:
        atlas: The atlas.
        annotations: Further gene annotations by assembly, to be tried on samples whose assembly is in doubt.
        seed: Seed of the bootstrap.

    Returns:
        Findings, errors first.
    """
    tables = _all_tables(atlas.axis, annotations or {}, known=atlas.tables)
    tpm = atlas.raw_tpm([record.name for record in atlas.samples])
    findings = find_problems(_check_input(atlas.samples, _AtlasPeaks(atlas), tpm, tables, atlas.axis), seed=seed)
    kept: dict[str, str] = {}
    for entry in atlas.attributes["provenance"]:
        told = entry.get("annotations", {}).items()
        kept |= {name: record["url"] for name, record in told if "url" in record and name not in kept}
    return by_severity([*findings, *_from_elsewhere(kept)])


def check_built(atlas: Atlas) -> list[Finding]:
    """Check a new atlas and store the findings in it."""
    findings = check_atlas(atlas)
    write_findings(atlas.path, [asdict(finding) for finding in findings])
    return findings


def check_samples(
    manifest: Manifest,
    *,
    annotations: Mapping[str, Path],
    settings: BuildSettings,
    progress: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> list[Finding]:
    """Check the files of a manifest without building anything; a file that cannot be read is a finding, too.

    Args:
        manifest: The samples.
        annotations: Annotation file by assembly; assemblies without one: see `read_reference`.
        settings: How expression files are read.
        progress: Told of every sample read.
        seed: Seed of the bootstrap.

    Returns:
        Findings, errors first.
    """
    named = named_releases(manifest, given=annotations)
    reference = read_reference([entry.assembly for entry in manifest.entries], annotations, named=named)
    samples: list[SampleData] = []
    unreadable: list[Finding] = []
    for entry in manifest.entries:
        try:
            samples.append(
                read_sample(entry, reference, gene_column=settings.gene_column, value_column=settings.value_column)
            )
        except InputError as fault:
            unreadable.append(
                Finding(
                    "error", "unreadable", entry.sample, "", str(fault), f"Mend line {entry.line} of {manifest.path}."
                )
            )
        progress(f"read {entry.sample}")
    if not samples:
        return unreadable
    of_genes = [*_of_the_choice(reference, named), *_from_elsewhere(reference.addresses)]
    return by_severity([*unreadable, *_check_read(samples, reference, seed=seed), *of_genes])


def _of_the_choice(reference: GeneReference, named: Mapping[str, str]) -> list[Finding]:
    """Say where the samples name another annotation than the one that will be used."""
    remedy = "Fetch it before building, or build with the genes that there are: genes without a partner are left out."
    told = "; ".join(f"{assembly}: {name}" for assembly, name in named.items())
    return [Finding("note", "genome-annotation", "atlas", told, note, remedy) for note in reference.notes]


def _from_elsewhere(addresses: Mapping[str, str]) -> list[Finding]:
    """Say which gene tables of the cache come from elsewhere than the source of their release, by assembly."""
    return [
        Finding(
            "note",
            "gene-table-elsewhere",
            "atlas",
            f"{assembly}: {address or 'unknown'}",
            f"The genes of {assembly} are of a table {elsewhere(address)}.",
            "Fetch the release with atac2rna annotation and build again, unless this is a mirror that you chose.",
        )
        for assembly, address in addresses.items()
        if not is_official(address)
    ]


def _check_read(samples: Sequence[SampleData], reference: GeneReference, *, seed: int) -> list[Finding]:
    axis = tuple(dict.fromkeys(gene for table in reference.tables.values() for gene in table.gene_ids))
    tpm = np.stack([tpm_on_axis(sample.tpm, axis) for sample in samples])
    tables = _all_tables(axis, {}, known=reference.tables)
    records, peaks = [sample.record for sample in samples], [sample.peaks for sample in samples]
    return find_problems(_check_input(records, peaks, tpm, tables, axis), seed=seed)


def _all_tables(
    axis: Sequence[str], annotations: Mapping[str, Path], *, known: Mapping[str, GeneTable]
) -> dict[str, GeneTable]:
    """Add tables of further assemblies to those of the samples, so that a wrong assembly is told by the right one.

    The annotations given, else what the cache holds of common assemblies, else the genes of the shipped model. Only where at
    least half of the genes are those of the samples, by id (mouse says nothing of human), and these alone.
    """
    kept = {name: list(cached_releases(name).values()) for name in COMMON_ASSEMBLIES}
    files = {**{name: paths[-1] for name, paths in kept.items() if paths}, **annotations}
    further = {name: read_annotation(path, assembly=name) for name, path in files.items() if name not in known}
    shipped = {name: shipped_gene_table(name) for name in ASSEMBLIES if name not in known and name not in further}
    there = set(axis)
    found = dict(known)
    for name, table in {**further, **shipped}.items():
        shared = [] if table is None else [gene for gene in table.gene_ids if gene in there]
        # The shipped genes stand for the genome: a few of them, in an atlas of a region, could mislead.
        if (
            table is not None
            and shared
            and 2 * len(shared) >= (len(table) if name in shipped else min(len(table), len(there)))
        ):
            found[name] = table.select(shared)
    return found


def _check_input(
    records: Sequence[SampleRecord],
    peaks: Sequence[Peaks],
    tpm: NDArray[np.float32],
    tables: Mapping[str, GeneTable],
    axis: tuple[str, ...],
) -> CheckInput:
    names = dict.fromkeys(name for record in records for name in record.columns)
    return CheckInput(
        samples=tuple(record.name for record in records),
        peaks=peaks,
        assemblies=tuple(record.assembly for record in records),
        genes=tables,
        gene_ids=axis,
        tpm=tpm,
        tpm_sums_file=np.array([record.rna_sum for record in records]),
        join_rate=np.array([record.join_rate for record in records]),
        symbols=np.array([record.symbols for record in records]),
        peak_naming=tuple(record.peak_naming for record in records),
        atac_checksums=tuple(tuple(source.sha256 for source in record.atac) for record in records),
        rna_checksums=tuple(tuple(source.sha256 for source in record.rna) for record in records),
        columns={name: tuple(record.columns.get(name, "") for record in records) for name in names},
        shared_regions=tuple(record.peak_layout == "matrix" for record in records),
        tracks=tuple(record.peak_layout == SIGNAL_TRACK for record in records),
    )


@dataclass(frozen=True)
class Target:
    """What `atac2rna check` was pointed at.

    Attributes:
        paths: An atlas, a samples.tsv, a folder of headerless matrices (one path), or peak files.
        assembly: Assembly of peak files.
        annotations: Annotation file by assembly.
    """

    paths: tuple[Path, ...]
    assembly: str | None
    annotations: Mapping[str, Path]


def check_target(
    target: Target,
    *,
    settings: BuildSettings,
    progress: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> list[Finding]:
    """Check whatever the paths are: an atlas and a matrix folder by what is in them, a manifest by its header.

    Raises:
        InputError: If a path is none of these, or several are given that are not all peak files.
    """
    first = target.paths[0]
    if len(target.paths) == 1 and first.is_dir():
        if holds_matrices(first):
            return check_matrices(first, next(iter(target.annotations.values()), None))
        if not (first / "zarr.json").is_file():
            raise InputError(
                f"{first}: is neither an atlas (it has no zarr.json) nor a folder of matrices (it has no "
                f"{PEAKS_PREFIX}_*.csv); name one of these, a samples.tsv, or peak files."
            )
        findings = check_atlas(Atlas(first), annotations=target.annotations, seed=seed)
        progress("read the atlas")
        return findings
    if len(target.paths) == 1 and is_manifest(first):
        return check_samples(
            read_manifest(first), annotations=target.annotations, settings=settings, progress=progress, seed=seed
        )
    return check_peaks(target, progress=progress, seed=seed)


def count_steps(target: Target) -> int:
    """Count the steps that `check_target` will tell its progress of."""
    first = target.paths[0]
    alone = len(target.paths) == 1 and not first.is_dir() and is_manifest(first)
    return len(read_manifest(first).entries) if alone else len(target.paths)


def check_matrices(folder: Path, genes: Path | None = None) -> list[Finding]:
    """Check the headerless matrices of a folder, with the gene table given or lying beside them, if there is one."""
    genes = genes or find_gene_file(folder)
    return by_severity(
        find_matrix_problems(read_seed_matrices(folder), None if genes is None else read_region_genes(genes))
    )


def check_peaks(target: Target, *, progress: Callable[[str], None] = lambda _: None, seed: int = 0) -> list[Finding]:
    """Check peak files by themselves.

    Raises:
        InputError: If the assembly is not given, or has no gene table.
    """
    folders = [path for path in target.paths if path.is_dir()]
    if folders:
        raise InputError(f"{folders[0]}: an atlas or a folder is checked alone; got {len(target.paths)} paths.")
    if target.assembly is None:
        raise InputError(
            f"{target.paths[0]}: is taken for a peak file, since its first line names no column 'sample'; peak files are "
            "checked against an assembly. Pass --assembly hg38, and --annotation hg38=FILE where its genes are not cached."
        )
    assembly = canonical_assembly(target.assembly)
    entries = tuple(
        Entry(sample=path.name, atac=(path,), rna=(), assembly=assembly, columns={}, line=number)
        for number, path in enumerate(target.paths, 1)
    )
    reference = read_reference([assembly], target.annotations)
    samples = []
    for entry in entries:
        samples.append(read_sample(entry, reference))
        progress(f"read {entry.sample}")
    findings = by_severity([*_check_read(samples, reference, seed=seed), *_from_elsewhere(reference.addresses)])
    return [finding for finding in findings if finding.code not in _OF_THE_TABLE]
