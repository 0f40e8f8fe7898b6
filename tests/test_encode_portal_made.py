"""The made-up catalogue of the loopback portal has the cases that it names, and measurements that can be read."""

import gzip
import json
import os
import re
from hashlib import md5
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.formats.annotation import read_annotation
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import GeneTable
from encode_portal import SMALL, Made, Object, made
from encode_portal.mirror import bsd_sum
from encode_portal.real import add_real
from encode_portal.search import search, values_at

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

ATAC = (
    "type=Experiment&status=released&assay_title=ATAC-seq&assembly={}&perturbed=false&control_type!=*&limit=all"
    "&replicates.library.biosample.donor.organism.scientific_name={}"
)
RNA = (
    "type=File&status=released&file_format=tsv&output_category=quantification&output_type=gene+quantifications"
    "&assembly=GRCh38&genome_annotation=V29&assay_title=total+RNA-seq&assay_title=polyA+plus+RNA-seq"
    "&lab.title=ENCODE+Processing+Pipeline&preferred_default=true&limit=all"
)
RSEM = (
    "gene_id transcript_id(s) length effective_length expected_count TPM FPKM posterior_mean_count "
    "posterior_standard_deviation_of_count pme_TPM pme_FPKM TPM_ci_lower_bound TPM_ci_upper_bound "
    "TPM_coefficient_of_quartile_variation FPKM_ci_lower_bound FPKM_ci_upper_bound FPKM_coefficient_of_quartile_variation"
)


@pytest.fixture(scope="module")
def world() -> Made:
    """Read only."""
    return made()


def biosamples(experiment: Object) -> list[Object]:
    return [one["library"]["biosample"] for one in experiment["replicates"]]


def shared(world: Made, name: str) -> set[str]:
    """Say what the two sides of a case share, of itself, in words of the levels."""
    case = world.cases[name]
    sides = [[world.catalogue.get(one) for one in side] for side in (case.atac, case.rna)]
    found = set()
    for level, keys in (
        ("biosample", ("accession",)),
        ("parent", ("part_of",)),
        ("batch", ("origin_batch",)),
        ("donor", ("donor", "biosample_ontology", "life_stage", "age")),
        ("term", ("biosample_ontology",)),
    ):
        left, right = (
            {
                json.dumps([sample[key] for key in keys])
                for one in side
                if one is not None
                for sample in biosamples(one)
                if all(key in sample for key in keys)
            }
            for side in sides
        )
        if left & right:
            found.add(level)
    samples = [[sample for one in side if one is not None for sample in biosamples(one)] for side in sides]
    own = [{sample["@id"] for sample in side} for side in samples]
    for level, key in (("batch", "origin_batch"), ("pool", "pooled_from")):
        left, right = ({link for sample in side for link in values_at(sample, key)} for side in samples)
        if left & (right | own[1]) or own[0] & right:
            found.add(level)
    return found


def in_series(world: Made, name: str) -> set[str]:
    accessions = {*world.cases[name].atac, *world.cases[name].rna}
    return {
        item["@type"][0]
        for item in world.catalogue.items()
        if accessions == {one["accession"] for one in item.get("related_datasets", [])}
    }


def test_cases_pair_at_their_level(world: Made) -> None:
    order = ("biosample", "parent", "batch", "pool", "donor", "epigenome", "term")
    paired = {name: case for name, case in world.cases.items() if case.atac and case.rna and case.level}
    for name, case in paired.items():
        found = shared(world, name) | ({"epigenome"} if "ReferenceEpigenome" in in_series(world, name) else set())
        assert min(found, key=order.index) == case.level, name
    assert {case.level for case in paired.values()} == set(order)
    assert len(paired) >= 20
    assert in_series(world, "matched set") == in_series(world, "mismatched set") == {"MatchedSet"}
    assert shared(world, "matched set") == {"term"}
    assert shared(world, "mismatched set") == set()


