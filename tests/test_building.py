"""From samples.tsv to an atlas: joins, replicates, dialects, annotations, and the real samples."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atac2rna.building.reading as reading
import atac2rna.building.reference as reference
from atac2rna.atlas import GeneSelection
from atac2rna.building import BuildSettings, build_atlas
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.annotation import read_annotation
from atac2rna.formats.expression import read_expression
from atac2rna.formats.manifest import read_manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import strip_version
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from sample_files import IDS, SYMBOLS, Files, state, tpm_of


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    settings = SimulationSettings(genes=150, lineages=3, chromosomes=2, random_peaks=50, assemblies=2)
    return simulate(tmp_path_factory.mktemp("simulation"), settings)


# The whole way


def test_a_build_holds_what_the_files_hold(simulation: Simulation, tmp_path: Path) -> None:
    manifest = read_manifest(simulation.samples)
    told: list[str] = []
    atlas = build_atlas(manifest, tmp_path / "atlas", annotations=simulation.annotations, progress=told.append)
    assert told == [f"read {entry.sample}" for entry in manifest.entries]
    assert [record.name for record in atlas.samples] == [entry.sample for entry in manifest.entries]
    for entry in manifest.entries:
        peaks, stored = read_peaks(entry.atac[0]).peaks, atlas.peaks(entry.sample)
        for column in ("chrom", "start", "end", "summit", "signal", "score"):
            np.testing.assert_array_equal(getattr(stored, column), getattr(peaks, column))
        record = atlas.record(entry.sample)
        assert record.columns == entry.columns
        assert record.assembly == entry.assembly
        assert [source.sha256 for source in (*record.atac, *record.rna)] == [
            checksum(path) for path in (*entry.atac, *entry.rna)
        ]
        file = read_expression(entry.rna[0])
        tpm = dict(zip(file.gene_ids, file.column(entry.sample).astype(np.float32).tolist(), strict=True))
        assert tpm_of(atlas, entry.sample) == {gene: tpm[gene] for gene in atlas.axis}
        assert record.rna_sum == pytest.approx(file.tpm.sum())
        assert 0.5 < record.join_rate <= 1
    biotype = simulation.landscape.genes.frame["biotype"]
    assert set(atlas.gene_ids) == set(simulation.landscape.genes.frame.filter(biotype == "protein_coding")["gene_id"])
    values = atlas.expression(atlas.paired)
    np.testing.assert_allclose((2.0 ** values.astype(float) - 1).sum(axis=1), 1e6, rtol=1e-5)
    assert set(atlas.tables) == {"sim1", "sim2"}


def test_provenance_names_files_checksums_settings_and_version(simulation: Simulation, tmp_path: Path) -> None:
    from atac2rna import __version__

    manifest = read_manifest(simulation.samples)
    settings = BuildSettings(value_column="pme_TPM")
    atlas = build_atlas(manifest, tmp_path / "atlas", annotations=simulation.annotations, settings=settings)
    (entry,) = atlas.attributes["provenance"]
    assert entry["version"] == __version__
    assert entry["manifest"] == {"path": str(manifest.path), "sha256": checksum(manifest.path)}
    assert entry["annotations"] == {
        name: {"path": str(path), "sha256": checksum(path)} for name, path in simulation.annotations.items()
    }
    assert entry["settings"] == {"gene_column": None, "value_column": "pme_TPM"}
    assert entry["samples"] == [e.sample for e in manifest.entries]


def test_rebuilding_gives_the_same_bytes(simulation: Simulation, tmp_path: Path) -> None:
    """In every file, zarr.json among them: nothing of the time or of the number of workers is stored."""
    manifest = read_manifest(simulation.samples)
    for name, workers in (("a", 1), ("b", 4)):
        settings = BuildSettings(workers=workers)
        build_atlas(manifest, tmp_path / name, annotations=simulation.annotations, settings=settings)
    first, second = ({k: digest for k, (digest, _) in state(tmp_path / x).items()} for x in "ab")
    assert first == second
    build_atlas(manifest, tmp_path / "a", annotations=simulation.annotations, mode="overwrite")
    assert {k: digest for k, (digest, _) in state(tmp_path / "a").items()} == first


def test_samples_without_rna_are_added(simulation: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "atlas"
    one = build_atlas(read_manifest(simulation.samples), path, annotations=simulation.annotations)
    paired, before = one.paired, state(path)
    atlas = build_atlas(read_manifest(simulation.atac_only), path, annotations={}, mode="add")
    assert len(atlas.samples) == len(paired) + 2
    assert atlas.paired == paired
    assert {k: v for k, v in before.items() if k.startswith("block")}.items() <= state(path).items()
    assert [entry["samples"] for entry in atlas.attributes["provenance"]][1] == [
        e.sample for e in read_manifest(simulation.atac_only).entries
    ]


# Joining genes


def test_ids_are_joined_without_version_and_copies_added(files: Files) -> None:
    tpm = {
        f"{IDS[0]}.14": 1.0,
        "ENSGR0000000002.3": 0.5,
        f"{IDS[1]}.3": 2.0,
        f"{IDS[2]}.1_PAR_Y": 0.25,
        f"{IDS[2]}.1": 4,
    }
    files.sample("a", rna=files.rna("a.tsv", {**tpm, "gSpikein_ERCC-00002": 7, **dict.fromkeys(IDS[3:], 1.0)}))
    atlas = files.build()
    assert dict(list(tpm_of(atlas, "a").items())[:3]) == {IDS[0]: 1.0, IDS[1]: 2.5, IDS[2]: 4.25}
    assert strip_version(f"{IDS[0]}.14") == IDS[0]


def test_a_gene_that_is_missing_is_missing_and_never_zero(files: Files) -> None:
    files.sample("a", rna=files.rna("a.tsv", dict.fromkeys(IDS[:20], 1.0)))
    files.sample("b", rna=files.rna("b.tsv", dict.fromkeys(IDS[10:], 2.0)))
    union = files.build(selection=GeneSelection(gene_set="union"))
    assert union.gene_ids == tuple(IDS)
    assert np.isnan(union.expression(["a"])[0, 20:]).all()
    assert not np.isnan(union.expression(["a"])[0, :20]).any()
    common = files.build(output="common")
    assert common.gene_ids == tuple(IDS[10:20])
    np.testing.assert_allclose(2.0 ** common.expression(["a"])[0].astype(float) - 1, 1e5, rtol=1e-5)


def test_samples_without_a_gene_in_common_are_refused(files: Files) -> None:
    files.sample("a", rna=files.rna("a.tsv", dict.fromkeys(IDS[:15], 1.0)))
    files.sample("b", rna=files.rna("b.tsv", dict.fromkeys(IDS[15:], 2.0)))
    with pytest.raises(InputError, match=r"measured in every sample .* \(hg38\); of 30 measured genes none is"):
        files.build()
    assert not (files.folder / "atlas").exists()


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (SYMBOLS, "They look like gene symbols; pass --gene-column with the column of ids, or an --annotation"),
        ([f"ENSMUSG{i:011d}" for i in range(100, 400)], "Pass --gene-column with the column of ids, or the --anno"),
    ],
)
def test_other_genes_are_refused_with_line_file_and_counts(files: Files, names: list[str], advice: str) -> None:
    files.sample("good")
    files.sample("bad", rna=files.rna("rna/bad.tsv", dict.fromkeys([*names, IDS[0]], 1.0)))
    with pytest.raises(InputError) as told:
        files.build()
    message = str(told.value)
    assert message.startswith(
        f"{files.folder / 'samples.tsv'} line 3: gene ids of {files.folder / 'rna/bad.tsv'} match 1 of "
    )
    assert f"1 of 30 genes of the gene table (3.3%; {1 / (len(names) + 1):.1%} of its own {len(names) + 1})" in message
    assert advice in message
    assert not (files.folder / "atlas").exists()


def test_one_replicate_of_other_genes_is_refused(files: Files) -> None:
    """It would leave no gene that all replicates have: a sample of nothing but missing values."""
    good, bad = files.rna("1.tsv", dict.fromkeys(IDS, 1.0)), files.rna("2.tsv", dict.fromkeys(SYMBOLS, 1.0))
    files.sample("a", rna=f"{good};{bad}")
    with pytest.raises(InputError, match=r"line 2: gene ids of \S+2.tsv match 0 of 30 genes .* look like gene symbols"):
        files.build()


def test_a_small_gene_table_meets_a_large_file(files: Files) -> None:
    """A region's genes are few of the 60,000 of a file; that is no failed join."""
    many = {f"ENSG{i:011d}": 1.0 for i in range(1, 2000)}
    files.sample("a", rna=files.rna("a.tsv", many))
    atlas = files.build()
    assert atlas.gene_ids == tuple(IDS)
    assert atlas.record("a").join_rate == pytest.approx(30 / 1999)


