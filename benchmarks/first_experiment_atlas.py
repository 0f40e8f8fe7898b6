"""Second half of the first experiment: the same network on data that could have answered the question.

Real TPM of the protein-coding genes of the same region, ids joined without version, peaks chosen by signal where the
score cannot carry a limit, whole lineages held out, and the package's whole-genome models beside it on the same genes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from atac2rna.building import build_atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.evaluation.control import run_control
from atac2rna.evaluation.heldout import HeldOut, cross_validate
from atac2rna.evaluation.scoring import score_samples
from atac2rna.folds import holdout_clusters, make_folds
from atac2rna.formats.manifest import read_manifest
from atac2rna.metrics import Interval, cluster_bootstrap
from atac2rna.models.base import Model
from atac2rna.models.region_settings import BinChoice, RegionMlpSettings, choose_bins, genes_in_region
from atac2rna.models.registry import WHOLE_GENOME, make_model

ASSEMBLY, HOLDOUT = "hg19", "lineage"
NETWORK, LONG = "region-mlp", "region-mlp, 300 epochs"
METRICS = ("across_gene_r", "delta_r", "delta_r_within", "skill")
CONTROLS = ("delta_r_own", "delta_r_wrong", "delta_r_within_own", "delta_r_within_wrong")


@dataclass(frozen=True)
class AtlasResults:
    """Scores of the network and of the whole-genome models on the genes of the region, same samples and folds.

    Attributes:
        samples: Names of the samples.
        genes: Number of genes of the region.
        all_genes: Number of genes that the whole-genome models learn from.
        clusters: Number of lineages.
        choice: How peaks were chosen for the bins, and why.
        scores: By model and metric.
        control: By model: delta r from the own and from another lineage's peaks, by networks that saw neither.
    """

    samples: tuple[str, ...]
    genes: int
    all_genes: int
    clusters: int
    choice: BinChoice
    scores: dict[str, dict[str, Interval]]
    control: dict[str, dict[str, Interval]]


def run_second_half(data: Path) -> AtlasResults:
    """Judge the network on the samples of one assembly of `atlas21`."""
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    with TemporaryDirectory() as folder:
        manifest = read_manifest(data / "atlas21" / "samples.tsv")
        atlas = build_atlas(manifest, Path(folder) / "atlas.zarr", annotations=annotations)
        names = [record.name for record in atlas.samples if record.assembly == ASSEMBLY and record.rna]
        whole = make_cohort(atlas, samples=names)
        choice = choose_bins({name: atlas.peaks(name).score for name in names})
        inside = genes_in_region(atlas.genes(ASSEMBLY, whole.gene_ids), RegionMlpSettings())
        region = make_cohort(atlas, samples=names, gene_ids=np.array(whole.gene_ids)[inside].tolist())
        clusters = holdout_clusters(HOLDOUT, columns=whole.columns, groups=whole.groups)
        held_out = _held_out(whole, region, clusters, inside, choice)
        control = run_control(region, _networks(choice), clusters=clusters)
    scores = score_samples(held_out).filter(pl.col("stratum") == "all")
    labels = scores.filter(pl.col("model") == NETWORK).select("sample", "cluster", "group")
    control = control.filter(pl.col("stratum") == "all").join(labels, on="sample", how="left", maintain_order="left")
    return AtlasResults(
        tuple(names),
        len(region.gene_ids),
        len(whole.gene_ids),
        len(set(clusters)),
        choice,
        _summaries(scores, METRICS),
        _summaries(control, CONTROLS),
    )


def _networks(choice: BinChoice) -> dict[str, Callable[[], Model]]:
    return {
        NETWORK: lambda: make_model("region-mlp", {"bins": choice.bins}),
        LONG: lambda: make_model("region-mlp", {"bins": choice.bins, "early_stopping": False}),
    }


def _held_out(
    whole: Cohort, region: Cohort, clusters: tuple[str, ...], inside: np.ndarray, choice: BinChoice
) -> HeldOut:
    """Predict by whole-genome models that learn from all genes and by networks of the region, on the same folds."""
    chroms = whole.atlas.genes(ASSEMBLY, whole.gene_ids).frame["chrom"].to_list()
    folds = make_folds(HOLDOUT, columns=whole.columns, gene_chroms=chroms, groups=whole.groups)
    models: dict[str, Callable[[], Model]] = {name: (lambda name=name: make_model(name)) for name in WHOLE_GENOME}
    everywhere = cross_validate(whole, folds, models, clusters=clusters)
    here = cross_validate(region, folds, _networks(choice), clusters=clusters)
    cut = {name: predicted[:, inside] for name, predicted in everywhere.predictions.items()}
    return replace(here, predictions=cut | here.predictions)


def _summaries(rows: pl.DataFrame, names: tuple[str, ...]) -> dict[str, dict[str, Interval]]:
    summaries: dict[str, dict[str, Interval]] = {}
    for model in rows["model"].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col("model") == model)
        labels = own["cluster"].to_list(), own["group"].to_list()
        summaries[model] = {name: cluster_bootstrap(own[name].to_numpy(), *labels) for name in names}
    return summaries
