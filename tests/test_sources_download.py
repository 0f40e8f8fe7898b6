"""Sets of files fetched from the loopback portal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.download import FailedFilesError, Wanted, Watch, download_all
from atac2rna.sources.faults import DiskFullError
from encode_portal import Catalogue, Fault, RandomFaults, running_portal
from encode_portal.faults import (
    cut_at,
    hang,
    status,
    trickle,
)
from portal_files import ACCESSION, DATA, SOON, Home, stored_set


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with running_portal(Catalogue()) as portal, Connection(portal=portal.url, patience=SOON) as connection:
        yield Home(portal, connection, tmp_path)


def test_space_is_looked_up_first(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage:
        free = 599_999

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    jobs = [(home.wanted(), tmp_path / "files" / name) for name in ("a", "b")]
    with pytest.raises(DiskFullError, match=r"take 0\.00 GB and 0\.00 GB are free; free some space"):
        download_all(home.connection, jobs)
    assert home.asked() == []
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "b.part").write_bytes(DATA[:1])
    assert download_all(home.connection, jobs) == ["fetched", "fetched"]


def test_a_cache_on_another_disk_needs_its_own_space(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache, jobs = tmp_path / "cache", [(home.wanted(), tmp_path / "files" / "a")]

    def lie(places: dict[str, int]) -> None:
        """Let every folder named be a disk of its own, with so many bytes free."""
        names = list(places)
        device = {name: (number, tmp_path / name) for number, name in enumerate(names)}
        monkeypatch.setattr(
            "atac2rna.sources.download._device", lambda path: next(device[n] for n in names if n in path.parts)
        )
        monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=places[folder.name]))

    size = len(DATA)
    for free in ((size - 1, size), (size, size - 1)):
        lie(dict(zip(("cache", "files"), free, strict=True)))
        full = tmp_path / ("cache" if free[0] < size else "files")
        with pytest.raises(DiskFullError, match=f"^{full}: the files still to come"):
            download_all(home.connection, jobs, cache=cache)
    lie({"cache": size, "files": size})
    assert download_all(home.connection, jobs, cache=cache) == ["fetched"]


class Told(Watch):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.sets: list[tuple[int, int | None]] = []

    def expected(self, files: int, size: int | None) -> None:
        assert not self.told
        self.sets.append((files, size))

    def started(self, name: str, total: int | None) -> None:
        self.told.append(("started", name, total))

    def advanced(self, name: str, done: int) -> None:
        self.told.append(("advanced", name, done))

    def finished(self, name: str, how: str) -> None:
        self.told.append(("finished", name, how))

    def retried(self, name: str, why: str) -> None:
        self.told.append(("retried", name, why))

    def failed(self, name: str, why: str) -> None:
        self.told.append(("failed", name, why))


def test_a_thousand_files_with_every_fifth_answer_spoilt(tmp_path: Path) -> None:
    patience = Patience(backoff=0.005, longest=1.0, read=1.0)
    faults = [RandomFaults(0.2, seed=4)]
    with (
        running_portal(Catalogue(), faults=faults) as portal,
        Connection(portal=portal.url, patience=patience) as connection,
    ):
        jobs, bodies = stored_set(portal, tmp_path / "files", 1000, 2000)
        start = time.monotonic()
        assert download_all(connection, jobs, workers=16) == ["fetched"] * 1000
        assert time.monotonic() - start < 15
        assert [target.read_bytes() for _, target in jobs] == bodies
        assert len(os.listdir(tmp_path / "files")) == 1000
        spoilt = sum(bool(request.fault) for request in portal.log.requests())
        assert spoilt > 150
        portal.log.clear()
        assert download_all(connection, jobs, workers=16) == ["there"] * 1000
        assert portal.log.requests() == []


def test_sixteen_workers_keep_the_pace_of_the_portal(tmp_path: Path) -> None:
    with (
        running_portal(Catalogue(), enforce_pace=True) as portal,
        Connection(portal=portal.url, patience=SOON) as connection,
    ):
        jobs = []
        for number in range(30):
            item: dict[str, Any] = {"accession": f"ENCFF{number:03d}AAA", "file_format": "tsv", "status": "released"}
            item = portal.catalogue.add_file(item, b"a\tb\n" * number)
            url = portal.url + item["href"]
            jobs.append(
                (Wanted(item["accession"], (url,), item["file_size"], item["md5sum"]), tmp_path / item["title"])
            )
        assert download_all(connection, jobs, workers=16) == ["fetched"] * 30
        assert portal.log.fastest() <= 10
        assert {request.status for request in portal.log.requests()} == {307, 200}


def test_failures_do_not_stop_the_others(home: Home, tmp_path: Path) -> None:
    jobs, bodies = stored_set(home.portal, tmp_path / "files", 12, 100)
    for number in (3, 5):
        home.portal.faults.add(Fault(status(404), path=f"/encode-public/ENCFF{number:03d}AAA", times=None))
    watch = Told()
    with pytest.raises(FailedFilesError) as fault:
        download_all(home.connection, jobs, watch=watch)
    assert [wanted.name for wanted, _ in fault.value.failures] == ["ENCFF003AAA", "ENCFF005AAA"]
    assert "2 of 12 files could not be fetched; ENCFF003AAA: http" in str(fault.value)
    assert "Beside it: ENCFF005AAA." in str(fault.value)
    assert [target.read_bytes() for _, target in jobs if target.exists()] == [*bodies[:3], bodies[4], *bodies[6:]]
    assert sorted((what, name) for what, name, _ in watch.told if what == "failed") == [
        ("failed", "ENCFF003AAA"),
        ("failed", "ENCFF005AAA"),
    ]


def test_where_nothing_works_the_rest_is_not_tried(home: Home, tmp_path: Path) -> None:
    jobs, _ = stored_set(home.portal, tmp_path / "files", 200, 100)
    home.portal.faults.add(Fault(status(404), times=None))
    with pytest.raises(FailedFilesError, match=r"2[5-8] of 200 files .* 17[2-5] further files were not tried"):
        download_all(home.connection, jobs, workers=4)
    assert len(home.asked()) < 35


def test_a_host_that_goes_away_in_the_middle_is_noticed(home: Home, tmp_path: Path) -> None:
    jobs, _ = stored_set(home.portal, tmp_path / "files", 200, 100)
    home.portal.faults.add(Fault(status(404), times=range(50, 1000)))
    with pytest.raises(FailedFilesError) as fault:
        download_all(home.connection, jobs, workers=4)
    assert 25 <= len(fault.value.failures) <= 40  # those under way, and a success among the first of them
    assert len([target for _, target in jobs if target.exists()]) == 50


def test_the_watch_hears_everything(home: Home) -> None:
    watch = Told()
    home.portal.faults.add(Fault(cut_at(0.5), role="storage"))
    download_all(home.connection, [(home.wanted(), home.target)], watch=watch)
    kinds = [what for what, *_ in watch.told]
    assert (kinds[0], kinds[-1], kinds.count("retried")) == ("started", "finished", 1)
    assert watch.told[-1] == ("finished", ACCESSION, "fetched")
    done = [told[2] for told in watch.told if told[0] == "advanced"]
    assert done == sorted(done)
    assert done[-1] == len(DATA)
    assert watch.sets == [(1, len(DATA))]
    two = Told()
    download_all(
        home.connection, [(home.wanted(), home.target), (home.wanted(size=None), home.target.parent / "b")], watch=two
    )
    assert two.sets == [(2, None)]


def test_two_files_in_one_place_are_refused(home: Home) -> None:
    with pytest.raises(InputError, match="is the second for this one"):
        download_all(home.connection, [(home.wanted(), home.target)] * 2)


def test_a_bug_is_not_swallowed(home: Home) -> None:
    class Broken(Watch):
        def started(self, name: str, total: int | None) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        download_all(home.connection, [(home.wanted(), home.target)], watch=Broken())


PROGRAM = """
import sys
from pathlib import Path
from atac2rna.sources.connection import Connection
from atac2rna.sources.download import Wanted, download_all
portal, folder, *files = sys.argv[1:]
jobs = [(Wanted(n, (u,), int(s), m), Path(folder) / n) for n, u, s, m in (line.split() for line in files)]
try:
    print(download_all(Connection(portal=portal), jobs, workers=3))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("pressed", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_an_interrupted_set_is_continued(home: Home, tmp_path: Path, pressed: signal.Signals) -> None:
    jobs, bodies = stored_set(home.portal, tmp_path / "files", 6, 200_000)
    lines = [f"{wanted.name} {wanted.urls[0]} {wanted.size} {wanted.md5}" for wanted, _ in jobs]
    command = [sys.executable, "-c", PROGRAM, home.portal.url, str(tmp_path / "files"), *lines]
    home.portal.faults.add(Fault(trickle(20_000, 0.05), role="storage", times=None))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while sum(request.sent for request in home.portal.log.requests()) < 400_000:
            time.sleep(0.02)
        running.send_signal(pressed)
        start = time.monotonic()
        _, said = running.communicate(timeout=20)
        assert time.monotonic() - start < 2
    assert (running.returncode, said) == (130 if pressed == signal.SIGINT else -signal.SIGKILL, b"")
    come = sum(path.stat().st_size for path in (tmp_path / "files").iterdir())
    assert come > 200_000
    assert list((tmp_path / "files").glob("*.part"))
    home.portal.faults.clear()
    time.sleep(0.1)
    home.portal.log.clear()
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.count("fetched") + done.stdout.count("there") == 6
    assert [target.read_bytes() for _, target in jobs] == bodies
    assert sum(request.sent for request in home.portal.log.requests()) == sum(map(len, bodies)) - come


def test_two_programs_that_want_one_file_fetch_it_once(home: Home, tmp_path: Path) -> None:
    wanted = home.wanted()
    line = f"{wanted.name} {wanted.urls[0]} {wanted.size} {wanted.md5}"
    command = [sys.executable, "-c", PROGRAM, home.portal.url, str(tmp_path / "files"), line]
    home.portal.faults.add(Fault(trickle(10_000, 0.05), role="storage"))
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(program.communicate(timeout=20)[0] for program in running)
    assert said == ["['fetched']\n", "['there']\n"]
    assert [program.returncode for program in running] == [0, 0]
    assert (tmp_path / "files" / wanted.name).read_bytes() == DATA
    assert os.listdir(tmp_path / "files") == [wanted.name]
    assert home.asked() == [""]


def test_a_silent_server_does_not_hold_an_interrupted_program(home: Home, tmp_path: Path) -> None:
    home.portal.faults.add(Fault(hang(30), role="storage", times=None))
    wanted = home.wanted()
    line = f"{wanted.name} {wanted.urls[0]} {wanted.size} {wanted.md5}"
    command = [sys.executable, "-c", PROGRAM, home.portal.url, str(tmp_path / "files"), line]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not home.asked():
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, said = running.communicate(timeout=20)
        assert time.monotonic() - start < 2
    assert (running.returncode, said) == (130, b"")
