"""The model directory: bit-equal predictions, equal bytes, and refusal of whatever was changed."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.manifest import read_manifest
from atac2rna.genome import GeneTable
from atac2rna.models.base import Model
from atac2rna.models.registry import WHOLE_GENOME, make_model
from atac2rna.models.settings import ModelSettings
from atac2rna.models.store import TrainedModel, load_model, save_model, signed
from atac2rna.simulate import SimulationSettings, simulate

FILES = {"model.json", "weights.safetensors", "genes.tsv.gz"}
CARD = {"version": "0", "seed": 3, "cross_validation": {"skill": float("nan"), "n": [1, float("nan")]}}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    folder = tmp_path_factory.mktemp("model store")
    settings = SimulationSettings(genes=120, lineages=3, chromosomes=2, random_peaks=50, assemblies=2)
    simulation = simulate(folder / "files", settings)
    build_atlas(read_manifest(simulation.samples), folder / "atlas", annotations=simulation.annotations)
    return build_atlas(read_manifest(simulation.atac_only), folder / "atlas", annotations={}, mode="add")


@pytest.fixture(scope="module")
def cohort(atlas: Atlas) -> Cohort:
    return make_cohort(atlas)


def tables_of(cohort: Cohort) -> dict[str, GeneTable]:
    return {name: cohort.atlas.genes(name, cohort.gene_ids) for name in ("sim1", "sim2")}


def fitted(cohort: Cohort, name: str, **settings: Any) -> Model:
    model = make_model(name, settings)
    rows = range(len(cohort.samples))
    model.fit(cohort.training_set(rows, model.representation, clusters=cohort.groups, seed=0))
    return model


def saved(folder: Path, cohort: Cohort, model: Model, **further: Any) -> Path:
    folder.mkdir(parents=True)
    save_model(folder, model, tables=tables_of(cohort), card=further.pop("card", CARD), **further)
    return folder


@pytest.fixture
def kernel(tmp_path: Path, cohort: Cohort) -> Path:
    return saved(tmp_path / "kernel", cohort, fitted(cohort, "kernel"))


def edit(folder: Path, change: Any) -> None:
    """Change model.json."""
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(signed(card)))


@pytest.mark.parametrize("name", WHOLE_GENOME)
def test_a_loaded_model_predicts_the_same_to_the_bit(tmp_path: Path, cohort: Cohort, name: str) -> None:
    model = fitted(cohort, name)
    folder = saved(tmp_path / "model", cohort, model)
    loaded = load_model(folder)
    assert loaded.gene_ids == cohort.gene_ids
    assert loaded.model.settings == model.settings  # type: ignore[attr-defined]
    for record in cohort.atlas.samples:
        peaks = cohort.atlas.peaks(record.name)
        expected = model.predict(model.representation(peaks, cohort.atlas.genes(record.assembly, cohort.gene_ids)))
        predicted = loaded.predict(peaks, assembly=record.assembly)
        assert predicted.dtype == expected.dtype == np.float32
        assert predicted.tobytes() == expected.tobytes()
    again = saved(tmp_path / "again", cohort, loaded.model)
    assert {f: checksum(again / f) for f in FILES} == {f: checksum(folder / f) for f in FILES}


def test_the_directory_holds_three_files_and_no_pickle(kernel: Path) -> None:
    assert {path.name for path in kernel.iterdir()} == FILES
    content = (kernel / "weights.safetensors").read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:size])
    assert header.pop("__metadata__") == {"kind": "kernel"}
    assert {array["dtype"] for array in header.values()} == {"F32"}
    assert max(array["data_offsets"][1] for array in header.values()) == len(content) - size
    assert gzip.decompress((kernel / "genes.tsv.gz").read_bytes()).decode().startswith("gene_id\tgene_name\t")


def test_equal_models_are_equal_files(tmp_path: Path, cohort: Cohort) -> None:
    first, second = (saved(tmp_path / x, cohort, fitted(cohort, "ridge")) for x in "ab")
    assert {f: checksum(first / f) for f in FILES} == {f: checksum(second / f) for f in FILES}


def test_the_card_says_what_it_is(kernel: Path, cohort: Cohort) -> None:
    card = json.loads((kernel / "model.json").read_text(), parse_constant=pytest.fail)
    assert (card["format"], card["format_version"], card["kind"]) == ("atac2rna-model", 2, "kernel")
    assert card["settings"] == fitted(cohort, "kernel").settings.model_dump()  # type: ignore[attr-defined]
    assert card["cross_validation"] == {"skill": None, "n": [1, None]}
    assert card["assemblies"] == {name: table.fingerprint for name, table in tables_of(cohort).items()}
    assert card["files"] == {f: checksum(kernel / f) for f in FILES - {"model.json"}}
    assert load_model(kernel).card == card


def test_settings_come_back(tmp_path: Path, cohort: Cohort) -> None:
    folder = saved(tmp_path / "model", cohort, fitted(cohort, "kernel", noise=0.7))
    assert load_model(folder).model.settings.noise == 0.7  # type: ignore[attr-defined]


def test_the_gene_table_holds_places_and_reliability(tmp_path: Path, cohort: Cohort) -> None:
    reliability = np.linspace(-0.2, 0.9, len(cohort.gene_ids), dtype=np.float32)
    reliability[1] = np.nan
    folder = saved(tmp_path / "model", cohort, fitted(cohort, "mean"), reliability=reliability)
    frame = pl.read_csv(folder / "genes.tsv.gz", separator="\t", infer_schema=False)
    places = [f"{column}.{name}" for name in ("sim1", "sim2") for column in ("chrom", "start", "end", "strand", "tss")]
    assert frame.columns == ["gene_id", "gene_name", "biotype", "version", "reliability", *places]
    assert tuple(frame["gene_id"]) == cohort.gene_ids
    loaded = load_model(folder)
    np.testing.assert_array_equal(loaded.reliability, reliability)
    for name, table in tables_of(cohort).items():
        assert frame[f"tss.{name}"].cast(pl.Int32).to_list() == table.tss.tolist()
        assert loaded.tables[name].frame.equals(table.frame)
        assert loaded.tables[name].fingerprint == table.fingerprint
    assert np.isnan(load_model(saved(tmp_path / "none", cohort, fitted(cohort, "mean"))).reliability).all()


def test_names_of_genes_survive_as_they_are(tmp_path: Path, cohort: Cohort) -> None:
    odd = ['3" end', "", "a,b", "'", "NA", "null", "1e5", "é"]
    tables = tables_of(cohort)
    for name, table in tables.items():
        names = pl.Series([*odd, *table.frame["gene_name"][len(odd) :]])
        tables[name] = GeneTable(name, table.frame.with_columns(gene_name=names))
    folder = tmp_path / "model"
    folder.mkdir()
    save_model(folder, fitted(cohort, "mean"), tables=tables, card={})
    assert load_model(folder).tables["sim2"].frame["gene_name"].to_list()[: len(odd)] == odd


def test_tables_of_different_genes_are_a_mistake(tmp_path: Path, cohort: Cohort) -> None:
    tables = tables_of(cohort) | {"sim2": cohort.atlas.genes("sim2", cohort.gene_ids[::-1])}
    with pytest.raises(ValueError, match=r"list the same genes in one order; those of \['sim1', 'sim2'\] do not"):
        save_model(tmp_path, fitted(cohort, "mean"), tables=tables, card={})
    with pytest.raises(ValueError, match=r"keys \['files', 'settings'\] of model.json are the store's own"):
        save_model(tmp_path, fitted(cohort, "mean"), tables=tables_of(cohort), card={"settings": {}, "files": {}})
    assert not list(tmp_path.iterdir())


class Scalar:
    """A model whose state is a number."""

    name = "mean"
    per_gene = False
    settings = ModelSettings()

    def state(self) -> dict[str, NDArray[Any]]:
        return {"number": np.array(2.5, dtype=np.float32), "turned": np.arange(6).reshape(2, 3).T}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.read = dict(state)


def test_arrays_keep_their_shapes(tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "model", cohort, Scalar())  # type: ignore[arg-type]
    monkeypatch.setattr("atac2rna.models.store.make_model", lambda *_: Scalar())
    read = load_model(tmp_path / "model").model.read  # type: ignore[attr-defined]
    assert read["number"].shape == ()
    assert read["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


# Refusals


@pytest.mark.parametrize("name", ["weights.safetensors", "genes.tsv.gz"])
@pytest.mark.parametrize("harm", ["changed", "cut", "removed"])
def test_a_file_that_is_not_as_written_is_refused(kernel: Path, name: str, harm: str) -> None:
    path = kernel / name
    content = path.read_bytes()
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if harm == "changed" else b""))
    words = "a file of the model is missing" if harm == "removed" else "differs from what model.json says"
    with pytest.raises(InputError, match=words) as told:
        load_model(kernel)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(format_version=3), r"reads model format 2; got 3. Install"),
        (lambda c: c.update(format_version="new"), r"reads model format 2; got new."),
        (lambda c: c.pop("format_version"), r"reads model format 2; got None."),
        (lambda c: c.update(format="other"), "describes no model of atac2rna"),
        (lambda c: c.pop("format"), "describes no model of atac2rna"),
        (lambda c: c.update(kind="kernl"), r"there is no model 'kernl'; did you mean 'kernel'"),
        (lambda c: c.update(kind="mean", settings={}), "model.json says 'mean', the weights are of 'kernel'"),
        (lambda c: c.update(settings={"noize": 1}), "has no setting 'noize'; did you mean 'noise'"),
        (lambda c: c.update(settings={"noise": "much"}), "setting 'noise' of model 'kernel' does not fit"),
        (lambda c: c["files"].pop("weights.safetensors"), "differs from what model.json says"),
        (lambda c: c.pop("files"), r"is damaged \('files' is missing\)"),
        (lambda c: c.pop("assemblies"), r"is damaged \('assemblies' is missing\)"),
    ],
)
def test_a_changed_card_is_refused_in_one_sentence(kernel: Path, change: Any, words: str) -> None:
    edit(kernel, change)
    with pytest.raises(InputError, match=words) as told:
        load_model(kernel)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("key", ["training_samples", "settings", "cross_validation", "card_sha256"])
def test_a_card_that_is_not_as_written_is_refused(kernel: Path, key: str) -> None:
    card = json.loads((kernel / "model.json").read_text())
    for changed in ({**card, key: None}, {**card, key: {"a": 1}}, {k: v for k, v in card.items() if k != key}):
        if changed == card:
            continue
        (kernel / "model.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match=r"model\.json: (differs from what was written|is damaged)"):
            load_model(kernel)


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is damaged"), ("[]", "no model of atac2rna"), (None, "has no model.json")]
)
def test_what_is_no_model_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError, match=words):
        load_model(tmp_path)


def test_an_assembly_that_the_model_does_not_know_is_told(kernel: Path, cohort: Cohort) -> None:
    model: TrainedModel = load_model(kernel)
    with pytest.raises(InputError, match=r"has none of 'sim3'; did you mean 'sim[12]' or 'sim[12]'\?"):
        model.predict(cohort.atlas.peaks(cohort.samples[0]), assembly="sim3")
    only = replace(model, tables={"sim1": model.tables["sim1"]})
    with pytest.raises(InputError, match="has none of 'sim2'"):
        only.predict(cohort.atlas.peaks(cohort.samples[0]), assembly="sim2")
