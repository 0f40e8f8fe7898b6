"""What a few own samples add to a trained model: 0, 2, 4, 8 of them, tested on lineages that nobody saw, as Markdown.

python benchmarks/fine_tuning.py ATLAS --compendium FILE --compendium-info FILE [--draws 8]

The atlas is that of the 21 real samples. In every case a model (`joint`) is trained without the samples of a pool, and
without the profiles that are these samples or their relatives; then samples of the pool are added. A draw takes whole
lineages of the pool in random order until there are enough samples; the samples of all other lineages of the pool are the
test, the same for all numbers of added samples of the draw. Every number is a mean over the samples of a test, then over draws.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from atac2rna import metrics
from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.evaluation.heldout import fit_model
from atac2rna.models.base import IntervalModel, Model, training_mean
from atac2rna.models.fine_tuned import FineTuned
from atac2rna.models.registry import make_model
from atac2rna.own_samples import OwnSamples, known_profiles

BLOOD = "heme_corces"
CASES = (
    ("blood, to a model without any (another laboratory's pipeline, another tissue)", (BLOOD,), (), (2, 4, 8)),
    ("cell lines and tissues, to a model of blood", ("encode_roadmap", "encode_entex"), (), (2, 4)),
    (
        "stem cells, dendritic, monocytes, erythroid, to a model with the rest of the same blood",
        (BLOOD,),
        ("HSPC", "dendritic", "myeloid", "erythroid"),
        (2, 4),
    ),
    (
        "lymphoid and progenitors, dendritic, to a model with the rest of the same blood",
        (BLOOD,),
        ("lymphoid", "lymphoid prog", "dendritic", "myeloid prog"),
        (2, 4),
    ),
)
"""What is added to what: datasets and lineages (none: all) of the pool, and numbers of added samples."""

MODELS = ("base", "own without profiles", "own", "fine-tuned")
SCORES = ("skill", "delta_r", "delta_r_block", "coverage_80")


@dataclass
class Tally:
    """Scores of one number of added samples over draws, and what was chosen."""

    scores: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in MODELS})
    chosen: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--compendium", type=Path, required=True)
    parser.add_argument("--compendium-info", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=8)
    arguments = parser.parse_args()
    compendium = load_compendium(arguments.compendium, arguments.compendium_info, strict_relatives=True)
    cohort = make_cohort(Atlas(arguments.atlas), compendium=compendium, strict_relatives=True)
    for title, datasets, lineages, sizes in CASES:
        pool = [
            i
            for i, (dataset, lineage) in enumerate(zip(cohort.datasets, cohort.lineages, strict=True))
            if dataset in datasets and (not lineages or lineage in lineages)
        ]
        describe(title, run_case(cohort, pool, sizes, draws=arguments.draws))


def run_case(cohort: Cohort, pool: Sequence[int], sizes: Sequence[int], *, draws: int) -> dict[int, Tally]:
    """Train without the pool, then add samples of it."""
    rest = [i for i in range(len(cohort.samples)) if i not in pool]
    base = fit_model(make_model("joint"), cohort, rest, clusters=cohort.lineages, seed=0)
    own = lay_out(cohort, pool, base)
    mean = training_mean(cohort.expression[rest])
    tallies = {size: Tally() for size in sizes}
    for added, test in draw_samples(own.groups, sizes, draws=draws):
        for size, tally in tallies.items():
            training = own.training_set(sorted(added[:size]), seed=0)
            tuned = FineTuned.continuing(base)
            tuned.fit(training)
            alone = make_model("joint")
            alone.fit(replace(training, prior=None, shared={}))
            models = dict(zip(MODELS, (base, alone, tuned.own or tuned.fit_own(training), tuned), strict=True))
            for name, model in models.items():
                tally.scores[name].append(score(model, own, test, mean))
            tally.chosen[tuned.choice.chosen] += 1
    return tallies


def lay_out(cohort: Cohort, pool: Sequence[int], base: Model) -> OwnSamples:
    """The samples of the pool as own samples of the model."""
    columns = {key: tuple(values[i] for i in pool) for key, values in cohort.columns.items()}
    names = tuple(cohort.samples[i] for i in pool)
    own = replace(cohort, samples=names, expression=cohort.expression[list(pool)], columns=columns, pool=None)
    inputs = tuple(cohort.inputs(name, base.representation) for name in names)
    measured = np.isfinite(own.expression).any(axis=0)
    return OwnSamples(own, inputs, {}, measured, {}, frozenset(), known_profiles(base))


def draw_samples(lineages: Sequence[str], sizes: Sequence[int], *, draws: int) -> Iterator[tuple[list[int], list[int]]]:
    """Give added samples, in the order in which they are added, and test samples of lineages that none of them has."""
    members, made, seed = np.asarray(lineages), 0, 0
    while made < draws:
        rng = np.random.default_rng(seed)
        seed += 1
        added: list[int] = []
        for lineage in rng.permutation(np.unique(members)):
            if len(added) < max(sizes):
                added += np.flatnonzero(members == lineage).tolist()
        test = np.flatnonzero(~np.isin(members, members[added])).tolist()
        if test:
            made += 1
            yield rng.permutation(added)[: max(sizes)].tolist(), test


def score(model: Model, own: OwnSamples, test: Sequence[int], mean: np.ndarray) -> list[float]:
    """Score a model on test samples: means of `SCORES`, against the mean of the base's training samples."""
    truth = own.cohort.expression[list(test)]
    predicted = np.stack([model.predict(own.inputs[i]) for i in test])
    pairs = list(zip(predicted, truth, strict=True))
    held = [np.nan]
    if isinstance(model, IntervalModel):
        bounds = [model.bounds(own.inputs[i], level=0.8) for i in test]
        held = [metrics.coverage(t=t, low=b.low, high=b.high) for t, b in zip(truth, bounds, strict=True)]
    return [
        float(np.mean([metrics.skill(p=p, t=t, m=mean) for p, t in pairs])),
        float(np.mean([metrics.delta_r(p=p, t=t, m=mean) for p, t in pairs])),
        float(np.mean(metrics.delta_r_block(predicted, truth))),
        float(np.mean(held)),
    ]


