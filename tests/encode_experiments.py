"""Experiments, and hits that hold one: everything the same but what a test names."""

from typing import Any

from atac2rna.sources.encode.experiment import Condition, Experiment
from atac2rna.sources.encode.hit import Hit

STOMACH = ("UBERON:0000945", "stomach")


def experiment(number: int, *, assay: str = "ATAC-seq", **other: Any) -> Experiment:
    """Give an adult stomach of donor ENCDO100AAA, unperturbed; biosample and accession by number."""
    fields: dict[str, Any] = {
        "accession": f"ENCSR{number:03d}AAA",
        "status": "released",
        "assay": assay,
        "term_id": STOMACH[0],
        "term_name": STOMACH[1],
        "classification": "tissue",
        "organ_slims": ("stomach",),
        "system_slims": ("digestive system",),
        "summary": "stomach tissue",
        "tags": (),
        "lab": "A Lab, There",
        "released": "2021-06-03",
        "replicates": (1,),
        "biosamples": (f"ENCBS{number:03d}AAA",),
        "parents": (),
        "batches": (),
        "members": (),
        "donors": ("ENCDO100AAA",),
        "life_stages": ("adult",),
        "ages": ("53 years",),
        "sexes": ("female",),
        "diseases": ("",),
        "conditions": (Condition(),),
        "perturbed": False,
        "audits": {"ERROR": (), "NOT_COMPLIANT": (), "WARNING": ()},
    }
    return Experiment(**(fields | other))


def rna(number: int, **other: Any) -> Experiment:
    """Give an RNA experiment; see `experiment`."""
    return experiment(number, assay=other.pop("assay", "total RNA-seq"), **other)


def experiment_hit(replicates: list[dict[str, Any]], **other: Any) -> Hit:
    """Give the hit of an experiment ENCSR001AAA of stomach, in the shape of an answer to `field=`."""
    value = {
        "accession": "ENCSR001AAA",
        "status": "released",
        "assay_title": "ATAC-seq",
        "biosample_ontology": {"term_id": "UBERON:1", "term_name": "stomach", "classification": "tissue"},
        "replicates": replicates,
    }
    return Hit(value | other, source="here")
