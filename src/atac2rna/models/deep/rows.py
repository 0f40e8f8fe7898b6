"""Training rows as a test row would be seen: by a memory that leaves out the group of the row."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atac2rna.models.base import training_deltas
from atac2rna.models.deep.memory import Memory, make_memory
from atac2rna.models.deep.samples import Samples
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.similarity import Axes, Doubles, centre_gram, make_axes, project, ridge_coefficients
from atac2rna.models.deep.windows import Floats
from atac2rna.models.inner_groups import deal_folds


class Units(NamedTuple):
    """Scales by which a network's inputs and outputs are divided, fixed with its training samples.

    Attributes:
        delta: Root mean square of deltas.
        rank: That of ranks beyond their mean at each scale, shape (scales,).
        slope: That of slope times rank at each scale, shape (scales,).
        bin_slope: That of slope times window over all bins, shape (1,).
    """

    delta: float
    rank: Floats
    slope: Floats
    bin_slope: Floats


class GeneFacts(NamedTuple):
    """What a memory tells of each gene, as the network takes it; all of a step's samples share one.

    Attributes:
        window: Mean window, shape (genes, bins).
        rank: Mean rank, shape (genes, scales).
        slope: Slope, shape (genes, scales).
        bin_slope: Slope of each bin, shape (genes, bins).
        own_ridge: Weights of all bins together, in units of `Units.delta`, shape (genes, bins).
        known: Mean, standard deviation and weight, each scaled, shape (genes, 3).
        weight: Weight, shape (genes,).
        basis: Directions of expression, shape (directions, genes).
        power: Variance along each, shape (directions,).
    """

    window: Tensor
    rank: Tensor
    slope: Tensor
    bin_slope: Tensor
    own_ridge: Tensor
    known: Tensor
    weight: Tensor
    basis: Tensor
    power: Tensor


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        facts: Of the genes.
        window: Shape (samples, genes, bins).
        rank: Shape (samples, genes, scales).
        similar: Delta that kernel ridge predicts, in units of `Units.delta`, shape (samples, genes).
        place: Coordinates in the space of accessibility, shape (samples, axes).
        target: Delta in units of `Units.delta`, shape (samples, genes); 0 where not measured.
        measured: 1 where measured, shape (samples, genes).
    """

    facts: GeneFacts
    window: Tensor
    rank: Tensor
    similar: Tensor
    place: Tensor
    target: Tensor
    measured: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Move everything to a device."""
        facts = GeneFacts(*(tensor.to(device) for tensor in self.facts))
        return Batch(facts, *(tensor.to(device) for tensor in self[1:]))


def make_facts(memory: Memory, unit: float = 1.0) -> GeneFacts:
    """Turn a memory into what the network takes, with deltas in a unit."""
    mean = np.nan_to_num(memory.mean)
    known = np.stack([(mean - 3) / 3, memory.sd, memory.weight], axis=1)
    arrays = {**memory._asdict(), "known": known, "own_ridge": memory.own_ridge / unit}
    return GeneFacts(
        *(torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=np.float32)) for name in GeneFacts._fields)
    )


class Part(NamedTuple):
    """Samples that share a memory: those of one fold, or those held out for early stopping."""

    rows: NDArray[np.intp]
    facts: GeneFacts
    similar: Floats
    place: Floats
    target: Floats
    measured: NDArray[np.bool_]


class Rows(NamedTuple):
    """All that one network is trained on.

    Attributes:
        samples: All training samples.
        units: Scales, from the rows that are learned from.
        frame: Memory of the learned rows: the directions in which states are told.
        axes: Directions of accessibility, of the learned rows.
        learn: Folds of the learned rows, each with a memory that leaves it out.
        check: The rows held out for early stopping; None where there are none.
    """

    samples: Samples
    units: Units
    frame: Memory
    axes: Axes
    learn: tuple[Part, ...]
    check: Part | None

    def batches(self, part: Part, order: NDArray[np.intp], size: int) -> Iterator[Batch]:
        """Give the part's samples in the order given, `size` a batch."""
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            rows = part.rows[chosen]
            yield Batch(
                part.facts,
                torch.from_numpy(self.samples.window[rows]),
                torch.from_numpy(self.samples.rank[rows]),
                torch.from_numpy(part.similar[chosen]),
                torch.from_numpy(part.place[chosen]),
                torch.from_numpy(part.target[chosen]),
                torch.from_numpy(part.measured[chosen].astype(np.float32)),
            )

    def shuffled(self, rng: np.random.Generator, size: int) -> list[tuple[Part, NDArray[np.intp]]]:
        """Order the batches of one epoch: samples shuffled within their folds, then batches among each other."""
        pieces = []
        for part in self.learn:
            order = rng.permutation(len(part.rows))
            pieces += [(part, order[start : start + size]) for start in range(0, len(order), size)]
        return [pieces[i] for i in rng.permutation(len(pieces))]


