"""What `deep` sees of a sample: the window of every gene, and ranks of its accessibility at four scales."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from atac2rna.features import window_accessibility
from atac2rna.genome import GeneTable
from atac2rna.models.ridge import WINDOW_EDGES
from atac2rna.peaks import Peaks

Floats = NDArray[np.float32]

DECAYS = (1_000, 5_000, 20_000, 60_000)
SCALES = len(DECAYS)


@dataclass(frozen=True)
class DeepWindow:
    """A sample as `deep` sees it, shape (genes, bins + 4).

    The bins of `ridge`, as they are; then the average rank of the gene among those of the sample, 0 to 1, by the sum of
    its bins weighted by exp(-distance / decay) for each decay. No number depends on the order of the genes, to the bit.
    """

    edges: tuple[int, ...] = WINDOW_EDGES
    decays: tuple[int, ...] = DECAYS

    def __call__(self, peaks: Peaks, genes: GeneTable) -> Floats:
        """Represent one sample."""
        window = window_accessibility(peaks, genes, edges=self.edges)
        centre = np.abs(np.add(self.edges[:-1], self.edges[1:])) / 2
        scores = [(window * np.exp(-centre / decay)).sum(axis=1) for decay in self.decays]
        ranks = [rankdata(score) / max(score.size, 1) for score in scores]
        return np.column_stack([window, *ranks]).astype(np.float32)


def near_bins(edges: tuple[int, ...] = WINDOW_EDGES, *, reach: int = 10_000) -> slice:
    """Give the bins that lie within `reach` bp of the TSS: those that tell samples apart (see `kernel`)."""
    inside = [i for i in range(len(edges) - 1) if -reach <= edges[i] and edges[i + 1] <= reach]
    return slice(inside[0], inside[-1] + 1)
