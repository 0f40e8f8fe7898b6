"""The cohorts of the scaling study: equal for equal seeds, nested, and told apart by what they claim."""

import numpy as np
import pytest
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.metrics import delta_r
from atac2rna.models.ridge import StandardWindow
from atac2rna.simulate.grammar import (
    PROMOTER_CLASSES,
    GrammarCohort,
    GrammarSettings,
    Truth,
    draw_genome,
    oracle,
    regulation,
    simulate_grammar,
)

SMALL = {"genes": 60, "lineages": 5, "donors": 2, "stray": 50}


def cohort(truth: Truth = "grammar", **changes: object) -> GrammarCohort:
    return simulate_grammar(GrammarSettings.model_validate({"truth": truth} | SMALL | changes))


def inputs(truth: Truth, opened: dict[str, float], *, klass: str) -> tuple[float, float]:
    """F of a gene of the class with all enhancers of a side shut or open, other things equal: its value, and its gene."""
    settings = GrammarSettings(genes=60)
    genome = draw_genome(settings)
    sides = {"up": genome.distance < 0, "down": genome.distance >= 0}
    state = np.zeros((1, settings.factors))
    openness = np.where(genome.rows("promoter"), 3.0, -9.0)
    for side, value in opened.items():
        openness[genome.rows("enhancer") & sides[side]] = value
    values = regulation(truth, genome, state, openness[None])[0]
    near = genome.rows("enhancer") & (np.abs(genome.distance) < 20_000) & (genome.mode[genome.motif] == 0)
    both = [
        gene
        for gene in np.flatnonzero(genome.promoter_class == PROMOTER_CLASSES.index(klass))
        if all((near & on & (genome.owner == gene)).any() for on in sides.values())
    ]
    return float(values[both].mean()), len(both)


@pytest.mark.parametrize("truth", ["grammar", "additive"])
def test_equal_settings_give_equal_cohorts_and_smaller_ones_are_contained(truth: Truth) -> None:
    one, again, larger, other = cohort(truth), cohort(truth), cohort(truth, lineages=7), cohort(truth, seed=1)
    np.testing.assert_array_equal(one.expression, again.expression)
    np.testing.assert_array_equal(one.expression, larger.expression[:10])
    for name in one.samples:
        for also in (again, larger):
            np.testing.assert_array_equal(one.peaks(name).start, also.peaks(name).start)
            np.testing.assert_array_equal(one.peaks(name).signal, also.peaks(name).signal)
    assert (one.expression != other.expression).any()


def test_the_truths_share_peaks_and_spread() -> None:
    one, other = cohort(lineages=40), cohort("additive", lineages=40)
    for name in one.samples:
        np.testing.assert_array_equal(one.peaks(name).signal, other.peaks(name).signal)
    spreads = [c.signal.std() for c in (one, other)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.05)


@pytest.mark.parametrize("truth", ["grammar", "additive"])
def test_the_oracle_predicts(truth: Truth) -> None:
    made = cohort(truth, lineages=30)
    mean = made.expression[8:].mean(axis=0)
    scores = [delta_r(p=p, t=t, m=mean) for p, t in zip(oracle(made)[:8], made.expression[:8], strict=True)]
    assert np.mean(scores) > 0.93


def test_expression_without_noise_is_the_oracle() -> None:
    quiet = cohort(expression_noise=0)
    np.testing.assert_array_equal(quiet.expression, oracle(quiet))


def own_linear_fit(made: GrammarCohort) -> NDArray[np.float64]:
    """Share of each gene's variance that its own elements and the factors explain linearly in other lineages."""
    explained = []
    for gene in range(len(made.gene_ids)):
        own = (made.genome.owner == gene) & made.genome.rows("promoter", "enhancer", "silencer")
        x = np.column_stack([np.ones(len(made.samples)), made.concentration, made.element_openness[:, own]])
        y = made.signal[:, gene]
        fit = np.linalg.lstsq(x[:300], y[:300], rcond=None)[0]
        explained.append(1 - (y[300:] - x[300:] @ fit).var() / y[300:].var())
    return np.array(explained)


def test_additive_is_additive_and_grammar_is_not() -> None:
    many = {"genes": 24, "lineages": 400, "donors": 1, "stray": 0}
    assert own_linear_fit(cohort("additive", **many)).mean() > 0.97
    assert own_linear_fit(cohort("grammar", **many)).mean() < 0.85


@pytest.mark.parametrize(
    ("klass", "one_side", "both_sides"), [("or", "high", "high"), ("and", "low", "high"), ("xor", "high", "lower")]
)
def test_promoter_classes_combine_the_two_sides_as_named(klass: str, one_side: str, both_sides: str) -> None:
    shut, count = inputs("grammar", {}, klass=klass)
    up, down, both = (
        inputs("grammar", dict.fromkeys(sides, 9.0), klass=klass)[0] for sides in (["up"], ["down"], ["up", "down"])
    )
    assert count >= 3
    one = (up + down) / 2 - shut
    assert (one > 0.15) == (one_side == "high")
    assert both - shut > 0.15 or both_sides == "lower"
    assert (both - shut < one - 0.05) == (both_sides == "lower")


def test_silencers_act_only_on_what_is_activated() -> None:
    settings = GrammarSettings(genes=60)
    genome = draw_genome(settings)
    state = np.zeros((1, settings.factors))
    base = np.where(genome.rows("promoter"), 3.0, -9.0)
    active = np.where(genome.rows("enhancer"), 3.0, base)

    def loss(openness: NDArray[np.float64]) -> float:
        silenced = np.where(genome.rows("silencer"), 9.0, openness)
        before, after = (regulation("grammar", genome, state, x[None]) for x in (openness, silenced))
        return float((before - after).mean())

    assert abs(loss(base)) < 1e-3
    assert loss(active) > 0.03


def test_marks_tell_the_promoter_class_in_the_window() -> None:
    made = cohort(missed=0)
    window = np.mean(
        [StandardWindow(edges=(-700, -500, 500, 700))(p, made.genome.genes) for p in made.peaks_of.values()], axis=0
    )
    classes = made.genome.promoter_class
    for name, column in (("xor", 0), ("or", 2)):
        is_class = classes == PROMOTER_CLASSES.index(name)
        assert window[is_class, column].mean() > window[~is_class, column].mean() + 1


def test_it_serves_as_an_atlas_of_a_cohort() -> None:
    made = cohort()
    whole = Cohort(made, made.samples, made.gene_ids, made.expression, made.columns)  # type: ignore[arg-type]
    assert whole.inputs("L000d1", StandardWindow()).shape == (60, 28)
    assert whole.lineages[:3] == ("L000", "L000", "L001")
