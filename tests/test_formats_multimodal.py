"""MuData files that are damaged: told, whatever is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from mudata_cells import anndata, build, counts, genes, modality, obs, places, save
from sample_files import Files

h5py = pytest.importorskip("h5py")
sparse = pytest.importorskip("scipy.sparse")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as stored:
            del stored[name]

    return change


def put(name: str, place: int, value: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as stored:
            stored[name][place] = value

    return change


def unmark(name: str, attribute: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as stored:
            del stored[name].attrs[attribute]

    return change


def mark(name: str, kind: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as stored:
            stored[name].attrs["encoding-type"] = kind

    return change


def widen(path: Path) -> None:
    with h5py.File(path, "r+") as stored:
        del stored["mod/rna/X"]
        anndata.io.write_elem(stored["mod/rna"], "X", np.ones((12, 31)))


DAMAGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "truncated file"),
    "without var": (lose("mod/atac/var"), "object 'var' doesn't exist"),
    "without obs": (lose("mod/rna/obs"), "object 'obs' doesn't exist"),
    "without indices": (lose("mod/atac/X/indices"), "object 'indices' doesn't exist"),
    "without the kind of a matrix": (unmark("mod/atac/X", "encoding-type"), "no attribute 'shape'"),
    "without the kind of a table": (unmark("mod/atac/var", "encoding-type"), ""),
    "a table of no known kind": (mark("mod/atac/var", "tensor"), "tensor"),
    "an index too high": (put("mod/atac/X/indices", 3, 1_000_000), "an index is 1,000,000, of 5"),
    "an index below 0": (put("mod/atac/X/indices", 3, -1), "an index is -1, of 5"),
    "an index just too high": (put("mod/rna/X/indices", 3, 30), "an index is 30, of 30"),
    "rows that end before they begin": (put("mod/atac/X/indptr", 3, 60), "its rows do not divide its values"),
    "rows that end too far": (put("mod/atac/X/indptr", -1, 10_000), "its rows do not divide its values"),
    "another shape": (widen, r"its shape is \(12, 31\), not \(12, 30\)"),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_file_is_refused(files: Files, fault: str) -> None:
    """Not by a traceback, nor by the end of the process: scipy writes wherever an index points."""
    damage, message = DAMAGED[fault]
    path = save(
        files,
        modality(sparse.csr_matrix(counts(5)), var=places(), obs=obs()),
        modality(sparse.csr_matrix(counts(30)), var=genes()),
    )
    damage(path)
    with pytest.raises(InputError, match=rf"cells\.h5mu.* is not as MuData writes it \(.*{message}.* Fetch or write"):
        build(files, path)
    assert [one.name for one in files.folder.iterdir() if one.name.startswith(".")] == []
