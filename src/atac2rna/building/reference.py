"""The gene tables that samples are joined against, and the transcripts that they list."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

from atac2rna.annotations import cached_annotation
from atac2rna.errors import InputError
from atac2rna.formats.annotation import annotation_kind, read_annotation, read_transcripts
from atac2rna.genome import GeneTable
from atac2rna.shipped import shipped_gene_table


class GeneReference:
    """The gene tables that samples are joined against.

    Attributes:
        tables: Gene table of each assembly.
        files: Annotation file of each that was read from one, for provenance and transcripts.
    """

    def __init__(self, tables: Mapping[str, GeneTable], files: Mapping[str, Path]) -> None:
        """Take the tables and the files that they were read from."""
        self.tables = dict(tables)
        self.files = dict(files)

    @cached_property
    def known_ids(self) -> frozenset[str]:
        """Gene ids of all tables."""
        return frozenset(gene for table in self.tables.values() for gene in table.gene_ids)

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Gene names (symbols) of all tables."""
        names = (name for table in self.tables.values() for name in table.frame["gene_name"].to_list())
        return frozenset(name for name in names if name)

    @cached_property
    def transcripts(self) -> "TranscriptGenes | None":
        """Gene of each transcript, from the annotations that list transcripts; None if none does."""
        listing = [path for path in self.files.values() if annotation_kind(path) != "list"]
        return TranscriptGenes(listing) if listing else None


class TranscriptGenes(Mapping[str, str]):
    """Gene of each transcript, both without version; the annotations are read when the first one is looked up."""

    def __init__(self, annotations: Sequence[Path]) -> None:
        """Take GTF or GFF3 files."""
        self._annotations = tuple(annotations)
        self._lock = Lock()
        self._read: dict[str, str] | None = None

    @property
    def _genes(self) -> dict[str, str]:
        with self._lock:  # or every thread would read the annotations for itself
            if self._read is None:
                self._read = {key: gene for path in self._annotations for key, gene in read_transcripts(path).items()}
            return self._read

    def __bool__(self) -> bool:
        """Tell that there are transcripts, without reading them."""
        return True

    def __getitem__(self, transcript: str) -> str:
        """Give the gene of a transcript."""
        return self._genes[transcript]

    def __iter__(self) -> Iterator[str]:
        """Give the transcripts in file order."""
        return iter(self._genes)

    def __len__(self) -> int:
        """Give the number of transcripts."""
        return len(self._genes)


def read_reference(
    assemblies: Iterable[str], annotations: Mapping[str, Path], *, held: Mapping[str, GeneTable] | None = None
) -> GeneReference:
    """Read the gene table of every assembly needed, and of every other one given.

    Args:
        assemblies: Assemblies of the samples.
        annotations: Annotation file by canonical assembly; an assembly without one has the table in the cache, else the genes
            of the shipped model.
        held: Tables that are there already and stay. An annotation of the same assembly then serves its transcripts.

    Raises:
        InputError: If an assembly has no gene table, neither given nor cached nor shipped, or the annotation given holds another
            gene table than the one held.
    """
    held = held or {}
    files = dict(annotations)
    needed = [assembly for assembly in dict.fromkeys(assemblies) if assembly not in held]
    for assembly in needed:
        cached = cached_annotation(assembly)
        if assembly not in files and cached is not None:
            files[assembly] = cached
    shipped = {name: shipped_gene_table(name) for name in needed if name not in files}
    missing = [assembly for assembly, table in shipped.items() if table is None]
    if missing:
        raise InputError(
            f"every assembly of the samples has a gene table; there is none for {', '.join(missing)}. "
            f"Pass --annotation {missing[0]}=FILE with a GTF, GFF3, BioMart export or gene table of it."
        )
    tables = {name: read_annotation(path, assembly=name) for name, path in files.items()}
    for name, table in tables.items():
        if name in held and table.fingerprint != held[name].fingerprint:
            raise InputError(
                f"{files[name]}: an atlas has one gene table of each assembly; this one of {name} ({len(table):,} genes) "
                f"differs from the one that it was built with ({len(held[name]):,} genes). Leave --annotation {name}=FILE "
                "out, or build the atlas again."
            )
    return GeneReference({**held, **{n: table for n, table in shipped.items() if table is not None}, **tables}, files)
