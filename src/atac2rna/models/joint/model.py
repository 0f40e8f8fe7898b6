"""Model `joint`: fit, predict, and what goes into its files."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import Bounds, Prior, TrainingSet
from atac2rna.models.inner_groups import inner_units
from atac2rna.models.joint.fitted import Fitted, Floats, spread_quantities
from atac2rna.models.joint.parts import Parts
from atac2rna.models.joint.refinement import held_out_refinement
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.spread import Spread, fit_spread, widening
from atac2rna.models.joint.stack import BUILT_IN, BUILT_IN_PAIRED, apply_stack, stack_weights
from atac2rna.models.joint.view import JointView
from atac2rna.reliability import gene_reliability

if TYPE_CHECKING:  # torch serves the fit alone, and takes longer to import than a prediction takes
    from atac2rna.models.joint.nesting import Nested
    from atac2rna.models.joint.panel import Panel

FEWEST_SAMPLES = 8
"""Training samples from which the network is worth training."""

FEWEST_UNITS = 5
"""Independent units among them that it needs."""


class Nest(NamedTuple):
    """What `joint` and `joint-paired` share of a fit on the same samples."""

    panel: "Panel"
    parts: Parts
    nested: "Nested | None"


class Joint:
    """All genes' evidence reveals the sample; with the profiles of a compendium, where one is given."""

    name: ClassVar[str] = "joint"
    per_gene: ClassVar[bool] = True
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[JointSettings]] = JointSettings
    _fitted: Fitted

    def __init__(self, settings: JointSettings | None = None) -> None:
        """Take the settings."""
        self.settings = settings or self.Settings()
        self.representation = JointView()
        self.notes: tuple[str, ...] = ()

    def fit(self, training: TrainingSet) -> None:
        """Fit parts, nest them, and learn stack, network and intervals from the held-out predictions."""
        from atac2rna.models.joint.refine import fit_refinement

        units, told = inner_units(training)
        prior = self.takes_prior and training.prior is not None
        panel, parts, nested = self._nest(training, units, prior=prior)
        if not prior:
            parts, nested = parts.without_prior(), None if nested is None else nested.without_prior()
        weights = stack_weights(nested, BUILT_IN if prior else BUILT_IN_PAIRED)
        few = len(panel.samples) < FEWEST_SAMPLES or len(set(units)) < FEWEST_UNITS
        refinement = spread = None
        reliability = np.full_like(parts.context.mean, np.nan)
        if nested is not None:
            predicted = apply_stack(nested.parts, weights)
            if self.settings.members and not few:
                refinement = fit_refinement(
                    nested,
                    predicted,
                    members=self.settings.members,
                    epochs=self.settings.epochs,
                    seed=training.seed,
                )
                predicted = predicted + held_out_refinement(refinement, nested)
            # No prediction is below 0: intervals and reliability are those of what is told.
            predicted = np.maximum(predicted, -nested.context.mean)
            spread = _learn_spread(nested, predicted)
            reliability = _learn_reliability(nested, predicted, parts)
        self.notes = self._notes(training, panel, told, few=few)
        self._fitted = Fitted.of(
            parts,
            near=panel.near.cpu().numpy(),
            genes=panel.genes.cpu().numpy(),
            cosines=panel.grams[0].cpu().numpy(),
            weights=weights,
            refinement=refinement,
            spread=spread,
            reliability=reliability,
        )

    def _nest(self, training: TrainingSet, units: Sequence[str], *, prior: bool) -> Nest:
        """Fit the parts and nest them, or take up what the other variant left; what a prior adds stands apart in it."""
        import torch

        from atac2rna.models.joint.fitting import fit_parts
        from atac2rna.models.joint.nesting import nest
        from atac2rna.models.joint.panel import Panel

        parts_of = self.settings.model_dump_json(exclude={"members", "epochs"})
        key = (
            "joint",
            parts_of,
            training.samples,
            tuple(units),
            sha256(training.expression.tobytes()).hexdigest(),
        )
        own = _fingerprint(training.prior)
        with_prior, found = training.shared.get(key, (None, None))
        if found is None or (prior and with_prior != own):
            panel = Panel.of(training, units=units)
            everyone = torch.arange(len(panel.samples), device=panel.units.device)
            found = Nest(panel, fit_parts(panel, everyone, self.settings).numpy(), nest(panel, self.settings))
            training.shared[key] = own, found
        nest_: Nest = found
        return nest_

    def _notes(self, training: TrainingSet, panel: "Panel", told: str, *, few: bool) -> tuple[str, ...]:
        notes = [f"{self.name}: {told}"] if told else []
        if few:
            notes.append(
                f"{self.name}: {len(training.samples)} training samples are too few for its network (from "
                f"{FEWEST_SAMPLES} samples of {FEWEST_UNITS} units on); the stack of its parts predicts alone"
            )
        dark = int((~np.isfinite(training.expression)).all(axis=0).sum())
        if dark:
            notes.append(f"{self.name}: {dark} genes were measured in no training sample and are not predicted")
        # The stronger half of peaks that are all equally strong is all of them.
        flat = [name for name, added in zip(panel.samples, panel.thinning, strict=True) if not added.any()]
        if flat:
            notes.append(
                f"{self.name}: the peaks of {', '.join(flat)} are all equally strong (no signalValue?); presence alone is used"
            )
        return tuple(notes)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample from its view, shape (genes,); NaN for genes never measured."""
        return self._fitted.in_order(self._fitted.predict(inputs).expression)

    def bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval that holds a gene's truth with probability `level`; NaN where nothing could be held out."""
        return self._bounds(inputs, level=level, usual=False)

    def usual_bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval that `bounds` would give if the sample were as new as training samples are to each other."""
        return self._bounds(inputs, level=level, usual=True)

    def _bounds(self, inputs: Any, *, level: float, usual: bool) -> Bounds:
        found = self._fitted.bounds(self._fitted.predict(inputs), level=level, usual=usual)
        return Bounds(*map(self._fitted.in_order, found))

    @property
    def reliability(self) -> NDArray[np.float32]:
        """Cross-validated skill of each gene, shrunk towards genes alike; NaN where nothing could be held out."""
        return self._fitted.in_order(self._fitted.reliability)

    @property
    def profiles(self) -> NDArray[np.float32]:
        """Known expression profiles, log2(TPM + 1), shape (profiles, genes): training samples by name, then the compendium's.

        A gene that a profile lacks has the training mean.
        """
        parts = self._fitted.parts
        known = np.stack([self._fitted.in_order(row) for row in parts.profiles + parts.context.mean])
        return np.maximum(known, 0)

    def state(self) -> dict[str, NDArray[Any]]:
        """Give everything fitted."""
        return self._fitted.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take it back."""
        self._fitted = Fitted.from_state(state)


class JointPaired(Joint):
    """`joint` on the paired samples alone, to show what a compendium adds."""

    name: ClassVar[str] = "joint-paired"
    takes_prior: ClassVar[bool] = False


def _fingerprint(prior: Prior | None) -> str | None:
    return None if prior is None else sha256(prior.expression.tobytes() + prior.barred.tobytes()).hexdigest()


def _learn_spread(nested: "Nested", predicted: Floats) -> Spread:
    measured = np.isfinite(nested.truth)
    quantities = spread_quantities(nested.parts, nested.context, predicted)[measured]
    sample = np.broadcast_to(np.arange(len(measured))[:, None], measured.shape)[measured]
    widths = widening(nested.novelty)[sample]
    return fit_spread(quantities, (predicted - nested.truth)[measured], sample, widths=widths)


def _learn_reliability(nested: "Nested", predicted: Floats, parts: Parts) -> Floats:
    return gene_reliability(
        p=predicted,
        t=nested.truth,
        m=np.zeros(predicted.shape, dtype=np.float32),
        clusters=[str(unit) for unit in nested.units.tolist()],
        mean=parts.context.mean,
        sd=parts.context.sd,
    ).skill
