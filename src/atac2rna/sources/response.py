"""What a server answered, and the ways in which it can fail to come."""

import json
import re
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from atac2rna.sources.addresses import Address
from atac2rna.sources.faults import NotFoundError, PassingError, SourceError, StoppedError
from atac2rna.sources.patience import Patience

_BLOCK = 1 << 18
_PIECE = 1 << 20
_BRIEF = 1 << 16
TEXT_BYTES = 1 << 26
JSON_BYTES = 1 << 28
"""The most that a text file and a JSON document are read to, so that none fills the memory."""
_LENGTH = re.compile(r"[0-9]{1,18}")
_IN_BETWEEN = "Is there a proxy or a sign-in page in between? Open the address in a browser."
_TITLE = re.compile(rb"<title>\s*([^<]{1,80})", re.IGNORECASE)


@dataclass(frozen=True)
class Response:
    """What a server answered; the body is read once.

    Attributes:
        address: Where it came from in the end.
    """

    address: Address
    _response: requests.Response
    _patience: Patience
    _stop: threading.Event | None

    @property
    def url(self) -> str:
        """Where it came from in the end."""
        return self.address.url

    @property
    def status(self) -> int:
        """Status code."""
        return self._response.status_code

    @property
    def phrase(self) -> str:
        """The server's words for the status."""
        return self._response.reason or ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers; upper and lower case are alike."""
        return self._response.headers

    @property
    def length(self) -> int | None:
        """Bytes of the body, None if the server does not say, or something that no file has."""
        text = self.headers.get("Content-Length", "")
        return int(text) if _LENGTH.fullmatch(text) and not self.headers.get("Transfer-Encoding") else None

    @property
    def ends_marked(self) -> bool:
        """Whether the end of the body can be told from a broken connection."""
        return self.length is not None or "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    @property
    def is_page(self) -> bool:
        """Whether this is a web page."""
        return self.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))

    def blocks(self) -> Iterator[bytes]:
        """Give the body as it comes.

        Raises:
            PassingError: If the connection breaks, or delivers less than `Patience.slowest`.
            StoppedError: If the work is to stop.
        """
        since, fresh = time.monotonic(), 0
        while True:
            if self._stop is not None and self._stop.is_set():
                raise StoppedError
            with told(self.address):
                block = self._response.raw.read1(_BLOCK, decode_content=False)
            if not block:
                return
            yield block
            fresh += len(block)
            passed = time.monotonic() - since
            if passed >= self._patience.window:
                if fresh < self._patience.slowest * passed:
                    raise PassingError(f"delivers only {fresh / passed:,.0f} bytes a second", url=self.url)
                since, fresh = time.monotonic(), 0

    def text(self, *, limit: int = TEXT_BYTES, what: str = "a small file") -> bytes:
        """Read the body whole; `what` is expected there, for the error.

        Raises:
            PassingError: As `blocks`, or if it is a web page: the answer of a proxy, or of a server in trouble, passes.
            SourceError: If it has more than `limit` bytes, decompressed.
        """
        body = bytearray()
        try:
            for piece in self._unpacked(self.blocks()):
                body += piece
                if len(body) > limit:
                    raise SourceError(f"is longer than {limit:,} bytes, where {what} is expected", url=self.url)
        except (EOFError, zlib.error):
            raise PassingError("is damaged on the way (gzip)", url=self.url) from None
        if self.is_page:
            raise self.page_fault(what, bytes(body))
        return bytes(body)

    def _unpacked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Decompress a body that comes as gzip, in pieces, so that a few bytes cannot fill the memory.

        Raises:
            EOFError: If it ends early.
            zlib.error: If it is damaged.
        """
        if self.headers.get("Content-Encoding", "").lower() not in ("gzip", "x-gzip"):
            yield from blocks
            return
        member = zlib.decompressobj(wbits=31)
        for block in blocks:
            rest = block
            while rest:
                if member.eof:  # gzip may hold several streams, one after the other
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(rest, _PIECE)
                rest = member.unconsumed_tail or member.unused_data
        yield member.flush()
        if not member.eof:
            raise EOFError

    def page_fault(self, what: str, body: bytes = b"") -> PassingError:
        """Say that a web page came in place of `what`; `body` is its beginning, for the title."""
        return PassingError(f"should be {what}, and is a web page{_title(body)}", url=self.url, remedy=_IN_BETWEEN)

    def json(self, *, limit: int = JSON_BYTES) -> Any:
        """Read the body as JSON.

        Raises:
            NotFoundError: If it is none and came with a 404.
            PassingError: As `text`, or if it is none.
            SourceError: As `text`, or if it is nested too deep.
        """
        missing = NotFoundError("answers 404 and no JSON", url=self.url, remedy="Check the address of the portal.")
        try:
            body = self.text(limit=limit, what="JSON")
        except PassingError:
            if self.status == 404 and self.is_page:
                raise missing from None
            raise
        try:
            return json.loads(body)
        except RecursionError:
            raise SourceError("is JSON nested too deep to be read", url=self.url, remedy=_IN_BETWEEN) from None
        except ValueError as fault:
            if self.status == 404:
                raise missing from None
            raise PassingError(
                f"should be JSON, and is something else ({fault})", url=self.url, remedy=_IN_BETWEEN
            ) from None

    def beginning(self) -> bytes:
        """Read what a body that is not needed has to say: 64 KiB of it, for as long as `Patience.window` and no longer.

        Whatever goes wrong on the way ends it without an error. Read to its end, a connection can be used again.

        Raises:
            StoppedError: If the work is to stop.
        """
        body = bytearray()
        with suppress(PassingError, EOFError, zlib.error):
            for piece in self._unpacked(self._begun()):
                body += piece
                if len(body) >= _BRIEF:
                    break
        return bytes(body[:_BRIEF])

    def _begun(self) -> Iterator[bytes]:
        until = time.monotonic() + self._patience.window
        for block in self.blocks():
            yield block
            if time.monotonic() >= until:
                return

    def explanation(self) -> str:
        """What the body says about a refusal: the portal's `description` or `detail`, or a page's title; "" if nothing."""
        body = self.beginning()
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return _title(body)
        words = [document.get(key) for key in ("description", "detail")] if isinstance(document, dict) else []
        said = ": ".join(word.strip() for word in words if isinstance(word, str) and word.strip())
        return f" ({said[:300]})" if said else ""


