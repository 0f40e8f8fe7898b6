import itertools
import random

import pytest

from atac2rna.sources.encode.experiment import Condition, Experiment
from atac2rna.sources.encode.hit import Hit
from atac2rna.sources.encode.lineage import donor_names, group_names, lineage
from atac2rna.sources.encode.pairing import LEVELS, PairLevel, pair_experiments, pair_level
from atac2rna.sources.encode.search import _epigenome
from encode_experiments import experiment, rna

WHOLE, NUCLEUS = Condition(), Condition(fractions=("nucleus",))
DOSED = Condition(treatments=("/treatments/1/",))
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
        ({"batches": ("ENCBS007AAA",)}, {"batches": ("ENCBS007AAA",), **OTHER}, False, "same-origin"),
        ({"batches": ("ENCBS002AAA",)}, OTHER, False, "same-origin"),  # the RNA is of the batch itself
        ({}, {"batches": ("ENCBS001AAA",), **OTHER}, False, "same-origin"),
        ({"members": ("ENCBS007AAA", "ENCBS008AAA")}, {"members": ("ENCBS008AAA",), **OTHER}, False, "same-origin"),
        ({"members": ("ENCBS002AAA", "ENCBS008AAA")}, OTHER, False, "same-origin"),  # a pool and its member
        ({}, {"members": ("ENCBS001AAA",), **OTHER}, False, "same-origin"),
        ({"members": ("ENCBS007AAA",), "donors": ()}, {"parents": ("ENCBS007AAA",)}, False, "same-origin"),
        ({"members": ("ENCBS007AAA",)}, {"members": ("ENCBS008AAA",), **OTHER}, False, "same-term"),
        ({}, {}, False, "same-donor"),
        ({}, {"ages": ()}, False, "same-donor"),
        ({"donors": ("ENCDO100AAA", "ENCDO300AAA")}, {}, False, "same-term"),
        (
            {"donors": ("ENCDO300AAA", "ENCDO100AAA"), "ages": ("1 year", "2 years")},
            {"donors": ("ENCDO100AAA", "ENCDO300AAA"), "ages": ("2 years", "1 year")},
            False,
            "same-donor",
        ),
        ({"biosamples": ("ENCBS009AAA",)}, {"biosamples": ("ENCBS009AAA",), "term_id": "UBERON:1"}, False, None),
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
        ({}, {"conditions": (DOSED,)}, True, None),
        ({"biosamples": ("ENCBS009AAA",)}, {"biosamples": ("ENCBS009AAA",), "conditions": (NUCLEUS,)}, True, None),
        ({}, {"conditions": (Condition(modifications=("/genetic-modifications/1/",)),)}, True, None),
        ({"perturbed": True, "conditions": (DOSED,)}, {"perturbed": True, "conditions": (DOSED,)}, False, "same-donor"),
        ({"conditions": (WHOLE, NUCLEUS)}, {"conditions": (NUCLEUS,)}, True, None),  # one of two replicates
        ({"perturbed": True, "conditions": (WHOLE, DOSED)}, {"perturbed": True, "conditions": (DOSED,)}, True, None),
        ({"conditions": (WHOLE, NUCLEUS)}, {"conditions": (WHOLE, NUCLEUS)}, False, "same-donor"),
        ({"diseases": ("x",)}, OTHER, True, None),
        ({"diseases": ("", "x")}, {"diseases": ("x",), **OTHER}, True, None),
        ({"diseases": ("x",)}, {"diseases": ("x",), **OTHER}, True, "same-epigenome"),
        ({"diseases": ("x",)}, {"diseases": ("x",), **OTHER}, False, "same-term"),
        ({"diseases": ("x",)}, {}, False, "same-donor"),
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
            {"donors": ("ENCDO100AAA", "ENCDO200AAA")},
            "pairs with ENCSR002AAA at same-term only (of the donors only ENCDO100AAA is shared); see --pair-level",
        ),
        (
            {"conditions": (NUCLEUS,)},
            "the RNA experiments of stomach are of another treatment, modification or fraction of the cell",
        ),
        (
            {"classification": "organoid"},
            "the RNA experiments of stomach are of another classification, organoid; this is tissue",
        ),
        ({"life_stages": ("embryonic",)}, "the RNA experiments of stomach are of another life stage"),
        (OTHER | {"diseases": ("x",)}, "the RNA experiments of stomach are of another disease"),
        (
            OTHER | {"diseases": ("x",), "life_stages": ("child",)},
            "the RNA experiments of stomach are of another disease and life stage",
        ),
        (
            {"donors": ("ENCDO100AAA", "ENCDO200AAA"), "life_stages": ("adult", "child")},
            "the RNA experiments of stomach are of another life stage (of the donors only ENCDO100AAA is shared)",
        ),
    ],
)
def test_the_reason_of_an_unpaired_experiment(other: dict, reason: str) -> None:
    found = pair_experiments([experiment(1)], [rna(2, **other)])
    assert not found.pairs
    assert found.unpaired[0].reason == reason


