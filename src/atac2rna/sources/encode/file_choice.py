"""Which of an experiment's files stand for it: one peak file, and one gene quantification of every biological replicate."""

from collections.abc import Sequence
from typing import NamedTuple

from atac2rna.sources.encode.data_file import DataFile
from atac2rna.sources.encode.peak_family import RATES


class Choice(NamedTuple):
    """What was chosen of an experiment's files.

    Attributes:
        files: The files; () where none will do.
        remark: Why none will do, or what was odd about the choice; empty where there is nothing to say.
    """

    files: tuple[DataFile, ...]
    remark: str


class _Run(NamedTuple):
    """Files of one analysis; those that name none are a run of their own, without a name."""

    name: str
    files: tuple[DataFile, ...]

    @property
    def replicates(self) -> tuple[int, ...]:
        return _covered(self.files)

    @property
    def told(self) -> str:
        numbers = "replicates" if len(self.replicates) > 1 else "replicate"
        return f"{self.name or 'files without an analysis'} of {numbers} {_told(self.replicates)}"


def choose_peaks(
    files: Sequence[DataFile],
    output_types: Sequence[str],
    *,
    default_expected: bool = True,
    default_analysis: str = "",
    statuses: Sequence[str] = ("released",),
) -> Choice:
    """Choose the peak file of an experiment.

    Of the best standing that any file has (see `choose_quantifications`) the portal's default where it is of the family asked
    for, else the file that covers most biological replicates; among equals one of the experiment's default analysis, then
    the latest. Where the portal gives the peaks of an output type at several false discovery rates, the rate is part of
    the family (`peak_family.RATES`); a file that tells none is taken if it is the default, or the only one.

    Args:
        files: Files of the experiment; those of other output types or that cannot be had are passed over.
        output_types: The family.
        default_expected: Whether the portal marks a default in this family (of IDR peaks it does not).
        default_analysis: Name of the analysis that the portal prefers; empty if unknown.
        statuses: Statuses that will do, of the file's analyses, too; the first is preferred.
    """
    family = [file for file in files if file.output_type in output_types]
    standing = by_standing(family, statuses)
    if not standing:
        return Choice((), _none("peak file", "/".join(output_types), family, statuses))
    usable = next((some for each in standing if (some := _of_one_rate(each))), None)
    if usable is None:
        return Choice((), _no_rate([file for each in standing for file in each]))
    preferred = [file for file in usable if file.preferred]
    ranked = sorted(preferred or usable, key=lambda file: file.accession)
    ranked.sort(key=lambda file: file.created, reverse=True)
    ranked.sort(key=lambda file: (-len(file.replicates), default_analysis not in {each.name for each in file.analyses}))
    best = ranked[0]
    rivals = [file.accession for file in ranked[1:] if len(file.replicates) == len(best.replicates)]
    remarks = []
    if rivals:
        kind = "default peak files" if preferred else "peak files of as many replicates, none the default"
        remarks.append(f"{1 + len(rivals)} {kind}: {best.accession} taken, {', '.join(sorted(rivals))} left")
    elif default_expected and not preferred:
        remarks.append(f"no default peak file of this family: {best.accession} covers most replicates")
    if best.output_type in RATES and best.discovery_rate is None:
        remarks.append(f"{best.accession} tells no false discovery rate")
    return Choice((best,), "; ".join(remarks))


def choose_quantifications(
    files: Sequence[DataFile],
    replicates: Sequence[int],
    *,
    default_analysis: str = "",
    statuses: Sequence[str] = ("released",),
) -> Choice:
    """Choose one gene quantification of every biological replicate, all of one analysis.

    Files of the best standing alone are looked at: a released file of a released analysis before a released file of an
    archived one before an archived file. Of several analyses of that standing the one is taken in which most replicates
    have a default file of the portal; among equals the experiment's default analysis, then the one that covers most
    replicates, then the latest, then the first by name. So the portal's mark counts for more than a replicate: what the
    others cover is told. Files without an analysis are a run of their own.

    Of a replicate the portal's default is taken where there is one. A replicate without a table is told; one with two is
    no choice to make here, and the experiment is passed over.

    Args:
        files: Gene quantifications of the experiment in one assembly and annotation.
        replicates: Numbers of its biological replicates; () if unknown.
        default_analysis: As of `choose_peaks`.
        statuses: As of `choose_peaks`.
    """
    standing = by_standing(files, statuses)
    if not standing:
        return Choice((), _none("gene quantification", "this assembly and annotation", files, statuses))
    best, *others = _runs(standing[0], statuses, default_analysis)
    of: dict[tuple[int, ...], list[DataFile]] = {}
    for file in sorted(best.files, key=lambda file: file.accession):
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
    remarks = []
    missing = tuple(number for number in replicates if number not in best.replicates)
    if missing:
        lesser = [file.accession for each in standing[1:] for file in each if {*file.replicates} & {*missing}]
        archived = f" but of an archived analysis, or archived: {', '.join(sorted(lesser))}" if lesser else ""
        remarks.append(f"no gene quantification of replicate {_told(missing)}{archived}")
    left = [run.told for run in others if not set(run.files) <= set(best.files)]
    if left:
        remarks.append(f"{1 + len(left)} analyses: {best.told} taken, {' and '.join(left)} left")
    return Choice(tuple(of[numbers][0] for numbers in sorted(of)), "; ".join(remarks))


