"""Requests to the loopback portal, and what comes of every fault."""

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from gzip import compress
from pathlib import Path
from shutil import which
from typing import Any
from zlib import compressobj

import pytest
import requests
from urllib3.connection import HTTPConnection

from atac2rna.sources.connection import Connection, ForbiddenError, NotFoundError, Patience, Response, SourceError
from atac2rna.sources.faults import StoppedError
from encode_portal import Catalogue, Fault, Portal, deaf_address, running_portal
from encode_portal.answer import Answer
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
from loopback_server import sending, served

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


@pytest.mark.parametrize("dated", [False, True])
def test_retry_after_is_obeyed_by_all(portal: Portal, dated: bool) -> None:
    portal.faults.add(Fault(status(429, retry_after=retry_date(2) if dated else 1)))
    with Connection(portal=portal.url, patience=Patience(attempts=1)) as connection:
        with pytest.raises(SourceError, match=r"answers 429 .* \(once\)"):  # and does not wait itself
            connection.get_json(portal.url + HOME)
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(connection.get_json, [portal.url + HOME] * 3))
    refused, *later = portal.log.requests()
    assert len(later) == 3
    assert min(request.time for request in later) - refused.time >= 0.95


def test_what_a_storage_host_asks_for_holds_for_one_request(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(status(503, retry_after=1), role="storage"))
    with ThreadPoolExecutor(2) as threads:
        refused = threads.submit(connection.get_text, f"{portal.storage_url}/sums")
        while not portal.log.requests():
            time.sleep(0.01)
        start = time.monotonic()
        connection.get_text(f"{portal.storage_url}/sums")
        connection.get_json(portal.url + HOME)
        assert time.monotonic() - start < 0.8
        refused.result()
    first, *_, last = portal.log.requests()
    assert last.time - first.time >= 0.95


