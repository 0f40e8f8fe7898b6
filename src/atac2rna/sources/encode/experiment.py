"""An experiment of the portal: one assay of one biosample, its replicates and where it comes from."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from atac2rna.sources.encode.accession import Kind, checked_accession, link_name, linked_accession
from atac2rna.sources.encode.hit import Hit

_OF_REPLICATE = "library.biosample"
_BIOSAMPLE = f"replicates.{_OF_REPLICATE}"

AUDIT_LEVELS = ("ERROR", "NOT_COMPLIANT", "WARNING")
"""Levels of the portal's audits, the worst first."""

FIELDS = (
    "accession",
    "status",
    "assay_title",
    "perturbed",
    "biosample_ontology.term_id",
    "biosample_ontology.term_name",
    "biosample_ontology.classification",
    "biosample_ontology.organ_slims",
    "biosample_ontology.system_slims",
    "biosample_summary",
    "internal_tags",
    "lab.title",
    "date_released",
    "replicates.biological_replicate_number",
    f"{_BIOSAMPLE}.accession",
    f"{_BIOSAMPLE}.donor.accession",
    f"{_BIOSAMPLE}.donor.organism.scientific_name",
    f"{_BIOSAMPLE}.life_stage",
    f"{_BIOSAMPLE}.age_display",
    f"{_BIOSAMPLE}.sex",
    f"{_BIOSAMPLE}.disease_term_name",
    f"{_BIOSAMPLE}.treatments",
    f"{_BIOSAMPLE}.applied_modifications",
    f"{_BIOSAMPLE}.genetic_modifications",
    f"{_BIOSAMPLE}.origin_batch",
    f"{_BIOSAMPLE}.part_of",
    f"{_BIOSAMPLE}.pooled_from",
    f"{_BIOSAMPLE}.subcellular_fraction_term_name",
    *(f"audit.{level}.category" for level in AUDIT_LEVELS),
    "default_analysis",
)
"""What is asked of the portal of each experiment."""


