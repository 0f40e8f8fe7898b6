import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection
from atac2rna.sources.encode.pairing import PairLevel
from atac2rna.sources.encode.pairs_table import read_pairs
from atac2rna.sources.encode.search import Found, write_found
from conftest import Cli
from encode_found import found
from encode_portal import Fault, Portal, faults, running_portal
from encode_portal.made import Made

LEVELS: dict[str, PairLevel] = {
    "biosample": "same-biosample",
    "parent": "same-origin",
    "batch": "same-origin",
    "pool": "same-origin",
    "donor": "same-donor",
    "epigenome": "same-epigenome",
    "term": "same-term",
}


def pairs(result: Found) -> dict[str, tuple[str, PairLevel]]:
    return {pair.accessibility.accession: (pair.rna.accession, pair.level) for pair in result.pairs}


def test_every_case_pairs_at_its_level(world: Made, portal: Portal) -> None:
    outcome = pairs(found(portal))
    looked = 0
    for name, case in world.cases.items():
        if name.startswith(("mouse", "dnase", "archived analysis")) or name in ("many to many", "two of a replicate"):
            continue
        for atac in case.atac:
            if case.level:
                assert outcome[atac] == (case.rna[0], LEVELS[case.level]), name
                looked += 1
            elif name not in ("audit not compliant",):
                assert atac not in outcome, name
    assert looked >= 12


def test_mouse_goes_the_same_way(world: Made, portal: Portal) -> None:
    result = found(portal, organism="mouse")
    assert (result.criteria.assembly, result.criteria.genome_annotation) == ("mm10", "M21")
    outcome = pairs(result)
    cases = {name: case for name, case in world.cases.items() if name.startswith("mouse")}
    assert len(cases) >= 4
    for name, case in cases.items():
        assert outcome[case.atac[0]] == (case.rna[0], LEVELS[case.level]), name
    assert not set(world.cases["ages differ"].rna) & {rna for rna, _ in outcome.values()}


def test_many_to_many_is_resolved_once_and_told(world: Made, portal: Portal) -> None:
    case = world.cases["many to many"]
    result = found(portal, terms=("K562",), audit="NOT_COMPLIANT")
    mine = [pair for pair in result.pairs if pair.accessibility.accession in case.atac]
    assert len(mine) == 2
    assert len({pair.rna.accession for pair in mine}) == 2
    assert all("as well at this level: " in pair.why for pair in mine)
    left = {each.experiment.accession: each.reason for each in result.unpaired}
    (spare,) = set(case.rna) - {pair.rna.accession for pair in mine}
    assert "already (same-donor), and no other would do" in left[spare]


def test_every_experiment_that_came_back_is_in_a_pair_or_told(portal: Portal) -> None:
    result = found(portal)
    paired = [each.accession for pair in result.pairs for each in (pair.accessibility, pair.rna)]
    left = [each.experiment.accession for each in result.unpaired]
    assert sorted(paired + left) == sorted(each.accession for each in result.experiments)
    assert len(set(paired + left)) == len(paired + left)
    assert all(each.reason for each in result.unpaired)
    (*rows, total) = result.counts()[1:]
    assert total[3] == str(len(result.pairs)) == str(sum(int(row[3]) for row in rows))


def test_five_queries_whatever_the_number_of_experiments(portal: Portal) -> None:
    before = len(portal.log.requests())
    result = found(portal)
    assert len(portal.log.requests()) - before == len(result.answers) == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("two of a replicate", "2 gene quantifications of replicate 1"),
        ("only V24", "no gene quantification of this assembly and annotation"),
        ("all revoked", "no gene quantification of this assembly and annotation"),
        ("restricted", "is restricted or not available"),
        ("unavailable", "is restricted or not available"),
        ("fraction", "of another treatment, modification or fraction of the cell"),
        ("mismatched set", "experiment of thymus"),
        ("disease on one side", "of dorsolateral prefrontal cortex are of another disease"),
        ("unlike replicates", "of HCT116 are of another treatment, modification or fraction of the cell"),
    ],
)
def test_the_reason_why_an_experiment_is_in_no_pair(world: Made, portal: Portal, name: str, reason: str) -> None:
    case = world.cases[name]
    left = {each.experiment.accession: each.reason for each in found(portal).unpaired}
    one = case.rna[0] if name in ("two of a replicate", "fraction") or not case.atac else case.atac[0]
    assert reason in left[one]


