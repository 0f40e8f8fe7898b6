"""Second half of the first experiment: the same network on data that could have answered the question.

Real TPM of the genes of the same region, ids joined without version, peaks chosen by signal where the score cannot
carry a limit, whole lineages held out, and the package's whole-genome models beside it on the same genes: the region's
table of `atac2rna evaluate`, with the network of 300 epochs and the wrong-peaks control added.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import make_cohort
from atac2rna.evaluation.control import run_control
from atac2rna.evaluation.heldout import HeldOut, ModelFactory, cross_validate
from atac2rna.evaluation.region import RegionPanel, judge_region, make_panel
from atac2rna.evaluation.scoring import score_samples
from atac2rna.folds import holdout_clusters, make_folds
from atac2rna.formats.manifest import read_manifest
from atac2rna.metrics import Interval, cluster_bootstrap
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import RegionMlpSettings
from atac2rna.models.registry import WHOLE_GENOME, make_model

HOLDOUT = "lineage"
NETWORK, LONG = "region-mlp", "region-mlp, 300 epochs"
METRICS = ("across_gene_r", "delta_r", "delta_r_within", "skill")
VARIANTS: dict[str, dict[str, Any]] = {NETWORK: {}, LONG: {"early_stopping": False}}
CONTROLS = ("delta_r_own", "delta_r_wrong", "delta_r_within_own", "delta_r_within_wrong")


@dataclass(frozen=True)
class AtlasResults:
    """Scores of the network and of the whole-genome models on the genes of the region, on the same folds.

    Attributes:
        samples: Samples that the network learns from and all are scored on: those of the commonest assembly.
        left_out: Samples of other assemblies, which the whole-genome models learn from too.
        genes: Number of genes of the region.
        coding: Number of protein-coding ones among them.
        all_genes: Number of genes that the whole-genome models learn from.
        clusters: Number of lineages of the samples.
        notes: What the network wants known: how peaks were chosen for the bins, and why.
        scores: By model and metric.
        control: By model: delta r from the own and from another lineage's peaks, by networks that saw neither.
    """

    samples: tuple[str, ...]
    left_out: tuple[str, ...]
    genes: int
    coding: int
    all_genes: int
    clusters: int
    notes: list[str]
    scores: dict[str, dict[str, Interval]]
    control: dict[str, dict[str, Interval]]


def run_second_half(data: Path) -> AtlasResults:
    """Judge the network on `atlas21`."""
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    with TemporaryDirectory() as folder:
        manifest = read_manifest(data / "atlas21" / "samples.tsv")
        return judge(build_atlas(manifest, Path(folder) / "atlas.zarr", annotations=annotations))


def judge(atlas: Atlas) -> AtlasResults:
    """Score every model on the genes and samples of the network."""
    panel = make_panel(atlas, RegionMlpSettings())
    region = panel.cohort
    held_out, notes, bins = _held_out(atlas, panel)
    scores = score_samples(held_out).filter(pl.col("stratum") == "all")
    clusters = holdout_clusters(HOLDOUT, columns=region.columns, groups=region.groups)
    networks: dict[str, ModelFactory] = {name: partial(_maker(c), bins) for name, c in VARIANTS.items()}
    control = run_control(region, networks, clusters=clusters).filter(pl.col("stratum") == "all")
    labels = scores.filter(pl.col("model") == NETWORK).select("sample", "cluster", "group")
    biotypes = atlas.genes(panel.assembly, region.gene_ids).frame["biotype"]
    return AtlasResults(
        region.samples,
        panel.left_out,
        len(region.gene_ids),
        int((biotypes == "protein_coding").sum()),
        len({*atlas.gene_ids, *region.gene_ids}),
        len(set(clusters)),
        notes,
        _summaries(scores, METRICS),
        _summaries(control.join(labels, on="sample", how="left", maintain_order="left"), CONTROLS),
    )


def _held_out(atlas: Atlas, panel: RegionPanel) -> tuple[HeldOut, list[str], str]:
    """Predict by whole-genome models and by both networks on the same folds; give notes and the bins of the network."""
    extra = [gene for gene in panel.cohort.gene_ids if gene not in set(atlas.gene_ids)]
    whole = make_cohort(atlas, gene_ids=(*atlas.gene_ids, *extra))
    clusters = holdout_clusters(HOLDOUT, columns=whole.columns, groups=whole.groups)
    folds = make_folds(HOLDOUT, columns=whole.columns, gene_chroms=[""] * len(whole.gene_ids), groups=whole.groups)
    models: dict[str, ModelFactory] = {name: partial(make_model, name) for name in WHOLE_GENOME}
    everywhere = cross_validate(whole, folds, models, clusters=clusters)
    chosen: list[str] = []
    judged = {
        name: judge_region(panel, everywhere, _maker(changes, chosen), models, bins=None, clusters=clusters)
        for name, changes in VARIANTS.items()
    }
    first = judged[NETWORK]
    if len(set(chosen)) > 1:
        raise SystemExit(f"the folds chose different bins {sorted(set(chosen))}; the control needs one choice")
    networks = {name: result.held_out.predictions[NETWORK] for name, result in judged.items()}
    return replace(first.held_out, predictions=first.held_out.predictions | networks), first.notes, chosen[0]


def _maker(changes: dict[str, Any], chosen: list[str] | None = None) -> Callable[[str], RegionMlp]:
    """Give a factory of networks by bins that keeps a record of the bins asked for."""

    def make(bins: str) -> RegionMlp:
        if chosen is not None:
            chosen.append(bins)
        return RegionMlp(RegionMlpSettings(bins=bins, **changes))

    return make


def _summaries(rows: pl.DataFrame, names: tuple[str, ...]) -> dict[str, dict[str, Interval]]:
    summaries: dict[str, dict[str, Interval]] = {}
    for model in rows["model"].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col("model") == model)
        labels = own["cluster"].to_list(), own["group"].to_list()
        summaries[model] = {name: cluster_bootstrap(own[name].to_numpy(), *labels) for name in names}
    return summaries
