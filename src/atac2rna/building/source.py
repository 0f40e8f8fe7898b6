"""Where the samples of an atlas come from."""

from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol

from atac2rna.atlas import SampleData
from atac2rna.building.named_releases import named_releases
from atac2rna.building.reading import SampleReader, read_samples
from atac2rna.building.reference import GeneReference
from atac2rna.building.settings import BuildSettings
from atac2rna.files import file_record
from atac2rna.formats.manifest import Manifest


class SampleSource(Protocol):
    """A samples.tsv, matrices of several samples, or a file of single cells."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samples, in order."""
        ...

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Assembly of each sample."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What to keep of it in the atlas: paths and checksums, and settings of its own under `settings`."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What was left out or is worth knowing, complete once all samples are read."""
        ...

    def where(self, sample: str) -> str:
        """Say where a sample is named, for errors."""
        ...

    def releases(self, *, given: Container[str]) -> dict[str, str]:
        """Name the annotation of each assembly, as `named_releases` does, where the samples tell."""
        ...

    def read(
        self, reference: GeneReference, settings: BuildSettings, progress: Callable[[str], None]
    ) -> Generator[SampleData]:
        """Give the samples one by one, with their expression joined to the gene tables.

        Args:
            reference: The gene tables.
            settings: How to read.
            progress: Told of every sample.

        Raises:
            InputError: If something does not hold what it should.
        """
        ...


class ManifestSamples:
    """The samples of a samples.tsv."""

    def __init__(self, manifest: Manifest) -> None:
        """Take the manifest."""
        self._manifest = manifest
        self.remarks: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samples, in order."""
        return tuple(entry.sample for entry in self._manifest.entries)

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Assembly of each sample."""
        return tuple(entry.assembly for entry in self._manifest.entries)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Path and checksum of the table."""
        return {"manifest": file_record(self._manifest.path)}

    def where(self, sample: str) -> str:
        """Say on which line a sample is named."""
        line = next(entry.line for entry in self._manifest.entries if entry.sample == sample)
        return f"{self._manifest.path} line {line}"

    def releases(self, *, given: Container[str]) -> dict[str, str]:
        """Read the column `genome_annotation`; see `named_releases`."""
        return named_releases(self._manifest, given=given)

    def read(
        self, reference: GeneReference, settings: BuildSettings, progress: Callable[[str], None]
    ) -> Generator[SampleData]:
        """Read the files of the samples; see `read_samples`."""
        reader = SampleReader(reference, gene_column=settings.gene_column, value_column=settings.value_column)
        with closing(read_samples(self._manifest, reader, workers=settings.workers, progress=progress)) as samples:
            yield from samples
