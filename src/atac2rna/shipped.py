"""The model in the box: where its files lie, and its gene tables, which serve where no annotation is given."""

from functools import cache
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.formats.model_genes import read_model_genes
from atac2rna.genome import GeneTable

BUILTIN = "builtin"
"""What stands for the shipped model, or the profiles that it holds, where a file or folder can be named."""

ASSEMBLIES = ("hg19", "hg38")
"""Assemblies whose genes it knows."""


def shipped_folder() -> Path:
    """Give the directory of the shipped model.

    Raises:
        InputError: If this installation lacks it.
    """
    folder = Path(__file__).parent / "pretrained"
    if not (folder / "model.json").is_file():
        raise InputError(f"{folder}: the shipped model is missing from this installation; install atac2rna again.")
    return folder


@cache
def _tables() -> dict[str, GeneTable]:
    return read_model_genes(shipped_folder() / "genes.tsv.gz", ASSEMBLIES)[0]


def shipped_gene_table(assembly: str) -> GeneTable | None:
    """Give the genes of the shipped model in an assembly; None for an assembly that it does not know."""
    return _tables().get(assembly) if assembly in ASSEMBLIES else None
