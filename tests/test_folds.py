"""Who is held out: every hold-out, what is refused, and what no split may do."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atac2rna.errors import InputError
from atac2rna.folds import Fold, choose_holdout, holdout_clusters, make_folds

COLUMNS = {
    "sample": ("s1", "s2", "s3", "s4", "s5"),
    "lineage": ("B", "B", "T", "A", "T"),
    "group": ("b", "b", "t1", "a", "t2"),
    "dataset": ("x", "x", "y", "x", "x"),
    "donor": ("d", "", "d", "", "d"),
    "species": ("human",) * 5,
}
CHROMS = ("chr10", "chr2", "chrX", "chr2", "chr10")


def folds_of(holdout: str, columns: dict[str, tuple[str, ...]] = COLUMNS, chroms: Sequence[str] = CHROMS) -> list[Fold]:
    groups = columns.get("group", columns["sample"])
    return make_folds(holdout, columns=columns, gene_chroms=chroms, groups=groups)


def splits(folds: list[Fold]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(fold.name, fold.train, fold.test) for fold in folds]


def test_a_column_holds_out_each_of_its_values_in_order_of_appearance() -> None:
    folds = folds_of("lineage")
    assert splits(folds) == [("B", (2, 3, 4), (0, 1)), ("T", (0, 1, 3), (2, 4)), ("A", (0, 1, 2, 4), (3,))]
    assert all(fold.withheld is None and fold.cluster == fold.name for fold in folds)


def test_any_column_may_hold_out() -> None:
    assert splits(folds_of("dataset")) == [("x", (2,), (0, 1, 3, 4)), ("y", (0, 1, 3, 4), (2,))]
    assert [fold.test for fold in folds_of("group")] == [(0, 1), (2,), (3,), (4,)]
    alone = {name: values for name, values in COLUMNS.items() if name != "group"}
    assert [fold.test for fold in folds_of("sample", alone)] == [(0,), (1,), (2,), (3,), (4,)]


def test_chromosomes_withhold_genes_of_all_samples() -> None:
    folds = folds_of("chromosome")
    assert [fold.name for fold in folds] == [fold.cluster for fold in folds] == ["chr2", "chr10", "chrX"]
    assert all(fold.train == fold.test == (0, 1, 2, 3, 4) for fold in folds)
    masks = np.stack([fold.withheld for fold in folds if fold.withheld is not None])
    assert masks.sum(axis=0).tolist() == [1, 1, 1, 1, 1]
    assert masks[0].tolist() == [False, True, False, True, False]


def test_a_column_and_chromosomes_withhold_both() -> None:
    folds = folds_of("lineage,chromosome")
    assert [fold.name for fold in folds][:4] == ["B,chr2", "B,chr10", "B,chrX", "T,chr2"]
    assert len(folds) == 9
    for fold, (column, chrom) in zip(folds, [(a, b) for a in range(3) for b in range(3)], strict=True):
        samples, genes = folds_of("lineage")[column], folds_of("chromosome")[chrom]
        assert (fold.cluster, fold.train, fold.test) == (samples.cluster, samples.train, samples.test)
        np.testing.assert_array_equal(fold.withheld, genes.withheld)


def test_the_default_is_lineage_then_group_then_sample() -> None:
    columns = dict(COLUMNS)
    assert choose_holdout(columns) == "lineage"
    assert choose_holdout({**columns, "lineage": ("B",) * 5}) == "group"
    assert choose_holdout({**columns, "lineage": ("B", "B", "T", "", "T")}) == "group"
    del columns["lineage"]
    assert choose_holdout(columns) == "group"
    assert choose_holdout({**columns, "group": ("b", "b", "", "a", "t")}) == "sample"
    assert choose_holdout({"sample": COLUMNS["sample"]}) == "sample"


@pytest.mark.parametrize(
    ("holdout", "message"),
    [
        ("linaege", r"got 'linaege': did you mean 'lineage'\?"),
        ("chromosom", r"did you mean 'chromosome'\?"),
        ("batch", r"got 'batch': known: sample, lineage, group, dataset, donor, species, chromosome"),
        ("donor", r"'donor' is empty for 2 of 5 samples, the first s2"),
        ("species", r"at least two values; column 'species' has only 'human'"),
        ("sample", r"holding out by 'sample' divides group 'b' \(s2 is in 's2', others in 's1'\)"),
        ("lineage,group", r"got 'lineage,group'"),
        ("chromosome,lineage", r"COLUMN,chromosome; got 'chromosome,lineage'"),
        ("chromosome,chromosome", r"got 'chromosome,chromosome'"),
        ("lineage,", r"got 'lineage,'"),
        ("", r"a column of the samples"),
    ],
)
def test_what_cannot_be_held_out_is_refused(holdout: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folds_of(holdout)


@pytest.mark.parametrize("holdout", ["chromosome", "lineage,chromosome"])
def test_one_chromosome_cannot_be_held_out(holdout: str) -> None:
    with pytest.raises(InputError, match="at least two chromosomes; got 1"):
        folds_of(holdout, chroms=["chr1"] * 5)


def test_clusters_are_refused_like_folds() -> None:
    assert holdout_clusters("lineage", columns=COLUMNS, groups=COLUMNS["group"]) == COLUMNS["lineage"]
    with pytest.raises(InputError, match="divides group"):
        holdout_clusters("dataset", columns=COLUMNS, groups=("g",) * 5)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=30),
    st.booleans(),
    st.sampled_from(["column", "column,chromosome"]),
)
def test_no_split_leaks(cells: list[tuple[int, int]], nested: bool, holdout: str) -> None:
    """Train and test are disjoint and complete, and no group is on both sides; or the hold-out is refused."""
    groups = tuple(f"g{group}" for group, _ in cells)
    values = tuple(f"v{group % 3 if nested else value}" for group, value in cells)
    columns = {"sample": tuple(f"s{i}" for i in range(len(cells))), "column": values}
    divided = any(len({v for g, v in zip(groups, values, strict=True) if g == group}) > 1 for group in groups)
    if divided or len(set(values)) < 2:
        with pytest.raises(InputError):
            make_folds(holdout, columns=columns, gene_chroms=CHROMS, groups=groups)
        return
    folds = make_folds(holdout, columns=columns, gene_chroms=CHROMS, groups=groups)
    for fold in folds:
        assert not {*fold.train} & {*fold.test}
        assert sorted(fold.train + fold.test) == list(range(len(cells)))
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}
        assert {values[i] for i in fold.test} == {fold.cluster}
    chromosomes = 3 if "," in holdout else 1
    assert sorted(i for fold in folds for i in fold.test) == sorted([*range(len(cells))] * chromosomes)
