"""What goes wrong on purpose: at a certain request, or at a share of all, decided by a seed."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from threading import Lock
from typing import Any

from .answer import Answer, Length, Question, Role, error_answer, page_answer, storage_error

Spoil = Callable[[Answer, Question], Answer]


@dataclass(frozen=True)
class Trouble:
    """One way to spoil an answer.

    Attributes:
        name: What it is called in the log.
        spoil: Makes the spoilt answer.
        silent: Only a checksum or a size shows it; a random plan does this to files alone, and to each once at most.
    """

    name: str
    spoil: Spoil
    silent: bool = False


def status(code: int, *, retry_after: float | datetime | str | None = None) -> Trouble:
    """Answer with an error; `retry_after` in seconds, or as a date."""

    def spoil(_: Answer, question: Question) -> Answer:
        if question.role == "portal":
            answer = error_answer(code, f"HTTP {code}", "made by a fault")
        else:
            answer = storage_error(code, {403: "AccessDenied", 503: "SlowDown"}.get(code, "InternalError"), "a fault")
        if retry_after is None:
            return answer
        when = format_datetime(retry_after, usegmt=True) if isinstance(retry_after, datetime) else str(retry_after)
        return answer.with_headers(Retry_After=when)

    return Trouble(f"status {code}", spoil)


def retry_date(seconds: float) -> datetime:
    """Give the time so many seconds from now, for `status(429, retry_after=retry_date(2))`."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def dropped() -> Trouble:
    """Close the connection without a word."""
    return Trouble("dropped", lambda answer, _: replace(answer, dropped=True))


def cut_at(share: float) -> Trouble:
    """Drop the connection after a share of the body; Content-Length had promised all of it."""
    return Trouble(f"cut at {share:g}", lambda answer, _: replace(answer, until=share))


def wrong_bytes() -> Trouble:
    """Send as many bytes as there are, some of them others, so that the md5 differs."""

    def spoil(answer: Answer, _: Question) -> Answer:
        body = bytearray(answer.body)
        for place in {0, len(body) // 2, len(body) - 1} if body else ():
            body[place] ^= 0x5A
        return replace(answer, body=bytes(body))

    return Trouble("wrong bytes", spoil, silent=True)


def shortened(share: float = 0.5) -> Trouble:
    """Send a share of the bytes as if they were all; Content-Length agrees with what is sent."""
    return Trouble(
        "shortened", lambda answer, _: replace(answer, body=answer.body[: int(len(answer.body) * share)]), silent=True
    )


def lengthened(extra: bytes = b"\nand more\n") -> Trouble:
    """Send more bytes than there are; Content-Length agrees with what is sent."""
    return Trouble("lengthened", lambda answer, _: replace(answer, body=answer.body + extra), silent=True)


def no_length(*, chunked: bool = False) -> Trouble:
    """Send all without Content-Length: in chunks, or until the connection ends."""
    return Trouble("no length", lambda answer, _: replace(answer, length="chunked" if chunked else "none"))


def cut_without_length(share: float, *, chunked: bool = False) -> Trouble:
    """Drop the connection after a share of a body without Content-Length; without chunks only the size shows it."""
    length: Length = "chunked" if chunked else "none"
    name = f"cut at {share:g} {'in chunks' if chunked else 'without length'}"
    return Trouble(name, lambda answer, _: replace(answer, length=length, until=share), silent=not chunked)


def range_ignored() -> Trouble:
    """Send the whole with 200 though a part was asked for."""
    return Trouble("range ignored", lambda answer, _: replace(answer, ranged=False))


def range_shifted(by: int = -1) -> Trouble:
    """Send a part that begins elsewhere than asked for; Content-Range tells the truth."""
    return Trouble("range shifted", lambda answer, _: replace(answer, shift=by))


def redirected(location: str, code: int = 307) -> Trouble:
    """Send elsewhere; `{path}` in the location is the path asked for (a loop: `redirected("{path}")`)."""

    def spoil(_: Answer, question: Question) -> Answer:
        return Answer(code, b"", {"Location": location.replace("{path}", question.path)})

    return Trouble("redirected", spoil)


def trickle(piece: int, pause: float) -> Trouble:
    """Send `piece` bytes, wait `pause` seconds, and so on."""
    return Trouble("trickle", lambda answer, _: replace(answer, piece=piece, pause=pause))


def hang(seconds: float, *, at: float | None = None) -> Trouble:
    """Say nothing for so long: before the headers, or after a share of the body."""
    return Trouble("hang", lambda answer, _: replace(answer, hang=seconds, hang_at=at))


def page() -> Trouble:
    """Send a web page with 200 in place of what was asked for."""
    return Trouble("page", lambda *_: page_answer("Temporarily unavailable"), silent=True)


def broken_json() -> Trouble:
    """Send the first half of the JSON as if it were all."""
    return Trouble("broken json", lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2]))


def body(data: bytes, content_type: str = "application/json") -> Trouble:
    """Send these bytes with 200."""
    return Trouble("body", lambda *_: Answer(200, data, {"Content-Type": content_type}))


