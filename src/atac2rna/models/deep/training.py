"""Training of one network with Lightning: AdamW, warm-up and cosine, averaged weights, the best of them kept."""

from collections.abc import Iterator
from typing import NamedTuple

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from atac2rna.models.deep.checkpoint import Checkpoint
from atac2rna.models.deep.network import DeepNetwork, Shape
from atac2rna.models.deep.rows import Batch, Part, Rows
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.stack import Moments, cluster_moments
from atac2rna.models.trainer import make_trainer, quiet_lightning

_AVERAGING = 0.97  # of the weights, per step
_SCALES_RATE = 10  # times the learning rate: a few scalars that many steps agree on
_EVIDENCE_SHARE = 0.3  # of the loss: the evidence alone should tell the delta


class Fitted(NamedTuple):
    """A trained network.

    Attributes:
        network: On the CPU, for prediction.
        losses: Of each epoch, on what it learned from and on what was held out.
        moments: Of its predictions for what was held out; None where nothing was.
    """

    network: DeepNetwork
    losses: list[tuple[float, float]]
    moments: Moments | None


def train_network(rows: Rows, settings: DeepSettings, *, seed: int, checkpoint: Checkpoint | None) -> Fitted:
    """Train one network and give its best averaged weights.

    A GPU is used if there is one, then with bfloat16 for the layers; a CPU computes in float32. Neither a random number
    generator of the process nor its logging or warnings are changed.

    Args:
        rows: What is learned from, and what is held out.
        settings: Of the network and AdamW.
        seed: Of weights, order, noise.
        checkpoint: Where an interrupted fit left off, and where this one is kept; None: nowhere.
    """
    _, genes, bins = rows.samples.window.shape
    shape = Shape(genes, bins, len(rows.frame.power), rows.axes.axes.shape[1])
    with torch.device("meta"):  # draws no random number of the process
        network = DeepNetwork(shape, settings)
    network.to_empty(device="cpu")
    network.start(torch.Generator().manual_seed(seed))
    set_frame(network, rows)
    with quiet_lightning(), torch.random.fork_rng():
        module = _Module(network, rows, settings, seed=seed, checkpoint=checkpoint)
        module.resume()
        left = module.epochs - len(module.losses)
        if left > 0 and not module.is_over():
            make_trainer(left, precision="bf16-mixed" if torch.cuda.is_available() else "32-true", clip=1.0).fit(
                module, _Epoch(module)
            )
    network.load_state_dict(module.best)
    network.cpu().eval()
    return Fitted(
        network, module.losses, None if rows.check is None else _judge(network, rows, rows.check, module.size)
    )


def _judge(network: DeepNetwork, rows: Rows, part: Part, size: int) -> Moments:
    """Compare the parts of the predictions for held-out samples with the truth."""
    with torch.no_grad():
        found = [network(batch).parts.numpy() for batch in rows.batches(part, np.arange(len(part.rows)), size)]
    groups = rows.samples.groups[part.rows]
    return cluster_moments(np.concatenate(found, axis=1), part.target, part.measured, groups)


def set_frame(network: DeepNetwork, rows: Rows) -> None:
    """Fix the directions and units of the network by the samples that it learns from."""
    network.frame.copy_(torch.from_numpy(rows.frame.basis))
    # A learned sample's coordinate along each direction then has a variance of about 1.
    power = torch.from_numpy(rows.frame.power)
    size = power * network.shape.genes * float(rows.frame.weight.mean()) / power.sum().clamp(min=1)
    network.frame_scale.copy_(size.clamp(min=1e-6).rsqrt())
    network.rank_unit.copy_(torch.from_numpy(rows.units.rank))
    network.slope_unit.copy_(torch.from_numpy(rows.units.slope))
    network.bin_unit.copy_(torch.from_numpy(rows.units.bin_slope))


class _Epoch:
    """A loader of one epoch's batches, shuffled anew each time by seed and epoch."""

    def __init__(self, module: "_Module") -> None:
        self.module = module

    def __iter__(self) -> Iterator[Batch]:
        return self.module.batches()

    def __len__(self) -> int:
        return self.module.steps


