"""Training: what is fitted, what the card says, and what stands where it cannot be done."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna import evaluate, training
from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import make_cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import fit_model
from atac2rna.formats.manifest import read_manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.models.registry import DEFAULT_MODEL, MODELS, WHOLE_GENOME, Kind, make_model
from atac2rna.models.store import load_model
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from atac2rna.training import TrainingSettings, comparison, count_steps, resolve, settings_from, train

TINY = {"hidden": 4, "epochs": 3}


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "draw_training", lambda *_: None)


@pytest.fixture(scope="module")
def two_assemblies(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """Nine samples of three lineages, every second one in sim2."""
    folder = tmp_path_factory.mktemp("two")
    settings = SimulationSettings(lineages=3, samples_per_lineage=3, genes=100, random_peaks=40, assemblies=2)
    made = simulate(folder / "files", settings)
    return build_atlas(read_manifest(made.samples), folder / "atlas", annotations=made.annotations)


@pytest.mark.usefixtures("_fit_alone")
@pytest.mark.parametrize("name", WHOLE_GENOME)
def test_the_model_is_fitted_on_all_paired_samples(name: str, opened: Atlas, tmp_path: Path) -> None:
    result = train(opened, tmp_path / "model", TrainingSettings(model=name))
    cohort = make_cohort(opened)
    everyone = range(len(cohort.samples))
    by_hand = fit_model(make_model(name), cohort, everyone, clusters=cohort.columns["lineage"], seed=0)
    for sample in cohort.samples[:3]:
        expected = by_hand.predict(cohort.inputs(sample, by_hand.representation))
        predicted = load_model(tmp_path / "model").predict(opened.peaks(sample), assembly="sim1")
        np.testing.assert_array_equal(predicted, expected)
        np.testing.assert_array_equal(result.trained.predict(opened.peaks(sample), assembly="sim1"), expected)


@pytest.mark.usefixtures("_fit_alone")
def test_the_reliability_of_genes_comes_back_with_the_model(
    opened: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "blank", Kind("toy_models:Blank", "nothing"))
    result = train(opened, tmp_path / "model", TrainingSettings(model="blank"))
    expected = np.tile(np.array([0.75, 0.9375], dtype=np.float32), len(opened.gene_ids) // 2)
    np.testing.assert_array_equal(load_model(tmp_path / "model").reliability, expected)
    np.testing.assert_array_equal(result.trained.reliability, expected)
    train(opened, tmp_path / "without", TrainingSettings(model="mean"))
    assert np.isnan(load_model(tmp_path / "without").reliability).all()


def test_the_card_has_the_scores_of_evaluate(opened: Atlas, tmp_path: Path) -> None:
    result = train(opened, tmp_path / "model", TrainingSettings(seed=5))
    assert result.evaluation is not None
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    alone = evaluate(opened, comparison(TrainingSettings(seed=5)))
    metrics = alone.summary["models"][DEFAULT_MODEL]
    assert card["cross_validation"]["holdout"] == "lineage"
    assert card["cross_validation"]["n_samples"] == len(opened.paired)
    assert card["cross_validation"]["metrics"]["skill"] == metrics["skill"]
    assert set(card["cross_validation"]["metrics"]) == set(metrics)
    checksums = {record.name: [source.sha256 for source in record.atac] for record in opened.samples}
    assert {name: told["atac"] for name, told in card["training_samples"].items()} == checksums


def test_every_step_is_told(opened: Atlas, tmp_path: Path) -> None:
    steps: list[str] = []
    train(opened, tmp_path / "model", progress=steps.append)
    assert steps[0] == f"fitted {DEFAULT_MODEL}"
    assert steps[-1] == f"wrote {tmp_path / 'model'}"
    assert len(steps) == count_steps(opened, TrainingSettings())


@pytest.mark.usefixtures("_fit_alone")
def test_prediction_is_the_same_in_either_assembly(tmp_path: Path, two_assemblies: Atlas) -> None:
    train(two_assemblies, tmp_path / "model", TrainingSettings(model="ridge"))
    model = load_model(tmp_path / "model")
    assert set(model.tables) == {"sim1", "sim2"}
    by_assembly = {record.assembly: record.name for record in two_assemblies.samples}
    for assembly, sample in by_assembly.items():
        assert np.isfinite(model.predict(two_assemblies.peaks(sample), assembly=assembly)).all()
    with pytest.raises(InputError, match="'sim3'"):
        model.predict(two_assemblies.peaks(by_assembly["sim1"]), assembly="sim3")


@pytest.mark.usefixtures("_fit_alone")
def test_region_model_trains_on_its_own_samples_and_genes(two_assemblies: Atlas, tmp_path: Path) -> None:
    result = train(two_assemblies, tmp_path / "model", TrainingSettings(model="region-mlp", settings=TINY))
    of_sim1 = [record.name for record in two_assemblies.samples if record.assembly == "sim1"]
    of_sim2 = [record.name for record in two_assemblies.samples if record.assembly == "sim2"]
    assert list(result.trained.card["training_samples"]) == of_sim1
    assert set(result.trained.tables) == {"sim1"}
    assert set(result.trained.tables["sim1"].frame["chrom"]) == {"chr1"}
    assert result.notes[-1] == "not cross-validated: left out"
    assert result.notes[0] == f"samples of other assemblies than sim1 are left out: {', '.join(of_sim2)}"
    assert result.trained.card["settings"]["bins"] == "score"
    assert np.isfinite(result.trained.predict(two_assemblies.peaks(of_sim1[0]), assembly="sim1")).all()


@pytest.mark.usefixtures("_fit_alone")
def test_a_sample_without_rna_is_no_training_sample(small: Simulation, tmp_path: Path) -> None:
    sheets = [pl.read_csv(path, separator="\t", infer_schema=False) for path in (small.samples, small.atac_only)]
    table = pl.concat(sheets)
    table.write_csv(small.folder / "both.tsv", separator="\t")
    atlas = build_atlas(read_manifest(small.folder / "both.tsv"), tmp_path / "atlas", annotations=small.annotations)
    (small.folder / "both.tsv").unlink()
    result = train(atlas, tmp_path / "model", TrainingSettings(model="nearest"))
    assert list(result.trained.card["training_samples"]) == sheets[0]["sample"].to_list()
    alone = read_peaks(small.folder / sheets[1]["atac"][0]).peaks
    assert np.isfinite(result.trained.predict(alone, assembly="sim1")).all()


def test_an_existing_folder_is_kept(opened: Atlas, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists; pass --overwrite"):
        train(opened, tmp_path / "model", TrainingSettings(model="mean"))
    with pytest.raises(InputError, match="something other than a model"):
        train(opened, tmp_path / "model", TrainingSettings(model="mean"), overwrite=True)
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("_fit_alone")
def test_a_damaged_model_can_be_replaced(opened: Atlas, tmp_path: Path) -> None:
    train(opened, tmp_path / "model", TrainingSettings(model="mean"))
    (tmp_path / "model" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="is missing"):
        load_model(tmp_path / "model")
    train(opened, tmp_path / "model", TrainingSettings(model="nearest"), overwrite=True)
    assert load_model(tmp_path / "model").card["kind"] == "nearest"


def test_settings_of_flags_win_one_by_one() -> None:
    given = {"model": "region-mlp", "seed": 2, "settings": {"hidden": 4, "epochs": 5}}
    settings = settings_from(given, own={"epochs": 6}, bins="top=9")
    assert settings == TrainingSettings(
        model="region-mlp", seed=2, settings={"hidden": 4, "epochs": 6, "bins": "top=9"}
    )
    resolved = resolve(settings)
    assert (resolved["model"], resolved["seed"], resolved["settings"]["width"]) == ("region-mlp", 2, 1_000)
    assert json.loads(json.dumps(resolved)) == resolved


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"modle": "ridge"},
            "has the keys model, seed, compendium, compendium_info, strict_relatives, settings; got 'modle'",
        ),
        ({"seed": "x"}, "'seed' does not fit"),
        ({"settings": [1]}, "'settings' does not fit"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        settings_from(values)
