"""How fast a server may be asked, across all threads."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from atac2rna.sources.faults import StoppedError

_SECOND = 1.01
"""A hundredth more than a second: clocks of two machines differ a little."""


class Pace:
    """At most `per_second` requests reach the server in any one second, whatever the threads.

    A request holds one of `per_second` places from its start until a second after its answer began. Of more requests than
    that, the last can only start a second after another was answered, hence a second after that one had arrived: the
    bound holds where it counts, at the server, however long requests are on their way.
    """

    def __init__(self, per_second: int = 10, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the bound, and a clock in seconds that never goes back."""
        if per_second < 1:
            raise ValueError(f"a pace is at least 1 request a second; got per_second={per_second}.")
        self._clock = clock
        self._changed = threading.Condition()
        self._free_at = [float("-inf")] * per_second
        self._held_until = float("-inf")

    @contextmanager
    def place(self, stop: threading.Event | None = None) -> Iterator[None]:
        """Wait for a place and hold it until the block ends, when the answer has begun.

        Raises:
            StoppedError: If `stop` is set while waiting.
        """
        self._take(stop)
        try:
            yield
        finally:
            with self._changed:
                self._free_at.append(self._clock() + _SECOND)
                self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Let nothing start for some seconds: the server asked for it."""
        with self._changed:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def _take(self, stop: threading.Event | None) -> None:
        with self._changed:
            while True:
                if stop is not None and stop.is_set():
                    raise StoppedError
                wait = self._wait()
                if wait <= 0:
                    self._free_at.remove(min(self._free_at))
                    return
                self._changed.wait(min(wait, 0.1))

    def _wait(self) -> float:
        """Seconds until a place is free, as far as is known now."""
        first = min(self._free_at, default=float("inf"))
        return max(first, self._held_until) - self._clock()
