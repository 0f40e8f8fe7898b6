"""Who is left out of a prior: samples themselves, held-out relatives; and that nothing else of a test sample gets there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atac2rna.cohort import Cohort
from atac2rna.compendium import Compendium
from atac2rna.evaluation.heldout import cross_validate
from atac2rna.folds import make_folds
from atac2rna.models.base import Prior, TrainingSet
from atac2rna.profile_pool import ProfilePool, describe_folds, describe_pool, make_pool, record_pool
from toy_cohort import altered, toy_cohort, with_expression
from toy_models import Spy

Kin = dict[str, tuple[str, ...]]


class Leaning(Spy):
    """A spy that takes profiles as prior."""

    takes_prior = True


def tpm_of(expression: np.ndarray) -> np.ndarray:
    return 2 ** expression.astype(np.float64) - 1


def scaled(cohort: Cohort) -> Cohort:
    """The cohort with expression as an atlas gives it: TPM add up to a million."""
    tpm = tpm_of(cohort.expression)
    return with_expression(cohort, np.log2(tpm * (1e6 / tpm.sum(axis=1, keepdims=True)) + 1))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Twelve samples s0 to s11, three of each of the lineages L0 to L3."""
    return scaled(toy_cohort())


def compendium(
    cohort: Cohort, *, same_as: Kin | None = None, related: Kin | None = None, twins: Sequence[int] = ()
) -> Compendium:
    """Three profiles of their own, E0 to E2, and one, T4, of each sample of `twins`, measured a little differently."""
    rng = np.random.default_rng(1)
    genes = len(cohort.gene_ids)
    own = rng.uniform(0, 500, (3, genes))
    copies = [tpm_of(cohort.expression[i]) * rng.uniform(0.95, 1.05, genes) for i in twins]
    names = ("E0", "E1", "E2", *(f"T{i}" for i in twins))
    tpm = np.concatenate([own, np.reshape(copies, (len(twins), genes))])
    return Compendium(Path("c.tsv"), "0", names, cohort.gene_ids, tpm, same_as or {}, related or {})


def pool_of(cohort: Cohort, *, strict: bool = False, **kin: object) -> ProfilePool:
    return make_pool(
        compendium(cohort, **kin),  # type: ignore[arg-type]
        samples=cohort.samples,
        gene_ids=cohort.gene_ids,
        expression=cohort.expression,
        strict=strict,
    )


def prior_of(pool: ProfilePool, train: Sequence[int]) -> Prior:
    prior = pool.prior(train)
    assert prior is not None
    return prior


def test_every_profile_is_handed_over_where_none_is_a_sample(cohort: Cohort) -> None:
    pool = pool_of(cohort)
    prior = prior_of(pool, [3, 4, 5])
    assert prior.profiles == ("E0", "E1", "E2")
    np.testing.assert_array_equal(prior.expression, pool.expression)
    assert (prior.expression.shape, prior.expression.dtype) == ((3, 120), np.float32)
    assert prior.barred.shape == (3, 3)
    assert not prior.barred.any()
    assert describe_pool(pool) == ["compendium: 3 of 3 profiles of c.tsv are used."]


def test_correlation_is_that_of_numpy_over_the_genes_known_in_both(cohort: Cohort) -> None:
    expression = cohort.expression.copy()
    expression[2, 5:9] = np.nan
    known = compendium(cohort, twins=[2])
    keep = np.arange(len(cohort.gene_ids)) >= 7
    known = replace(known, tpm=known.tpm[:, keep], gene_ids=cohort.gene_ids[7:])
    pool = make_pool(known, samples=cohort.samples, gene_ids=cohort.gene_ids, expression=expression)
    for sample, genes in ((2, slice(9, None)), (3, slice(7, None))):
        by_hand = np.corrcoef(expression[sample, genes], pool.expression[:, genes])[0, 1:]
        np.testing.assert_allclose(pool.correlation[sample], by_hand, atol=1e-6)


def test_a_constant_has_no_correlation(cohort: Cohort) -> None:
    expression = np.zeros_like(cohort.expression)
    expression[1] = np.nan
    pool = make_pool(compendium(cohort), samples=cohort.samples, gene_ids=cohort.gene_ids, expression=expression)
    assert np.isnan(pool.correlation).all()
    assert pool.left_out == {}


