"""Static figures: plain arrays and tables in, a matplotlib `Figure` out.

Only the object-oriented interface of matplotlib is used: no pyplot, no window, no global state. Every figure is drawn
in one style, whatever the user's own settings are. Input without a finite value gives a figure that says "no data".
"""

from atac2rna.plots.calibration import calibration_panels
from atac2rna.plots.expression import ScatterPanel, delta_scatter, density_scatter, per_gene_bars, scatter_grid
from atac2rna.plots.performance import learning_curves, model_bars, per_gene_histogram
from atac2rna.plots.samples import qc_overview, similarity_heatmap
from atac2rna.plots.style import METRIC_LABELS, MODEL_COLOURS, save_figure

__all__ = [
    "METRIC_LABELS",
    "MODEL_COLOURS",
    "ScatterPanel",
    "calibration_panels",
    "delta_scatter",
    "density_scatter",
    "learning_curves",
    "model_bars",
    "per_gene_bars",
    "per_gene_histogram",
    "qc_overview",
    "save_figure",
    "scatter_grid",
    "similarity_heatmap",
]
