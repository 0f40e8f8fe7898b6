"""Pairing: which RNA experiment stands for the same sample as which accessibility experiment, and how surely."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple, get_args

import numpy as np

from atac2rna.sources.encode.experiment import Experiment

PairLevel = Literal["same-biosample", "same-origin", "same-donor", "same-epigenome", "same-term"]
"""How surely two experiments of one term speak of one sample, strongest first. same-biosample: an accession of a biosample
in common. same-origin: the same origin batch, parts of one parent, or pools with a member in common (or one is the other's
batch, parent or member). same-donor: the same donor (of pooled samples: the same donors), age and life stage.
same-epigenome: experiments of one ReferenceEpigenome, of the same disease. same-term: term, disease and life stage alone,
which will do for a cell line and is weak for tissue. Series of the kind MatchedSet never pair: they match in all but the
donor."""

LEVELS: tuple[PairLevel, ...] = get_args(PairLevel)


class Pair(NamedTuple):
    """An accessibility experiment and the RNA experiment that stands for the same sample.

    Attributes:
        accessibility: The one.
        rna: The other.
        level: How surely.
        why: What they share, and what else could have been paired.
    """

    accessibility: Experiment
    rna: Experiment
    level: PairLevel
    why: str


class Unpaired(NamedTuple):
    """An experiment without a partner, and why."""

    experiment: Experiment
    reason: str


@dataclass(frozen=True)
class Pairing:
    """The outcome: pairs in the order of the accessibility experiments, then what is left of both sides."""

    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]


def pair_experiments(
    accessibility: Sequence[Experiment],
    rna: Sequence[Experiment],
    *,
    epigenomes: Sequence[frozenset[str]] = (),
    least: PairLevel = "same-epigenome",
    rna_preference: Sequence[str] = (),
    fileless: Sequence[Experiment] = (),
) -> Pairing:
    """Pair experiments one to one.

    Level by level, the strongest first, as many of the experiments still free as possible are paired; among the ways to do
    so the one is taken in which the pairs share most: biosamples, what these come from, donors, age, disease and sex, lab,
    and time of release. No experiment is used twice, so no truth stands for two samples.

    Args:
        accessibility: Experiments with a peak file.
        rna: Experiments with gene quantifications.
        epigenomes: Experiments of each ReferenceEpigenome, by accession.
        least: The weakest level that will do.
        rna_preference: RNA assays, the preferred first.
        fileless: Experiments of either side without a file that would do; they pair with nothing and explain why others do.

    Returns:
        Every experiment once, in a pair or with the reason why it is in none.
    """
    left = sorted(accessibility, key=lambda each: each.accession)
    right = sorted(rna, key=lambda each: each.accession)
    series = _series_of(epigenomes)
    levels = _levels(left, right, series)
    admitted = LEVELS[: LEVELS.index(least) + 1]
    by_name = {each.accession: each for each in (*left, *right)}
    partner: dict[str, tuple[str, PairLevel]] = {}
    for level in admitted:
        free = [pair for pair, at in levels.items() if at == level and not partner.keys() & set(pair)]
        for a, r in _matched([(by_name[a], by_name[r]) for a, r in free], rna_preference):
            partner[a.accession] = (r.accession, level)
            partner[r.accession] = (a.accession, level)
    pairs = []
    for a in left:
        if a.accession in partner:
            r, level = by_name[partner[a.accession][0]], partner[a.accession][1]
            pairs.append(Pair(a, r, level, _why(a, r, level, levels, series, left, right)))
    unpaired = []
    for side, others, kind in ((left, right, " or ".join(rna_preference) or "RNA"), (right, left, "accessibility")):
        lost = [each for each in fileless if (each.assay in rna_preference) == (side is left)]
        for each in side:
            if each.accession not in partner:
                unpaired.append(Unpaired(each, _reason(each, others, lost, kind, levels, partner, least)))
    return Pairing(tuple(pairs), tuple(unpaired))


def pair_level(a: Experiment, r: Experiment, *, epigenomes: Mapping[str, frozenset[int]]) -> PairLevel | None:
    """Tell the strongest level at which two experiments pair; None where they do not.

    Args:
        a: An accessibility experiment.
        r: An RNA experiment.
        epigenomes: Numbers of the reference epigenomes of each experiment.
    """
    if not _alike(a, r) or (a.term_id, a.classification) != (r.term_id, r.classification):
        return None
    if not a.ancestry.isdisjoint(r.ancestry):
        return "same-origin" if set(a.biosamples).isdisjoint(r.biosamples) else "same-biosample"
    if a.donors and set(a.donors) == set(r.donors) and _same(a.ages, r.ages) and _same(a.life_stages, r.life_stages):
        return "same-donor"
    if a.diseases != r.diseases:
        return None
    if epigenomes.get(a.accession, frozenset()) & epigenomes.get(r.accession, frozenset()):
        return "same-epigenome"
    return "same-term" if _same_stage(a, r) else None


def _levels(
    left: Sequence[Experiment], right: Sequence[Experiment], epigenomes: Mapping[str, frozenset[int]]
) -> dict[tuple[str, str], PairLevel]:
    """Tell the level of every two experiments that pair; only those that share a term are looked at."""
    of_term: dict[str, list[Experiment]] = {}
    for r in right:
        of_term.setdefault(r.term_id, []).append(r)
    return {
        (a.accession, r.accession): level
        for a in left
        for r in of_term.get(a.term_id, ())
        if (level := pair_level(a, r, epigenomes=epigenomes)) is not None
    }


def _alike(a: Experiment, r: Experiment) -> bool:
    """Tell whether both were treated alike: no pair crosses a perturbation or a fraction of the cell.

    The conditions of the replicates are compared, not all that any replicate has: an experiment of which one replicate is
    nuclei is unlike one of nuclei alone.
    """
    return a.perturbed == r.perturbed and a.conditions == r.conditions


def _same_stage(a: Experiment, r: Experiment) -> bool:
    """Tell whether both are of one life stage, as far as it is known; a cell line has none of its own."""
    return a.classification == "cell line" or _same(a.life_stages, r.life_stages)


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two lists agree, as far as both are known."""
    return not one or not other or set(one) == set(other)