class Condition(NamedTuple):
    """What was done to a biosample before the assay.

    Attributes:
        treatments: Links of treatments, or what describes them.
        modifications: Links of genetic modifications, or what describes them.
        fractions: Subcellular fraction; () for whole cells.
    """

    treatments: tuple[str, ...] = ()
    modifications: tuple[str, ...] = ()
    fractions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """An experiment as far as pairing looks at it. Tuples hold what its replicates have, each once, sorted.

    Attributes:
        accession: `ENCSR...`.
        status: `released`, or `archived`.
        assay: The portal's assay title (`ATAC-seq`, `total RNA-seq`).
        term_id: Ontology term of the biosample (`UBERON:0000945`).
        term_name: Its name (`stomach`).
        classification: `cell line`, `tissue`, `primary cell`, `in vitro differentiated cells`, ...
        organ_slims: Organs that the portal files the term under.
        system_slims: Organ systems.
        summary: The portal's sentence about the biosample.
        tags: Internal tags (`ENTEx`).
        lab: The lab that made it.
        released: Date of release, ISO; empty if unknown.
        replicates: Numbers of the biological replicates.
        biosamples: Accessions of the biosamples.
        parents: Accessions of the biosamples that these are parts of.
        batches: Accessions of the biosamples that these were grown from, their origin batches.
        members: Accessions of the biosamples that these were pooled from.
        donors: Accessions of the donors (of mice: of the strain).
        life_stages: `adult`, `embryonic`, ...; without `unknown`.
        ages: As displayed (`53 years`); without `unknown`.
        sexes: `female`, `male`, `mixed`; without `unknown`.
        diseases: Disease of each replicate, several joined by `; `; the empty text is a replicate of which the portal
            tells none.
        conditions: Condition of each replicate.
        perturbed: The portal's flag: treated, modified or otherwise unlike the unperturbed biosample.
        audits: Categories of audits by level.
        default_analysis: Name of the analysis that the portal prefers, as a file's `Analysis` has it; empty if unknown.
    """

    accession: str
    status: str
    assay: str
    term_id: str
    term_name: str
    classification: str
    organ_slims: tuple[str, ...]
    system_slims: tuple[str, ...]
    summary: str
    tags: tuple[str, ...]
    lab: str
    released: str
    replicates: tuple[int, ...]
    biosamples: tuple[str, ...]
    parents: tuple[str, ...]
    batches: tuple[str, ...]
    members: tuple[str, ...]
    donors: tuple[str, ...]
    life_stages: tuple[str, ...]
    ages: tuple[str, ...]
    sexes: tuple[str, ...]
    diseases: tuple[str, ...]
    conditions: tuple[Condition, ...]
    perturbed: bool
    audits: dict[str, tuple[str, ...]]
    default_analysis: str = ""

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatments of any replicate."""
        return tuple(sorted({name for each in self.conditions for name in each.treatments}))

    @property
    def modifications(self) -> tuple[str, ...]:
        """Genetic modifications of any replicate."""
        return tuple(sorted({name for each in self.conditions for name in each.modifications}))

    @cached_property
    def ancestry(self) -> frozenset[str]:
        """The biosamples and what they come from, as far as the portal tells: parents, origin batches, members of pools."""
        return frozenset((*self.biosamples, *self.parents, *self.batches, *self.members))


def read_experiment(hit: Hit) -> Experiment:
    """Read an experiment out of a hit that has `FIELDS`.

    Raises:
        InputError: If a field is not what the portal's schema says; the message names it and the accession.
    """
    where = f"{hit.source}: {hit.name}"

    def sample(field: str) -> tuple[str, ...]:
        return tuple(sorted(text for text in hit.texts(f"{_BIOSAMPLE}.{field}") if text not in ("", "unknown")))

    def accessions(field: str, kind: Kind) -> tuple[str, ...]:
        return tuple(sorted({linked_accession(link, kind, where=where) for link in sample(field)}))

    replicates = hit.parts("replicates")
    return Experiment(
        accession=checked_accession(hit.text("accession"), "experiment", where=where),
        status=hit.text("status"),
        assay=hit.text("assay_title"),
        term_id=hit.text("biosample_ontology.term_id"),
        term_name=hit.text("biosample_ontology.term_name"),
        classification=hit.text("biosample_ontology.classification"),
        organ_slims=tuple(sorted(hit.texts("biosample_ontology.organ_slims"))),
        system_slims=tuple(sorted(hit.texts("biosample_ontology.system_slims"))),
        summary=hit.text("biosample_summary", ""),
        tags=tuple(sorted(hit.texts("internal_tags"))),
        lab=hit.text("lab.title", ""),
        released=hit.text("date_released", ""),
        replicates=hit.wholes("replicates.biological_replicate_number"),
        biosamples=accessions("accession", "biosample"),
        parents=accessions("part_of", "biosample"),
        batches=tuple(sorted(set(map(link_name, sample("origin_batch"))))),
        members=accessions("pooled_from", "biosample"),
        donors=accessions("donor.accession", "donor"),
        life_stages=sample("life_stage"),
        ages=sample("age_display"),
        sexes=sample("sex"),
        diseases=tuple(sorted({_disease(each) for each in replicates})),
        conditions=tuple(sorted({_condition(each) for each in replicates})),
        perturbed=hit.flag("perturbed"),
        audits={level: tuple(sorted(hit.texts(f"audit.{level}.category"))) for level in AUDIT_LEVELS},
        default_analysis=link_name(hit.text("default_analysis", "")),
    )


def _disease(replicate: Hit) -> str:
    return "; ".join(sorted(replicate.texts(f"{_OF_REPLICATE}.disease_term_name")))


def _condition(replicate: Hit) -> Condition:
    modified = (f"{_OF_REPLICATE}.{name}" for name in ("applied_modifications", "genetic_modifications"))
    return Condition(
        treatments=replicate.identities(f"{_OF_REPLICATE}.treatments"),
        modifications=replicate.identities(*modified),
        fractions=tuple(sorted(replicate.texts(f"{_OF_REPLICATE}.subcellular_fraction_term_name"))),
    )
