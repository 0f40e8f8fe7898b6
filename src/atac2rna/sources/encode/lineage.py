"""Groups and lineages of ENCODE samples: what must not be divided between training and test.

A group is a donor and a biosample term: the samples of one donor's stomach. Samples of a term that share a donor, a
biosample, its parent or a batch, directly or by way of others, are one group. A lineage is an organ: one name for each
sample, by a fixed rule, so that it does not change with the samples around it.
"""

from collections.abc import Sequence

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


def group_names(pairs: Sequence[tuple[Experiment, Experiment]]) -> list[str]:
    """Name the group of each sample: what a donor, biosample, parent or batch joins within one term is one group.

    Args:
        pairs: The two experiments of each sample.

    Returns:
        A name for each sample: the first donor of its group by name, and the term; where no donor is known, the first
        biosample; where that is not known either, the first experiment.
    """
    root: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    members = [_kin(pair) for pair in pairs]
    for keys in members:
        roots = {find(key) for key in keys}
        for other in roots:
            root[other] = min(roots)
    names: dict[tuple[str, str], str] = {}
    for pair, keys in zip(pairs, members, strict=True):
        for each in pair:
            for name in (*each.donors, *each.biosamples, each.accession):
                place = find(keys[0])
                names[place] = min(names.get(place, name), name, key=_standing)
    return [f"{names[find(keys[0])]} {pair[0].term_name}" for pair, keys in zip(pairs, members, strict=True)]


def _kin(pair: tuple[Experiment, Experiment]) -> list[tuple[str, str]]:
    """Give what joins a sample to others: everything that it comes from, with its term, and its own experiments."""
    return [
        (name, each.term_id)
        for each in pair
        for name in (*each.donors, *each.biosamples, *each.parents, *each.batches, each.accession)
    ]


def _standing(name: str) -> tuple[int, str]:
    """Order names of a group: donors, then biosamples, then experiments."""
    return ("ENCDO", "ENCBS", "ENCSR").index(name[:5]), name