def _series_of(epigenomes: Sequence[frozenset[str]]) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for number, members in enumerate(epigenomes):
        for name in members:
            found[name] = found.get(name, frozenset()) | {number}
    return found


def _matched(
    edges: Sequence[tuple[Experiment, Experiment]], rna_preference: Sequence[str]
) -> list[tuple[Experiment, Experiment]]:
    """Choose as many as possible of the pairs that could be, no experiment twice, at the least distance in all."""
    from scipy.optimize import linear_sum_assignment

    rows = list({a.accession: a for a, _ in edges}.values())
    columns = list({r.accession: r for _, r in edges}.values())
    row_of, column_of = ({each.accession: i for i, each in enumerate(side)} for side in (rows, columns))
    # No pair costs more than all pairs that there can be: so most experiments find a partner.
    cost = np.full((len(rows), len(columns)), 200.0 * (len(rows) + 1))
    for a, r in edges:
        i, j = row_of[a.accession], column_of[r.accession]
        # The order of accessions settles what is otherwise equal.
        cost[i, j] = _distance(a, r, rna_preference) + 1e-6 * abs(i / len(rows) - j / len(columns))
    found = {(rows[i].accession, columns[j].accession) for i, j in zip(*linear_sum_assignment(cost), strict=True)}
    return [(a, r) for a, r in edges if (a.accession, r.accession) in found]


def _distance(a: Experiment, r: Experiment, rna_preference: Sequence[str]) -> float:
    """Say how much two experiments of one level differ, less than 200; archived ones stand back."""
    preference = rna_preference.index(r.assay) if r.assay in rna_preference else len(rna_preference)
    archived = [a.status, r.status].count("archived")
    return (
        20.0 * archived
        + 16.0 * min(preference, 3)
        + 8.0 * _apart(a.biosamples, r.biosamples)
        + 8.0 * _apart(a.ancestry, r.ancestry)
        + 8.0 * _apart(a.donors, r.donors)
        + 4.0 * (not _same(a.ages, r.ages))
        + 4.0 * (a.diseases != r.diseases)
        + 2.0 * (not _same(a.sexes, r.sexes))
        + 1.0 * (a.lab != r.lab)
        + 0.5 / max(len(r.replicates), 1)
        + 0.4 * min(_days(a.released, r.released) / 20_000, 1.0)
    )


def _apart(one: Collection[str], other: Collection[str]) -> float:
    """Give 1 - Jaccard of two sets."""
    first, second = frozenset(one), frozenset(other)
    both = len(first & second)
    every = len(first) + len(second) - both
    return 1.0 - both / every if every else 0.0


