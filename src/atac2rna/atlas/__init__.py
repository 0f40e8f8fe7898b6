"""The atlas: samples with peaks, expression and gene tables, on disk as zarr; `docs/atlas-format.md` has the tree."""

from atac2rna.atlas.parts import tpm_on_axis
from atac2rna.atlas.reading import FORMAT, FORMAT_VERSION, Atlas
from atac2rna.atlas.record import GeneSelection, GeneSet, SampleData, SampleRecord, SourceFile
from atac2rna.atlas.writing import BLOCK_SAMPLES, add_to_atlas, write_atlas, write_findings

__all__ = [
    "BLOCK_SAMPLES",
    "FORMAT",
    "FORMAT_VERSION",
    "Atlas",
    "GeneSelection",
    "GeneSet",
    "SampleData",
    "SampleRecord",
    "SourceFile",
    "add_to_atlas",
    "tpm_on_axis",
    "write_atlas",
    "write_findings",
]
