"""Fetching a set: every file verified in its place, then samples.tsv and the receipt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from atac2rna.errors import InputError, nearest_sentence
from atac2rna.files import peek_text, whole_file
from atac2rna.sources.download import Obtained, Wanted, Watch, download_all
from atac2rna.sources.encode.data_file import QUANTIFICATIONS, DataFile
from atac2rna.sources.encode.inventory import accessions_of, ask_files, judged
from atac2rna.sources.encode.pairs_table import PairRow, read_pairs
from atac2rna.sources.encode.portal import Portal
from atac2rna.sources.encode.receipt import PinnedFile, Receipt, read_receipt, write_receipt

SAMPLES = "samples.tsv"
MANIFEST = "manifest.json"
_SIDES = ("atac", "rna")
_PEAK_COLUMNS = 10
_TABLE_COLUMNS = ("gene_id", "TPM")


@dataclass(frozen=True)
class Order:
    """A set to be fetched.

    Attributes:
        samples: Its samples.
        search: What the head of its table, or its manifest, says of the search.
        source: The table or manifest, for errors.
        pinned: The files as a manifest pins them; {} where none does.
    """

    samples: Sequence[PairRow]
    search: dict[str, object]
    source: str
    pinned: Mapping[str, PinnedFile] = field(default_factory=dict)

    @property
    def n_files(self) -> int:
        """Number of files."""
        return len(accessions_of(self.samples))


def read_order(*, pairs: Path | None, manifest: Path | None) -> Order:
    """Read what is to be fetched from a table of pairs or from a manifest, whichever is given.

    Raises:
        InputError: If it is none, or not one of the two is given.
    """
    if manifest is not None and pairs is None:
        receipt = read_receipt(manifest)
        return Order(receipt.samples, receipt.search, str(manifest), receipt.files)
    if pairs is not None and manifest is None:
        table = read_pairs(pairs)
        return Order(table.rows, table.head, str(pairs))
    raise InputError(
        "a set is a table of pairs or a --manifest; got both or none. Name one: encode fetch pairs.tsv -o DIR."
    )


class Fetched(NamedTuple):
    """The outcome.

    Attributes:
        receipt: What manifest.json says.
        samples: Path of samples.tsv.
        told: What the user should know of the files: archived or revoked since.
        ways: How each file was had.
        annotations: Releases that the expression was quantified with (`GENCODE:V29`), each once.
    """

    receipt: Receipt
    samples: Path
    told: list[str]
    ways: list[Obtained]
    annotations: list[str]


def fetch_set(
    portal: Portal,
    order: Order,
    folder: Path,
    *,
    cache: Path | None,
    keep_revoked: bool = False,
    workers: int = 4,
    watch: Watch | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Fetch the files of a set, and write its samples.tsv and manifest.json.

    Files that are there already, complete and undamaged, are not fetched again. The two tables are written last, so a
    folder with a manifest holds the whole set.

    Args:
        portal: Where the files are.
        order: Which.
        folder: Folder of the set: peaks in `atac/`, gene quantifications in `rna/`.
        cache: Folder of the files kept for all projects; None: none.
        keep_revoked: Take files that the portal has revoked, too.
        workers: Files fetched at a time.
        watch: Told of every file.
        progress: Told of every answer of the portal.

    Raises:
        InputError: If a file is gone, revoked, changed or cannot be had; what has come stays for the next time.
    """
    _refuse_foreign(folder)
    _refuse_links(folder)
    names = accessions_of(order.samples)
    files = ask_files(portal, names, progress=progress)
    told = judged(order.samples, files, pinned=order.pinned, keep_revoked=keep_revoked, where=order.source)
    paths = {name: f"{_side(files[name])}/{files[name].name}" for name in names}
    for name, pin in order.pinned.items():
        if paths.get(name, pin.path) != pin.path:
            raise InputError(f"{order.source}: {name} lies at {paths[name]!r} in a set; got {pin.path!r}. Correct it.")
    wanted = [
        (Wanted(name, files[name].urls, files[name].size, files[name].md5), folder / paths[name]) for name in names
    ]
    ways = download_all(portal.connection, wanted, workers=workers, watch=watch, cache=cache)
    for name in names:
        _refuse_other_content(files[name], folder / paths[name])
    receipt = Receipt(
        portal=portal.address,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        search=order.search,
        samples=tuple(order.samples),
        files={name: _pinned(files[name], paths[name]) for name in names},
    )
    samples = folder / SAMPLES
    # In this order, as a samples.tsv that is not of the manifest beside it counts as a person's own.
    samples.unlink(missing_ok=True)
    write_receipt(receipt, folder / MANIFEST)
    with whole_file(samples) as temporary:
        temporary.write_text(samples_table(receipt), encoding="utf-8")
    told.extend(_left_over(folder, receipt))
    named = dict.fromkeys(row.columns.get("genome_annotation", "") for row in order.samples)
    return Fetched(receipt, samples, told, ways, [name for name in named if name])


