import re
from collections.abc import Iterator

import pytest

from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.encode.doctor import Check, examine
from atac2rna.sources.encode.portal import Portal as Asked
from conftest import Cli
from encode_portal import Fault, Portal, faults, running_portal
from encode_portal.made import Made, made

HASTE = Patience(attempts=2, backoff=0.01, longest=0.1, connect=2, read=2)
NO_HIT = "a search without a hit is status 404 and 'No results found'"
NO_TYPE = "a search for a type that does not exist is status 400"
QUERIES = "the queries of a search are answered as documented"
CUT = "field= cuts a hit down to what was asked for"
DEFAULT = "an experiment has one default peak file"
TABLE = "a biological replicate has one default gene quantification"
RUNS = "an experiment's default quantifications are of one analysis"
RATES = "a DNase-seq experiment has peaks of the one false discovery rate that is read"
SERIES = "reference epigenomes name experiments of both assays"
MOUSE = "mouse has gene quantifications of its annotation"
ORGANS = "every organ slim is known to the rule of lineages"
PARTS = "the public storage address leads to storage that gives parts"
PEAKS = "peaks are as documented"


@pytest.fixture
def world() -> Made:
    """The made-up catalogue without its experiment of two default peak files and those of unknown thresholds."""
    world = made()
    for name in ("no rate", "which rate"):
        world.catalogue.remove(world.cases[f"dnase: {name}"].atac[0])
        for item in list(world.catalogue.items()):
            if item.get("dataset") == f"/experiments/{world.cases[f'dnase: {name}'].atac[0]}/":
                world.catalogue.remove(item["accession"])
    twice = world.cases["two defaults"].atac[0]
    files = [item for item in world.catalogue.items() if item.get("dataset") == f"/experiments/{twice}/"]
    world.catalogue.change(
        next(each["accession"] for each in files if each.get("preferred_default")), preferred_default=None
    )
    return world


@pytest.fixture
def portal(world: Made) -> Iterator[Portal]:
    with running_portal(world.catalogue) as portal:
        yield portal


def examined(portal: Portal) -> dict[str, Check]:
    with Connection(portal=portal.url, patience=HASTE, per_second=1000) as connection:
        return {check.assumption: check for check in examine(Asked(connection))}


def test_what_behaves_as_documented_holds(portal: Portal) -> None:
    checks = examined(portal)
    assert not [check for check in checks.values() if check.verdict == "fails"]
    for name in (NO_HIT, NO_TYPE, QUERIES, CUT, DEFAULT, TABLE, RATES, SERIES, MOUSE, ORGANS, PARTS, PEAKS):
        assert checks[name].verdict == "holds", checks[name]
    assert len(checks) > 15
    assert all(check.seen for check in checks.values())
    assert all(request.method == "GET" for request in portal.log.requests())
    assert len(portal.log.requests()) < 25