class _Module(lightning.LightningModule):
    """Loss, optimiser, averaged weights and early stopping of one network."""

    def __init__(
        self, network: DeepNetwork, rows: Rows, settings: DeepSettings, *, seed: int, checkpoint: Checkpoint | None
    ) -> None:
        super().__init__()
        self.network, self.rows, self.settings, self.seed, self.checkpoint = network, rows, settings, seed, checkpoint
        self.size = max(1, min(settings.batch, settings.rows_a_step // max(network.shape.genes, 1)))
        self.epochs = settings.epochs if rows.check else min(settings.epochs, settings.blind_epochs)
        self.steps = len(rows.shuffled(np.random.default_rng(0), self.size))
        self.losses: list[tuple[float, float]] = []
        self.average = {key: value.clone() for key, value in network.state_dict().items()}
        self.best = {key: value.clone() for key, value in self.average.items()}
        self.step = 0
        self.running = [0.0, 0.0]
        self.moments: dict[str, Tensor] = {}

    def batches(self) -> Iterator[Batch]:
        """Give the batches of the epoch that begins, and seed its noise."""
        epoch = len(self.losses)
        torch.manual_seed(self.seed * 1_000 + epoch)
        self.running = [0.0, 0.0]
        for part, order in self.rows.shuffled(np.random.default_rng([self.seed, 2, epoch]), self.size):
            yield from self.rows.batches(part, order, self.size)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, which is of a kind that Lightning does not know."""
        return batch.to(device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Weigh what the window alone and what everything says against the truth."""
        output = self.network(batch)
        count = batch.measured.sum().clamp(min=1)
        loss = (((output.delta - batch.target) ** 2) * batch.measured).sum() / count
        alone = (((output.evidence - batch.target) ** 2) * batch.measured).sum() / count
        self.running[0] += float(loss.detach())
        self.running[1] += 1
        total: Tensor = loss + _EVIDENCE_SHARE * alone
        return total

    def on_train_batch_end(self, *_: object) -> None:
        """Average the weights; the first steps count less."""
        self.step += 1
        keep = min(_AVERAGING, self.step / (self.step + 10))
        with torch.no_grad():
            for key, value in self.network.state_dict().items():
                self.average[key] = self.average[key].to(value.device).lerp_(value, 1 - keep)

    def on_train_epoch_end(self) -> None:
        """Judge the averaged weights, keep the best, stop if it is time, and leave a checkpoint."""
        train = self.running[0] / max(self.running[1], 1)
        held_out = self._held_out_loss()
        self.losses.append((train, held_out))
        watched = [loss[1] for loss in self.losses]
        if np.isnan(held_out) or held_out <= min(watched):
            self.best = {key: value.detach().cpu().clone() for key, value in self.average.items()}
        if self.is_over():
            self.trainer.should_stop = True
        if self.checkpoint is not None:
            self.checkpoint.save(self._progress(), self.losses)

    def is_over(self) -> bool:
        """Tell whether the loss on held-out clusters has not fallen for as long as patience lasts."""
        watched = [loss[1] for loss in self.losses]
        if not watched or np.isnan(watched).any():
            return False
        return len(watched) - 1 - int(np.argmin(watched)) >= self.settings.patience

    def _held_out_loss(self) -> float:
        part = self.rows.check
        if part is None:
            return float("nan")
        own = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        loss = self._loss_of(part)
        self.network.load_state_dict(own)
        self.network.train()
        return loss

    def _loss_of(self, part: Part) -> float:
        total, count = 0.0, 0.0
        with torch.no_grad():
            for batch in self.rows.batches(part, np.arange(len(part.rows)), self.size):
                moved = batch.to(self.device)
                error = (self.network(moved).delta - moved.target) ** 2 * moved.measured
                total, count = total + float(error.sum()), count + float(moved.measured.sum())
        return total / max(count, 1)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Give AdamW with its own decay for what is learned of genes, and a warm-up with a cosine after it."""
        s, network = self.settings, self.network
        genes, scales = [network.gene], [network.gains, network.noise, network.slopes]
        apart = {id(p) for p in (*genes, *scales)}
        rest = [p for p in network.parameters() if id(p) not in apart]
        optimizer = torch.optim.AdamW(
            [
                {"params": rest, "weight_decay": s.weight_decay},
                {"params": genes, "weight_decay": s.embedding_decay},
                {"params": scales, "weight_decay": 0.0, "lr": _SCALES_RATE * s.learning_rate},
            ],
            lr=s.learning_rate,
        )
        self._restore_moments(optimizer)
        total, warm, done = self.epochs * self.steps, max(1, self.steps), self.step

        def rate(step: int) -> float:
            at = step + done
            rising = min(1.0, (at + 1) / warm)
            return rising * (0.05 + 0.95 * 0.5 * (1 + float(np.cos(np.pi * min(at / total, 1.0)))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _progress(self) -> dict[str, Tensor]:
        """Give all that a fit needs to go on, as tensors."""
        kept = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        kept |= {f"average.{key}": value for key, value in self.average.items()}
        kept |= {f"best.{key}": value for key, value in self.best.items()}
        (optimizer,) = self.trainer.optimizers
        names = {id(p): name for name, p in self.network.named_parameters()}
        for parameter, state in optimizer.state.items():
            kept |= {f"moment.{names[id(parameter)]}.{key}": torch.as_tensor(v) for key, v in state.items()}
        return kept | {"step": torch.tensor([self.step])}

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of this very fit."""
        found = self.checkpoint.load() if self.checkpoint is not None else None
        if found is None:
            return
        tensors, self.losses = found

        def of(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

        self.network.load_state_dict(of("network."))
        self.average, self.best, self.moments = of("average."), of("best."), of("moment.")
        self.step = int(tensors["step"])

    def _restore_moments(self, optimizer: torch.optim.Optimizer) -> None:
        for name, parameter in self.network.named_parameters():
            own = {k.removeprefix(f"{name}."): v for k, v in self.moments.items() if k.rpartition(".")[0] == name}
            if own:
                optimizer.state[parameter] = {
                    key: value if key == "step" else value.to(parameter.device) for key, value in own.items()
                }
