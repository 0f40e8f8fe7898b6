"""A fitted `joint`: how it predicts, and what goes into its files. Needs numpy alone.

What takes room is rounded once, at the end of the fit, so that a model predicts the same before it is saved and after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import Bounds
from atac2rna.models.experience import novelty
from atac2rna.models.joint.parts import Context, Evidence, KernelScale, OwnGene, PartPredictions, Parts
from atac2rna.models.joint.refinement import Refinement, network_inputs
from atac2rna.models.joint.spread import Spread, widening
from atac2rna.models.joint.stack import apply_stack
from atac2rna.models.joint.view import LOCAL, LOGGED, RANKED
from atac2rna.models.packed_rows import PackedRows

Floats = NDArray[np.float32]

_GROUPS: dict[str, Any] = {"context": Context, "kernel": KernelScale, "own_gene": OwnGene, "evidence": Evidence}
_HALVED = ("centre", "curves", "own_gene.samples", "own_gene.scores", "evidence.slopes", "profiles")
"""Arrays of the parts that are kept in half precision."""


class Told(NamedTuple):
    """A prediction with what it rests on.

    Attributes:
        expression: log2(TPM + 1) by gene id, shape (genes,).
        parts: Predictions of the parts, one sample.
        novelty: Share of the sample's accessibility pattern that no training sample explains.
    """

    expression: Floats
    parts: PartPredictions
    novelty: float


@dataclass(frozen=True)
class Fitted:
    """Everything fitted; arrays over genes by gene id unless told otherwise.

    Attributes:
        genes: Position of each gene in the training set's order, shape (genes,), int64.
        ranked: Rows of ranked strength of the training samples.
        logged: Rows of log signal.
        cosines: Cosine of every two rows of ranked strength, shape (n, n), float64.
        readers: Readers of the parts.
        parts: The parts.
        weights: Weights of the stack, shape (3,).
        refinement: The networks; None with too few samples.
        spread: The intervals; None where nothing could be held out.
        reliability: Cross-validated skill of each gene, shape (genes,).
    """

    genes: NDArray[np.int64]
    ranked: PackedRows
    logged: PackedRows
    cosines: NDArray[np.float64]
    readers: PackedRows
    parts: Parts
    weights: Floats
    refinement: Refinement | None
    spread: Spread | None
    reliability: Floats

    @classmethod
    def of(
        cls, parts: Parts, *, near: Floats, genes: NDArray[np.int64], cosines: NDArray[np.float64], **learned: Any
    ) -> "Fitted":
        """Round what takes room.

        Args:
            parts: The parts, as numpy arrays.
            near: Rows that samples are told apart by, shape (2, n, width).
            genes: As the attribute, as `cosines` and all that is `learned` above the parts.
            cosines: See there.
            learned: `weights`, `refinement`, `spread`, `reliability`.
        """
        readers = PackedRows.pack(parts.readers)
        flat = _flat(parts)
        halved = {name: array.astype(np.float16) for name, array in flat.items() if name in _HALVED}
        lean = _parts({**flat, **halved}, readers)
        return cls(genes, PackedRows.pack(near[0]), PackedRows.pack(near[1]), cosines, readers, lean, **learned)

    def predict(self, view: Floats) -> Told:
        """Predict a sample from its view, shape (genes, CHANNELS), in the training set's order."""
        own = view[self.genes]
        rows = own[:, RANKED].ravel(), own[:, LOGGED].ravel()
        similarity = self.ranked.dot(rows[0])
        grams = np.stack([similarity, self.logged.dot(rows[1])])[:, None]
        parts = self.parts.predict(own[None, :, :LOCAL], grams)
        beyond = apply_stack(parts, self.weights)
        if self.refinement is not None:
            beyond = beyond + self.refinement.predict(network_inputs(parts, self.parts.context))
        expression = np.maximum(self.parts.context.mean + beyond[0], 0)
        return Told(expression, parts, novelty(self.cosines, similarity))

    def bounds(self, told: Told, *, level: float, usual: bool) -> Bounds:
        """Interval by gene id; NaN where nothing could be held out.

        Args:
            told: The prediction.
            level: Share of the genes that it is to hold.
            usual: Whether the sample is taken for as new as those that the intervals were learned from.
        """
        if self.spread is None:
            unknown = np.full(len(self.genes), np.nan, dtype=np.float32)
            return Bounds(unknown, unknown.copy())
        context = self.parts.context
        quantities = spread_quantities(told.parts, context, told.expression[None] - context.mean)[0]
        widths = float(self.spread.usual[0]) if usual else widening(told.novelty)
        half = self.spread.multiple(level) * self.spread.scale(quantities, widths)
        half = np.where(self.parts.known, half, np.nan).astype(np.float32)
        return Bounds(np.maximum(told.expression - half, 0), told.expression + half)

    def in_order(self, values: Floats) -> Floats:
        """Bring values by gene id into the order of the training set; NaN for genes never measured."""
        ordered = np.empty_like(values)
        ordered[self.genes] = np.where(self.parts.known, values, np.nan)
        return ordered

    def state(self) -> dict[str, NDArray[Any]]:
        """Give everything as arrays, in the precision that it has."""
        arrays: dict[str, NDArray[Any]] = {
            "genes": self.genes,
            "cosines": self.cosines,
            "weights": self.weights,
            "reliability": self.reliability,
        }
        for name, rows in (("ranked", self.ranked), ("logged", self.logged), ("readers", self.readers)):
            arrays |= {f"{name}.{key}": array for key, array in rows.state().items()}
        for name, array in _flat(self.parts).items():
            if name != "readers":
                arrays[f"parts.{name}"] = array.astype(np.float16) if name in _HALVED else array
        if self.spread is not None:
            arrays |= {f"spread.{name}": array for name, array in self.spread._asdict().items()}
        if self.refinement is not None:
            arrays |= {"network.centre": self.refinement.centre, "network.scale": self.refinement.scale}
            arrays |= {f"network.layer{i}": layer for i, layer in enumerate(self.refinement.layers)}
        return arrays

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> "Fitted":
        """Take back what `state` gave.

        Raises:
            KeyError: If an array is missing.
        """
        ranked, logged, readers = (
            PackedRows.from_state(_below(state, name)) for name in ("ranked", "logged", "readers")
        )
        network = _below(state, "network")
        layers = tuple(network[f"layer{i}"] for i in range(sum(name.startswith("layer") for name in network)))
        spread = _below(state, "spread")
        return cls(
            genes=state["genes"],
            ranked=ranked,
            logged=logged,
            cosines=state["cosines"],
            readers=readers,
            parts=_parts(_below(state, "parts"), readers),
            weights=state["weights"],
            refinement=Refinement(network["centre"], network["scale"], layers) if layers else None,
            spread=Spread(*(spread[name] for name in Spread._fields)) if spread else None,
            reliability=state["reliability"],
        )