# Replicates, matrices, transcripts


def test_replicates_are_pooled_and_averaged(files: Files) -> None:
    first = files.peaks("1.bed", (100, 200, 4.0), (500, 600, 2.0))
    second = files.peaks("2.bed", (150, 250, 8.0))
    rna = [
        files.rna("1.tsv", {**dict.fromkeys(IDS[:10], 2.0), IDS[20]: 7.0}),
        files.rna("2.tsv", dict.fromkeys(IDS[:11], 6.0)),
    ]
    files.sample("a", atac=f"{first};{second}", rna=";".join(rna))
    atlas = files.build()
    peaks = atlas.peaks("a")
    assert peaks.start.tolist() == [100, 500]
    assert peaks.end.tolist() == [250, 600]
    assert peaks.summit.tolist() == [200, 550]
    assert peaks.signal.tolist() == [6.0, 1.0]
    assert tpm_of(atlas, "a") == dict.fromkeys(IDS[:10], 4.0)
    assert atlas.record("a").rna_sum == pytest.approx((27 + 66) / 2)
    assert len(atlas.record("a").atac) == len(atlas.record("a").rna) == 2


def test_a_matrix_gives_each_sample_its_column_and_is_read_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"s{i}" for i in range(6)]
    rows = [f"{gene}\t" + "\t".join(str(i + 10.5 * j) for j in range(6)) for i, gene in enumerate(IDS)]
    matrix = files.write("matrix.tsv", "gene_id\t" + "\t".join(names) + "\n" + "\n".join(rows) + "\n")
    for name in reversed(names):
        files.sample(name, rna=matrix)
    reads: list[Path] = []

    def counted(path: Path, **options: Any) -> Any:
        reads.append(path)
        time.sleep(0.05)
        return read_expression(path, **options)

    monkeypatch.setattr(reading, "read_expression", counted)
    atlas = files.build(workers=4)
    assert reads == [files.folder / "matrix.tsv"]
    for j, name in enumerate(names):
        assert tpm_of(atlas, name) == {gene: i + 10.5 * j for i, gene in enumerate(IDS)}
    assert [record.name for record in atlas.samples] == names[::-1]


