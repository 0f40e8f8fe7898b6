"""One file fetched from the loopback portal: every fault, and the same bytes in the end."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection, ForbiddenError, NotFoundError, Patience, SourceError
from atac2rna.sources.download import Wanted, download, download_all, fetch_cached
from atac2rna.sources.faults import DiskFullError, StoppedError
from atac2rna.sources.part import held_part
from encode_portal import Catalogue, Fault, running_portal
from encode_portal.faults import (
    Trouble,
    cut_at,
    cut_without_length,
    dropped,
    hang,
    lengthened,
    no_length,
    page,
    range_ignored,
    range_shifted,
    redirected,
    shortened,
    status,
    trickle,
    wrong_bytes,
)
from loopback_server import served
from portal_files import ACCESSION, DATA, SOON, Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with running_portal(Catalogue()) as portal, Connection(portal=portal.url, patience=SOON) as connection:
        yield Home(portal, connection, tmp_path)


def test_a_file_by_way_of_the_portal(home: Home) -> None:
    assert download(home.connection, home.wanted(home.by_portal), home.target) == "fetched"
    assert home.had()
    assert [request.role for request in home.portal.log.requests()] == ["portal", "storage"]
    assert download(home.connection, home.wanted(home.by_portal), home.target) == "there"
    assert len(home.portal.log.requests()) == 2


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("trouble", [cut_at, cut_without_length], ids=["length", "none"])
def test_a_drop_at_every_tenth_is_continued(home: Home, tenth: int, trouble: Any) -> None:
    home.portal.faults.add(Fault(trouble(tenth / 10), role="storage"))
    download(home.connection, home.wanted(home.by_portal), home.target)
    assert home.had()
    first, second = home.asked()
    assert (first, second) == ("", f"bytes={len(DATA) * tenth // 10}-" if tenth else "")
    assert sum(request.sent for request in home.portal.log.requests(role="storage")) == len(DATA)


def test_drops_one_after_the_other_are_continued(home: Home) -> None:
    home.portal.faults.add(Fault(cut_at(0.2), role="storage", times=range(12)))
    download(home.connection, home.wanted(), home.target)
    assert home.had()
    assert len(home.asked()) == 13  # many more than the tries without progress


@pytest.mark.parametrize(
    "trouble",
    [
        *(status(code) for code in (408, 429, 500, 502, 503, 504)),
        *(status(503, retry_after=0), dropped(), hang(0.6), hang(0.6, at=0.5), trickle(1000, 0.02)),
        *(no_length(), no_length(chunked=True), cut_without_length(0.5), cut_without_length(0.5, chunked=True)),
        *(wrong_bytes(), shortened(), lengthened(), page(), redirected("")),
    ],
    ids=lambda trouble: trouble.name,
)
def test_what_passes_is_got_over(home: Home, trouble: Trouble) -> None:
    home.portal.faults.add(Fault(trouble, role="storage"))
    told: list[str] = []
    download(home.connection, home.wanted(), home.target, retried=told.append)
    assert home.had()
    assert len(told) == (0 if trouble.name == "no length" else 1)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (wrong_bytes(), "has the md5 .*, not "),
        (shortened(), "has 150,000 bytes where 300,000 are expected"),
        (lengthened(), r"has 300,010 bytes where 300,000 are expected \(4 times"),
        (cut_at(0.0), r"breaks off before its end \(4 times"),
        (cut_without_length(0.0), "breaks off after 0 of 300,000 bytes"),
        (page(), "should be the file ENCFF000AAA, and is a web page"),
        (status(500), r"answers 500 .* \(4 times in a row\)"),
        (dropped(), "closes the connection without"),
        (redirected("http://example.org/x"), "plain http"),
        (redirected("https://example.org/x"), "unknown host"),
        (redirected("{path}"), "in a circle"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_stays_is_told_and_nothing_false_is_left(home: Home, trouble: Trouble, told: str) -> None:
    home.portal.faults.add(Fault(trouble, role="storage", times=None))
    with pytest.raises(SourceError, match=told):
        download(home.connection, home.wanted(), home.target)
    assert not home.target.exists()


def test_a_range_that_is_ignored_means_a_new_start(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(b"x" * 1000)
    home.portal.faults.add(Fault(range_ignored(), role="storage", times=None))
    download(home.connection, home.wanted(), home.target)
    assert home.had()
    assert home.asked() == ["bytes=1000-"]


def test_another_range_than_asked_for_is_refused(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(DATA[:1000])
    home.portal.faults.add(Fault(range_shifted(), role="storage"))
    told: list[str] = []
    download(home.connection, home.wanted(), home.target, retried=told.append)
    assert home.had()
    assert told == ["was asked for the bytes from 1,000 and sends others ('bytes 999-299999/300000')"]
    assert home.asked() == ["bytes=1000-", ""]


def test_a_part_of_something_else_is_found_by_its_md5(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(b"x" * 1000)
    download(home.connection, home.wanted(), home.target)
    assert home.had()
    assert home.asked() == ["bytes=1000-", ""]


def test_a_whole_part_needs_no_request(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(DATA)
    download(home.connection, home.wanted(), home.target)
    assert home.had()
    assert home.asked() == []


def test_416_ends_a_part_of_unknown_size(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(DATA)
    download(home.connection, home.wanted(size=None), home.target)
    assert home.had()
    assert home.asked() == ["bytes=300000-"]
    home.target.unlink()
    home.part.write_bytes(DATA + b"more")
    download(home.connection, home.wanted(size=None), home.target)
    assert home.had()


def test_without_md5_an_old_part_is_not_trusted(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(b"x" * 1000)
    home.portal.faults.add(Fault(cut_at(0.5), role="storage"))
    download(home.connection, home.wanted(md5=None, size=None), home.target)
    assert home.had()
    first, second = home.portal.log.requests(role="storage")
    assert "range" not in first.headers
    assert second.headers["if-range"] == f'"{md5(DATA).hexdigest()}"'  # and what began in this run is continued


def test_a_file_that_changes_on_the_way_is_begun_anew(home: Home) -> None:
    other = DATA[::-1]

    def change(_: str) -> None:
        home.portal.catalogue.stored[home.place] = other

    home.portal.faults.add(Fault(cut_at(0.5), role="storage"))
    download(home.connection, home.wanted(md5=None), home.target, retried=change)
    assert home.target.read_bytes() == other


def test_neither_size_nor_end_nor_md5_is_refused(home: Home) -> None:
    home.portal.faults.add(Fault(no_length(), role="storage"))
    with pytest.raises(SourceError, match="neither size nor end"):
        download(home.connection, home.wanted(md5=None, size=None), home.target)


def test_a_large_file_that_is_damaged_is_fetched_twice_at_most(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.portal.faults.add(Fault(wrong_bytes(), role="storage", times=None))
    for largest, requests in ((len(DATA) - 1, 2), (len(DATA), SOON.attempts)):
        monkeypatch.setattr("atac2rna.sources.transfer._LARGE", largest)
        home.portal.log.clear()
        with pytest.raises(SourceError, match=r"has the md5 .*\((twice|4 times in a row)\)\. The source holds"):
            download(home.connection, home.wanted(), home.target)
        assert len(home.asked()) == requests


def test_a_part_is_named_within_reason(home: Home) -> None:
    home.target.parent.mkdir()
    home.part.write_bytes(DATA[:2])

    def answer(handler: Any) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 2-{'9' * 5000}/*")
        handler.end_headers()

    with served(answer) as (url, _), pytest.raises(SourceError, match="was asked for the bytes from 0") as fault:
        download(home.connection, home.wanted(f"{url}/x"), home.target)
    assert len(str(fault.value)) < 400


def test_a_signature_may_expire_again_after_progress(home: Home) -> None:
    home.portal.faults.add(Fault(status(403), role="storage", times=(0, 2)))
    home.portal.faults.add(Fault(cut_at(0.5), role="storage", times=(1,)))
    download(home.connection, home.wanted(home.by_portal), home.target)
    assert home.had()
    assert [request.status for request in home.portal.log.requests(role="storage")] == [403, 200, 403, 206]


def test_an_expired_signature_is_renewed_once(home: Home) -> None:
    home.portal.faults.add(Fault(status(403), role="storage"))
    download(home.connection, home.wanted(home.by_portal), home.target)
    assert home.had()
    assert [request.role for request in home.portal.log.requests()] == ["portal", "storage"] * 2
    home.target.unlink()
    home.portal.log.clear()
    home.portal.faults.add(Fault(status(403), role="storage", times=None))
    with pytest.raises(ForbiddenError, match="has expired, or the file is restricted"):
        download(home.connection, home.wanted(home.by_portal), home.target)
    assert len(home.portal.log.requests()) == 4


def test_the_second_address_serves_where_the_first_does_not(home: Home) -> None:
    lost = f"{home.portal.storage_url}/encode-public/lost"
    download(home.connection, home.wanted(lost, home.by_portal), home.target)
    assert home.had()
    home.target.unlink()
    with pytest.raises(NotFoundError, match=r"gone: answers 404 Not Found; .*lost answers 404"):
        download(home.connection, home.wanted(lost, lost + "-gone"), home.target)


def test_a_damaged_file_is_fetched_again(home: Home) -> None:
    home.target.parent.mkdir()
    home.target.write_bytes(DATA[:-1] + b"x")
    assert download(home.connection, home.wanted(), home.target) == "fetched"
    assert home.had()


def test_a_full_disk_keeps_what_fitted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = os.write, [100_000]

    def until_full(handle: int, block: Any) -> int:
        if len(block) > 8 and left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(handle, block[: left[0]] if len(block) > 8 else block)
        left[0] -= done
        return done

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", until_full)
        with pytest.raises(DiskFullError, match=r"full after 100,000 bytes .* it goes on from there"):
            download_all(home.connection, [(home.wanted(), home.target)])
    assert home.part.read_bytes() == DATA[:100_000]
    download(home.connection, home.wanted(), home.target)
    assert home.had()
    assert home.asked()[-1] == "bytes=100000-"


@pytest.mark.parametrize(
    "fields",
    [
        *(("../x", 1, None), (".x", 1, None), ("x", -1, None), ("x", 1, "F" * 32), ("x", 1, "..")),
        *(("x", 2**53 + 1, None), ("x", 10**400, None), ("x", -(10**5000), None)),
    ],
    ids=range(8),
)
def test_names_that_lead_astray_are_refused(fields: tuple[str, int, str | None]) -> None:
    with pytest.raises(InputError):
        Wanted(fields[0], ("https://ftp.ebi.ac.uk/x",), *fields[1:])


def test_the_largest_file_that_is_taken(home: Home) -> None:
    with pytest.raises(DiskFullError, match=r"take 9,007,199\.25 GB"):
        download_all(home.connection, [(home.wanted(size=2**53), home.target)])


def test_a_folder_in_the_way_is_told(home: Home) -> None:
    home.target.mkdir(parents=True)
    with pytest.raises(InputError, match="is a folder where the file ENCFF000AAA"):
        download(home.connection, home.wanted(), home.target)


def test_two_that_want_one_file_fetch_it_once(home: Home) -> None:
    home.portal.faults.add(Fault(trickle(30_000, 0.03), role="storage"))
    how: list[str] = []
    threads = [
        threading.Thread(target=lambda: how.append(download(home.connection, home.wanted(), home.target)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(how) == ["fetched", "there", "there", "there"]
    assert home.had()
    assert len(home.asked()) == 1


def test_one_who_lets_a_part_lie_is_not_waited_for(home: Home) -> None:
    home.target.parent.mkdir()
    with held_part(home.target, idle=1) as lying:
        lying.append(DATA[:10])
        connection = Connection(portal=home.portal.url, patience=Patience(read=0.1, longest=0.0))
        assert download(connection, home.wanted(), home.target) == "fetched"
        connection.close()
        assert home.target.read_bytes() == DATA
        assert sorted(os.listdir(home.target.parent)) == [home.target.name, home.part.name]
    assert home.part.read_bytes() == DATA[:10]


def test_a_file_that_is_there_leaves_no_part(home: Home) -> None:
    home.target.parent.mkdir()
    home.target.write_bytes(DATA)
    home.part.write_bytes(DATA[:10])
    with held_part(home.target, idle=1):
        assert download(home.connection, home.wanted(), home.target) == "there"
        assert home.part.exists()  # another process is at it
    assert download(home.connection, home.wanted(), home.target) == "there"
    assert home.had()


def test_a_machine_without_locks_can_import_the_package() -> None:
    program = """
