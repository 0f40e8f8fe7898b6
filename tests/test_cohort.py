"""What a cohort hands to a model, and to whom."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from atac2rna.cohort import make_cohort
from atac2rna.compendium import Compendium
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks
from atac2rna.profile_pool import make_pool
from toy_cohort import toy_cohort, with_columns, with_genes


@dataclass(frozen=True)
class Counting:
    """Counts its calls."""

    reach: int = 0
    calls: list[int] = field(default_factory=list, compare=False)

    def __call__(self, peaks: Peaks, genes: GeneTable) -> int:
        self.calls.append(len(genes))
        return len(peaks)


def test_labels_fall_back_to_the_sample_and_to_nothing() -> None:
    cohort = with_columns(toy_cohort(), group=["g", "", *["h"] * 10], dataset=["x", "", *["y"] * 10])
    assert cohort.groups[:3] == ("g", "s1", "h")
    assert cohort.datasets[:3] == ("x", "", "y")
    bare = replace(cohort, columns={"sample": cohort.samples})
    assert bare.groups == cohort.samples
    assert set(bare.datasets) == {""}


def test_a_sample_is_represented_once_for_equal_settings() -> None:
    cohort, calls = toy_cohort(), []
    for reach in (0, 0, 1):
        for sample in ("s0", "s1"):
            assert cohort.inputs(sample, Counting(reach, calls)) == len(cohort.atlas.peaks(sample))
    assert calls == [120] * 4


def test_a_training_set_holds_its_samples_and_no_others() -> None:
    cohort = toy_cohort()
    withheld = np.arange(120) < 40
    clusters = cohort.columns["lineage"]
    training = cohort.training_set([7, 2], Counting(), clusters=clusters, seed=3, withheld=withheld)
    assert (training.samples, training.clusters, training.datasets) == (("s7", "s2"), ("L2", "L0"), ("x", "y"))
    assert training.inputs == [len(cohort.atlas.peaks(name)) for name in ("s7", "s2")]
    assert training.seed == 3
    np.testing.assert_array_equal(training.expression[:, 40:], cohort.expression[[7, 2], 40:])
    assert np.isnan(training.expression[:, :40]).all()
    assert training.expression.dtype == np.float32
    whole = cohort.training_set([7, 2], Counting(), clusters=clusters, seed=3)
    whole.expression[:] = -1
    assert (cohort.expression >= 0).all()  # a copy


def atlas(**changes: Any) -> Any:
    names = ("a", "b", "c", "d")

    def record(name: str) -> None:
        if name not in names:
            raise InputError(f"has no sample {name!r}")

    parts: dict[str, Any] = {
        "path": "toy.zarr",
        "paired": names,
        "gene_ids": ("G1", "G2"),
        "columns": {"sample": names, "lineage": ("w", "x", "y", "z")},
        "attributes": {"gene_selection": {"biotypes": ["protein_coding"], "gene_set": "common"}},
        "record": record,
        "expression": lambda samples, genes: np.zeros((len(samples), len(genes)), dtype=np.float32),
    }
    return SimpleNamespace(**(parts | changes))


def test_samples_and_genes_come_in_the_order_asked_for() -> None:
    cohort = make_cohort(atlas(), samples=("d", "a", "b"), gene_ids=("G2",))
    assert cohort.columns == {"sample": ("d", "a", "b"), "lineage": ("z", "w", "x")}
    assert (cohort.gene_ids, cohort.expression.shape) == (("G2",), (3, 1))


def test_profiles_along_other_genes_are_refused() -> None:
    cohort = toy_cohort()
    tpm = np.random.default_rng(0).uniform(1, 9, (2, 120))
    profiles = Compendium(Path("c.tsv"), "0", ("E1", "E2"), cohort.gene_ids, tpm, {}, {})
    parts = {"samples": cohort.samples, "gene_ids": cohort.gene_ids, "expression": cohort.expression}
    with_pool = replace(cohort, pool=make_pool(profiles, **parts))
    with pytest.raises(ValueError, match="make the pool anew"):
        with_genes(with_pool, np.arange(120)[::-1])


def test_too_little_or_unknown_is_refused() -> None:
    with pytest.raises(InputError, match="at least 3 samples with RNA; got 2"):
        make_cohort(atlas(paired=("a", "b")))
    with pytest.raises(InputError, match="no gene is left"):
        make_cohort(atlas(gene_ids=()))
    with pytest.raises(InputError, match="no sample 'e'"):
        make_cohort(atlas(), samples=("a", "b", "e"))
