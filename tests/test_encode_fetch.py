import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from atac2rna.formats.manifest import read_manifest
from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.download import FailedFilesError
from atac2rna.sources.encode.criteria import RNA_ASSAYS, Criteria
from atac2rna.sources.encode.fetching import Fetched, Order, fetch_set, read_order
from atac2rna.sources.encode.portal import Portal as Asked
from atac2rna.sources.encode.receipt import Receipt, read_receipt
from atac2rna.sources.encode.search import search, write_found
from conftest import Cli
from encode_portal import Fault, Portal, RandomFaults, faults, running_portal
from encode_portal.made import Made, made

HASTE = Patience(attempts=6, backoff=0.01, longest=0.2, connect=2, read=2)


@pytest.fixture(scope="module")
def world() -> Made:
    return made()


@pytest.fixture(scope="module")
def pairs(world: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of all human pairs."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    with running_portal(world.catalogue) as portal, Connection(portal=portal.url, per_second=1000) as connection:
        write_found(search(Asked(connection), Criteria(rna=RNA_ASSAYS), least="same-term"), path)
    return path


@pytest.fixture
def portal(world: Made) -> Iterator[Portal]:
    """A portal that the test may change."""
    with running_portal(world.copy().catalogue) as portal:
        yield portal


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path / "cache"))


def fetched(
    portal: Portal, order: Order, folder: Path, *, cache: Path | None = None, keep_revoked: bool = False
) -> Fetched:
    with Connection(portal=portal.url, patience=HASTE, per_second=1000) as connection:
        return fetch_set(Asked(connection), order, folder, cache=cache, keep_revoked=keep_revoked, workers=4)


