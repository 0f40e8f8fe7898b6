"""Gene tables of releases, fetched from a mirror on loopback by the command."""

import gzip
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import pytest

from atac2rna.annotations import ROOTS, parse_release, release_path
from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation, write_gene_table
from atac2rna.sources.connection import Patience
from atac2rna.sources.gene_releases import fetch_gene_table
from atac2rna.sources.part import held_part
from atac2rna.sources.wanted import file_sum
from conftest import Cli
from encode_portal import Catalogue, Fault, Portal, running_portal
from encode_portal.faults import Trouble, cut_at, status, wrong_bytes

SOON = Patience(attempts=3, backoff=0.01, read=0.5)


def gtf(prefix: str, chrom: str, genes: int = 40) -> bytes:
    """A GTF in the dialect of GENCODE, with lines of transcripts between those of genes."""
    lines = ["##description: made up"]
    for number in range(genes):
        start = 1000 + 5000 * number
        attributes = f'gene_id "{prefix}{number:011d}.3"; gene_type "protein_coding"; gene_name "G{number}";'
        for feature in ("gene", "transcript"):
            lines.append(
                "\t".join(
                    [chrom, "MADE", feature, str(start), str(start + 900), ".", "+-"[number % 2], ".", attributes]
                )
            )
    return gzip.compress("\n".join(lines).encode() + b"\n", mtime=0)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path / "cache"))
    catalogue = Catalogue()
    for folder, names in {
        "gencode/Gencode_human/release_29": ["gencode.v29.annotation.gtf.gz", "gencode.v29.basic.annotation.gtf.gz"],
        "gencode/Gencode_human/release_4": ["gencode_v4.annotation.GRCh37.gtf.gz"],
        "gencode/Gencode_human/release_3d": ["gencode.v3d.gtf.gz"],
        "gencode/Gencode_mouse/release_M21": ["gencode.vM21.annotation.gtf.gz", "gencode.vM21.annotation.gff3.gz"],
        "gencode/Gencode_human/release_30": ["gencode.v30.basic.annotation.gtf.gz"],
    }.items():
        sums = ""
        for name in names:
            body = gtf("ENSMUSG" if "mouse" in folder else "ENSG", "chr1", genes=40 if name.count(".") < 6 else 3)
            catalogue.mirror[f"{folder}/{name}"] = body
            sums += f"{md5(body).hexdigest()}  {name}\n"
        catalogue.mirror[f"{folder}/MD5SUMS"] = sums.encode()
    folder, name = "ensembl/release-110/gtf/mus_musculus", "Mus_musculus.GRCm39.110.gtf.gz"
    body = gtf("ENSMUSG", "1")
    (tmp_path / name).write_bytes(body)
    catalogue.mirror[f"{folder}/{name}"] = body
    total, blocks = file_sum(tmp_path / name)
    listing = f"00012 1 Mus_musculus.GRCm39.110.chr.gtf.gz\n{total:05d} {blocks} {name}\n"
    catalogue.mirror[f"{folder}/CHECKSUMS"] = listing.encode()
    with running_portal(catalogue) as running:
        yield running


def test_the_command_fetches_keeps_and_copies(mirror: Portal, cli: Cli, tmp_path: Path) -> None:
    root = f"{mirror.storage_url}/gencode"
    ended = cli("annotation", "GENCODE:V29", "--mirror", root, "-o", tmp_path / "genes.tsv.gz")
    kept = tmp_path / "cache" / "annotation" / "hg38" / "GENCODE-V29.tsv.gz"
    assert (ended.code, ended.out) == (
        0,
        f"GENCODE:V29: 40 genes of hg38 (human), fetched\n{kept}\n{tmp_path / 'genes.tsv.gz'}\n",
    )
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    head = gzip.decompress(kept.read_bytes()).decode().splitlines()[:7]
    url = f"{root}/Gencode_human/release_29/gencode.v29.annotation.gtf.gz"
    assert head[:4] == ["# source: GENCODE:V29", "# organism: human", "# assembly: hg38", f"# url: {url}"]
    assert head[4].startswith("# md5: ")
    assert head[5].startswith("# fetched: 20")
    assert head[6].startswith("gene_id\t")
    table = read_annotation(tmp_path / "genes.tsv.gz", assembly="hg38")
    assert (len(table), table.gene_ids[1], table.tss[:2].tolist()) == (40, "ENSG00000000001", [999, 6899])
    mirror.log.clear()
    cli("annotation", "GENCODE:V29", "--mirror", root, "-o", tmp_path / "plain.tsv")
    assert (tmp_path / "plain.tsv").read_bytes() == gzip.decompress(kept.read_bytes())
    again = cli("annotation", "gencode:v29", "--mirror", root)
    assert (again.code, again.out) == (0, f"GENCODE:V29: 40 genes of hg38 (human), there already\n{kept}\n")
    assert mirror.log.requests() == []


