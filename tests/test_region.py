"""The region model's own table: who and what is in it, and that nothing held out moves what is fitted."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import make_cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import HeldOut, cross_validate
from atac2rna.evaluation.region import (
    REGION_MODEL,
    RegionFactory,
    RegionPanel,
    RegionResult,
    judge_region,
    make_panel,
    panel_folds,
)
from atac2rna.evaluation.run import EvaluationSettings, evaluate
from atac2rna.evaluation.scoring import score_samples
from atac2rna.folds import Fold, make_folds
from atac2rna.formats.manifest import read_manifest
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import RegionMlpSettings
from atac2rna.models.registry import make_model
from atac2rna.models.settings import ModelSettings
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from toy_models import Blank

TINY = {"hidden": 4, "epochs": 3}
OTHERS = {name: (lambda name=name: make_model(name)) for name in ("mean", "kernel")}
Judge = Callable[..., tuple[RegionResult, HeldOut, list[RegionMlp]]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """Twelve samples of four lineages, every second one in sim2; genes on other chromosomes are not of the region."""
    folder = tmp_path_factory.mktemp("mixed")
    settings = SimulationSettings(
        lineages=4, samples_per_lineage=3, genes=120, chromosomes=2, random_peaks=40, assemblies=2
    )
    made = simulate(folder / "files", settings)
    table = pl.read_csv(made.samples, separator="\t", infer_schema=False)
    # One sample less in sim2, so that sim1 is the commonest.
    table.filter(~((pl.col("assembly") == "sim2") & (pl.col("lineage") == "lineage4"))).write_csv(
        made.folder / "uneven.tsv", separator="\t"
    )
    return build_atlas(read_manifest(made.folder / "uneven.tsv"), folder / "atlas", annotations=made.annotations)


def factory(models: list[RegionMlp], **settings: object) -> RegionFactory:
    def make(bins: str) -> RegionMlp:
        models.append(RegionMlp(RegionMlpSettings.model_validate({**TINY, **settings, "bins": bins})))
        return models[-1]

    return make


def folds_of(atlas: Atlas) -> list[Fold]:
    cohort = make_cohort(atlas)
    chroms = atlas.genes(cohort.columns["assembly"][0], cohort.gene_ids).frame["chrom"].to_list()
    return make_folds("lineage", columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)


def judge(atlas: Atlas, **settings: object) -> tuple[RegionResult, HeldOut, list[RegionMlp]]:
    """Judge the region model beside the mean and the kernel; give the fitted region models, too."""
    cohort, models = make_cohort(atlas), list[RegionMlp]()
    clusters = cohort.columns["lineage"]
    whole = cross_validate(cohort, folds_of(atlas), OTHERS, clusters=clusters)
    panel = make_panel(atlas, RegionMlpSettings.model_validate(settings))
    result = judge_region(panel, whole, factory(models, **settings), OTHERS, bins=None, clusters=clusters)
    return result, whole, [model for model in models if model.history is not None]


@pytest.fixture(scope="module")
def judged(mixed: Atlas) -> tuple[RegionResult, HeldOut, list[RegionMlp]]:
    return judge(mixed)


def test_panel_is_of_the_commonest_assembly(mixed: Atlas) -> None:
    panel = make_panel(mixed, RegionMlpSettings())
    by_assembly = {a: tuple(r.name for r in mixed.samples if r.assembly == a) for a in ("sim1", "sim2")}
    assert panel.assembly == "sim1"
    assert panel.cohort.samples == by_assembly["sim1"]
    assert panel.left_out == by_assembly["sim2"]
    assert set(panel.left_out) | set(panel.cohort.samples) == set(mixed.paired)


def test_genes_of_the_panel_lie_in_the_region_whatever_their_biotype(mixed: Atlas) -> None:
    panel = make_panel(mixed, RegionMlpSettings(end=600_000))
    frame = mixed.tables["sim1"].select(panel.cohort.gene_ids).frame
    assert set(frame["chrom"]) == {"chr1"}
    assert frame["end"].max() <= 600_000
    every = mixed.tables["sim1"].frame.filter(chrom="chr1").filter(pl.col("end") <= 600_000)
    assert set(frame["gene_id"]) == set(every["gene_id"])
    assert frame["biotype"].n_unique() > 1
    assert not set(frame["gene_id"]) <= set(mixed.gene_ids)


def test_others_left_out_are_named(mixed: Atlas) -> None:
    settings = EvaluationSettings(models=("mean", REGION_MODEL), settings={REGION_MODEL: TINY})
    evaluation = evaluate(mixed, settings)
    panel = make_panel(mixed, RegionMlpSettings())
    assert evaluation.notes[0] == (
        f"region-mlp takes samples of one assembly (sim1); left out: {', '.join(panel.left_out)}."
    )
    assert evaluation.region is not None
    assert evaluation.summary["strata"]["region"][REGION_MODEL]["skill"]["n"] == len(panel.cohort.samples)
    assert evaluation.summary["models"]["mean"]["skill"]["n"] == len(mixed.paired)


def test_every_model_is_scored_on_the_same(judged: tuple[RegionResult, HeldOut, list[RegionMlp]]) -> None:
    result, _, _ = judged
    held_out = result.held_out
    assert list(held_out.predictions) == ["mean", "kernel", REGION_MODEL]
    shape = len(held_out.rows), len(held_out.cohort.gene_ids)
    assert shape[0] == len(held_out.cohort.samples)
    for predicted in held_out.predictions.values():
        assert predicted.shape == shape
        assert np.isfinite(predicted).all()
    scores = score_samples(held_out).filter(stratum="all")
    by_model = [part.select("fold", "sample", "n_genes") for part in scores.partition_by("model")]
    assert all(part.equals(by_model[0]) for part in by_model)


def test_the_mean_of_the_region_is_that_of_all_training_samples(
    judged: tuple[RegionResult, HeldOut, list[RegionMlp]], mixed: Atlas
) -> None:
    result, whole, _ = judged
    genes = result.held_out.cohort.gene_ids
    for baseline, fold in zip(result.held_out.baselines, folds_of(mixed), strict=True):
        expected = mixed.expression([mixed.paired[i] for i in fold.train], genes).mean(axis=0)
        np.testing.assert_allclose(baseline.mean, expected, atol=1e-5)
    for row, (fold_number, _) in enumerate(result.held_out.rows):
        mean = result.held_out.baselines[fold_number].mean
        np.testing.assert_array_equal(result.held_out.predictions["mean"][row], mean)
    scores = score_samples(result.held_out).filter(model="mean")
    assert (scores["skill"] == 0).all()
    assert (scores["delta_r"] == 0).all()
    assert whole.folds == tuple(folds_of(mixed))


def test_the_mean_gives_what_it_gives_on_the_whole_genome(
    judged: tuple[RegionResult, HeldOut, list[RegionMlp]], mixed: Atlas
) -> None:
    result, whole, _ = judged
    genes = result.held_out.cohort.gene_ids
    both = [gene for gene in whole.cohort.gene_ids if gene in genes]
    wide = [whole.cohort.gene_ids.index(gene) for gene in both]
    narrow = [genes.index(gene) for gene in both]
    place = {whole.cohort.samples[s]: row for row, (_, s) in enumerate(whole.rows)}
    for row, (_, s) in enumerate(result.held_out.rows):
        expected = whole.predictions["mean"][place[result.held_out.cohort.samples[s]]][wide]
        np.testing.assert_allclose(result.held_out.predictions["mean"][row][narrow], expected, atol=1e-5)


def with_scores(path: Path, changed: dict[str, float]) -> Atlas:
    """Open an atlas whose peaks of some samples all have one score."""
    atlas = Atlas(path)
    read = atlas.peaks

    def peaks(sample: str) -> object:
        own = read(sample)
        return replace(own, score=np.full_like(own.score, changed[sample])) if sample in changed else own

    atlas.peaks = peaks  # type: ignore[method-assign, assignment]
    return atlas


def test_bins_are_chosen_from_training_samples_only(mixed: Atlas) -> None:
    """A sample whose scores can carry no limit changes the folds that train on it, and not the one that predicts it."""
    sample = make_panel(mixed, RegionMlpSettings()).cohort.samples[0]
    _, _, before = judge(mixed)
    result, _, after = judge(with_scores(mixed.path, {sample: 0.0}))
    folds = list(panel_folds(make_panel(mixed, RegionMlpSettings()), folds_of(mixed), mixed.paired).values())
    assert len(before) == len(after) == len(folds)
    assert {model.settings.bins for model in before} == {"score"}
    for fold, old, new in zip(folds, before, after, strict=True):
        held = sample in [result.held_out.cohort.samples[i] for i in fold.test]
        assert new.settings.bins == ("score" if held else "top=20000")
        if held:
            for name, array in old.state().items():
                np.testing.assert_array_equal(new.state()[name], array, err_msg=name)
    (note,) = [note for note in result.notes if "score column" in note]
    assert f"({len(folds) - 1} of {len(folds)} folds)" in note


def test_the_limit_asked_for_is_the_one_that_is_judged(mixed: Atlas) -> None:
    constant = dict.fromkeys(mixed.paired[:1], 0.0)
    _, _, models = judge(with_scores(mixed.path, constant), min_score=10.0)
    assert {model.settings.min_score for model in models} == {10.0}
    _, _, high = judge(mixed, min_score=1e9)  # no peak anywhere reaches it
    assert {model.settings.bins for model in high} == {"top=20000"}


def test_a_gene_table_that_no_sample_uses_leaves_the_panel_as_it_is(small: Simulation, tmp_path: Path) -> None:
    foreign = gzip.decompress(small.annotations["sim1"].read_bytes()).replace(b"ENSG99", b"ENSG88")
    (tmp_path / "other.gtf").write_bytes(foreign)
    manifest = read_manifest(small.samples)
    annotations = {**small.annotations, "other": tmp_path / "other.gtf"}
    atlas = build_atlas(manifest, tmp_path / "atlas", annotations=annotations)
    assert len(make_panel(atlas, RegionMlpSettings()).cohort.gene_ids) > 50


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"chrom": "chr9"}, r"got 6 of sim1 and 0 in chr9:0-10,000,000"), ({"end": 100_000}, r"and \d in chr1:0-100,000")],
)
def test_region_of_too_few_genes_is_refused(mixed: Atlas, settings: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_panel(mixed, RegionMlpSettings.model_validate(settings))


def test_folds_without_enough_training_samples_are_skipped(mixed: Atlas) -> None:
    panel: RegionPanel = make_panel(mixed, RegionMlpSettings())
    names = mixed.paired
    rest = tuple(i for i, name in enumerate(names) if name in panel.cohort.samples)
    folds = [Fold("most", "most", rest[:2], rest[2:]), Fold("one", "one", rest[1:], rest[:1])]
    assert list(panel_folds(panel, folds, names)) == [1]
    with pytest.raises(InputError, match="needs 3 training samples of one assembly"):
        panel_folds(panel, folds[:1], names)


def test_without_a_usable_fold_the_rest_is_evaluated(small: Simulation, tmp_path: Path) -> None:
    table = pl.read_csv(small.samples, separator="\t", infer_schema=False).head(4)
    table = table.with_columns((pl.lit(f"{small.folder}/") + pl.col("atac", "rna")).name.keep())
    table = table.with_columns(lineage=pl.Series(["a", "a", "b", "b"]))
    table.write_csv(tmp_path / "few.tsv", separator="\t")
    atlas = build_atlas(read_manifest(tmp_path / "few.tsv"), tmp_path / "atlas", annotations=small.annotations)
    evaluation = evaluate(atlas)
    assert evaluation.region is None
    assert evaluation.notes[0].startswith("region-mlp is left out: ")
    with pytest.raises(InputError, match="needs 3 training samples"):
        evaluate(atlas, EvaluationSettings(bins="score"))


def test_intervals_are_narrowed_to_the_panel(mixed: Atlas) -> None:
    """The bounds of a model that knows mean and sd of its training samples, of any assembly: those of the panel's genes."""
    others = {"blank": lambda: Blank(ModelSettings())}
    cohort, panel = make_cohort(mixed), make_panel(mixed, RegionMlpSettings())
    clusters = cohort.columns["lineage"]
    whole = cross_validate(cohort, folds_of(mixed), others, clusters=clusters)
    result = judge_region(panel, whole, factory([]), others, bins="score", clusters=clusters)
    bounds = result.held_out.bounds["blank"][80]
    everyone = make_cohort(mixed, gene_ids=panel.cohort.gene_ids).expression
    for row, (number, _) in enumerate(result.held_out.rows):
        training = everyone[np.array(clusters) != result.held_out.folds[number].cluster]
        expected = training.mean(axis=0) + NormalDist().inv_cdf(0.9) * training.std(axis=0)
        np.testing.assert_allclose(bounds.high[row], expected, rtol=1e-5)
    scores = score_samples(result.held_out)
    assert np.isfinite(scores.filter(model="blank", stratum="all")["coverage_80"].to_numpy()).all()
    assert np.isnan(scores.filter(model=REGION_MODEL)["coverage_80"].to_numpy()).all()