def contents(folder: Path) -> dict[str, bytes]:
    """Give every file of a set but the manifest, which tells the time."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def timeless(receipt: Receipt) -> Receipt:
    """Give a receipt without what depends on when and in which table it was fetched."""
    return replace(receipt, fetched="", samples=tuple(replace(row, line=0) for row in receipt.samples))


def downloads(portal: Portal) -> int:
    """Count the requests that asked for bytes of files."""
    return sum("/search/" not in request.path for request in portal.log.requests())


def test_a_set_is_fetched_and_a_second_time_nothing(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    outcome = fetched(portal, order, tmp_path / "set")
    manifest = read_manifest(outcome.samples)
    assert [entry.sample for entry in manifest.entries] == [row.sample for row in order.samples]
    assert {entry.assembly for entry in manifest.entries} == {"hg38"}
    assert {"lineage", "group", "dataset", "pair_level", "genome_annotation"} <= set(manifest.columns)
    for name, file in outcome.receipt.files.items():
        path = portal.catalogue.get(name)["cloud_metadata"]["url"].partition("}/")[2]
        assert (tmp_path / "set" / file.path).read_bytes() == portal.catalogue.stored[path]
    assert outcome.told == []
    before, were = downloads(portal), contents(tmp_path / "set")
    assert before >= order.n_files
    fetched(portal, order, tmp_path / "set")
    assert downloads(portal) == before
    assert contents(tmp_path / "set") == were


def test_what_is_damaged_or_missing_is_fetched_again(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    fetched(portal, order, tmp_path)
    were, before = contents(tmp_path), downloads(portal)
    first, second, third = sorted((tmp_path / "rna").iterdir())[:3]
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(second.read_bytes().replace(b"1", b"2"))
    third.unlink()
    fetched(portal, order, tmp_path)
    assert contents(tmp_path) == were
    assert downloads(portal) == before + 3


def test_a_manifest_gives_the_same_set_elsewhere(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    one = fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "one")
    two = fetched(portal, read_order(pairs=None, manifest=tmp_path / "one" / "manifest.json"), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert timeless(one.receipt) == timeless(two.receipt) == timeless(read_receipt(tmp_path / "two" / "manifest.json"))
    assert two.receipt.search == one.receipt.search
    assert len(one.receipt.search["queries"]) == 5
    assert one.receipt.search["terms_of_use"].startswith("https://")
    assert one.receipt.version


def test_the_cache_is_shared_and_cannot_be_edited_through_a_set(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    fetched(portal, order, tmp_path / "one", cache=tmp_path / "cache")
    before = downloads(portal)
    fetched(portal, order, tmp_path / "two", cache=tmp_path / "cache")
    assert downloads(portal) == before
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not any(path.stat().st_mode & 0o222 for path in (tmp_path / "one" / "atac").iterdir())


def atac_of(order: Order) -> tuple[str, str]:
    return order.samples[0].sample, order.samples[0].atac_files[0]


def test_an_archived_file_is_fetched_and_told(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    sample, name = atac_of(order)
    portal.catalogue.change(name, status="archived")
    outcome = fetched(portal, order, tmp_path)
    assert outcome.told == [f"{name} of {sample} is archived: a newer one may have taken its place"]
    assert outcome.receipt.files[name].status == "archived"


def test_a_revoked_file_stops_everything_unless_it_is_wanted(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    sample, name = atac_of(order)
    portal.catalogue.change(name, status="revoked")
    with pytest.raises(
        InputError, match=rf"pairs\.tsv line \d+: a file is vouched for; {name} has been revoked"
    ) as caught:
        fetched(portal, order, tmp_path / "set")
    assert str(caught.value).endswith("Nothing was fetched; search again, or take these samples out.")
    assert not (tmp_path / "set").exists()
    assert downloads(portal) == 0
    outcome = fetched(portal, order, tmp_path / "set", keep_revoked=True)
    assert outcome.told == [f"{name} of {sample} is revoked: the portal no longer vouches for it"]


def test_what_a_manifest_pins_is_not_replaced(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "one")
    order = read_order(pairs=None, manifest=tmp_path / "one" / "manifest.json")
    _, name = atac_of(order)
    portal.catalogue.change(name, md5sum="f" * 32)
    with pytest.raises(InputError, match=rf"a file is the one pinned .*; {name} is another one today"):
        fetched(portal, order, tmp_path / "two")
    portal.catalogue.remove(name)
    with pytest.raises(InputError, match=f"every file is on the portal; it knows no {name}"):
        fetched(portal, order, tmp_path / "two")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": "replaced"}, "a file is released; ENCFF.* is 'replaced'"),
        ({"restricted": True}, "is restricted or not available"),
        ({"assembly": "hg19"}, "the files of a sample are of its assembly, hg38; ENCFF.* is of hg19"),
        ({"output_type": "signal p-value"}, "column atac_files names peak files; ENCFF.* holds signal p-value"),
        (
            {"output_type": "IDR thresholded peaks"},
            "the peaks of a set are of one family, as their scores differ; got IDR",
        ),
        ({"output_type": "gene quantifications"}, "column atac_files names peak files"),
    ],
)
def test_a_file_that_cannot_stand_in_its_column(
    portal: Portal, pairs: Path, tmp_path: Path, fields: dict, told: str
) -> None:
    order = read_order(pairs=pairs, manifest=None)
    portal.catalogue.change(atac_of(order)[1], **fields)
    with pytest.raises(InputError, match=told):
        fetched(portal, order, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_quantifications_of_two_annotations_are_not_mixed(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    portal.catalogue.change(order.samples[0].rna_files[0], genome_annotation="V24")
    with pytest.raises(
        InputError, match=r"gene quantifications are of the sample's annotation, V29; ENCFF.* is of V24"
    ):
        fetched(portal, order, tmp_path / "set")


def bare(order: Order) -> Order:
    """Give a set as a table with the required columns alone describes it."""
    rows = [replace(row, columns={"assembly": "hg38"}) for row in order.samples]
    return replace(order, samples=rows)


def test_human_and_mouse_are_not_mixed(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    first = order.samples[0]
    mixed = [replace(first, columns=first.columns | {"assembly": "mm10"}), *order.samples[1:]]
    with pytest.raises(InputError, match="the files of a sample are of its assembly, mm10"):
        fetched(portal, replace(order, samples=mixed), tmp_path / "set")
    for name in (*first.atac_files, *first.rna_files):
        portal.catalogue.change(name, assembly="mm10")
    with pytest.raises(InputError, match="the samples of a set are of one organism; got human and mouse"):
        fetched(portal, replace(order, samples=mixed), tmp_path / "set")


def test_files_of_an_earlier_set_are_told(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    fetched(portal, order, tmp_path)
    outcome = fetched(portal, replace(order, samples=order.samples[1:]), tmp_path)
    assert re.fullmatch(
        rf"\d files in .* are of no sample of this set, the first atac/{atac_of(order)[1]}.*", outcome.told[0]
    )


def test_annotations_are_not_mixed_where_the_table_names_none(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = bare(read_order(pairs=pairs, manifest=None))
    portal.catalogue.change(order.samples[0].rna_files[0], genome_annotation="V24")
    with pytest.raises(
        InputError, match=r"gene quantifications of one assembly are of one annotation; ENCFF\w+ is of V24"
    ):
        fetched(portal, order, tmp_path / "set")


@pytest.mark.parametrize("group", ["", "another"])
def test_samples_of_two_groups_do_not_share_a_file(portal: Portal, pairs: Path, tmp_path: Path, group: str) -> None:
    order = read_order(pairs=pairs, manifest=None)
    first, second, *others = order.samples
    columns = second.columns | {"group": group}
    shared = replace(order, samples=[first, replace(second, rna_files=first.rna_files, columns=columns), *others])
    with pytest.raises(InputError, match="samples that share a file are of one group"):
        fetched(portal, shared, tmp_path / "set")
    columns = second.columns | {"group": first.columns["group"]}
    alike = replace(order, samples=[first, replace(second, rna_files=first.rna_files, columns=columns), *others])
    assert fetched(portal, alike, tmp_path / "set").samples.is_file()


def test_edits_of_the_samples_are_not_lost(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    samples = fetched(portal, order, tmp_path).samples
    text = samples.read_text()
    samples.write_text(text.replace("ENCDO", "mine"))
    with pytest.raises(InputError, match=r"samples\.tsv: was changed since it was fetched and would be replaced"):
        fetched(portal, order, tmp_path)
    assert samples.read_text() == text.replace("ENCDO", "mine")
    samples.unlink()
    fetched(portal, order, tmp_path)
    assert samples.read_text() == text


@pytest.mark.parametrize("step", ["write_receipt", "samples_table"])
def test_an_end_between_the_two_tables_is_got_over(
    portal: Portal, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    order = read_order(pairs=pairs, manifest=None)
    fewer = replace(order, samples=order.samples[:2])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for wanted in (fewer, order):  # into an empty folder, and over another set
        with monkeypatch.context() as patch:
            patch.setattr(f"atac2rna.sources.encode.fetching.{step}", full)
            patch.setattr("atac2rna.sources.encode.fetching._refuse_foreign", lambda _: None)
            with pytest.raises(OSError, match="No space left"):
                fetched(portal, wanted, tmp_path)
        fetched(portal, wanted, tmp_path)
        assert len(read_manifest(tmp_path / "samples.tsv").entries) == len(wanted.samples)


def test_a_path_of_a_manifest_that_is_not_that_of_its_file(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "one")
    order = read_order(pairs=None, manifest=tmp_path / "one" / "manifest.json")
    name = atac_of(order)[1]
    pinned = dict(order.pinned) | {name: replace(order.pinned[name], path=f"rna/{name}.bed.gz")}
    with pytest.raises(InputError, match=f"{name} lies at 'atac/{name}.bed.gz' in a set; got 'rna/"):
        fetched(portal, replace(order, pinned=pinned), tmp_path / "two")


def test_every_fault_is_told(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    first, second, third = (row.atac_files[0] for row in order.samples[:3])
    portal.catalogue.change(first, status="revoked")
    portal.catalogue.change(second, no_file_available=True)
    portal.catalogue.remove(third)
    with pytest.raises(InputError) as caught:
        fetched(portal, order, tmp_path / "set")
    for told in (f"{first} has been revoked", f"{second} is restricted or not", f"it knows no {third}"):
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("side", "data", "told"),
    [
        ("atac", b"chr1\t1\t2\n", "line 1: a narrowPeak has 10 columns.*; ENCFF.* begins with 'chr1"),
        ("rna", b"gene_id\tFPKM\nENSG00000000003.14\t1\n", "have the columns gene_id and TPM; TPM is missing in ENCFF"),
        ("rna", b"<html><body>Sign in</body></html>", "should be the file .* and is a web page"),
    ],
)
def test_a_file_that_came_as_announced_and_is_none(
    portal: Portal, pairs: Path, tmp_path: Path, side: str, data: bytes, told: str
) -> None:
    order = read_order(pairs=pairs, manifest=None)
    name = (order.samples[0].atac_files if side == "atac" else order.samples[0].rna_files)[0]
    item = portal.catalogue.get(name)
    for key in ("file_size", "md5sum", "content_md5sum", "cloud_metadata", "s3_uri", "azure_uri"):
        item.pop(key, None)
    portal.catalogue.add_file(item, data)
    with pytest.raises(InputError, match=told):
        fetched(portal, order, tmp_path / "set")
    assert not (tmp_path / "set" / "samples.tsv").exists()


def test_a_folder_with_a_samples_table_of_ones_own_is_left_alone(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "samples.tsv").write_text("mine")
    with pytest.raises(InputError, match=r"samples\.tsv: is not of a fetched set and would be replaced"):
        fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path)
    assert (tmp_path / "samples.tsv").read_text() == "mine"


def test_a_file_that_cannot_be_had_leaves_no_table(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    name = atac_of(order)[1]
    portal.faults.add(Fault(faults.status(403), path=f"*{name}*", times=None))
    with pytest.raises(FailedFilesError, match=f"1 of {order.n_files} files could not be fetched; {name}"):
        fetched(portal, order, tmp_path)
    assert not (tmp_path / "samples.tsv").exists()
    assert not (tmp_path / "manifest.json").exists()
    portal.faults.clear()
    before = downloads(portal)
    fetched(portal, order, tmp_path)
    assert downloads(portal) == before + 1


def test_a_portal_in_trouble(world: Made, pairs: Path, tmp_path: Path) -> None:
    """A fifth of all answers spoilt, of portal and storage: the set is the same."""
    order = read_order(pairs=pairs, manifest=None)
    with running_portal(world.catalogue) as portal:
        fetched(portal, order, tmp_path / "calm")
    with running_portal(world.catalogue, faults=[RandomFaults(0.2, seed=3)]) as portal:
        fetched(portal, order, tmp_path / "rough")
        assert sum(bool(request.fault) for request in portal.log.requests()) > 5
    assert contents(tmp_path / "calm") == contents(tmp_path / "rough")


def test_the_three_commands(portal: Portal, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = ("--portal", portal.url)
    assert cli("encode", "search", "--organism", "human", "--assembly", "GRCh38", "-o", "pairs.tsv", *address).code == 0
    ended = cli("encode", "fetch", "pairs.tsv", "-o", "encode", *address)
    assert ended.code == 0, ended.err
    assert "fetched)" in ended.out
    again = cli("encode", "fetch", "pairs.tsv", "-o", "encode", *address).out
    assert re.search(r"\d+ files \(\d+ there already\)", again)
    ended = cli("build", "encode/samples.tsv", "-o", "encode.zarr")
    assert ended.code == 0, ended.err
    atlas = Atlas(tmp_path / "encode.zarr")
    assert len(atlas.paired) == len(read_order(pairs=tmp_path / "pairs.tsv", manifest=None).samples)
    assert all(record.columns["lineage"] for record in atlas.samples)
    monkeypatch.setattr("atac2rna.evaluation.folder.draw_evaluation", lambda *_: [])
    for column in ("lineage", "group", "donor"):
        ended = cli("evaluate", "encode.zarr", "--holdout", column, "--models", "mean,nearest", "-o", column)
        assert ended.code == 0, ended.err
    ended = cli("encode", "fetch", "--manifest", "encode/manifest.json", "-o", "again", *address)
    assert ended.code == 0, ended.err
    assert contents(tmp_path / "again") == contents(tmp_path / "encode")


def test_mouse_with_the_gene_table_of_its_annotation(
    portal: Portal, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No genes of mm10 are shipped: build takes those of the release that the set names, which fetch had fetched."""
    monkeypatch.chdir(tmp_path)
    address = ("--portal", portal.url)
    words = ("--organism", "mouse", "--rna-assay", "polyA plus RNA-seq")
    assert cli("encode", "search", *words, "-o", "pairs.tsv", *address).code == 0
    ended = cli("encode", "fetch", "pairs.tsv", "-o", "mouse", *address)
    assert "GENCODE:M21: not fetched, as another portal than ENCODE's was asked; see --mirror" in ended.err
    ended = cli("build", "mouse/samples.tsv", "-o", "mouse.zarr")
    assert (ended.code, "atac2rna annotation GENCODE:M21" in ended.err) == (2, True)
    ended = cli("encode", "fetch", "pairs.tsv", "-o", "mouse", *address, "--mirror", f"{portal.storage_url}/gencode")
    assert ended.code == 0, ended.err
    assert "GENCODE:M21: " in ended.out
    assert "genes of mm10, which build will take" in ended.out
    ended = cli("encode", "fetch", "pairs.tsv", "-o", "mouse", *address)  # what is kept is the mirror's
    assert "GENCODE:M21: not fetched, as another portal than ENCODE's was asked; see --mirror" in ended.err
    ended = cli("build", "mouse/samples.tsv", "-o", "mouse.zarr")
    assert ended.code == 0, ended.err
    assert f"genes of GENCODE:M21, which came from {portal.storage_url}/gencode/" in ended.err
    assert {record.assembly for record in Atlas(tmp_path / "mouse.zarr").samples} == {"mm10"}


