"""One file: fetched, continued where it broke, verified, and put in its place whole."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from atac2rna.files import make_folder
from atac2rna.sources.connection import Connection, Response
from atac2rna.sources.faults import ForbiddenError, PassingError, SourceError
from atac2rna.sources.part import Part, forget_part, held_part
from atac2rna.sources.wanted import Wanted

Obtained = Literal["fetched", "there", "cache"]
"""How a file was had. fetched: over the network; there: it was in its place; cache: from the files kept for all projects."""

_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_BEYOND = re.compile(r"bytes \*/([0-9]{1,18})")
_STEP = 1 << 16
_LARGE = 1 << 26
_PAGE = (b"<!doctype html", b"<html", b"<head")


def download(
    connection: Connection,
    wanted: Wanted,
    target: Path,
    *,
    progress: Callable[[int], None] = lambda _: None,
    retried: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Obtained:
    """Have a file at `target`, fetching it by way of `<target>.part` unless it is there.

    A part that an earlier run left is continued where a checksum of the whole is known, else fetched anew. What came is
    verified by size and md5; a damaged file is thrown away and fetched again, one over 64 MiB once. Several processes may
    want one target: one fetches, the others wait for it.

    Args:
        connection: Who is asked.
        wanted: The file.
        target: Where it is to be; its folder is made.
        progress: Told of the bytes that are there so far, which may become fewer.
        retried: Told of the reason of every further try.
        stop: Ends the work when set, from another thread; the part stays.

    Returns:
        Whether it was "fetched" or "there".

    Raises:
        SourceError: If no address gave it.
        DiskFullError: If there is no room.
        StoppedError: If `stop` is set.
    """
    if wanted.is_at(target):
        forget_part(target)
        return "there"
    make_folder(target.parent)
    patience = connection.patience
    with held_part(target, idle=2 * (patience.read + patience.longest), stop=stop) as part:
        if wanted.is_at(target):  # another process was faster
            part.clear()
            return "there"
        _Transfer(connection, wanted, part, progress, retried, stop).run()
        part.finish(target)
    return "fetched"


class _Transfer:
    """The way of one file into its part."""

    def __init__(
        self,
        connection: Connection,
        wanted: Wanted,
        part: Part,
        progress: Callable[[int], None],
        retried: Callable[[str], None],
        stop: threading.Event | None,
    ) -> None:
        self._connection, self._wanted, self._part = connection, wanted, part
        self._progress, self._retried, self._stop = progress, retried, stop
        self._mark = ""
        """ETag or date of what the part is of, where this run began it."""
        self._furthest = 0

    def run(self) -> None:
        """Try one address after the other."""
        if not self._wanted.is_checked or self._part.size > (self._wanted.size or self._part.size):
            self._part.clear()
        faults: list[SourceError] = []
        for url in self._wanted.urls:
            try:
                self._from(url)
                return
            except SourceError as fault:
                faults.append(fault)
        last, before = faults[-1], "".join(f"; {fault.url} {fault.reason}" for fault in faults[:-1])
        if before:
            raise type(last)(last.reason + before, url=last.url, remedy=last.remedy) from last
        raise last

    def _from(self, url: str) -> None:
        """Try one address as often as the patience lasts."""
        tries = self._connection.tries(stop=self._stop, retried=self._retried)
        renewed = False
        damaged = 0
        self._mark, self._furthest = "", self._part.size
        while True:
            try:
                if self._part.size != self._wanted.size:
                    self._once(url)
                fault = self._damage(url)
                if fault is None:
                    return
                damaged += 1
                if damaged > 1 and (self._wanted.size or 0) > _LARGE:
                    raise SourceError(fault.reason + " (twice)", url=url, remedy=fault.remedy)
            except ForbiddenError as fault_of_place:
                if renewed or not fault_of_place.redirected:
                    raise
                renewed = True  # a signature lasts 36 hours: ask for a new one
                continue
            except PassingError as passing:
                fault = passing
            if self._part.size - self._furthest >= min(_STEP, (self._wanted.size or _STEP) // 20 + 1):
                self._furthest, renewed = self._part.size, False
                tries.progressed()
            tries.again(fault)

    def _once(self, url: str) -> None:
        """Ask once for what is missing and append what comes."""
        have = self._part.size
        part = {"Range": f"bytes={have}-"} if have else {}
        if have and self._mark:
            part["If-Range"] = self._mark
        with self._connection.open(url, accepted=(200, 206, 416), part=part, stop=self._stop) as answer:
            if answer.status == 416:
                self._beyond(answer, have)
                return
            if answer.is_page:
                raise answer.page_fault(f"the file {self._wanted.name}")
            total = answer.length if answer.status == 200 else self._continued(answer, have)
            if None not in (total, self._wanted.size) and total != self._wanted.size:
                raise PassingError(f"has {total:,} bytes where {self._wanted.size:,} are expected", url=answer.url)
            if answer.status == 200:
                self._part.clear()
                if (
                    total is None
                    and self._wanted.size is None
                    and not answer.ends_marked
                    and not self._wanted.is_checked
                ):
                    raise SourceError("tells neither size nor end, so a broken file would go unseen", url=answer.url)
            self._mark = _mark(answer)
            self._receive(answer, self._wanted.size if total is None else total)

    def _receive(self, answer: Response, expected: int | None) -> None:
        come = self._part.size
        self._progress(come)
        for block in answer.blocks():
            come += len(block)
            if expected is not None and come > expected:
                self._part.clear()
                raise PassingError(f"sends more than the {expected:,} bytes expected", url=answer.url)
            self._part.append(block)
            self._progress(come)
        if expected is not None and come < expected:
            raise PassingError(f"breaks off after {come:,} of {expected:,} bytes", url=answer.url)

    def _continued(self, answer: Response, have: int) -> int | None:
        """Check that a 206 is what was asked for; give the size of the whole."""
        told = answer.headers.get("Content-Range", "")
        found = _RANGE.fullmatch(told.strip())
        if found is None or not have or int(found[1]) != have:
            self._part.clear()
            raise PassingError(
                f"was asked for the bytes from {have:,} and sends others ({told[:80] or 'unnamed'!r})", url=answer.url
            )
        return None if found[2] == "*" else int(found[2])

    def _beyond(self, answer: Response, have: int) -> None:
        """Take a 416 as good news if the part is the whole."""
        found = _BEYOND.fullmatch(answer.headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != have:
            self._part.clear()
            raise PassingError(
                f"has nothing after the {have:,} bytes that have come, which are not the whole", url=answer.url
            )

    def _damage(self, url: str) -> PassingError | None:
        """Verify the part, and throw it away if it is not the file."""
        wanted, size = self._wanted, self._part.size
        if wanted.size is not None and size != wanted.size:
            told = f"has {size:,} bytes where {wanted.size:,} are expected"
        elif self._part.head(64).lstrip().lower().startswith(_PAGE):
            told = f"should be the file {wanted.name}, and is a web page"
        elif (differs := wanted.fault_of(self._part.path)) is not None:
            told = f"gives a file that {differs}"
        elif not wanted.is_checked and wanted.size is None and size == 0:
            told = "is empty"
        else:
            return None
        self._part.clear()
        self._progress(0)
        return PassingError(
            told, url=url, remedy="The source holds another file than it names, or the way there damages it."
        )


def _mark(answer: Response) -> str:
    """What If-Range may name: a strong ETag, else a date."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
