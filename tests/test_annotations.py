"""Names of releases, the assemblies that they lie on, and where their gene tables are kept."""

import gzip
from pathlib import Path

import pytest

from atac2rna.annotations import (
    ROOTS,
    Organism,
    Release,
    cached_releases,
    is_kept,
    is_official,
    kept_address,
    parse_release,
    release_path,
    usual_release,
)
from atac2rna.errors import InputError


@pytest.mark.parametrize(
    ("text", "organism", "name", "told", "assembly"),
    [
        ("GENCODE:V29", None, "GENCODE:V29", "human", "hg38"),
        ("gencode:v20", None, "GENCODE:V20", "human", "hg38"),
        ("GENCODE:V19", "human", "GENCODE:V19", "human", "hg19"),
        ("V3c", None, "GENCODE:V3c", "human", "hg19"),
        ("GENCODE:29", "human", "GENCODE:V29", "human", "hg38"),
        ("GENCODE:29", "mouse", "GENCODE:M29", "mouse", "mm39"),
        ("GENCODE:M1", None, "GENCODE:M1", "mouse", "mm9"),
        ("GENCODE:M2", None, "GENCODE:M2", "mouse", "mm10"),
        ("M21", None, "GENCODE:M21", "mouse", "mm10"),
        ("GENCODE:vM21", None, "GENCODE:M21", "mouse", "mm10"),
        ("GENCODE:M25", None, "GENCODE:M25", "mouse", "mm10"),
        ("GENCODE:M26", None, "GENCODE:M26", "mouse", "mm39"),
        ("ENSEMBL:110", None, "ENSEMBL:110", "human", "hg38"),
        ("ensembl:76", None, "ENSEMBL:76", "human", "hg38"),
        ("ENSEMBL V65", None, "ENSEMBL:65", "human", "hg19"),
        ("ENSEMBL:75", None, "ENSEMBL:75", "human", "hg19"),
        ("ENSEMBL:102", "mouse", "ENSEMBL:102", "mouse", "mm10"),
        ("ENSEMBL:103", "mouse", "ENSEMBL:103", "mouse", "mm39"),
    ],
)
def test_releases_and_their_assemblies(
    text: str, organism: Organism | None, name: str, told: str, assembly: str
) -> None:
    release = parse_release(text, organism=organism)
    assert (release.name, release.organism, release.assembly) == (name, told, assembly)
    assert parse_release(release.name, organism=release.organism) == release


@pytest.mark.parametrize(
    ("text", "organism", "told"),
    [
        ("29", None, "is SOURCE:RELEASE; got '29'"),
        ("GENCODE:29", None, "Write GENCODE:V29 or GENCODE:M29"),
        ("GENCODE:V29", "mouse", "GENCODE:V29 is an annotation of human; got the organism mouse"),
        ("GENCODE:M21", "human", "GENCODE:M21 is an annotation of mouse"),
        ("ENSEMBL:M21", None, "is SOURCE:RELEASE"),
        ("GENCODE:V2", None, "are taken from 3 on; got V2, on an older assembly"),
        ("ENSEMBL:54", None, "are taken from 55 on"),
        ("ENSEMBL:67", "mouse", "are taken from 68 on"),
        ("REFSEQ:110", None, "is SOURCE:RELEASE"),
        ("GENCODE:../V29", None, "is SOURCE:RELEASE"),
        ("miRBase V21", None, "is SOURCE:RELEASE"),
        ("GENCODE:V029", None, "is SOURCE:RELEASE; got 'GENCODE:V029'"),
        ("GENCODE:V\uff12\uff19", None, "is SOURCE:RELEASE"),
        ("EN\u017fEMBL:110", None, "is SOURCE:RELEASE"),
        ("ENSEMBL:0", None, "is SOURCE:RELEASE"),
        ("None", None, "is SOURCE:RELEASE"),
        ("", None, "is SOURCE:RELEASE"),
    ],
)
def test_what_names_no_release_is_refused(text: str, organism: Organism | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_release(text, organism=organism)


def test_tables_are_kept_by_assembly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path))
    assert cached_releases("hg38") == {}
    place = release_path(parse_release("GENCODE:V29"))
    assert place == tmp_path / "annotation" / "hg38" / "GENCODE-V29.tsv.gz"
    place.parent.mkdir(parents=True)
    for name in ("GENCODE-V29", "GENCODE-V9", "ENSEMBL-110", "ENSEMBL-98"):
        (place.parent / f"{name}.tsv.gz").touch()
    for name in ("gencode.v29.annotation.gtf.gz", "gencode.v29.annotation.gtf.gz.part", ".GENCODE-V30.x.tsv.gz"):
        (place.parent / name).touch()
    assert list(cached_releases("GRCh38")) == ["ENSEMBL:98", "ENSEMBL:110", "GENCODE:V9", "GENCODE:V29"]
    assert cached_releases("../hg38") == {}


def test_a_table_is_kept_for_the_place_that_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path))
    release = parse_release("GENCODE:M21")
    path = release_path(release)
    assert not is_kept(release)
    path.parent.mkdir(parents=True)
    below = "Gencode_mouse/release_M21/gencode.vM21.annotation.gtf.gz"
    for url, official in ((f"{ROOTS['GENCODE']}/{below}", True), (f"https://mirror.example/g/{below}", False)):
        path.write_bytes(gzip.compress(f"# source: GENCODE:M21\n# url: {url}\ngene_id\tchrom\n".encode()))
        assert kept_address(path) == url
        assert (is_official(url), is_kept(release)) == (official, official)
        assert is_kept(release, mirror="https://mirror.example/g/") == (not official)
        assert not is_kept(release, mirror="https://mirror.example")
    for text in (b"gene_id\tchrom\n# url: x\n", b"# url\n", b"# source: GENCODE:M21\n"):
        path.write_bytes(text)
        assert kept_address(path) is None
        assert not is_kept(release)
    path.write_bytes(gzip.compress(b"# url: x\n")[:12])
    assert not is_kept(release)


def test_where_releases_lie() -> None:
    human, mouse = parse_release("GENCODE:V29"), parse_release("ENSEMBL:110", organism="mouse")
    assert human.address() == "https://ftp.ebi.ac.uk/pub/databases/gencode/Gencode_human/release_29"
    assert mouse.address("https://m/") == "https://m/release-110/gtf/mus_musculus"


def test_what_is_proposed_can_be_had() -> None:
    for assembly in ("hg38", "hg19", "mm10", "mm39"):
        usual = usual_release(assembly)
        assert usual is not None
        assert isinstance(release := parse_release(usual), Release)
        assert release.assembly == assembly
    assert usual_release("sim1") is None