def test_ids_are_of_the_real_form_and_their_own(world: Made) -> None:
    items = list(world.catalogue.items())
    accessions = [item["accession"] for item in items if "accession" in item]
    assert len(accessions) == len(set(accessions)) > 250
    assert all(re.fullmatch(r"ENC(SR|FF|BS|DO)[0-9]{3}[A-Z]{3}", one) for one in accessions)
    assert all({"@id", "@type", "status"} <= set(item) for item in items)


def test_files_are_what_their_objects_say(world: Made) -> None:
    files = [item for item in world.catalogue.items() if item["@type"][0] == "File"]
    for file in files:
        data = world.catalogue.data(file["accession"])
        assert (file["file_size"], file["md5sum"]) == (len(data), md5(data).hexdigest())
        experiment = world.catalogue.get(file["dataset"])
        assert experiment is not None
        assert any(one is file for one in experiment["files"])
        if file["file_format"] == "bed":
            assert file["content_md5sum"] == md5(gzip.decompress(data)).hexdigest()
    assert len({file["md5sum"] for file in files}) > 0.9 * len(files)


def test_the_portals_queries_leave_out_what_they_should(world: Made) -> None:
    human = {hit["accession"] for hit in search(world.catalogue, ATAC.format("GRCh38", "Homo+sapiens"))["@graph"]}
    mouse = {hit["accession"] for hit in search(world.catalogue, ATAC.format("mm10", "Mus+musculus"))["@graph"]}
    for name in ("treated", "modified", "control", "archived experiment", "other assays", "dnase", "no peaks"):
        assert not human & set(world.cases[name].atac), name
    for name in ("same biosample", "two defaults", "no default", "hg19 beside", "unpaired atac", "audit error"):
        assert human >= set(world.cases[name].atac), name
    assert mouse == {one for name, case in world.cases.items() if name.startswith("mouse") for one in case.atac}
    clean = ATAC.format("GRCh38", "Homo+sapiens") + "&audit.ERROR.category!=*&audit.NOT_COMPLIANT.category!=*"
    flagged = human - {hit["accession"] for hit in search(world.catalogue, clean)["@graph"]}
    assert flagged == {*world.cases["audit error"].atac, *world.cases["audit not compliant"].atac}
    hits = search(world.catalogue, RNA)["@graph"]
    of = {name: [hit for hit in hits if hit["dataset"].split("/")[2] in case.rna] for name, case in world.cases.items()}
    assert [len(of[name]) for name in ("same biosample", "two of a replicate", "one archived")] == [2, 2, 1]
    assert [len(of[name]) for name in ("only V24", "all revoked", "other assays")] == [0, 0, 0]
    assert {hit["restricted"] for hit in of["restricted"]} == {True}
    assert {hit["no_file_available"] for hit in of["unavailable"]} == {True}


def test_defaults_of_peak_files(world: Made) -> None:
    def defaults(name: str) -> list[str]:
        experiment = world.catalogue.get(world.cases[name].atac[0])
        assert experiment is not None
        chosen = [one for one in experiment["files"] if one.get("preferred_default") and one["assembly"] == "GRCh38"]
        return [one["output_type"] for one in chosen]

    assert defaults("same biosample") == ["pseudoreplicated peaks"]
    assert defaults("same batch") == ["replicated peaks"]
    assert defaults("two defaults") == ["pseudoreplicated peaks", "replicated peaks"]
    assert defaults("no default") == defaults("no peaks") == []
    assert defaults("dnase") == ["peaks"]


def test_equal_sizes_give_equal_catalogues_and_copies_are_free(world: Made) -> None:
    other = made(SMALL)
    assert other.catalogue.objects == world.catalogue.objects
    other.catalogue.change("ENCFF001AAA", status="revoked")
    assert world.catalogue.objects["/files/ENCFF001AAA/"]["status"] == "released"
    assert other.catalogue.objects["/experiments/ENCSR001AAA/"]["files"][0]["status"] == "revoked"


