"""MuData files (.h5mu): several modalities of the same cells or samples, read piece by piece.

The layout is that of https://mudata.readthedocs.io: one HDF5 file, a group for each modality below `mod`, each written as
AnnData writes it. Only what is asked for is read, so that a matrix of many cells never lies in memory whole.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.extras import import_anndata

_AT_ONCE = 1 << 22
"""Stored values read at a time."""


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
            InputError: If a value is negative or no number.
        """
        from scipy.sparse import csr_matrix

        rows = np.flatnonzero(group >= 0)
        member = csr_matrix((np.ones(rows.size), (group[rows], rows)), shape=(count, group.size))
        sums = np.zeros((count, len(self.var)))
        whole = True
        for part in self._parts(group >= 0):
            self._require_counts(part.values)
            whole = whole and bool((part.values == np.floor(part.values)).all())
            here = member[:, part.rows] @ part.matrix
            sums[:, part.columns] += here.toarray() if hasattr(here, "toarray") else here
        return GroupSums(sums, whole)

    def _require_counts(self, values: NDArray[Any]) -> None:
        wrong = np.flatnonzero(~((values.ravel() >= 0) & np.isfinite(values.ravel())))
        if wrong.size:
            raise InputError(
                f"{self.label}: counts are numbers of at least 0; got {values.ravel()[wrong[0]]:g}, as scaled values have. Name "
                f"the layer that holds counts with --{self.name}-layer."
            )

    def _parts(self, wanted: NDArray[np.bool_]) -> Iterator["_Part"]:
        """Blocks of rows that hold a wanted one, or of columns where the matrix is stored so."""
        from scipy.sparse import csc_matrix, csr_matrix

        shape = len(self.obs), len(self.var)
        kind = str(self.matrix.attrs.get("encoding-type", "array"))
        if kind not in ("csr_matrix", "csc_matrix"):
            step = max(1, _AT_ONCE // max(1, shape[1]))
            for first in range(0, shape[0], step):
                if not wanted[first : first + step].any():
                    continue
                block = np.asarray(self.matrix[first : first + step], dtype=np.float64)
                yield _Part(slice(first, first + step), slice(None), block, block)
            return
        by_row = kind == "csr_matrix"
        make = csr_matrix if by_row else csc_matrix
        edges = self.matrix["indptr"][:].astype(np.int64)
        first = 0
        while first < edges.size - 1:
            last = max(first + 1, int(np.searchsorted(edges, edges[first] + _AT_ONCE, side="right")) - 1)
            if by_row and not wanted[first:last].any():
                first = last
                continue
            low, high = int(edges[first]), int(edges[last])
            values = self.matrix["data"][low:high].astype(np.float64)
            place = (values, self.matrix["indices"][low:high], edges[first : last + 1] - low)
            size = (last - first, shape[1]) if by_row else (shape[0], last - first)
            lines, every = slice(first, last), slice(None)
            yield _Part(lines if by_row else every, every if by_row else lines, make(place, shape=size), values)
            first = last


class _Part(NamedTuple):
    """A block of a matrix: its rows and columns, itself, and the values stored in it."""

    rows: slice
    columns: slice
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
def open_multimodal(path: Path, layers: Mapping[str, str | None]) -> Iterator[MultimodalFile]:
    """Open a MuData file.

    Args:
        path: The file.
        layers: Modalities asked for, each with the layer that holds its values; None: X.

    Raises:
        InputError: If anndata is not installed, the file is no MuData, or a modality or layer is missing.
    """
    anndata = import_anndata("a MuData file (.h5mu)")
    import h5py

    if not path.is_file():
        raise InputError(f"{path}: no such file; a MuData file (.h5mu) is expected there.")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: is no HDF5 file; a MuData file (.h5mu) is expected there.")
    with h5py.File(path, "r") as stored:
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
        read = anndata.io.read_elem
        modalities = {name: _modality(path, stored["mod"], name, layer, read) for name, layer in layers.items()}
        obs = read(stored["obs"]) if "obs" in stored else None
        if obs is not None:
            obs = obs[[name for name in obs.columns if str(name).partition(":")[0] not in stored["mod"]]]
        yield MultimodalFile(path, obs, modalities)


def _modality(path: Path, stored: Any, name: str, layer: str | None, read: Any) -> Modality:
    if name not in stored:
        raise InputError(
            f"{path}: a MuData file for an atlas has the modalities atac and rna; got none named {name!r}; "
            f"{nearest_names(name, list(stored))} Rename it."
        )
    group = stored[name]
    layers = list(group["layers"]) if "layers" in group else []
    if layer is not None and layer not in layers:
        known = nearest_names(layer, layers) if layers else "it has none, only X. Leave the option out."
        raise InputError(f"{path}: --{name}-layer names a layer of {name}; got {layer!r}; {known}")
    if layer is None and "X" not in group:
        raise InputError(f"{path}: {name} has no X; name the layer that holds counts with --{name}-layer.")
    matrix = group["X"] if layer is None else group["layers"][layer]
    return Modality(path, name, read(group["obs"]), read(group["var"]), matrix, f"{path}, {name}, {layer or 'X'}")