def edited(edit: Callable[[Any], Any]) -> Trouble:
    """Change the JSON document by a function, which may change it in place (and give None) or give another."""

    def spoil(answer: Answer, _: Question) -> Answer:
        document = json.loads(answer.body)
        other = edit(document)
        return replace(answer, body=json.dumps(document if other is None else other).encode())

    return Trouble("edited", spoil)


def without_field(path: str) -> Trouble:
    """Take a field (a dotted path) out of every hit, or out of the object."""
    return edited(lambda document: _each_hit(document, lambda hit: _drop(hit, path.split("."))))


def with_field(name: str, value: Any) -> Trouble:
    """Set a field of every hit, or of the object, to a value (of the wrong kind)."""
    return edited(lambda document: _each_hit(document, lambda hit: hit.__setitem__(name, value)))


def _each_hit(document: Any, act: Callable[[Any], None]) -> None:
    for hit in document.get("@graph", [document]):
        act(hit)


def _drop(item: Any, parts: list[str]) -> None:
    if isinstance(item, list):
        for one in item:
            _drop(one, parts)
    elif isinstance(item, dict):
        if len(parts) == 1:
            item.pop(parts[0], None)
        else:
            _drop(item.get(parts[0]), parts[1:])


PASSING: tuple[Trouble, ...] = (
    status(429, retry_after=0),
    status(500),
    status(503),
    dropped(),
    *(cut_at(tenth / 10) for tenth in range(10)),
    *(no_length(chunked=chunked) for chunked in (False, True)),
    *(cut_without_length(0.4, chunked=chunked) for chunked in (False, True)),
    *(wrong_bytes(), shortened(), lengthened()),
    *(range_ignored(), range_shifted()),
)
"""Troubles that a patient client gets over; what a random plan draws from."""


@dataclass(frozen=True)
class Fault:
    """A trouble at certain requests.

    Attributes:
        trouble: What happens.
        path: Pattern (`*`, `?`) of the path without its query.
        role: Listener; None: both.
        times: Which of the requests that match, counted from 0; None: all of them.
        method: Method; None: any.
        query: Text that the query holds.
    """

    trouble: Trouble
    path: str = "*"
    role: Role | None = None
    times: Sequence[int] | None = (0,)
    method: str | None = "GET"
    query: str = ""

    def meets(self, question: Question) -> bool:
        """Tell whether a request is one of those that are counted."""
        return (
            self.role in (None, question.role)
            and self.method in (None, question.method)
            and fnmatchcase(question.path, self.path)
            and self.query in question.query
        )


@dataclass(frozen=True)
class RandomFaults:
    """A trouble at a share of all requests.

    Whether and which is decided by seed, role, path, query and how often that was asked for before, so the plan does
    not depend on the order in which threads arrive.

    Attributes:
        share: Share of the requests.
        seed: Decides.
        troubles: What to draw from; at least one that is not silent.
        role: Listener; None: both.
        in_a_row: So many troubles at most follow upon each other at one path.
    """

    share: float
    seed: int = 0
    troubles: tuple[Trouble, ...] = PASSING
    role: Role | None = None
    in_a_row: int = 3


class FaultPlan:
    """The faults of a running portal; may be changed while it runs."""

    def __init__(self, faults: Sequence[Fault | RandomFaults] = ()) -> None:
        self._lock = Lock()
        self._faults: dict[int, Fault | RandomFaults] = {}
        self._count = 0
        self._seen: Counter[object] = Counter()
        self._row: Counter[object] = Counter()
        self._silent: set[object] = set()
        self.add(*faults)

    def add(self, *faults: Fault | RandomFaults) -> None:
        """Add faults; a `Fault` counts the requests from now on."""
        with self._lock:
            for fault in faults:
                self._faults[self._count] = fault
                self._count += 1

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._faults.clear()

    def trouble(self, question: Question) -> Trouble | None:
        """Decide about a request: the first fault that is due; every fault that it meets counts it."""
        due: list[Trouble] = []
        with self._lock:
            for number, fault in self._faults.items():
                decide = self._draw if isinstance(fault, RandomFaults) else self._due
                chosen = decide(number, fault, question)  # type: ignore[arg-type]
                if chosen is not None:
                    due.append(chosen)
        return due[0] if due else None

    def _due(self, number: int, fault: Fault, question: Question) -> Trouble | None:
        if not fault.meets(question):
            return None
        count = self._seen[number]
        self._seen[number] += 1
        return fault.trouble if fault.times is None or count in fault.times else None

    def _draw(self, number: int, fault: RandomFaults, question: Question) -> Trouble | None:
        if fault.role not in (None, question.role):
            return None
        query = "" if question.role == "storage" else question.query  # signatures differ from time to time
        key = (number, question.role, question.path, query)
        text = f"{fault.seed} {question.role} {question.path} {query} {self._seen[key]}"
        self._seen[key] += 1
        digest = sha256(text.encode()).digest()
        if int.from_bytes(digest[:8]) / 2**64 >= fault.share or self._row[key] >= fault.in_a_row:
            self._row[key] = 0
            return None
        self._row[key] += 1
        loud = question.role == "portal" or key in self._silent  # a JSON document has no checksum
        known = [one for one in fault.troubles if not (one.silent and loud)]
        chosen = known[int.from_bytes(digest[8:16]) % len(known)]
        if chosen.silent:
            self._silent.add(key)
        return chosen
