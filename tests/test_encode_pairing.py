import itertools
import random

import pytest

from atac2rna.sources.encode.lineage import group_names, lineage
from atac2rna.sources.encode.pairing import LEVELS, PairLevel, pair_experiments, pair_level
from encode_experiments import experiment, rna

OTHER = {"donors": ("ENCDO200AAA",), "ages": ("20 years",), "sexes": ("male",)}


def level(a: dict, r: dict, epigenomes: bool = False) -> PairLevel | None:
    series = {"ENCSR001AAA": frozenset({0}), "ENCSR002AAA": frozenset({0})} if epigenomes else {}
    return pair_level(experiment(1, **a), rna(2, **r), epigenomes=series)


@pytest.mark.parametrize(
    ("a", "r", "epigenomes", "expected"),
    [
        ({"biosamples": ("ENCBS009AAA",)}, {"biosamples": ("ENCBS009AAA", "ENCBS002AAA")}, False, "same-biosample"),
        ({"parents": ("ENCBS009AAA",)}, {"parents": ("ENCBS009AAA",), **OTHER}, False, "same-origin"),
        ({"parents": ("ENCBS002AAA",)}, OTHER, False, "same-origin"),
        ({}, {"parents": ("ENCBS001AAA",), **OTHER}, False, "same-origin"),
        ({"batches": ("/biosamples/ENCBS7/",)}, {"batches": ("/biosamples/ENCBS7/",), **OTHER}, False, "same-origin"),
        ({}, {}, False, "same-donor"),
        ({}, {"ages": ()}, False, "same-donor"),
        ({}, {"ages": ("54 years",)}, True, "same-epigenome"),
        ({}, OTHER, True, "same-epigenome"),
        ({}, OTHER, False, "same-term"),
        ({}, {"life_stages": ("embryonic",), **OTHER}, False, None),
        (
            {"classification": "cell line"},
            {"classification": "cell line", "life_stages": ("child",), **OTHER},
            False,
            "same-term",
        ),
        ({}, {"classification": "cell line"}, True, None),
        ({}, {"term_id": "UBERON:0001159"}, True, None),
        ({}, {"perturbed": True}, True, None),
        ({}, {"treatments": ("/treatments/1/",)}, True, None),
        ({"biosamples": ("ENCBS009AAA",)}, {"biosamples": ("ENCBS009AAA",), "fractions": ("nucleus",)}, True, None),
        ({}, {"modifications": ("/genetic-modifications/1/",)}, True, None),
        (
            {"perturbed": True, "treatments": ("/treatments/1/",)},
            {"perturbed": True, "treatments": ("/treatments/1/",)},
            False,
            "same-donor",
        ),
    ],
)
def test_level(a: dict, r: dict, epigenomes: bool, expected: PairLevel | None) -> None:
    assert level(a, r, epigenomes) == expected


def names(pairing) -> list[tuple[str, str, str]]:
    return [(p.accessibility.accession[5:8], p.rna.accession[5:8], p.level) for p in pairing.pairs]


def test_the_strongest_level_is_paired_first_and_nothing_twice() -> None:
    shared = {"biosamples": ("ENCBS009AAA",)}
    found = pair_experiments([experiment(1), experiment(3, **shared)], [rna(2, **shared), rna(4)])
    assert names(found) == [("001", "004", "same-donor"), ("003", "002", "same-biosample")]
    assert not found.unpaired


def test_as_many_as_possible_are_paired() -> None:
    """ENCSR001 could take either, ENCSR003 only ENCSR002: a greedy choice would leave one alone."""
    young = {"ages": ("20 years",)}
    a = [experiment(1, ages=()), experiment(3, **young)]
    r = [rna(2, **young), rna(4, ages=("53 years",))]
    assert names(pair_experiments(a, r)) == [("001", "004", "same-donor"), ("003", "002", "same-donor")]


def test_among_equals_the_nearest_in_lab_and_time_is_taken_and_the_others_are_told() -> None:
    a = [experiment(1, lab="B Lab, Here")]
    r = [rna(2), rna(3, lab="B Lab, Here", released="2011-01-01"), rna(4, lab="B Lab, Here")]
    found = pair_experiments(a, r)
    assert names(found) == [("001", "004", "same-donor")]
    assert found.pairs[0].why == (
        "both have donor ENCDO100AAA and stomach; as well at this level: ENCSR002AAA, ENCSR003AAA"
    )
    reason = "ENCSR001AAA is paired with ENCSR004AAA already (same-donor), and no other would do"
    told = {each.experiment.accession: each.reason for each in found.unpaired}
    assert told == dict.fromkeys(("ENCSR002AAA", "ENCSR003AAA"), reason)


