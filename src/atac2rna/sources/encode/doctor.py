"""A read-only check of what the package assumes about the portal, one assumption at a time."""

import gzip
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlencode, urlsplit

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection
from atac2rna.sources.download import Wanted, download
from atac2rna.sources.encode import data_file, experiment
from atac2rna.sources.encode.accession import link_name
from atac2rna.sources.encode.criteria import (
    ORGANISMS,
    RNA_ASSAYS,
    Criteria,
    file_query,
    peak_query,
    quantification_query,
    resolved,
)
from atac2rna.sources.encode.data_file import DataFile, read_file
from atac2rna.sources.encode.file_choice import by_standing
from atac2rna.sources.encode.lineage import is_known_organ
from atac2rna.sources.encode.peak_family import RATES
from atac2rna.sources.encode.portal import NOTHING, Answer, Portal
from atac2rna.sources.encode.readings import ODD_SHARE, read_hits
from atac2rna.sources.encode.search import Found, search

Verdict = Literal["holds", "fails", "not seen"]
"""not seen: nothing that came back could tell."""

_HEAD = 1 << 16


class Check(NamedTuple):
    """An assumption, whether it holds, and what was seen."""

    assumption: str
    verdict: Verdict
    seen: str


Examined = tuple[Verdict, str]


def examine(portal: Portal, *, progress: Callable[[str], None] = lambda _: None) -> Iterator[Check]:
    """Check every assumption; about twenty requests and one small file.

    Args:
        portal: The portal.
        progress: Told of what is being asked.

    Yields:
        The checks, as they are made. One that fails does not stop those that do not need its answer.
    """
    connection = portal.connection
    yield _check("a search without a hit is status 404 and 'No results found'", lambda: _no_hit(portal))
    yield _check("a search for a type that does not exist is status 400", lambda: _no_type(portal))
    yield _check("without a limit a search gives 25 hits", lambda: _limit(portal))
    criteria = Criteria(audit="")
    progress("asking for all human experiments and files")
    try:
        found = search(portal, criteria, least="same-term", progress=progress)
    except InputError as fault:
        yield Check("the queries of a search are answered as documented", "fails", str(fault))
        return
    yield Check("the queries of a search are answered as documented", "holds", _totals(found))
    yield _check("every object is what the portal's schema says", lambda: _odd(found))
    accessible, rna, peaks, tables, epigenomes = found.answers
    yield _check("field= cuts a hit down to what was asked for", lambda: _cut(accessible))
    for what, answers, fields in (
        ("experiments", (accessible, rna), experiment.FIELDS),
        ("files", (peaks, tables), [field for field in data_file.FIELDS if not field.startswith("filter_")]),
    ):
        yield _check(f"the {what} have the fields that are read", partial(_fields, answers, fields))
    peak_files, table_files = (_files(answer, portal) for answer in (peaks, tables))
    alive, alive_tables = _alive(peak_files), _alive(table_files)
    yield _check("an experiment has one default peak file", lambda: _defaults(alive))
    yield _check("a biological replicate has one default gene quantification", lambda: _tables(alive_tables))
    yield _check("an experiment's default quantifications are of one analysis", lambda: _runs(alive_tables))
    yield _check(
        "a DNase-seq experiment has peaks of the one false discovery rate that is read", lambda: _rates(portal)
    )
    yield _check("reference epigenomes name experiments of both assays", lambda: _series(epigenomes, found))
    yield _check("every organ slim is known to the rule of lineages", lambda: _organs(found))
    yield _check("pairs come about at every level", lambda: _levels(found))
    yield _check("mouse has gene quantifications of its annotation", lambda: _mouse(portal))
    files = [*peak_files, *table_files]
    yield _check("files can be asked for by accession, several at once", lambda: _by_accession(portal, files))
    usable = [file for file in files if not file.withheld and file.size]
    if not usable:
        yield Check("files can be had", "not seen", "no file that can be had")
        return
    smallest = sorted(usable, key=lambda file: (file.size, file.accession))
    public = [file for file in smallest if len(file.urls) > 1]
    for what, able, wanted in (("the public storage address", public, 0), ("the portal's own address", smallest, -1)):
        yield _check(f"{what} leads to storage that gives parts", partial(_part, connection, able, wanted, len(usable)))
    progress("fetching the smallest peak file and the head of a gene quantification")
    for kind, look in (("gene quantifications", _table_head), ("peaks", _whole_peaks)):
        chosen = [file for file in usable if kind in file.output_type]
        yield _check(f"{kind} are as documented", partial(look, connection, chosen))


def _check(assumption: str, look: Callable[[], Examined]) -> Check:
    try:
        return Check(assumption, *look())
    except InputError as fault:
        return Check(assumption, "fails", str(fault))


def _held(holds: bool, seen: str) -> Examined:
    return ("holds" if holds else "fails"), seen


def _url(portal: Portal, *query: tuple[str, str]) -> str:
    return f"{portal.address}/search/?{urlencode((*query, ('format', 'json')))}"


