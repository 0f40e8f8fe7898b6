"""Families of ENCODE's peak files: within one the scores mean one thing, and a set has one."""

from typing import Literal

PeakChoice = Literal["default", "idr", "replicated"]
"""default: the overlap peaks that the portal prefers (replicated or pseudoreplicated, made alike); idr: IDR thresholded
peaks; replicated: overlap peaks of true replicates alone."""

OUTPUT_TYPES: dict[str, dict[PeakChoice, tuple[str, ...]]] = {
    "ATAC-seq": {
        "default": ("replicated peaks", "pseudoreplicated peaks"),
        "idr": ("IDR thresholded peaks",),
        "replicated": ("replicated peaks",),
    },
    "DNase-seq": {"default": ("peaks",)},
}
"""Output types of each accessibility assay and choice. The score column of overlap peaks is ten times -log10 p, that of IDR
peaks -125 log2(IDR), that of DNase peaks a third thing; which is why no set holds two of these."""

RATES = {"peaks": 0.1}
"""False discovery rate, in percent, of the peaks of an output type that the portal gives at several: DNase peaks come at 5 %
and at 0.1 %, under one name. Which of them a file has is part of the family."""

FAMILIES = tuple(frozenset(types) for choices in OUTPUT_TYPES.values() for types in choices.values())
"""Output types whose files may stand in one set."""

PEAK_TYPES = frozenset(kind for family in FAMILIES for kind in family)
"""Output types of peak files."""
