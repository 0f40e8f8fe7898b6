"""Hold out each lineage of an atlas and compare deep with the simple models, as Markdown.

python benchmarks/deep_atlas21.py ATLAS [--compendium FILE --compendium-info FILE] [--models mean,ridge,kernel,deep]

What `atac2rna evaluate --models ...` reports without its wrong-ATAC control, which would fit deep forty more times. With
a compendium deep stands twice in the table: with it, and as deep (paired only) without it.
"""

import argparse
from pathlib import Path
from time import process_time

import polars as pl
import torch

from atac2rna.atlas import Atlas
from atac2rna.cohort import make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.evaluation.heldout import cross_validate
from atac2rna.evaluation.scoring import score_samples
from atac2rna.evaluation.summary import format_table, summarise_models
from atac2rna.folds import make_folds
from atac2rna.metrics import cluster_bootstrap
from atac2rna.models.registry import make_model

SHOWN = ("across_gene_r", "delta_r", "skill", "delta_r_within", "delta_r_block")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--compendium", type=Path)
    parser.add_argument("--compendium-info", type=Path)
    parser.add_argument("--models", default="mean,ridge,kernel,deep")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    atlas, names = Atlas(asked.atlas), asked.models.split(",")
    scores = score(atlas, names)
    if asked.compendium:
        scores = scores.with_columns(pl.col("model").replace("deep", "deep (paired only)"))
        scores = pl.concat([scores, score(atlas, ["deep"], asked.compendium, asked.compendium_info)])
    everything = scores.filter(pl.col("stratum") == "all")
    print(markdown(format_table(summarise_models(everything), names=SHOWN)))
    for dataset in ("heme_corces", "encode_roadmap"):
        of_dataset = everything.filter(pl.col("dataset") == dataset)
        if not of_dataset.is_empty():
            print(f"\nSamples of {dataset}:\n\n{markdown(format_table(summarise_models(of_dataset), names=SHOWN))}")
    print()
    for rival in [name for name in everything["model"].unique(maintain_order=True) if name not in ("mean", "deep")]:
        print(
            f"- deep minus {rival}: {difference(everything, rival, 'delta_r')}, {difference(everything, rival, 'skill')}"
        )
    wide = everything.pivot("model", index=["cluster", "sample"], values=["delta_r", "skill"])
    print(wide.write_csv(separator="\t", float_precision=3))


def score(atlas: Atlas, names: list[str], compendium: Path | None = None, info: Path | None = None) -> pl.DataFrame:
    """Score the models on every lineage held out."""
    loaded = load_compendium(compendium, info, strict_relatives=False)
    cohort = make_cohort(atlas, compendium=loaded, strict_relatives=False)
    chroms = atlas.genes(cohort.columns["assembly"][0], cohort.gene_ids).frame["chrom"].to_list()
    folds = make_folds("lineage", columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
    start = process_time()
    held_out = cross_validate(
        cohort,
        folds,
        {name: lambda name=name: make_model(name) for name in names},
        clusters=cohort.columns["lineage"],
        progress=lambda done: print(f"<!-- {done}: {process_time() - start:.0f} s of processor -->", flush=True),
    )
    return score_samples(held_out)


def difference(scores: pl.DataFrame, rival: str, metric: str) -> str:
    own, other = (scores.filter(pl.col("model") == name) for name in ("deep", rival))
    paired = own.join(other, on=["fold", "sample"], suffix="_rival", maintain_order="left")
    values = (paired[metric] - paired[f"{metric}_rival"]).to_numpy()
    mean, low, high, _ = cluster_bootstrap(values, paired["cluster"].to_list(), paired["group"].to_list())
    return f"{metric} {mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def markdown(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    main()
