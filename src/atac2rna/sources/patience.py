"""How long a fault of the network is borne: attempts, waits, and what a server asks for."""

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from atac2rna.sources.faults import PassingError, SourceError, StoppedError

_YEAR = 365 * 86400.0
_SECONDS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Patience:
    """How long to wait for another machine.

    Attributes:
        attempts: Tries of one request without progress in between; a download that goes on where it broke starts counting anew.
        backoff: Seconds before the second try at most, doubled with each further one; the wait is drawn between 0 and that.
        longest: Seconds that no wait exceeds. A server that asks for more gets none: the error says when to come back.
        connect: Seconds to reach a server.
        read: Seconds without a byte after which a connection counts as broken; a JSON answer, which the portal has to work
            out first, is given four times as long.
        slowest: Bytes per second below which, over `window` seconds, a connection counts as broken.
        window: See `slowest`.
    """

    attempts: int = 6
    backoff: float = 0.5
    longest: float = 60.0
    connect: float = 15.0
    read: float = 60.0
    slowest: float = 1024.0
    window: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a patience that never tries."""
        if self.attempts < 1:
            raise ValueError(f"a request is tried at least once; got attempts={self.attempts}.")


class Tries:
    """The tries of one request."""

    def __init__(
        self,
        patience: Patience,
        draw: random.Random,
        *,
        stop: threading.Event | None = None,
        retried: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the patience, a generator for the waits, what ends them, and who is told the reason of each."""
        self._patience = patience
        self._draw = draw
        self._stop = stop or threading.Event()
        self._retried = retried
        self._failed = 0

    def progressed(self) -> None:
        """Start counting anew: the last try brought something that stays."""
        self._failed = 0

    def again(self, fault: PassingError) -> None:
        """Wait before the next try.

        Raises:
            SourceError: If there is none: the tries are used up, or the server asks for a longer wait than is borne.
            StoppedError: If the work is to stop.
        """
        self._failed += 1
        if fault.wait is not None and fault.wait > self._patience.longest:
            back = datetime.now(UTC) + timedelta(seconds=fault.wait)
            raise SourceError(
                f"{fault.reason}, and asks to be left alone for {fault.wait:,.0f} s",
                url=fault.url,
                remedy=f"Run the same command again after {back:%Y-%m-%d %H:%M} UTC.",
            ) from fault
        if self._failed >= self._patience.attempts:
            times = "once" if self._failed == 1 else f"{self._failed} times in a row"
            remedy = fault.remedy or "Run the same command again later."
            raise SourceError(f"{fault.reason} ({times})", url=fault.url, remedy=remedy) from fault
        self._retried(fault.reason)
        wait = min(self._patience.longest, self._patience.backoff * 2 ** (self._failed - 1)) * self._draw.random()
        if self._stop.wait((fault.wait or 0.0) + wait):
            raise StoppedError


def retry_after(text: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3), as seconds from now; None if it says nothing."""
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        return min(float(text), _YEAR)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), _YEAR)
    except (ValueError, OverflowError):  # at the ends of the calendar
        return None
