"""Groups and lineages of ENCODE samples: what must not be divided between training and test.

A group is a donor and a biosample term: the samples of one donor's stomach. Samples of a term that share a donor, a
biosample, its parent, a batch or a member of a pool, directly or by way of others, are one group. A lineage is an organ: one
name for each sample, by a fixed rule, so that it does not change with the samples around it.
"""

from collections.abc import Sequence

from atac2rna.sources.encode.accession import is_accession
from atac2rna.sources.encode.experiment import Experiment

_WITHIN = {
    "colon": "intestine",
    "large intestine": "intestine",
    "small intestine": "intestine",
    "arterial blood vessel": "vasculature",
    "blood vessel": "vasculature",
    "lymphatic vessel": "vasculature",
    "vein": "vasculature",
    "main bronchus": "lung",
    "bronchus": "lung",
    "trachea": "lung",
    "mammary gland": "breast",
    "ovary": "gonad",
    "testis": "gonad",
    "skin of prepuce of penis": "skin of body",
    "hair follicle": "skin of body",
    "brain meninx": "brain",
    "bone marrow": "blood",
    "bone element": "skeleton",
    "cartilage element": "skeleton",
    "coccyx": "skeleton",
    "pericardium": "heart",
    "placenta": "extraembryonic component",
}
"""Organ slims that are a part or a kind of another one, which names the lineage."""

_UNSPECIFIC = (
    "musculature of body",
    "limb",
    "vasculature",
    "nerve",
    "skeleton",
    "lymphoid tissue",
    "immune organ",
    "extraembryonic component",
    "embryo",
    "adipose tissue",
    "connective tissue",
    "mucous gland",
    "exocrine gland",
    "endocrine gland",
    "epithelium",
    "bodily fluid",
)
"""Organ slims that say what a thing is made of, not where it is; the first of these serves where there is no other."""

_PLACES = (
    "adrenal gland",
    "blood",
    "brain",
    "breast",
    "diaphragm",
    "ear",
    "esophagus",
    "eye",
    "gallbladder",
    "gonad",
    "heart",
    "intestine",
    "kidney",
    "lacrimal gland",
    "larynx",
    "liver",
    "lung",
    "lymph node",
    "major salivary gland",
    "mouth",
    "nose",
    "pancreas",
    "parathyroid gland",
    "penis",
    "pharynx",
    "pituitary gland",
    "prostate gland",
    "sebaceous gland",
    "seminal vesicle",
    "skin of body",
    "spinal cord",
    "spleen",
    "stomach",
    "sweat gland",
    "thymus",
    "thyroid gland",
    "tongue",
    "ureter",
    "urethra",
    "urinary bladder",
    "uterus",
    "vagina",
)
"""Organ slims that say where a thing is. One that is in none of these lists is taken for a place, too."""


def is_known_organ(slim: str) -> bool:
    """Tell whether the rule of lineages was written with this organ slim in mind."""
    return slim in _WITHIN or slim in _UNSPECIFIC or slim in _PLACES


def lineage(organ_slims: Sequence[str], system_slims: Sequence[str], term_name: str) -> str:
    """Name the lineage of a biosample.

    Of its organ slims, with parts of organs counted as the organ, the first by name that is specific to a place; else the
    first of those that are not, in the order above; else its first organ system by name; else its own term.

    Args:
        organ_slims: As the portal gives them, in any order.
        system_slims: The same of organ systems.
        term_name: Name of its ontology term.
    """
    organs = sorted({_WITHIN.get(slim, slim) for slim in organ_slims})
    specific = [organ for organ in organs if organ not in _UNSPECIFIC]
    if specific:
        return specific[0]
    if organs:
        return min(organs, key=_UNSPECIFIC.index)
    return min(system_slims, default=term_name)


Kin = tuple[str, str]
"""Something that samples come from (donor, biosample, parent, batch, member of a pool), and the term within which it makes
them one; of donors, whatever the term, it is empty."""


def group_names(pairs: Sequence[tuple[Experiment, Experiment]]) -> list[str]:
    """Name the group of each sample: what a donor or biosample, its parent, batch or members join within a term is one group.

    Args:
        pairs: The two experiments of each sample.

    Returns:
        A name for each sample: the first donor of its group by name, and the term; where no donor is known, the first
        biosample; where that is not known either, the first experiment.
    """
    names = _joined([_kin(pair) for pair in pairs])
    return [f"{name} {pair[0].term_name}" for name, pair in zip(names, pairs, strict=True)]


def donor_names(pairs: Sequence[tuple[Experiment, Experiment]]) -> list[str]:
    """Name the donor of each sample, whatever the term; samples of several donors join these.

    Args:
        pairs: The two experiments of each sample.

    Returns:
        For each sample the first, by name, of the donors that it and others join; samples that share a biosample, its
        parent, batch or members share donors, known or not. `unknown` with the first biosample (if none: experiment) where
        no donor is known. So a donor held out is nowhere else.
    """
    names = _joined([[(name, "") for name, _ in _kin(pair)] for pair in pairs])
    return [name if is_accession(name, "donor") else f"unknown {name}" for name in names]


def _joined(members: Sequence[Sequence[Kin]]) -> list[str]:
    """Join members that share something, directly or by way of others, and name each by the best name among them."""
    root: dict[Kin, Kin] = {}

    def find(key: Kin) -> Kin:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    for keys in members:
        roots = {find(key) for key in keys}
        for other in roots:
            root[other] = min(roots, key=_standing)
    return [find(keys[0])[0] for keys in members]


def _kin(pair: tuple[Experiment, Experiment]) -> list[Kin]:
    """Give what joins a sample to others: everything that it comes from, with its term, and its own experiments."""
    return [(name, each.term_id) for each in pair for name in (*each.donors, *each.ancestry, each.accession)]


def _standing(kin: Kin) -> tuple[int, Kin]:
    """Order names: donors, then biosamples, then experiments, then what is none of these."""
    kinds = ("ENCDO", "ENCBS", "ENCSR")
    return (kinds.index(kin[0][:5]) if kin[0][:5] in kinds else len(kinds)), kin
