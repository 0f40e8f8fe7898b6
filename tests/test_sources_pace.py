"""Requests a second, by a clock of our own and by threads."""

import threading
import time

import pytest

from atac2rna.sources.faults import StoppedError
from atac2rna.sources.pace import Pace


def most_in_a_second(times: list[float]) -> int:
    ordered = sorted(times)
    return max(sum(start <= other < start + 1 for other in ordered) for start in ordered)


def test_threads_keep_the_pace_however_long_requests_take() -> None:
    pace, arrivals = Pace(10), []

    def ask(number: int) -> None:
        with pace.place():
            time.sleep(0.03 * (number % 4))  # on its way
            arrivals.append(time.monotonic())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(25)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrivals) == 25
    assert most_in_a_second(arrivals) <= 10
    assert 2.0 <= time.monotonic() - start < 4.0


def test_a_place_is_free_a_second_after_the_answer() -> None:
    now = [100.0]
    pace = Pace(1, clock=lambda: now[0])
    with pace.place():
        now[0] += 5
    assert pace._wait() == pytest.approx(1.01)
    now[0] += 1.02
    with pace.place():
        assert pace._wait() == float("inf")


def test_a_pause_holds_everything() -> None:
    now = [0.0]
    pace = Pace(10, clock=lambda: now[0])
    pace.pause(7)
    pace.pause(3)
    assert pace._wait() == 7


def test_waiting_ends_when_told_to_stop() -> None:
    pace, stop = Pace(1), threading.Event()
    with pace.place():
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(StoppedError), pace.place(stop):
            pass


def test_a_pace_is_positive() -> None:
    with pytest.raises(ValueError, match="per_second=0"):
        Pace(0)
