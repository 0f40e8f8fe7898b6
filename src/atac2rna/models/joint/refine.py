"""The small network that refines the stack: where, for which kind of gene, to trust which part.

    inputs   (rows, 13)  own, state, evidence; mean, sd, prior mean, prior sd, weight of the gene; its five scores
      -> standardised, clipped at 8
      -> Linear 13 x 64, GELU, dropout -> Linear 64 x 32, GELU, dropout -> Linear 32 x 1
    output   (rows,)     added to the stack

A row is a gene of a training sample whose unit was held out below. The last layer begins at 0, so that training starts
from the stack. Members of the ensemble leave out different units: what a member says of the units that it never saw shows
the error of the whole model, from which intervals are learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from atac2rna.models.joint.nesting import Context, Nested
from atac2rna.models.joint.parts import PartPredictions

WIDTHS = (64, 32)
DROPOUT = 0.2
INPUT_NOISE = 0.1
CLIP = 8.0
RATE = 2e-3
DECAY = 1e-2
BATCH = 4096
MOST_ROWS = 400_000
"""Rows that an epoch sees at most, so that its time does not grow with the number of samples."""


def network_inputs(parts: PartPredictions, context: Context) -> Tensor:
    """Lay out what the network sees, shape (samples, genes, 13); a context of shape (genes,) serves all samples."""
    shape = parts.own.shape
    columns = [parts.own, parts.state, parts.evidence, *(values.expand(shape) for values in context)]
    return torch.cat([torch.stack(columns, dim=-1), parts.scores], dim=-1)


@dataclass(frozen=True)
class Refinement:
    """A fitted ensemble.

    Attributes:
        centre: Mean of each input, shape (inputs,).
        scale: Its standard deviation, shape (inputs,).
        layers: Weight and bias of each layer, members stacked: (members, out, in), (members, out), and so on.
    """

    centre: Tensor
    scale: Tensor
    layers: tuple[Tensor, ...]

    @property
    def members(self) -> int:
        """Number of networks."""
        return len(self.layers[0])

    def standardise(self, inputs: Tensor) -> Tensor:
        """Scale and clip inputs."""
        return ((inputs - self.centre) / self.scale).clamp(-CLIP, CLIP)

    def predict(self, inputs: Tensor, *, members: Sequence[int] | None = None) -> Tensor:
        """Mean correction of the stack by the members, shape (...,), from inputs of shape (..., inputs)."""
        rows = self.standardise(inputs)
        chosen = range(self.members) if members is None else members
        return torch.stack([self._member(rows, i) for i in chosen]).mean(0)

    def _member(self, rows: Tensor, member: int) -> Tensor:
        pairs = list(zip(self.layers[::2], self.layers[1::2], strict=True))
        for place, (weight, bias) in enumerate(pairs):
            rows = nn.functional.linear(rows, weight[member], bias[member])
            if place < len(pairs) - 1:
                rows = nn.functional.gelu(rows)
        return rows[..., 0]


class _Network(nn.Sequential):
    def __init__(self, inputs: int) -> None:
        wide, narrow = WIDTHS
        last = nn.Linear(narrow, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(
            nn.Linear(inputs, wide),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(wide, narrow),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            last,
        )


def fit_refinement(nested: Nested, stacked: Tensor, *, members: int, epochs: int, seed: int) -> Refinement:
    """Train the ensemble on held-out predictions.

    Args:
        nested: Held-out predictions.
        stacked: The stack's prediction of the same rows, shape (n, genes).
        members: Number of networks; the units are dealt out to them in turn, and each leaves its own out.
        epochs: Passes over the rows, of at most `MOST_ROWS` each.
        seed: Seed of weights, order, dropout and noise.
    """
    rows = _Rows.of(nested, stacked)
    unit = torch.unique(nested.units, return_inverse=True)[1]
    networks = []
    for member in range(members):
        seen = (unit % members != member) if members > 1 else torch.ones_like(unit, dtype=torch.bool)
        networks.append(_train(rows, seen, epochs=epochs, seed=seed * 1_000 + member))
    layers = [[p.detach() for p in network.parameters()] for network in networks]
    return Refinement(rows.centre, rows.scale, tuple(torch.stack(same) for same in zip(*layers, strict=True)))


def held_out_refinement(refinement: Refinement, nested: Nested) -> Tensor:
    """Correct each row by the members that did not learn from its unit, shape (n, genes); by 0 where there is none."""
    if refinement.members == 1:  # it learned from every unit: the errors of the stack stand for its own
        return torch.zeros_like(nested.truth)
    unit = torch.unique(nested.units, return_inverse=True)[1]
    inputs = network_inputs(nested.parts, nested.context)
    by_row = [refinement.predict(inputs[i], members=[int(unit[i]) % refinement.members]) for i in range(len(unit))]
    return torch.stack(by_row)


@dataclass(frozen=True)
class _Rows:
    """What the networks learn from: inputs (n, genes, 13) standardised, targets and stack (n, genes), weight of each sample."""

    inputs: Tensor
    targets: Tensor
    stacked: Tensor
    weights: Tensor
    measured: Tensor
    centre: Tensor
    scale: Tensor

    @classmethod
    def of(cls, nested: Nested, stacked: Tensor) -> "_Rows":
        inputs = network_inputs(nested.parts, nested.context)
        flat = inputs.flatten(0, 1)
        centre, scale = flat.mean(0), flat.std(0).clamp(min=1e-6)
        empty = Refinement(centre, scale, ())
        measured = nested.truth.isfinite()
        truth = nested.truth.nan_to_num(0.0)
        # A sample far from the mean has large deltas; each counts the same, as in the scores.
        size = truth.square().sum(1) / measured.sum(1).clamp(min=1)
        weights = 1 / size.clamp(min=1e-6)
        return cls(empty.standardise(inputs), truth, stacked, weights / weights.mean(), measured, centre, scale)


def _train(rows: _Rows, seen: Tensor, *, epochs: int, seed: int) -> _Network:
    """Train one network on the samples `seen`."""
    device = rows.inputs.device
    random = torch.Generator().manual_seed(seed)
    chosen = (rows.measured & seen[:, None]).flatten().nonzero()[:, 0]
    inputs, targets = rows.inputs.flatten(0, 1), rows.targets.flatten()
    stacked, weights = rows.stacked.flatten(), rows.weights[:, None].expand_as(rows.targets).flatten()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _Network(inputs.shape[1]).to(device)
        steps = max(min(len(chosen), MOST_ROWS) // BATCH, 1)
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * steps + 1)
        for _ in range(epochs):
            order = chosen[torch.randperm(len(chosen), generator=random).to(device)]
            for batch in order[: steps * BATCH].chunk(steps):
                noisy = inputs[batch] + INPUT_NOISE * torch.randn(len(batch), inputs.shape[1], device=device)
                error = stacked[batch] + network(noisy)[:, 0] - targets[batch]
                loss = (weights[batch] * error.square()).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    return network.eval()