def samples_table(receipt: Receipt) -> str:
    """Phrase the samples.tsv of a set: paths relative to its folder, then every column of the table of pairs."""
    columns = list(dict.fromkeys(name for row in receipt.samples for name in row.columns if name != "assembly"))
    lines = ["\t".join(["sample", "atac", "rna", "assembly", *columns])]
    for row in receipt.samples:
        atac, rna = (";".join(receipt.files[name].path for name in side) for side in (row.atac_files, row.rna_files))
        cells = [row.columns.get(name, "") for name in ("assembly", *columns)]
        lines.append("\t".join([row.sample, atac, rna, *cells]))
    return "\n".join(lines) + "\n"


def _left_over(folder: Path, receipt: Receipt) -> list[str]:
    """Say which files of an earlier set are still there."""
    ours = {file.path for file in receipt.files.values()}
    there = {f"{side}/{path.name}" for side in _SIDES if (folder / side).is_dir() for path in (folder / side).iterdir()}
    others = sorted(path for path in there - ours if not path.endswith(".part"))
    if not others:
        return []
    return [f"{len(others)} files in {folder} are of no sample of this set, the first {others[0]}"]


def _side(file: DataFile) -> str:
    return _SIDES[file.output_type == QUANTIFICATIONS]


def _pinned(file: DataFile, path: str) -> PinnedFile:
    return PinnedFile(
        accession=file.accession,
        path=path,
        size=file.size,
        md5=file.md5,
        url=file.urls[0],
        status=file.status,
        experiment=file.experiment,
        output_type=file.output_type,
        assembly=file.assembly,
        genome_annotation=file.genome_annotation,
    )


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder whose samples.tsv is a person's own, or was changed by one: it would be lost."""
    path = folder / SAMPLES
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file where the folder of a set is to be written; choose another -o.")
    if not path.exists():
        return
    if not (folder / MANIFEST).exists():
        raise InputError(f"{path}: is not of a fetched set and would be replaced; choose another -o.")
    if path.read_text(encoding="utf-8", errors="replace") != samples_table(read_receipt(folder / MANIFEST)):
        raise InputError(
            f"{path}: was changed since it was fetched and would be replaced; rename it, or choose another -o."
        )


def _refuse_links(folder: Path) -> None:
    """Refuse a folder of the set that is a link to somewhere else."""
    for side in _SIDES:
        real = (folder / side).resolve()
        if real.parent != folder.resolve():
            raise InputError(
                f"{folder / side}: a file lies inside the folder of its set; this is a link to {real}. Remove it."
            )


def _refuse_other_content(file: DataFile, path: Path) -> None:
    """Refuse a file that came as announced and yet is not what it should be; its first lines tell."""
    text = peek_text(path, what=file.output_type).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if not line.startswith(("#", "track ", "browser "))] or [""]
    columns = lines[0].split("\t")
    if file.output_type == QUANTIFICATIONS:
        missing = [name for name in _TABLE_COLUMNS if name not in columns]
        if missing:
            raise InputError(
                f"{path} line 1: gene quantifications have the columns {' and '.join(_TABLE_COLUMNS)}; {missing[0]} is missing "
                f"in {file.accession}, {nearest_sentence(missing[0], columns)} Take the sample out, and tell the portal."
            )
    elif len(columns) != _PEAK_COLUMNS or not (columns[1] + columns[2]).isdecimal():
        raise InputError(
            f"{path} line 1: a narrowPeak has {_PEAK_COLUMNS} columns, chromosome, start and end first; {file.accession} begins "
            f"with {lines[0][:60]!r}. Take the sample out, and tell the portal."
        )
