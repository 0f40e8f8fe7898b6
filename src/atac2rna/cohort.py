"""The samples of one analysis in memory: expression, labels, and each sample's representations, computed once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.compendium import Compendium
from atac2rna.errors import InputError
from atac2rna.models.base import Representation, TrainingSet
from atac2rna.models.experience import Experience, count_peaks, make_experience
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.kernel import KernelRow
from atac2rna.profile_pool import ProfilePool, make_pool


@dataclass(frozen=True)
class Cohort:
    """Paired samples of an atlas and the genes that are predicted.

    Attributes:
        atlas: Where peaks and gene tables are read from.
        samples: Names of the samples, each with RNA.
        gene_ids: Genes, in the order of every array.
        expression: log2(TPM + 1), shape (samples, genes), float32, NaN where not measured.
        columns: Values of each sample by column, `sample` among them.
        pool: Profiles of a compendium, for models that take a prior; None where none is given.
    """

    atlas: Atlas
    samples: tuple[str, ...]
    gene_ids: tuple[str, ...]
    expression: NDArray[np.float32]
    columns: dict[str, tuple[str, ...]]
    pool: ProfilePool | None = None

    def __post_init__(self) -> None:
        """Hold the profiles to the same samples and genes."""
        if self.pool is not None and (self.pool.samples, self.pool.gene_ids) != (self.samples, self.gene_ids):
            raise ValueError("the profiles beside a cohort are laid along its samples and genes; make the pool anew")

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Group of each sample; its own name where there is no `group` column or an empty cell."""
        return self._label("group", self.samples)

    @cached_property
    def lineages(self) -> tuple[str, ...]:
        """Lineage of each sample; its group where there is no `lineage` column or an empty cell."""
        return self._label("lineage", self.groups)

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Dataset of each sample; empty where there is none."""
        return self._label("dataset", ("",) * len(self.samples))

    def _label(self, column: str, default: Sequence[str]) -> tuple[str, ...]:
        values = self.columns.get(column, ("",) * len(self.samples))
        return tuple(value or other for value, other in zip(values, default, strict=True))

    @cached_property
    def _inputs(self) -> dict[tuple[str, Representation], Any]:
        return {}

    def inputs(self, sample: str, representation: Representation) -> Any:
        """Represent a sample; each (sample, representation) is computed once and knows nothing of other samples."""
        key = (sample, representation)
        if key not in self._inputs:
            genes = self.atlas.genes(self.atlas.record(sample).assembly, self.gene_ids)
            self._inputs[key] = representation(self.atlas.peaks(sample), genes)
        return self._inputs[key]

    def training_set(
        self,
        rows: Sequence[int],
        representation: Representation,
        *,
        clusters: Sequence[str],
        seed: int,
        withheld: NDArray[np.bool_] | None = None,
        prior: bool = True,
    ) -> TrainingSet:
        """Hand a model the samples `rows` and nothing of the others.

        Args:
            rows: Indices of the training samples; all others are held out.
            representation: How the model sees a sample.
            clusters: Hold-out value of every sample of the cohort.
            seed: Seed of the fit.
            withheld: True for genes whose expression becomes NaN, shape (genes,).
            prior: Whether profiles of the compendium, if there is one, are handed over, too.
        """
        expression = self.expression[list(rows)]
        if withheld is not None:
            expression = np.where(withheld, np.float32(np.nan), expression)
        return TrainingSet(
            samples=tuple(self.samples[i] for i in rows),
            inputs=[self.inputs(self.samples[i], representation) for i in rows],
            expression=expression,
            gene_ids=self.gene_ids,
            clusters=tuple(clusters[i] for i in rows),
            lineages=tuple(self.lineages[i] for i in rows),
            datasets=tuple(self.datasets[i] for i in rows),
            seed=seed,
            prior=self.pool.prior(rows, withheld=withheld) if prior and self.pool is not None else None,
            shared=self._shared(rows, clusters, withheld),
        )

    def experience(self, rows: Sequence[int] | None = None) -> Experience:
        """Give what a model trained on the samples `rows` (None: on all) keeps of them."""
        rows = range(len(self.samples)) if rows is None else rows
        names = [self.samples[i] for i in rows]
        records = [self.atlas.record(name) for name in names]
        genes = [self.atlas.genes(record.assembly, self.gene_ids) for record in records]
        return make_experience(
            self.training_set(rows, KernelRow(), clusters=self.groups, seed=0, prior=False),
            activity=[self.inputs(name, ActivityRank()) for name in names],
            peaks=[count_peaks(self.atlas.peaks(name), table) for name, table in zip(names, genes, strict=True)],
            checksums=[[source.sha256 for source in (*record.atac, *record.rna)] for record in records],
        )

    def _shared(
        self, rows: Sequence[int], clusters: Sequence[str], withheld: NDArray[np.bool_] | None
    ) -> dict[Any, Any]:
        """Give fits on the very same samples, one after another, the same place to share; only the last is kept."""
        key = (tuple(rows), tuple(clusters), None if withheld is None else withheld.tobytes())
        if key not in self._last_shared:
            self._last_shared.clear()
        return self._last_shared.setdefault(key, {})

    @cached_property
    def _last_shared(self) -> dict[Any, dict[Any, Any]]:
        return {}


def make_cohort(
    atlas: Atlas,
    *,
    samples: Iterable[str] | None = None,
    gene_ids: Sequence[str] | None = None,
    compendium: Compendium | None = None,
    strict_relatives: bool = False,
) -> Cohort:
    """Take paired samples and genes of an atlas into memory.

    Args:
        atlas: The atlas.
        samples: Names; None: all that have RNA.
        gene_ids: Genes; None: the atlas' selected ones.
        compendium: Profiles for models that take a prior; None: none.
        strict_relatives: Whether profiles declared relatives of held-out samples are left out.

    Raises:
        InputError: If fewer than 3 samples have RNA, a sample is not in the atlas, no gene is selected, or the compendium
            has under half of the atlas' selected genes.
    """
    names = tuple(atlas.paired if samples is None else samples)
    genes = tuple(atlas.gene_ids if gene_ids is None else gene_ids)
    if len(names) < 3:
        raise InputError(f"{atlas.path}: learning needs at least 3 samples with RNA; got {len(names)}. Add samples.")
    if not genes:
        raise InputError(
            f"{atlas.path}: no gene is left (biotypes {atlas.attributes['gene_selection']['biotypes']}, gene set "
            f"{atlas.attributes['gene_selection']['gene_set']!r}); build with other --biotypes or --gene-set union."
        )
    for name in names:
        atlas.record(name)  # Refuses a name that the atlas does not know.
    position = {name: i for i, name in enumerate(atlas.columns["sample"])}
    columns = {key: tuple(values[position[name]] for name in names) for key, values in atlas.columns.items()}
    cohort = Cohort(atlas, names, genes, atlas.expression(names, genes), columns)
    if compendium is None:
        return cohort
    pool = make_pool(
        compendium,
        samples=names,
        gene_ids=genes,
        expression=cohort.expression,
        scale_over=atlas.gene_ids,
        strict=strict_relatives,
    )
    return replace(cohort, pool=pool)
