"""What to look for: the choices of a search, which of them the portal answers, and which are applied to its answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import canonical_assembly
from atac2rna.sources.encode import data_file, experiment
from atac2rna.sources.encode.experiment import AUDIT_LEVELS, Experiment
from atac2rna.sources.encode.peak_family import OUTPUT_TYPES, PeakChoice

Term = tuple[str, str]
"""A term of a query: key with its operator (`status`, `control_type!`), and value."""

LAB = "ENCODE Processing Pipeline"
"""Who makes the uniformly processed files."""


class Organism(NamedTuple):
    """An organism as the portal names it, its assemblies, and the annotation of their gene quantifications."""

    scientific_name: str
    annotations: dict[str, str]


ORGANISMS = {
    "human": Organism("Homo sapiens", {"GRCh38": "V29", "hg19": "V19"}),
    "mouse": Organism("Mus musculus", {"mm10": "M21"}),
}
"""By common name; the first assembly is the default. Values name releases of GENCODE."""

RNA_ASSAYS = ("total RNA-seq", "polyA plus RNA-seq")


@dataclass(frozen=True)
class Criteria:
    """What a search looks for. Empty tuples do not restrict; texts are those of the portal.

    Attributes:
        organism: Common name, a key of `ORGANISMS`.
        assembly: As the portal spells it; empty: the organism's default.
        genome_annotation: Of the gene quantifications; empty: the assembly's default.
        accessibility: Assay of accessibility, `ATAC-seq` or `DNase-seq`; one, so that scores mean one thing.
        rna: RNA assays, the preferred first.
        peaks: See `PeakChoice`.
        classifications: Kinds of biosample.
        organs: Organ slims.
        terms: Names or ids of ontology terms.
        life_stages: Of the donor.
        sexes: Of the donor.
        labs: Of the accessibility experiment.
        tags: Internal tags of either experiment.
        perturbed: Whether perturbed experiments are looked at, too.
        audit: Experiments with an audit of this level or a worse one are left out; empty: none are.
        archived: Whether archived experiments and files are looked at, too.
    """

    organism: str = "human"
    assembly: str = ""
    genome_annotation: str = ""
    accessibility: str = "ATAC-seq"
    rna: tuple[str, ...] = RNA_ASSAYS[:1]
    peaks: PeakChoice = "default"
    classifications: tuple[str, ...] = ()
    organs: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    life_stages: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    perturbed: bool = False
    audit: str = "ERROR"
    archived: bool = False

    @property
    def statuses(self) -> tuple[str, ...]:
        """Statuses of the objects looked at."""
        return ("released", "archived") if self.archived else ("released",)

    @property
    def output_types(self) -> tuple[str, ...]:
        """Output types of the peak files."""
        return OUTPUT_TYPES[self.accessibility][self.peaks]


def resolved(criteria: Criteria) -> Criteria:
    """Fill in the defaults, and refuse choices that are none.

    Raises:
        InputError: With the nearest names.
    """
    organism = ORGANISMS[_one_of(criteria.organism, ORGANISMS, "an organism", "--organism")]
    spelled = {canonical_assembly(name): name for name in organism.annotations}
    assembly = spelled.get(canonical_assembly(criteria.assembly), criteria.assembly) or next(iter(organism.annotations))
    _one_of(assembly, organism.annotations, f"an assembly of {criteria.organism}", "--assembly")
    _one_of(criteria.accessibility, OUTPUT_TYPES, "an accessibility assay", "--atac-assay")
    for assay in criteria.rna:
        _one_of(assay, RNA_ASSAYS, "an RNA assay", "--rna-assay")
    _one_of(criteria.peaks, OUTPUT_TYPES[criteria.accessibility], f"a family of {criteria.accessibility}", "--peaks")
    if criteria.audit:
        _one_of(criteria.audit, AUDIT_LEVELS, "a level of audits", "--audit")
    annotation = _release(criteria.genome_annotation, criteria.organism) or organism.annotations[assembly]
    return replace(criteria, assembly=assembly, genome_annotation=annotation)


def _release(text: str, organism: str) -> str:
    """Spell an annotation as the portal does: V29 for `v29`, `29` and `GENCODE:V29`, M21 for GENCODE's own `vM21`."""
    name = text.strip().upper().removeprefix("GENCODE:").strip()
    name = name.removeprefix("V") if name.startswith("VM") else name
    letter = "M" if organism == "mouse" else "V"
    return f"{letter}{name}" if name.isdecimal() else name


def _one_of(value: str, known: Iterable[str], what: str, option: str) -> str:
    names = tuple(known)
    if value not in names:
        raise InputError(f"{what} is one of {', '.join(map(repr, names))}; got {option} {value!r}. Choose one.")
    return value


