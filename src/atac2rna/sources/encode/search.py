"""Search: the few queries, their answers joined into experiments with files, and those paired."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from atac2rna import __version__
from atac2rna.errors import InputError
from atac2rna.files import whole_file
from atac2rna.formats.sheet import sheet_line
from atac2rna.genome import canonical_assembly
from atac2rna.sources.encode.accession import is_accession, link_name
from atac2rna.sources.encode.criteria import (
    Criteria,
    admitted,
    epigenome_query,
    experiment_query,
    peak_query,
    quantification_query,
    resolved,
)
from atac2rna.sources.encode.data_file import DataFile, read_file
from atac2rna.sources.encode.experiment import Experiment, read_experiment
from atac2rna.sources.encode.file_choice import Choice, choose_peaks, choose_quantifications
from atac2rna.sources.encode.hit import Hit
from atac2rna.sources.encode.lineage import donor_names, group_names, lineage
from atac2rna.sources.encode.pairing import LEVELS, Pair, PairLevel, Unpaired, pair_experiments
from atac2rna.sources.encode.pairs_table import write_pairs
from atac2rna.sources.encode.portal import Answer, Portal
from atac2rna.sources.encode.readings import Odd, read_hits

TERMS_OF_USE = "https://www.encodeproject.org/help/citing-encode/"
"""How the portal wants its data to be used and cited."""

_NO_LETTER = re.compile(r"[^A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        criteria: What was looked for, defaults filled in.
        least: The weakest level of pairing that would do.
        portal: Address of the portal.
        answers: What it said, query by query.
        experiments: Experiments that were admitted, accessibility first.
        pairs: Pairs, in the order of the accessibility experiments.
        chosen: Files chosen of each admitted experiment, by its accession.
        unpaired: The others, with the reason.
        odd: Objects that are not what the portal's schema says; they were passed over.
        told: What each choice left, and how many files belong to experiments that did not come.
    """

    criteria: Criteria
    least: PairLevel
    portal: str
    answers: tuple[Answer, ...]
    experiments: tuple[Experiment, ...]
    pairs: tuple[Pair, ...]
    chosen: Mapping[str, Choice]
    unpaired: tuple[Unpaired, ...]
    odd: tuple[Odd, ...]
    told: tuple[str, ...]

    def counts(self) -> list[tuple[str, ...]]:
        """Count experiments and pairs by classification: header, a row a class, a row for all."""
        sides = {True: Counter[str](), False: Counter[str]()}
        for each in self.experiments:
            sides[each.assay == self.criteria.accessibility][each.classification] += 1
        pairs = Counter(pair.accessibility.classification for pair in self.pairs)
        classes = sorted({*sides[True], *sides[False]})
        rows = [(name, str(sides[True][name]), str(sides[False][name]), str(pairs[name])) for name in classes]
        total = ("all", str(sides[True].total()), str(sides[False].total()), str(pairs.total()))
        return [("classification", self.criteria.accessibility, " or ".join(self.criteria.rna), "pairs"), *rows, total]

    @property
    def lineages(self) -> int:
        """Lineages of the pairs."""
        return len({_lineage(pair) for pair in self.pairs})

    def group_of_pairs(self) -> list[str]:
        """Name the group of each pair; see `group_names`."""
        return group_names([(pair.accessibility, pair.rna) for pair in self.pairs])

    def levels(self) -> list[tuple[str, int]]:
        """Count pairs by level, strongest first."""
        found = Counter(pair.level for pair in self.pairs)
        return [(level, found[level]) for level in LEVELS]