def test_one_family_of_peaks(world: Made, portal: Portal) -> None:
    """Overlap peaks by default, IDR by choice; never one where the other is missing."""
    for choice, kinds in (
        ("default", {"replicated peaks", "pseudoreplicated peaks"}),
        ("idr", {"IDR thresholded peaks"}),
        ("replicated", {"replicated peaks"}),
    ):
        result = found(portal, peaks=choice)
        files = [result.chosen[pair.accessibility.accession].files for pair in result.pairs]
        assert files
        assert {file.output_type for (file,) in files} <= kinds
    result = found(portal, peaks="replicated")
    assert world.cases["same parent"].atac[0] not in pairs(result)


def test_choices_of_files_that_are_odd_are_told(world: Made, portal: Portal) -> None:
    result = found(portal)
    remarks = {
        name: result.chosen[world.cases[name].atac[0]].remark for name in ("two defaults", "no default", "same batch")
    }
    assert "2 default peak files: " in remarks["two defaults"]
    assert "no default peak file of this family" in remarks["no default"]
    assert remarks["same batch"] == ""


def test_filters(world: Made, portal: Portal) -> None:
    everything = pairs(found(portal))
    tissues = found(portal, classifications=("tissue",))
    assert {each.classification for each in tissues.experiments} == {"tissue"}
    assert 0 < len(tissues.pairs) < len(everything)
    assert {each.accession for each in found(portal, tags=("ENTEx",)).experiments} == {
        accession
        for name, case in world.cases.items()
        if name.startswith("same donor: ")
        for accession in (*case.atac, *case.rna)
    }
    assert {each.term_name for each in found(portal, terms=("UBERON:0000945", "K562")).experiments} == {
        "stomach",
        "K562",
    }
    assert all("liver" in each.organ_slims for each in found(portal, organs=("liver",)).experiments)
    assert all("child" in each.life_stages for each in found(portal, life_stages=("child",)).experiments)
    assert all("male" in each.sexes for each in found(portal, sexes=("male",)).experiments)


def test_spellings_that_are_known(portal: Portal) -> None:
    for annotation in ("v29", "29", "GENCODE:V29"):
        assert pairs(found(portal, genome_annotation=annotation)) == pairs(found(portal))
    for annotation in ("vM21", "m21", "21", "GENCODE:vM21"):
        assert found(portal, organism="mouse", genome_annotation=annotation).criteria.genome_annotation == "M21"
    assert pairs(found(portal, terms=(" k562 ",))) == pairs(found(portal, terms=("K562",)))


def test_a_lab_is_that_of_the_accessibility_experiment(portal: Portal) -> None:
    result = found(portal, labs=("Michael Snyder, Stanford",))
    assert result.pairs
    assert {pair.accessibility.lab for pair in result.pairs} == {"Michael Snyder, Stanford"}
    assert {pair.rna.lab for pair in result.pairs} != {"Michael Snyder, Stanford"}


def test_an_archived_experiment_takes_no_partner_from_a_released_one(world: Made, portal: Portal) -> None:
    released = pairs(found(portal, terms=("K562",)))
    with_archived = pairs(found(portal, terms=("K562",), archived=True))
    assert with_archived.keys() >= released.keys()
    assert world.cases["archived experiment"].atac[0] not in with_archived


def test_perturbed_samples_are_marked(world: Made, portal: Portal, tmp_path: Path) -> None:
    write_found(found(portal, perturbed=True), tmp_path / "pairs.tsv")
    marks = {
        row.columns["atac_experiment"]: row.columns["perturbation"] for row in read_pairs(tmp_path / "pairs.tsv").rows
    }
    treated = world.cases["treated"].atac[0]
    assert "dexamethasone" in marks.pop(treated)
    assert set(marks.values()) == {""}