@pytest.mark.parametrize("train", [[0, 1, 2], [3, 4, 5, 6], range(12)])
def test_a_profile_that_is_a_sample_is_in_no_fold(cohort: Cohort, train: Sequence[int]) -> None:
    """T4 is found by its expression, E1 declared, whether its sample trains or is held out."""
    pool = pool_of(cohort, twins=[4], same_as={"E1": ("s7", "elsewhere")})
    assert prior_of(pool, train).profiles == ("E0", "E2")
    assert pool.left_out == {"E1": ("s7",), "T4": ("s4",)}


def test_those_left_out_are_named_with_the_reason(cohort: Cohort) -> None:
    pool = pool_of(cohort, twins=[4, 9], same_as={"E1": ("s7", "elsewhere"), "T9": ("s9",)})
    r4, r9 = pool.correlation[4, 3], pool.correlation[9, 4]
    assert describe_pool(pool) == [
        "compendium: 2 of 5 profiles of c.tsv are used; left out of every fold, because they are samples here: E1 (s7, "
        f"declared), T4 (s4, r = {r4:.4f}), T9 (s9, declared and r = {r9:.4f}).",
        "compendium: its info names what is no sample with RNA here: elsewhere.",
    ]
    record = record_pool(pool)
    assert record["left_out"] == {"E1": ["s7"], "T4": ["s4"], "T9": ["s9"]}
    assert (record["sha256"], record["n_profiles"], record["strict_relatives"]) == ("0", 5, False)


def test_rows_of_the_info_without_a_profile_are_told(cohort: Cohort) -> None:
    lone = replace(compendium(cohort), surplus=tuple(f"X{i}" for i in range(10)))
    pool = make_pool(lone, samples=cohort.samples, gene_ids=cohort.gene_ids, expression=cohort.expression)
    assert describe_pool(pool)[1:] == [
        "compendium: its info describes profiles that it lacks: X0, X1, X2, X3, X4, X5, X6, X7 and 2 more."
    ]


def test_relatives_matter_only_where_that_is_asked_for(cohort: Cohort) -> None:
    related = {"E0": ("s0", "s3"), "E2": ("s3",)}
    loose, strict = (pool_of(cohort, related=related, strict=strict) for strict in (False, True))
    assert prior_of(loose, range(3, 12)).profiles == ("E0", "E1", "E2")
    assert not prior_of(loose, range(12)).barred.any()
    assert prior_of(strict, range(3, 12)).profiles == ("E1", "E2")  # s0 is held out
    assert prior_of(strict, [0, 1, 2, *range(6, 12)]).profiles == ("E1",)  # s3 is
    assert prior_of(strict, range(6)).profiles == ("E0", "E1", "E2")
    assert describe_folds(loose, {"L0": range(3, 12)}) == []


def test_barred_are_the_relatives_of_each_training_sample(cohort: Cohort) -> None:
    strict = pool_of(cohort, related={"E0": ("s3", "s5"), "E2": ("s11",)}, same_as={"E1": ("s4",)}, strict=True)
    prior = prior_of(strict, [5, 4, 3, 11])
    assert prior.profiles == ("E0", "E2")
    np.testing.assert_array_equal(prior.barred, [[True, False], [False, False], [True, False], [False, True]])
    np.testing.assert_array_equal(prior_of(strict, [5, 4, 3]).barred, [[True], [False], [True]])


