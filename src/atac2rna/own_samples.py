"""A few paired samples of one's own beside a trained model: along its genes, on its scale, with the profiles that it knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable
from atac2rna.metrics import row_correlations
from atac2rna.models.base import Model, Prior, ProfileModel, TrainingSet
from atac2rna.models.experience import Experience, count_peaks, make_experience
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.kernel import KernelRow
from atac2rna.models.store import TrainedModel
from atac2rna.profile_pool import IDENTICAL_R

FEWEST_SAMPLES = 2

FEWEST_SHARED = 0.5
"""Share of the model's genes that the own samples have at least."""

MILLION = 1e6


@dataclass(frozen=True)
class OwnSamples:
    """Own samples, ready to be learned from.

    Attributes:
        cohort: Names, labels, and expression along the model's genes; NaN where not measured.
        inputs: Each sample as the model sees it.
        tables: Gene table of each assembly that the model or an own sample has, along the model's genes.
        measured: Genes measured in an own sample, shape (genes,).
        seen: Own samples that the model was trained on, by peaks or expression, or whose expression is a profile that it
            knows, with the names that they had there.
        repeated: Those of them whose peak files it was trained on.
        profiles: Expression profiles that the model knows and that are no own sample, shape (profiles, genes); None where it
            has none.
    """

    cohort: Cohort
    inputs: tuple[Any, ...]
    tables: dict[str, GeneTable]
    measured: NDArray[np.bool_]
    seen: dict[str, str]
    repeated: frozenset[str]
    profiles: NDArray[np.float32] | None

    @property
    def groups(self) -> tuple[str, ...]:
        """What of the samples is held out together: the lineage, else the group, else the sample."""
        return self.cohort.lineages

    def training_set(self, rows: Sequence[int], *, seed: int) -> TrainingSet:
        """Hand a model the samples `rows` and nothing of the others."""

        def of(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in rows)

        cohort, prior = self.cohort, None
        if self.profiles is not None and len(self.profiles):
            names = tuple(f"known profile {i + 1}" for i in range(len(self.profiles)))
            prior = Prior(names, self.profiles, np.zeros((len(rows), len(names)), dtype=bool))
        return TrainingSet(
            samples=of(cohort.samples),
            inputs=of(self.inputs),
            expression=cohort.expression[list(rows)],
            gene_ids=cohort.gene_ids,
            clusters=of(self.groups),
            lineages=of(cohort.lineages),
            datasets=of(cohort.datasets),
            seed=seed,
            prior=prior,
        )

    def experience(self) -> Experience:
        """Give what the fine-tuned model keeps of the samples whose peak files its base was not trained on."""
        fresh = [i for i, name in enumerate(self.cohort.samples) if name not in self.repeated]
        atlas, names = self.cohort.atlas, [self.cohort.samples[i] for i in fresh]
        records = [atlas.record(name) for name in names]
        peaks = [atlas.peaks(name) for name in names]
        genes = [self.tables[record.assembly] for record in records]
        pairs = list(zip(peaks, genes, strict=True))
        kernel_row, activity = KernelRow(), ActivityRank()
        return make_experience(
            replace(self.training_set(fresh, seed=0), inputs=[kernel_row(*pair) for pair in pairs]),
            activity=[activity(*pair) for pair in pairs],
            peaks=[count_peaks(*pair) for pair in pairs],
            checksums=[[source.sha256 for source in (*record.atac, *record.rna)] for record in records],
        )


def lay_own_samples(atlas: Atlas, trained: TrainedModel) -> OwnSamples:
    """Lay the paired samples of an atlas along the genes of a trained model.

    Genes that the model does not predict are dropped. TPM of a sample add up, over the model's genes that were measured in
    it, to what the model expects of these genes in this sample: a million where all were measured.

    Args:
        atlas: The atlas.
        trained: The model.

    Raises:
        InputError: If there are fewer than `FEWEST_SAMPLES` paired samples, they have under half of the model's genes, the TPM
            of one add up to 0, or nobody knows where the genes lie in an assembly.
    """
    names = atlas.paired
    if len(names) < FEWEST_SAMPLES:
        raise InputError(
            f"{atlas.path}: fine-tuning needs at least {FEWEST_SAMPLES} samples with RNA; got {len(names)}. Add samples."
        )
    genes = trained.gene_ids
    column = {gene: i for i, gene in enumerate(atlas.axis)}
    raw = np.full((len(names), len(genes)), np.nan)
    on_axis = [i for i, gene in enumerate(genes) if gene in column]
    raw[:, on_axis] = atlas.raw_tpm(names)[:, [column[genes[i]] for i in on_axis]]
    measured = np.isfinite(raw).any(axis=0)
    if measured.mean() < FEWEST_SHARED:
        raise InputError(
            f"{atlas.path}: fine-tuning needs at least half of the model's genes in one's own samples; got "
            f"{int(measured.sum()):,} of {len(genes):,} ({measured.mean():.1%}). The model's ids look like {genes[0]}, those of "
            f"the atlas like {atlas.axis[0]}; build the atlas with an annotation of the same ids."
        )
    position = {name: i for i, name in enumerate(atlas.columns["sample"])}
    columns = {key: tuple(values[position[name]] for name in names) for key, values in atlas.columns.items()}
    tables = _tables(atlas, trained, columns["assembly"])
    model = trained.model
    inputs = tuple(
        model.representation(atlas.peaks(name), tables[assembly])
        for name, assembly in zip(names, columns["assembly"], strict=True)
    )
    expression = _on_scale_of(model, inputs, raw, atlas, names)
    repeated = _repeated(atlas, trained)
    seen: dict[str, str] = {}
    profiles = known_profiles(model)
    kept = trained.experience
    if kept is not None:
        seen |= _same_expression(names, expression, kept.expression, kept.samples)
    if profiles is not None:
        seen = _same_expression(names, expression, profiles, _profile_names(trained, len(profiles))) | seen
        profiles = profiles[~_alike(expression, profiles).any(axis=0)]
    seen = {name: (seen | repeated)[name] for name in names if name in seen or name in repeated}
    cohort = Cohort(atlas, names, genes, expression, columns)
    return OwnSamples(cohort, inputs, tables, measured, seen, frozenset(repeated), profiles)


