"""The loopback portal keeps the rules that stand in for the live one."""

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from hashlib import md5
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest

from encode_portal import Catalogue, Fault, Made, Portal, RandomFaults, deaf_address, faults, running_portal
from encode_portal.__main__ import main
from encode_portal.answer import Question
from encode_portal.faults import FaultPlan
from encode_portal.log import PaceGuard

REPOSITORY = Path(__file__).parents[1]
FILE = "ENCFF001AAA"
DOWNLOAD = f"/files/{FILE}/@@download/{FILE}.bed.gz"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, method: str = "GET", timeout: float = 5.0, **headers: str) -> Reply:
    """Ask once, follow nothing."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), headers=sent)
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@pytest.fixture
def own() -> Iterator[Portal]:
    """Three objects and a file, of which a test may do what it likes."""
    catalogue = Catalogue()
    for number, (assay, extra) in enumerate(
        (("ATAC-seq", {"lab": {"title": "A, B"}}), ("RNA-seq", {}), ("RNA-seq", {}))
    ):
        name = f"ENCSR00{number}AAA"
        item = {"@id": f"/experiments/{name}/", "@type": ["Experiment", "Dataset", "Item"], "accession": name}
        parts = [{"n": number, "of": {"@id": f"/x/{number}/", "term": "a"}}, {"n": 7, "of": {"term": "b"}}]
        catalogue.add({**item, "assay_title": assay, "perturbed": number == 2, "replicates": parts, **extra})
    data = gzip.compress(bytes(range(256)) * 40, 0, mtime=0)
    file = {"accession": FILE, "file_format": "bed", "file_format_type": "narrowPeak", "assembly": "GRCh38"}
    catalogue.add_file({**file, "dataset": "/experiments/ENCSR000AAA/", "status": "released"}, data)
    with running_portal(catalogue) as running:
        yield running


def found(portal: Portal, query: str) -> list[str]:
    answer = ask(f"{portal.url}/search/?type=Experiment&format=json&{query}")
    assert (answer.status == 404) == (answer.json["total"] == 0)
    return [hit["accession"][5:8] for hit in answer.json["@graph"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["000", "001", "002"]),
        ("assay_title=RNA-seq", ["001", "002"]),
        ("assay_title=RNA-seq&assay_title=ATAC-seq", ["000", "001", "002"]),
        ("assay_title=RNA-seq&perturbed=true", ["002"]),
        ("assay_title!=RNA-seq", ["000"]),
        ("lab.title=A%2C+B", ["000"]),
        ("lab.title=*", ["000"]),
        ("lab.title!=*", ["001", "002"]),
        ("lab.title!=C", ["000", "001", "002"]),
        ("replicates.of.term=b&replicates.n=1", ["001"]),
        ("replicates.of=/x/2/", ["002"]),
        ("replicates.n=lt:1", ["000"]),
        ("lab.title=*&lab.title=A%2C+B", ["000"]),
        ("lab.title=*&lab.title=C", []),
        ("replicates.n=gte:1&replicates.n=lte:2", ["001", "002"]),
        ("accession=gt:ENCSR000AAA", ["001", "002"]),
        ("files.accession=ENCFF001AAA", ["000"]),
        ("sort=-accession&limit=2", ["002", "001"]),
        ("limit=1&from=1", ["001"]),
        ("mode=x&datastore=y&searchTerm=z&cart=c&config=d&region=e&advancedQuery=f", ["000", "001", "002"]),
        ("assay_title=none", []),
    ],
)
def test_filters(own: Portal, query: str, expected: list[str]) -> None:
    assert found(own, query) == expected


def test_shape_of_an_answer(portal: Portal) -> None:
    short = ask(f"{portal.url}/search/?type=File&status=released&format=json")
    whole = ask(f"{portal.url}/search/?type=File&status=released&limit=all&field=accession&field=lab.title&format=json")
    assert {"@context", "@id", "@type", "@graph", "total", "facets", "notification"} <= set(short.json)
    assert len(short.json["@graph"]) == 25
    assert len(whole.json["@graph"]) == whole.json["total"] == short.json["total"] > 25
    assert all(set(hit) == {"@id", "@type", "accession", "lab"} for hit in whole.json["@graph"])
    assert whole.json["@graph"][0]["lab"] == {"title": "ENCODE Processing Pipeline"}
    by_field = {facet["field"]: facet["terms"] for facet in whole.json["facets"]}
    counts = {term["key"]: term["doc_count"] for term in by_field["status"]}
    assert counts["released"] == whole.json["total"]
    assert counts["revoked"] == 2  # a filtered field is counted as if it were not filtered


def test_nothing_found_and_wrong_questions(portal: Portal) -> None:
    none = ask(f"{portal.url}/search/?type=Experiment&assay_title=x&format=json")
    wrong = ask(f"{portal.url}/search/?type=Experimen&type=File&format=json")
    missing = ask(f"{portal.url}/files/ENCFF999ZZZ/?format=json")
    assert (none.status, none.json["notification"], none.json["@graph"]) == (404, "No results found", [])
    assert (wrong.status, wrong.json["description"]) == (400, "Invalid types: ['Experimen']")
    assert (missing.status, missing.json["status"]) == (404, "error")
    assert ask(f"{portal.url}/search/?type=File&format=json", "POST").status == 405


def test_json_only_where_it_is_asked_for(portal: Portal) -> None:
    address = f"{portal.url}/files/{FILE}/"
    assert ask(address).body.startswith(b"<!DOCTYPE html>")
    assert ask(address, Accept="application/json").json["accession"] == FILE
    assert ask(f"{address}?format=json").headers["content-type"] == "application/json"
    assert ask(f"{portal.url}/{FILE}/?format=json").headers["location"] == f"/files/{FILE}/?format=json"


def test_frames(portal: Portal) -> None:
    experiment = "/experiments/ENCSR001AAA/"
    embedded = ask(f"{portal.url}{experiment}?format=json&frame=embedded").json
    flat = ask(f"{portal.url}{experiment}?format=json&frame=object").json
    assert embedded["files"][0]["cloud_metadata"]["url"].startswith(f"{portal.storage_url}/encode-public/2021/")
    assert flat["files"] == [file["@id"] for file in embedded["files"]]
    assert flat["lab"] == "/labs/michael-snyder/"


def test_download_by_way_of_the_storage_host(portal: Portal) -> None:
    data = portal.catalogue.data(FILE)
    there = ask(portal.url + DOWNLOAD, Range="bytes=5-")
    soft = ask(f"{portal.url}{DOWNLOAD}?soft=true")
    plain = portal.shown(FILE)["cloud_metadata"]["url"]
    signed = there.headers["location"]
    assert (there.status, there.body) == (307, b"")  # no part of anything
    assert there.headers["set-cookie"].startswith("session=")
    assert signed.startswith(f"{plain}?")
    assert "X-Amz-Signature=" in signed
    assert soft.status == 200
    assert soft.json["location"].startswith(plain)
    assert soft.json["expires"].endswith("Z")
    for address in (signed, plain, soft.json["location"]):
        answer = ask(address)
        assert (answer.status, answer.body) == (200, data)
        assert answer.headers["content-length"] == str(portal.shown(FILE)["file_size"])
        assert answer.headers["etag"] == f'"{md5(data).hexdigest()}"'
        assert "set-cookie" not in answer.headers
    head = ask(plain, "HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(data)))


@pytest.mark.parametrize(
    ("range_", "status", "first", "last"),
    [
        ("bytes=0-", 206, 0, None),
        ("bytes=10-", 206, 10, None),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=-7", 206, -7, None),
    ],
)
def test_parts(own: Portal, range_: str, status: int, first: int, last: int | None) -> None:
    data = own.catalogue.data(FILE)
    answer = ask(f"{own.storage_url}/{own.catalogue.place(FILE)}", Range=range_)
    assert (answer.status, answer.body) == (status, data[first:last])
    start = first % len(data)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(answer.body) - 1}/{len(data)}"


def test_parts_beyond_the_end_and_of_another_version(own: Portal) -> None:
    address, data = f"{own.storage_url}/{own.catalogue.place(FILE)}", own.catalogue.data(FILE)
    beyond = ask(address, Range=f"bytes={len(data)}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert ask(address, Range="bytes=5-", If_Range='"other"').status == 200
    assert ask(address, Range="bytes=5-", If_Range=ask(address).headers["etag"]).status == 206
    assert ask(address, Range="lines=5-").status == 200


def test_what_may_not_be_had(portal: Portal, world: Made) -> None:
    for case, status in (("restricted", 403), ("unavailable", 404)):
        file = portal.shown(world.cases[case].rna[0])["files"][0]
        assert ask(portal.url + file["href"]).status == status
        assert "cloud_metadata" not in file
        assert "s3_uri" not in file
    assert ask(f"{portal.url}/files/{FILE}/@@download/other.bed.gz").status == 404
    assert ask(f"{portal.storage_url}/encode-public/2021/none").status == 404


def test_signatures_expire(own: Portal) -> None:
    old = ask(own.url + DOWNLOAD).headers["location"]
    own.expire_signatures()
    assert ask(old).status == 403
    assert ask(ask(own.url + DOWNLOAD).headers["location"]).status == 200


def spoilt(own: Portal, trouble: faults.Trouble, **headers: str) -> Reply:
    own.faults.add(Fault(trouble, role="storage"))
    return ask(f"{own.storage_url}/{own.catalogue.place(FILE)}", **headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("tenth", range(10))
def test_cut_at_every_tenth(own: Portal, tenth: int) -> None:
    data = own.catalogue.data(FILE)
    with pytest.raises(http.client.IncompleteRead) as cut:
        spoilt(own, faults.cut_at(tenth / 10))
    assert cut.value.partial == data[: int(len(data) * tenth / 10)]
    assert own.log.requests(role="storage")[0].sent == len(cut.value.partial)


def test_faults_of_the_body(own: Portal) -> None:
    data = own.catalogue.data(FILE)
    wrong = spoilt(own, faults.wrong_bytes())
    assert len(wrong.body) == len(data)
    assert wrong.body != data
    short, long = spoilt(own, faults.shortened(0.5)), spoilt(own, faults.lengthened())
    assert short.body == data[: len(data) // 2]
    assert int(short.headers["content-length"]) == len(short.body)
    assert int(long.headers["content-length"]) == len(long.body) > len(data)
    for chunked in (False, True):
        bare = spoilt(own, faults.no_length(chunked=chunked))
        assert bare.body == data
        assert "content-length" not in bare.headers
    assert spoilt(own, faults.cut_without_length(0.5)).body == data[: len(data) // 2]
    with pytest.raises(http.client.IncompleteRead):
        spoilt(own, faults.cut_without_length(0.5, chunked=True))
    ignored = spoilt(own, faults.range_ignored(), Range="bytes=9-")
    assert (ignored.status, ignored.body) == (200, data)
    shifted = spoilt(own, faults.range_shifted(-1), Range="bytes=9-")
    assert (shifted.status, shifted.body) == (206, data[8:])
    assert shifted.headers["content-range"].startswith("bytes 8-")
    assert spoilt(own, faults.page()).body.startswith(b"<!DOCTYPE html>")


def test_faults_of_the_status(own: Portal) -> None:
    for code in (403, 500, 503):
        assert spoilt(own, faults.status(code)).status == code
    assert spoilt(own, faults.status(429, retry_after=2)).headers["retry-after"] == "2"
    date = spoilt(own, faults.status(429, retry_after=faults.retry_date(60))).headers["retry-after"]
    assert 50 < parsedate_to_datetime(date).timestamp() - time.time() <= 60
    assert spoilt(own, faults.redirected("http://example.org/x")).headers["location"] == "http://example.org/x"
    assert spoilt(own, faults.redirected("{path}")).headers["location"] == f"/{own.catalogue.place(FILE)}"
    with pytest.raises(http.client.RemoteDisconnected):
        spoilt(own, faults.dropped())
    assert own.log.requests()[-1].status == 0


def test_slow_faults(own: Portal) -> None:
    address, data = f"{own.storage_url}/{own.catalogue.place(FILE)}", own.catalogue.data(FILE)
    own.faults.add(Fault(faults.hang(60), role="storage"))
    with pytest.raises(TimeoutError):
        ask(address, timeout=0.1)
    own.faults.add(Fault(faults.hang(60, at=0.5), role="storage"))
    with pytest.raises(TimeoutError):
        ask(address, timeout=0.1)
    assert own.log.requests()[-1].sent == len(data) // 2
    own.faults.add(Fault(faults.trickle(1000, 0.01), role="storage"))
    start = time.monotonic()
    assert ask(address).body == data
    assert time.monotonic() - start > 0.01 * (len(data) // 1000)
    with deaf_address() as deaf, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", int(deaf.rpartition(":")[2])), timeout=0.1)


def test_faults_of_documents(own: Portal) -> None:
    address = f"{own.url}/search/?type=Experiment&format=json"

    def answered(trouble: faults.Trouble) -> Reply:
        own.faults.add(Fault(trouble, path="/search/", role="portal"))
        return ask(address)

    with pytest.raises(json.JSONDecodeError):
        _ = answered(faults.broken_json()).json
    assert all(
        "n" not in part for part in answered(faults.without_field("replicates.n")).json["@graph"][0]["replicates"]
    )
    assert answered(faults.with_field("perturbed", "no")).json["@graph"][2]["perturbed"] == "no"
    assert answered(faults.edited(lambda document: document["@graph"])).json[0]["accession"] == "ENCSR000AAA"
    assert answered(faults.body(b"[]")).json == []
    assert ask(address).json["total"] == 3


def test_a_fault_counts_what_it_matches(own: Portal) -> None:
    own.faults.add(
        Fault(faults.status(503), path="/search/", times=(1, 2), query="type=File"),
        Fault(faults.status(500), times=None),
    )
    statuses = [ask(f"{own.url}/search/?type=File&format=json").status for _ in range(4)]
    assert statuses == [500, 503, 503, 500]
    own.faults.clear()
    assert ask(f"{own.url}/search/?type=File&format=json").status == 200


def test_random_faults_do_not_depend_on_the_order() -> None:
    questions = [Question("storage", "GET", f"/{i}", "", {}) for i in range(400) for _ in range(5)]

    def drawn(order: list[int]) -> list[tuple[str, str]]:
        plan = FaultPlan([RandomFaults(0.2, seed=1)])
        pairs = []
        for i in order:
            trouble = plan.trouble(questions[i])
            pairs.append((questions[i].path, trouble.name if trouble else ""))
        return sorted(pairs)

    straight = drawn(list(range(2000)))
    assert straight == drawn([int(i) for i in np.random.default_rng(0).permutation(2000)])
    share = sum(name != "" for _, name in straight) / 2000
    assert 0.16 < share < 0.24
    assert len({name for _, name in straight}) == len({one.name for one in faults.PASSING}) + 1
    silent = {one.name for one in faults.PASSING if one.silent}
    damaged = [path for path, name in straight if name in silent]
    assert len(damaged) == len(set(damaged)) > 0
    of_portal = [
        FaultPlan([RandomFaults(1.0, seed=i)]).trouble(Question("portal", "GET", "/", "", {})) for i in range(99)
    ]
    assert not {one.name for one in of_portal if one} & silent


def test_more_than_ten_in_a_second(world: Made) -> None:
    guard = PaceGuard()
    assert [guard.too_fast(0.05 * i) for i in range(12)] == [False] * 10 + [True] * 2
    assert not guard.too_fast(1.5)
    with running_portal(world.catalogue, enforce_pace=True) as portal:
        with ThreadPoolExecutor(13) as pool:
            replies = list(pool.map(ask, [f"{portal.url}/"] * 13))
        refused = [reply for reply in replies if reply.status == 429]
        assert len(refused) == 3
        assert refused[0].headers["retry-after"] == "1"
        assert portal.log.fastest() == 13
        assert sum(one.fault == "pace" for one in portal.log.requests()) == 3
        assert ask(f"{portal.storage_url}/{portal.catalogue.place(FILE)}").status == 200  # has no pace


def test_log(own: Portal) -> None:
    ask(f"{own.url}/search/?type=File&format=json", X_Own="1")
    ask(f"{own.storage_url}/none", "HEAD")
    first, second = own.log.requests()
    assert (first.role, first.method, first.path, first.query) == ("portal", "GET", "/search/", "type=File&format=json")
    assert (first.status, first.headers["x-own"], first.fault) == (200, "1", "")
    assert (second.role, second.method, second.status, second.sent) == ("storage", "HEAD", 404, 0)
    assert second.time >= first.time
    assert own.log.requests("/none") == [second]
    own.log.clear()
    assert own.log.requests() == []


def test_changes_while_it_runs(own: Portal) -> None:
    own.catalogue.change(FILE, status="revoked", assembly=None)
    experiment = ask(f"{own.url}/experiments/ENCSR000AAA/?format=json").json
    assert experiment["files"][0]["status"] == "revoked"
    assert "assembly" not in experiment["files"][0]
    own.catalogue.replace_data(FILE, b"other")
    assert ask(own.shown(FILE)["cloud_metadata"]["url"]).body == b"other"
    assert own.shown(FILE)["file_size"] != 5
    own.catalogue.replace_data(FILE, b"another", told=True)
    assert own.shown(FILE)["md5sum"] == md5(b"another").hexdigest()
    own.catalogue.remove(FILE)
    assert ask(f"{own.url}/experiments/ENCSR000AAA/?format=json").json["files"] == []


def test_tables(portal: Portal) -> None:
    query = "type=Experiment&assay_title=ATAC-seq&biosample_ontology.term_name=HepG2"
    rows = [line.split("\t") for line in ask(f"{portal.url}/metadata/?{query}").body.decode().splitlines()]
    table = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert {row["Output type"] for row in table} == {
        "replicated peaks",
        "pseudoreplicated peaks",
        "IDR thresholded peaks",
    }
    assert {(row["File format"], row["File type"]) for row in table} == {("bed narrowPeak", "bed")}
    first, *links = ask(f"{portal.url}/batch_download/?{query}").body.decode().splitlines()
    assert first == f'"{portal.url}/metadata/?{query}"'
    assert [row["File download URL"] for row in table] == links
    report = ask(f"{portal.url}/report.tsv?{query}&field=accession&field=lab.title").body.decode().splitlines()
    assert report[1] == "ID\taccession\tlab.title"


def test_tables_of_experiments_that_have_links_to_files(own: Portal) -> None:
    """As real objects have them; what is nowhere in the catalogue has no row."""
    for files in ([{"@id": f"/files/{FILE}/"}, {"@id": "/files/ENCFF999ZZZ/"}], [f"/files/{FILE}/"]):
        own.catalogue.change("ENCSR001AAA", files=files)
        rows = ask(f"{own.url}/metadata/?type=Experiment&accession=ENCSR001AAA").body.decode().splitlines()
        assert [row.split("\t")[0] for row in rows] == ["File accession", FILE]
        links = ask(f"{own.url}/batch_download/?type=Experiment&accession=ENCSR001AAA").body.decode().splitlines()
        assert links[1:] == [own.url + DOWNLOAD]


def test_a_folder_without_real_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--small", "--real", str(tmp_path)])
    assert ended.value.code == 2
    assert f"--real: a folder with rendered, inserts and files in it, or in its encode_portal; got {tmp_path}" in (
        capsys.readouterr().err
    )


def test_started_by_hand() -> None:
    command = [sys.executable, "-m", "tests.encode_portal", "--small", "--faults", "1", "--seed", "3"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        address = lines[0].split()[1]
        assert f"atac2rna encode search --portal {address}" in lines[3]
        with pytest.raises((http.client.HTTPException, AssertionError)):
            assert ask(f"{address}/search/?type=File&format=json").status == 200
        process.send_signal(signal.SIGINT)
        assert "1 requests, 1 of them" in process.stdout.read()
    assert process.returncode == 0