def quantification(world: Made, name: str, annotation: str = "V29") -> pl.DataFrame:
    experiment = world.catalogue.get(world.cases[name].rna[0])
    assert experiment is not None
    file = next(one for one in experiment["files"] if one.get("genome_annotation") == annotation)
    return pl.read_csv(world.catalogue.data(file["accession"]), separator="\t", schema_overrides={"gene_id": pl.String})


def test_quantifications_are_those_of_rsem(world: Made) -> None:
    for name, annotation in (("same biosample", "V29"), ("same biosample", "V24"), ("mouse: heart", "M21")):
        table = quantification(world, name, annotation)
        ids = table["gene_id"]
        columns = [one for one in RSEM.split() if annotation != "V24" or "quartile" not in one]
        assert table.columns == columns
        assert ids[0] == "10904"
        assert ids.is_unique().all()
        assert ids.str.starts_with("gSpikein_").sum() > 1
        assert ids.str.contains(r"_PAR_Y$").sum() == (0 if annotation == "V24" else 3)
        assert ids.str.contains("^ENSGR").sum() == (3 if annotation == "V24" else 0)
        assert abs(table["TPM"].sum() - 1e6) < 10


def test_small_rnas_take_most_of_total_rna(world: Made) -> None:
    kept = r"^ENSG00000(202198|276168|274012)"
    shares = [
        table.filter(pl.col("gene_id").str.contains(kept))["TPM"].sum() / 1e6
        for table in (quantification(world, "same parent"), quantification(world, "same biosample"))
    ]
    assert shares[0] > 0.5 > 0.01 > shares[1]


