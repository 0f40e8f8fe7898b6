"""What carries `joint`: the whole model beside variants of it, on the held-out lineages of real samples, as Markdown.

python benchmarks/joint_variants.py ATLAS --compendium FILE [--compendium-info FILE]

Every variant is fitted anew on every fold. Differences are paired by sample, their intervals resampled over lineages.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from atac2rna import metrics
from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.joint import fitting as joint_fitting
from atac2rna.models.joint import refine
from atac2rna.models.joint.model import Joint, JointPaired
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.view import LOCAL, THINNED

METRICS = ("delta_r", "skill", "across_gene_r", "delta_r_within")


class Variant:
    """A model with something changed while it is fitted and predicts."""

    def __init__(
        self,
        model: Callable[[], Joint],
        change: Callable[[TrainingSet], contextmanager] | None = None,
        see: Callable[[np.ndarray], np.ndarray] = lambda view: view,
    ) -> None:
        self.model, self.change, self.see = model, change, see

    def predict(self, training: TrainingSet, views: list[np.ndarray]) -> list[np.ndarray]:
        """Fit on a training set and predict views."""
        inputs = [self.see(view) for view in training.inputs]
        shared = training.shared if self.change is None and inputs[0] is training.inputs[0] else {}
        model = self.model()
        with ExitStack() as stack:
            if self.change is not None:
                stack.enter_context(self.change(training))
            model.fit(replace(training, inputs=inputs, shared=shared))
        return [model.predict(self.see(view)) for view in views]


def unthinned(view: np.ndarray) -> np.ndarray:
    """A view in which thinning the peaks changes nothing."""
    changed = view.copy()
    changed[:, THINNED] = view[:, :LOCAL]
    return changed


@contextmanager
def without_curves(training: TrainingSet) -> Iterator[None]:
    """Curves over gene covariates are neither taken out nor fitted as disturbances."""
    with patch.object(joint_fitting, "gene_curves", lambda covariates: torch.zeros_like(covariates[:1])):
        yield


@contextmanager
def with_pipelines(training: TrainingSet) -> Iterator[None]:
    """A mixed model of RNA pipelines: the offset of each dataset, and of the compendium, is a direction of the state."""
    order = np.argsort(np.asarray(training.samples), kind="stable")
    names = np.asarray(training.datasets)[order]
    original = joint_fitting._prior

    def prior(panel: object, rows: Tensor, mean: Tensor, known: Tensor) -> Tensor:
        found = original(panel, rows, mean, known)
        own = names[rows.numpy()]
        deltas = panel.expression[rows] - mean
        offsets = [deltas[torch.from_numpy(own == name)].mean(0) for name in np.unique(own)]
        return torch.cat([found, 3 * torch.stack([*offsets, found.mean(0)])])

    with patch.object(joint_fitting, "_prior", prior):
        yield


@contextmanager
def with_rank_loss(training: TrainingSet) -> Iterator[None]:
    """Half of the network's loss asks that pairs of genes of a sample stand in the right order."""
    original = torch.Tensor.square

    def pairs(error: Tensor) -> Tensor:
        squares = original(error)
        if error.requires_grad:
            return 0.5 * squares + 0.5 * original(error - error.roll(1, 0)) / 2
        return squares

    with patch.object(refine.torch.Tensor, "square", pairs):
        yield


STACK = JointSettings(members=0)
VARIANTS: dict[str, Variant] = {
    "joint": Variant(Joint),
    "joint-paired (no compendium)": Variant(JointPaired),
    "one network on all units": Variant(lambda: Joint(JointSettings(members=1))),
    "networks of 3 epochs": Variant(lambda: Joint(JointSettings(epochs=3))),
    "networks of 12 epochs": Variant(lambda: Joint(JointSettings(epochs=12))),
    "networks with a rank loss": Variant(Joint, with_rank_loss),
    "stack alone": Variant(lambda: Joint(STACK)),
    "stack, no thinning": Variant(lambda: Joint(STACK), see=unthinned),
    "stack, no curves over gene covariates": Variant(lambda: Joint(STACK), without_curves),
    "stack, pipeline offsets as directions": Variant(lambda: Joint(STACK), with_pipelines),
    "stack, no own-gene kernel": Variant(lambda: Joint(JointSettings(members=0, own_weight=0.0))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--compendium", type=Path, required=True)
    parser.add_argument("--compendium-info", type=Path)
    arguments = parser.parse_args()
    cohort = make_cohort(
        Atlas(arguments.atlas), compendium=load_compendium(arguments.compendium, arguments.compendium_info)
    )
    scores = {name: np.full((len(cohort.samples), len(METRICS)), np.nan) for name in VARIANTS}
    lineages = cohort.lineages
    for lineage in dict.fromkeys(lineages):
        score_fold(cohort, lineages, lineage, scores)
        print(f"<!-- {lineage} -->", flush=True)
    describe(cohort, lineages, scores)


def score_fold(cohort: Cohort, lineages: tuple[str, ...], lineage: str, scores: dict[str, np.ndarray]) -> None:
    train = [i for i, own in enumerate(lineages) if own != lineage]
    test = [i for i, own in enumerate(lineages) if own == lineage]
    view = Joint().representation
    training = cohort.training_set(train, view, clusters=lineages, seed=0)
    views = [cohort.inputs(cohort.samples[i], view) for i in test]
    m = training_mean(training.expression)
    for name, variant in VARIANTS.items():
        for i, p in zip(test, variant.predict(training, views), strict=True):
            t, kin = cohort.expression[i], [j for j in train if cohort.datasets[j] == cohort.datasets[i]]
            within = metrics.delta_r(p=p, t=t, m=training_mean(cohort.expression[kin])) if len(kin) >= 3 else np.nan
            scores[name][i] = (
                metrics.delta_r(p=p, t=t, m=m),
                metrics.skill(p=p, t=t, m=m),
                metrics.across_gene_r(p=p, t=t),
                within,
            )


def describe(cohort: Cohort, lineages: tuple[str, ...], scores: dict[str, np.ndarray]) -> None:
    print(
        "| variant | delta r | skill | r across genes | delta r within | difference in delta r | difference in skill |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, values in scores.items():
        means = [metrics.cluster_bootstrap(column, lineages, cohort.groups).mean for column in values.T]
        reference = scores["stack alone" if name.startswith("stack,") else "joint"]
        cells = [f"{value:.3f}" for value in means]
        for column in range(2):
            change = metrics.cluster_bootstrap((values - reference)[:, column], lineages, cohort.groups)
            cells.append(f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
