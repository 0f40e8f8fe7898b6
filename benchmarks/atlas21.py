"""Run the main job on atlas21 as a user would, and print what it took and what it found, as Markdown.

python benchmarks/atlas21.py DATA

DATA is the folder that holds atlas21/ and annotation/. Seconds and memory are the operating system's, of the whole command.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from atac2rna.evaluation.summary import SHOWN_METRICS, describe_verdict, format_table

HOLDOUTS = ("lineage", "dataset", "chromosome", "lineage,chromosome")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    annotations = [f"--annotation={name}={data}/annotation/genes_{name}.tsv.gz" for name in ("hg19", "hg38")]
    with tempfile.TemporaryDirectory() as scratch:
        atlas = f"{scratch}/atlas.zarr"
        rows = [["command", "seconds", "peak memory (MB)"]]
        rows.append(["atac2rna --help", *run("--help")])
        rows.append(["build", *run("build", f"{data}/atlas21/samples.tsv", "-o", atlas, *annotations)])
        rows.append(["check", *run("check", atlas)])
        rows.append(["train (kernel, with its cross-validation)", *run("train", atlas, "-o", f"{scratch}/model")])
        tables = []
        for holdout in HOLDOUTS:
            folder = f"{scratch}/{holdout}"
            rows.append([f"evaluate --holdout {holdout}", *run("evaluate", atlas, "--holdout", holdout, "-o", folder)])
            tables.append(describe(holdout, json.loads(Path(folder, "summary.json").read_text())))
    print("## What it took\n")
    print(markdown(rows))
    print("\n## What it found\n")
    print("\n\n".join(tables))


def run(*arguments: str) -> tuple[str, str]:
    """Run a command of atac2rna; give its wall seconds and peak resident memory."""
    start = perf_counter()
    code = "from atac2rna.cli.main import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"atac2rna {' '.join(arguments)} failed with status {status}")
    return f"{perf_counter() - start:.2f}", f"{usage.ru_maxrss / 1024:,.0f}"


def describe(holdout: str, summary: dict) -> str:
    """Lay out the tables of one hold-out."""
    parts = [f"### --holdout {holdout}", ""]
    parts.append(f"{summary['n_samples']} samples, {summary['n_clusters']} clusters, {summary['n_genes']:,} genes.")
    parts += ["", markdown(table(summary["models"]))]
    if summary["not_applicable"]:
        parts += ["", f"Not applicable: {', '.join(summary['not_applicable'])} (parameters per gene)."]
    for name, models in summary["datasets"].items():
        parts += ["", f"Samples of dataset {name}:", "", markdown(table(models))]
    if summary["strata"].get("region"):
        parts += ["", "Genes and samples of region-mlp:", "", markdown(table(summary["strata"]["region"]))]
    parts += ["", *(f"- {line}" for line in describe_verdict(summary["verdict"]))]
    return "\n".join(parts)


def table(models: dict) -> list[list[str]]:
    numbers = {
        name: {
            metric: {key: float("nan") if value is None else value for key, value in found.items()}
            for metric, found in metrics.items()
        }
        for name, metrics in models.items()
    }
    return format_table(numbers, names=SHOWN_METRICS)


def markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    main()
