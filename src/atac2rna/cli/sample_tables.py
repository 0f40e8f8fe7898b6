"""Where the samples of an atlas come from on the command line: a SAMPLES.tsv, two matrices, or a MuData file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atac2rna.building import SampleSource

AtacMatrix = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Counts or signal, peaks x samples; places in columns or names.")
]
RnaMatrix = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TPM, or counts with lengths, genes x samples, of the same names.")
]
Pairs = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Two columns: name in the ATAC matrix, name in the RNA matrix.")
]
H5mu = Annotated[
    Path | None, typer.Option(metavar="FILE", help="MuData with modalities atac and rna, counts of cells or samples.")
]
By = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of obs whose values are the samples: cells are added up.")
]
AtacLayer = Annotated[str | None, typer.Option(metavar="NAME", help="Layer of counts in atac; else X.")]
RnaLayer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Layer of counts (or TPM) in rna; else X. Without --by counts are taken from a layer that is named alone (X is X).",
    ),
]
SamplesInfo = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Table of lineage, group, ...; first column: sample.")
]
TableAssembly = Annotated[
    str | None, typer.Option("--assembly", help="Assembly of the peaks of a matrix or MuData file.")
]
LeastSignal = Annotated[
    float | None,
    typer.Option(min=0, help="Count or signal from which on a region of a matrix is a peak; else all above 0."),
]

_OF_MATRICES = ("--atac-matrix", "--rna-matrix", "--pairs")
_OF_H5MU = ("--h5mu", "--by", "--atac-layer", "--rna-layer")


@dataclass(frozen=True, kw_only=True)
class SampleTables:
    """What is given in place of a SAMPLES.tsv, each as the option of its name."""

    atac_matrix: Path | None
    rna_matrix: Path | None
    pairs: Path | None
    h5mu: Path | None
    by: str | None
    atac_layer: str | None
    rna_layer: str | None
    samples_info: Path | None
    assembly: str | None
    least_signal: float | None

    def options(self) -> list[str]:
        """Name the options that are given."""
        return [f"--{name.replace('_', '-')}" for name in self._names() if getattr(self, name) is not None]

    def _names(self) -> list[str]:
        return [field.name for field in fields(self)]


def choose_source(samples: Path | None, tables: SampleTables, *, value_column: str | None) -> "SampleSource":
    """Choose where the samples come from; exactly one of three ways.

    Raises:
        InputError: If it is none or several of them, or an option belongs to another one.
    """
    from atac2rna.building import ManifestSamples
    from atac2rna.building.matrices import MatrixFiles, MatrixSamples
    from atac2rna.building.multimodal import Multimodal, MultimodalSamples
    from atac2rna.errors import InputError
    from atac2rna.formats.manifest import read_manifest

    given = tables.options()
    if samples is not None:
        if given:
            raise InputError(
                f"{given[0]} is not for a SAMPLES.tsv, which tells all of its samples. Leave one of them out."
            )
        return ManifestSamples(read_manifest(samples))
    if value_column is not None:
        raise InputError("--value-column names the values in files of single samples, of a SAMPLES.tsv. Leave it out.")
    mixed = [name for name in given if name in _OF_MATRICES], [name for name in given if name in _OF_H5MU]
    if all(mixed):
        raise InputError(
            f"samples come from matrices or from a MuData file; got {mixed[0][0]} and {mixed[1][0]}. Leave one out."
        )
    main = tables.atac_matrix or tables.h5mu
    if main is None:
        got = f"got {given[0]} alone" if given else "got none"
        raise InputError(
            f"an atlas is built from a SAMPLES.tsv, an --atac-matrix or an --h5mu; {got}. Add one of them."
        )
    if tables.assembly is None:
        raise InputError(f"{main}: a table of peaks does not say its assembly. Add --assembly hg38 (or hg19, mm10).")
    if tables.h5mu is not None:
        what = Multimodal(tables.h5mu, tables.by, tables.atac_layer, tables.rna_layer, tables.samples_info)
        return MultimodalSamples(what, assembly=tables.assembly, least_signal=tables.least_signal)
    files = MatrixFiles(main, tables.rna_matrix, tables.pairs, tables.samples_info)
    return MatrixSamples(files, assembly=tables.assembly, least_signal=tables.least_signal)
