"""`joint`, trained on real samples of other tissues, scored on blood of another laboratory: the numbers measured stay."""

import os
from pathlib import Path

import polars as pl
import pytest

from atac2rna.building import build_atlas
from atac2rna.evaluation.external import evaluate_unseen
from atac2rna.evaluation.run import Evaluation
from atac2rna.evaluation.unseen import gather_unseen, open_samples
from atac2rna.formats.manifest import read_manifest
from new_samples import train_alone, write

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA,
        reason="set ATAC2RNA_TEST_DATA to the folder of the real data (atlas21, annotation, expression_compendium)",
    ),
]

EXPECTED = {
    ("mean", "across_gene_r"): 0.744,
    ("mean", "across_gene_r_cal"): 0.764,
    ("gene-activity", "skill"): 0.107,
    ("gene-activity", "skill_cal"): 0.114,
    ("kernel", "delta_r"): 0.154,
    ("joint", "across_gene_r_cal"): 0.858,
    ("joint", "delta_r"): 0.609,
    ("joint", "delta_r_cal"): 0.611,
    ("joint", "delta_r_block"): 0.517,
    ("joint", "delta_r_wrong"): 0.447,
    ("joint", "skill"): 0.386,
    ("joint", "skill_cal"): 0.360,
    ("nearest", "skill"): -0.198,
    ("nearest", "skill_cal"): -0.525,
}


def judge(train: pl.DataFrame, new: pl.DataFrame, folder: Path) -> Evaluation:
    """Train with the compendium and score on samples, some of them those trained on."""
    annotations = {name: Path(DATA, "annotation", f"genes_{name}.tsv.gz") for name in ("hg19", "hg38")}
    path = write(train, folder / "train.tsv")
    atlas = build_atlas(read_manifest(path), folder / "train.zarr", annotations=annotations)
    profiles = Path(DATA, "expression_compendium")
    trained = train_alone(
        atlas,
        folder / "model",
        "joint",
        compendium=profiles / "roadmap56_tpm.tsv.gz",
        compendium_info=profiles / "epigenomes.tsv",
    )
    (folder / "gathered").mkdir()
    source = open_samples(write(new, folder / "new.tsv"))
    return evaluate_unseen(trained, gather_unseen(trained, source, folder / "gathered"))


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    path = Path(DATA, "atlas21", "samples.tsv")
    table = pl.read_csv(path, separator="\t", infer_schema=False)
    return table.with_columns((pl.lit(f"{path.parent}/") + pl.col("atac", "rna")).name.keep())


def test_blood_by_a_model_of_other_tissues(table: pl.DataFrame, tmp_path: Path) -> None:
    blood = pl.col("dataset") == "heme_corces"
    found = judge(table.filter(~blood), table, tmp_path)
    assert {*found.summary["left_out"]} == {*table.filter(~blood)["sample"]}
    assert found.summary["flagged"] == {}
    assert found.summary["n_samples"] == 14
    for (model, metric), value in EXPECTED.items():
        assert found.summary["models"][model][metric]["mean"] == pytest.approx(value, abs=0.015), (model, metric)
    assert found.summary["verdict"]["joint"]["skill_cal"]["vs_best"]["beats"]


def test_samples_whose_expression_is_in_the_compendium_are_flagged(table: pl.DataFrame, tmp_path: Path) -> None:
    """Five ENCODE samples are five of the Roadmap profiles: a model of blood, given all of these, knew their expression."""
    blood = table.filter(pl.col("dataset") == "heme_corces")
    found = judge(blood, table.filter(pl.col("dataset") == "encode_roadmap"), tmp_path)
    profiles = {"GM12878": "E116", "HeLa-S3": "E117", "HUVEC": "E122", "K562": "E123", "NHEK": "E127"}
    assert found.summary["flagged"] == {
        name: f"its expression correlates at 1.0000 with profile {profile} of the compendium that the model was fitted with"
        for name, profile in profiles.items()
    }
