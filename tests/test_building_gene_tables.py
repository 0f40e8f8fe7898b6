"""Which gene table a build takes: the one given, the release that the samples name, the shipped genes, the only one fetched."""

import os
from pathlib import Path

import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import BuildSettings, build_atlas, named_releases, read_reference
from atac2rna.cache import CACHE_VARIABLE
from atac2rna.checking import check_atlas, check_samples
from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation
from atac2rna.formats.manifest import Manifest, read_manifest
from atac2rna.shipped import shipped_gene_table
from conftest import Cli
from sample_files import IDS, Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return Files(tmp_path / "files")


def fetched(assembly: str, *releases: str, ids: list[str] = IDS) -> None:
    """Put gene tables into the cache as if they had been fetched; of the n-th release the last n genes are missing."""
    folder = Path(os.environ[CACHE_VARIABLE]) / "annotation" / assembly
    made = Files(folder)
    for number, release in enumerate(releases):
        name = f"{release.replace(':', '-')}.tsv.gz"
        made.gene_list(name, ids[: len(ids) - number])
    (folder / "genes.tsv").unlink()


def from_address(assembly: str, release: str, url: str) -> None:
    """Let a gene table in the cache say where it came from."""
    path = Path(os.environ[CACHE_VARIABLE]) / "annotation" / assembly / f"{release.replace(':', '-')}.tsv.gz"
    path.write_bytes(f"# url: {url}\n".encode() + path.read_bytes())


def manifest(files: Files, *rows: tuple[str, str]) -> Manifest:
    """Samples of an assembly (first) that name an annotation (second)."""
    text = "sample\tatac\trna\tassembly\tgenome_annotation\n"
    for number, (assembly, annotation) in enumerate(rows):
        files.sample(f"s{number}", assembly=assembly)
        text += "\t".join((*files.rows[-1], annotation)) + "\n"
    return read_manifest(files.folder / files.write("samples.tsv", text))


def test_the_release_named_comes_first(files: Files) -> None:
    fetched("hg38", "GENCODE:V29", "GENCODE:V24")
    found = read_reference(["hg38"], {}, named={"hg38": "GENCODE:V24"})
    assert found.tables["hg38"].gene_ids == tuple(IDS[:-1])
    assert found.files["hg38"].name == "GENCODE-V24.tsv.gz"
    assert found.notes == ()


def test_a_file_given_comes_before_it(files: Files) -> None:
    fetched("hg38", "GENCODE:V29", "GENCODE:V24")
    given = files.gene_list("own.tsv", IDS[:7])
    found = read_reference(["hg38"], {"hg38": given}, named={"hg38": "GENCODE:V24"})
    assert len(found.tables["hg38"]) == 7


def test_the_shipped_genes_come_before_releases_that_nobody_named(files: Files) -> None:
    fetched("hg38", "GENCODE:V29")
    found = read_reference(["hg38"], {})
    assert found.tables["hg38"] is shipped_gene_table("hg38")
    assert (found.files, found.notes) == ({}, ())


def test_another_table_than_the_one_named_is_told(files: Files) -> None:
    fetched("hg38", "GENCODE:V24")
    found = read_reference(["hg38"], {}, named={"hg38": "GENCODE:V29"})
    assert found.tables["hg38"] is shipped_gene_table("hg38")
    assert found.notes == (
        "hg38: the samples name the annotation GENCODE:V29, the atlas takes the genes of the shipped model; for its own genes "
        "run 'atac2rna annotation GENCODE:V29' and build again.",
    )
    (note,) = read_reference(["hg38"], {}, named={"hg38": "miRBase V21"}).notes
    assert note.endswith("that is no release known here.")


def test_the_only_release_fetched_serves_where_no_genes_are_shipped(files: Files) -> None:
    fetched("mm10", "GENCODE:M21")
    assert read_reference(["mm10"], {}).files["mm10"].name == "GENCODE-M21.tsv.gz"
    (note,) = read_reference(["mm10"], {}, named={"mm10": "GENCODE:M25"}).notes
    assert "the atlas takes GENCODE:M21; for its own genes run 'atac2rna annotation GENCODE:M25'" in note


def test_several_releases_are_no_choice(files: Files) -> None:
    fetched("mm10", "GENCODE:M4", "GENCODE:M21", "ENSEMBL:102")
    with pytest.raises(
        InputError, match=r"of mm10 3 releases were fetched: ENSEMBL:102, GENCODE:M4, GENCODE:M21\. Name one"
    ):
        read_reference(["mm10"], {})
    assert read_reference(["mm10"], {}, named={"mm10": "GENCODE:M4"}).files["mm10"].name == "GENCODE-M4.tsv.gz"


@pytest.mark.parametrize(
    ("assembly", "named", "way"),
    [
        ("mm10", {}, r"or fetch one: atac2rna annotation GENCODE:M21\."),
        ("mm10", {"mm10": "GENCODE:M25"}, r"or fetch one: atac2rna annotation GENCODE:M25\."),
        ("sim1", {}, r"gene table of it\."),
    ],
)
def test_without_any_the_way_out_is_told(files: Files, assembly: str, named: dict[str, str], way: str) -> None:
    with pytest.raises(
        InputError, match=rf"there is none for {assembly}\. Pass --annotation {assembly}=FILE with .*{way}"
    ):
        read_reference([assembly], {}, named=named)


def test_the_column_is_read_as_people_and_the_portal_write_it(files: Files) -> None:
    rows = [("hg38", "GENCODE:V29"), ("GRCh38", "v29"), ("hg38", ""), ("mm10", "M21"), ("sim1", "my own")]
    named = named_releases(manifest(files, *rows))
    assert named == {"hg38": "GENCODE:V29", "mm10": "GENCODE:M21", "sim1": "my own"}


