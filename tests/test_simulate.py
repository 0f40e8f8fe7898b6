import gzip
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation, read_transcripts
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from atac2rna.simulate.samples import tpm_of_level

SMALL = {"genes": 120, "lineages": 3, "chromosomes": 2, "random_peaks": 50}
PEAK_COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "summit"]
Make = Callable[..., Simulation]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("small"), SimulationSettings(**SMALL, assemblies=2))


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("default"))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def sheet(simulation: Simulation) -> pl.DataFrame:
    return pl.read_csv(simulation.samples, separator="\t")


def peaks_of(simulation: Simulation, name: str) -> pl.DataFrame:
    path = simulation.folder / "peaks" / f"{name}.narrowPeak.gz"
    return pl.read_csv(path, separator="\t", has_header=False, new_columns=PEAK_COLUMNS)


def rna_of(simulation: Simulation, name: str) -> pl.DataFrame:
    path = simulation.folder / "rna" / f"{name}.genes.results.gz"
    return pl.read_csv(path, separator="\t", schema_overrides={"gene_id": pl.String})


def measured(simulation: Simulation, name: str) -> NDArray[np.float64]:
    """log2(TPM + 1) of the genes of the annotation, in its order, as a reader of the file would work it out."""
    table = rna_of(simulation, name).filter(
        pl.col("gene_id").str.starts_with("ENSG") & ~pl.col("gene_id").str.ends_with("_PAR_Y")
    )
    assert [gene.split(".")[0] for gene in table["gene_id"]] == list(simulation.landscape.genes.gene_ids)
    tpm = table["TPM"].to_numpy()
    return np.log2(1 + tpm / tpm.sum() * 1e6)


def promoter_ranks(simulation: Simulation, name: str) -> NDArray[np.float64]:
    """Rank within the sample (0 to 1) of the strongest peak whose summit lies within 500 bp of each TSS; 0: none."""
    genes = simulation.landscape.genes
    peaks = peaks_of(simulation, name)
    rank = peaks["signal"].rank("ordinal").to_numpy() / peaks.height
    summit = (peaks["start"] + peaks["summit"]).to_numpy()
    found = np.zeros(len(genes))
    for chrom in simulation.landscape.chrom_length:
        here = np.flatnonzero((peaks["chrom"] == chrom).to_numpy())
        here = here[np.argsort(summit[here], kind="stable")]
        for gene in np.flatnonzero((genes.frame["chrom"] == chrom).to_numpy()):
            first, last = np.searchsorted(summit[here], [genes.tss[gene] - 500, genes.tss[gene] + 500])
            found[gene] = rank[here[first:last]].max(initial=0)
    return found


def test_equal_settings_give_equal_files(small: Simulation, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", small.settings)
    other = simulate(tmp_path / "other", SimulationSettings(**SMALL, assemblies=2, seed=1))
    assert digests(again.folder) == digests(small.folder)
    assert (
        digests(other.folder)["peaks/lineage1_1.narrowPeak.gz"]
        != digests(small.folder)["peaks/lineage1_1.narrowPeak.gz"]
    )


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="new or empty folder"):
        simulate(tmp_path, SimulationSettings(**SMALL))
    assert (tmp_path / "mine").read_text() == "x"


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="two genes or more; got genes=20 on chromosomes=22"):
        SimulationSettings(genes=20, chromosomes=22)


@pytest.mark.parametrize(
    "sparse", [{"enhancers_per_gene": 0, "decoys_per_gene": 0, "random_peaks": 0}, {"samples_per_lineage": 1}]
)
def test_sparse_settings_work(tmp_path: Path, sparse: dict[str, int]) -> None:
    simulation = simulate(tmp_path, SimulationSettings(genes=30, chromosomes=15, lineages=2).model_copy(update=sparse))
    assert sheet(simulation).height == 2 * simulation.settings.samples_per_lineage


