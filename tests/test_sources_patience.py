"""Waits between tries, by a wait of our own."""

import random
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from atac2rna.sources.faults import PassingError, SourceError
from atac2rna.sources.patience import Patience, Tries, retry_after


class Waits(threading.Event):
    """Keeps how long it should have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.told.append(timeout)
        return False


class Always(random.Random):
    """Draws one number for ever."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def random(self) -> float:
        return self.number


def passing(wait: float | None = None) -> PassingError:
    return PassingError("is busy", url="https://ftp.ensembl.org/x", wait=wait)


def test_waits_double_up_to_the_longest() -> None:
    waits = Waits()
    tries = Tries(Patience(attempts=9, backoff=0.5, longest=10.0), Always(1.0), stop=waits)
    for _ in range(7):
        tries.again(passing())
    assert waits.told == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    tries.progressed()
    tries.again(passing())
    assert waits.told[-1] == 0.5


def test_a_wait_is_drawn() -> None:
    waits = Waits()
    Tries(Patience(backoff=0.5), Always(0.25), stop=waits).again(passing())
    assert waits.told == [0.125]


def test_what_the_server_asks_for_comes_first() -> None:
    waits = Waits()
    Tries(Patience(backoff=0.5), Always(1.0), stop=waits).again(passing(7.0))
    assert waits.told == [7.5]
    with pytest.raises(SourceError, match="asks to be left alone for 61 s"):
        Tries(Patience(), Always(1.0), stop=waits).again(passing(61.0))


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after("7") == 7
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after("9" * 400) == 365 * 86400
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after(ahead) == pytest.approx(99.5, abs=1)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize("text", ["1000000000000", "9" * 400, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_wait_of_centuries_is_a_year(text: str) -> None:
    wait = retry_after(text)
    assert wait == 365 * 86400
    with pytest.raises(SourceError, match="Run the same command again after 20"):
        Tries(Patience(), Always(1.0)).again(passing(wait))


@pytest.mark.parametrize("text", ["-5", "1e9", "\u0661", "\xb2", "", "Wed, 21 Oct 99999 07:28:00 GMT"])
def test_what_is_no_wait_is_none(text: str) -> None:
    assert retry_after(text) is None


def test_the_ends_of_the_calendar() -> None:
    assert retry_after("Mon, 01 Jan 0001 00:00:00 +2300") in (None, 0)
