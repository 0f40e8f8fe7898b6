"""Predictions of the parts for training samples whose unit was held out: what stack, network and intervals learn from."""

from typing import NamedTuple

import torch
from torch import Tensor

from atac2rna.models.joint.panel import Panel
from atac2rna.models.joint.parts import PartPredictions, Parts, fit_parts
from atac2rna.models.joint.settings import JointSettings

FEWEST_INNER = 2
"""Units that are left to fit on when one is held out."""


class Context(NamedTuple):
    """What a fit knows of each gene, shape (genes,) each, or (rows, genes) for many fits.

    Attributes:
        mean: Training mean.
        sd: Standard deviation over the training samples.
        prior_mean: Mean of the compendium's profiles beyond the training mean.
        prior_sd: Their standard deviation.
        weights: Weight of the gene as evidence of the state.
    """

    mean: Tensor
    sd: Tensor
    prior_mean: Tensor
    prior_sd: Tensor
    weights: Tensor

    @classmethod
    def of(cls, parts: Parts) -> "Context":
        """Take it from fitted parts."""
        return cls(parts.mean, parts.sd, parts.prior_mean, parts.prior_sd, parts.weights)


class Nested(NamedTuple):
    """Held-out predictions of every training sample.

    Attributes:
        parts: Predictions, each beyond the mean of the row's own fit.
        truth: Expression beyond the same mean, shape (n, genes); NaN where not measured.
        context: What the row's own fit knew of the genes.
        units: Unit of each row, shape (n,).
    """

    parts: PartPredictions
    truth: Tensor
    context: Context
    units: Tensor

    def without_prior(self) -> "Nested":
        """Give the same as if no compendium had been given."""
        none = torch.zeros_like(self.context.prior_mean)
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
    truth = torch.empty_like(panel.expression)
    contexts: dict[int, Context] = {}
    for unit in units:
        rows = (panel.units != unit).nonzero()[:, 0]
        out = (panel.units == unit).nonzero()[:, 0]
        parts = fit_parts(panel, rows, settings)
        found = parts.predict(panel.local[out], panel.grams[:, out][:, :, rows])
        context = Context.of(parts)
        known = torch.where(parts.known, panel.expression[out] - parts.mean, torch.nan)
        for place, i in enumerate(out.tolist()):
            predictions[i] = PartPredictions(*(values[place] for values in found))
            truth[i], contexts[i] = known[place], context
    rows_in_order = range(len(panel.samples))
    return Nested(
        parts=PartPredictions(*(torch.stack(v) for v in zip(*(predictions[i] for i in rows_in_order), strict=True))),
        truth=truth,
        context=Context(*(torch.stack(v) for v in zip(*(contexts[i] for i in rows_in_order), strict=True))),
        units=panel.units,
    )