def by_standing(files: Sequence[DataFile], statuses: Sequence[str]) -> list[list[DataFile]]:
    """Sort the files that can be had and whose analysis is alive by the status of the file, then of its analysis.

    Args:
        files: Files of one or of many experiments.
        statuses: As of `choose_peaks`.

    Returns:
        The files of each standing that any has, the best first, each in the order given.
    """
    found: dict[tuple[int, int], list[DataFile]] = {}
    for file in files:
        alive = _alive(file, statuses)
        if not file.withheld and file.status in statuses and (alive or not file.analyses):
            found.setdefault((statuses.index(file.status), min(alive, default=0)), []).append(file)
    return [found[standing] for standing in sorted(found)]


def _alive(file: DataFile, statuses: Sequence[str]) -> list[int]:
    """Give the places in `statuses` of the file's analyses that will do; one whose status is not told counts as the first."""
    return [statuses.index(each.status or statuses[0]) for each in file.analyses if each.status in ("", *statuses)]


def _runs(files: Sequence[DataFile], statuses: Sequence[str], default_analysis: str) -> list[_Run]:
    """Sort files of one standing by analysis, the best first; a file of two is in both."""
    of: dict[str, dict[str, DataFile]] = {}
    for file in files:
        first = min(_alive(file, statuses), default=0)
        for name in {each.name for each in file.analyses if each.status in ("", statuses[first])} or {""}:
            of.setdefault(name, {})[file.accession] = file
    runs = [_Run(name, tuple(some.values())) for name, some in of.items()]
    runs.sort(key=lambda run: (not run.name, run.name))
    runs.sort(key=lambda run: max(file.created for file in run.files), reverse=True)

    def rank(run: _Run) -> tuple[int, bool, int]:
        flagged = _covered([file for file in run.files if file.preferred])
        return -len(flagged), not run.name or run.name != default_analysis, -len(run.replicates)

    return sorted(runs, key=rank)


def _covered(files: Sequence[DataFile]) -> tuple[int, ...]:
    return tuple(sorted({number for file in files for number in file.replicates}))


def _of_one_rate(files: Sequence[DataFile]) -> list[DataFile]:
    """Give the files of the family's false discovery rate; for want of them one that tells none and can be no other."""
    exact = [file for file in files if RATES.get(file.output_type) in (None, file.discovery_rate)]
    untold = [file for file in files if file.discovery_rate is None and (file.preferred or len(files) == 1)]
    return exact or untold


def _no_rate(files: Sequence[DataFile]) -> str:
    """Say that no peak file is known to have the family's false discovery rate."""
    told = ", ".join(
        f"{file.accession} {'tells none' if file.discovery_rate is None else f'has {file.discovery_rate:g} %'}"
        for file in sorted(files, key=lambda file: file.accession)
    )
    return f"no peak file of a false discovery rate of {RATES[files[0].output_type]:g} %: {told}"


def _none(what: str, kind: str, files: Sequence[DataFile], statuses: Sequence[str]) -> str:
    """Say why there is no file."""
    if not files:
        return f"no {what} of {kind}"
    withheld = min((file.accession for file in files if file.withheld), default="")
    if withheld:
        return f"its {what} {withheld} is restricted or not available"
    archived = [file for file in files if "archived" in {each.status for each in file.analyses}]
    if archived and "archived" not in statuses:
        name = min(file.accession for file in archived)
        return f"its {what} {name} belongs to an analysis that is archived; --archived takes it"
    return f"its {what} {min(file.accession for file in files)} belongs to an analysis that is no longer released"


def _told(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "?"