def _days(one: str, other: str) -> int:
    try:
        return abs((date.fromisoformat(one[:10]) - date.fromisoformat(other[:10])).days)
    except ValueError:
        return 20_000


def _why(
    a: Experiment,
    r: Experiment,
    level: PairLevel,
    levels: Mapping[tuple[str, str], PairLevel],
    series: Mapping[str, frozenset[int]],
    left: Sequence[Experiment],
    right: Sequence[Experiment],
) -> str:
    """Say what two experiments share, and which rivals there were at the same level."""
    shared = {
        "same-biosample": f"biosample {', '.join(sorted(set(a.biosamples) & set(r.biosamples)))}",
        "same-origin": f"origin {', '.join(sorted(a.ancestry & r.ancestry))}",
        "same-donor": f"donor {', '.join(sorted(set(a.donors) & set(r.donors)))} and {a.term_name}",
        "same-epigenome": f"a reference epigenome and {a.term_name}",
        "same-term": f"{a.term_name} alone",
    }[level]
    rivals = [
        *(each.accession for each in right if each is not r and levels.get((a.accession, each.accession)) == level),
        *(each.accession for each in left if each is not a and levels.get((each.accession, r.accession)) == level),
    ]
    several = f"; as well at this level: {', '.join(rivals[:6])}{', ...' if len(rivals) > 6 else ''}" if rivals else ""
    return f"both have {shared}{several}"


def _reason(
    each: Experiment,
    others: Sequence[Experiment],
    lost: Sequence[Experiment],
    kind: str,
    levels: Mapping[tuple[str, str], PairLevel],
    partner: Mapping[str, tuple[str, PairLevel]],
    least: PairLevel,
) -> str:
    """Say why an experiment has no partner of a kind."""
    possible = {
        other.accession: level
        for other in others
        if (level := levels.get((each.accession, other.accession)) or levels.get((other.accession, each.accession)))
    }
    enough = {name for name, level in possible.items() if LEVELS.index(level) <= LEVELS.index(least)}
    if enough:
        name = min(enough, key=lambda name: (LEVELS.index(possible[name]), name))
        taken, level = partner[name]
        return f"{name} is paired with {taken} already ({level}), and no other would do"
    if possible:
        name = min(possible, key=lambda name: (LEVELS.index(possible[name]), name))
        some = _some_donors(each, next(other for other in others if other.accession == name))
        return f"pairs with {name} at {possible[name]} only{f' ({some})' if some else ''}; see --pair-level"
    same_term = [other for other in others if other.term_id == each.term_id]
    without = [other.accession for other in lost if other.term_id == each.term_id]
    if not same_term and without:
        return f"no file of {', '.join(without)} will do, the {kind} of {each.term_name}; see there"
    if not same_term:
        return f"no {kind} experiment of {each.term_name} ({each.term_id})"
    return f"the {kind} experiments of {each.term_name} are of {_unlike(each, same_term)}"


def _unlike(each: Experiment, others: Sequence[Experiment]) -> str:
    """Say in what others of the same term differ so that none pairs with an experiment, those judged that differ least."""
    classified = [other for other in others if other.classification == each.classification]
    if not classified:
        kinds = " or ".join(sorted({other.classification for other in others}))
        return f"another classification, {kinds}; this is {each.classification}"
    alike = [other for other in classified if _alike(each, other)]
    if not alike:
        return "another treatment, modification or fraction of the cell"
    nearest = min(alike, key=lambda other: (len(_wanting(each, other)), _wanting(each, other), other.accession))
    some = _some_donors(each, nearest)
    return f"another {' and '.join(_wanting(each, nearest))}{f' ({some})' if some else ''}"


def _wanting(a: Experiment, r: Experiment) -> list[str]:
    """Say what two experiments treated alike want of being of one term and nothing else."""
    judged = (("disease", a.diseases == r.diseases), ("life stage", _same_stage(a, r)))
    return [word for word, same in judged if not same]


def _some_donors(a: Experiment, r: Experiment) -> str:
    """Say that two experiments share some of their donors; empty where they share all or none."""
    shared = set(a.donors) & set(r.donors)
    if not shared or shared == {*a.donors, *r.donors}:
        return ""
    return f"of the donors only {', '.join(sorted(shared))} {'is' if len(shared) == 1 else 'are'} shared"