def test_what_is_said_of_the_donor_holds_for_both_sides(world: Made, portal: Portal, tmp_path: Path) -> None:
    """`donor` can be held out by: whoever shares one, directly or by way of others, has the same value."""
    result = found(portal)
    write_found(result, tmp_path / "pairs.tsv")
    rows = read_pairs(tmp_path / "pairs.tsv").rows
    of: dict[str, set[str]] = {}
    for row, pair in zip(rows, result.pairs, strict=True):
        both = {*pair.accessibility.donors, *pair.rna.donors}
        assert set(row.columns["donors"].split("; ")) == both
        assert set(row.columns["sex"].split("; ")) - {""} == {*pair.accessibility.sexes, *pair.rna.sexes}
        for donor in both:
            of.setdefault(donor, set()).add(row.columns["donor"])
    assert all(len(values) == 1 for values in of.values())


def test_the_reason_does_not_deny_an_experiment_that_has_no_file(world: Made, portal: Portal) -> None:
    result = found(portal, genome_annotation="V24")
    case = world.cases["same biosample"]
    reasons = {each.experiment.accession: each.reason for each in result.unpaired}
    assert reasons[case.atac[0]].startswith(
        f"no file of {case.rna[0]} will do, the total RNA-seq or polyA plus RNA-seq of"
    )


def test_audits_perturbed_and_archived(world: Made, portal: Portal) -> None:
    def there(name: str, **criteria: object) -> bool:
        return world.cases[name].atac[0] in {each.accession for each in found(portal, **criteria).experiments}

    assert not there("audit error")
    assert there("audit error", audit="")
    assert there("audit not compliant")
    assert not there("audit not compliant", audit="NOT_COMPLIANT")
    assert not there("treated")
    assert there("treated", perturbed=True)
    assert not there("archived experiment")
    assert there("archived experiment", archived=True)
    assert not there("control", perturbed=True)


def test_perturbed_experiments_pair_with_equal_treatment_only(world: Made, portal: Portal) -> None:
    result = found(portal, perturbed=True, audit="")
    case = world.cases["treated"]
    assert pairs(result)[case.atac[0]] == (case.rna[0], "same-donor")
    assert world.cases["modified"].atac[0] not in pairs(result)


def test_dnase_in_place_of_atac(world: Made, portal: Portal) -> None:
    result = found(portal, accessibility="DNase-seq")
    cases = [case for name, case in world.cases.items() if name.startswith("dnase") and case.level]
    assert len(cases) > 4
    assert pairs(result) == {case.atac[0]: (case.rna[0], "same-biosample") for case in cases}


