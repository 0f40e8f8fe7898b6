"""New samples held against those that a model was trained on: the same, all but the same, of how like a kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.atlas import SampleData, SampleRecord, tpm_on_axis
from atac2rna.domain import SAME_PEAKS, Domain, infer_assembly, judge, promoter_shares
from atac2rna.errors import InputError
from atac2rna.evaluation.rescaling import to_million
from atac2rna.genome import GeneTable
from atac2rna.models.base import ProfileModel
from atac2rna.models.experience import Experience
from atac2rna.models.store import TrainedModel
from atac2rna.quality.duplicates import TOO_ALIKE

FEWEST_MEASURED = 0.5
"""Share of the model's genes that are measured in a sample at least."""


def experience_of(trained: TrainedModel) -> Experience:
    """Give what a model keeps of its training samples.

    Raises:
        InputError: If it keeps nothing.
    """
    if trained.experience is None:
        raise InputError(
            f"a model is evaluated beside baselines that learn from its training samples; this one ({trained.card['kind']}) "
            "keeps nothing of them (no experience.safetensors). Train it again with this version, as another model than "
            "region-mlp."
        )
    return trained.experience


class Screen:
    """Holds samples against the training samples of a model, one by one."""

    def __init__(self, trained: TrainedModel, tables: Mapping[str, GeneTable], path: Path) -> None:
        """Take the model, its genes in every assembly, and the file or folder of the samples, for errors."""
        self.experience = experience_of(trained)
        self.tables = tables
        self.path = path
        self.domains: dict[str, Domain] = {}
        self.flagged: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        self._files = _training_files(trained)
        self._profiles, self._profile_names = _prior_profiles(trained)
        self._expressed = (np.nan_to_num(self.experience.expression, nan=0.0) >= 1).any(axis=0)

    def sift(self, samples: Iterator[SampleData], progress: Callable[[str], None]) -> Iterator[SampleData]:
        """Give the samples that the model was not trained on; what is found of each is kept."""
        for sample in samples:
            name = sample.record.name
            tpm = tpm_on_axis(sample.tpm, self.experience.gene_ids)
            self._refuse_misread(sample, tpm)
            values = to_million(np.log2(tpm + 1))
            likeness = self._likeness(values, self.experience.expression)
            reason = self._trained_on(sample.record, likeness)
            if reason:
                self.left_out[name] = reason
                progress(f"left out {name}")
                continue
            own = [source.sha256 for source in sample.record.atac]
            domain = judge(self.experience, sample.peaks, self.tables, assembly=sample.record.assembly, checksums=own)
            self.domains[name] = domain
            alike = self._likeness(values, self._profiles) if len(self._profiles) else np.empty(0)
            if flags := self._flags(domain, likeness, alike):
                self.flagged[name] = " and ".join(flags)
            yield sample

    def _refuse_misread(self, sample: SampleData, tpm: NDArray[np.float32]) -> None:
        """Refuse a sample of other genes, of nothing expressed, or whose peaks are clearly of another assembly."""
        name, assembly, tables = sample.record.name, sample.record.assembly, self.tables
        measured = np.isfinite(tpm)
        if measured.mean() < FEWEST_MEASURED:
            raise InputError(
                f"{self.path}: at least half of the model's genes are measured in a sample; of {name} "
                f"{np.count_nonzero(measured):,} of {measured.size:,} are ({measured.mean():.1%}). Give expression of all "
                "genes, with ids of the same kind, or leave the sample out."
            )
        if not tpm[measured].sum() > 0:
            raise InputError(
                f"{self.path}: expression is scaled to a million over the genes of the model; those of {name} add up to 0. "
                "Leave it out."
            )
        best = infer_assembly(sample.peaks, tables)
        if best is not None and best != assembly:
            shares = promoter_shares(sample.peaks, tables)
            raise InputError(
                f"{self.path}: peaks are of the assembly named beside them; those of {name} hit {shares[assembly]:.1%} of "
                f"the promoters of {assembly} and {shares[best]:.1%} of those of {best}. Correct the column assembly."
            )

    def _likeness(self, values: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float64]:
        """Correlation of a sample with every known one, over the genes of 1 TPM in it or in any training sample.

        Silent genes would raise every correlation.
        """
        genes = self._expressed | (values >= 1)
        r: NDArray[np.float64] = metrics.row_correlations(values[None, genes], known[:, genes])[0]
        return r

    def _trained_on(self, record: SampleRecord, likeness: NDArray[np.float64]) -> str:
        """Say which training sample has a file of this one; "" where none has.

        A table of several samples is a file of each of them: where one RNA file is all that two samples share, and each
        has only that one, they are the same only if their values are.
        """
        peaks, rna = ({source.sha256 for source in sources} for sources in (record.atac, record.rna))
        for i, training in enumerate(self.experience.samples):
            sums = set(self.experience.checksums[i])
            if peaks & sums:
                return f"its peak file is that of training sample {training}"
            if rna & sums:
                if rna == self._files.get(training) and len(rna) == 1 and likeness[i] <= TOO_ALIKE:
                    self.notes.append(
                        f"{record.name}: its RNA file is that of training sample {training}, with other values (r = "
                        f"{likeness[i]:.3f}): taken for a table of several samples."
                    )
                    continue
                return f"its RNA file is that of training sample {training}"
        return ""

    def _flags(self, domain: Domain, likeness: NDArray[np.float64], profiles: NDArray[np.float64]) -> list[str]:
        """Say what this sample is all but equal to: in expression a training sample or a profile, or one in its peaks."""
        known = (
            ("training sample {}", self.experience.samples, likeness),
            ("profile {} of the compendium that the model was fitted with", self._profile_names, profiles),
        )
        flags = [
            f"its expression correlates at {r[best]:.4f} with {what.format(names[best])}"
            for what, names, r in known
            if np.isfinite(r).any() and r[best := int(np.nanargmax(r))] > TOO_ALIKE
        ]
        if domain.nearest and domain.nearest[0].similarity > SAME_PEAKS:
            flags.append(f"its peaks are all but those of training sample {domain.nearest[0].sample}")
        return flags


def _prior_profiles(trained: TrainedModel) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Profiles of a compendium that the model keeps, and their names; no rows where it has none."""
    names = tuple((trained.card.get("compendium") or {}).get("used", ()))
    if not names or not isinstance(trained.model, ProfileModel):
        return np.zeros((0, 0), dtype=np.float32), ()
    return trained.model.profiles[-len(names) :], names


def _training_files(trained: TrainedModel) -> dict[str, set[str]]:
    """Checksums of the RNA files of each training sample, as far as the model's card tells them."""
    told: Mapping[str, Mapping[str, Sequence[str]]] = trained.card.get("training_samples") or {}
    return {name: set(files.get("rna", ())) for name, files in told.items()}
