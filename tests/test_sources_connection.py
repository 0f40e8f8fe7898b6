"""Requests to the loopback portal, and what comes of every fault."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from gzip import compress
from typing import Any

import pytest

from atac2rna.sources.connection import Connection, ForbiddenError, NotFoundError, Patience, SourceError
from atac2rna.sources.patience import retry_after
from encode_portal import Catalogue, Fault, Portal, deaf_address, running_portal
from encode_portal.faults import (
    Trouble,
    broken_json,
    cut_at,
    cut_without_length,
    dropped,
    hang,
    no_length,
    page,
    redirected,
    retry_date,
    status,
    trickle,
)

SOON = Patience(attempts=4, backoff=0.01, longest=2.0, connect=0.3, read=0.1, slowest=10_000.0, window=0.2)
HOME = "/?format=json"


@pytest.fixture
def portal() -> Iterator[Portal]:
    catalogue = Catalogue()
    catalogue.mirror["sums"] = b"0123  a.gtf.gz\n" * 1000
    with running_portal(catalogue) as running:
        yield running


@pytest.fixture
def connection(portal: Portal) -> Iterator[Connection]:
    with Connection(portal=portal.url, patience=SOON) as opened:
        yield opened


def test_a_document_of_the_portal(portal: Portal, connection: Connection) -> None:
    assert connection.get_json(portal.url + HOME)["title"] == "Home"
    (request,) = portal.log.requests()
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("atac2rna/")


def test_a_text_file_of_another_host(portal: Portal, connection: Connection) -> None:
    assert connection.get_text(f"{portal.storage_url}/sums").splitlines() == ["0123  a.gtf.gz"] * 1000


def test_an_empty_search_is_an_answer(portal: Portal, connection: Connection) -> None:
    url = f"{portal.url}/search/?type=Experiment&format=json"
    answer = connection.get_json(url, missing_ok=True)
    assert (answer["notification"], answer["@graph"]) == ("No results found", [])
    with pytest.raises(NotFoundError, match="404"):
        connection.get_json(url)
    assert len(portal.log.requests()) == 2  # neither is tried again


def test_a_page_with_404_is_no_answer(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(Trouble("lost", lambda *_: _page(404)), times=None))
    with pytest.raises(NotFoundError, match="answers 404 and no JSON"):
        connection.get_json(portal.url + HOME, missing_ok=True)


def _page(code: int) -> Any:
    from encode_portal.answer import page_answer

    return page_answer("Not here", code)


def test_a_wrong_question_is_told_in_the_portals_words(portal: Portal, connection: Connection) -> None:
    with pytest.raises(SourceError, match=r"answers 400 Bad Request \(.*Invalid"):
        connection.get_json(f"{portal.url}/search/?type=Experimental&format=json")
    assert len(portal.log.requests()) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        *(status(code) for code in (408, 425, 429, 500, 502, 503, 504)),
        status(429, retry_after=0),
        *(dropped(), cut_at(0.0), cut_at(0.5), cut_without_length(0.4), cut_without_length(0.4, chunked=True)),
        *(broken_json(), page(), hang(2.0), hang(2.0, at=0.5)),
        redirected(""),
    ],
    ids=lambda trouble: trouble.name,
)
def test_what_passes_is_asked_again(portal: Portal, connection: Connection, trouble: Trouble) -> None:
    portal.faults.add(Fault(trouble, times=(0, 1)))
    assert connection.get_json(portal.url + HOME)["title"] == "Home"
    assert len(portal.log.requests()) == 3


@pytest.mark.parametrize("chunked", [False, True])
def test_a_length_is_not_needed(portal: Portal, connection: Connection, chunked: bool) -> None:
    portal.faults.add(Fault(no_length(chunked=chunked)))
    assert connection.get_json(portal.url + HOME)["title"] == "Home"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (status(503), r"answers 503 Service Unavailable \(made by a fault\) \(4 times in a row\)"),
        (dropped(), r"closes the connection without an answer \(4 times"),
        (hang(2.0), "does not answer in time"),
        (page(), "should be JSON, and is a web page .'Temporarily unavailable'.*proxy or a sign-in page"),
        (broken_json(), "should be JSON, and is something else"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_stays_is_told_after_the_tries(
    portal: Portal, connection: Connection, trouble: Trouble, told: str
) -> None:
    portal.faults.add(Fault(trouble, times=None))
    with pytest.raises(SourceError, match=told) as fault:
        connection.get_json(portal.url + HOME)
    assert fault.value.url == portal.url + HOME
    assert len(portal.log.requests()) == SOON.attempts


def test_forbidden_is_told_at_once(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(status(403), times=None))
    with pytest.raises(ForbiddenError, match="not released to everyone"):
        connection.get_json(portal.url + HOME)
    assert len(portal.log.requests()) == 1


@pytest.mark.parametrize("when", [1, None])
def test_retry_after_is_obeyed_by_all_threads(portal: Portal, connection: Connection, when: int | None) -> None:
    trouble = status(429, retry_after=when if when is not None else retry_date(2))
    portal.faults.add(Fault(trouble))
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(connection.get_json, portal.url + HOME)]
        while not portal.log.requests() or not portal.log.requests()[0].sent:
            time.sleep(0.01)
        time.sleep(0.1)
        answers += [threads.submit(connection.get_json, portal.url + HOME) for _ in range(3)]
        assert {answer.result()["title"] for answer in answers} == {"Home"}
    refused, *later = portal.log.requests()
    assert len(later) == 4
    assert min(request.time for request in later) - refused.time >= 0.95


def test_a_longer_wait_is_left_to_the_user(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(status(503, retry_after=3600)))
    with pytest.raises(SourceError, match=r"left alone for 3,600 s\. Run the same command again after 20"):
        connection.get_json(portal.url + HOME)


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after("7") == 7
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after("9" * 400) == 365 * 86400
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after(ahead) == pytest.approx(99.5, abs=1)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_trickle_counts_as_broken(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(trickle(20, 0.05), path="/sums", times=None))
    with pytest.raises(SourceError, match=r"delivers only .* bytes a second"):
        connection.get_text(f"{portal.storage_url}/sums")


def test_a_deaf_host_is_given_up(portal: Portal, connection: Connection) -> None:
    with deaf_address() as deaf, pytest.raises(SourceError, match="does not answer in time"):
        connection.get_text(f"{deaf}/x")


def test_nobody_there(portal: Portal, connection: Connection) -> None:
    with pytest.raises(SourceError, match=r"cannot be reached \(connection refused\) \(4 times in a row\)"):
        connection.get_text("http://127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://encode-public.s3.amazonaws.com{path}", "plain http"),
        ("https://example.org{path}", "unknown host 'example.org'"),
        ("{path}?format=json", "in a circle"),
        ("/more{path}", "in a circle, or more than 5 times"),
    ],
)
def test_redirects_astray_are_refused(portal: Portal, connection: Connection, location: str, told: str) -> None:
    portal.faults.add(Fault(redirected(location), times=None))
    with pytest.raises(SourceError, match=told):
        connection.get_json(portal.url + HOME)
    assert len(portal.log.requests()) <= 7


def test_what_is_meant_for_the_portal_stays_there(
    portal: Portal, connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    portal.faults.add(Fault(redirected(f"{portal.storage_url}/sums"), path="/sums", role="portal"))
    connection.get_json(portal.url + HOME)  # sets a cookie
    with connection.open(
        f"{portal.url}/sums", kind="application/json", part={"Range": "bytes=3-"}, accepted=(206,)
    ) as got:
        assert got.text()[:4] == b"3  a"
    first, hop, storage = portal.log.requests()
    for request in (first, hop, storage):
        assert not {"cookie", "authorization", "referer"} & set(request.headers)
    assert "range" not in hop.headers
    assert storage.headers["accept"] == "*/*"
    assert storage.headers["range"] == "bytes=3-"


def test_other_machines_are_reached_by_the_proxy_of_the_environment(
    portal: Portal, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(lambda handler: handler.send_error(502)) as (proxy, lines):
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(SourceError, match=r"breaks off|cannot be reached"):
            connection.get_text("https://ftp.ebi.ac.uk/x")
    assert {line.rpartition(" ")[0] for line in lines} == {"CONNECT ftp.ebi.ac.uk:443"}


def test_json_may_come_compressed() -> None:
    body = compress(json.dumps({"a": 1}).encode())

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with served(answer) as (url, _), Connection(portal=url, patience=SOON) as connection:
        assert connection.get_json(f"{url}/x") == {"a": 1}


def test_sixteen_threads_keep_the_pace(portal: Portal, connection: Connection) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(connection.get_json, [portal.url + HOME] * 32))
    assert portal.log.fastest() == 10


def test_connections_are_used_again(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(redirected("/?format=json"), path="/there"))
    for url in ("/there", HOME, HOME):
        connection.get_json(portal.url + url)
    pools = connection._adapter.poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


@contextmanager
def served(answer: Any) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers every request with a function; give its address and the first lines of the requests."""
    lines: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines.append(self.requestline)
            answer(self)

        do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", lines
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
