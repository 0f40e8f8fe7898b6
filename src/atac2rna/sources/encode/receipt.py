"""The receipt of a fetched set, manifest.json: what was asked, when, and which bytes came; enough to have them again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from atac2rna import __version__
from atac2rna.errors import InputError
from atac2rna.files import whole_file
from atac2rna.formats.manifest import require_fit_name
from atac2rna.sources.encode.accession import checked_accession
from atac2rna.sources.encode.pairs_table import PairRow, require_each_once, require_free_columns
from atac2rna.sources.wanted import is_md5

FORMAT = "atac2rna encode manifest"
SCHEMA = 1
_KINDS = {str: "text", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class PinnedFile:
    """A file of the set.

    Attributes:
        accession: `ENCFF...`.
        path: Where it lies, relative to the folder of the set, with `/`.
        size: Bytes.
        md5: Of these bytes.
        url: Where it was had.
        status: What the portal said of it when it was fetched.
        experiment: Accession of its experiment.
        output_type: What it holds.
        assembly: As the portal spells it.
        genome_annotation: Of a gene quantification; else empty.
    """

    accession: str
    path: str
    size: int
    md5: str
    url: str
    status: str
    experiment: str
    output_type: str
    assembly: str
    genome_annotation: str


@dataclass(frozen=True)
class Receipt:
    """A set: its samples and files, and where they come from.

    Attributes:
        portal: Address of the portal.
        fetched: When, UTC, ISO.
        search: Head of the table of pairs: date, criteria, queries, terms of use.
        samples: As in the table of pairs, in its order.
        files: By accession, in the order of the samples.
        version: Version of atac2rna that fetched.
    """

    portal: str
    fetched: str
    search: dict[str, object]
    samples: tuple[PairRow, ...]
    files: dict[str, PinnedFile]
    version: str = __version__


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Write a receipt as JSON."""
    samples = [
        {"sample": row.sample, "atac": row.atac_files, "rna": row.rna_files, "columns": row.columns}
        for row in receipt.samples
    ]
    document = {
        "format": FORMAT,
        "schema": SCHEMA,
        "atac2rna": receipt.version,
        "portal": receipt.portal,
        "fetched": receipt.fetched,
        "search": receipt.search,
        "samples": samples,
        "files": {name: asdict(file) for name, file in receipt.files.items()},
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_receipt(path: Path) -> Receipt:
    """Read a receipt, from whatever hands it comes.

    Raises:
        InputError: If it is none, lacks something, or names what is no accession or a path outside the folder of the set.
    """
    document = _object(_parsed(path), f"{path}")
    if document.get("format") != FORMAT or document.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: is not a manifest of atac2rna encode fetch, schema {SCHEMA}; got format {document.get('format')!r}, "
            f"schema {document.get('schema')!r}. Give the manifest.json that fetch wrote."
        )
    raw_files = _object(_field(document, "files", dict, path), f"{path}, files")
    files = {name: _file(_object(value, f"{path}, files, {name}"), name, path) for name, value in raw_files.items()}
    samples = tuple(
        _sample(_object(value, f"{path}, sample {number}"), number, files, path)
        for number, value in enumerate(_field(document, "samples", list, path), 1)
    )
    names = [row.sample for row in samples]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(f"{path}: sample names are unique; {repeated[0]!r} stands there twice. Rename one.")
    if not samples:
        raise InputError(f"{path}: a set has samples; got none. Give the manifest.json that fetch wrote.")
    return Receipt(
        portal=_field(document, "portal", str, path),
        fetched=_field(document, "fetched", str, path),
        search=_field(document, "search", dict, path),
        samples=samples,
        files=files,
        version=_field(document, "atac2rna", str, path),
    )


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the manifest.json that fetch wrote is expected there.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the manifest.json in it.") from None
    except (ValueError, RecursionError) as fault:
        raise InputError(f"{path}: is no JSON document ({fault}); give the manifest.json that fetch wrote.") from None


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{where}: holds an object; got {type(value).__name__}. Give the manifest.json that fetch wrote."
        )
    return value


def _field(document: Mapping[str, Any], name: str, kind: type, where: object) -> Any:
    value = document.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(
            f"{where}: the field {name} is {_KINDS[kind]}; got {str(value)[:60]!r}. Give the manifest.json that fetch "
            "wrote."
        )
    return value


def _file(value: Mapping[str, Any], name: str, path: Path) -> PinnedFile:
    where = f"{path}, files, {name[:40]}"
    accession = checked_accession(_field(value, "accession", str, where), "file", where=where)
    if accession != name:
        raise InputError(f"{where}: a file stands under its accession; got {accession}. Correct one of the two.")
    texts = {key: _field(value, key, str, where) for key in PinnedFile.__dataclass_fields__ if key != "size"}
    file = PinnedFile(size=_field(value, "size", int, where), **texts)
    if not _inside(file.path) or not PurePosixPath(file.path).name.startswith(accession):
        raise InputError(
            f"{where}: a file lies inside the folder of its set, under its accession; got path {file.path!r}. Do not use a "
            "manifest that says otherwise."
        )
    if not is_md5(file.md5) or file.size < 0:
        raise InputError(
            f"{where}: a file has an md5 of 32 hexadecimal digits and a size; got {file.md5[:40]!r}, {file.size}."
        )
    return file


def _inside(path: str) -> bool:
    """Tell whether a path stays below the folder that it starts in, on any system."""
    parts = path.split("/")
    return len(parts) > 1 and all(part not in ("", ".", "..") and not set(part) & set("\\:\0") for part in parts)


def _sample(value: Mapping[str, Any], number: int, files: Mapping[str, PinnedFile], path: Path) -> PairRow:
    where = f"{path}, sample {number}"
    name = _field(value, "sample", str, where)
    columns = _field(value, "columns", dict, where)
    require_fit_name(name, what="a sample", where=where)
    require_free_columns(columns, where=where, taken=("sample", "atac", "rna"))
    if not columns.get("assembly"):
        raise InputError(f"{where}: a sample has an assembly; the column assembly is missing or empty. Add it.")
    for key, text in columns.items():
        if not key or not isinstance(text, str) or not (key + text).isprintable():
            raise InputError(
                f"{where}: columns have a name and hold text without tabs and line ends; got {ascii(key)[:40]}: "
                f"{ascii(text)[:40]}. Correct it."
            )
    sides = []
    for side in ("atac", "rna"):
        names = _field(value, side, list, where)
        unknown = [name for name in names if not isinstance(name, str) or name not in files]
        if unknown:
            raise InputError(
                f"{where}: {side} names files of the set; {str(unknown[0])[:40]!r} is none of them. Correct it."
            )
        require_each_once(names, where=f"{where}, {side}")
        sides.append(tuple(names))
    if not sides[0]:
        raise InputError(f"{where}: a sample has a peak file; atac names none. Take the sample out, or add it.")
    return PairRow(name, sides[0], sides[1], dict(columns), number)
