"""Own samples beside a trained model: genes by id, the model's scale, its profiles, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import make_cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import fit_model
from atac2rna.formats.manifest import read_manifest
from atac2rna.genome import GeneTable
from atac2rna.models.fine_tuned import FineTuned
from atac2rna.models.registry import make_model
from atac2rna.models.store import TrainedModel, load_model, save_model
from atac2rna.own_samples import known_profiles, lay_own_samples
from atac2rna.simulate import Simulation


def trained_on(
    atlas: Atlas, folder: Path, *, kind: str = "kernel", genes: slice = slice(None), samples: slice = slice(0, 8)
) -> TrainedModel:
    """A model of some samples and genes, the genes in reverse order."""
    ids = tuple(reversed(atlas.gene_ids[genes]))
    cohort = make_cohort(atlas, samples=atlas.paired[samples], gene_ids=ids)
    settings = {"members": 0} if kind == "joint" else {}
    model = fit_model(make_model(kind, settings), cohort, range(len(cohort.samples)), clusters=cohort.lineages, seed=0)
    files = {name: {"atac": [file.sha256 for file in atlas.record(name).atac]} for name in cohort.samples}
    folder.mkdir()
    save_model(folder, model, tables={"sim1": atlas.genes("sim1", ids)}, card={"training_samples": files})
    return load_model(folder)


@pytest.fixture(scope="module")
def own_atlas_path(small: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last six of the sixteen samples and two of the first, the latter renamed."""
    folder = tmp_path_factory.mktemp("own")
    table = pl.read_csv(small.samples, separator="\t", infer_schema=False)
    chosen = pl.concat([table[:2].with_columns(sample=pl.col("sample") + "-mine"), table[10:]])
    chosen.write_csv(small.folder / "own.tsv", separator="\t")
    build_atlas(read_manifest(small.folder / "own.tsv"), folder / "atlas.zarr", annotations=small.annotations)
    (small.folder / "own.tsv").unlink()
    return folder / "atlas.zarr"


@pytest.fixture
def own_atlas_(own_atlas_path: Path) -> Atlas:
    return Atlas(own_atlas_path)


def test_expression_stands_along_the_genes_of_the_model(opened: Atlas, own_atlas_: Atlas, tmp_path: Path) -> None:
    trained = trained_on(opened, tmp_path / "model")
    own = lay_own_samples(own_atlas_, trained)
    assert own.cohort.gene_ids == tuple(reversed(opened.gene_ids))
    assert own.measured.all()
    expected = own_atlas_.expression(own_atlas_.paired, own.cohort.gene_ids)
    np.testing.assert_allclose(own.cohort.expression, expected, atol=1e-4)
    np.testing.assert_allclose((2.0**own.cohort.expression - 1).sum(axis=1), 1e6, rtol=1e-4)
    np.testing.assert_array_equal(
        own.inputs[0], trained.model.representation(own_atlas_.peaks(own.cohort.samples[0]), trained.tables["sim1"])
    )


def test_genes_that_the_model_lacks_are_dropped_and_the_rest_is_scaled(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path
) -> None:
    trained = trained_on(opened, tmp_path / "model", genes=slice(0, 50))
    own = lay_own_samples(own_atlas_, trained)
    assert own.cohort.expression.shape == (8, 50)
    np.testing.assert_allclose((2.0**own.cohort.expression - 1).sum(axis=1), 1e6, rtol=1e-4)