def spread_quantities(parts: PartPredictions, context: Context, beyond: Floats) -> Floats:
    """What the error may depend on, shape (samples, genes, 6)."""
    columns = (
        context.mean,
        context.sd,
        context.prior_sd,
        np.abs(beyond),
        np.abs(parts.own - parts.state),
        context.weights,
    )
    return np.stack([np.broadcast_to(values, beyond.shape) for values in columns], axis=-1)


def _below(state: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")}


def _flat(parts: Parts) -> dict[str, NDArray[Any]]:
    """Arrays of the parts by name, `own_gene.samples`."""
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(Parts):
        value = getattr(parts, field.name)
        own = value._asdict() if field.name in _GROUPS else {"": value}
        arrays |= {f"{field.name}.{name}".rstrip("."): array for name, array in own.items()}
    return arrays


def _parts(arrays: Mapping[str, NDArray[Any]], readers: PackedRows) -> Parts:
    """Put the parts together; what serves a fit alone is left behind."""
    whole = {name: array.astype(np.float32) if name in _HALVED else array for name, array in arrays.items()}
    whole["readers"] = readers.unpack()
    grouped: dict[str, Any] = {
        name: kind(*(whole[f"{name}.{key}"] for key in kind._fields)) for name, kind in _GROUPS.items()
    }
    alone: dict[str, Any] = {field.name: whole[field.name] for field in fields(Parts) if field.name not in _GROUPS}
    parts = Parts(**alone, **grouped)
    return replace(parts, paired_readers=parts.paired_readers[:0])
