from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.encode.experiment import Condition, Experiment, read_experiment
from encode_experiments import experiment_hit


def read(*biosamples: dict[str, Any]) -> Experiment:
    """Read an experiment of one replicate for each biosample."""
    replicates = [
        {"biological_replicate_number": number, "library": {"biosample": {"accession": "ENCBS001AAA"} | biosample}}
        for number, biosample in enumerate(biosamples, 1)
    ]
    return read_experiment(experiment_hit(replicates))


def test_conditions_are_those_of_each_replicate() -> None:
    """Not all treatments of any replicate, and all fractions of any: which go together is kept."""
    dosed = {"treatments": [{"@id": "/treatments/2/"}, {"@id": "/treatments/1/"}]}
    nuclei = {"subcellular_fraction_term_name": "nucleus", "applied_modifications": ["/genetic-modifications/1/"]}
    both = read(dosed, nuclei)
    assert both.conditions == (
        Condition(modifications=("/genetic-modifications/1/",), fractions=("nucleus",)),
        Condition(treatments=("/treatments/1/", "/treatments/2/")),
    )
    assert both.treatments == ("/treatments/1/", "/treatments/2/")
    assert both.modifications == ("/genetic-modifications/1/",)
    assert read(nuclei, dosed, nuclei).conditions == both.conditions
    assert read(dosed | nuclei, {}).conditions != both.conditions
    assert read({}, {}).conditions == read({"treatments": []}).conditions == (Condition(),)


def test_technical_replicates_are_one_replicate() -> None:
    """Two libraries of one biological replicate: number, biosample and condition count once."""
    one = {"biological_replicate_number": 1, "library": {"biosample": {"accession": "ENCBS001AAA"}}}
    twice = [one | {"technical_replicate_number": 1}, one | {"technical_replicate_number": 2}]
    found = read_experiment(experiment_hit(twice))
    assert (found.replicates, found.biosamples, found.conditions) == ((1,), ("ENCBS001AAA",), (Condition(),))


@pytest.mark.parametrize(
    "told",
    [
        ["/biosamples/ENCBS003AAA/", "/biosamples/ENCBS002AAA/"],
        ["ENCBS002AAA", "ENCBS003AAA"],
        [
            {"@id": "/biosamples/ENCBS002AAA/", "accession": "ENCBS002AAA"},
            {"@id": "/biosamples/ENCBS003AAA/", "accession": "ENCBS003AAA"},
        ],
    ],
    ids=["links", "accessions", "objects"],
)
def test_members_of_a_pool(told: list[Any]) -> None:
    found = read({"pooled_from": told}, {"origin_batch": told[0], "part_of": told[1]})
    assert found.members == ("ENCBS002AAA", "ENCBS003AAA")
    assert sorted((*found.batches, *found.parents)) == ["ENCBS002AAA", "ENCBS003AAA"]
    assert found.ancestry == {"ENCBS001AAA", "ENCBS002AAA", "ENCBS003AAA"}


def test_a_pool_of_what_is_no_biosample_is_odd() -> None:
    with pytest.raises(InputError, match="the accession of an ENCODE biosample is ENCBS"):
        read({"pooled_from": ["/donors/ENCDO001AAA/"]})


@pytest.mark.parametrize(
    ("biosamples", "diseases"),
    [
        ([{}, {}], ("",)),
        ([{"disease_term_name": ["b", "a"]}], ("a; b",)),
        ([{"disease_term_name": "a"}, {"disease_term_name": ["a"]}], ("a",)),
        ([{"disease_term_name": "a"}, {"disease_term_name": []}], ("", "a")),
    ],
)
def test_diseases_are_those_of_each_replicate(biosamples: list[dict], diseases: tuple[str, ...]) -> None:
    assert read(*biosamples).diseases == diseases
