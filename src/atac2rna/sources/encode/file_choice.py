"""Which of an experiment's files stand for it: one peak file, and one gene quantification of every biological replicate."""

from collections.abc import Sequence
from typing import NamedTuple

from atac2rna.sources.encode.data_file import DataFile


class Choice(NamedTuple):
    """What was chosen of an experiment's files.

    Attributes:
        files: The files; () where none will do.
        remark: Why none will do, or what was odd about the choice; empty where there is nothing to say.
    """

    files: tuple[DataFile, ...]
    remark: str


def choose_peaks(
    files: Sequence[DataFile],
    output_types: Sequence[str],
    *,
    default_expected: bool = True,
    statuses: Sequence[str] = ("released",),
) -> Choice:
    """Choose the peak file of an experiment.

    The portal's default where it is of the family asked for, else the file that covers most biological replicates; a
    released file before an archived one.

    Args:
        files: Files of the experiment; those of other output types or that cannot be had are passed over.
        output_types: The family.
        default_expected: Whether the portal marks a default in this family (of IDR peaks it does not).
        statuses: Statuses that will do, of the file's analyses, too; the first is preferred.
    """
    family = [file for file in files if file.output_type in output_types]
    usable = _usable(family, statuses)
    if not usable:
        return Choice((), _none("peak file", "/".join(output_types), family))
    preferred = [file for file in usable if file.preferred]
    ranked = sorted(preferred or usable, key=lambda file: (-len(file.replicates), file.accession))
    best = ranked[0]
    rivals = [file.accession for file in ranked[1:] if len(file.replicates) == len(best.replicates)]
    remark = ""
    if rivals:
        kind = "default peak files" if preferred else "peak files of as many replicates, none the default"
        remark = f"{1 + len(rivals)} {kind}: {best.accession} taken, {', '.join(rivals)} left"
    elif default_expected and not preferred:
        remark = f"no default peak file of this family: {best.accession} covers most replicates"
    return Choice((best,), remark)


def choose_quantifications(
    files: Sequence[DataFile], replicates: Sequence[int], *, statuses: Sequence[str] = ("released",)
) -> Choice:
    """Choose one gene quantification of every biological replicate.

    Of a replicate the portal's default where there is one. A replicate without a table is told; one with two is no choice
    to make here, and the experiment is passed over.

    Args:
        files: Gene quantifications of the experiment in one assembly and annotation.
        replicates: Numbers of its biological replicates; () if unknown.
        statuses: As of `choose_peaks`.
    """
    usable = _usable(files, statuses)
    if not usable:
        return Choice((), _none("gene quantification", "this assembly and annotation", files))
    of: dict[tuple[int, ...], list[DataFile]] = {}
    for file in sorted(usable, key=lambda file: file.accession):
        of.setdefault(file.replicates, []).append(file)
    of = {numbers: [file for file in rivals if file.preferred] or rivals for numbers, rivals in of.items()}
    several = {numbers: rivals for numbers, rivals in of.items() if len(rivals) > 1}
    if several:
        numbers, rivals = min(several.items())
        names = ", ".join(file.accession for file in rivals)
        return Choice(
            (), f"{len(rivals)} gene quantifications of replicate {_told(numbers)} ({names}), and one is needed"
        )
    pooled = [numbers for numbers in sorted(of) if len(numbers) > 1]
    if pooled and len(of) > 1:
        return Choice((), f"gene quantifications of single replicates and of replicates {_told(pooled[0])} together")
    covered = {number for numbers in of for number in numbers}
    missing = tuple(number for number in replicates if number not in covered)
    remark = f"no gene quantification of replicate {_told(missing)}" if missing else ""
    return Choice(tuple(of[numbers][0] for numbers in sorted(of)), remark)


def _usable(files: Sequence[DataFile], statuses: Sequence[str]) -> list[DataFile]:
    """Give the files that can be had and whose analysis is alive, of the first status that any of them has."""
    for status in statuses:
        alive = [
            file
            for file in files
            if not file.withheld and file.status == status and (not file.analyses or set(file.analyses) & set(statuses))
        ]
        if alive:
            return alive
    return []


def _none(what: str, kind: str, files: Sequence[DataFile]) -> str:
    """Say why there is no file."""
    if not files:
        return f"no {what} of {kind}"
    withheld = min((file.accession for file in files if file.withheld), default="")
    if withheld:
        return f"its {what} {withheld} is restricted or not available"
    return f"its {what} {min(file.accession for file in files)} belongs to an analysis that is no longer released"


def _told(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "?"
