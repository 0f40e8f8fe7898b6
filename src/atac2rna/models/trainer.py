"""Lightning as this package runs it: one device, no files, no remarks; imported only where training happens."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

Precision = Literal["32-true", "bf16-mixed"]
"""float32 throughout, or layers in bfloat16 with float32 weights."""


def make_trainer(epochs: int, *, precision: Precision = "32-true", clip: float | None = None) -> lightning.Trainer:
    """Make a trainer on the GPU, where there is one, else on the CPU.

    Args:
        epochs: Passes at most.
        precision: Of the layers.
        clip: Norm at which gradients are clipped; None: they are not.
    """
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        precision=precision,
        devices=1,
        gradient_clip_val=clip,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's remarks on devices, workers and its own deprecations from the user, and restore all after."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