@pytest.fixture(scope="module")
def peak_file(world: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "one.bed.gz"
    path.write_bytes(world.catalogue.data("ENCFF001AAA"))
    return path


def read_gtf(world: Made, path: str, folder: Path, assembly: str) -> GeneTable:
    (folder / "genes.gtf.gz").write_bytes(world.catalogue.mirrored(path) or b"")
    return read_annotation(folder / "genes.gtf.gz", assembly=assembly)


def test_peaks_can_be_read_and_follow_expression(world: Made, peak_file: Path) -> None:
    lines = [line.split("\t") for line in gzip.decompress(peak_file.read_bytes()).decode().splitlines()]
    assert {len(line) for line in lines} == {10}
    assert max(int(line[4]) for line in lines) == 1000
    assert len({tuple(line[:3]) for line in lines}) == SMALL.peaks < len(lines)  # some have a second summit
    assert len(read_peaks(peak_file).peaks) == len(lines)
    table = quantification(world, "same biosample")
    level = {gene.partition(".")[0]: tpm for gene, tpm in table.select("gene_id", "TPM").iter_rows()}
    genes = read_gtf(world, "gencode/Gencode_human/release_29/gencode.v29.annotation.gtf.gz", peak_file.parent, "hg38")
    near = [
        max((float(line[6]) for line in lines if line[0] == chrom and int(line[1]) <= tss < int(line[2])), default=0.0)
        for chrom, tss in zip(genes.frame["chrom"], genes.tss, strict=True)
    ]
    known = np.array([level[gene] for gene in genes.gene_ids])
    assert np.corrcoef(np.log1p(near), np.log1p(known))[0, 1] > 0.3


@pytest.mark.parametrize(
    ("path", "assembly", "name", "annotation"),
    [
        ("gencode/Gencode_human/release_29/gencode.v29.annotation.gtf.gz", "hg38", "same biosample", "V29"),
        ("gencode/Gencode_human/release_24/gencode.v24.annotation.gtf.gz", "hg38", "same biosample", "V24"),
        ("gencode/Gencode_mouse/release_M21/gencode.vM21.annotation.gtf.gz", "mm10", "mouse: heart", "M21"),
    ],
)
def test_gencode_of_the_mirror_is_that_of_the_tables(
    world: Made, tmp_path: Path, path: str, assembly: str, name: str, annotation: str
) -> None:
    table = read_gtf(world, path, tmp_path, assembly).frame
    ids = {f"{gene}.{version}" for gene, version in table.select("gene_id", "version").iter_rows()}
    kept = quantification(world, name, annotation)["gene_id"]
    kept = kept.filter(kept.str.contains(r"^ENS(MUS)?G0[0-9]{10}[.][0-9]+$"))
    coding = table.filter(pl.col("biotype") == "protein_coding").height
    assert coding == (SMALL.genes if assembly == "hg38" else SMALL.mouse_genes)
    assert len(ids & set(kept)) >= coding
    sums = (world.catalogue.mirrored(f"{path.rpartition('/')[0]}/MD5SUMS") or b"").decode().splitlines()
    assert len(sums) == 3
    line = f"{md5(world.catalogue.mirrored(path) or b'').hexdigest()}  {path.rpartition('/')[2]}"
    assert sums.count(line) == 1


def test_ensembl_of_the_mirror(world: Made, tmp_path: Path) -> None:
    path = "ensembl/release-110/gtf/homo_sapiens/Homo_sapiens.GRCh38.110.gtf.gz"
    gencode = "gencode/Gencode_human/release_29/gencode.v29.annotation.gtf.gz"
    table = read_gtf(world, path, tmp_path, "hg38").frame
    other = read_gtf(world, gencode, tmp_path, "hg38").frame.filter(pl.col("biotype") == "protein_coding")
    assert table.equals(other)
    data = world.catalogue.mirrored(path) or b""
    assert b"\n1\tensembl_havana\tgene\t" in gzip.decompress(data)
    sums = (world.catalogue.mirrored(f"{path.rpartition('/')[0]}/CHECKSUMS") or b"").decode().splitlines()
    words = next(line.split() for line in sums if line.endswith(" Homo_sapiens.GRCh38.110.gtf.gz"))
    assert (int(words[0]), int(words[1])) == bsd_sum(data)


def test_checksum_is_that_of_sum() -> None:
    assert bsd_sum(b"encode\n") == (37998, 1)  # as coreutils 9 prints
    assert bsd_sum(b"encode portal\n" * 200) == (63845, 3)


@pytest.mark.real
@pytest.mark.skipif(not DATA, reason="set ATAC2RNA_TEST_DATA to the folder of the real data (encode_portal, atlas21)")
def test_real_objects_beside_the_made_up_ones() -> None:
    catalogue = made().catalogue
    before = len(catalogue.objects)
    add_real(catalogue, Path(DATA) / "encode_portal")
    assert len(catalogue.objects) > before + 500
    hits = {hit["accession"]: hit for hit in search(catalogue, RNA)["@graph"]}
    assert not hits["ENCFF241WYH"].get("no_file_available")
    assert hits["ENCFF241WYH"]["md5sum"] == md5(catalogue.data("ENCFF241WYH")).hexdigest()
    assert all(hits[one]["no_file_available"] for one in ("ENCFF273KTX", "ENCFF106SZG", "ENCFF730OTJ"))
    found = {hit["accession"] for hit in search(catalogue, ATAC.format("GRCh38", "Homo+sapiens"))["@graph"]}
    assert {"ENCSR851SBY", "ENCSR086OGH"} <= found
    assert gzip.decompress(catalogue.data("ENCFF141SAU")).count(b"\n") == 39_079
    for accession in ("ENCFF762IFP", "ENCFF918KPC", "ENCFF287UHP", "ENCFF268RWA"):
        file = catalogue.get(accession)
        assert file is not None
        assert file["file_size"] == len(catalogue.data(accession))
    v24 = search(catalogue, RNA.replace("V29", "V24"))
    assert {"ENCFF918KPC", "ENCFF268RWA"} <= {hit["accession"] for hit in v24["@graph"]}
