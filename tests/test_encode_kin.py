"""A search among kin: pools, batches, unlike replicates and diseases of the made-up catalogue."""

from pathlib import Path

from atac2rna.sources.encode.pairs_table import read_pairs
from atac2rna.sources.encode.search import write_found
from encode_found import found
from encode_portal import Portal, running_portal
from encode_portal.made import Made


def test_kin_are_one_group(world: Made, portal: Portal, tmp_path: Path) -> None:
    """A pool and its member, each with its own RNA, are two samples that must not be divided, whatever their donors."""
    write_found(found(portal), tmp_path / "pairs.tsv")
    rows = {row.columns["atac_experiment"]: row.columns for row in read_pairs(tmp_path / "pairs.tsv").rows}
    pool, member = (rows[world.cases[name].atac[0]] for name in ("pool", "member"))
    assert pool["donors"] != member["donors"]
    assert (pool["group"], pool["donor"]) == (member["group"], member["donor"])


def test_files_of_experiments_that_did_not_come_are_told(world: Made, portal: Portal) -> None:
    """A pool without a donor is in no answer to the query by organism; its files are."""
    result = found(portal)
    case = world.cases["pool without donor"]
    assert not {*case.atac, *case.rna} & {each.accession for each in result.experiments}
    (told,) = [line for line in result.told if " that the query leaves out " in line]
    absent = {*case.atac, *case.rna}
    for name in ("treated", "modified", "control", "archived experiment"):
        absent |= {*world.cases[name].atac, *world.cases[name].rna}
    assert f" files are of {len(absent)} experiments that the query leaves out (controls, perturbed ones, " in told
    (told,) = [line for line in found(portal, perturbed=True).told if " that the query leaves out " in line]
    assert "(controls, archived ones, pools of which no donor is told): ENCSR" in told


def test_nothing_is_told_where_every_experiment_came(world: Made) -> None:
    mine = world.copy()
    for name in ("pool without donor", "treated", "modified", "control", "archived experiment"):
        for accession in (*world.cases[name].atac, *world.cases[name].rna):
            for file in list(mine.catalogue.change(accession)["files"]):
                mine.catalogue.remove(file["accession"])
            mine.catalogue.remove(accession)
    with running_portal(mine.catalogue) as other:
        assert found(other, audit="").told == ()


def test_the_disease_is_a_column(world: Made, portal: Portal, tmp_path: Path) -> None:
    write_found(found(portal), tmp_path / "pairs.tsv")
    told = {row.columns["atac_experiment"]: row.columns["disease"] for row in read_pairs(tmp_path / "pairs.tsv").rows}
    assert told[world.cases["disease on both sides"].atac[0]] == "Alzheimer's disease"
    assert told[world.cases["many to many"].atac[0]] == "chronic myelogenous leukemia"
    assert told[world.cases["same biosample"].atac[0]] == ""