def _no_hit(portal: Portal) -> Examined:
    url = _url(portal, ("type", "Experiment"), ("assay_title", "no such assay"))
    with portal.connection.open(url, accepted=(200, 404), kind="application/json") as answer:
        body = answer.json()
        note = body.get("notification") if isinstance(body, dict) else body
        return _held(answer.status == 404 and note == NOTHING, f"status {answer.status}, {note!r}")


def _no_type(portal: Portal) -> Examined:
    with portal.connection.open(
        _url(portal, ("type", "NoSuchType")), accepted=(200, 400, 404), kind="application/json"
    ) as answer:
        body = answer.json()
        told = body.get("description") if isinstance(body, dict) else body
        return _held(answer.status == 400, f"status {answer.status}, {told!r}")


def _limit(portal: Portal) -> Examined:
    url = _url(portal, ("type", "Experiment"), ("status", "released"), ("field", "accession"))
    body = portal.connection.get_json(url)
    graph, total = (body.get("@graph"), body.get("total")) if isinstance(body, dict) else (None, None)
    if not isinstance(graph, list) or not isinstance(total, int):
        return "fails", f"an object with @graph and total expected; got {str(body)[:80]!r}"
    if total <= 25:
        return "not seen", f"{total} experiments in all"
    return _held(len(graph) == 25, f"{len(graph)} of {total}")


def _totals(found: Found) -> str:
    return ", ".join(str(answer.total) for answer in found.answers) + " hits"


def _odd(found: Found) -> Examined:
    if found.odd:
        return "fails", f"{len(found.odd)} are not, the first {found.odd[0].name}: {found.odd[0].reason}"
    return "holds", "all that came"


def _cut(answer: Answer) -> Examined:
    asked = {"@id", "@type", *(field.partition(".")[0] for field in experiment.FIELDS)}
    more = sorted({key for value in answer.graph for key in value} - asked)
    return _held(
        not more, f"further fields: {', '.join(more[:8])}" if more else f"{answer.total} hits, nothing else in them"
    )


def _fields(answers: Sequence[Answer], fields: Sequence[str]) -> Examined:
    hits = [hit for answer in answers for hit in answer.hits()]
    seen = {field: sum(bool(hit.values(field)) for hit in hits) for field in fields}
    never = [field for field, count in seen.items() if not count]
    rare = [f"{field} in {count}" for field, count in seen.items() if 0 < count < len(hits) / 2]
    told = f"of {len(hits)}: " + ("; ".join(rare) or "all in most")
    return ("not seen" if never else "holds"), f"never: {', '.join(never)}; {told}" if never else told


def _files(answer: Answer, portal: Portal) -> list[DataFile]:
    return read_hits(answer.hits(), partial(read_file, portal=portal.address))[0]


def _alive(files: Sequence[DataFile]) -> list[DataFile]:
    """Give the files that a search would choose among: that can be had, and are of no analysis or a released one."""
    return [file for standing in by_standing(files, ("released",)) for file in standing]


def _one_of_each(of: Mapping[Hashable, Sequence[DataFile]], odd: int = 0) -> tuple[bool, str]:
    """Tell whether nearly each of what the files are of has one default file."""
    counts = [sum(file.preferred for file in files) for files in of.values()]
    without, several = sum(not count for count in counts), sum(count > 1 for count in counts)
    told = f"{len(of) - without} of {len(of)} have one, {several} of them several"
    return max(without, several, odd) <= ODD_SHARE * len(of), told


def _defaults(files: Sequence[DataFile]) -> Examined:
    if not files:
        return "not seen", "no peak file"
    of = _sorted(files, lambda file: file.experiment)
    kinds = Counter(file.output_type for file in files if file.preferred)
    holds, told = _one_of_each(of)
    return _held(holds, f"{told}; {dict(sorted(kinds.items()))}")


def _tables(files: Sequence[DataFile]) -> Examined:
    if not files:
        return "not seen", "no gene quantification"
    of = _sorted(files, lambda file: (file.experiment, file.replicates))
    pooled = sum(len(some[0].replicates) != 1 for some in of.values())
    holds, told = _one_of_each(of, pooled)
    return _held(holds, f"{told}; {pooled} are of several replicates together")


def _runs(files: Sequence[DataFile]) -> Examined:
    of = _sorted([file for file in files if file.preferred], lambda file: file.experiment)
    named = {name: some for name, some in of.items() if all(each.name for file in some for each in file.analyses)}
    named = {name: some for name, some in named.items() if len(some) > 1 and all(file.analyses for file in some)}
    if not named:
        return "not seen", "no experiment of several default quantifications that name their analyses"
    one = [
        some for some in named.values() if set.intersection(*({each.name for each in file.analyses} for file in some))
    ]
    return _held(len(named) - len(one) <= ODD_SHARE * len(named), f"{len(one)} of {len(named)} experiments of several")


