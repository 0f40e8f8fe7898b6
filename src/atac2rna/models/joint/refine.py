"""Training of the small networks that refine the stack (`refinement.py`).

A row is a gene of a training sample whose unit was held out below. The last layer begins at 0, so that training starts
from the stack. Members of the ensemble leave out different units: what a member says of the units that it never saw shows
the error of the whole model, from which intervals are learned.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from atac2rna.models.joint.nesting import Nested
from atac2rna.models.joint.panel import to_device
from atac2rna.models.joint.refinement import Floats, Refinement, network_inputs

WIDTHS = (64, 32)
INPUT_NOISE = 0.1
RATE = 4e-3
DECAY = 1e-2
BATCH = 8192
MOST_ROWS = 400_000
"""Rows that an epoch sees at most, so that its time does not grow with the number of samples."""


class _Network(nn.Sequential):
    def __init__(self, inputs: int) -> None:
        wide, narrow = WIDTHS
        last = nn.Linear(narrow, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(
            nn.Linear(inputs, wide),
            nn.GELU(approximate="tanh"),
            nn.Linear(wide, narrow),
            nn.GELU(approximate="tanh"),
            last,
        )


def fit_refinement(nested: Nested, stacked: Floats, *, members: int, epochs: int, seed: int) -> Refinement:
    """Train the ensemble on held-out predictions.

    Args:
        nested: Held-out predictions.
        stacked: The stack's prediction of the same rows, shape (n, genes).
        members: Number of networks; the units are dealt out to them in turn, and each leaves its own out.
        epochs: Passes over the rows, of at most `MOST_ROWS` each.
        seed: Seed of weights, order and noise.
    """
    rows = _Rows.of(nested, stacked)
    unit = to_device(np.unique(nested.units, return_inverse=True)[1])
    networks = []
    for member in range(members):
        seen = (unit % members != member) if members > 1 else torch.ones_like(unit, dtype=torch.bool)
        networks.append(_train(rows, seen, epochs=epochs, seed=seed * 1_000 + member))
    layers = [[p.detach().cpu().numpy() for p in network.parameters()] for network in networks]
    return Refinement(rows.centre, rows.scale, tuple(np.stack(same) for same in zip(*layers, strict=True)))


@dataclass(frozen=True)
class _Rows:
    """What the networks learn from: inputs (n, genes, 13) standardised, targets and stack (n, genes), weight of each sample."""

    inputs: Tensor
    targets: Tensor
    stacked: Tensor
    weights: Tensor
    measured: Tensor
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, nested: Nested, stacked: Floats) -> "_Rows":
        inputs = network_inputs(nested.parts, nested.context)
        flat = inputs.reshape(-1, inputs.shape[-1])
        centre = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = np.maximum(flat.std(axis=0, dtype=np.float64), 1e-6).astype(np.float32)
        standard = Refinement(centre, scale, ()).standardise(inputs)
        measured = np.isfinite(nested.truth)
        truth = np.where(measured, nested.truth, 0)
        # A sample far from the mean has large deltas; each counts the same, as in the scores.
        size = (truth * truth).sum(axis=1) / np.maximum(measured.sum(axis=1), 1)
        weights = (1 / np.maximum(size, 1e-6)).astype(np.float32)
        return cls(
            to_device(standard),
            to_device(truth),
            to_device(stacked),
            to_device(weights),
            to_device(measured),
            centre,
            scale,
        )


def _train(rows: _Rows, seen: Tensor, *, epochs: int, seed: int) -> _Network:
    """Train one network on the samples `seen`."""
    device = rows.inputs.device
    random = torch.Generator().manual_seed(seed)
    chosen = (rows.measured & seen[:, None]).flatten().nonzero()[:, 0]
    inputs, targets = rows.inputs.flatten(0, 1), rows.targets.flatten()
    stacked = rows.stacked.flatten()
    # Relative to the samples seen: nothing of those left out moves a member, not even by the scale of its loss.
    weights = (rows.weights / rows.weights[seen].mean())[:, None].expand_as(rows.targets).flatten()
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