def test_a_table_from_elsewhere_is_not_the_one_asked_for(
    mirror: Portal, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a mirror gave once would else stand for the release for ever, made up or not."""
    root, other = f"{mirror.storage_url}/gencode", f"{mirror.storage_url}/other"
    folder = "Gencode_human/release_29"
    body = gtf("ENSG", "chr2", genes=7)
    name = "gencode.v29.annotation.gtf.gz"
    mirror.catalogue.mirror[f"other/{folder}/{name}"] = body
    mirror.catalogue.mirror[f"other/{folder}/MD5SUMS"] = f"{md5(body).hexdigest()}  {name}\n".encode()
    assert cli("annotation", "GENCODE:V29", "--mirror", other).out.startswith("GENCODE:V29: 7 genes")
    kept = tmp_path / "cache" / "annotation" / "hg38" / "GENCODE-V29.tsv.gz"
    before = kept.read_bytes()
    # A mirror that may not be asked, and one that does not answer: the table stays, and is not taken for theirs.
    for address, told in (("http://example.org/x", "is plain http"), (f"{mirror.storage_url}/none", "answers 404")):
        ended = cli("annotation", "GENCODE:V29", "--mirror", address)
        assert (ended.code, told in ended.err, kept.read_bytes() == before) == (2, True, True)
    # The source itself, whose place another folder of the mirror takes here: none of this leaves the machine.
    monkeypatch.setitem(ROOTS, "GENCODE", root)
    ended = cli("annotation", "GENCODE:V29")
    assert ended.out.startswith("GENCODE:V29: 40 genes of hg38 (human), fetched\n")
    assert f"GENCODE:V29: the table in the cache comes from {other}/{folder}/{name}; asking {root}\n" in ended.err
    assert cli("annotation", "GENCODE:V29").out.startswith("GENCODE:V29: 40 genes of hg38 (human), there already\n")
    assert os.listdir(kept.parent) == [kept.name]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda raw: raw[:20], "is damaged"),
        (lambda raw: raw[:-4], "is damaged"),
        (lambda raw: raw[:-8] + b"1234" + raw[-4:], "is damaged"),
        (lambda raw: gzip.compress(gzip.decompress(raw).partition(b"gene_id")[2]), "does not say where it comes from"),
    ],
)
def test_a_table_that_is_damaged_or_tells_no_source_is_fetched_again(
    mirror: Portal, tmp_path: Path, spoil: Callable[[bytes], bytes], told: str
) -> None:
    root, release = f"{mirror.storage_url}/gencode", parse_release("GENCODE:V29")
    path = fetch_gene_table(release, mirror=root, patience=SOON).path
    path.write_bytes(spoil(path.read_bytes()))
    said: list[str] = []
    again = fetch_gene_table(release, mirror=root, patience=SOON, working=said.append)
    assert (len(again.table), again.fetched) == (40, True)
    assert said[0] == f"GENCODE:V29: the table in the cache {told}; asking {root}"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["GENCODE:M21"], "mm10/GENCODE-M21.tsv.gz"),
        (["GENCODE:V4"], "hg19/GENCODE-V4.tsv.gz"),
        (["GENCODE:V3d"], "hg19/GENCODE-V3d.tsv.gz"),
        (["ENSEMBL:110", "--organism", "mouse"], "mm39/ENSEMBL-110.tsv.gz"),
    ],
)
def test_other_releases(mirror: Portal, cli: Cli, tmp_path: Path, words: list[str], place: str) -> None:
    root = f"{mirror.storage_url}/{words[0].partition(':')[0].lower()}"
    ended = cli("annotation", *words, "--mirror", root, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    table = read_annotation(tmp_path / "cache" / "annotation" / place, assembly=place.partition("/")[0])
    assert len(table) == 40
    assert set(table.chroms) == {"chr1"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["GENCODE:V30"], r"MD5SUMS: lists one GTF of the whole of GENCODE:V30; got 0 of 1 files; .*--annotation"),
        (["GENCODE:V31"], "release_31/MD5SUMS: answers 404"),
        (["GENCODE:31"], "Write GENCODE:V31 or GENCODE:M31"),
        (["GENCODE:V29", "--organism", "mouse"], "is an annotation of human"),
        (["GENCODE:V29", "--mirror", "http://example.org"], "http://example.org: is plain http"),
        (["GENCODE:V29", "--mirror", "example.org"], "example.org: is no https address"),
    ],
)
def test_what_cannot_be_had_is_told(mirror: Portal, cli: Cli, words: list[str], told: str) -> None:
    import re

    if "--mirror" not in words:
        words = [*words, "--mirror", f"{mirror.storage_url}/gencode"]
    ended = cli("annotation", *words)
    assert ended.code == 2
    assert re.search(told, ended.err)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("trouble", [cut_at(0.5), wrong_bytes(), status(503)], ids=lambda trouble: trouble.name)
@pytest.mark.parametrize("name", ["GENCODE:V29", "ENSEMBL:110"])
def test_faults_on_the_way(mirror: Portal, tmp_path: Path, trouble: Trouble, name: str) -> None:
    release = parse_release(name, organism="mouse" if name == "ENSEMBL:110" else None)
    mirror.faults.add(Fault(trouble, path="*.gtf.gz"))
    kept = fetch_gene_table(release, mirror=f"{mirror.storage_url}/{release.source.lower()}", patience=SOON)
    assert (len(kept.table), kept.fetched) == (40, True)


def test_an_interrupted_download_is_continued(mirror: Portal, tmp_path: Path) -> None:
    body = mirror.catalogue.mirror["gencode/Gencode_human/release_29/gencode.v29.annotation.gtf.gz"]
    folder = tmp_path / "cache" / "annotation" / "hg38"
    folder.mkdir(parents=True)
    (folder / "gencode.v29.annotation.gtf.gz.part").write_bytes(body[:100])
    fetch_gene_table(parse_release("GENCODE:V29"), mirror=f"{mirror.storage_url}/gencode", patience=SOON)
    (request,) = mirror.log.requests("*.gtf.gz")
    assert request.headers["range"] == "bytes=100-"


def test_several_that_want_one_table_make_it_once(
    mirror: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*told: Any, **more: Any) -> None:
        sleep(0.3)
        write_gene_table(*told, **more)

    monkeypatch.setattr("atac2rna.sources.gene_releases.write_gene_table", slowly)
    root = f"{mirror.storage_url}/gencode"
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(fetch_gene_table, parse_release("GENCODE:V29"), mirror=root) for _ in range(3)]
        kept = [one.result() for one in asked]
    assert sorted(one.fetched for one in kept) == [False, False, True]
    assert {one.table.fingerprint for one in kept} == {kept[0].table.fingerprint}
    assert [path.name for path in kept[0].path.parent.iterdir()] == ["GENCODE-V29.tsv.gz"]
    assert len(mirror.log.requests("*.gtf.gz")) == 1


def test_one_who_lets_a_table_lie_is_not_waited_for(
    mirror: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atac2rna.sources.gene_releases._IDLE", 0.1)
    release = parse_release("GENCODE:V29")
    path = release_path(release)
    path.parent.mkdir(parents=True)
    theirs = path.with_name("gencode.v29.annotation.gtf.gz")
    theirs.write_bytes(mirror.catalogue.mirror[f"gencode/Gencode_human/release_29/{theirs.name}"])
    with held_part(path, idle=1):
        kept = fetch_gene_table(release, mirror=f"{mirror.storage_url}/gencode", patience=SOON)
        assert (len(kept.table), kept.fetched) == (40, True)
    assert sorted(os.listdir(path.parent)) == [path.name, theirs.name]


def test_a_sum_of_too_many_digits_is_no_sum(mirror: Portal) -> None:
    folder = "ensembl/release-110/gtf/mus_musculus"
    mirror.catalogue.mirror[f"{folder}/CHECKSUMS"] = b"9" * 5000 + b" 1 Mus_musculus.GRCm39.110.gtf.gz\n"
    release = parse_release("ENSEMBL:110", organism="mouse")
    with pytest.raises(InputError, match="got 0 of 0 files"):
        fetch_gene_table(release, mirror=f"{mirror.storage_url}/ensembl", patience=SOON)


def test_comments_do_not_change_a_table(mirror: Portal, tmp_path: Path) -> None:
    kept = fetch_gene_table(parse_release("GENCODE:V29"), mirror=f"{mirror.storage_url}/gencode", patience=SOON)
    write_gene_table(kept.table, tmp_path / "plain.tsv.gz")
    for path in (kept.path, tmp_path / "plain.tsv.gz"):
        table = read_annotation(path, assembly="hg38")
        assert table.fingerprint == kept.table.fingerprint
        assert table.frame.equals(kept.table.frame)


def test_sum_is_that_of_the_program(tmp_path: Path) -> None:
    for size in (0, 1, 1024, 5000):
        path = tmp_path / "file"
        path.write_bytes(Random(size).randbytes(size))
        try:
            said = subprocess.run(["sum", "-r", path], capture_output=True, text=True, check=True).stdout.split()
        except FileNotFoundError:
            pytest.skip("this machine has no program `sum`")
        assert file_sum(path) == (int(said[0]), int(said[1]))
