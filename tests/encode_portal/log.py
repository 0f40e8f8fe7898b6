"""What was asked of the portal, and the pace of it."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from threading import Lock

from .answer import Question, Role

MOST = 10
"""Requests that the portal takes in any one second."""


@dataclass
class Request:
    """One request and what became of it.

    Attributes:
        time: Seconds on `time.monotonic`, when it had been read.
        role: `portal` or `storage`.
        method: GET or HEAD.
        path: Without query.
        query: As sent.
        headers: Names in small letters.
        status: As sent; 0 if the connection was closed without a word or the answer is still to come.
        sent: Bytes of the body handed to the connection.
        fault: Name of the trouble that it met; "" if none; "pace" if it came too fast.
    """

    time: float
    role: Role
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int = 0
    sent: int = 0
    fault: str = ""


class Log:
    """Every request, in order of arrival."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: list[Request] = []

    def begin(self, question: Question) -> Request:
        """Enter a request."""
        entry = Request(0.0, question.role, question.method, question.path, question.query, question.headers)
        with self._lock:
            entry.time = time.monotonic()
            self._requests.append(entry)
        return entry

    def requests(self, path: str = "*", *, role: Role | None = None) -> list[Request]:
        """Give the requests so far to paths of a pattern."""
        with self._lock:
            known = list(self._requests)
        return [one for one in known if role in (None, one.role) and fnmatchcase(one.path, path)]

    def clear(self) -> None:
        """Forget."""
        with self._lock:
            self._requests.clear()

    def fastest(self, *, role: Role = "portal", seconds: float = 1.0) -> int:
        """Give the greatest number of requests within so many seconds."""
        times = [one.time for one in self.requests(role=role)]
        best = first = 0
        for last, moment in enumerate(times):
            while moment - times[first] >= seconds:
                first += 1
            best = max(best, last - first + 1)
        return best


class PaceGuard:
    """Counts the requests of the last second, those that it refuses too."""

    def __init__(self, most: int = MOST, seconds: float = 1.0) -> None:
        self._most = most
        self._seconds = seconds
        self._lock = Lock()
        self._times: deque[float] = deque()

    def too_fast(self, moment: float) -> bool:
        """Take note of a request; tell whether it is one too many."""
        with self._lock:
            self._times.append(moment)
            while moment - self._times[0] >= self._seconds:
                self._times.popleft()
            return len(self._times) > self._most
