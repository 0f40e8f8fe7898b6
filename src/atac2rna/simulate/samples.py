"""Samples: who they are, their latent state, accessibility and expression."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atac2rna.simulate.landscape import Landscape
from atac2rna.simulate.settings import SimulationSettings

Dataset = Literal["macs", "encode"]
"""macs: raw MACS2 output, uncapped scores, several summits an interval; encode: scores capped at 1000."""

DATASETS: tuple[Dataset, Dataset] = ("macs", "encode")
REPLICATE_SHARE = 0.4  # individuality of a replicate relative to that of its donor


@dataclass(frozen=True)
class SampleDesign:
    """One row of the design.

    Attributes:
        name: Unique name, also of the files.
        assembly: `sim1` or `sim2`.
        lineage: Name of the lineage.
        group: What must not be divided between training and test; here the donor within the lineage.
        dataset: The pipeline that the files come from.
        paired: False for samples that have peaks only.
        lineage_index: Row of the lineage.
        group_index: Number of the group over all samples.
    """

    name: str
    assembly: str
    lineage: str
    group: str
    dataset: Dataset
    paired: bool
    lineage_index: int
    group_index: int

    @property
    def donor(self) -> str:
        """Name of the donor."""
        return f"donor{self.group_index + 1:02d}"


@dataclass(frozen=True)
class Truth:
    """What is known of every sample before anything is measured.

    Attributes:
        samples: Paired samples first, then those with peaks only.
        state: Latent state, shape (samples, state).
        accessibility: log2 strength of each element, shape (elements, samples).
        level: log2 level of each gene, not scaled to a million, shape (genes, samples).
        expression: log2(TPM + 1) of `level`, shape (genes, samples).
        measured_level: `level` with the offset of the dataset and the noise of the sample, shape (genes, samples).
    """

    samples: tuple[SampleDesign, ...]
    state: NDArray[np.float64]
    accessibility: NDArray[np.float64]
    level: NDArray[np.float64]
    expression: NDArray[np.float64]
    measured_level: NDArray[np.float64]


def design_samples(settings: SimulationSettings) -> tuple[SampleDesign, ...]:
    """Lay out the samples; every lineage of three samples or more has both datasets, so neither marks a lineage."""
    rows: list[SampleDesign] = []
    groups = 0
    for lineage in range(settings.lineages):
        name = f"lineage{lineage + 1}"
        for replicate in range(settings.samples_per_lineage):
            groups += replicate != 1  # the second sample is a replicate of the first one's donor
            rows.append(_row(settings, rows, f"{name}_{replicate + 1}", lineage, groups - 1, lineage + (replicate > 1)))
    known, new = 0, settings.lineages
    rows.append(_row(settings, rows, "atac_only_known", known, groups, 0, paired=False))
    rows.append(_row(settings, rows, "atac_only_new", new, groups + 1, 1, paired=False))
    return tuple(rows)


def _row(
    settings: SimulationSettings,
    before: list[SampleDesign],
    name: str,
    lineage: int,
    group: int,
    dataset: int,
    *,
    paired: bool = True,
) -> SampleDesign:
    assembly = "sim2" if settings.assemblies == 2 and len(before) % 2 else "sim1"
    label = f"lineage{lineage + 1}"
    return SampleDesign(
        name, assembly, label, f"{label}_donor{group + 1:02d}", DATASETS[dataset % 2], paired, lineage, group
    )


def draw_truth(settings: SimulationSettings, landscape: Landscape) -> Truth:
    """Draw states and work out accessibility and expression by the formula of the package's docstring."""
    samples = design_samples(settings)
    rng = np.random.default_rng([settings.seed, 2])
    lineage = np.array([sample.lineage_index for sample in samples])
    group = np.array([sample.group_index for sample in samples])
    dataset = np.array([DATASETS.index(sample.dataset) for sample in samples])
    elements, genes = landscape.centre.size, len(landscape.genes)
    lineages, groups, count, k = lineage.max() + 1, group.max() + 1, len(samples), settings.state_dimensions
    state = rng.normal(size=(lineages, k))[lineage]
    state += settings.individuality * rng.normal(size=(groups, k))[group]
    state += REPLICATE_SHARE * settings.individuality * rng.normal(size=(count, k))
    # Of the unexplained strength of an element, most belongs to the lineage and the rest to the donor.
    own = 0.8 * rng.normal(size=(elements, lineages))[:, lineage] + 0.6 * rng.normal(size=(elements, groups))[:, group]
    deviation = landscape.loading @ state.T + settings.accessibility_noise * own
    level = landscape.base[:, None] + _linked(landscape, deviation)
    own_direction = rng.normal(size=(genes, k)) / np.sqrt(k)
    level += settings.trans * (0.7 * landscape.programme + 0.7 * own_direction) @ state.T
    level += settings.hidden * rng.normal(size=(genes, lineages))[:, lineage]
    batch = settings.batch * rng.normal(size=(genes, len(DATASETS)))[:, dataset]
    noise = settings.expression_noise * rng.normal(size=(genes, count))
    return Truth(
        samples=samples,
        state=state,
        accessibility=landscape.strength[:, None] + deviation,
        level=level,
        expression=np.log2(1 + tpm_of_level(level)),
        measured_level=level + batch + noise,
    )


def tpm_of_level(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale log2 levels to transcripts per million, by column, shape (genes, samples)."""
    abundance = np.exp2(level)
    tpm: NDArray[np.float64] = abundance / abundance.sum(axis=0) * 1e6
    return tpm


def _linked(landscape: Landscape, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum effect times deviation over the links of each gene, shape (genes, samples)."""
    total = np.zeros((len(landscape.genes), deviation.shape[1]))
    np.add.at(total, landscape.link_gene, landscape.link_effect[:, None] * deviation[landscape.link_element])
    return total
