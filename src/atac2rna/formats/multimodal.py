"""MuData files (.h5mu): several modalities of the same cells or samples, read piece by piece.

The layout is that of https://mudata.readthedocs.io: one HDF5 file, a group for each modality below `mod`, each written as
AnnData writes it. Only what is asked for is read, so that a matrix of many cells never lies in memory whole.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names, nearest_sentence
from atac2rna.extras import import_anndata

_AT_ONCE = 1 << 22
"""Stored values read at a time."""

_FAULTS = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, MemoryError)
"""What reading a damaged file ends in, beside the end of the process, which checks of indices prevent."""


class GroupSums(NamedTuple):
    """A modality added up over groups of its rows.

    Attributes:
        sums: Shape (groups, columns).
        whole: Whether every value was a whole number.
    """

    sums: NDArray[np.float64]
    whole: bool


@dataclass(frozen=True, eq=False)
class Modality:
    """One modality of an open file.

    Attributes:
        path: The file.
        name: Its name (`atac`).
        obs: Table of its cells or samples, a pandas DataFrame indexed by name.
        var: Table of its peaks or genes, likewise.
        matrix: What the values are read from: an HDF5 group (sparse) or dataset (dense).
        label: What errors call the values (`x.h5mu, atac, X`).
    """

    path: Path
    name: str
    obs: Any
    var: Any
    matrix: Any
    label: str

    def add_up(self, group: NDArray[np.intp], count: int) -> GroupSums:
        """Add the rows of each group, reading a part at a time.

        Args:
            group: Group of each row, -1 for rows that are left out, shape (rows,).
            count: Number of groups.

        Raises:
            InputError: If a value is negative or no number, or the file is damaged.
        """
        from scipy.sparse import csr_matrix

        rows = np.flatnonzero(group >= 0)
        member = csr_matrix((np.ones(rows.size), (group[rows], rows)), shape=(count, group.size))
        sums = np.zeros((count, len(self.var)))
        whole = True
        for part in self._parts(group >= 0):
            self._require_counts(part.values)
            whole = whole and bool((part.values == np.floor(part.values)).all())
            # Only the groups that the part has rows of: the sums of all may be a thousand times as much as the part.
            own = member[:, part.rows]
            groups = np.flatnonzero(np.diff(own.indptr))
            here = own[groups] @ part.matrix
            if part.first_column is None:
                sums[groups] += here
                continue
            added = here.tocoo()
            np.add.at(sums, (groups[added.row], part.first_column + added.col), added.data)
        return GroupSums(sums, whole)

    def _require_counts(self, values: NDArray[Any]) -> None:
        wrong = np.flatnonzero(~((values.ravel() >= 0) & np.isfinite(values.ravel())))
        if wrong.size and np.isnan(values.ravel()[wrong[0]]):
            raise InputError(
                f"{self.label}: every value is measured; {np.isnan(values).sum():,} or more are missing. "
                f"Leave out the columns that have them, or name another layer with --{self.name}-layer."
            )
        if wrong.size:
            raise InputError(
                f"{self.label}: counts are numbers of at least 0; got {values.ravel()[wrong[0]]:g}, as scaled values have. Name "
                f"the layer that holds counts with --{self.name}-layer."
            )

    def _parts(self, wanted: NDArray[np.bool_]) -> Iterator["_Part"]:
        """Blocks of rows that hold a wanted one, or of columns where the matrix is stored so."""
        shape = len(self.obs), len(self.var)
        kind = _encoding(self.matrix)
        if kind in ("csr_matrix", "csc_matrix"):
            yield from self._sparse_parts(wanted, shape, by_row=kind == "csr_matrix")
            return
        with _reading(self.path, self.label):
            if tuple(self.matrix.shape) != shape:
                raise _damage(self.label, f"its shape is {tuple(self.matrix.shape)}, not {shape}")
        step = max(1, _AT_ONCE // max(1, shape[1]))
        for first in range(0, shape[0], step):
            if not wanted[first : first + step].any():
                continue
            with _reading(self.path, self.label):
                block = np.asarray(self.matrix[first : first + step], dtype=np.float64)
            yield _Part(slice(first, first + step), None, block, block)

    def _sparse_parts(self, wanted: NDArray[np.bool_], shape: tuple[int, int], *, by_row: bool) -> Iterator["_Part"]:
        """Parts of a sparse matrix; scipy does not check what it is handed, and writes wherever an index points."""
        from scipy.sparse import csc_matrix, csr_matrix

        major, minor = shape if by_row else shape[::-1]
        with _reading(self.path, self.label):
            edges = self.matrix["indptr"][:].astype(np.int64)
            stored = {self.matrix[name].shape for name in ("data", "indices")}
        if edges.shape != (major + 1,) or edges[0] != 0 or (np.diff(edges) < 0).any() or stored != {(edges[-1],)}:
            raise _damage(self.label, f"its rows do not divide its values ({major:,} rows, 'indptr')")
        first = 0
        while first < major:
            last = max(first + 1, int(np.searchsorted(edges, edges[first] + _AT_ONCE, side="right")) - 1)
            if by_row and not wanted[first:last].any():
                first = last
                continue
            low, high = int(edges[first]), int(edges[last])
            with _reading(self.path, self.label):
                values = self.matrix["data"][low:high].astype(np.float64)
                index = self.matrix["indices"][low:high]
            wrong = np.flatnonzero((index < 0) | (index >= minor))
            if wrong.size:
                raise _damage(self.label, f"an index is {index[wrong[0]]:,}, of {minor:,} ('indices')")
            place = (values, index, edges[first : last + 1] - low)
            if by_row:
                yield _Part(slice(first, last), 0, csr_matrix(place, shape=(last - first, minor)), values)
            else:
                yield _Part(slice(None), first, csc_matrix(place, shape=(minor, last - first)), values)
            first = last


class _Part(NamedTuple):
    """A block of a matrix: its rows, its first column (None: it is dense and has all), itself, and its stored values."""

    rows: slice
    first_column: int | None
    matrix: Any
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MultimodalFile:
    """An open MuData file.

    Attributes:
        path: The file.
        obs: Table of all cells or samples, a pandas DataFrame; without the columns that repeat a modality's.
        modalities: By name, those asked for.
    """

    path: Path
    obs: Any
    modalities: Mapping[str, Modality]


@contextmanager
def open_multimodal(
    path: Path, layers: Mapping[str, str | None], *, optional: Collection[str] = ()
) -> Iterator[MultimodalFile]:
    """Open a MuData file.

    Args:
        path: The file.
        layers: Modalities asked for, each with the layer that holds its values; None or `X`: X.
        optional: Those that a file may lack, if it has none but the others asked for: under another name it would be lost.

    Raises:
        InputError: If anndata is not installed, the file is no MuData or damaged, or a modality or layer is missing.
    """
    anndata = import_anndata("a MuData file (.h5mu)")
    import h5py

    if not path.is_file():
        fault = "is a directory" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {fault}; a MuData file (.h5mu) is expected there.")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: is no HDF5 file; a MuData file (.h5mu) is expected there.")
    with _reading(path, "the file"):
        stored = h5py.File(path, "r")
    with stored:
        with _reading(path, "the file"):
            opened = _open(path, stored, layers, optional, anndata.io.read_elem)
        yield opened


def _open(
    path: Path,
    stored: Any,
    layers: Mapping[str, str | None],
    optional: Collection[str],
    read: Callable[[Any], Any],
) -> MultimodalFile:
    if "mod" not in stored:
        kind = (
            "a matrix of 10x Genomics"
            if "matrix" in stored
            else "an AnnData of one modality"
            if "X" in stored
            else "HDF5"
        )
        raise InputError(
            f"{path}: a MuData file (.h5mu) holds modalities; this is {kind}. Put the AnnData of both assays together: "
            "mudata.MuData({'atac': peaks, 'rna': genes}).write(FILE)."
        )
    held = stored["mod"]
    wanted = [name for name in layers if name in held or name not in optional or set(held) - set(layers)]
    modalities = {name: _modality(path, held, name, layers[name], read) for name in wanted}
    obs = read(stored["obs"]) if "obs" in stored else None
    if obs is not None:
        obs = obs[[name for name in obs.columns if str(name).partition(":")[0] not in held]]
    return MultimodalFile(path, obs, modalities)


def _modality(path: Path, stored: Any, name: str, layer: str | None, read: Callable[[Any], Any]) -> Modality:
    if name not in stored:
        raise InputError(
            f"{path}: a MuData file for an atlas has the modalities atac and rna; got none named {name!r}; "
            f"{nearest_sentence(name, list(stored))} Rename it."
        )
    group = stored[name]
    layers = list(group["layers"]) if "layers" in group else []
    if layer == "X" and layer not in layers:
        layer = None
    if layer is not None and layer not in layers:
        known = nearest_names(layer, layers) if layers else "it has none, only X. Leave the option out."
        raise InputError(f"{path}: --{name}-layer names a layer of {name}; got {layer!r}; {known}")
    if layer is None and "X" not in group:
        raise InputError(f"{path}: {name} has no X; name the layer that holds counts with --{name}-layer.")
    matrix = group["X"] if layer is None else group["layers"][layer]
    return Modality(path, name, read(group["obs"]), read(group["var"]), matrix, f"{path}, {name}, {layer or 'X'}")


def _encoding(matrix: Any) -> str:
    return str(matrix.attrs.get("encoding-type", "array"))


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Turn the ways in which HDF5 and anndata stumble over a damaged file into one error that says what to do."""
    try:
        yield
    except InputError:
        raise
    except _faults() as fault:
        said = str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
        raise _damage(what if what.startswith(str(path)) else f"{path}: {what}", said) from fault


def _faults() -> tuple[type[Exception], ...]:
    """Errors of reading, with anndata's own for an encoding that it does not know, which it does not publish."""
    own = getattr(sys.modules.get("anndata._io.specs.registry"), "IORegistryError", None)
    return _FAULTS if own is None else (*_FAULTS, own)


def _damage(what: str, said: str) -> InputError:
    return InputError(
        f"{what}: is not as MuData writes it ({said.rstrip('.')}). A cut download, or damaged? Fetch or write the file again."
    )
