"""The profiles of a compendium as the folds of one cohort may see them: no sample of it, on demand no held-out relative."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atac2rna.compendium import Compendium, align_profiles
from atac2rna.models.base import Prior
from atac2rna.shipped import BUILTIN

IDENTICAL_R = 0.995
"""Above this Pearson correlation of log2(TPM + 1) over genes a profile is the sample, whatever it is called."""

_CHUNK = 256
_SHOWN = 8


@dataclass(frozen=True)
class ProfilePool:
    """A compendium beside the samples of a cohort.

    Attributes:
        compendium: The compendium.
        samples: Names of the cohort's samples.
        gene_ids: The cohort's genes.
        scale_over: Genes over which TPM add up to a million.
        expression: Profiles along the cohort's genes, log2(TPM + 1), shape (profiles, genes), float32; NaN where not known.
        declared: True where the info says that a profile is a sample, shape (samples, profiles).
        correlation: Pearson over the genes known in both, shape (samples, profiles); NaN where it is undefined.
        related: True where the info says that a profile is a sample or its relative, shape (samples, profiles).
        strict: Whether relatives of held-out samples are left out, too.
    """

    compendium: Compendium
    samples: tuple[str, ...]
    gene_ids: tuple[str, ...]
    scale_over: tuple[str, ...]
    expression: NDArray[np.float32]
    declared: NDArray[np.bool_]
    correlation: NDArray[np.float64]
    related: NDArray[np.bool_]
    strict: bool

    @cached_property
    def identical(self) -> NDArray[np.bool_]:
        """True where a profile is a sample, shape (samples, profiles): declared, or found by correlation."""
        return np.asarray(self.declared | (self.correlation > IDENTICAL_R))

    @cached_property
    def _others(self) -> NDArray[np.bool_]:
        """True for profiles that are no sample, shape (profiles,)."""
        return np.asarray(~self.identical.any(axis=0))

    def _kin(self, train: Sequence[int]) -> NDArray[np.bool_]:
        """True for profiles that are no sample and a relative of one that is held out, shape (profiles,)."""
        held_out = np.ones(len(self.samples), dtype=bool)
        held_out[list(train)] = False
        kin: NDArray[np.bool_] = self._others & self.related[held_out].any(axis=0)
        return kin if self.strict else np.zeros_like(kin)

    def names(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        """Names of the profiles of a mask."""
        return tuple(name for name, wanted in zip(self.compendium.profiles, mask, strict=True) if wanted)

    def kin_of_held_out(self, train: Sequence[int]) -> tuple[str, ...]:
        """Name the profiles that a fold leaves out as relatives of its held-out samples; () unless strict.

        Args:
            train: Indices of the fold's training samples; all others are held out.
        """
        return self.names(self._kin(train))

    def prior(self, train: Sequence[int], *, withheld: NDArray[np.bool_] | None = None) -> Prior | None:
        """Give the profiles that a fit may see; None where none is left.

        A profile that is a sample is left out of every fit: while the sample trains, its own expression is there already,
        and an inner cross-validation that holds it out must not find it here.

        Args:
            train: Indices of the training samples; all others are held out.
            withheld: True for genes whose expression no fitted model sees, shape (genes,); they become NaN.
        """
        keep = self._others & ~self._kin(train)
        if not keep.any():
            return None
        expression = self.expression[keep]
        if withheld is not None:
            expression = np.where(withheld, np.float32(np.nan), expression)
        barred = self.related[list(train)][:, keep] & self.strict
        return Prior(self.names(keep), expression, barred)

    def along(self, gene_ids: Sequence[str]) -> "ProfilePool":
        """Lay the profiles along other genes, with the same scale and the same kinship."""
        expression = align_profiles(self.compendium, gene_ids, scale_over=self.scale_over)
        return replace(self, gene_ids=tuple(gene_ids), expression=expression)

    @cached_property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """The samples that each profile is, for those that are left out of every fold."""
        return {
            profile: tuple(s for s, same in zip(self.samples, self.identical[:, i], strict=True) if same)
            for i, profile in enumerate(self.compendium.profiles)
            if self.identical[:, i].any()
        }


def make_pool(
    compendium: Compendium,
    *,
    samples: Sequence[str],
    gene_ids: Sequence[str],
    expression: NDArray[np.float32],
    scale_over: Sequence[str] | None = None,
    strict: bool = False,
) -> ProfilePool:
    """Compare a compendium with the samples of a cohort.

    Args:
        compendium: The compendium.
        samples: Names of the samples.
        gene_ids: Genes of the cohort.
        expression: log2(TPM + 1) of the samples, shape (samples, genes); NaN where not measured.
        scale_over: Genes over which TPM add up to a million; None: `gene_ids`.
        strict: Whether relatives of held-out samples are to be left out.

    Raises:
        InputError: As `align_profiles`.
    """
    scale = tuple(gene_ids if scale_over is None else scale_over)
    profiles = align_profiles(compendium, gene_ids, scale_over=scale)
    declared = _declared(compendium.same_as, samples, compendium.profiles)
    related = declared | _declared(compendium.related, samples, compendium.profiles)
    correlation = _correlation(expression, profiles)
    return ProfilePool(
        compendium, tuple(samples), tuple(gene_ids), scale, profiles, declared, correlation, related, strict
    )


def _declared(kin: Mapping[str, Sequence[str]], samples: Sequence[str], profiles: Sequence[str]) -> NDArray[np.bool_]:
    """Lay declared names out as a mask, shape (samples, profiles)."""
    named = [set(kin.get(profile, ())) for profile in profiles]
    return np.array([[sample in names for names in named] for sample in samples], dtype=bool)


def _correlation(samples: NDArray[np.float32], profiles: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pearson of each sample with each profile over the genes that both know, shape (samples, profiles).

    By sums over genes, so that a gene missing in some samples costs no pass of its own.
    """
    known = np.isfinite(profiles).all(axis=0)
    p = profiles[:, known].astype(np.float64).T
    parts = [np.empty((0, profiles.shape[0]))]
    for start in range(0, len(samples), _CHUNK):
        rows = samples[start : start + _CHUNK][:, known].astype(np.float64)
        measured = np.isfinite(rows)
        x, m = np.where(measured, rows, 0), measured.astype(np.float64)
        n = np.maximum(m.sum(axis=1, keepdims=True), 1)
        sx, sp = x.sum(axis=1, keepdims=True), m @ p
        covariance = x @ p - sx * sp / n
        spread = ((x * x).sum(axis=1, keepdims=True) - sx * sx / n) * (m @ (p * p) - sp * sp / n)
        defined = spread > 0
        parts.append(np.where(defined, covariance / np.sqrt(np.where(defined, spread, 1)), np.nan))
    return np.concatenate(parts)