import sys
sys.modules["fcntl"] = None
import atac2rna, atac2rna.cli.main, atac2rna.prediction, atac2rna.sources.gene_releases, atac2rna.sources.encode.fetching
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_waiting_for_another_ends_when_told_to_stop(home: Home) -> None:
    home.target.parent.mkdir()
    stop = threading.Event()
    with held_part(home.target, idle=9):
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(StoppedError):
            download(home.connection, home.wanted(), home.target, stop=stop)
    assert os.listdir(home.target.parent) == []


def test_the_cache_serves_a_second_project(home: Home, tmp_path: Path) -> None:
    cache, wanted = tmp_path / "cache", home.wanted()
    assert fetch_cached(home.connection, wanted, home.target, cache=cache) == "fetched"
    kept = cache / "files" / str(wanted.md5)[:2] / str(wanted.md5) / ACCESSION
    assert kept.read_bytes() == DATA
    assert home.target.samefile(kept)
    assert home.target.stat().st_mode & 0o777 == 0o444
    other = tmp_path / "other" / "x.bed.gz"
    assert fetch_cached(home.connection, wanted, other, cache=cache) == "cache"
    assert other.samefile(kept)
    assert fetch_cached(home.connection, wanted, other, cache=cache) == "there"
    assert len(home.asked()) == 1
    assert os.listdir(other.parent) == ["x.bed.gz"]


def test_a_damaged_file_in_the_cache_is_fetched_again(home: Home, tmp_path: Path) -> None:
    cache, wanted = tmp_path / "cache", home.wanted()
    fetch_cached(home.connection, wanted, home.target, cache=cache)
    home.target.chmod(0o644)
    home.target.write_bytes(DATA[:-1] + b"x")  # and with it the file in the cache
    assert fetch_cached(home.connection, wanted, home.target, cache=cache) == "fetched"
    assert home.had()
    assert fetch_cached(home.connection, wanted, tmp_path / "b", cache=cache) == "cache"


def test_without_links_the_cache_is_copied(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert fetch_cached(home.connection, home.wanted(), home.target, cache=tmp_path / "cache") == "fetched"
    assert home.had()
    assert home.target.stat().st_mode & 0o200
