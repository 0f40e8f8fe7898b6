"""Experiments for tests of pairing: everything the same but what a test names."""

from typing import Any

from atac2rna.sources.encode.experiment import Condition, Experiment

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
