"""The small networks that refine the stack: where, for which kind of gene, to trust which part; no torch to predict.

    inputs   (rows, 13)  own, state, evidence; mean, sd, prior mean, prior sd, weight of the gene; its five scores
      -> standardised, clipped at 8
      -> Linear 13 x 64, GELU -> Linear 64 x 32, GELU -> Linear 32 x 1
    output   (rows,)     added to the stack

GELU in its tanh form (Hendrycks and Gimpel 2016). `refine.py` trains them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.joint.parts import Context, PartPredictions

if TYPE_CHECKING:
    from atac2rna.models.joint.nesting import Nested

Floats = NDArray[np.float32]

CLIP = 8.0


def network_inputs(parts: PartPredictions, context: Context) -> Floats:
    """Lay out what the network sees, shape (samples, genes, 13); a context of shape (genes,) serves all samples."""
    columns = [parts.own, parts.state, parts.evidence, *context]
    single = np.stack([np.broadcast_to(values, parts.own.shape) for values in columns], axis=-1)
    return np.concatenate([single, parts.scores], axis=-1)


@dataclass(frozen=True)
class Refinement:
    """A fitted ensemble.

    Attributes:
        centre: Mean of each input, shape (inputs,).
        scale: Its standard deviation, shape (inputs,).
        layers: Weight and bias of each layer, members stacked: (members, out, in), (members, out), and so on.
    """

    centre: Floats
    scale: Floats
    layers: tuple[Floats, ...]

    @property
    def members(self) -> int:
        """Number of networks."""
        return len(self.layers[0])

    def standardise(self, inputs: Floats) -> Floats:
        """Scale and clip inputs."""
        standard: Floats = np.clip((inputs - self.centre) / self.scale, -CLIP, CLIP)
        return standard

    def predict(self, inputs: Floats, *, members: Sequence[int] | None = None) -> Floats:
        """Mean correction of the stack by the members, shape (...,), from inputs of shape (..., inputs)."""
        rows = self.standardise(inputs)
        chosen = range(self.members) if members is None else members
        correction: Floats = np.stack([self._member(rows, i) for i in chosen]).mean(axis=0)
        return correction

    def _member(self, rows: Floats, member: int) -> Floats:
        pairs = list(zip(self.layers[::2], self.layers[1::2], strict=True))
        for place, (weight, bias) in enumerate(pairs):
            rows = rows @ weight[member].T + bias[member]
            if place < len(pairs) - 1:
                rows = _gelu(rows)
        return rows[..., 0]


def _gelu(x: Floats) -> Floats:
    inner = np.float32(sqrt(2 / pi)) * (x + np.float32(0.044715) * (x * x * x))
    activated: Floats = np.float32(0.5) * x * (1 + np.tanh(inner))
    return activated


def held_out_refinement(refinement: Refinement, nested: "Nested") -> Floats:
    """Correct each row by the members that did not learn from its unit, shape (n, genes); by 0 where there is none."""
    if refinement.members == 1:  # it learned from every unit: the errors of the stack stand for its own
        return np.zeros_like(nested.truth)
    unit = np.unique(nested.units, return_inverse=True)[1]
    inputs = network_inputs(nested.parts, nested.context)
    by_row = [refinement.predict(inputs[i], members=[int(unit[i]) % refinement.members]) for i in range(len(unit))]
    return np.stack(by_row)