def describe(title: str, tallies: dict[int, Tally]) -> None:
    print(f"\n**{title[0].upper()}{title[1:]}.**\n")
    print(
        "| added | model | skill | delta r | delta r in block | coverage of 80% | skill beyond the better of base and own |"
    )
    print("|---|---|---|---|---|---|---|")
    first = next(iter(tallies.values()))
    print(f"| 0 | base | {cells(first.scores['base'])} | |")
    for size, tally in tallies.items():
        skill = {name: np.array(values)[:, 0] for name, values in tally.scores.items()}
        gain = skill["fine-tuned"] - np.maximum(skill["base"], skill["own"])
        chosen = ", ".join(f"{name} {count}" for name, count in sorted(tally.chosen.items()))
        for name in MODELS[1:]:
            last = f"{gain.mean():+.3f}, worst {gain.min():+.3f} (chosen: {chosen})" if name == "fine-tuned" else ""
            print(f"| {size} | {name} | {cells(tally.scores[name])} | {last} |", flush=True)


def cells(scores: Sequence[Sequence[float]]) -> str:
    """Mean over draws, and for the skill its standard deviation."""
    values = np.array(scores)
    count = np.maximum(np.isfinite(values).sum(axis=0), 1)
    mean = np.where(np.isfinite(values).any(axis=0), np.nansum(values, axis=0) / count, np.nan)
    texts = [f"{value:.3f}" if np.isfinite(value) else "-" for value in mean]
    return " | ".join([f"{texts[0]} (sd {values[:, 0].std():.3f})", *texts[1:]])


if __name__ == "__main__":
    main()
