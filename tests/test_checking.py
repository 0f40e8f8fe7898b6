"""Checking: the same findings from files and from the atlas, and the right rules for whatever is pointed at."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import BuildSettings, build_atlas
from atac2rna.cache import cache_folder
from atac2rna.checking import Target, check_atlas, check_built, check_samples, check_target, count_steps
from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation, write_gene_table
from atac2rna.formats.manifest import read_manifest
from atac2rna.genome import GeneTable
from atac2rna.quality.finding import Finding
from atac2rna.simulate import Simulation


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path / "cache"))


def sheet(small: Simulation) -> pl.DataFrame:
    table = pl.read_csv(small.samples, separator="\t", infer_schema=False)
    return table.with_columns((pl.lit(f"{small.folder}/") + pl.col("atac", "rna")).name.keep())


def target(*paths: Path, small: Simulation | None = None, assembly: str | None = None) -> Target:
    return Target(paths, assembly, {} if small is None else small.annotations)


def check(target: Target) -> list[Finding]:
    return check_target(target, settings=BuildSettings())


def codes(findings: list[Finding], severity: str) -> set[str]:
    return {finding.code for finding in findings if finding.severity == severity}


def test_files_and_atlas_have_the_same_findings(small: Simulation, opened: Atlas) -> None:
    from_files = check_samples(read_manifest(small.samples), annotations=small.annotations, settings=BuildSettings())
    assert from_files == check_atlas(opened)
    assert from_files
    assert not codes(from_files, "error")


def test_findings_are_stored_with_the_atlas(small: Simulation, tmp_path: Path) -> None:
    atlas = build_atlas(read_manifest(small.samples), tmp_path / "atlas", annotations=small.annotations)
    assert atlas.attributes["findings"] == []
    findings = check_built(atlas)
    stored = Atlas(tmp_path / "atlas").attributes["findings"]
    assert [Finding(**finding) for finding in stored] == findings


def test_a_file_given_twice_is_found(small: Simulation, tmp_path: Path) -> None:
    table = sheet(small)
    atac = table["atac"].to_list()
    atac[5] = atac[0]
    table.with_columns(atac=pl.Series(atac)).write_csv(tmp_path / "twice.tsv", separator="\t")
    findings = check(target(tmp_path / "twice.tsv", small=small))
    (error,) = [finding for finding in findings if finding.severity == "error"]
    assert set(error.subject.split(", ")) == {"lineage1_1", "lineage3_2"}


def test_what_cannot_be_read_is_a_finding_of_its_line(small: Simulation, tmp_path: Path) -> None:
    table = sheet(small)
    (tmp_path / "bad.bed").write_text("chr1\t5\t2\n")
    atac = [str(tmp_path / "bad.bed"), *table["atac"].to_list()[1:]]
    table.with_columns(atac=pl.Series(atac)).write_csv(tmp_path / "bad.tsv", separator="\t")
    first = check(target(tmp_path / "bad.tsv", small=small))[0]
    assert (first.severity, first.code, first.subject) == ("error", "unreadable", "lineage1_1")
    assert first.message.startswith(f"{tmp_path / 'bad.bed'} line 1: ")
    assert first.remedy == f"Mend line 2 of {tmp_path / 'bad.tsv'}."


def test_nothing_readable_is_told_as_such(small: Simulation, tmp_path: Path) -> None:
    (tmp_path / "bad.bed").write_text("<html>")
    table = sheet(small).head(2).with_columns(atac=pl.lit(str(tmp_path / "bad.bed")))
    table.write_csv(tmp_path / "bad.tsv", separator="\t")
    findings = check(target(tmp_path / "bad.tsv", small=small))
    assert [finding.code for finding in findings] == ["unreadable", "unreadable"]


def test_peaks_by_themselves(small: Simulation) -> None:
    paths = [small.folder / "peaks" / f"lineage{i}_1.narrowPeak.gz" for i in (1, 2, 3)]
    findings = check(target(*paths, small=small, assembly="sim1"))
    assert codes(findings, "error") == set()
    assert not {finding.code for finding in findings} & {"groups-of-one", "lineage-missing"}


def test_peaks_far_from_all_genes_are_told(small: Simulation, tmp_path: Path) -> None:
    lines = "".join(f"chr9\t{i * 500}\t{i * 500 + 200}\n" for i in range(2_000))
    (tmp_path / "odd.bed.gz").write_bytes(gzip.compress(lines.encode()))
    findings = check(target(tmp_path / "odd.bed.gz", small=small, assembly="sim1"))
    assert [finding.subject for finding in findings if finding.code == "promoters-few"] == ["odd.bed.gz"]


def test_cached_gene_tables_serve(small: Simulation) -> None:
    path = cache_folder() / "annotation" / "sim1" / "GENCODE-V1.tsv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(small.annotations["sim1"].read_bytes())
    cached = check(target(small.samples))
    (told,) = [finding for finding in cached if finding.code == "gene-table-elsewhere"]
    assert told.value == "sim1: unknown"
    assert [finding for finding in cached if finding != told] == check(target(small.samples, small=small))


def test_cached_genes_of_another_organism_play_no_part(small: Simulation, tmp_path: Path) -> None:
    """A mouse table in the cache made build and check of a human atlas end in a KeyError."""
    before = check(target(small.samples, small=small))
    genes = read_annotation(small.annotations["sim1"], assembly="mm10")
    mouse = genes.frame.with_columns(gene_id=pl.lit("ENSMUSG") + pl.col("gene_id").str.slice(4))
    path = cache_folder() / "annotation" / "mm10" / "GENCODE-M21.tsv.gz"
    path.parent.mkdir(parents=True)
    write_gene_table(GeneTable("mm10", mouse), path)
    assert check(target(small.samples, small=small)) == before
    atlas = build_atlas(read_manifest(small.samples), tmp_path / "atlas.zarr", annotations=small.annotations)
    assert [finding.code for finding in check_built(atlas)] == [finding.code for finding in before]


def test_matrices_with_and_without_their_genes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        (tmp_path / f"peaks_input_{name}.csv").write_text(
            "\n".join(",".join(map(str, row)) for row in (rng.random((6, 200)) < 0.3).astype(int))
        )
        (tmp_path / f"exp_output_{name}.csv").write_text(
            "\n".join(",".join(f"{v:.2f}" for v in row) for row in rng.lognormal(1, 1, (6, 30)))
        )
    findings = check(target(tmp_path))
    assert {finding.code.partition("-")[0] for finding in findings} == {"matrix"}


def test_steps_are_counted(small: Simulation, opened: Atlas) -> None:
    peaks = small.folder / "peaks" / "lineage1_1.narrowPeak.gz"
    for pointed in (
        target(opened.path),
        target(small.samples, small=small),
        target(peaks, peaks, small=small, assembly="sim1"),
    ):
        steps: list[str] = []
        check_target(pointed, settings=BuildSettings(), progress=steps.append)
        assert len(steps) == count_steps(pointed)


@pytest.mark.parametrize("what", ["empty folder", "file of the simulation", "two folders"])
def test_what_is_nothing_of_all_this_is_refused(what: str, small: Simulation, tmp_path: Path) -> None:
    paths = {
        "empty folder": (tmp_path,),
        "file of the simulation": (small.annotations["sim1"],),
        "two folders": (tmp_path, tmp_path),
    }[what]
    with pytest.raises(InputError):
        check(target(*paths, small=small, assembly="sim1"))
