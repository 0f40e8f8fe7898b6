"""The model card as text: what a model says of itself, and what one says that has little to say."""

import math
from typing import Any

from atac2rna.models.card import describe_model, held_out_scores, model_name, remarks, training_rows

SCORE = {"mean": 0.5, "low": None, "high": 0.6, "n": 3}
CARD: dict[str, Any] = {
    "kind": "joint",
    "version": "0.1.0",
    "n_genes": 1_234,
    "assemblies": {"hg19": "a", "hg38": "b"},
    "training_samples": {
        "one": {"assembly": "hg19", "columns": {"lineage": "blood", "assay": "ATAC-seq", "notes": "long"}},
        "two": {"assembly": "hg38", "columns": {"lineage": "liver", "assay": ""}},
    },
    "cross_validation": {"holdout": "lineage", "n_samples": 2, "metrics": {"skill": SCORE}},
}
ABOUT = {
    "name": "mine-1",
    "summary": "Two samples.",
    "sources": {"ours": "this laboratory"},
    "good_at": ["blood"],
    "bad_at": ["liver"],
    "held_out": {"dataset": {"models": {"mean": {"skill": SCORE}, "joint": {"skill": SCORE}}}},
}


def test_a_line_says_what_it_is() -> None:
    assert (
        describe_model(CARD) == "joint: joint, 1,234 genes, 2 training samples, hg19 and hg38, made by atac2rna 0.1.0"
    )
    assert model_name({**CARD, "about": ABOUT}) == "mine-1"
    bare = {"kind": "mean", "assemblies": {"hg38": "b"}}
    assert describe_model(bare) == "mean: mean, 0 genes, 0 training samples, hg38, made by atac2rna (unknown version)"


def test_columns_that_no_sample_fills_are_left_out() -> None:
    assert training_rows(CARD) == [
        ["sample", "assembly", "assay", "lineage"],
        ["one", "hg19", "ATAC-seq", "blood"],
        ["two", "hg38", "", "liver"],
    ]
    assert training_rows({"kind": "mean"}) == [["sample"]]


def test_scores_are_those_of_every_model_where_the_card_has_them() -> None:
    own = held_out_scores(CARD)
    assert list(own) == ["lineage"]
    assert list(own["lineage"]) == ["joint"]
    assert own["lineage"]["joint"]["skill"]["mean"] == 0.5
    assert math.isnan(own["lineage"]["joint"]["skill"]["low"])
    paired = {**CARD["cross_validation"], "metrics_without_compendium": {"skill": SCORE}}
    assert list(held_out_scores({**CARD, "cross_validation": paired})["lineage"]) == ["joint", "joint-paired"]
    every = held_out_scores({**CARD, "about": ABOUT})
    assert {holdout: list(models) for holdout, models in every.items()} == {"dataset": ["mean", "joint"]}
    assert held_out_scores({**CARD, "cross_validation": None}) == {}


def test_what_is_known_of_it_is_told() -> None:
    assert remarks(CARD) == []
    assert remarks({**CARD, "about": ABOUT}) == [
        "Two samples.",
        "source of ours: this laboratory.",
        "good at: blood.",
        "bad at: liver.",
    ]