def test_a_matrix_without_the_sample_is_refused(files: Files) -> None:
    files.sample("K562", rna=files.write("m.tsv", "gene_id\tK56\tB\n" + "".join(f"{g}\t1.5\t2\n" for g in IDS)))
    with pytest.raises(InputError, match=r"m.tsv: .*got none for 'K562' among 2; did you mean 'K56'\?"):
        files.build()


def gtf(files: Files) -> Path:
    lines = []
    for i, gene in enumerate(IDS):
        place = f"chr1\tHAVANA\t{{}}\t{1000 * i + 1}\t{1000 * i + 500}\t.\t+\t.\t"
        name = f'gene_id "{gene}.2"; gene_type "protein_coding"; gene_name "{SYMBOLS[i]}";'
        lines.append(place.format("gene") + name)
        lines += [
            place.format("transcript") + f'{name} transcript_id "ENST{gene[4:-1]}{k}{gene[-1]}.1";' for k in (1, 2)
        ]
    return files.folder / files.write("genes.gtf", "\n".join(lines) + "\n")


def transcript_rows(kind: str) -> str:
    heads = {
        "kallisto": "target_id\tlength\teff_length\test_counts\ttpm",
        "salmon": "Name\tLength\tEffectiveLength\tTPM\tNumReads",
    }
    rows = [heads[kind]]
    for i, gene in enumerate(IDS):
        for k in (1, 2):
            tpm = float(i + k) / 2
            name = f"ENST{gene[4:-1]}{k}{gene[-1]}.1"
            rows.append(f"{name}\t900\t800\t5\t{tpm}" if kind == "kallisto" else f"{name}\t900\t800\t{tpm}\t5")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("kind", ["kallisto", "salmon"])
