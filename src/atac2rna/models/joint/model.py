"""Model `joint`: fit, predict, and what goes into its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atac2rna.models.base import Bounds, Prior, TrainingSet
from atac2rna.models.inner_groups import inner_units
from atac2rna.models.joint.evidence import Evidence
from atac2rna.models.joint.nesting import Context, Nested, nest
from atac2rna.models.joint.own_gene import OwnGene
from atac2rna.models.joint.panel import Panel, dot_products, near_rows, to_device
from atac2rna.models.joint.parts import PartPredictions, Parts, fit_parts
from atac2rna.models.joint.refine import Refinement, fit_refinement, held_out_refinement, network_inputs
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.similarity import KernelScale
from atac2rna.models.joint.spread import Spread, fit_spread
from atac2rna.models.joint.stack import BUILT_IN, BUILT_IN_PAIRED, apply_stack, stack_weights
from atac2rna.models.joint.view import LOCAL, JointView
from atac2rna.reliability import gene_reliability

FEWEST_SAMPLES = 8
"""Training samples from which the network is worth training."""

FEWEST_UNITS = 5
"""Independent units among them that it needs."""

_GROUPS: dict[str, Any] = {"kernel": KernelScale, "own_gene": OwnGene, "evidence": Evidence}


class Nest(NamedTuple):
    """What `joint` and `joint-paired` share of a fit on the same samples."""

    panel: Panel
    parts: Parts
    nested: Nested | None


@dataclass
class _Fitted:
    """Everything fitted, on the device; genes by id."""

    genes: Tensor
    near: Tensor
    parts: Parts
    weights: Tensor
    refinement: Refinement | None
    spread: Spread | None
    reliability: Tensor


class Joint:
    """All genes' evidence reveals the sample; with the profiles of a compendium, where one is given."""

    name: ClassVar[str] = "joint"
    per_gene: ClassVar[bool] = True
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[JointSettings]] = JointSettings
    _fitted: _Fitted

    def __init__(self, settings: JointSettings | None = None) -> None:
        """Take the settings."""
        self.settings = settings or self.Settings()
        self.representation = JointView()
        self.notes: tuple[str, ...] = ()

    def fit(self, training: TrainingSet) -> None:
        """Fit parts, nest them, and learn stack, network and intervals from the held-out predictions."""
        units, told = inner_units(training)
        prior = self.takes_prior and training.prior is not None
        panel, parts, nested = self._nest(training, units, prior=prior)
        if not prior:
            parts, nested = parts.without_prior(), None if nested is None else nested.without_prior()
        weights = stack_weights(nested, BUILT_IN if prior else BUILT_IN_PAIRED).to(panel.units.device)
        few = len(panel.samples) < FEWEST_SAMPLES or len(set(units)) < FEWEST_UNITS
        refinement = spread = None
        reliability = torch.full_like(parts.mean, torch.nan)
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
            predicted = torch.maximum(predicted, -nested.context.mean)
            spread = _learn_spread(nested, predicted)
            reliability = _learn_reliability(nested, predicted, parts)
        self.notes = self._notes(training, panel, told, few=few)
        self._fitted = _Fitted(panel.genes, panel.near, parts, weights, refinement, spread, reliability)

    def _nest(self, training: TrainingSet, units: Sequence[str], *, prior: bool) -> Nest:
        """Fit the parts and nest them, or take up what the other variant left; what a prior adds stands apart in it."""
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
            found = Nest(panel, fit_parts(panel, everyone, self.settings), nest(panel, self.settings))
            training.shared[key] = own, found
        nest_: Nest = found
        return nest_

    def _notes(self, training: TrainingSet, panel: Panel, told: str, *, few: bool) -> tuple[str, ...]:
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
        predicted, _ = self._predict(inputs)
        return self._in_order(torch.where(self._fitted.parts.known, predicted, torch.nan))

    def _predict(self, inputs: Any) -> tuple[Tensor, PartPredictions]:
        """Predict expression, shape (genes,), by gene id, beside the parts."""
        fitted = self._fitted
        view = to_device(np.asarray(inputs, dtype=np.float32))[fitted.genes]
        grams = dot_products(near_rows(view)[:, None], fitted.near)
        parts = fitted.parts.predict(view[None, :, :LOCAL], grams)
        beyond = apply_stack(parts, fitted.weights)
        if fitted.refinement is not None:
            beyond = beyond + fitted.refinement.predict(network_inputs(parts, Context.of(fitted.parts)))
        return (fitted.parts.mean + beyond[0]).clamp(min=0), parts

    def bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval that holds a gene's truth with probability `level`; NaN where nothing could be held out."""
        predicted, parts = self._predict(inputs)
        spread = self._fitted.spread
        if spread is None:
            unknown = np.full(len(predicted), np.nan, dtype=np.float32)
            return Bounds(unknown, unknown.copy())
        quantities = _quantities(parts, Context.of(self._fitted.parts), predicted[None] - self._fitted.parts.mean)
        half = spread.multiple(level) * spread.scale(quantities.flatten(0, 1))
        half = torch.where(self._fitted.parts.known, half, torch.nan)
        return Bounds(self._in_order((predicted - half).clamp(min=0)), self._in_order(predicted + half))

    @property
    def reliability(self) -> NDArray[np.float32]:
        """Cross-validated skill of each gene, shrunk towards genes alike; NaN where nothing could be held out."""
        return self._in_order(self._fitted.reliability)

    @property
    def profiles(self) -> NDArray[np.float32]:
        """Profiles of the compendium that the model places samples among; see `models.base.ProfileModel`."""
        parts = self._fitted.parts
        own = parts.profiles[len(parts.paired_readers) :]
        return (
            np.stack([self._in_order(profile + parts.mean) for profile in own])
            if len(own)
            else np.zeros((0, 0), np.float32)
        )

    def _in_order(self, values: Tensor) -> NDArray[np.float32]:
        """Bring values by gene id into the order of the training set."""
        ordered = torch.empty_like(values)
        ordered[self._fitted.genes] = values
        found: NDArray[np.float32] = ordered.cpu().numpy()
        return found

    def state(self) -> dict[str, NDArray[Any]]:
        """Give everything fitted."""
        fitted = self._fitted
        tensors = {"genes": fitted.genes, "near": fitted.near, "weights": fitted.weights}
        tensors["reliability"] = fitted.reliability
        for field in fields(Parts):
            value = getattr(fitted.parts, field.name)
            own = value._asdict() if field.name in _GROUPS else {"": value}
            tensors |= {f"parts.{field.name}.{name}".rstrip("."): tensor for name, tensor in own.items()}
        if fitted.spread is not None:
            tensors |= {f"spread.{name}": tensor for name, tensor in fitted.spread._asdict().items()}
        if fitted.refinement is not None:
            tensors |= {"network.centre": fitted.refinement.centre, "network.scale": fitted.refinement.scale}
            tensors |= {f"network.layer{i}": layer for i, layer in enumerate(fitted.refinement.layers)}
        return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take it back."""
        tensors = {name: to_device(array) for name, array in state.items()}
        values: dict[str, Any] = {}
        for field in fields(Parts):
            key, group = f"parts.{field.name}", _GROUPS.get(field.name)
            values[field.name] = (
                tensors[key] if group is None else group(*(tensors[f"{key}.{f}"] for f in group._fields))
            )
        layers = tuple(tensors[f"network.layer{i}"] for i in range(sum(n.startswith("network.layer") for n in tensors)))
        network = Refinement(tensors["network.centre"], tensors["network.scale"], layers) if layers else None
        spread = Spread(*(tensors[f"spread.{f}"] for f in Spread._fields)) if "spread.level" in tensors else None
        self._fitted = _Fitted(
            genes=tensors["genes"],
            near=tensors["near"],
            parts=Parts(**values),
            weights=tensors["weights"],
            refinement=network,
            spread=spread,
            reliability=tensors["reliability"],
        )


class JointPaired(Joint):
    """`joint` on the paired samples alone, to show what a compendium adds."""

    name: ClassVar[str] = "joint-paired"
    takes_prior: ClassVar[bool] = False


def _fingerprint(prior: Prior | None) -> str | None:
    return None if prior is None else sha256(prior.expression.tobytes() + prior.barred.tobytes()).hexdigest()


def _quantities(parts: PartPredictions, context: Context, beyond: Tensor) -> Tensor:
    """What the error may depend on, shape (samples, genes, 6)."""
    columns = (
        context.mean,
        context.sd,
        context.prior_sd,
        beyond.abs(),
        (parts.own - parts.state).abs(),
        context.weights,
    )
    return torch.stack([values.expand_as(beyond) for values in columns], dim=-1)


def _learn_spread(nested: Nested, predicted: Tensor) -> Spread:
    measured = nested.truth.isfinite()
    quantities = _quantities(nested.parts, nested.context, predicted)[measured]
    sample = torch.arange(len(measured), device=measured.device)[:, None].expand_as(measured)[measured]
    return fit_spread(quantities, (predicted - nested.truth)[measured], sample)


def _learn_reliability(nested: Nested, predicted: Tensor, parts: Parts) -> Tensor:
    found = gene_reliability(
        p=predicted.cpu().numpy(),
        t=nested.truth.cpu().numpy(),
        m=np.zeros(predicted.shape, dtype=np.float32),
        clusters=[str(unit) for unit in nested.units.tolist()],
        mean=parts.mean.cpu().numpy(),
        sd=parts.sd.cpu().numpy(),
    )
    return to_device(found.skill)