def _tables(atlas: Atlas, trained: TrainedModel, assemblies: Sequence[str]) -> dict[str, GeneTable]:
    """Gene tables of the model, and for assemblies that it does not know those of the atlas."""
    tables = dict(trained.tables)
    for assembly in dict.fromkeys(assemblies):
        if assembly in tables:
            continue
        own = atlas.genes(assembly)
        known = set(atlas.tables[assembly].gene_ids)
        missing = [gene for gene in trained.gene_ids if gene not in known]
        if missing:
            raise InputError(
                f"{atlas.path}: the model knows its genes in {', '.join(trained.tables)}, and for samples of {assembly} the "
                f"atlas' table of it must have them all; {len(missing):,} of {len(trained.gene_ids):,} are not there, the first "
                f"{missing[0]} (its ids look like {own.gene_ids[0]}). Build the atlas with an annotation of the same ids."
            )
        tables[assembly] = atlas.genes(assembly, trained.gene_ids)
    return tables


def _on_scale_of(
    model: Model, inputs: Sequence[Any], raw: NDArray[np.float64], atlas: Atlas, names: Sequence[str]
) -> NDArray[np.float32]:
    """Expression as log2(TPM + 1), scaled as `lay_own_samples` says, shape (samples, genes)."""
    totals = np.nansum(raw, axis=1)
    if not (totals > 0).all():
        silent = names[int(np.flatnonzero(totals <= 0)[0])]
        raise InputError(
            f"{atlas.path}: expression is scaled over the model's genes; those of {silent} add up to 0 TPM "
            f"({int((totals <= 0).sum())} of {len(names)} samples). Leave it out."
        )
    expression = np.empty(raw.shape, dtype=np.float32)
    for row, values in enumerate(raw):
        expected = np.nan_to_num(np.exp2(model.predict(inputs[row]).astype(np.float64)) - 1)
        share = expected[np.isfinite(values)].sum() / max(expected.sum(), 1e-12)
        expression[row] = np.log2(values * (MILLION * share / totals[row]) + 1)
    return expression


def _repeated(atlas: Atlas, trained: TrainedModel) -> dict[str, str]:
    """Own samples with a peak file that the model was trained on, and the names that they had there."""
    files = {
        checksum: name
        for name, record in trained.card.get("training_samples", {}).items()
        for checksum in record.get("atac", ())
    }
    own = {name: [source.sha256 for source in atlas.record(name).atac] for name in atlas.paired}
    return {name: files[known[0]] for name, sums in own.items() if (known := [sha for sha in sums if sha in files])}


def _alike(expression: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell own samples from known profiles: True where they are one, shape (samples, profiles)."""
    alike: NDArray[np.bool_] = np.nan_to_num(row_correlations(expression, known), nan=0.0) > IDENTICAL_R
    return alike


def _same_expression(
    names: Sequence[str], expression: NDArray[np.float32], known: NDArray[np.float32], labels: Sequence[str]
) -> dict[str, str]:
    """Own samples whose expression is known, and under which label."""
    alike = _alike(expression, known)
    return {name: labels[int(row.argmax())] for name, row in zip(names, alike, strict=True) if row.any()}


def _profile_names(trained: TrainedModel, count: int) -> list[str]:
    """Names of the profiles that a model holds; those of its compendium come last."""
    named = list((trained.card.get("compendium") or {}).get("used", ()))
    return [*(f"profile {i + 1}" for i in range(count - len(named))), *named][-count:]


def known_profiles(model: Model) -> NDArray[np.float32] | None:
    """Expression profiles that a fitted model holds: training samples and compendium; None where it holds none.

    Returns:
        log2(TPM + 1), shape (profiles, genes), in the order of the predictions; NaN for genes that it never saw measured.
    """
    return model.profiles if isinstance(model, ProfileModel) else None