def test_the_sheets_keep_the_contract(small: Simulation) -> None:
    samples = sheet(small)
    assert samples.columns == ["sample", "atac", "rna", "assembly", "lineage", "group", "dataset", "donor"]
    assert samples["sample"].is_unique().all()
    assert all((small.folder / path).is_file() for column in ("atac", "rna") for path in samples[column])
    assert samples.height == 9
    assert samples["group"].n_unique() == 6  # two replicates and one further donor in each lineage
    assert set(samples["assembly"]) == {"sim1", "sim2"}
    both = samples.group_by("lineage").agg(pl.col("dataset").n_unique())
    assert both["dataset"].to_list() == [2, 2, 2]
    only = pl.read_csv(small.atac_only, separator="\t")
    assert only["rna"].null_count() == only.height == 2
    assert set(only["group"]).isdisjoint(samples["group"])
    assert [name in set(samples["lineage"]) for name in only["lineage"]] == [True, False]


@pytest.mark.parametrize("assembly", ["sim1", "sim2"])
def test_the_annotation_reads_as_the_genes(small: Simulation, assembly: str) -> None:
    table = read_annotation(small.annotations[assembly], assembly=assembly)
    genes = small.landscape.genes
    assert table.gene_ids == genes.gene_ids
    assert table.frame["strand"].equals(genes.frame["strand"])
    shift = (table.tss - genes.tss)[(genes.frame["chrom"] == "chr2").to_numpy()]
    assert np.unique(shift).tolist() == [0 if assembly == "sim1" else 2 * 12_347]
    if assembly == "sim1":
        assert table.frame.equals(genes.frame)
    assert len(read_transcripts(small.annotations[assembly])) == len(genes)


def test_peaks_are_sound(small: Simulation) -> None:
    for sample in small.truth.samples:
        peaks = peaks_of(small, sample.name)
        assert (peaks["start"] >= 0).all()
        assert (peaks["end"] > peaks["start"]).all()
        assert ((peaks["summit"] >= 0) & (peaks["start"] + peaks["summit"] < peaks["end"])).all()
        intervals = peaks.unique(["chrom", "start", "end"]).sort("chrom", "start")
        same = intervals["chrom"] == intervals["chrom"].shift(-1)
        assert (intervals["end"] <= intervals["start"].shift(-1)).filter(same).all()
        if sample.dataset == "macs":
            assert peaks["score"].max() > 1000  # type: ignore[operator]
            assert intervals.height < peaks.height
        else:
            assert peaks["score"].max() == 1000
            assert intervals.height == peaks.height


def test_a_sample_is_the_same_in_either_assembly(small: Simulation, tmp_path: Path) -> None:
    alone = simulate(tmp_path / "one", SimulationSettings(**SMALL))
    moved = 0
    for sample in small.truth.samples:
        here, there = peaks_of(alone, sample.name), peaks_of(small, sample.name)
        step = 12_347 if sample.assembly == "sim2" else 0
        moved += step > 0
        shift = here["chrom"].str.strip_prefix("chr").cast(pl.Int64) * step
        assert there["start"].equals(here["start"] + shift)
        assert there.drop("start", "end").equals(here.drop("start", "end"))
    assert moved == 5


def test_quantifications_look_as_encode_publishes_them(small: Simulation) -> None:
    table = rna_of(small, "lineage1_1")
    assert table.width == 15
    assert table["gene_id"][0] == "30001"
    assert table["gene_id"].str.starts_with("gSpikein_ERCC-").sum() == 12
    assert table.filter(pl.col("gene_id").str.ends_with("_PAR_Y"))["expected_count"].to_list() == [0.0]
    assert table["TPM"].sum() == pytest.approx(1e6, rel=1e-6)
    assert table["gene_id"].str.contains(r"^ENSG99\d{9}\.\d+$").sum() == 120