def describe_pool(pool: ProfilePool) -> list[str]:
    """Say in sentences which profiles are used in no fold and why, and what the info names in vain."""
    compendium = pool.compendium
    count, used = len(compendium.profiles), len(compendium.profiles) - len(pool.left_out)
    told = [f"compendium: {used} of {count} profiles of {compendium.path.name} are used"]
    if pool.left_out:
        reasons = ", ".join(_reason(pool, profile) for profile in pool.left_out)
        told[0] += f"; left out of every fold, because they are samples here: {reasons}"
    if not used:
        told.append("compendium: no profile is left; every model is fitted without")
    known = set(pool.samples)
    kin = [*compendium.same_as.values(), *compendium.related.values()]
    strange = dict.fromkeys(name for names in kin for name in names if name not in known)
    if strange and compendium.path.name != BUILTIN:  # the built-in one knows the samples of others
        told.append(f"compendium: its info names what is no sample with RNA here: {_shortened([*strange])}")
    if compendium.surplus:
        told.append(f"compendium: its info describes profiles that it lacks: {_shortened(compendium.surplus)}")
    return [f"{sentence}." for sentence in told]


def _reason(pool: ProfilePool, profile: str) -> str:
    """A profile with the sample that it is, and how that is known."""
    i = pool.compendium.profiles.index(profile)
    kin = []
    for sample, declared, r in zip(pool.samples, pool.declared[:, i], pool.correlation[:, i], strict=True):
        found = f"r = {r:.4f}" if r > IDENTICAL_R else ""
        how = " and ".join(filter(None, ["declared" if declared else "", found]))
        kin += [f"{sample}, {how}"] if how else []
    return f"{profile} ({'; '.join(kin)})"


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def describe_folds(pool: ProfilePool, folds: Mapping[str, Sequence[int]]) -> list[str]:
    """Say in sentences which relatives of held-out samples each fold leaves out; [] unless strict.

    Args:
        pool: The profiles.
        folds: Indices of each fold's training samples, by its name.
    """
    if not (pool.strict and folds):
        return []
    kin = {name: pool.kin_of_held_out(train) for name, train in folds.items()}
    parts = [f"{name}: {', '.join(names)}" for name, names in kin.items() if names]
    if parts:
        rest = [] if len(parts) == len(folds) else ["other folds: none"]
        told = [f"compendium: relatives of held-out samples are left out: {'; '.join([*parts, *rest])}."]
    else:
        told = ["compendium: no profile is declared a relative of a sample; strict relatives change nothing."]
    empty = [name for name, train in folds.items() if pool.prior(train) is None]
    if empty and len(pool.left_out) < len(pool.compendium.profiles):
        told.append(f"compendium: no profile is left in {', '.join(empty)}; there every model is fitted without.")
    return told


def record_pool(pool: ProfilePool) -> dict[str, Any]:
    """Give what a reader of run.json or model.json has to know of the compendium."""
    compendium = pool.compendium
    return {
        "file": compendium.path.name,
        "sha256": compendium.sha256,
        "info_file": None if compendium.info_path is None else compendium.info_path.name,
        "info_sha256": compendium.info_sha256,
        "n_profiles": len(compendium.profiles),
        "left_out": {profile: list(samples) for profile, samples in pool.left_out.items()},
        "strict_relatives": pool.strict,
    }