def test_the_reason_is_that_of_the_experiments_that_differ_least() -> None:
    """The organoid and the nuclei are no reason where another experiment fails by its life stage alone."""
    others = [
        rna(2, classification="organoid"),
        rna(3, conditions=(NUCLEUS,)),
        rna(4, **OTHER, diseases=("x",), life_stages=("child",)),
        rna(5, **OTHER, life_stages=("child",)),
    ]
    found = pair_experiments([experiment(1)], others, least="same-term")
    assert found.unpaired[0].reason == "the RNA experiments of stomach are of another life stage"


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


def in_pairs(*sides: tuple[dict, dict]) -> list[tuple[Experiment, Experiment]]:
    return [(experiment(2 * n + 1, **a), rna(2 * n + 2, **r)) for n, (a, r) in enumerate(sides)]


def donors(*letters: str) -> dict:
    return {"donors": tuple(f"ENCDO{letter * 3}AAA" for letter in letters)}


LIVER = {"term_id": "UBERON:1", "term_name": "liver"}


def test_groups_join_what_shares_a_donor_and_a_term() -> None:
    one, two, three, four = (donors(letter) for letter in "1234")
    pairs = in_pairs(
        (one, one), (two, two), (one | LIVER, one | LIVER), (donors("3", "2"), three), (four, three), (donors("9"), {})
    )
    assert group_names(pairs) == [
        "ENCDO111AAA stomach",
        "ENCDO222AAA stomach",
        "ENCDO111AAA liver",
        "ENCDO222AAA stomach",
        "ENCDO222AAA stomach",
        "ENCDO100AAA stomach",
    ]


@pytest.mark.parametrize(
    "link",
    [
        ({}, {"donors": ("ENCDO500AAA",)}),  # the donor of the RNA alone
        ({"biosamples": ("ENCBS900AAA",)}, {}),
        ({}, {"biosamples": ("ENCBS900AAA",)}),
        ({"parents": ("ENCBS900AAA",)}, {}),
        ({"batches": ("ENCBS900AAA",)}, {}),
        ({"members": ("ENCBS900AAA", "ENCBS901AAA")}, {}),
        ({}, {"members": ("ENCBS900AAA",)}),
    ],
)
@pytest.mark.parametrize("known", [{"donors": ()}, {}], ids=["no donor", "own donors"])
def test_whatever_two_samples_of_a_term_share_makes_them_one_group(link: tuple[dict, dict], known: dict) -> None:
    first, second = ({"donors": ("ENCDO600AAA",)}, {"donors": ("ENCDO700AAA",)}) if not known else (known, known)
    alone = group_names(in_pairs((first, first), (second, second)))
    assert len(set(alone)) == 2
    joined = group_names(in_pairs((first | link[0], first | link[1]), (second | link[0], second | link[1])))
    assert len(set(joined)) == 1


KINDS = ("biosamples", "parents", "batches", "members")


