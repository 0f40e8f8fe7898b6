"""A search among files of several runs and thresholds: the cases of `encode_portal.made_runs`."""

import re
from pathlib import Path

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection
from atac2rna.sources.encode.fetching import fetch_set, read_order
from atac2rna.sources.encode.portal import Portal as Asked
from atac2rna.sources.encode.search import write_found
from encode_found import found
from encode_portal import Portal
from encode_portal.made import Made


def test_dnase_peaks_are_of_one_false_discovery_rate(world: Made, portal: Portal) -> None:
    """Peaks at 5 % and at 0.1 % have one name, and an accession must not decide between them."""
    result = found(portal, accessibility="DNase-seq")

    def outcome(name: str) -> tuple[list[object], str]:
        choice = result.chosen[world.cases[f"dnase: {name}"].atac[0]]
        shown = [world.catalogue.get(file.accession) or {} for file in choice.files]
        return [one.get("filter_value") for one in shown], choice.remark

    assert outcome("two rates")[0] == outcome("5 % is the default")[0] == [0.1]
    assert "no default peak file of this family: " in outcome("5 % is the default")[1]
    (rate,), remark = outcome("no rate")
    assert (rate, remark.endswith(" tells no false discovery rate")) == (None, True)
    rates, remark = outcome("which rate")
    assert rates == []
    assert re.fullmatch(r"no peak file of a false discovery rate of 0\.1 %: (ENCFF\w+ tells none(, )?){2}", remark)


def test_a_table_of_another_false_discovery_rate_is_refused(world: Made, portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    write_found(found(portal, accessibility="DNase-seq"), path)
    one = world.catalogue.get(world.cases["dnase: two rates"].atac[0]) or {}
    loose, strict = (file["accession"] for file in one["files"])
    path.write_text(path.read_text().replace(strict, loose))
    told = rf"peaks of a set are of a false discovery rate of 0\.1 %; {loose} has 5 %"
    with Connection(portal=portal.url, per_second=1000) as connection, pytest.raises(InputError, match=told):
        fetch_set(Asked(connection), read_order(pairs=path, manifest=None), tmp_path / "set", cache=tmp_path / "cache")


@pytest.mark.parametrize("archived", [False, True])
def test_a_released_analysis_stands_before_an_archived_one(world: Made, portal: Portal, archived: bool) -> None:
    """Files may be released while their analysis is not: --archived neither loses an experiment nor prefers these."""
    for name, criteria in (
        ("archived analysis beside", {}),
        ("dnase: of an old analysis", {"accessibility": "DNase-seq"}),
    ):
        case = world.cases[name]
        choice = found(portal, archived=archived, **criteria).chosen[(case.atac or case.rna)[0]]
        (file,) = choice.files
        assert [each.status for each in file.analyses] == ["released"], name


def test_what_archived_analyses_alone_have(world: Made, portal: Portal) -> None:
    case = world.cases["archived analysis: hg19"]
    result = found(portal, assembly="hg19")
    assert result.pairs == ()
    reasons = {each.experiment.accession: each.reason for each in result.unpaired}
    assert reasons[case.atac[0]].endswith(" belongs to an analysis that is archived; --archived takes it")
    assert reasons[case.rna[0]].endswith(" belongs to an analysis that is archived; --archived takes it")
    result = found(portal, assembly="hg19", archived=True)
    assert [(pair.accessibility.accession, pair.rna.accession) for pair in result.pairs] == [
        (case.atac[0], case.rna[0])
    ]
    with pytest.raises(InputError, match=r"none of V99 .*, or pass --archived: older ones are archived\."):
        found(portal, genome_annotation="V99")
    with pytest.raises(InputError, match=r"none of V99 .* or --rna-assay\."):
        found(portal, genome_annotation="V99", archived=True)


def test_all_replicates_have_quantifications_of_one_analysis(world: Made, portal: Portal) -> None:
    result = found(portal)

    def outcome(name: str) -> tuple[set[str], tuple[int, ...], str]:
        choice = result.chosen[world.cases[name].rna[0]]
        titles = {each.title for file in choice.files for each in file.analyses}
        return titles, tuple(number for file in choice.files for number in file.replicates), choice.remark

    titles, replicates, remark = outcome("two runs")
    assert (titles, replicates) == ({"ENCODE4 v1.2.1 GRCh38 V29"}, (1, 2))
    assert re.fullmatch(r"2 analyses: ENCAN\w+ of replicates 1, 2 taken, ENCAN\w+ of replicates 1, 2 left", remark)
    titles, replicates, remark = outcome("flag in one run")
    assert (titles, replicates) == ({"ENCODE4 v1.2.1 GRCh38 V29"}, (1,))
    assert "no gene quantification of replicate 2; 2 analyses: " in remark
    assert remark.endswith(" of replicates 1, 2 left")
    assert outcome("technical replicates") == ({"ENCODE4 v1.2.1 GRCh38 V29"}, (1,), "")
