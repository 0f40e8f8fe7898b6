"""Gene tables of GENCODE and Ensembl releases, fetched, verified and kept."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from atac2rna.annotations import ROOTS, Release, is_kept, kept_address, release_path
from atac2rna.cache import CACHE_VARIABLE
from atac2rna.errors import InputError, nearest_sentence
from atac2rna.files import make_folder
from atac2rna.formats.annotation import read_annotation, write_gene_table
from atac2rna.genome import GeneTable
from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.download import Watch
from atac2rna.sources.part import Part, held_part
from atac2rna.sources.transfer import download
from atac2rna.sources.wanted import Wanted

_MD5 = re.compile(r"([0-9a-f]{32})\s+\*?(?:\./)?([^\s/]+)")
_SUM = re.compile(r"([0-9]{1,5})\s+([0-9]{1,13})\s+(?:\./)?([^\s/]+)")
_ENSEMBL_NAMES = {"hg38": "GRCh38", "hg19": "GRCh37", "mm10": "GRCm38", "mm39": "GRCm39"}
_IDLE = 600.0
"""Seconds that another process is given to fetch and convert a GTF; then the table is made beside it."""


@dataclass(frozen=True)
class KeptTable:
    """A gene table in the cache.

    Attributes:
        path: Where it lies.
        table: The genes.
        fetched: Whether it was fetched just now.
    """

    path: Path
    table: GeneTable
    fetched: bool


def fetch_gene_table(
    release: Release,
    *,
    mirror: str | None = None,
    patience: Patience | None = None,
    watch: Watch | None = None,
    working: Callable[[str], None] = lambda _: None,
) -> KeptTable:
    """Have the gene table of a release in the cache, fetching its GTF unless it is there, from where it is asked of.

    The GTF is verified by the checksums that lie beside it and not kept. The first lines of the table tell its source; a
    table that was made from another one is replaced. Of several processes that want one table, one makes it and the others
    wait.

    Args:
        release: Which.
        mirror: Root of a mirror, in place of that in `annotations.ROOTS`.
        patience: How long faults of the network are borne.
        watch: Told how the download comes along.
        working: Told what is being done after it.

    Raises:
        SourceError: If it cannot be had.
        InputError: If the release has no such file, or the cache cannot be written.
    """
    path = release_path(release)
    table = _kept_table(release, mirror)
    if table is None:
        root = (mirror or ROOTS[release.source]).rstrip("/")
        make_folder(path.parent, remedy=f"name another folder for the cache in {CACHE_VARIABLE}")
        with (
            Connection(mirrors=(root,), patience=patience) as connection,
            held_part(path, idle=_IDLE) as hold,
        ):
            table = _kept_table(release, mirror)  # another process may have been faster
            if table is None:
                if path.is_file():
                    working(
                        f"{release.name}: the table in the cache {_told_of(path, release.address(root))}; asking {root}"
                    )
                wanted = _listed(connection, release, release.address(root))
                return _converted(connection, release, wanted, path, hold, watch or Watch(), working)
    return KeptTable(path, table, fetched=False)


def _kept_table(release: Release, mirror: str | None) -> GeneTable | None:
    """Give the table in the cache if it was made from where it is asked of and is whole."""
    try:
        return (
            read_annotation(release_path(release), assembly=release.assembly)
            if is_kept(release, mirror=mirror)
            else None
        )
    except InputError:  # damaged: as if it were not there
        return None


def _told_of(path: Path, folder: str) -> str:
    """Say why a table in the cache is not taken that is not, or not whole, of a folder."""
    try:
        address = kept_address(path)
    except InputError:
        return "is damaged"
    if address is None:
        return "does not say where it comes from"
    return "is damaged" if address.startswith(f"{folder}/") else f"comes from {address}"


def _converted(
    connection: Connection,
    release: Release,
    wanted: Wanted,
    path: Path,
    hold: Part,
    watch: Watch,
    working: Callable[[str], None],
) -> KeptTable:
    """Fetch a GTF, write the gene table of it at `path`, and remove it."""
    # One who could not wait for another process works on a file of its own.
    whole = path.with_name(wanted.name if hold.shared else f"{hold.path.stem}.{wanted.name}")
    watch.expected(1, None)
    watch.started(wanted.name, None)
    how = download(
        connection,
        wanted,
        whole,
        progress=lambda done: watch.advanced(wanted.name, done),
        retried=lambda why: watch.retried(wanted.name, why),
    )
    watch.finished(wanted.name, how)
    working(f"read {wanted.name}")
    table = read_annotation(whole, assembly=release.assembly)
    told = {"md5": wanted.md5} if wanted.md5 else {"sum": "{} {}".format(*(wanted.bsd or ("", "")))}
    comments = {
        "source": release.name,
        "organism": release.organism,
        "assembly": release.assembly,
        "url": wanted.urls[0],
        **told,
        "fetched": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    write_gene_table(table, path, comments=comments)
    whole.unlink()
    return KeptTable(path, table, fetched=True)


def _listed(connection: Connection, release: Release, folder: str) -> Wanted:
    """Choose the GTF of the reference chromosomes among the files that the checksums list."""
    if release.source == "GENCODE":
        listing, line = f"{folder}/MD5SUMS", _MD5
        # From V5 on gencode.v5.annotation.gtf.gz; before, with the assembly in it, or without the word (v3d).
        number = "v" + release.number.removeprefix("V")
        name = re.compile(rf"gencode[._]{number}(?:\.annotation)?(?:\.GRCh37)?\.gtf\.gz")
    else:
        listing, line = f"{folder}/CHECKSUMS", _SUM
        species = release.species.capitalize()
        name = re.compile(re.escape(f"{species}.{_ENSEMBL_NAMES[release.assembly]}.{release.number}.gtf.gz"))
    text = connection.get_text(listing)
    files = {found[found.re.groups]: found for row in text.splitlines() if (found := line.fullmatch(row.strip()))}
    chosen = [file for file in files if name.fullmatch(file)]
    if len(chosen) != 1:
        near = nearest_sentence(release.number, [file for file in files if "gtf" in file])
        raise InputError(
            f"{listing}: lists one GTF of the whole of {release.name}; got {len(chosen)} of {len(files)} files; {near} "
            "Fetch it by hand and pass it to build with --annotation."
        )
    found = files[chosen[0]]
    urls = (f"{folder}/{chosen[0]}",)
    if line is _MD5:
        return Wanted(chosen[0], urls, size=None, md5=found[1])
    return Wanted(chosen[0], urls, size=None, md5=None, bsd=(int(found[1]), int(found[2])))
