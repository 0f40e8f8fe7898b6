"""What accessibility as a whole says of a sample: kernel ridge over samples, and coordinates in their space.

Everything follows from the products of a sample's row with those of the training samples, so that rows are kept once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.deep.windows import Floats

Doubles = NDArray[np.float64]

MAX_ROWS = 128
"""More training rows than this are kept by their principal directions."""


class RowStore(NamedTuple):
    """Training rows, compressed where they are many: rows = mix @ basis.

    Attributes:
        basis: Shape (kept, genes * near bins).
        mix: Shape (samples, kept).
    """

    basis: Floats
    mix: Floats

    def products(self, row: Floats) -> Doubles:
        """Multiply one sample's row with each training row, shape (samples,)."""
        kept: Doubles = (self.basis @ row).astype(np.float64)
        return self.mix @ kept

    def gram(self) -> Doubles:
        """Products of the training rows with each other, shape (samples, samples)."""
        inner = (self.basis @ self.basis.T).astype(np.float64)
        products: Doubles = self.mix @ inner @ self.mix.T
        return products


def store_rows(rows: Floats) -> RowStore:
    """Keep rows, shape (samples, genes * near bins), as they are or by `MAX_ROWS` directions."""
    if len(rows) <= MAX_ROWS:
        return RowStore(rows, np.eye(len(rows), dtype=np.float32))
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    values, vectors = values[-MAX_ROWS:], vectors[:, -MAX_ROWS:]
    scale = np.sqrt(np.maximum(values, 1e-12))
    return RowStore(((vectors / scale).T @ rows).astype(np.float32), (vectors * scale).astype(np.float32))


class Centring(NamedTuple):
    """How products with training rows become products in the space centred at their mean.

    Attributes:
        column: Mean product of each training row with the others, shape (samples,).
        total: Mean of all products.
    """

    column: Doubles
    total: float

    def apply(self, products: Doubles) -> Doubles:
        """Centre products with the training rows, shape (..., samples)."""
        centred: Doubles = products - products.mean(axis=-1, keepdims=True) - self.column + self.total
        return centred


def centre_gram(gram: Doubles) -> tuple[Centring, Doubles]:
    """Give the centring of a set of rows and their centred products."""
    centring = Centring(gram.mean(axis=0), float(gram.mean()))
    return centring, centring.apply(gram)


def ridge_coefficients(centred: Doubles, deltas: Floats, *, noise: float) -> Floats:
    """Solve kernel ridge, shape (samples, genes): centred products @ coefficients = predicted delta."""
    scale = max(float(np.trace(centred)) / len(centred), 1e-12)
    solved: Floats = (np.linalg.solve(centred / scale + noise * np.eye(len(centred)), deltas) / scale).astype(
        np.float32
    )
    return solved


def left_open(centred: Doubles, deltas: Floats, groups: NDArray[np.str_], *, noise: float) -> Floats:
    """Give what kernel ridge fitted without a sample's group leaves of its deltas, shape (samples, genes).

    In closed form: with A the inverse of the system and a = A deltas, what is left of a group's rows is A_gg^-1 a_g.
    """
    scale = max(float(np.trace(centred)) / len(centred), 1e-12)
    inverse = np.linalg.inv(centred / scale + noise * np.eye(len(centred)))
    solved = inverse @ deltas
    left = np.empty_like(deltas)
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        left[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], solved[rows])
    return left


def project(gram: Doubles, rows: NDArray[np.intp], targets: NDArray[np.intp]) -> Doubles:
    """Give products with all samples of the part of `targets` that lies in the span of `rows`.

    A sample's own row lies fully in the space of the samples it is one of, a test sample's only in part; so the row of
    a training sample is replaced by its projection upon the others.

    Returns:
        Shape (targets, samples).
    """
    centring, centred = centre_gram(gram[np.ix_(rows, rows)])
    own = centring.apply(gram[np.ix_(targets, rows)])
    values, vectors = np.linalg.eigh(centred)
    kept = values > 1e-6 * max(float(values[-1]), 1e-12)
    alpha = own @ (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    omega = alpha + (1 - alpha.sum(axis=1, keepdims=True)) / len(rows)
    products: Doubles = omega @ gram[rows]
    return products


class Axes(NamedTuple):
    """Coordinates of a sample: (centred products with the training rows) @ axes, shape (samples, components)."""

    centring: Centring
    axes: Doubles

    def coordinates(self, products: Doubles) -> Floats:
        """Give coordinates of about unit size from products with the rows, shape (..., components)."""
        found: Floats = (self.centring.apply(products) @ self.axes).astype(np.float32)
        return found


def make_axes(gram: Doubles, *, components: int) -> Axes:
    """Take the principal directions of rows from their products; half whitened, so that small ones are not drowned."""
    centring, centred = centre_gram(gram)
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = max(1, min(components, int((values > 1e-6 * max(float(values[0]), 1e-12)).sum())))
    values, vectors = np.maximum(values[:kept], 1e-12), vectors[:, :kept]
    vectors = vectors * np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))
    whitening = values**-0.75  # score = U sqrt(values); divided by values ** 0.25
    size = np.sqrt((values**0.5).sum() / len(gram) / kept)
    return Axes(centring, vectors * whitening / max(float(size), 1e-12))
