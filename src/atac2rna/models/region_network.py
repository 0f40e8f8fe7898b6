"""Training of the network of one region: bins -> hidden units (ReLU) -> genes, squared error, Adam."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from atac2rna.models.region_settings import Float32, History, RegionMlpSettings
from atac2rna.models.trainer import make_trainer, quiet_lightning


class Samples(NamedTuple):
    """Bins, shape (samples, bins), and log2(TPM + 1), shape (samples, genes), NaN where not measured."""

    bins: Float32
    expression: Float32


class Weights(NamedTuple):
    """Hidden layer, shapes (hidden, bins) and (hidden,), and output layer, (genes, hidden) and (genes,)."""

    hidden_weight: Float32
    hidden_bias: Float32
    output_weight: Float32
    output_bias: Float32


def train_network(
    training: Samples, validation: Samples | None, settings: RegionMlpSettings, *, fan_in: int, seed: int
) -> tuple[Weights, History]:
    """Train and give the best weights, not the last, with the learning curve.

    One step an epoch over all samples. A GPU is used if there is one. Neither a random number generator of the process
    nor its logging or warnings are changed.

    Args:
        training: Samples to learn from.
        validation: Samples whose loss chooses the epoch and stops the training; None: the training loss chooses.
        settings: Of hidden units, epochs, patience and Adam.
        fan_in: Number of bins that scales the initial weights: bins that no training sample opens may have been left
            out of `training` without changing what the others learn.
        seed: Of the initial weights.
    """
    network = _Network(training, settings, fan_in=fan_in, seed=seed)
    with quiet_lightning(), _one_thread():
        trainer = make_trainer(settings.epochs)
        batch = tuple(torch.from_numpy(a) for a in (*training, *(validation or ())))
        trainer.fit(network, _OneBatch(batch), _OneBatch(batch))
    return network.best(), network.history()


class _OneBatch:
    """A loader that gives all samples at once; a DataLoader would only ask for worker processes."""

    def __init__(self, batch: tuple[Tensor, ...]) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return iter([self.batch])

    def __len__(self) -> int:
        return 1


class _Network(lightning.LightningModule):
    """The network and its learning curve; a batch is (bins, expression) or (bins, expression, bins, expression)."""

    def __init__(self, training: Samples, settings: RegionMlpSettings, *, fan_in: int, seed: int) -> None:
        super().__init__()
        self.settings = settings
        generator = torch.Generator().manual_seed(seed)
        self.hidden = _linear(training.bins.shape[1], settings.hidden, fan_in, generator)
        self.output = _linear(settings.hidden, training.expression.shape[1], settings.hidden, generator)
        self.losses: list[tuple[float, float]] = []
        self.best_loss = float("inf")
        self.best_epoch = 0
        self.best_state = self._snapshot()

    def forward(self, bins: Tensor) -> Tensor:
        hidden: Tensor = torch.relu(self.hidden(bins))
        expression: Tensor = self.output(hidden)
        return expression

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        return _squared_error(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, ...], _: int) -> None:
        """Measure both losses at the weights that the epoch ended with, keep the best weights, stop if it is time."""
        train = float(_squared_error(self(batch[0]), batch[1]))
        held_out = float(_squared_error(self(batch[2]), batch[3])) if len(batch) == 4 else float("nan")
        self.losses.append((train, held_out))
        watched = held_out if len(batch) == 4 else train
        if watched < self.best_loss:
            self.best_loss, self.best_epoch, self.best_state = watched, len(self.losses), self._snapshot()
        elif len(batch) == 4 and len(self.losses) - self.best_epoch >= self.settings.patience:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            self.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=True,  # One pass over the weights a step, several times as fast for millions of them.
        )

    def best(self) -> Weights:
        return Weights(*(tensor.cpu().numpy() for tensor in self.best_state))

    def history(self) -> History:
        train, held_out = np.array(self.losses, dtype=np.float32).T
        return History(np.arange(1, len(train) + 1, dtype=np.float32), train, held_out)

    def _snapshot(self) -> tuple[Tensor, ...]:
        layers = (self.hidden, self.output)
        return tuple(t.detach().clone() for layer in layers for t in (layer.weight, layer.bias))


def _linear(inputs: int, outputs: int, fan_in: int, generator: torch.Generator) -> nn.Linear:
    """Make a layer with PyTorch's usual initial weights, drawn from a generator of its own."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = fan_in**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def _squared_error(predicted: Tensor, measured: Tensor) -> Tensor:
    """Mean squared error over what was measured."""
    known = ~torch.isnan(measured)
    error = torch.where(known, predicted - torch.nan_to_num(measured), 0.0)
    return (error**2).sum() / known.sum().clamp(min=1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread meanwhile: as fast for so few samples, the same number on any machine.

    Threads that wait for each other spin, and on a busy machine a step took twenty times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