def make_rows(
    samples: Samples, gram: Doubles, held_out: NDArray[np.bool_], settings: DeepSettings, *, seed: int
) -> Rows:
    """Build the rows of one network.

    Args:
        samples: All training samples.
        gram: Products of their rows, shape (samples, samples).
        held_out: Samples for early stopping, shape (samples,).
        settings: Of folds, components and kernel noise.
        seed: Of the folds.
    """
    learned, checked = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    frame = make_memory(samples, gram, learned, without=checked, settings=settings)
    axes = make_axes(gram[np.ix_(learned, learned)], components=settings.components)

    def part(rows: NDArray[np.intp], others: NDArray[np.intp], memory: Memory) -> Part:
        centring, centred = centre_gram(gram[np.ix_(others, others)])
        deltas = training_deltas(samples.expression[others], memory.mean)
        coefficients = ridge_coefficients(centred, deltas, noise=settings.kernel_noise)
        similar = (centring.apply(gram[np.ix_(rows, others)]) @ coefficients).astype(np.float32)
        place = axes.coordinates(project(gram, others, rows)[:, learned])
        target = samples.expression[rows] - memory.mean
        measured = np.isfinite(target)
        return Part(rows, make_facts(memory), similar, place, np.nan_to_num(target, nan=0.0), measured)

    learn = []
    for fold in deal_folds(samples.groups[learned], count=settings.folds, seed=seed):
        rows, others = learned[fold], learned[~fold] if (~fold).any() else learned  # a single group meets itself
        without = np.concatenate([rows, checked])
        memory = make_memory(samples, gram, others, without=without, settings=settings)
        learn.append(part(rows, others, memory))
    check = part(checked, learned, frame) if checked.size else None
    units = _units(samples, learn)
    parts = [
        p._replace(
            facts=p.facts._replace(own_ridge=p.facts.own_ridge / units.delta),
            similar=p.similar / units.delta,
            target=p.target / units.delta,
        )
        for p in (*learn, *([check] if check else []))
    ]
    return Rows(samples, units, frame, axes, tuple(parts[: len(learn)]), parts[-1] if check else None)


def _units(samples: Samples, parts: list[Part]) -> Units:
    """Take the scales from the rows of all parts, 1 where nothing varies."""
    squares: dict[str, list[NDArray[np.float64]]] = {"delta": [], "rank": [], "slope": [], "bin_slope": []}
    for part in parts:
        rank = samples.rank[part.rows] - part.facts.rank.numpy()
        window = samples.window[part.rows] - part.facts.window.numpy()
        squares["rank"].append((rank**2).mean(axis=1, dtype=np.float64))
        squares["slope"].append(((rank * part.facts.slope.numpy()) ** 2).mean(axis=1, dtype=np.float64))
        squares["bin_slope"].append(((window * part.facts.bin_slope.numpy()) ** 2).mean(axis=(1, 2), dtype=np.float64))
        squares["delta"].append(part.target[part.measured].astype(np.float64) ** 2)

    def root(name: str) -> Floats:
        found = np.sqrt(np.concatenate(squares[name]).mean(axis=0, keepdims=name != "slope" and name != "rank"))
        return np.where(found > 1e-6, found, 1.0).astype(np.float32)

    return Units(float(root("delta")[0]), root("rank"), root("slope"), root("bin_slope"))