def test_relatives_left_out_are_named_fold_by_fold(cohort: Cohort) -> None:
    related = {"E0": ("s0", "s3"), "E1": ("s3",), "E2": ("s4",)}
    pool = pool_of(cohort, related=related, strict=True)
    folds = {f"L{i}": [j for j in range(12) if j // 3 != i] for i in range(4)}
    assert describe_folds(pool, folds) == [
        "compendium: relatives of held-out samples are left out: L0: E0; L1: E0, E1, E2; other folds: none.",
        "compendium: no profile is left in L1; there every model is fitted without.",
    ]
    assert pool.prior(folds["L1"]) is None
    assert pool.kin_of_held_out(folds["L2"]) == ()
    assert describe_folds(pool_of(cohort, strict=True), folds) == [
        "compendium: no profile is declared a relative of a sample; strict relatives change nothing."
    ]


def test_nothing_left_is_no_prior_and_told(cohort: Cohort) -> None:
    pool = pool_of(cohort, same_as=dict.fromkeys(("E0", "E1", "E2"), ("s0",)), strict=True)
    assert pool.prior(range(12)) is None
    assert describe_pool(pool)[1] == "compendium: no profile is left; every model is fitted without."
    assert describe_folds(pool, {"L0": range(3)})[1:] == []


def test_other_genes_keep_scale_and_kinship(cohort: Cohort) -> None:
    pool = pool_of(cohort, twins=[4])
    other = pool.along((*cohort.gene_ids[5:3:-1], "new"))
    np.testing.assert_array_equal(other.expression[:, :2], pool.expression[:, [5, 4]])
    assert np.isnan(other.expression[:, 2]).all()
    assert other.left_out == {"T4": ("s4",)}


def test_a_training_set_carries_the_prior_unless_told_not_to(cohort: Cohort) -> None:
    with_pool = replace(cohort, pool=pool_of(cohort, twins=[4]))
    withheld = np.arange(120) < 40
    options = {"clusters": cohort.columns["lineage"], "seed": 0}
    representation = Leaning(cohort.expression).representation
    training = with_pool.training_set([7, 2], representation, withheld=withheld, **options)
    assert training.prior is not None
    assert training.prior.profiles == ("E0", "E1", "E2")
    assert np.isnan(training.prior.expression[:, :40]).all()
    assert np.isfinite(training.prior.expression[:, 40:]).all()
    assert with_pool.training_set([7, 2], representation, prior=False, **options).prior is None
    assert cohort.training_set([7, 2], representation, **options).prior is None


def handed(cohort: Cohort) -> list[TrainingSet]:
    """What a model that takes a prior gets in each fold."""
    Spy.seen, Spy.shown = [], []
    columns = cohort.columns
    folds = make_folds("lineage", columns=columns, gene_chroms=["chr1"] * 120, groups=cohort.groups)
    models = {"leaning": lambda: Leaning(cohort.expression)}
    cross_validate(cohort, folds, models, clusters=columns["lineage"])
    return Spy.seen


def assert_same(one: TrainingSet, other: TrainingSet) -> None:
    assert one.samples == other.samples
    np.testing.assert_array_equal(one.expression, other.expression)
    assert one.prior is not None
    assert other.prior is not None
    assert one.prior.profiles == other.prior.profiles
    np.testing.assert_array_equal(one.prior.expression, other.prior.expression)
    np.testing.assert_array_equal(one.prior.barred, other.prior.barred)


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_handed_over_does_not_depend_on_held_out_expression(cohort: Cohort, strict: bool) -> None:
    """Nonsense in place of the samples of L1: the fold without them hands over the same to the bit."""
    given = compendium(cohort, twins=[9], related={"E0": ("s3",), "E2": ("s0",)})

    def with_pool(which: Cohort) -> Cohort:
        parts = {"samples": which.samples, "gene_ids": which.gene_ids, "expression": which.expression}
        return replace(which, pool=make_pool(given, strict=strict, **parts))  # type: ignore[arg-type]

    before, after = handed(with_pool(cohort)), handed(with_pool(altered(cohort, [3, 4, 5])))
    assert_same(before[1], after[1])
    assert before[1].prior is not None
    assert before[1].prior.profiles == (("E1", "E2") if strict else ("E0", "E1", "E2"))
    with pytest.raises(AssertionError):
        assert_same(before[0], after[0])  # they train there


def test_a_held_out_sample_that_is_a_profile_takes_it_away(cohort: Cohort) -> None:
    """The one way in which a held-out sample reaches the prior: it is the profile."""
    given = compendium(cohort, twins=[4])
    other = altered(cohort, [4])
    for which, expected in ((cohort, ("E0", "E1", "E2")), (other, ("E0", "E1", "E2", "T4"))):
        pool = make_pool(given, samples=which.samples, gene_ids=which.gene_ids, expression=which.expression)
        for training in handed(replace(which, pool=pool)):
            assert training.prior is not None
            assert training.prior.profiles == expected


def test_a_model_that_takes_no_prior_never_sees_one(cohort: Cohort) -> None:
    Spy.seen, Spy.shown = [], []
    folds = make_folds("lineage", columns=cohort.columns, gene_chroms=["chr1"] * 120, groups=cohort.groups)
    which = replace(cohort, pool=pool_of(cohort))
    cross_validate(which, folds, {"spy": lambda: Spy(cohort.expression)}, clusters=cohort.columns["lineage"])
    assert [training.prior for training in Spy.seen] == [None] * 4
