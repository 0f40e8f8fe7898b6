"""The path of a new user on 21 real samples, and the first experiment's matrices: the numbers measured stay."""

import json
import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atac2rna.cli.main import _exit_code
from conftest import Cli

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA, reason="set ATAC2RNA_TEST_DATA to the folder of the real data (atlas21, annotation)"),
]

# Leaving out one lineage at a time, as measured first; independent prototypes had 0.84, 0.31, 0.49, 0.21, 0.36, 0.10.
EXPECTED = {
    ("mean", "across_gene_r"): 0.84,
    ("nearest", "delta_r"): 0.34,
    ("kernel", "delta_r"): 0.51,
    ("kernel", "skill"): 0.247,
    ("ridge", "delta_r"): 0.355,
    ("ridge", "skill"): 0.116,
}

# Rows and columns as the README of the data counts them, from 0.
DEFECTS = {
    ("ERROR", "matrix-column-order", "lines, tissues"): "r = -0.019 as they stand, 0.961 reordered",
    ("ERROR", "matrix-unfilled-columns", "lines columns"): "170 of 360 columns",
    ("ERROR", "matrix-unfilled-columns", "tissues columns"): "170 of 360 columns",
    ("ERROR", "matrix-no-expression", "tissues rows 0, 4, 7, 14"): "row 14: all 360 values zero",
    ("ERROR", "matrix-little-expression", "tissues rows 10-12"): "row 10: 3.8 TPM, 14 genes",
    ("ERROR", "matrix-few-peaks", "tissues rows 0-2, 4, 7-8, 10-12, 14"): "row 1: 3 bins",
    ("WARNING", "matrix-few-peaks", "tissues row 3"): "100 bins",
    ("WARNING", "matrix-little-expression", "tissues rows 5, 17"): "row 17: 29.1 TPM",
    ("WARNING", "matrix-near-duplicates", "tissues rows 2-3, 6, 9"): "rows 3 and 9: r = 0.98",
    ("WARNING", "matrix-unlogged", "lines"): "largest value 1,244",
    ("WARNING", "matrix-unlogged", "tissues"): "largest value 1,390",
    ("NOTE", "matrix-zero-bins", "lines"): "8,791 of 10,000 bins",
    ("NOTE", "matrix-zero-bins", "tissues"): "8,972 of 10,000 bins",
    ("NOTE", "matrix-zero-genes", "lines"): "239 of 360 genes",
    ("NOTE", "matrix-zero-genes", "tissues"): "244 of 360 genes",
}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "atlas.zarr"
    words = ["build", f"{DATA}/atlas21/samples.tsv", "-o", str(path)]
    for assembly in ("hg19", "hg38"):
        words += ["--annotation", f"{assembly}={DATA}/annotation/genes_{assembly}.tsv.gz"]
    assert _exit_code(words) == 0
    return path


@pytest.fixture(scope="module")
def evaluation(atlas: Path) -> Path:
    folder = atlas.with_name("evaluation")
    words = ["--models", "mean,nearest,gene-activity,ridge,kernel,region-mlp"]  # test_joint_atlas21.py has joint
    assert _exit_code(["evaluate", str(atlas), "--holdout", "lineage", "-o", str(folder), *words]) == 0
    return folder


@pytest.fixture(scope="module")
def summary(evaluation: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((evaluation / "summary.json").read_text())
    return found


def findings(out: str) -> dict[tuple[str, str, str], str]:
    """Severity, code and subject of each finding, with the value measured."""
    heads = re.findall(r"^(ERROR|WARNING|NOTE) +([\w-]+): (.*) \((.*)\)$", out, flags=re.MULTILINE)
    return {(severity, code, subject): value for severity, code, subject, value in heads}


def test_check_finds_warnings_and_no_error(atlas: Path, cli: Cli) -> None:
    ended = cli("check", atlas)
    assert ended.code == 0, ended.out
    found = {(severity, code): subject for severity, code, subject in findings(ended.out)}
    assert found["WARNING", "score-constant"] == "GM12878, HeLa-S3, HUVEC, K562"
    assert found["WARNING", "expression-sum"] == "stomach_ENTEx, sigmoid_colon_ENTEx"
    assert found["WARNING", "assays-mixed"] == "GM12878, HeLa-S3, HUVEC, K562, NHEK"
    assert "findings: 0 errors, " in ended.out


def test_genes_samples_and_lineages(summary: dict[str, Any]) -> None:
    assert (summary["n_genes"], summary["n_samples"], summary["n_clusters"]) == (17_856, 21, 13)


@pytest.mark.parametrize(("model", "metric"), EXPECTED)
def test_scores_are_those_measured_before(model: str, metric: str, summary: dict[str, Any]) -> None:
    assert summary["models"][model][metric]["mean"] == pytest.approx(EXPECTED[model, metric], abs=0.03)


def test_the_nearest_sample_is_worse_than_the_mean(summary: dict[str, Any]) -> None:
    assert summary["models"]["nearest"]["skill"]["high"] < 0
    assert not summary["verdict"]["nearest"]["skill"]["vs_mean"]["beats"]
    assert summary["verdict"]["kernel"]["skill"]["vs_best"]["beats"]


def test_the_wrong_sample_tells_less_than_the_right_one(summary: dict[str, Any]) -> None:
    for model in ("gene-activity", "ridge", "kernel"):
        values = summary["models"][model]
        assert values["delta_r_wrong"]["mean"] < values["delta_r"]["mean"] - 0.1


def test_the_region_has_its_table(summary: dict[str, Any], evaluation: Path) -> None:
    region = summary["strata"]["region"]
    assert list(region) == [*summary["models"], "region-mlp"]
    assert region["region-mlp"]["skill"]["mean"] < region["kernel"]["skill"]["mean"]
    # The two samples in hg38 have no place in it.
    assert {values["skill"]["n"] for values in region.values()} == {19}
    scores = pl.read_csv(evaluation / "metrics.tsv", separator="\t", null_values="NaN")
    assert scores.filter(stratum="region", model="region-mlp").height == 19
    assert (evaluation / "pictures" / "region-genes-region-mlp.png").is_file()


def test_defects_of_the_first_experiment_are_named_with_their_rows(cli: Cli) -> None:
    ended = cli("check", f"{DATA}/seed_chr1")
    assert ended.code == 1
    found = findings(ended.out)
    for (severity, code, subject), value in DEFECTS.items():
        (own,) = [v for (s, c, name), v in found.items() if (s, c) == (severity, code) and name.startswith(subject)]
        assert value in own, (code, own)
    assert len(found) == len(DEFECTS)
    (unfilled,) = [name for _, code, name in found if code == "matrix-unfilled-columns" and name.startswith("lines")]
    assert unfilled.startswith("lines columns 2, 4, 8, 10-11, 13,")