def test_the_preferred_rna_assay_is_taken() -> None:
    r = [rna(2, assay="polyA plus RNA-seq"), rna(3, lab="Far Lab, There")]
    for order in (("total RNA-seq", "polyA plus RNA-seq"), ("polyA plus RNA-seq", "total RNA-seq")):
        (pair,) = pair_experiments([experiment(1)], r, rna_preference=order).pairs
        assert pair.rna.assay == order[0]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"term_id": "UBERON:1", "term_name": "liver"}, "no RNA experiment of stomach (UBERON:0000945)"),
        (OTHER, "pairs with ENCSR002AAA at same-term only; see --pair-level"),
        (
            {"fractions": ("nucleus",)},
            "the RNA experiments of stomach are of another treatment, modification or fraction of the cell",
        ),
        ({"life_stages": ("embryonic",)}, "the RNA experiments of stomach are of another age or life stage"),
    ],
)
def test_the_reason_of_an_unpaired_experiment(other: dict, reason: str) -> None:
    found = pair_experiments([experiment(1)], [rna(2, **other)])
    assert not found.pairs
    assert found.unpaired[0].reason == reason


def test_the_weakest_level_that_will_do() -> None:
    r = [rna(2, **OTHER)]
    for least in LEVELS:
        assert bool(pair_experiments([experiment(1)], r, least=least).pairs) == (least == "same-term")
    epigenomes = [frozenset({"ENCSR001AAA", "ENCSR002AAA"})]
    for least in LEVELS:
        found = pair_experiments([experiment(1)], r, epigenomes=epigenomes, least=least)
        assert bool(found.pairs) == (least in ("same-epigenome", "same-term"))


def test_the_order_of_the_answer_does_not_matter() -> None:
    draw = random.Random(1)
    a = [experiment(n, donors=(f"ENCDO{draw.randint(1, 4)}00AAA",), lab=draw.choice("xyz")) for n in range(1, 13)]
    r = [rna(n, donors=(f"ENCDO{draw.randint(1, 4)}00AAA",), lab=draw.choice("xyz")) for n in range(13, 25)]
    first = pair_experiments(a, r, least="same-term")
    for _ in range(5):
        draw.shuffle(a)
        draw.shuffle(r)
        assert pair_experiments(a, r, least="same-term") == first
    used = [each.accession for pair in first.pairs for each in (pair.accessibility, pair.rna)]
    assert len(used) == len(set(used))
    assert len(used) + len(first.unpaired) == 24


def test_matching_is_as_large_as_an_exhaustive_search_finds() -> None:
    draw = random.Random(7)
    for _ in range(30):
        stage = lambda: draw.choice([(), ("1 year",), ("2 years",), ("3 years",)])  # noqa: E731
        a = [experiment(n, ages=stage()) for n in range(1, 5)]
        r = [rna(n, ages=stage()) for n in range(5, 9)]
        possible = {(i, j) for i in range(4) for j in range(4) if pair_level(a[i], r[j], epigenomes={}) == "same-donor"}
        best = max(sum((i, j) in possible for i, j in enumerate(order)) for order in itertools.permutations(range(4)))
        assert len(pair_experiments(a, r, least="same-donor").pairs) == best


@pytest.mark.parametrize(
    ("organs", "expected"),
    [
        (("blood", "bodily fluid"), "blood"),
        (("intestine", "colon", "large intestine"), "intestine"),
        (("small intestine", "intestine"), "intestine"),
        (("limb", "musculature of body"), "musculature of body"),
        (("epithelium", "exocrine gland", "liver", "endocrine gland"), "liver"),
        (("vein", "blood vessel", "epithelium", "vasculature"), "vasculature"),
        ((), "digestive system"),
    ],
)
def test_lineage(organs: tuple[str, ...], expected: str) -> None:
    for order in itertools.permutations(organs):
        assert lineage(order, ("digestive system", "endocrine system"), "a term") == expected


def test_lineage_without_slims_is_the_term() -> None:
    assert lineage((), (), "K562") == "K562"


def test_groups_join_what_shares_a_donor_and_a_term() -> None:
    members = [
        [("ENCDO1", "stomach")],
        [("ENCDO2", "stomach")],
        [("ENCDO1", "liver")],
        [("ENCDO3", "stomach"), ("ENCDO2", "stomach")],
        [("ENCDO4", "stomach"), ("ENCDO3", "stomach")],
        [],
    ]
    assert group_names(members) == [
        "ENCDO1 stomach",
        "ENCDO2 stomach",
        "ENCDO1 liver",
        "ENCDO2 stomach",
        "ENCDO2 stomach",
        "unknown 6",
    ]
