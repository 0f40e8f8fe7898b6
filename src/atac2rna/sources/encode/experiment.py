"""An experiment of the portal: one assay of one biosample, its replicates and where it comes from."""

from dataclasses import dataclass

from atac2rna.sources.encode.accession import Kind, checked_accession, link_name, linked_accession
from atac2rna.sources.encode.hit import Hit

_BIOSAMPLE = "replicates.library.biosample"

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
    f"{_BIOSAMPLE}.treatments",
    f"{_BIOSAMPLE}.applied_modifications",
    f"{_BIOSAMPLE}.genetic_modifications",
    f"{_BIOSAMPLE}.origin_batch",
    f"{_BIOSAMPLE}.part_of",
    f"{_BIOSAMPLE}.subcellular_fraction_term_name",
    *(f"audit.{level}.category" for level in AUDIT_LEVELS),
    "default_analysis",
)
"""What is asked of the portal of each experiment."""


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
        batches: Origin batches, as the portal writes them.
        donors: Accessions of the donors (of mice: of the strain).
        life_stages: `adult`, `embryonic`, ...; without `unknown`.
        ages: As displayed (`53 years`); without `unknown`.
        sexes: `female`, `male`, `mixed`; without `unknown`.
        treatments: Links of treatments, or what describes them.
        modifications: Links of genetic modifications, or what describes them.
        fractions: Subcellular fractions; () for whole cells.
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
    donors: tuple[str, ...]
    life_stages: tuple[str, ...]
    ages: tuple[str, ...]
    sexes: tuple[str, ...]
    treatments: tuple[str, ...]
    modifications: tuple[str, ...]
    fractions: tuple[str, ...]
    perturbed: bool
    audits: dict[str, tuple[str, ...]]
    default_analysis: str = ""


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
        batches=sample("origin_batch"),
        donors=accessions("donor.accession", "donor"),
        life_stages=sample("life_stage"),
        ages=sample("age_display"),
        sexes=sample("sex"),
        treatments=hit.identities(f"{_BIOSAMPLE}.treatments"),
        modifications=hit.identities(f"{_BIOSAMPLE}.applied_modifications", f"{_BIOSAMPLE}.genetic_modifications"),
        fractions=sample("subcellular_fraction_term_name"),
        perturbed=hit.flag("perturbed"),
        audits={level: tuple(sorted(hit.texts(f"audit.{level}.category"))) for level in AUDIT_LEVELS},
        default_analysis=link_name(hit.text("default_analysis", "")),
    )
