"""Samples x genes: TPM as models see it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError


class Expression(NamedTuple):
    """Samples x selected genes, float32, NaN where not measured.

    Attributes:
        tpm: Per million over the selected genes.
        log2_tpm: log2(TPM + 1) of it: `Atlas.expression`.
    """

    tpm: NDArray[np.float32]
    log2_tpm: NDArray[np.float32]


def measure(atlas: Atlas, samples: Sequence[str]) -> Expression:
    """Read expression, one sample at a time.

    Raises:
        InputError: If the selected genes of a sample add up to 0 TPM.
    """
    shape = len(samples), len(atlas.gene_ids)
    tpm, log = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for row, sample in enumerate(samples):
        raw = atlas.raw_tpm([sample])[0].astype(np.float64)[atlas.selected]
        total = np.nansum(raw)
        if not total > 0:
            raise InputError(
                f"{atlas.path}: expression is scaled to a million over the selected genes; those of {sample} add up to 0. "
                "Leave it out."
            )
        scaled = raw * (1e6 / total)
        tpm[row], log[row] = scaled, np.log2(scaled + 1)
    return Expression(tpm, log)