def test_mixed_annotations_are_refused_unless_one_is_given(files: Files) -> None:
    mixed = manifest(files, ("hg38", "V29"), ("hg19", "V19"), ("hg38", "V24"))
    with pytest.raises(
        InputError, match=r"samples\.tsv line 4: .* genome_annotation is GENCODE:V24, and on line 2 GENCODE:V29"
    ):
        named_releases(mixed)
    assert named_releases(mixed, given={"hg38"}) == {"hg19": "GENCODE:V19"}


def test_an_annotation_of_another_assembly_is_refused(files: Files) -> None:
    with pytest.raises(InputError, match=r"line 2: .* here hg38; genome_annotation 'V19' is of hg19\. Mend the cell"):
        named_releases(manifest(files, ("hg38", "V19")))


def test_a_build_takes_the_release_and_keeps_its_name(files: Files) -> None:
    fetched("mm10", "GENCODE:M21", "GENCODE:M25")
    atlas = build_atlas(manifest(files, ("mm10", "M25")), files.folder / "atlas", annotations={})
    assert atlas.gene_ids == tuple(IDS[:-1])
    (entry,) = atlas.attributes["provenance"]
    assert entry["genome_annotation"] == {"mm10": "GENCODE:M25"}
    assert entry["annotations"]["mm10"]["path"].endswith("GENCODE-M25.tsv.gz")


def test_build_and_check_say_what_they_do_not_use(files: Files, cli: Cli) -> None:
    fetched("mm10", "GENCODE:M21")
    samples = manifest(files, ("mm10", "M25")).path
    ended = cli("build", samples, "-o", files.folder / "atlas")
    assert ended.code == 0
    assert "mm10: the samples name the annotation GENCODE:M25, the atlas takes GENCODE:M21" in ended.err
    findings = check_samples(read_manifest(samples), annotations={}, settings=BuildSettings())
    (found,) = [finding for finding in findings if finding.code == "genome-annotation"]
    assert (found.severity, found.value) == ("note", "mm10: GENCODE:M25")


def test_gene_lists_in_the_cache_are_read(files: Files) -> None:
    fetched("hg38", "GENCODE:V29")
    found = read_reference(["hg38"], {}, named={"hg38": "GENCODE:V29"})
    assert found.tables["hg38"].frame.equals(read_annotation(found.files["hg38"], assembly="hg38").frame)


def test_a_damaged_table_in_the_cache_can_be_had_again(files: Files) -> None:
    fetched("hg38", "GENCODE:V24")
    path = Path(os.environ[CACHE_VARIABLE]) / "annotation" / "hg38" / "GENCODE-V24.tsv.gz"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="kept in the cache: delete it, and fetch it again with atac2rna annotation"):
        read_reference(["hg38"], {}, named={"hg38": "GENCODE:V24"})


OFFICIAL = "https://ftp.ebi.ac.uk/pub/databases/gencode/Gencode_mouse/release_M21/x.gtf.gz"
MADE = "http://127.0.0.1:9/gencode/Gencode_mouse/release_M21/x.gtf.gz"


def test_build_tells_which_genes_it_took(files: Files, cli: Cli) -> None:
    fetched("mm10", "GENCODE:M21")
    from_address("mm10", "GENCODE:M21", OFFICIAL)
    files.gene_list("own.tsv", IDS[:7])
    rows = [("mm10", "M21"), ("hg38", ""), ("sim1", ""), ("mm10", "M21")]
    out, own = files.folder / "atlas", files.folder / "own.tsv"
    ended = cli("build", manifest(files, *rows).path, "-o", out, "--annotation", f"sim1={own}", "--gene-set", "union")
    assert ended.code == 0, ended.err
    assert [line for line in ended.err.splitlines() if " genes of " in line] == [
        "mm10: 30 genes of GENCODE:M21",
        "hg38: 17,856 genes of the shipped model",
        f"sim1: 7 genes of {own}",
    ]
    assert "gene-table-elsewhere" not in cli("check", out).out
    files.rows.clear()
    files.sample("further", assembly="mm10")
    further = files.write("added.tsv", "sample\tatac\trna\tassembly\n" + "\t".join(files.rows[-1]) + "\n")
    ended = cli("build", files.folder / further, "-o", out, "--add")
    assert ended.code == 0, ended.err
    assert "mm10: 30 genes of the atlas\n" in ended.err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (MADE, f"which came from {MADE}, not from its source"),
        (None, "of which nothing tells where it came from"),
    ],
)
def test_genes_from_elsewhere_are_told(files: Files, cli: Cli, url: str | None, told: str) -> None:
    fetched("mm10", "GENCODE:M21")
    if url is not None:
        from_address("mm10", "GENCODE:M21", url)
    samples, out = manifest(files, ("mm10", "M21")).path, files.folder / "atlas"
    assert f"mm10: 30 genes of GENCODE:M21, {told}\n" in cli("build", samples, "-o", out).err
    (entry,) = Atlas(out).attributes["provenance"]
    assert entry["annotations"]["mm10"]["url"] == (url or "")
    of_files = check_samples(read_manifest(samples), annotations={}, settings=BuildSettings())
    for findings in (of_files, check_atlas(Atlas(out))):
        (found,) = [finding for finding in findings if finding.code == "gene-table-elsewhere"]
        assert (found.severity, found.value) == ("note", f"mm10: {url or 'unknown'}")
        assert found.message == f"The genes of mm10 are of a table {told}."