def test_a_longer_wait_is_left_to_the_user(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(status(503, retry_after=3600)))
    with pytest.raises(SourceError, match=r"left alone for 3,600 s\. Run the same command again after 20"):
        connection.get_json(portal.url + HOME)


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


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is refused at once, and taken where the user names it."""
    if which("openssl") is None:
        pytest.skip("this machine has no program `openssl` to make a certificate with")
    own = tmp_path / "own.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=made-up -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(["openssl", *words.split(), "-keyout", own, "-out", f"{own}.crt"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{own}.crt", own)
    with served(sending(b"{}"), tls=tls) as (url, lines), asking(url) as connection:
        with pytest.raises(SourceError, match=r"certificate that this machine does not trust.*REQUESTS_CA_BUNDLE"):
            connection.get_json(f"{url}/x")
        assert lines == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{own}.crt")
        assert connection.get_json(f"{url}/x") == {}


def test_certificates_are_never_ignored(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def send(*_: object, verify: object, **__: object) -> None:
        asked.append(verify)
        raise requests.Timeout

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with Connection(patience=Patience(attempts=1)) as connection:
        for variable in ("", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            if variable:
                monkeypatch.setenv(variable, f"{variable}.pem")
            else:
                monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
            with pytest.raises(SourceError, match="does not answer"):
                connection.get_json("https://www.encodeproject.org/x")
    assert asked == [True, "CURL_CA_BUNDLE.pem", "REQUESTS_CA_BUNDLE.pem"]


def test_json_may_come_compressed() -> None:
    body = compress(json.dumps({"a": 1}).encode())
    for sent in (body, compress(b'{"a":') + compress(b" 1}")):
        with served(sending(sent, Content_Encoding="gzip")) as (url, _), asking(url) as connection:
            assert connection.get_json(f"{url}/x") == {"a": 1}
    for sent in (body[:-1], body[:-4] + b"abcd", b"{}"):
        with (
            served(sending(sent, Content_Encoding="gzip")) as (url, _),
            asking(url) as connection,
            pytest.raises(SourceError, match=r"is damaged on the way \(gzip\) \(4 times"),
        ):
            connection.get_json(f"{url}/x")


def asking(url: str) -> Connection:
    return Connection(portal=url, patience=SOON, per_second=1000)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_what_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    whole = b'"' + b"a" * 3_000_000 + b'"'
    body = compress(whole) if encoding == "gzip" else whole
    monkeypatch.setattr(Response.text, "__kwdefaults__", {"limit": 2_000_000, "what": "a small file"})
    monkeypatch.setattr(Response.json, "__kwdefaults__", {"limit": 2_000_000})
    with served(sending(body, Content_Encoding=encoding)) as (url, lines), asking(url) as connection:
        with pytest.raises(SourceError, match=r"is longer than 2,000,000 bytes, where a small file is expected\.$"):
            connection.get_text(f"{url}/x")
        with pytest.raises(SourceError, match=r"is longer than 2,000,000 bytes, where JSON is expected\.$"):
            connection.get_json(f"{url}/x")
    assert len(lines) == 2  # neither is asked for again


def test_a_bomb_does_not_fill_the_memory() -> None:
    packer = compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 22)) for _ in range(17)) + packer.flush()
    assert len(bomb) < 100_000
    with (
        served(sending(bomb, Content_Encoding="gzip")) as (url, _),
        asking(url) as connection,
        pytest.raises(SourceError, match="is longer than 67,108,864 bytes"),
    ):
        connection.get_text(f"{url}/x")
    with (
        served(sending(bomb, Content_Encoding="gzip")) as (url, _),
        asking(url) as connection,
        connection.open(f"{url}/x") as answer,
    ):
        assert max(map(len, answer._unpacked(answer.blocks()))) <= 1 << 20


def test_json_nested_too_deep_is_told() -> None:
    with (
        served(sending(b"[" * 100_000)) as (url, lines),
        asking(url) as connection,
        pytest.raises(SourceError, match="is JSON nested too deep to be read"),
    ):
        connection.get_json(f"{url}/x")
    assert len(lines) == 1


@pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "many"])
def test_a_length_that_is_none_is_none(length: str) -> None:
    with served(sending(b"[1]", Content_Length=length)) as (url, _), asking(url) as connection:
        with connection.open(f"{url}/x") as answer:
            assert (answer.length, answer.ends_marked) == (None, False)
        assert connection.get_json(f"{url}/x") == [1]


def trickling(status: int, size: int, step: int, pause: float, **headers: str) -> Trouble:
    answer = Answer(status, b"x" * size, headers, piece=step, pause=pause)
    return Trouble("trickling", lambda *_: answer)


def test_a_slow_refusal_is_not_listened_to(portal: Portal, connection: Connection) -> None:
    portal.faults.add(Fault(trickling(500, 60_000, 50, 0.02), times=None))
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"answers 500 .*\(4 times in a row\)"):
        connection.get_json(portal.url + HOME)
    assert time.monotonic() - start < 4


def test_a_refusal_that_is_fast_enough_for_a_file_is_not(portal: Portal) -> None:
    portal.faults.add(Fault(trickling(400, 60_000, 500, 0.03)))
    start = time.monotonic()
    with (
        Connection(portal=portal.url, patience=Patience(slowest=0, window=0.2)) as connection,
        pytest.raises(SourceError, match="answers 400"),
    ):
        connection.get_json(portal.url + HOME)
    assert time.monotonic() - start < 2


def test_a_long_refusal_is_not_read_to_its_end(portal: Portal) -> None:
    head = b"<html><title>Sorry</title>"
    answer = Answer(400, head + b"x" * 20_000_000, piece=1 << 16, pause=0.01)
    portal.faults.add(Fault(Trouble("long", lambda *_: answer), times=None))
    with (
        Connection(portal=portal.url) as connection,
        pytest.raises(SourceError, match=r"answers 400 Bad Request \('Sorry'\)"),
    ):
        connection.get_json(portal.url + HOME)
    assert portal.log.requests()[0].sent < 10_000_000


@pytest.mark.parametrize(("size", "patience"), [(15_000, SOON), (60_000, Patience(slowest=0))], ids=["short", "long"])
def test_a_slow_redirect_is_followed_at_once(portal: Portal, size: int, patience: Patience) -> None:
    portal.faults.add(Fault(trickling(307, size, 10, 0.02, Location=HOME), path="/there"))
    start = time.monotonic()
    with Connection(portal=portal.url, patience=patience) as connection:
        assert connection.get_json(portal.url + "/there")["title"] == "Home"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("status", [307, 500])
def test_a_slow_body_ends_when_told_to_stop(portal: Portal, status: int) -> None:
    portal.faults.add(Fault(trickling(status, 15_000, 1, 0.02, Location=HOME), times=None))
    stop = threading.Event()
    with Connection(portal=portal.url, patience=Patience(slowest=0)) as patient:
        threading.Timer(0.1, stop.set).start()
        start = time.monotonic()
        with pytest.raises(StoppedError), patient.open(portal.url + "/there", stop=stop):
            pass
        assert time.monotonic() - start < 2


def test_sixteen_threads_keep_the_pace(portal: Portal, connection: Connection) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(connection.get_json, [portal.url + HOME] * 32))
    assert portal.log.fastest() == 10


def test_connections_are_used_again(portal: Portal, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, made = HTTPConnection.connect, []

    def counted(self: HTTPConnection) -> None:
        made.append(self.port)
        connect(self)

    monkeypatch.setattr(HTTPConnection, "connect", counted)
    portal.faults.add(Fault(redirected("/?format=json"), path="/there"))
    wordy = Answer(307, b"x" * 1000, {"Location": HOME})
    portal.faults.add(Fault(Trouble("wordy", lambda *_: wordy), path="/where"))
    for url in ("/there", "/where", HOME, HOME):
        connection.get_json(portal.url + url)
    assert len(portal.log.requests()) == 6
    assert len(made) == 1