@pytest.mark.parametrize("known", [{"donors": ()}, {}], ids=["no donor", "own donors"])
@pytest.mark.parametrize(("one", "other"), list(itertools.product(KINDS, KINDS)))
def test_no_kin_stand_in_two_folds(one: str, other: str, known: dict) -> None:
    """A batch root and its child, a pool and its member, pools of one member: one group, and one donor, known or not."""
    first, second = ({"donors": ("ENCDO600AAA",)}, {"donors": ("ENCDO700AAA",)}) if not known else (known, known)
    apart = in_pairs((first, first), (second, second))
    assert len(set(group_names(apart))) == len(set(donor_names(apart))) == 2
    for sides in itertools.product((0, 1), (0, 1)):
        pairs = [[dict(each), dict(each)] for each in (first, second)]
        for pair, side, kind in zip(pairs, sides, (one, other), strict=True):
            pair[side][kind] = ("ENCBS900AAA",)
        joined = in_pairs(*((a, r) for a, r in pairs))
        assert len(set(group_names(joined))) == len(set(donor_names(joined))) == 1, sides


def test_kin_by_way_of_others_are_one_group() -> None:
    """Two pools without a donor, joined by a third sample, which is of a donor."""
    nobody = {"donors": ()}
    pairs = in_pairs(
        (nobody | {"members": ("ENCBS801AAA",)}, nobody),
        (nobody | {"members": ("ENCBS802AAA",)}, nobody),
        ({"parents": ("ENCBS801AAA",)}, {"batches": ("ENCBS802AAA",)}),
        (nobody | LIVER, nobody | LIVER),
    )
    assert group_names(pairs) == [*["ENCDO100AAA stomach"] * 3, "ENCBS007AAA liver"]
    assert donor_names(pairs) == [*["ENCDO100AAA"] * 3, "unknown ENCBS007AAA"]


def test_a_group_without_donors_has_a_name_that_stays() -> None:
    """Not its place in the table: tables of two searches may be put together."""
    pairs = in_pairs(
        ({"donors": ()}, {"donors": ()}), ({"donors": (), "biosamples": ()}, {"donors": (), "biosamples": ()})
    )
    assert group_names(pairs) == ["ENCBS001AAA stomach", "ENCSR003AAA stomach"]
    assert group_names(pairs[::-1]) == ["ENCSR003AAA stomach", "ENCBS001AAA stomach"]


@pytest.mark.parametrize(
    "nearer",
    [
        {"biosamples": ("ENCBS001AAA", "ENCBS050AAA")},
        {"members": ("ENCBS060AAA",)},
        {"diseases": ("",)},
        {"sexes": ("female",)},
        {"lab": "A Lab, There"},
        {"replicates": (1, 2)},
        {"released": "2021-06-04"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_each_likeness_decides_among_equals(nearer: dict) -> None:
    """The nearer one comes second by accession, so that only the likeness can bring it forward."""
    far = {"sexes": ("male",), "diseases": ("x",), "lab": "B Lab, Here", "released": "2011-01-01"}
    base = {name: text for name, text in far.items() if name not in nearer}
    away = {"biosamples": ("ENCBS001AAA", "ENCBS050AAA", "ENCBS051AAA")} if "biosamples" in nearer else {}
    if "members" in nearer:  # all members in common, against one of three
        away = {"members": ("ENCBS060AAA", "ENCBS061AAA", "ENCBS062AAA")}
    r = [rna(2, **(far | away)), rna(3, **(base | nearer))]
    one = experiment(1, **(nearer if "members" in nearer else {}))
    assert names(pair_experiments([one], r))[0][1] == "003"


def test_series_of_another_kind_are_no_evidence() -> None:
    value = {"@type": ["MatchedSet"], "related_datasets": [{"@id": "/experiments/ENCSR001AAA/"}]}
    assert _epigenome(Hit(value, source="here")) == frozenset()
    value["@type"] = ["ReferenceEpigenome"]
    value["related_datasets"].append({"@id": "/annotations/of-another-form/"})
    assert _epigenome(Hit(value, source="here")) == {"ENCSR001AAA"}
