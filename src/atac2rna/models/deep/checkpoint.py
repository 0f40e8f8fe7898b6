"""Where a fit stands, on disk: tensors and losses, no pickle."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atac2rna.errors import InputError
from atac2rna.files import whole_file

Losses = list[tuple[float, float]]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one network.

    Attributes:
        path: File, rewritten after every epoch.
        fingerprint: Digest of data, settings and seed; a checkpoint of another fit is left aside and written over.
    """

    path: Path
    fingerprint: str

    def save(self, tensors: dict[str, Tensor], losses: Losses) -> None:
        """Write where the fit stands; a crash leaves the last whole one."""
        flat = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        told = {"fingerprint": self.fingerprint, "losses": json.dumps(losses)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as temporary:
            save_file(flat, temporary, metadata=told)

    def load(self) -> tuple[dict[str, Tensor], Losses] | None:
        """Give tensors and losses; None where there is no checkpoint of this fit.

        Raises:
            InputError: If the file is damaged.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                told = file.metadata() or {}
                if told.get("fingerprint") != self.fingerprint:
                    return None
                tensors: dict[str, Tensor] = {key: torch.as_tensor(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
        except SafetensorError as fault:
            raise InputError(
                f"{self.path}: holds no checkpoint ({fault}); remove it, the fit then starts anew."
            ) from None
        return tensors, [(float(train), float(check)) for train, check in json.loads(told["losses"])]

    def remove(self) -> None:
        """Remove the file, once the whole fit is done."""
        self.path.unlink(missing_ok=True)
