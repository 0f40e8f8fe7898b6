"""A compendium of expression profiles without accessibility, laid along the genes of a cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.compendium import RELATED, read_profile_info, read_profiles
from atac2rna.models.joint.model import Joint
from atac2rna.models.store import TrainedModel, load_model
from atac2rna.shipped import BUILTIN, shipped_folder

FEWEST_SHARED = 0.5
"""Share of a cohort's genes that a compendium has at least."""

MILLION = 1e6


@dataclass(frozen=True)
class Compendium:
    """Expression profiles without accessibility.

    Attributes:
        path: The file that they came from.
        sha256: Checksum of that file.
        profiles: Names, unique.
        gene_ids: Genes without version, unique.
        tpm: TPM as in the file, shape (profiles, genes), float64.
        same_as: Names of the samples that a profile is, by profile; a profile that is none may be absent.
        related: Names of the samples that a profile is a relative of, likewise.
        info_path: The file of `same_as` and `related`; None where none was given.
        info_sha256: Its checksum.
        surplus: Profiles that the info describes and the table lacks; nothing is made of them.
    """

    path: Path
    sha256: str
    profiles: tuple[str, ...]
    gene_ids: tuple[str, ...]
    tpm: NDArray[np.float64]
    same_as: Mapping[str, tuple[str, ...]]
    related: Mapping[str, tuple[str, ...]]
    info_path: Path | None = None
    info_sha256: str | None = None
    surplus: tuple[str, ...] = ()


def load_compendium(
    table: Path | None, info: Path | None = None, *, strict_relatives: bool = False
) -> Compendium | None:
    """Read what was given of a compendium; None where nothing was.

    Args:
        table: Genes x profiles, TPM; `builtin`: the profiles that the shipped model holds, with what is known of their kin.
        info: Which profiles are samples, or relatives of samples.
        strict_relatives: Whether relatives of held-out samples are to be left out, so that the info must name them.

    Raises:
        InputError: If a file is not what it should be, `info` comes without `table`, `strict_relatives` without `info`, or
            the info lacks a profile of the table: its kinship would be unknown.
    """
    if table is None:
        for given, option in ((info is not None, "--compendium-info"), (strict_relatives, "--strict-relatives")):
            if given:
                raise InputError(f"{option} speaks of the profiles of a compendium; got none. Add --compendium FILE.")
        return None
    if str(table) == BUILTIN:
        if info is not None:
            raise InputError(
                f"the built-in compendium brings its own info; got --compendium-info {info}. Leave it out."
            )
        return replace(profiles_of(load_model(), path=shipped_folder()), path=Path(BUILTIN))
    if info is None and strict_relatives:
        raise InputError(
            "--strict-relatives leaves out profiles that are declared relatives; got no declaration. Add "
            "--compendium-info FILE with a column related."
        )
    read = read_profiles(table)
    bare = Compendium(table, checksum(table), read.profiles, read.gene_ids, read.tpm, {}, {})
    return bare if info is None else _with_info(bare, info, strict_relatives=strict_relatives)


def profiles_of(trained: TrainedModel, *, path: Path) -> Compendium:
    """Give the expression profiles that a model of kind `joint` holds: its training samples, and those of its compendium.

    A training sample is declared to be the sample of that name, and related to those of its lineage; what was declared of the
    compendium's profiles stays.

    Args:
        trained: The model.
        path: Its directory.

    Raises:
        InputError: If the model holds no profiles.
    """
    model, experience = trained.model, trained.experience
    if not isinstance(model, Joint) or experience is None:
        raise InputError(f"{path}: a model of kind joint holds expression profiles; got {trained.card['kind']!r}.")
    told = trained.card.get("compendium") or {}
    samples, others = sorted(experience.samples), told.get("used", [])
    lineage = dict(zip(experience.samples, experience.lineages, strict=True))
    kin = {name: tuple(other for other in samples if lineage[other] == lineage[name]) for name in samples}
    log2_tpm = model.profiles.astype(np.float64)
    return Compendium(
        path=path,
        sha256=checksum(path / "model.json"),
        profiles=(*samples, *others),
        gene_ids=trained.gene_ids,
        tpm=np.exp2(np.nan_to_num(log2_tpm)) - 1,
        same_as={**{name: (name,) for name in samples}, **dict.fromkeys(others, ())},
        related={**kin, **{name: tuple(told.get("related", {}).get(name, ())) for name in others}},
    )


def _with_info(bare: Compendium, info: Path, *, strict_relatives: bool) -> Compendium:
    """Add what the info declares; arguments as in `load_compendium`."""
    told = read_profile_info(info)
    missing = [name for name in bare.profiles if name not in told.same_as]
    if missing:
        raise InputError(
            f"{info}: every profile of the compendium has a row in its info; got none for {len(missing)} of "
            f"{len(bare.profiles)}, the first {missing[0]!r}. Add the rows, with empty cells where a profile has no kin."
        )
    if strict_relatives and not told.declares_related:
        raise InputError(
            f"{info} line 1: with --strict-relatives the info has a column whose name begins with {RELATED!r}; got none. "
            "Add it, with the names of related samples."
        )
    known = set(bare.profiles)
    return replace(
        bare,
        same_as={name: told.same_as[name] for name in bare.profiles},
        related={name: told.related[name] for name in bare.profiles},
        info_path=info,
        info_sha256=checksum(info),
        surplus=tuple(name for name in told.same_as if name not in known),
    )


def align_profiles(
    compendium: Compendium, gene_ids: Sequence[str], *, scale_over: Sequence[str] | None = None
) -> NDArray[np.float32]:
    """Lay profiles along the genes of a cohort, as an atlas does with the expression of its samples.

    Args:
        compendium: The profiles.
        gene_ids: Genes of the result, in order.
        scale_over: Genes over which TPM add up to a million, as far as the compendium has them; None: `gene_ids`.

    Returns:
        log2(TPM + 1), shape (profiles, genes), float32; NaN for genes that the compendium lacks.

    Raises:
        InputError: If it has under half of the genes of `scale_over`, or those of a profile add up to 0 TPM.
    """
    column = {gene: i for i, gene in enumerate(compendium.gene_ids)}
    reference = gene_ids if scale_over is None else scale_over
    shared = [column[gene] for gene in reference if gene in column]
    if len(shared) < FEWEST_SHARED * len(reference):
        raise InputError(
            f"{compendium.path}: a compendium has at least half of the genes of the atlas; got {len(shared):,} of "
            f"{len(reference):,} ({len(shared) / len(reference):.1%}). Its ids look like {compendium.gene_ids[0]}, those of "
            f"the atlas like {reference[0]}. Give ids of the same kind and species."
        )
    totals = compendium.tpm[:, shared].sum(axis=1)
    silent = [name for name, total in zip(compendium.profiles, totals, strict=True) if total <= 0]
    if silent:
        raise InputError(
            f"{compendium.path}: profiles are scaled to a million over the genes of the atlas; those of {silent[0]} add up "
            f"to 0 TPM ({len(silent)} of {len(compendium.profiles)} profiles). Leave it out."
        )
    values = np.full((len(compendium.profiles), len(gene_ids)), np.nan, dtype=np.float32)
    known = [i for i, gene in enumerate(gene_ids) if gene in column]
    scaled = compendium.tpm[:, [column[gene_ids[i]] for i in known]] * (MILLION / totals)[:, None]
    values[:, known] = np.log2(scaled + 1)
    return values
