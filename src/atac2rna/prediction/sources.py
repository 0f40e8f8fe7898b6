"""The peaks of whatever a person has: files, standard input, tables in memory, an AnnData."""

import os.path
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeGuard

from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.intervals_table import PandasTable, Table, peaks_from_table
from atac2rna.formats.manifest import Manifest
from atac2rna.formats.peaks import PeakFile, is_track, read_peak_bytes, read_peaks
from atac2rna.peaks import Peaks, pool_replicates
from atac2rna.prediction.accessibility_matrix import AccessibilityMatrix, MatrixRow, sample_names

STDIN = "-"
Source = str | Path | Peaks | Table
"""A file, `-` for standard input, a DataFrame of intervals, or `Peaks`."""
Replicates = Sequence[Source]
Sources = Sequence[Source] | Mapping[str, Source | Replicates] | AccessibilityMatrix
"""Several samples: a list; a mapping by name, in which a list holds the replicates of one sample; or an AnnData."""

_SUFFIX = re.compile(
    r"\.(?:gz|bgz|txt|tsv|bed\d*|narrowpeak|broadpeak|gappedpeak|peaks?|bw|bigwig)$|_peaks$", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample to predict.

    Attributes:
        name: Its name, fit for a file name.
        inputs: Where its peaks are, one for each replicate.
        assembly: Assembly of the peaks; None: not said.
    """

    name: str
    inputs: tuple[Source | MatrixRow, ...]
    assembly: str | None = None

    def joined(self, replicates: Sequence[Source]) -> "Sample":
        """Add replicates."""
        return replace(self, inputs=(*self.inputs, *replicates))

    @property
    def paths(self) -> tuple[str | Path, ...]:
        """Files among the inputs, as given."""
        return tuple(one for one in self.inputs if isinstance(one, str | Path))


class ReadSample(NamedTuple):
    """Peaks of a sample, replicates pooled.

    Attributes:
        peaks: The peaks.
        files: Name and sha256 of each input; the checksum is empty for what came from memory.
        naming: How the files name chromosomes, each way once.
        track: Whether an input is a bigWig, whose maxima stand for peaks.
    """

    peaks: Peaks
    files: tuple[tuple[str, str], ...]
    naming: str
    track: bool


def read_sample(sample: Sample) -> ReadSample:
    """Read the peaks of a sample; several replicates are pooled as `build` does.

    Raises:
        InputError: If an input does not hold peaks.
    """
    each = [_read(one, sample.name) for one in sample.inputs]
    return ReadSample(
        peaks=pool_replicates([one.peaks for one in each]),
        files=tuple(one.file for one in each),
        naming=", ".join(dict.fromkeys(one.naming for one in each)),
        track=is_track([one.layout for one in each], sample.name),
    )


class _Input(NamedTuple):
    """Peaks of one input, name and checksum of where they came from, how chromosomes are named there, and the layout."""

    peaks: Peaks
    file: tuple[str, str]
    naming: str = "canonical"
    layout: str = ""


def _read(source: Source | MatrixRow, sample: str) -> _Input:
    if isinstance(source, MatrixRow):
        return _Input(source.peaks(), ("AnnData", ""))
    if isinstance(source, Peaks):
        return _Input(source, ("Peaks", ""))
    if not isinstance(source, str | Path):
        return _Input(peaks_from_table(source, what=f"the table of {sample}"), ("DataFrame", ""))
    if str(source) == STDIN:
        raw = sys.stdin.buffer.read()
        file: PeakFile = read_peak_bytes(raw, Path("standard input"))
        return _Input(file.peaks, ("standard input", sha256(raw).hexdigest()), file.naming, file.layout)
    path = Path(source).expanduser()
    if is_stream(path):
        raw = path.read_bytes()
        file = read_peak_bytes(raw, path)
        return _Input(file.peaks, (path.name, sha256(raw).hexdigest()), file.naming, file.layout)
    file = read_peaks(path)
    return _Input(file.peaks, (path.name, checksum(path)), file.naming, file.layout)


def is_stream(path: Path) -> bool:
    """Tell a pipe or device, which can be read once, from a file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def is_several(source: Source | Sources) -> TypeGuard[Sources]:
    """Tell whether a source holds several samples."""
    if isinstance(source, Mapping | list | tuple):
        return True
    return not isinstance(source, Peaks) and isinstance(source, AccessibilityMatrix)


def one_sample(source: Source, *, name: str | None = None, assembly: str | None = None) -> Sample:
    """Name a single sample; by default as its file, without the suffixes of peak files, else `sample`.

    Raises:
        InputError: If the source is of no known kind, or the name does not fit.
    """
    _require_known(source)
    return Sample(_fit(name or _name_of(source)), (source,), assembly)


def many_samples(sources: Sources, *, assembly: str | None = None) -> list[Sample]:
    """Name several samples: by key, by the AnnData, by file, else `sample1`, `sample2`.

    Raises:
        InputError: If a name or an input occurs twice, there is none, or a source is of no known kind.
    """
    samples = []
    if isinstance(sources, Mapping):
        for key, value in sources.items():
            inputs: Sequence[Source] = list(value) if isinstance(value, list | tuple) else [value]  # type: ignore[list-item]
            samples.append(Sample(_fit(str(key)), tuple(inputs), assembly))
    elif isinstance(sources, AccessibilityMatrix):
        names = enumerate(sample_names(sources))
        samples = [Sample(_fit(name), (MatrixRow(sources, row),), assembly) for row, name in names]
    else:
        for number, source in enumerate(sources, start=1):
            name = _name_of(source) if isinstance(source, str | Path) else f"sample{number}"
            samples.append(Sample(_fit(name), (source,), assembly))
    for sample in samples:
        if not sample.inputs:
            raise InputError(f"{sample.name}: a sample has at least one source of peaks; got an empty list.")
        for one in sample.inputs:
            _require_known(one)
    require_distinct(samples)
    return samples


def samples_of(manifest: Manifest) -> list[Sample]:
    """Give the samples of a samples.tsv; whatever it says of RNA is not looked at.

    Raises:
        InputError: If two samples share a file.
    """
    samples = [Sample(entry.sample, entry.atac, entry.assembly) for entry in manifest.entries]
    require_distinct(samples)
    return samples


def require_distinct(samples: Sequence[Sample]) -> None:
    """Make sure that names, files and the content of files occur once, before anything is read.

    Raises:
        InputError: Naming both; or if a file does not exist.
    """
    if not samples:
        raise InputError("there is nothing to predict; give at least one peak file.")
    files = _existing([path for sample in samples for path in sample.paths])
    _require_distinct_files(files)
    by_name: dict[str, Sample] = {}
    for sample in samples:
        first = by_name.setdefault(sample.name, sample)
        if first is not sample:
            raise InputError(
                f"sample names are unique; {_told(first)} and {_told(sample)} are both {sample.name!r}. Rename one, list them "
                "in a samples.tsv, or pass --replicates if they are replicates of one sample."
            )


def _existing(paths: Sequence[str | Path]) -> list[Path]:
    """Give the files among paths; a folder is left to the reader of peaks, which says so."""
    if sum(str(path) == STDIN for path in paths) > 1:
        raise InputError("standard input can be read once; got '-' twice.")
    files = [Path(path).expanduser() for path in paths if str(path) != STDIN]
    missing = [path for path in files if not os.path.exists(path)]
    if missing:
        raise InputError(
            f"{missing[0]}: no such file; a peak file is expected there ({len(missing)} of {len(files)} are missing)."
        )
    return [path for path in files if os.path.isfile(path)]


def _require_distinct_files(files: Sequence[Path]) -> None:
    """Compare real paths, and the content of files of one size."""
    seen: dict[str, Path] = {}
    for path in files:
        real = os.path.realpath(path)
        if real in seen:
            raise InputError(
                f"every peak file is given once; {seen[real]} and {path} are the same file. Leave one out."
            )
        seen[real] = path
    sizes = [path.stat().st_size for path in files]
    sums: dict[str, Path] = {}
    for path, size in zip(files, sizes, strict=True):
        if sizes.count(size) > 1:
            first = sums.setdefault(checksum(path), path)
            if first is not path:
                raise InputError(
                    f"every sample has its own peaks; {first} and {path} have the same content. Leave one out."
                )


def _told(sample: Sample) -> str:
    return " + ".join(str(path) for path in sample.paths) or "an input"


def _require_known(source: object) -> None:
    import polars as pl

    if not isinstance(source, str | Path | Peaks | pl.DataFrame | MatrixRow | PandasTable):
        raise InputError(
            "peaks come from a path, '-', a polars or pandas DataFrame with chrom, start and end, an AnnData, or "
            f"atac2rna.read_peaks(path).peaks; got {type(source).__name__}."
        )


def _name_of(source: Source) -> str:
    if not isinstance(source, str | Path):
        return "sample"
    name = "stdin" if str(source) == STDIN else Path(source).name
    while (shorter := _SUFFIX.sub("", name)) and shorter != name:
        name = shorter
    return name.lstrip(".") or "sample"


def _fit(name: str) -> str:
    if not name or name[0] == "." or any(c in "/\\" or not c.isprintable() for c in name):
        raise InputError(
            f"the name of a sample may serve as a file name, without / or \\, control characters, or a dot in front; got "
            f"{name!r}. Rename it."
        )
    return name
