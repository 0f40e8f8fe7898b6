"""Files are written whole or not at all, and read whatever wraps them."""

import _thread
import gzip
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import binary_kind, checksum, read_text_bytes, whole_file, whole_folder

AS_ROOT = os.geteuid() == 0


class CutError(Exception):
    pass


def write_half(path: Path) -> None:
    """Begin to write and fail, as an interrupted program does."""
    path.write_text("half")
    raise CutError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "out.tsv"
    with whole_file(path) as temporary:
        temporary.write_text("done")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (path.parent, ".tsv")
    assert path.read_text() == "done"
    assert names(path.parent) == ["out.tsv"]


def test_whole_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with whole_file(tmp_path / "whole") as temporary:
        temporary.write_text("")
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_whole_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("old")
    with pytest.raises(CutError), whole_file(path) as temporary:
        write_half(temporary)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.tsv"]


def test_whole_file_that_the_block_removed_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(path) as temporary:
        temporary.unlink()
    assert path.read_text() == "old"


def test_whole_file_writes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out")
    with whole_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "out").read_text() == "new"
    assert names(tmp_path / "real") == ["out"]


def test_whole_file_writes_a_device_as_it_is() -> None:
    with whole_file(Path(os.devnull)) as temporary:
        temporary.write_text("gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_whole_file_refuses_a_folder_and_a_file_as_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"), whole_file(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="file: is a file where a folder is needed"),
        whole_file(tmp_path / "file" / "out"),
    ):
        pass
    with pytest.raises(InputError, match="file: is a file where"), whole_file(tmp_path / "file" / "deep" / "out"):
        pass
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_missing_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    for path in (tmp_path / "closed" / "out", tmp_path / "closed" / "deep" / "out"):
        with pytest.raises(InputError, match="permission denied"), whole_file(path):
            pass
        with pytest.raises(InputError, match="permission denied"), whole_folder(path):
            pass


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a file system that takes no files, as Linux has one")
@pytest.mark.parametrize("writer", [whole_file, whole_folder])
@pytest.mark.parametrize("name", ["out", "deep/out"])
def test_file_system_that_takes_no_files_is_told(
    name: str, writer: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    with (
        pytest.raises(InputError, match=r"^/proc.* cannot be written \(.*\); choose another"),
        writer(Path("/proc") / name),
    ):
        pass


def test_whole_folder_replaces_the_old_one_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model"
    for round_ in ("first", "second"):
        with whole_folder(path) as temporary:
            (temporary / round_).write_text("")
            assert not (path / round_).exists()
        assert names(path) == [round_]
        assert names(path.parent) == ["model"]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode)


def test_whole_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with pytest.raises(CutError), whole_folder(path) as temporary:
        write_half(temporary / "half")
    assert names(tmp_path) == []
    path.mkdir()
    (path / "old").write_text("kept")
    with pytest.raises(CutError), whole_folder(path) as temporary:
        write_half(temporary / "half")
    assert names(tmp_path) == ["model"]
    assert (path / "old").read_text() == "kept"


def test_whole_folder_puts_the_old_one_back_if_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").write_text("kept")
    with pytest.raises(FileNotFoundError), whole_folder(path) as temporary:
        temporary.rmdir()
    assert names(tmp_path) == ["model"]
    assert names(path) == ["old"]


def test_ctrl_c_while_the_old_folder_is_removed_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.mkdir()
    remove = shutil.rmtree

    def interrupted(folder: Path, **options: bool) -> None:
        _thread.interrupt_main()
        time.sleep(0.1)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(path) as new:
        (new / "file").write_text("new")
    assert names(tmp_path) == ["out"]
    assert (path / "file").read_text() == "new"


def test_whole_folder_refuses_a_file_and_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="is a file"), whole_folder(tmp_path / "file"):
        pass
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as temporary:
        (temporary / "new").write_text("")
    assert names(tmp_path) == ["file", "link", "real"]
    assert names(tmp_path / "real") == ["new"]


def test_text_is_read_by_content_not_by_suffix(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for content in (b"a\tb\r\n", gzip.compress(b"a\tb\r\n"), gzip.compress(b"a\t") + gzip.compress(b"b\r\n")):
        path.write_bytes(content)
        assert read_text_bytes(path, what="a table") == b"a\tb\r\n"
    path.write_bytes(b"\xef\xbb\xbfa\n")
    assert read_text_bytes(path, what="a table") == b"a\n"


def test_what_is_no_text_is_named_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for content, kind in [
        (b"PK\x03\x04" + bytes(9), "spreadsheet"),
        (b"\x89HDF\r\n", "HDF5"),
        (gzip.compress(b"<HTML>"), "web page"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"x.txt: looks like .*{kind}.*; a table is expected there"):
            read_text_bytes(path, what="a table")


def test_a_binary_file_is_named_by_its_first_bytes(tmp_path: Path) -> None:
    for content, kind in {
        b"\x26\xfc\x8f\x88": "a bigWig signal file",
        b"PAR1": "a parquet file",
        b"chr1\t": None,
        b"": None,
    }.items():
        (tmp_path / "x").write_bytes(content)
        assert binary_kind(tmp_path / "x") == kind
    assert binary_kind(tmp_path / "nowhere") is None
    assert binary_kind(tmp_path) is None


def test_checksum_is_that_of_the_bytes_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert checksum(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_nearest_names_are_offered_or_all_are() -> None:
    assert nearest_names("lineag", ["lineage", "group", "donor"]) == "did you mean 'lineage'?"
    assert nearest_names("zzz", ("lineage", "group")) == "known: lineage, group"
    assert nearest_names("zzz", [f"n{i}" for i in range(20)]).endswith("n11, ...")
