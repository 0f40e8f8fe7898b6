"""How `joint` sees a sample: windows and gene scores, those of its stronger half, and rows to compare samples by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import average_ranks, body_accessibility, log_signal, neighbours, window_accessibility
from atac2rna.genome import GeneTable
from atac2rna.models.kernel import NEAR_EDGES
from atac2rna.models.ridge import WINDOW_EDGES
from atac2rna.peaks import Peaks

Floats = NDArray[np.float32]

DECAYS = (1_000, 5_000, 20_000, 60_000)
"""Distances in bp over which the weight of a bin falls to 1/e, one gene score each; the fifth score is the gene body's."""

WINDOW_BINS = len(WINDOW_EDGES) - 1
SCORES = len(DECAYS) + 1
LOCAL = WINDOW_BINS + SCORES
NEAR = len(NEAR_EDGES) - 1

WINDOW = slice(0, WINDOW_BINS)
"""Windows, each bin z-scored over the genes of the sample."""
SCORE = slice(WINDOW_BINS, LOCAL)
"""Gene scores, each as the gene's average rank in the sample divided by the number of genes."""
THINNED = slice(LOCAL, 2 * LOCAL)
"""Windows and scores once more, of the stronger half of the peaks."""
RANKED = slice(2 * LOCAL, 2 * LOCAL + NEAR)
"""Bins within 10 kb, ranked strength; over all genes and bins centred and of unit norm."""
LOGGED = slice(2 * LOCAL + NEAR, 2 * LOCAL + 2 * NEAR)
"""The same with log signal."""
PLACE = slice(2 * LOCAL + 2 * NEAR, 2 * LOCAL + 2 * NEAR + 2)
"""Log10 of the gene's length in bp, and the number of TSSs within 100 kb: of the gene table, not of the sample."""
CHANNELS = PLACE.stop


@dataclass(frozen=True)
class JointView:
    """A sample as `joint` sees it, shape (genes, CHANNELS), float32; the slices above name its columns."""

    def __call__(self, peaks: Peaks, genes: GeneTable) -> Floats:
        """Represent one sample."""
        view = np.empty((len(genes), CHANNELS), dtype=np.float32)
        windows = window_accessibility(peaks, genes, edges=WINDOW_EDGES)
        view[:, :LOCAL] = _local(windows, peaks, genes)
        stronger = _stronger_half(peaks)
        view[:, THINNED] = _local(window_accessibility(stronger, genes, edges=WINDOW_EDGES), stronger, genes)
        near = [bool(NEAR_EDGES[0] <= edge < NEAR_EDGES[-1]) for edge in WINDOW_EDGES[:-1]]
        view[:, RANKED] = _unit(windows[:, near])
        view[:, LOGGED] = _unit(
            window_accessibility(peaks, genes, edges=NEAR_EDGES, strength=log_signal(peaks)),
        )
        length = (genes.frame["end"] - genes.frame["start"]).to_numpy()
        view[:, PLACE] = np.stack([np.log10(length), neighbours(genes, reach=100_000)], axis=1)
        return view


def _stronger_half(peaks: Peaks) -> Peaks:
    """Peaks of at least the median signal: what a shallower experiment would have called."""
    return peaks.take(np.flatnonzero(peaks.signal >= np.median(peaks.signal))) if len(peaks) else peaks


def _local(windows: Floats, peaks: Peaks, genes: GeneTable) -> Floats:
    """Windows and gene scores, comparable between samples, shape (genes, LOCAL)."""
    centres = (np.asarray(WINDOW_EDGES[1:]) + np.asarray(WINDOW_EDGES[:-1])) / 2
    weights = np.exp(-np.abs(centres)[:, None] / np.asarray(DECAYS)).astype(np.float32)
    scores = np.concatenate([windows @ weights, body_accessibility(peaks, genes)[:, None]], axis=1)
    sd = windows.std(axis=0)
    standard = (windows - windows.mean(axis=0)) / np.where(sd > 0, sd, 1)
    return np.concatenate([standard, average_ranks(scores) / len(genes)], axis=1).astype(np.float32)


def _unit(windows: Floats) -> Floats:
    """Centre over all genes and bins, and scale to unit norm."""
    centred = windows - windows.mean(dtype=np.float64)
    unit: Floats = (centred / max(float(np.linalg.norm(centred)), 1e-12)).astype(np.float32)
    return unit