def search(
    portal: Portal,
    criteria: Criteria,
    *,
    least: PairLevel = "same-epigenome",
    progress: Callable[[str], None] = lambda _: None,
) -> Found:
    """Find the experiments that criteria describe, choose their files, and pair them.

    Five queries, whatever the number of experiments: experiments of either assay, peak files, gene quantifications,
    reference epigenomes. They are joined on the files' field `dataset`.

    Args:
        portal: Where to ask.
        criteria: What for.
        least: The weakest level of pairing that will do.
        progress: Told of every answer.

    Raises:
        InputError: If the portal cannot be reached or answers something else than its documentation says, or a choice names
            what no experiment has.
    """
    criteria = resolved(criteria)
    asked = _asked(portal, criteria, progress)
    reader = partial(read_file, portal=portal.address)
    sides = [read_hits(answer.hits(), read_experiment) for answer in asked[:2]]
    files = [read_hits(answer.hits(), reader) for answer in asked[2:4]]
    epigenomes, odd_series = read_hits(asked[4].hits(), _epigenome)
    odd = [*(each for _, some in (*sides, *files) for each in some), *odd_series]
    everything = {each.accession: each for side, _ in sides for each in side}
    if sides[1][0] and not asked[3].total:
        raise InputError(
            f"gene quantifications are of one annotation; the portal has none of {criteria.genome_annotation} in "
            f"{criteria.assembly} for {' or '.join(criteria.rna)}. Choose another --genome-annotation or --rna-assay"
            f"{'' if criteria.archived else ', or pass --archived: older ones are archived'}."
        )
    experiments, told = admitted(list(everything.values()), criteria)

    of = _by_experiment(file for some, _ in files for file in some)
    told.extend(_strays(of, {*everything, *(each.name for each in odd)}, criteria))
    chosen = {each.accession: _chosen(each, criteria, of.get(each.accession, ())) for each in experiments}
    pairs, unpaired = _paired(experiments, chosen, criteria, epigenomes, least)
    return Found(
        criteria=criteria,
        least=least,
        portal=portal.address,
        answers=asked,
        experiments=tuple(experiments),
        pairs=pairs,
        chosen=chosen,
        unpaired=unpaired,
        odd=tuple(odd),
        told=tuple(told),
    )


def _asked(portal: Portal, criteria: Criteria, progress: Callable[[str], None]) -> tuple[Answer, ...]:
    """Ask the five queries, in this order: accessibility, RNA, peak files, gene quantifications, reference epigenomes."""
    queries = {
        f"{criteria.accessibility} experiments": experiment_query(criteria, [criteria.accessibility]),
        f"{' or '.join(criteria.rna)} experiments": experiment_query(criteria, criteria.rna),
        "peak files": peak_query(criteria),
        "gene quantifications": quantification_query(criteria),
        "reference epigenomes": epigenome_query(),
    }
    answers = []
    for what, query in queries.items():
        answers.append(portal.search(query))
        progress(f"{what}: {answers[-1].total}")
    return tuple(answers)


def _paired(
    experiments: Sequence[Experiment],
    chosen: Mapping[str, Choice],
    criteria: Criteria,
    epigenomes: Sequence[frozenset[str]],
    least: PairLevel,
) -> tuple[tuple[Pair, ...], tuple[Unpaired, ...]]:
    """Pair the experiments that have files; the others are unpaired for want of them."""
    usable = [each for each in experiments if chosen[each.accession].files]
    pairing = pair_experiments(
        [each for each in usable if each.assay == criteria.accessibility],
        [each for each in usable if each.assay != criteria.accessibility],
        epigenomes=epigenomes,
        least=least,
        rna_preference=criteria.rna,
        fileless=[each for each in experiments if not chosen[each.accession].files],
    )
    without = [
        Unpaired(each, chosen[each.accession].remark) for each in experiments if not chosen[each.accession].files
    ]
    unpaired = sorted(
        (*pairing.unpaired, *without), key=lambda item: (item.experiment.assay, item.experiment.accession)
    )
    return pairing.pairs, tuple(unpaired)


def _chosen(each: Experiment, criteria: Criteria, files: Sequence[DataFile]) -> Choice:
    """Choose among the files of an experiment."""
    if each.assay == criteria.accessibility:
        expected = criteria.peaks != "idr"
        return choose_peaks(
            files,
            criteria.output_types,
            default_expected=expected,
            default_analysis=each.default_analysis,
            statuses=criteria.statuses,
        )
    return choose_quantifications(
        files, each.replicates, default_analysis=each.default_analysis, statuses=criteria.statuses
    )


def write_found(found: Found, path: Path) -> tuple[Path, Path]:
    """Write what was found.

    Args:
        found: The outcome of a search.
        path: The table of pairs, `NAME.tsv`.

    Returns:
        Paths of what is written beside it: the experiments that are in no pair, with the reason (`NAME.unpaired.tsv`), and
        what the portal answered, as it came (`NAME.answers.json.gz`).
    """
    stem = path.name.removesuffix(".tsv")
    unpaired, answers = path.with_name(f"{stem}.unpaired.tsv"), path.with_name(f"{stem}.answers.json.gz")
    raw = [asdict(answer) for answer in found.answers]
    text = json.dumps({"portal": found.portal, "answers": raw}, indent=0, sort_keys=True)
    with whole_file(answers) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    header = ("experiment", "assay", "classification", "term_name", "term_id", "reason", "summary")
    rows = [
        (each.accession, each.assay, each.classification, each.term_name, each.term_id, reason, each.summary)
        for each, reason in found.unpaired
    ]
    rows.extend((name, "", "", "", "", f"passed over: {reason}", "") for name, reason in found.odd)
    with whole_file(unpaired) as temporary:
        temporary.write_text("".join(f"{sheet_line(row)}\n" for row in (header, *rows)), encoding="utf-8")
    write_pairs(path, head=_head(found), rows=_rows(found))
    return unpaired, answers