def _rates(portal: Portal) -> Examined:
    """Peaks of DNase-seq come at several rates under one name: each experiment needs one that is known to be of the family."""
    answer = portal.search(peak_query(resolved(Criteria(accessibility="DNase-seq"))))
    files = _alive(_files(answer, portal))
    if not files:
        return "not seen", "no peak file of DNase-seq"
    seen = Counter("none" if file.discovery_rate is None else f"{file.discovery_rate:g} %" for file in files)
    of = _sorted(files, lambda file: file.experiment)
    good = sum(any(file.discovery_rate == RATES[file.output_type] for file in some) for some in of.values())
    told = ", ".join(f"{count} of {rate}" for rate, count in sorted(seen.items()))
    wanted = " or ".join(f"{rate:g} %" for rate in RATES.values())
    return _held(len(of) - good <= ODD_SHARE * len(of), f"{good} of {len(of)} experiments have {wanted}; files: {told}")


def _sorted(files: Sequence[DataFile], key: Callable[[DataFile], Hashable]) -> dict[Hashable, list[DataFile]]:
    of: defaultdict[Hashable, list[DataFile]] = defaultdict(list)
    for file in files:
        of[key(file)].append(file)
    return of


def _series(answer: Answer, found: Found) -> Examined:
    """Look for a series with an experiment of either assay: one of RNA and ChIP-seq alone pairs nothing."""
    known = {each.accession: each.assay for each in found.experiments}
    linked = [hit for hit in answer.hits() if hit.texts("related_datasets")]
    both = 0
    for hit in linked:
        assays = {known.get(link_name(link), "") for link in hit.texts("related_datasets")}
        assays |= {*hit.texts("related_datasets.assay_title")}
        both += found.criteria.accessibility in assays and not assays.isdisjoint(RNA_ASSAYS)
    alone = sum(pair.level == "same-epigenome" for pair in found.pairs)
    told = f"{both} of {answer.total}, {len(linked)} name any; pairs by them alone: {alone}"
    return ("holds" if both else "fails" if linked else "not seen"), told


def _organs(found: Found) -> Examined:
    slims = Counter(slim for each in found.experiments for slim in each.organ_slims)
    unknown = sorted(slim for slim in slims if not is_known_organ(slim))
    told = f"unknown, each a lineage of its own name: {', '.join(unknown)}" if unknown else f"{len(slims)} slims"
    return _held(not unknown, told)


def _levels(found: Found) -> Examined:
    levels = found.levels()
    told = ", ".join(f"{count} {level}" for level, count in levels)
    return ("holds" if all(count for _, count in levels) else "not seen"), told


def _mouse(portal: Portal) -> Examined:
    criteria = resolved(Criteria(organism="mouse", rna=RNA_ASSAYS))
    query = [(key, value) for key, value in quantification_query(criteria) if key != "field"]
    total = portal.search([*query, ("field", "accession")]).total
    return ("holds" if total else "not seen"), f"{total} of {ORGANISMS['mouse'].annotations['mm10']} in mm10"


def _by_accession(portal: Portal, files: Sequence[DataFile]) -> Examined:
    names = sorted({file.accession for file in files})[:3]
    if len(names) < 2:
        return "not seen", f"{len(names)} files"
    came = sorted(hit.text("accession") for hit in portal.search(file_query(names)).hits())
    return _held(came == names, f"asked for {', '.join(names)}; got {', '.join(came)}")


def _part(connection: Connection, able: Sequence[DataFile], wanted: int, total: int) -> Examined:
    """Ask for the first bytes; the portal itself gives no parts, the storage behind it does."""
    if not able:
        return "fails", f"none of {total} files has one"
    file = able[0]
    with connection.open(file.urls[wanted], accepted=(200, 206), part={"Range": f"bytes=0-{_HEAD - 1}"}) as answer:
        told = f"{len(able)} of {total} files have one; {file.accession}: {urlsplit(answer.url).hostname} answers {answer.status}"
        return _held(answer.status == 206, f"{told}, {answer.headers.get('Content-Range', 'no Content-Range')}")


def _table_head(connection: Connection, files: Sequence[DataFile]) -> Examined:
    if not files:
        return "not seen", "none"
    file = min(files, key=lambda file: (file.size, file.accession))
    with connection.open(file.urls[0], accepted=(200, 206), part={"Range": f"bytes=0-{_HEAD - 1}"}) as answer:
        raw = b""
        for block in answer.blocks():
            raw += block
            if len(raw) >= _HEAD:
                break
    lines = raw.decode("utf-8", "replace").splitlines()
    columns = lines[0].split("\t") if lines else []
    first = lines[1].split("\t")[0] if len(lines) > 1 else ""
    holds = {"gene_id", "expected_count", "TPM"} <= set(columns)
    return _held(holds, f"{file.accession}: {len(columns)} columns, first gene_id {first!r}")


def _whole_peaks(connection: Connection, files: Sequence[DataFile]) -> Examined:
    """Fetch the smallest peak file: its size, md5 and columns are those announced."""
    if not files:
        return "not seen", "none"
    file = min(files, key=lambda file: (file.size, file.accession))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file.name
        download(connection, Wanted(file.accession, file.urls, file.size, file.md5), path)
        raw = path.read_bytes()
    try:
        text = gzip.decompress(raw).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as fault:
        return "fails", f"{file.accession}: is no gzip file ({fault})"
    columns = text.partition("\n")[0].split("\t")
    return _held(len(columns) == 10, f"{file.accession}: size and md5 as announced, {len(columns)} columns")