def test_a_gene_table_that_cannot_be_had_is_a_note(portal: Portal, pairs: Path, tmp_path: Path, cli: Cli) -> None:
    mirror = f"{portal.storage_url}/nowhere"
    ended = cli("encode", "fetch", pairs, "-o", tmp_path / "set", "--portal", portal.url, "--mirror", mirror)
    assert ended.code == 0
    assert "note: the gene table is not there: " in ended.out
    assert "Later: atac2rna annotation GENCODE:V29" in ended.out
    assert (tmp_path / "set" / "samples.tsv").is_file()


def test_what_the_command_refuses(portal: Portal, pairs: Path, tmp_path: Path, cli: Cli) -> None:
    out = ("-o", tmp_path / "set", "--portal", portal.url)
    assert "a set is a table of pairs or a --manifest; got both or none" in cli("encode", "fetch", *out).err
    assert cli("encode", "fetch", pairs, "--manifest", pairs, *out).code == 2
    assert "give the manifest.json that fetch wrote" in cli("encode", "fetch", "--manifest", pairs, *out).err
    assert "no such file" in cli("encode", "fetch", tmp_path / "x.tsv", *out).err
    assert "is a folder; name the manifest.json in it" in cli("encode", "fetch", "--manifest", tmp_path, *out).err
    ended = cli("encode", "fetch", pairs, *out, "--mirror", "/gencode")
    assert (ended.code, "/gencode: is no https address" in ended.err) == (2, True)
    assert not (tmp_path / "set").exists()
    ended = cli("encode", "fetch", pairs, "-o", tmp_path / "set", "--portal", "portal.org")
    assert ended.err.endswith("is no https address. Write it in full, as https://www.encodeproject.org.\n")
    ended = cli("encode", "fetch", pairs, "-o", tmp_path / "set", "--portal", "http://portal.org")
    assert (ended.code, "https" in ended.err) == (2, True)


