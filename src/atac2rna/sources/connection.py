"""Asking another machine: the one place that opens an address.

Redirects are followed by hand, so that each step is checked and nothing meant for the portal reaches another host. No
cookies are kept, no login is sent (released data need none), and a netrc is not read.
"""

import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from atac2rna import __version__
from atac2rna.sources.addresses import PORTAL, Address, Addresses
from atac2rna.sources.faults import ForbiddenError, NotFoundError, PassingError, SourceError
from atac2rna.sources.pace import Pace
from atac2rna.sources.patience import Patience, Tries, retry_after
from atac2rna.sources.response import Response, told

__all__ = [
    "PORTAL",
    "Connection",
    "ForbiddenError",
    "NotFoundError",
    "PassingError",
    "Patience",
    "Response",
    "SourceError",
]

_REDIRECTS = (301, 302, 303, 307, 308)
_STEPS = 5
_PASSING = (408, 425, 429)
_JSON = "application/json"
_FEW_BYTES = 1 << 14


class Connection:
    """Requests to the portal, its storage, the annotation releases and mirrors of theirs; safe to share between threads."""

    def __init__(
        self,
        *,
        portal: str = PORTAL,
        mirrors: tuple[str, ...] = (),
        patience: Patience | None = None,
        per_second: int = 10,
    ) -> None:
        """Open nothing yet.

        Args:
            portal: Root of the ENCODE portal, without a slash at the end.
            mirrors: Roots of further servers that may be asked.
            patience: How long faults are borne.
            per_second: Requests that reach the portal in any one second at most; others are not paced.

        Raises:
            SourceError: If a root is no https address and not on this machine.
        """
        self.portal = portal.rstrip("/")
        self.patience = patience or Patience()
        self._addresses = Addresses(self.portal, mirrors)
        self._pace = Pace(per_second)
        self._draw = random.Random()  # without a seed: machines that were refused at once must not come back at once
        self._adapter = HTTPAdapter(pool_connections=8, pool_maxsize=64)

    def __enter__(self) -> "Connection":
        """Close it when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close idle connections."""
        self.close()

    def close(self) -> None:
        """Close idle connections; whatever is asked afterwards opens new ones."""
        self._adapter.close()

    def get_json(self, url: str, *, missing_ok: bool = False) -> Any:
        """Get a JSON document.

        Args:
            url: Its address.
            missing_ok: Return the JSON that comes with a 404, too: the portal answers a search without hits so.

        Raises:
            NotFoundError: If there is nothing (and `missing_ok` is not set, or no JSON came with it).
            SourceError: If it cannot be had, or is no JSON.
        """
        return self._read(url, kind=_JSON, accepted=(200, 404) if missing_ok else (200,))

    def get_text(self, url: str) -> str:
        """Get a small text file (checksums); bytes that are no UTF-8 are replaced.

        Raises:
            NotFoundError: If there is none.
            SourceError: If it cannot be had.
        """
        return bytes(self._read(url, kind="text/plain", accepted=(200,))).decode("utf-8", "replace")

    def tries(self, **told: Any) -> Tries:
        """Start the tries of one request; see `Tries`."""
        return Tries(self.patience, self._draw, **told)

    @contextmanager
    def open(
        self,
        url: str,
        *,
        accepted: tuple[int, ...] = (200,),
        kind: str = "*/*",
        part: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Response]:
        """Try once to get what is at an address, redirects followed.

        Args:
            url: The address.
            accepted: Statuses that the caller deals with.
            kind: The type of document to ask the portal for.
            part: Range and If-Range; sent to storage hosts alone, as the portal passes no ranges on.
            stop: Ends the wait for a place in the pace.

        Raises:
            PassingError: If it is worth another try.
            SourceError: If it is not.
            StoppedError: If `stop` is set.
        """
        address, seen = self._addresses.admit(url), {url}
        while True:
            with self._ask(address, kind, part or {}, stop) as response:
                answer = Response(address, response, self.patience, stop)
                if response.status_code not in _REDIRECTS:
                    if response.status_code not in accepted:
                        raise self._refusal(answer, redirected=address.url != url)
                    yield answer
                    return
                address = self._redirected(address, response, seen)
                if answer.length is not None and answer.length < _FEW_BYTES:
                    answer.beginning()  # read to its end, so that the connection can be used again

    def _redirected(self, source: Address, response: requests.Response, seen: set[str]) -> Address:
        location = response.headers.get("Location")
        if not location:
            raise PassingError(f"redirects ({response.status_code}) without saying where to", url=source.url)
        target = self._addresses.follow(source, location)
        if target.url in seen or len(seen) > _STEPS:
            raise SourceError("redirects in a circle, or more than 5 times", url=source.url)
        seen.add(target.url)
        return target

    @contextmanager
    def _ask(
        self, address: Address, kind: str, part: Mapping[str, str], stop: threading.Event | None
    ) -> Iterator[requests.Response]:
        """Send one request and give the answer once its headers are there."""
        at_portal = self._addresses.is_portal(address)
        headers = {"User-Agent": f"atac2rna/{__version__}"}
        headers["Accept-Encoding"] = "gzip" if kind == _JSON else "identity"
        headers |= {"Accept": kind} if at_portal else {"Accept": "*/*", **part}
        request = requests.Request("GET", address.url, headers=headers).prepare()
        proxies = {} if address.loopback else get_environ_proxies(address.url)
        with ExitStack() as held:
            if at_portal:
                held.enter_context(self._pace.place(stop))
            with told(address):
                response = self._adapter.send(
                    request,
                    stream=True,
                    timeout=(self.patience.connect, self.patience.read * (4 if kind == _JSON else 1)),
                    verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
                    proxies=proxies,
                )
        try:
            yield response
        finally:
            # An answer read to its end has given its socket back already; any other is not worth reading on.
            response.close()

    def _refusal(self, answer: Response, *, redirected: bool) -> SourceError:
        """Put a status into words."""
        status, url = answer.status, answer.url
        reason = f"answers {status} {answer.phrase}".rstrip() + answer.explanation()
        if status in (404, 410):
            return NotFoundError(reason, url=url, remedy="Nothing is there: it was never released, or withdrawn since.")
        if status in (401, 403):
            remedy = "It is not released to everyone, or this network was blocked for asking too much."
            if redirected:
                remedy = "The address that led there has expired, or the file is restricted."
            return ForbiddenError(reason, url=url, redirected=redirected, remedy=remedy)
        if status in _PASSING or status >= 500:
            wait = retry_after(answer.headers.get("Retry-After"))
            if wait is not None and wait <= self.patience.longest and self._addresses.is_portal(answer.address):
                self._pace.pause(wait)
            return PassingError(reason, url=url, wait=wait)
        return SourceError(reason, url=url, remedy="Check the address and what was asked for.")

    def _read(self, url: str, *, kind: str, accepted: tuple[int, ...]) -> Any:
        tries = self.tries()
        while True:
            try:
                with self.open(url, accepted=accepted, kind=kind) as answer:
                    return answer.json() if kind == _JSON else answer.text()
            except PassingError as fault:
                tries.again(fault)
