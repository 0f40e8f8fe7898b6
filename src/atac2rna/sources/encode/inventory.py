"""What the portal says today of the files of a set, held against what the set expects of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from atac2rna.errors import InputError
from atac2rna.genome import canonical_assembly
from atac2rna.sources.encode.criteria import ORGANISMS, file_query
from atac2rna.sources.encode.data_file import QUANTIFICATIONS, DataFile, read_file
from atac2rna.sources.encode.pairs_table import PairRow
from atac2rna.sources.encode.peak_family import FAMILIES, PEAK_TYPES, RATES
from atac2rna.sources.encode.portal import Portal
from atac2rna.sources.encode.receipt import PinnedFile

_AT_ONCE = 100
_SHOWN = 20
_GENTLE = {"archived": "a newer one may have taken its place", "revoked": "the portal no longer vouches for it"}


def ask_files(
    portal: Portal, accessions: Sequence[str], *, progress: Callable[[str], None] = lambda _: None
) -> dict[str, DataFile]:
    """Ask what the portal says of files today, a hundred at a time, whatever their status.

    Returns:
        The files by accession, in the order asked for; those that the portal does not know are left out.
    """
    found: dict[str, DataFile] = {}
    for start in range(0, len(accessions), _AT_ONCE):
        answer = portal.search(file_query(accessions[start : start + _AT_ONCE]))
        found |= {file.accession: file for file in (read_file(hit, portal=portal.address) for hit in answer.hits())}
        progress(f"files: {len(found)} of {len(accessions)}")
    return {name: found[name] for name in accessions if name in found}


def accessions_of(samples: Iterable[PairRow]) -> tuple[str, ...]:
    """Give the files of samples, each once, in their order."""
    return tuple(dict.fromkeys(name for row in samples for name in (*row.atac_files, *row.rna_files)))


def judged(
    samples: Sequence[PairRow],
    files: Mapping[str, DataFile],
    *,
    pinned: Mapping[str, PinnedFile],
    keep_revoked: bool,
    where: str,
) -> list[str]:
    """Hold the files against what the set expects.

    Args:
        samples: The set.
        files: What the portal says today.
        pinned: What a manifest says; {} for a set that is fetched for the first time.
        keep_revoked: Whether revoked files will do.
        where: The table or manifest, for errors.

    Returns:
        A sentence for every file that has been archived or revoked but will do.

    Raises:
        InputError: If a file is gone, withheld, revoked, no longer the one that was pinned, or not what its column should
            hold; nothing was fetched then.
    """
    faults: list[str] = []
    told: list[str] = []
    for row in samples:
        place = f"{where} line {row.line}" if row.line and not pinned else f"{where}, sample {row.sample!r}"
        for name in dict.fromkeys((*row.atac_files, *row.rna_files)):
            file = files.get(name)
            if file is None:
                faults.append(f"{place}: every file is on the portal; it knows no {name}")
                continue
            fault = _unfit(row, file) or _changed(file, pinned.get(name)) or _status(file, keep_revoked)
            if fault:
                faults.append(f"{place}: {fault}")
            elif file.status in _GENTLE:
                told.append(f"{name} of {row.sample} is {file.status}: {_GENTLE[file.status]}")
    of_the_set = (
        _organisms(samples, where),
        _families(samples, files, where),
        _annotations(samples, files, where),
        _shared(samples, where),
    )
    faults.extend(fault for fault in of_the_set if fault)
    if faults:
        shown, further = "; ".join(faults[:_SHOWN]), len(faults) - _SHOWN
        more = f"; and {further} more" if further > 0 else ""
        raise InputError(f"{shown}{more}. Nothing was fetched; search again, or take these samples out.")
    return told


def _unfit(row: PairRow, file: DataFile) -> str:
    """Say why a file cannot stand in its column."""
    assembly = canonical_assembly(row.columns.get("assembly", ""))
    if canonical_assembly(file.assembly) != assembly:
        return (
            f"the files of a sample are of its assembly, {assembly}; {file.accession} is of {file.assembly or 'none'}"
        )
    if file.accession in row.atac_files and file.output_type not in PEAK_TYPES:
        return f"column atac_files names peak files; {file.accession} holds {file.output_type}"
    if file.accession in row.rna_files:
        if file.output_type != QUANTIFICATIONS:
            return f"column rna_files names {QUANTIFICATIONS}; {file.accession} holds {file.output_type}"
        named = row.columns.get("genome_annotation", "").rpartition(":")[2]
        if named and file.genome_annotation != named:
            has = file.genome_annotation
            return f"gene quantifications are of the sample's annotation, {named}; {file.accession} is of {has}"
    return ""


def _changed(file: DataFile, pin: PinnedFile | None) -> str:
    if pin is not None and (file.md5, file.size) != (pin.md5, pin.size):
        return (
            f"a file is the one pinned (md5 {pin.md5}, {pin.size:,} bytes); {file.accession} is another one today (md5 "
            f"{file.md5 or 'unknown'}, {file.size:,} bytes)"
        )
    return ""


def _status(file: DataFile, keep_revoked: bool) -> str:
    if file.withheld:
        return f"a file can be had; {file.accession} is restricted or not available"
    if file.status == "revoked" and not keep_revoked:
        return f"a file is vouched for; {file.accession} has been revoked (--keep-revoked takes it all the same)"
    if file.status not in ("released", *_GENTLE):
        return f"a file is released; {file.accession} is {file.status!r}"
    return ""


def _families(samples: Sequence[PairRow], files: Mapping[str, DataFile], where: str) -> str:
    """Say that peak files of two families are mixed."""
    peaks = [files[name] for row in samples for name in row.atac_files if name in files]
    for file in peaks:
        rate = RATES.get(file.output_type)
        if file.discovery_rate not in (None, rate):
            told = f"of a false discovery rate of {rate:g} %; {file.accession} has {file.discovery_rate:g} %"
            return f"{where}: {file.output_type} of a set are {told}"
    found = {file.output_type for file in peaks}
    if not found & PEAK_TYPES or any(found <= family for family in FAMILIES):
        return ""
    return f"{where}: the peaks of a set are of one family, as their scores differ; got {', '.join(sorted(found))}"


def _organisms(samples: Sequence[PairRow], where: str) -> str:
    """Say that samples of two organisms are mixed: they have no gene in common."""
    of = {canonical_assembly(name): organism for organism, known in ORGANISMS.items() for name in known.annotations}
    found = {of[name] for row in samples if (name := canonical_assembly(row.columns.get("assembly", ""))) in of}
    return (
        f"{where}: the samples of a set are of one organism; got {' and '.join(sorted(found))}"
        if len(found) > 1
        else ""
    )


def _annotations(samples: Sequence[PairRow], files: Mapping[str, DataFile], where: str) -> str:
    """Say that gene quantifications of one assembly are of two annotations."""
    first: dict[str, DataFile] = {}
    for file in (files[name] for row in samples for name in row.rna_files if name in files):
        known = first.setdefault(file.assembly, file)
        if known.genome_annotation != file.genome_annotation:
            return (
                f"{where}: gene quantifications of one assembly are of one annotation; {known.accession} is of "
                f"{known.genome_annotation or 'none'} and {file.accession} of {file.genome_annotation or 'none'}"
            )
    return ""


def _shared(samples: Sequence[PairRow], where: str) -> str:
    """Say that samples that may be divided share a file."""
    first: dict[str, PairRow] = {}
    for row in samples:
        for name in dict.fromkeys((*row.atac_files, *row.rna_files)):
            other = first.setdefault(name, row)
            groups = {each.columns.get("group", "") for each in (row, other)}
            if other is not row and (len(groups) > 1 or "" in groups):
                return f"{where}: samples that share a file are of one group; {name} is of {other.sample!r} and {row.sample!r}"
    return ""