def test_without_noise_expression_is_what_the_formula_says(tmp_path: Path) -> None:
    still = {"accessibility_noise": 0, "hidden": 0, "batch": 0, "expression_noise": 0, "trans": 0, "rna_reads": 0}
    simulation = simulate(tmp_path / "still", SimulationSettings(**SMALL, **still))
    land, truth = simulation.landscape, simulation.truth
    assert np.allclose(truth.accessibility, land.strength[:, None] + land.loading @ truth.state.T)
    links = pl.read_csv(simulation.folder / "truth/links.tsv", separator="\t")
    names = pl.read_csv(simulation.folder / "truth/elements.bed", separator="\t", has_header=False)[:, 3].to_list()
    level = np.repeat(land.base[:, None], len(truth.samples), axis=1)
    row_of = {gene: i for i, gene in enumerate(land.genes.gene_ids)}
    for element, gene, effect, _ in links.iter_rows():
        at = names.index(element)
        level[row_of[gene]] += effect * (truth.accessibility[at] - land.strength[at])
    expected = np.log2(1 + tpm_of_level(level))
    assert np.allclose(truth.expression, expected, atol=1e-4)
    assert np.array_equal(truth.measured_level, truth.level)
    for i, sample in enumerate(s for s in truth.samples if s.paired):
        assert np.allclose(measured(simulation, sample.name), expected[:, i], atol=1e-3)
    written = pl.read_csv(simulation.folder / "truth/expression.tsv.gz", separator="\t")
    assert written["gene_id"].to_list() == list(land.genes.gene_ids)
    assert np.allclose(written.drop("gene_id").to_numpy(), expected, atol=1e-4)


def test_links_lie_where_they_are_said_to(small: Simulation) -> None:
    land = small.landscape
    distance = land.link_distance
    promoter = land.kind[land.link_element] == 0
    assert np.abs(distance[promoter]).max() <= 60
    assert np.abs(distance[~promoter]).max() <= 100_000
    assert (land.kind[land.link_element] < 2).all()
    assert promoter.sum() == len(land.genes)  # every gene has one
    assert 0.02 < (land.link_effect < 0).mean() < 0.3
    laid = land.centre + land.chrom * 10**9
    assert np.diff(laid).min() > 0
    assert (land.chrom[land.link_element] == [int(c[3:]) - 1 for c in land.genes.frame["chrom"][land.link_gene]]).all()
    upstream = (land.centre[land.link_element] < land.genes.tss[land.link_gene]) == land.genes.forward[land.link_gene]
    assert np.array_equal(distance < 0, upstream & (distance != 0))


def test_the_default_is_small_and_has_a_region(default: Simulation) -> None:
    size = sum(path.stat().st_size for path in default.folder.rglob("*") if path.is_file())
    assert size < 15e6
    assert sheet(default).height == 24
    frame = default.landscape.genes.frame
    assert ((frame["chrom"] == "chr1") & (frame["end"] <= 10_000_000)).sum() >= 400
    text = gzip.decompress(default.annotations["sim1"].read_bytes()).decode()
    assert text.count("\tgene\t") == 2001


def test_learning_is_possible_and_not_trivial(default: Simulation) -> None:
    samples = sheet(default)
    expression = np.array([measured(default, name) for name in samples["sample"]])
    promoters = np.array([promoter_ranks(default, name) for name in samples["sample"]])
    lineage = samples["lineage"].to_numpy()
    across, delta, own = [], [], []
    for held in np.unique(lineage):
        train, test = lineage != held, lineage == held
        mean, centre = expression[train].mean(axis=0), promoters[train].mean(axis=0)
        known, new = promoters[train] - centre, promoters[test] - centre
        kernel = known @ known.T
        penalty = 0.3 * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
        predicted = new @ known.T @ np.linalg.solve(kernel + penalty, expression[train] - mean)
        for p, n, y in zip(predicted, new, expression[test], strict=True):
            across.append(np.corrcoef(mean, y)[0, 1])
            delta.append(np.corrcoef(p, y - mean)[0, 1])
            own.append(np.corrcoef(n, y - mean)[0, 1])
    assert 0.85 < np.mean(across) < 0.94
    assert 0.3 < np.mean(delta) < 0.6
    assert 0.25 < np.mean(own) < 0.5
    absolute = [np.corrcoef(p, y)[0, 1] for p, y in zip(promoters, expression, strict=True)]
    assert 0.5 < np.mean(absolute) < 0.7
    by_lineage = np.array([expression[lineage == name].mean(axis=0) for name in np.unique(lineage)])
    spread = np.sort(by_lineage.std(axis=0)[expression.max(axis=0) >= 1])
    assert 0.7 < np.median(spread) < 1.3