def _title(page: bytes) -> str:
    found = _TITLE.search(page[:65536])
    return f" ({found[1].decode('utf-8', 'replace').strip()!r})" if found else ""


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Turn the ways in which a connection can fail into faults that pass; a certificate that does not fit stays."""
    try:
        yield
    except (requests.Timeout, ReadTimeoutError):
        raise PassingError("does not answer in time", url=address.url) from None
    except (requests.RequestException, HTTPError, OSError) as fault:
        if "CERTIFICATE_VERIFY_FAILED" in str(fault):
            raise SourceError(
                "shows a certificate that this machine does not trust",
                url=address.url,
                remedy="If your network puts its own in between, name its file in REQUESTS_CA_BUNDLE.",
            ) from None
        if "NameResolution" in str(fault):
            raise PassingError("cannot be found", url=address.url, remedy="Is this machine on the network?") from None
        raise PassingError(_broken(str(fault)) or f"breaks off ({type(fault).__name__})", url=address.url) from None


def _broken(text: str) -> str:
    """Put what a library says of a broken connection into few words; "" if it is something else."""
    if "IncompleteRead" in text or "InvalidChunkLength" in text:
        return "breaks off before its end"
    if "RemoteDisconnected" in text:
        return "closes the connection without an answer"
    number = re.search(r"\[Errno \d+\] ([\w ]+)", text)
    if number is None:
        return ""
    return f"{'cannot be reached' if 'NewConnection' in text else 'breaks off'} ({number[1].lower()})"