def test_transcripts_become_genes_through_the_annotation(
    files: Files, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.annotations = {"hg38": gtf(files)}
    for name in ("a", "b", "c"):
        files.sample(name, rna=files.write(f"{name}.tsv", transcript_rows(kind)))
    reads: list[Path] = []
    real = reference.read_transcripts

    def counted(path: Path) -> dict[str, str]:
        reads.append(path)
        time.sleep(0.05)
        return real(path)

    monkeypatch.setattr(reference, "read_transcripts", counted)
    atlas = files.build(workers=3)
    assert tpm_of(atlas, "b") == {gene: (2 * i + 3) / 2 for i, gene in enumerate(IDS)}
    assert kind in atlas.record("a").rna_dialect
    assert len(reads) == 1, "the annotation is read once, whatever the number of threads"


def test_transcripts_are_added_with_the_annotation_of_the_atlas(files: Files) -> None:
    files.annotations = {"hg38": gtf(files)}
    files.sample("a")
    files.build()
    files.rows.clear()
    files.sample("b", rna=files.write("b.tsv", transcript_rows("kallisto")))
    annotations, files.annotations = files.annotations, {}
    with pytest.raises(InputError, match="Pass the annotation that they were quantified with"):
        files.build(mode="add")
    files.annotations = annotations
    assert tpm_of(files.build(mode="add"), "b")[IDS[0]] == 1.5


# Annotations


def test_an_assembly_without_gene_table_says_which_option_gives_one(files: Files) -> None:
    files.sample("a")
    files.sample("b", assembly="GRCm38")
    with pytest.raises(
        InputError,
        match=r"none for mm10. Pass --annotation mm10=FILE .*, or fetch one: atac2rna annotation",
    ):
        files.build()


def test_an_added_assembly_brings_its_table(files: Files) -> None:
    files.sample("a")
    files.build()
    files.rows.clear()
    files.annotations = {"hg19": files.gene_list("hg19.tsv", [*IDS[5:], "ENSG00000000099"])}
    files.sample("b", assembly="hg19")
    atlas = files.build(mode="add")
    assert atlas.gene_ids == tuple(IDS[5:])
    assert atlas.axis == (*IDS, "ENSG00000000099")
    assert set(atlas.tables) == {"hg38", "hg19"}


def test_another_table_of_an_assembly_is_refused(files: Files) -> None:
    files.sample("a")
    files.build()
    before = state(files.folder / "atlas")
    files.rows.clear()
    files.sample("b")
    files.annotations = {"hg38": files.gene_list("other.tsv", IDS[:20])}
    with pytest.raises(
        InputError, match=r"other.tsv: an atlas has one gene table .* \(20 genes\) differs .* \(30 genes\)"
    ):
        files.build(mode="add")
    assert state(files.folder / "atlas") == before
    files.annotations = {"hg38": files.gene_list("same.tsv")}
    assert len(files.build(mode="add").samples) == 2


def test_a_biomart_table_without_biotype_keeps_all_genes(files: Files) -> None:
    head = "Gene stable ID\tChromosome/scaffold name\tGene start (bp)\tGene end (bp)\tStrand\n"
    rows = "".join(f"{gene}\t{'MT' if i == 3 else 1}\t{i + 1}\t{i + 9}\t-1\n" for i, gene in enumerate(IDS))
    files.annotations = {"hg38": files.folder / files.write("mart.txt", head + rows)}
    files.sample("a")
    assert files.build().gene_ids == (*IDS[:3], *IDS[4:])


# Real samples


@pytest.mark.real
def test_the_real_atlas(tmp_path: Path) -> None:
    if not (named := os.environ.get("ATAC2RNA_TEST_DATA")):
        pytest.skip("ATAC2RNA_TEST_DATA is not set: real data are not tested")
    data = Path(named)
    annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
    manifest = read_manifest(data / "atlas21" / "samples.tsv")
    begin = time.perf_counter()
    atlas = build_atlas(manifest, tmp_path / "atlas", annotations=annotations)
    took = time.perf_counter() - begin
    assert len(atlas.samples) == len(atlas.paired) == 21
    assert len(atlas.gene_ids) == 17_856
    counts = {record.name: len(atlas.peaks(record.name)) for record in atlas.samples}
    assert (counts["HSC"], counts["Ery"], counts["NHEK"], counts["stomach_ENTEx"]) == (190_323, 79_996, 181_758, 77_544)
    assert sum(counts.values()) == 3_006_873
    assert [record.assembly for record in atlas.samples].count("hg38") == 2
    assert min(record.join_rate for record in atlas.samples) > 0.9
    values = atlas.expression(atlas.paired)
    assert np.isfinite(values).all()
    np.testing.assert_allclose((2.0 ** values.astype(float) - 1).sum(axis=1), 1e6, rtol=1e-4)
    for name, path in annotations.items():
        assert atlas.tables[name].fingerprint == read_annotation(path, assembly=name).fingerprint
    # 4 s on two idle cores; the bound is for a busy machine.
    assert took < 30
    size = sum(path.stat().st_size for path in (tmp_path / "atlas").rglob("*") if path.is_file())
    assert size < 21 * 1.6e6
    before = {k: v for k, v in state(tmp_path / "atlas").items() if k.startswith("block")}
    grown = build_atlas(
        read_manifest(data / "atlas21" / "atac_only.tsv"), tmp_path / "atlas", annotations={}, mode="add"
    )
    assert len(grown.samples) == 23
    assert grown.gene_ids == atlas.gene_ids
    assert before.items() <= state(tmp_path / "atlas").items()