@pytest.mark.parametrize(
    ("criteria", "told"),
    [
        (
            {"organs": ("livr",)},
            "--organ names what the portal's experiments have; none of .* has 'livr'.*did you mean 'liver'",
        ),
        ({"terms": ("K5622",)}, "--term .* 'K5622'; did you mean 'K562'"),
        ({"terms": ("liver",)}, "--term .* has 'liver'; known: right lobe of liver"),
        ({"genome_annotation": "V99"}, "the portal has none of V99 in GRCh38 for total RNA-seq or polyA plus RNA-seq"),
        ({"organism": "rat"}, "an organism is one of 'human', 'mouse'; got --organism 'rat'"),
        ({"assembly": "mm10"}, "an assembly of human is one of 'GRCh38', 'hg19'; got --assembly 'mm10'"),
        ({"rna": ("RNA-seq",)}, "an RNA assay is one of"),
        ({"accessibility": "FAIRE-seq"}, "an accessibility assay is one of"),
        (
            {"accessibility": "DNase-seq", "peaks": "idr"},
            "a family of DNase-seq is one of 'default'; got --peaks 'idr'",
        ),
    ],
)
def test_choices_that_are_none(portal: Portal, criteria: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        found(portal, **criteria)


def test_nothing_found_is_an_empty_table(portal: Portal, tmp_path: Path) -> None:
    """The portal answers 404 and 'No results found'."""
    result = found(portal, organism="mouse", rna=("total RNA-seq",))
    assert result.answers[1].total == 0
    assert result.pairs == ()
    write_found(result, tmp_path / "pairs.tsv")
    with pytest.raises(InputError, match="a table of pairs has a row for each sample; got none"):
        read_pairs(tmp_path / "pairs.tsv")


def test_the_tables(portal: Portal, tmp_path: Path) -> None:
    result = found(portal)
    unpaired, answers = write_found(result, tmp_path / "pairs.tsv")
    table = read_pairs(tmp_path / "pairs.tsv")
    assert [row.sample for row in table.rows] == [
        f"{row.sample.rpartition('_')[0]}_{pair.accessibility.accession}"
        for row, pair in zip(table.rows, result.pairs, strict=True)
    ]
    assert table.head["portal"] == portal.url
    assert len(table.head["queries"]) == 5
    assert table.head["criteria"]["pair_level"] == "same-term"
    assert all(row.columns["lineage"] and row.columns["group"] for row in table.rows)
    assert {row.columns["genome_annotation"] for row in table.rows} == {"GENCODE:V29"}
    kept = json.loads(gzip.decompress(answers.read_bytes()))
    assert [answer["url"] for answer in kept["answers"]] == table.head["queries"]
    frame = pl.read_csv(unpaired, separator="\t")
    assert frame.height == len(result.unpaired)
    assert frame["reason"].null_count() == 0


def test_a_donor_and_term_is_one_group(portal: Portal) -> None:
    result = found(portal)
    table: dict[tuple[str, str], set[str]] = {}
    for pair, group in zip(result.pairs, result.group_of_pairs(), strict=True):
        for each in (pair.accessibility, pair.rna):
            for donor in each.donors:
                table.setdefault((donor, each.term_name), set()).add(group)
    assert len(table) > 10
    assert all(len(groups) == 1 for groups in table.values())


def test_the_order_of_the_answers_does_not_matter(world: Made, portal: Portal, tmp_path: Path) -> None:
    """Objects and the lists in them come in another order: the same tables but for the date."""
    mine = world.copy()
    for name in list(mine.catalogue.objects)[::-1]:
        item = mine.catalogue.objects.pop(name)
        mine.catalogue.objects[name] = item
        for slims in ("organ_slims", "system_slims"):
            item.get("biosample_ontology", {}).get(slims, []).reverse()
        item.get("replicates", []).reverse() if "ENCSR" in name else None
    with running_portal(mine.catalogue) as other:
        for place, at in (("one", portal), ("two", other)):
            write_found(found(at), tmp_path / f"{place}.tsv")
    for suffix in (".tsv", ".unpaired.tsv"):
        one, two = (
            [line for line in (tmp_path / f"{place}{suffix}").read_text().splitlines() if line[0] != "#"]
            for place in ("one", "two")
        )
        assert one == two


def odd_experiment(world: Made, **fields: object) -> tuple[Made, str]:
    mine, name = world.copy(), world.cases["same parent"].atac[0]
    mine.catalogue.change(name, **fields)
    return mine, name


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"assay_title": ["ATAC-seq", "x"]}, "the field assay_title of ENCSR004AAA is one text"),
        (
            {"biosample_ontology": {"term_id": "UBERON:1"}},
            "the field biosample_ontology.term_name of ENCSR004AAA is one text",
        ),
        ({"lab": [{"title": "A"}, {"title": "B"}]}, "the field lab.title of ENCSR004AAA is one text"),
        ({"biosample_summary": 7}, "the field biosample_summary of ENCSR004AAA is text; got '7'"),
    ],
)
def test_an_odd_experiment_is_passed_over_and_told(world: Made, tmp_path: Path, fields: dict, told: str) -> None:
    mine, name = odd_experiment(world, **fields)
    with running_portal(mine.catalogue) as portal:
        result = found(portal)
    (odd,) = result.odd
    assert (odd.name, told in odd.reason) == (name, True)
    assert name not in pairs(result)
    assert len(result.pairs) > 10
    unpaired, _ = write_found(result, tmp_path / "pairs.tsv")
    (row,) = [line for line in unpaired.read_text().splitlines() if line.startswith(name)]
    assert f"passed over: {portal.url}/search/: " in row
    assert told in row


