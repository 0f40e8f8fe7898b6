"""What a portal holds: objects, the bytes of their files, and a mirror of annotations."""

import gzip
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import md5
from threading import RLock
from typing import Any
from uuid import UUID

Object = dict[str, Any]

STORAGE = "{storage}"
"""Stands in stored objects for the address of the storage host, which is known when the portal runs."""

UPLOADED = "2021/06/03"


class Catalogue:
    """Objects by `@id`, in the order in which they were added, which is that of search results.

    Objects are kept as a page with `frame=embedded` shows them: links expanded as far as somebody asks for them,
    computed properties written in. An experiment's `files` are the very objects that `/files/...` shows.

    Attributes:
        objects: Object by `@id`.
        stored: Bytes by path on the storage host, without the leading slash (`encode-public/2021/...`).
        mirror: Bytes by path of the mirror of annotations, without the leading slash (`gencode/...`), or what makes
            them when they are first asked for.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.stored: dict[str, bytes] = {}
        self.mirror: dict[str, bytes | Callable[[], bytes]] = {}
        self.lock = RLock()

    def add(self, item: Object) -> Object:
        """Take an object in; it needs `@id` and `@type`, and one of the same `@id` is replaced."""
        with self.lock:
            self.objects[item["@id"]] = item
        return item

    def add_file(self, item: Object, data: bytes | None) -> Object:
        """Take a File in with its bytes, and fill in what the portal knows of these.

        Filled in where absent: `@id`, `@type`, `title`, `href`, `file_type`, and, with data, `file_size`, `md5sum`,
        `content_md5sum`, `s3_uri`, `azure_uri`, `cloud_metadata`. The file is entered in its experiment's `files`.

        Args:
            item: The File; it needs `accession` and `file_format`.
            data: Its bytes as stored; None where there is none to be had.
        """
        accession = item["accession"]
        kind = item.get("file_format_type")
        suffix = {"bed": ".bed.gz", "tsv": ".tsv", "bigBed": ".bigBed", "bigWig": ".bigWig"}[item["file_format"]]
        name = f"{accession}{suffix}"
        item.setdefault("@id", f"/files/{accession}/")
        item.setdefault("@type", ["File", "Item"])
        item.setdefault("title", accession)
        item.setdefault("href", f"/files/{accession}/@@download/{name}")
        item.setdefault("file_type", f"{item['file_format']} {kind}" if kind else item["file_format"])
        if data is not None:
            place = f"{UPLOADED}/{UUID(md5(accession.encode()).hexdigest())}/{name}"
            item.setdefault("file_size", len(data))
            item.setdefault("md5sum", md5(data).hexdigest())
            if data[:2] == b"\x1f\x8b":
                item.setdefault("content_md5sum", md5(gzip.decompress(data)).hexdigest())
            if not (item.get("restricted") or item.get("no_file_available")):
                item.setdefault("s3_uri", f"s3://encode-public/{place}")
                item.setdefault("azure_uri", f"https://datasetencode.blob.core.windows.net/dataset/{place}")
                item.setdefault("cloud_metadata", _cloud(item, f"{STORAGE}/encode-public/{place}"))
            with self.lock:
                self.stored[f"encode-public/{place}"] = data
        self._enter(item)
        return self.add(item)

    def _enter(self, item: Object) -> None:
        """Put a file into its experiment, which counts assemblies from its files."""
        experiment = self.objects.get(str(item.get("dataset")))
        if experiment is None:
            return
        with self.lock:
            experiment.setdefault("files", []).append(item)
            experiment.setdefault("original_files", []).append(item["@id"])
            assembly = item.get("assembly")
            if assembly and assembly not in experiment.setdefault("assembly", []):
                experiment["assembly"].append(assembly)

    def get(self, name: str) -> Object | None:
        """Give an object by accession, by `@id`, or by any address that holds its accession (`/ENCFF001AAA/`)."""
        with self.lock:
            if name in self.objects:
                return self.objects[name]
            last = name.strip("/").rpartition("/")[2]
            return next((item for item in self.objects.values() if item.get("accession") == last), None)

    def items(self) -> Iterator[Object]:
        """Give all objects, as copies made at once, so that a change while they are read does no harm."""
        with self.lock:
            return iter(list(self.objects.values()))

    def change(self, name: str, **fields: Any) -> Object:
        """Set fields of an object (None: take the field away), as when the portal changes under a client."""
        with self.lock:
            item = self.get(name)
            if item is None:
                raise KeyError(name)
            for field, value in fields.items():
                if value is None:
                    item.pop(field, None)
                else:
                    item[field] = value
            return item

    def remove(self, name: str) -> None:
        """Take an object out; a file also out of its experiment."""
        with self.lock:
            item = self.objects.pop(self.change(name)["@id"])
            experiment = self.objects.get(str(item.get("dataset")), {})
            if item in experiment.get("files", []):
                experiment["files"].remove(item)
                experiment["original_files"].remove(item["@id"])

    def place(self, name: str) -> str | None:
        """Give the path of a file's bytes on the storage host, None if there are none."""
        accession = str((self.get(name) or {}).get("accession"))
        with self.lock:
            return next((path for path in self.stored if path.rpartition("/")[2].startswith(f"{accession}.")), None)

    def data(self, name: str) -> bytes:
        """Give the bytes of a file as stored."""
        place = self.place(name)
        if place is None:
            raise KeyError(name)
        return self.stored[place]

    def replace_data(self, name: str, data: bytes, *, told: bool = False) -> None:
        """Put other bytes in a file's place; `told`: size and md5 in its object are set to those of the new ones."""
        place = self.place(name)
        if place is None:
            raise KeyError(name)
        with self.lock:
            self.stored[place] = data
        if told:
            item = self.change(name, file_size=len(data), md5sum=md5(data).hexdigest(), content_md5sum=None)
            if "cloud_metadata" in item:
                item["cloud_metadata"] = _cloud(item, item["cloud_metadata"]["url"])

    def mirrored(self, path: str) -> bytes | None:
        """Give a file of the mirror, None if there is none."""
        with self.lock:
            found = self.mirror.get(path)
            if callable(found):
                found = self.mirror[path] = found()
            return found

    def copy(self) -> "Catalogue":
        """Give a catalogue that a test may change; the bytes are shared."""
        other = Catalogue()
        with self.lock:
            other.objects = deepcopy(self.objects)  # one copy of each object: `files` of an experiment stay the same
            other.stored = dict(self.stored)
            other.mirror = dict(self.mirror)
        return other


def _cloud(item: Object, url: str) -> Object:
    raw = bytes.fromhex(item["md5sum"])
    return {"url": url, "md5sum_base64": b64encode(raw).decode(), "file_size": item["file_size"]}