@pytest.mark.parametrize(
    ("fault", "assumption", "seen"),
    [
        (Fault(faults.status(500), query="no+such+assay", times=None), NO_HIT, "500"),
        (Fault(faults.status(500), query="NoSuchType", times=None), NO_TYPE, "500"),
        (Fault(faults.without_field("accession"), query="assay_title=ATAC-seq", times=None), QUERIES, "accession"),
        (Fault(faults.with_field("surprise", 1), query="control_type", times=None), CUT, "surprise"),
        (Fault(faults.range_ignored(), role="storage", times=None), PARTS, "200"),
        (Fault(faults.without_field("cloud_metadata"), query="type=File", times=None), PARTS, "none of"),
        (Fault(faults.wrong_bytes(), role="storage", times=None), PEAKS, "md5"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_has_changed_fails(portal: Portal, fault: Fault, assumption: str, seen: str) -> None:
    portal.faults.add(fault)
    check = examined(portal)[assumption]
    assert check.verdict == "fails"
    assert seen in check.seen


def test_an_organ_that_the_rule_does_not_know(portal: Portal, world: Made) -> None:
    world.catalogue.change("ENCSR007AAA")["biosample_ontology"]["organ_slims"] = ["antenna"]
    check = examined(portal)[ORGANS]
    assert (check.verdict, check.seen) == ("fails", "unknown, each a lineage of its own name: antenna")


@pytest.mark.parametrize(("odd", "verdict"), [(1, "holds"), (4, "fails")])
def test_several_defaults(portal: Portal, world: Made, odd: int, verdict: str) -> None:
    """A search gets over one, and tells it; many are a portal that has changed."""
    defaults = [item for item in world.catalogue.items() if item.get("output_type") == "pseudoreplicated peaks"]
    for item in [item for item in defaults if item.get("assembly") == "GRCh38" and item.get("preferred_default")][:odd]:
        twin = item | {"accession": f"{item['accession'][:-3]}ZZZ"}
        for key in ("@id", "title", "href", "cloud_metadata", "s3_uri", "azure_uri"):
            twin.pop(key, None)
        world.catalogue.add_file(twin, world.catalogue.data(item["accession"]))
    check = examined(portal)[DEFAULT]
    assert (check.verdict, f"{odd} of them several" in check.seen) == (verdict, True)


def test_flags_that_few_have_are_no_rule(portal: Portal, world: Made) -> None:
    """One file with the flag among many without it does not hold; neither does a replicate without it count for nothing."""
    kept: set[str] = set()
    for item in world.catalogue.items():
        kind = item.get("output_type", "")
        if item.get("preferred_default") and item.get("assembly") == "GRCh38" and kind in kept:
            world.catalogue.change(item["accession"], preferred_default=None)
        elif item.get("preferred_default") and item["assay_title"] in ("ATAC-seq", "total RNA-seq"):
            kept.add(kind)
    checks = examined(portal)
    for name in (DEFAULT, TABLE):
        assert checks[name].verdict == "fails", checks[name]
        assert re.match(r"[12] of \d+ have one, 0 of them several; ", checks[name].seen), checks[name]


def test_epigenomes_of_one_assay_pair_nothing(portal: Portal, world: Made) -> None:
    other = {"@id": "/experiments/ENCSR999ZZZ/", "accession": "ENCSR999ZZZ", "assay_title": "WGBS"}
    for item in world.catalogue.items():
        if item["@type"][0] == "ReferenceEpigenome":
            item["related_datasets"] = [other]
    assert examined(portal)[SERIES][1:] == ("fails", "0 of 1, 1 name any; pairs by them alone: 0")


def test_default_quantifications_of_two_analyses(portal: Portal, world: Made) -> None:
    seen = examined(portal)[RUNS]
    assert seen.verdict == "not seen"  # total RNA of the made-up experiments has one replicate
    one = world.catalogue.get(world.cases["same parent"].rna[0]) or {}
    (table,) = [file for file in one["files"] if file["output_type"] == "gene quantifications"]
    for name, verdict in ((table["analyses"][0]["@id"], "holds"), ("/analyses/ENCAN999ZZZ/", "fails")):
        twin = {key: value for key, value in table.items() if key not in ("@id", "title", "href", "cloud_metadata")}
        twin |= {"accession": "ENCFF999ZZZ", "biological_replicates": [2], "analyses": [{"@id": name}]}
        world.catalogue.add_file(twin, world.catalogue.data(table["accession"]))
        assert examined(portal)[RUNS].verdict == verdict
        world.catalogue.remove("ENCFF999ZZZ")


def test_dnase_peaks_that_tell_no_rate(portal: Portal, world: Made) -> None:
    for item in world.catalogue.items():
        item.pop("filter_type", None)
    check = examined(portal)[RATES]
    assert (check.verdict, check.seen) == ("fails", "0 of 4 experiments have 0.1 %; files: 6 of none")


def test_a_portal_that_cannot_be_reached_is_no_failed_assumption(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.sources.connection.Patience", lambda: HASTE)
    ended = cli("encode", "doctor", "--portal", "http://127.0.0.1:9")
    assert (ended.code, ended.out) == (2, "")


def test_the_command(portal: Portal, cli: Cli) -> None:
    ended = cli("encode", "doctor", "--portal", portal.url)
    assert ended.code == 0, ended.out
    assert ended.out.endswith("no assumptions failed\n")
    portal.faults.add(Fault(faults.range_ignored(), role="storage", times=None))
    ended = cli("encode", "doctor", "--portal", portal.url)
    assert ended.code == 1
    assert "fails     the public storage address leads to storage that gives parts" in ended.out