@pytest.mark.parametrize("field", ["md5sum", "file_size", "href", "dataset", "accession"])
def test_an_odd_file_is_passed_over_and_told(world: Made, field: str) -> None:
    mine = world.copy()
    file = next(item for item in mine.catalogue.items() if item.get("output_type") == "pseudoreplicated peaks")
    mine.catalogue.change(file["accession"], **{field: "../../x"})
    with running_portal(mine.catalogue) as portal:
        result = found(portal)
    (odd,) = result.odd
    assert ("accession" if field in ("dataset", "accession") else f"the field {field} of") in odd.reason
    assert file["accession"] not in {each.accession for choice in result.chosen.values() for each in choice.files}


def test_many_odd_objects_are_a_portal_that_has_changed(world: Made) -> None:
    mine = world.copy()
    for item in mine.catalogue.items():
        if item.get("output_type") == "pseudoreplicated peaks":
            item["md5sum"] = "?"
    with running_portal(mine.catalogue) as portal, pytest.raises(InputError, match=r"\d+ of \d+ objects .* are odd"):
        found(portal)


def test_a_status_that_was_not_asked_for(world: Made) -> None:
    mine, name = odd_experiment(world, status="revoked")
    with running_portal(mine.catalogue) as portal:
        assert name not in {each.accession for each in found(portal).experiments}


@pytest.mark.parametrize(
    ("total", "fine"),
    [(lambda total: total - 1, True), (lambda total: total + 1, False), (lambda total: "many", False)],
)
def test_a_total_that_does_not_count_the_hits(world: Made, total: Callable[[int], object], fine: bool) -> None:
    """Fewer hits than the portal counts are a list that was cut; asked again first, as an index may be at work."""

    def change(document: dict) -> None:
        document["total"] = total(document["total"])

    fault = Fault(faults.edited(change), path="/search/", query="type=File", times=None)
    with running_portal(world.catalogue, faults=[fault]) as portal:
        if fine:
            assert found(portal).pairs
        else:
            with pytest.raises(InputError, match="an answer is "):
                found(portal)
    once = Fault(faults.edited(change), path="/search/", query="type=File", times=(0,))
    if total(1) == 2:
        with running_portal(world.catalogue, faults=[once]) as portal:
            assert found(portal).pairs


def test_a_file_that_comes_twice_counts_once(world: Made, portal: Portal) -> None:
    def twice(document: dict) -> None:
        document["@graph"] *= 2

    fault = Fault(faults.edited(twice), path="/search/", times=None)
    with running_portal(world.catalogue, faults=[fault]) as odd:
        assert pairs(found(odd)) == pairs(found(portal))


def test_a_filter_that_the_portal_ignores_is_noticed(
    world: Made, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portal that no longer knows `perturbed` must not let treated samples in."""
    real = Connection.get_json

    def forgetful(self: Connection, url: str, **options: bool) -> object:
        return real(self, url.replace("&perturbed=false", ""), **options)

    monkeypatch.setattr(Connection, "get_json", forgetful)
    with pytest.raises(InputError, match=r"the field perturbed of ENCSR.* is false, as asked for; got 'true'"):
        found(portal)


@pytest.mark.parametrize("trouble", [faults.page(), faults.broken_json()], ids=lambda trouble: trouble.name)
def test_an_answer_that_is_no_json(world: Made, trouble: faults.Trouble) -> None:
    fault = Fault(trouble, path="/search/", times=None)
    with (
        running_portal(world.catalogue, faults=[fault]) as portal,
        pytest.raises(InputError, match=" and is "),
    ):
        found(portal)


def test_the_command(portal: Portal, tmp_path: Path, cli: Cli) -> None:
    ended = cli("encode", "search", "--portal", portal.url, "-o", tmp_path / "pairs.tsv", "--classification", "tissue")
    assert ended.code == 0
    assert "pairs.tsv: " in ended.out
    assert "tissue" in ended.out
    assert "polyA plus RNA-seq was not looked at" in ended.err
    again = cli("encode", "search", "--portal", portal.url, "-o", tmp_path / "pairs.tsv")
    assert (again.code, "pass --overwrite to replace it" in again.err) == (2, True)
    words = ("-o", tmp_path / "pairs.tsv", "--organ", "livr", "--overwrite")
    again = cli("encode", "search", "--portal", portal.url, *words)
    assert (again.code, "did you mean 'liver'" in again.err) == (2, True)
    assert len(read_pairs(tmp_path / "pairs.tsv").rows) > 3  # what was there is as it was