def experiment_query(criteria: Criteria, assays: Sequence[str]) -> tuple[Term, ...]:
    """Phrase the query for the experiments of an assay; what users choose among is applied to its answer."""
    name = ORGANISMS[criteria.organism].scientific_name
    return (
        ("type", "Experiment"),
        *(("status", status) for status in criteria.statuses),
        *(("assay_title", assay) for assay in assays),
        ("assembly", criteria.assembly),
        ("replicates.library.biosample.donor.organism.scientific_name", name),
        *(() if criteria.perturbed else (("perturbed", "false"),)),
        ("control_type!", "*"),
        *_fields(experiment.FIELDS),
    )


def peak_query(criteria: Criteria) -> tuple[Term, ...]:
    """Phrase the query for the peak files of the family."""
    return (
        *_files(criteria),
        ("file_type", "bed narrowPeak"),
        ("assay_title", criteria.accessibility),
        *(("output_type", kind) for kind in criteria.output_types),
        *_fields(data_file.FIELDS),
    )


def quantification_query(criteria: Criteria) -> tuple[Term, ...]:
    """Phrase the query for the gene quantifications."""
    return (
        *_files(criteria),
        ("file_format", "tsv"),
        ("output_type", data_file.QUANTIFICATIONS),
        ("genome_annotation", criteria.genome_annotation),
        *(("assay_title", assay) for assay in criteria.rna),
        *_fields(data_file.FIELDS),
    )


def epigenome_query() -> tuple[Term, ...]:
    """Phrase the query for the reference epigenomes and their experiments."""
    return (
        ("type", "ReferenceEpigenome"),
        ("status", "released"),
        *_fields(("accession", "related_datasets.@id", "related_datasets.assay_title")),
    )


def file_query(accessions: Sequence[str]) -> tuple[Term, ...]:
    """Phrase the query for files by accession, whatever their status."""
    return (
        ("type", "File"),
        *(("accession", accession) for accession in accessions),
        *_fields(data_file.FIELDS),
    )


def _files(criteria: Criteria) -> tuple[Term, ...]:
    return (
        ("type", "File"),
        *(("status", status) for status in criteria.statuses),
        ("assembly", criteria.assembly),
        ("lab.title", LAB),
    )


def _fields(fields: Sequence[str]) -> tuple[Term, ...]:
    return (*(("field", field) for field in fields), ("limit", "all"), ("format", "json"))


class _Filter(NamedTuple):
    option: str
    chosen: tuple[str, ...]
    of: Callable[[Experiment], tuple[str, ...]]


def admitted(experiments: Sequence[Experiment], criteria: Criteria) -> tuple[list[Experiment], list[str]]:
    """Leave out the experiments that the user's choices leave out.

    Returns:
        The others, in their order, and a sentence for each choice that left some out.

    Raises:
        InputError: If a choice names what no experiment has, with the nearest names: a misspelt organ is no empty set.
    """
    told: list[str] = []
    left = list(experiments)
    for choice in _filters(criteria):
        known = sorted({value for each in experiments for value in choice.of(each)})
        spelled = {value.casefold(): value for value in known}
        chosen = [spelled.get(value.strip().casefold(), value) for value in choice.chosen]
        unknown = [value for value in chosen if value not in known]
        if unknown and experiments:
            alike = [value for value in known if unknown[0].casefold() in value.casefold()]
            raise InputError(
                f"{choice.option} names what the portal's experiments have; none of {len(experiments)} has {unknown[0]!r}; "
                f"{nearest_names(unknown[0], alike or known)}"
            )
        if chosen:
            free = choice.option == "--lab"  # that of the RNA is often another one
            kept = [
                each
                for each in left
                if set(choice.of(each)) & set(chosen) or (free and each.assay != criteria.accessibility)
            ]
            told.append(f"{choice.option} {' or '.join(chosen)}: {len(kept)} of {len(left)} experiments")
            left = kept
    if criteria.audit:
        levels = AUDIT_LEVELS[: AUDIT_LEVELS.index(criteria.audit) + 1]
        kept = [each for each in left if not any(each.audits[level] for level in levels)]
        if len(kept) < len(left):
            told.append(f"without audits {' or '.join(levels)}: {len(kept)} of {len(left)} experiments")
        left = kept
    return left, told


def _filters(criteria: Criteria) -> tuple[_Filter, ...]:
    return (
        _Filter("--classification", criteria.classifications, lambda each: (each.classification,)),
        _Filter("--organ", criteria.organs, lambda each: each.organ_slims),
        _Filter("--term", criteria.terms, lambda each: (each.term_name, each.term_id)),
        _Filter("--life-stage", criteria.life_stages, lambda each: each.life_stages),
        _Filter("--sex", criteria.sexes, lambda each: each.sexes),
        _Filter("--lab", criteria.labs, lambda each: (each.lab,)),
        _Filter("--tag", criteria.tags, lambda each: each.tags),
    )
