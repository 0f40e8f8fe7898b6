"""The gene tables that samples are joined against, and the transcripts that they list."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from atac2rna.annotations import cached_releases, is_official, kept_address, parse_release, usual_release
from atac2rna.building.named_releases import COLUMN
from atac2rna.errors import InputError
from atac2rna.formats.annotation import annotation_kind, read_annotation, read_transcripts
from atac2rna.genome import GeneTable
from atac2rna.shipped import shipped_gene_table


class GeneReference:
    """The gene tables that samples are joined against.

    Attributes:
        tables: Gene table of each assembly.
        files: Annotation file of each that was read from one, for provenance and transcripts.
        notes: What the user should know about the choice of tables, one sentence each.
        origins: Whose genes each table holds, by assembly: of a release, a file, the shipped model.
        addresses: Where those of the cache were fetched from, by assembly; "" where that is not told.
    """

    def __init__(
        self,
        tables: Mapping[str, GeneTable],
        files: Mapping[str, Path],
        notes: Sequence[str] = (),
        *,
        origins: Mapping[str, str] | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        """Take the tables, the files that they were read from, and what is to be said of them."""
        self.tables = dict(tables)
        self.files = dict(files)
        self.notes = tuple(notes)
        self.origins = dict(origins or {})
        self.addresses = dict(addresses or {})

    def describe(self, assembly: str) -> str:
        """Say which genes an assembly has, and where they come from if not from the source of their release."""
        told = f"{assembly}: {len(self.tables[assembly]):,} genes of {self.origins[assembly]}"
        address = self.addresses.get(assembly)
        return told if address is None or is_official(address) else f"{told}, {elsewhere(address)}"

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


def elsewhere(address: str) -> str:
    """Phrase where a gene table of the cache comes from that is not from the source of its release."""
    return f"which came from {address}, not from its source" if address else "of which nothing tells where it came from"


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
    assemblies: Iterable[str],
    annotations: Mapping[str, Path],
    *,
    held: Mapping[str, GeneTable] | None = None,
    named: Mapping[str, str] | None = None,
) -> GeneReference:
    """Read the gene table of every assembly needed, and of every other one given.

    An assembly without an annotation has the release that its samples name, if it was fetched; else the genes of the
    shipped model; else the only release of it that was fetched.

    Args:
        assemblies: Assemblies of the samples.
        annotations: Annotation file by canonical assembly.
        held: Tables that are there already and stay. An annotation of the same assembly then serves its transcripts.
        named: Releases that the samples name, by assembly (`named_releases`).

    Raises:
        InputError: If an assembly has no gene table, or several to choose from, or the annotation given holds another gene
            table than the one held.
    """
    held, named = held or {}, named or {}
    files = dict(annotations)
    shipped: dict[str, GeneTable] = {}
    notes = []
    origins = {name: str(path) for name, path in files.items()} | dict.fromkeys(held, "the atlas")
    for assembly in dict.fromkeys(assemblies):
        if assembly in held or assembly in files:
            continue
        found = _chosen(assembly, named.get(assembly))
        if isinstance(found.genes, GeneTable):
            shipped[assembly] = found.genes
        else:
            files[assembly] = found.genes
        origins[assembly] = found.origin
        notes += [found.note] if found.note else []
    tables = {name: _read(path, name, kept=name not in annotations) for name, path in files.items()}
    for name, table in tables.items():
        if name in held and table.fingerprint != held[name].fingerprint:
            raise InputError(
                f"{files[name]}: an atlas has one gene table of each assembly; this one of {name} ({len(table):,} genes) "
                f"differs from the one that it was built with ({len(held[name]):,} genes). Leave --annotation {name}=FILE "
                "out, or build the atlas again."
            )
    kept = {name: kept_address(path) or "" for name, path in files.items() if name not in annotations}
    return GeneReference({**held, **shipped, **tables}, files, notes, origins=origins, addresses=kept)


class _Choice(NamedTuple):
    """A gene table, or the file that holds it, what it is, and what else is to be said of it."""

    genes: GeneTable | Path
    origin: str
    note: str = ""


def _chosen(assembly: str, named: str | None) -> _Choice:
    """Choose the gene table of an assembly for which none is given."""
    cached = cached_releases(assembly)
    if named in cached:
        return _Choice(cached[named], named)
    shipped = shipped_gene_table(assembly)
    if shipped is None and len(cached) > 1:
        raise InputError(
            f"an assembly has one gene table; of {assembly} {len(cached)} releases were fetched: {', '.join(cached)}. Name one "
            f"in a column {COLUMN} of the samples, or pass --annotation {assembly}={next(iter(cached.values()))}."
        )
    release = named if named is not None and _is_release(named) else usual_release(assembly)
    fetch = f"atac2rna annotation {release}"
    if shipped is None and not cached:
        raise InputError(
            f"every assembly of the samples has a gene table; there is none for {assembly}. Pass --annotation "
            f"{assembly}=FILE with a GTF, GFF3, BioMart export or gene table of it"
            f"{f', or fetch one: {fetch}' if release else ''}."
        )
    origin = "the shipped model" if shipped is not None else next(iter(cached))
    used = origin if shipped is None else f"the genes of {origin}"
    note = ""
    if named is not None:
        way = (
            f"for its own genes run '{fetch}' and build again"
            if _is_release(named)
            else "that is no release known here"
        )
        note = f"{assembly}: the samples name the annotation {named}, the atlas takes {used}; {way}."
    return _Choice(next(iter(cached.values())) if shipped is None else shipped, origin, note)


def _is_release(name: str) -> bool:
    try:
        parse_release(name)
    except InputError:
        return False
    return True


def _read(path: Path, assembly: str, *, kept: bool) -> GeneTable:
    """Read an annotation; one that is kept in the cache and damaged can be had again."""
    try:
        return read_annotation(path, assembly=assembly)
    except InputError as fault:
        if not kept:
            raise
        raise InputError(
            f"{fault} It is kept in the cache: delete it, and fetch it again with atac2rna annotation."
        ) from None
