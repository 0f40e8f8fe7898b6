"""Predictions of the parts for training samples whose unit was held out: what stack, network and intervals learn from."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from atac2rna.models.experience import novelty
from atac2rna.models.joint.fitting import fit_parts
from atac2rna.models.joint.panel import Panel
from atac2rna.models.joint.parts import Context, PartPredictions
from atac2rna.models.joint.settings import JointSettings

FEWEST_INNER = 2
"""Units that are left to fit on when one is held out."""


class Nested(NamedTuple):
    """Held-out predictions of every training sample.

    Attributes:
        parts: Predictions, each beyond the mean of the row's own fit.
        truth: Expression beyond the same mean, shape (n, genes), float32; NaN where not measured.
        context: What the row's own fit knew of the genes, shape (n, genes) each.
        units: Unit of each row, shape (n,).
        novelty: Novelty of each sample to those of its own fit, shape (n,).
    """

    parts: PartPredictions
    truth: NDArray[np.float32]
    context: Context
    units: NDArray[np.int64]
    novelty: NDArray[np.float64]

    def without_prior(self) -> "Nested":
        """Give the same as if no compendium had been given."""
        none = np.zeros_like(self.context.prior_mean)
        return self._replace(
            parts=self.parts._replace(state=self.parts.paired),
            context=self.context._replace(prior_mean=none, prior_sd=none),
        )


def nest(panel: Panel, settings: JointSettings) -> Nested | None:
    """Hold out every unit in turn; None where too few units would be left."""
    units = torch.unique(panel.units)
    if len(units) <= FEWEST_INNER:
        return None
    predictions: dict[int, PartPredictions] = {}
    contexts: dict[int, Context] = {}
    truth: dict[int, NDArray[np.float32]] = {}
    new: dict[int, float] = {}
    for unit in units:
        rows = (panel.units != unit).nonzero()[:, 0]
        out = (panel.units == unit).nonzero()[:, 0]
        parts = fit_parts(panel, rows, settings)
        found = parts.predict(panel.local[out], panel.grams[:, out][:, :, rows])
        beyond = torch.where(parts.known, panel.expression[out] - parts.context.mean, torch.nan)
        own = parts.context.numpy()
        cosines = panel.grams[0].cpu().numpy()
        fitted_on = rows.cpu().numpy()
        for place, i in enumerate(out.tolist()):
            predictions[i] = PartPredictions(*(values[place].cpu().numpy() for values in found))
            truth[i], contexts[i] = beyond[place].cpu().numpy(), own
            new[i] = novelty(cosines[np.ix_(fitted_on, fitted_on)], cosines[i, fitted_on])
    order = range(len(panel.samples))
    return Nested(
        parts=PartPredictions(*(np.stack(v) for v in zip(*(predictions[i] for i in order), strict=True))),
        truth=np.stack([truth[i] for i in order]),
        context=Context(*(np.stack(v) for v in zip(*(contexts[i] for i in order), strict=True))),
        units=panel.units.cpu().numpy(),
        novelty=np.array([new[i] for i in order]),
    )