def test_where_genes_were_not_measured_the_others_have_what_the_model_expects_of_them(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(opened, tmp_path / "model")
    raw = own_atlas_.raw_tpm(own_atlas_.paired)
    raw[:, :40] = np.nan
    monkeypatch.setattr(Atlas, "raw_tpm", lambda *_: raw)
    own = lay_own_samples(own_atlas_, trained)
    dark = set(own_atlas_.axis[:40])
    np.testing.assert_array_equal(~own.measured, [gene in dark for gene in trained.gene_ids])
    assert np.isnan(own.cohort.expression[:, ~own.measured]).all()
    for inputs, values in zip(own.inputs, own.cohort.expression, strict=True):
        expected = 2.0 ** trained.model.predict(inputs).astype(np.float64) - 1
        share = expected[own.measured].sum() / expected.sum()
        assert (2.0 ** values[own.measured] - 1).sum() == pytest.approx(1e6 * share, rel=1e-4)


def test_too_few_shared_genes_are_refused(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(opened, tmp_path / "model")
    raw = own_atlas_.raw_tpm(own_atlas_.paired)
    raw[:, 70:] = np.nan
    monkeypatch.setattr(Atlas, "raw_tpm", lambda *_: raw)
    with pytest.raises(InputError, match=r"at least half of the model's genes.*got 64 of 140 \(45.7%\)"):
        lay_own_samples(own_atlas_, trained)


def test_a_sample_without_any_expression_is_refused(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(opened, tmp_path / "model")
    raw = own_atlas_.raw_tpm(own_atlas_.paired)
    raw[3] = 0
    monkeypatch.setattr(Atlas, "raw_tpm", lambda *_: raw)
    with pytest.raises(InputError, match=rf"those of {own_atlas_.paired[3]} add up to 0 TPM \(1 of 8 samples\)"):
        lay_own_samples(own_atlas_, trained)


def test_one_sample_is_too_few(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(opened, tmp_path / "model")
    monkeypatch.setattr(own_atlas_, "paired", own_atlas_.paired[:1])
    with pytest.raises(InputError, match="at least 2 samples with RNA; got 1"):
        lay_own_samples(own_atlas_, trained)


def renamed(trained: TrainedModel, assembly: str) -> TrainedModel:
    table = trained.tables["sim1"]
    return TrainedModel(trained.model, {assembly: GeneTable(assembly, table.frame)}, trained.card, trained.reliability)


def test_an_assembly_that_the_model_does_not_know_takes_the_table_of_the_atlas(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = renamed(trained_on(opened, tmp_path / "model"), "sim9")
    own = lay_own_samples(own_atlas_, trained)
    assert list(own.tables) == ["sim9", "sim1"]
    assert own.tables["sim1"].gene_ids == trained.gene_ids
    short = GeneTable("sim1", own_atlas_.tables["sim1"].frame[3:])
    selected = np.concatenate([[False] * 3, own_atlas_.selected[3:]])
    monkeypatch.setattr(Atlas, "tables", {"sim1": short})
    monkeypatch.setattr(Atlas, "selected", selected)
    fresh = Atlas(own_atlas_.path)
    with pytest.raises(InputError, match=r"knows its genes in sim9, and for samples of sim1.*3 of 140 are not there"):
        lay_own_samples(fresh, trained)


def test_samples_that_the_model_was_trained_on_are_found_by_their_file(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path
) -> None:
    own = lay_own_samples(own_atlas_, trained_on(opened, tmp_path / "model"))
    first = opened.paired[:2]
    assert own.seen == {f"{name}-mine": name for name in first}


def test_samples_that_the_model_was_trained_on_are_found_by_their_expression(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path
) -> None:
    """The peak file was written anew, so that its checksum says nothing."""
    trained = trained_on(opened, tmp_path / "model")
    ids = trained.gene_ids
    kept = make_cohort(opened, samples=opened.paired[:8], gene_ids=ids).experience()
    unnamed = replace(trained, experience=kept, card={**trained.card, "training_samples": {}})
    assert lay_own_samples(own_atlas_, unnamed).seen == {f"{name}-mine": name for name in opened.paired[:2]}
    noise = np.random.default_rng(0).normal(size=kept.expression.shape).astype(np.float32)
    other = replace(unnamed, experience=replace(kept, expression=kept.expression + noise))
    assert lay_own_samples(own_atlas_, other).seen == {}


def test_samples_that_are_a_profile_of_the_model_are_known(opened: Atlas, own_atlas_: Atlas, tmp_path: Path) -> None:
    """Whoever holds the expression of a sample is not judged by it, wherever it has it from."""
    trained = trained_on(opened, tmp_path / "model", kind="joint")
    names = [f"E{i}" for i in range(3)]
    card = {**trained.card, "training_samples": {}, "compendium": {"used": names}}
    own = lay_own_samples(own_atlas_, replace(trained, card=card))
    assert own.seen == {f"{name}-mine": f"profile {i + 1}" for i, name in enumerate(opened.paired[:2])}
    assert own.repeated == frozenset()
    assert own.experience().samples == own.cohort.samples
    everything = {**card, "compendium": {"used": [f"E{i}" for i in range(8)]}}
    assert set(lay_own_samples(own_atlas_, replace(trained, card=everything)).seen.values()) == {"E0", "E1"}


def test_profiles_of_the_model_come_along_unless_they_are_own_samples(
    opened: Atlas, own_atlas_: Atlas, tmp_path: Path
) -> None:
    trained = trained_on(opened, tmp_path / "model", kind="joint")
    profiles = known_profiles(trained.model)
    assert profiles is not None
    ids = trained.gene_ids
    np.testing.assert_allclose(profiles, opened.expression(opened.paired[:8], ids), atol=0.01)
    own = lay_own_samples(own_atlas_, trained)
    assert own.profiles is not None
    assert len(own.profiles) == 6
    np.testing.assert_array_equal(own.profiles, profiles[2:])
    training = own.training_set([2, 3, 5], seed=4)
    assert training.prior is not None
    assert training.prior.barred.shape == (3, 6)
    assert (training.samples, training.seed) == (tuple(own.cohort.samples[i] for i in (2, 3, 5)), 4)
    np.testing.assert_array_equal(known_profiles(FineTuned.continuing(trained.model)), profiles)


def test_a_model_without_profiles_has_none(opened: Atlas, own_atlas_: Atlas, tmp_path: Path) -> None:
    own = lay_own_samples(own_atlas_, trained_on(opened, tmp_path / "model"))
    assert own.profiles is None
    assert own.training_set([2, 3], seed=0).prior is None