def _head(found: Found) -> dict[str, object]:
    criteria = {key: value for key, value in asdict(found.criteria).items() if value not in ("", ())}
    return {
        "atac2rna": __version__,
        "portal": found.portal,
        "date": found.answers[0].date,
        "terms_of_use": TERMS_OF_USE,
        "criteria": criteria | {"pair_level": found.least},
        "queries": [answer.url for answer in found.answers],
    }


def _rows(found: Found) -> list[dict[str, str]]:
    donors = donor_names([(pair.accessibility, pair.rna) for pair in found.pairs])
    named = zip(found.pairs, found.group_of_pairs(), donors, strict=True)
    return [_row(found, pair, group, donor) for pair, group, donor in named]


def _both(one: Iterable[str], other: Iterable[str]) -> str:
    """Join what either side says, each once."""
    return "; ".join(sorted({*one, *other}))


def _row(found: Found, pair: Pair, group: str, donor: str) -> dict[str, str]:
    a, r = pair.accessibility, pair.rna
    peaks, tables = found.chosen[a.accession], found.chosen[r.accession]
    remarks = [f"{each.accession}: {choice.remark}" for each, choice in ((a, peaks), (r, tables)) if choice.remark]
    return {
        "sample": f"{_NO_LETTER.sub('_', a.term_name).strip('_.')}_{a.accession}",
        "pair_level": pair.level,
        "assembly": canonical_assembly(found.criteria.assembly),
        "genome_annotation": f"GENCODE:{found.criteria.genome_annotation}",
        "lineage": _lineage(pair),
        "group": group,
        "dataset": r.assay,
        "term_name": a.term_name,
        "term_id": a.term_id,
        "classification": a.classification,
        "organs": "; ".join(a.organ_slims),
        "life_stage": _both(a.life_stages, r.life_stages),
        "age": _both(a.ages, r.ages),
        "sex": _both(a.sexes, r.sexes),
        "disease": _both(*(filter(None, each.diseases) for each in (a, r))),
        "donor": donor,
        "donors": _both(a.donors, r.donors),
        "perturbation": _both(a.treatments, a.modifications) or ("perturbed" if a.perturbed else ""),
        "atac_assay": a.assay,
        "atac_experiment": a.accession,
        "atac_files": ";".join(file.accession for file in peaks.files),
        "atac_output": peaks.files[0].output_type,
        "atac_lab": a.lab,
        "rna_assay": r.assay,
        "rna_experiment": r.accession,
        "rna_files": ";".join(file.accession for file in tables.files),
        "rna_lab": r.lab,
        "why": pair.why,
        "remark": "; ".join(remarks),
    }


def _lineage(pair: Pair) -> str:
    a = pair.accessibility
    return lineage(a.organ_slims, a.system_slims, a.term_name)


def _by_experiment(files: Iterable[DataFile]) -> dict[str, tuple[DataFile, ...]]:
    """Sort files by the experiment that they belong to, each once."""
    found: dict[str, dict[str, DataFile]] = {}
    for file in files:
        found.setdefault(file.experiment, {})[file.accession] = file
    return {name: tuple(some.values()) for name, some in found.items()}


def _strays(of: Mapping[str, Sequence[DataFile]], came: Collection[str], criteria: Criteria) -> list[str]:
    """Say how many files belong to experiments that did not come, and what these may be."""
    strays = sorted(name for name in of if name not in came)
    if not strays:
        return []
    files = sum(len(of[name]) for name in strays)
    perturbed = () if criteria.perturbed else ("perturbed ones",)
    archived = () if criteria.archived else ("archived ones",)
    kinds = ", ".join(("controls", *perturbed, *archived, "pools of which no donor is told"))
    names = ", ".join(strays[:3]) + (", ..." if len(strays) > 3 else "")
    return [f"{files} files are of {len(strays)} experiments that the query leaves out ({kinds}): {names}"]


def _epigenome(hit: Hit) -> frozenset[str]:
    """Read the experiments of a reference epigenome; a series of another kind, should one come, is no evidence."""
    if hit.texts("@type")[:1] != ("ReferenceEpigenome",):
        return frozenset()
    names = (link_name(link) for link in hit.texts("related_datasets"))
    return frozenset(name for name in names if is_accession(name, "experiment"))
