"""Which peaks a prediction may rest on, and what is to be said of those that it does."""

from collections.abc import Mapping

import numpy as np

from atac2rna.domain import FEWEST_PEAKS, MOST_PEAKS, check_assembly
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks
from atac2rna.prediction.gene_places import GenePlaces
from atac2rna.quality.accessibility import GENOME_WIDE

WIDE = 250
"""Median width in bp from which the middle of a peak says less than its summit; DNase peaks of 150 bp need none."""

FROM_TRACK = (
    "Read from a signal track (bigWig): its strongest maxima stand for peaks, so that their number and width say nothing of "
    "the sample. Give called peaks where there are any."
)


def admit(name: str, peaks: Peaks, places: Mapping[str, GenePlaces], here: GenePlaces, *, force: bool) -> list[str]:
    """Refuse peaks that a prediction cannot rest on.

    Args:
        name: What to call the sample in an error.
        peaks: Its peaks.
        places: The genes in every assembly to compare.
        here: The genes in the sample's assembly.
        force: Give the reasons as remarks instead.

    Returns:
        Sentences that a reader of the prediction should know of.

    Raises:
        InputError: If there are too few peaks or too many, or they are clearly of another assembly.
    """
    tables = {assembly: one.genes for assembly, one in places.items()}
    remarks = []
    try:
        require_peaks(name, peaks, here.genes)
        check_assembly(peaks, tables, assembly=here.genes.assembly, name=name)
    except InputError as fault:
        if not force:
            raise
        remarks.append(f"Forced: {fault}")
    remarks += _what_is_missing(peaks)
    absent = int((~here.located).sum())
    if absent:
        remarks.append(
            f"{absent:,} of {len(here.located):,} genes are not in the gene table of {here.genes.assembly} and are not "
            "predicted."
        )
    return remarks


def _what_is_missing(peaks: Peaks) -> list[str]:
    """Say what a file of peaks could have told and does not; docs/predicting.md has what it costs."""
    told = []
    if len(peaks) and peaks.signal.min() == peaks.signal.max():
        told.append(
            "All peaks are equally strong: only where they lie is read. Give signalValue where there is any (narrowPeak)."
        )
    wide = float(np.median(peaks.end - peaks.start)) >= WIDE if len(peaks) else False
    if wide and (peaks.summit < 0).all():
        told.append("No peak has a summit: its middle stands for it. Give summits where there are any (narrowPeak).")
    repeated = _repeated(peaks)
    if repeated:
        told.append(f"{repeated:,} rows repeat another one in every column, and count twice. Remove them (sort -u).")
    return told


def _repeated(peaks: Peaks) -> int:
    """Count rows that are the same as another one before them, but for their score."""
    if len(peaks) == 0:
        return 0
    columns = np.stack([peaks.chrom, peaks.start, peaks.end, peaks.summit])
    beside = (columns[:, 1:] == columns[:, :-1]).all(axis=0)  # peaks are sorted by these
    rows = np.flatnonzero(np.append(beside, False) | np.concatenate([[False], beside]))
    own = np.concatenate([columns[:, rows], peaks.signal[rows][None]])
    ordered = own[:, np.lexsort(own[::-1])]
    return int((ordered[:, 1:] == ordered[:, :-1]).all(axis=0).sum())


def require_peaks(name: str, peaks: Peaks, genes: GeneTable) -> None:
    """Refuse a sample with too few peaks on the nuclear chromosomes of the genes, or with more than any sample has."""
    bounds = peaks.chrom_bounds
    found = sum(bounds[c].stop - bounds[c].start for c in genes.chroms if c in bounds and c != "chrM")
    fewest = round(FEWEST_PEAKS * min(1.0, len(genes) / GENOME_WIDE))
    if found < fewest:
        raise InputError(
            f"{name}: a prediction rests on at least {fewest:,} peaks on the chromosomes of the genes; these are {found:,} (of "
            f"{len(peaks):,} in all). Give the peaks of the whole genome, or pass --force."
        )
    if len(peaks) > MOST_PEAKS:
        raise InputError(
            f"{name}: a sample has at most {MOST_PEAKS:,} peaks; these are {len(peaks):,} intervals: reads, fragments or "
            "windows rather than peaks. Call peaks on them (macs3 callpeak), or pass --force."
        )