def test_a_path_that_leaves_the_folder_is_refused(portal: Portal, pairs: Path, tmp_path: Path, cli: Cli) -> None:
    fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "one")
    manifest = tmp_path / "one" / "manifest.json"
    document = json.loads(manifest.read_text())
    name, file = next(iter(document["files"].items()))
    document["files"][name] = file | {"path": f"../../{name}.bed.gz"}
    manifest.write_text(json.dumps(document))
    ended = cli("encode", "fetch", "--manifest", manifest, "-o", tmp_path / "two", "--portal", portal.url)
    assert (ended.code, "a file lies inside the folder of its set" in ended.err) == (2, True)
    assert not (tmp_path / "two").exists()


def test_a_path_that_a_link_leads_out_is_refused(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    """A folder `atac` that is a link to elsewhere: nothing is written there."""
    (tmp_path / "set").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set" / "atac").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="lies inside the folder of its set"):
        fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "set")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_row_taken_out_is_not_fetched(portal: Portal, pairs: Path, tmp_path: Path) -> None:
    order = read_order(pairs=pairs, manifest=None)
    fewer = replace(order, samples=order.samples[:2])
    assert len(fetched(portal, fewer, tmp_path).receipt.samples) == 2
    assert len(list((tmp_path / "atac").iterdir())) == 2


def test_a_full_disk_is_told_before_anything_is_fetched(
    portal: Portal, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(InputError, match="free some space or choose another output path"):
        fetched(portal, read_order(pairs=pairs, manifest=None), tmp_path / "set")
    assert downloads(portal) == 0
