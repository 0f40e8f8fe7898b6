"""Files on the loopback portal, and a connection to it."""

import os
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.download import Wanted
from encode_portal import Portal

SOON = Patience(attempts=4, backoff=0.01, longest=1.0, connect=0.5, read=0.3, slowest=100_000.0, window=0.2)
DATA = Random(1).randbytes(300_000)
ACCESSION = "ENCFF000AAA"


class Home:
    """A portal with one file, and a connection to it."""

    def __init__(self, portal: Portal, connection: Connection, folder: Path) -> None:
        self.portal = portal
        self.connection = connection
        item: dict[str, Any] = {"accession": ACCESSION, "file_format": "bed", "status": "released"}
        item = portal.catalogue.add_file(item, DATA)
        self.place = item["s3_uri"].removeprefix("s3://")
        self.by_portal = portal.url + item["href"]
        self.by_storage = f"{portal.storage_url}/{self.place}"
        self.target = folder / "files" / f"{ACCESSION}.bed.gz"
        self.part = self.target.with_name(self.target.name + ".part")

    def wanted(self, *urls: str, **known: Any) -> Wanted:
        known = {"size": len(DATA), "md5": md5(DATA).hexdigest()} | known
        return Wanted(ACCESSION, urls or (self.by_storage,), known["size"], known["md5"])

    def had(self) -> bool:
        return self.target.read_bytes() == DATA and os.listdir(self.target.parent) == [self.target.name]

    def asked(self) -> list[str]:
        """The ranges that the storage host was asked for."""
        return [request.headers.get("range", "") for request in self.portal.log.requests(role="storage")]


def stored_set(portal: Portal, folder: Path, count: int, size: int) -> tuple[list[tuple[Wanted, Path]], list[bytes]]:
    """Put small files on the storage host."""
    jobs, bodies = [], [Random(number).randbytes(size + number % 97) for number in range(count)]
    for number, body in enumerate(bodies):
        name = f"ENCFF{number:03d}AAA" if number < 1000 else f"ENCFF{number - 1000:03d}AAB"
        portal.catalogue.stored[f"encode-public/{name}"] = body
        url = f"{portal.storage_url}/encode-public/{name}"
        jobs.append((Wanted(name, (url,), len(body), md5(body).hexdigest()), folder / name))
    return jobs, bodies
