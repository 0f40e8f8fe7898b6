"""Simulate an atlas with known truth, written as the files that a person would bring.

The model of truth, on a log2 scale throughout:

- A genome of a few chromosomes carries genes with strands, TSSs and biotypes. Each gene has a promoter element and
  several enhancers, 1 to 100 kb from the TSS (log-uniform); some enhancers act on a neighbouring gene too, most raise
  expression and some lower it. Decoys are elements that act on nothing.
- A sample has a latent state: its lineage's + its donor's + its own.
- Accessibility of element e: `strength[e] + loading[e] . state + own[e, lineage and donor]`.
- Level of gene g: `base[g] + sum over links of effect * (accessibility - strength) + trans[g] . state +
  hidden[g, lineage]`. `base` has two modes, off and on, and a few genes take most of the million. The truth
  `expression` is log2(TPM + 1) of this level.
- Measured expression adds an offset per gene and dataset, noise per sample, and the counting of reads.
- A peak is called where measured strength passes a limit that falls with the depth of the library. Widths, the scale
  of signalValue, scores and doubled summits depend on the dataset.

So part of expression can be learned from the element's own accessibility, part from the state that accessibility as a
whole reveals, and part (`hidden`, batch, noise) not at all. With the defaults, leaving out one lineage at a time: over
genes, the mean of the other samples correlates with a sample's log2(TPM + 1) at 0.91; with the sample's difference from
that mean, a kernel ridge on the ranks of promoter peaks correlates at 0.40 to 0.55 (seeds 0 to 2), the most similar
sample at 0.2 to 0.3, and the gene's own promoter at 0.37.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.files import whole_folder
from atac2rna.simulate.gtf_file import gencode_gtf
from atac2rna.simulate.landscape import KINDS, Landscape, build_landscape
from atac2rna.simulate.peak_file import narrow_peaks
from atac2rna.simulate.rna_file import rsem_table
from atac2rna.simulate.samples import SampleDesign, Truth, draw_truth
from atac2rna.simulate.settings import SimulationSettings

__all__ = ["Landscape", "Simulation", "SimulationSettings", "Truth", "simulate"]

ELEMENT_WIDTH = 300  # of the intervals of truth/elements.bed


@dataclass(frozen=True)
class Simulation:
    """A simulated atlas on disk and its truth.

    Attributes:
        folder: Where the files lie.
        samples: `samples.tsv`, the paired samples.
        atac_only: `atac_only.tsv`, two samples with peaks and no expression: a new donor of a known lineage, and a
            lineage that no other sample has.
        annotations: GTF by assembly (`sim1`, and `sim2` where there are two).
        settings: What was asked for.
        landscape: Genes, elements and links.
        truth: States, accessibility and expression.
    """

    folder: Path
    samples: Path
    atac_only: Path
    annotations: dict[str, Path]
    settings: SimulationSettings
    landscape: Landscape
    truth: Truth


def simulate(folder: Path, settings: SimulationSettings | None = None) -> Simulation:
    """Write a simulated atlas: peaks, RNA quantifications, annotation, sample sheets and the truth.

    Args:
        folder: Where to write; made, or empty. It appears when everything in it is complete.
        settings: What to simulate; None: the defaults. Equal settings give files equal to the byte.

    Returns:
        Paths and truth. The files: `samples.tsv`, `atac_only.tsv`, `peaks/*.narrowPeak.gz`, `rna/*.genes.results.gz`,
        `genes.gtf.gz` (and `genes_sim2.gtf.gz`), and in `truth/`: `elements.bed`, `links.tsv`, `expression.tsv.gz`
        (log2(TPM + 1) without batch, noise and counting), `settings.json`. Coordinates of the truth are those of sim1.

    Raises:
        InputError: If something is in `folder` already.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: a simulation is written to a new or empty folder; this one has files in it.")
    settings = settings or SimulationSettings()
    landscape = build_landscape(settings)
    truth = draw_truth(settings, landscape)
    names = {f"sim{i + 1}": f"genes{'_sim2' if i else ''}.gtf.gz" for i in range(settings.assemblies)}
    with whole_folder(folder) as new:
        for part in ("peaks", "rna", "truth"):
            (new / part).mkdir()
        for assembly, name in names.items():
            text = gencode_gtf(landscape, assembly=assembly, shift=_shift(landscape, assembly))
            _write_gzip(new / name, text)
        for column, sample in enumerate(truth.samples):
            _write_sample(new, settings, landscape, truth, sample, column)
        _write_sheet(new / "samples.tsv", [sample for sample in truth.samples if sample.paired])
        _write_sheet(new / "atac_only.tsv", [sample for sample in truth.samples if not sample.paired])
        _write_truth(new / "truth", settings, landscape, truth)
    return Simulation(
        folder=folder,
        samples=folder / "samples.tsv",
        atac_only=folder / "atac_only.tsv",
        annotations={assembly: folder / name for assembly, name in names.items()},
        settings=settings,
        landscape=landscape,
        truth=truth,
    )


def _shift(landscape: Landscape, assembly: str) -> NDArray[np.int64]:
    """Give the bp by which an assembly's coordinates differ from sim1, shape (chromosomes,)."""
    step = 12_347 if assembly == "sim2" else 0  # no multiple of any bin width
    return step * np.arange(1, len(landscape.chrom_length) + 1)


def _write_sample(
    folder: Path, settings: SimulationSettings, landscape: Landscape, truth: Truth, sample: SampleDesign, column: int
) -> None:
    peaks = narrow_peaks(
        settings,
        landscape,
        truth.accessibility[:, column],
        dataset=sample.dataset,
        shift=_shift(landscape, sample.assembly),
        rng=np.random.default_rng([settings.seed, 3, column]),
    )
    _write_gzip(folder / "peaks" / f"{sample.name}.narrowPeak.gz", _tsv(peaks, header=False))
    if sample.paired:
        rng = np.random.default_rng([settings.seed, 4, column])
        table = rsem_table(settings, landscape, truth.measured_level[:, column], rng=rng)
        _write_gzip(folder / "rna" / f"{sample.name}.genes.results.gz", _tsv(table))


def _write_sheet(path: Path, samples: list[SampleDesign]) -> None:
    rows = [
        {
            "sample": sample.name,
            "atac": f"peaks/{sample.name}.narrowPeak.gz",
            "rna": f"rna/{sample.name}.genes.results.gz" if sample.paired else "",
            "assembly": sample.assembly,
            "lineage": sample.lineage,
            "group": sample.group,
            "dataset": sample.dataset,
            "donor": sample.donor,
        }
        for sample in samples
    ]
    path.write_text(_tsv(pl.DataFrame(rows)))


def _write_truth(folder: Path, settings: SimulationSettings, landscape: Landscape, truth: Truth) -> None:
    names = list(landscape.chrom_length)
    element_names = np.array([f"element{i + 1}" for i in range(landscape.centre.size)])
    elements = pl.DataFrame(
        {
            "chrom": [names[i] for i in landscape.chrom],
            "start": landscape.centre - ELEMENT_WIDTH // 2,
            "end": landscape.centre + ELEMENT_WIDTH // 2,
            "name": element_names,
            "score": np.zeros(landscape.centre.size, dtype=np.int64),
            "strand": ["."] * landscape.centre.size,
            "kind": [KINDS[i] for i in landscape.kind],
        }
    )
    links = pl.DataFrame(
        {
            "element": element_names[landscape.link_element],
            "gene_id": landscape.genes.frame["gene_id"].to_numpy()[landscape.link_gene],
            "effect": np.round(landscape.link_effect, 6),
            "distance": landscape.link_distance,
        }
    )
    expression = pl.DataFrame(
        {
            "gene_id": landscape.genes.frame["gene_id"],
            **{sample.name: np.round(truth.expression[:, i], 5) for i, sample in enumerate(truth.samples)},
        }
    )
    (folder / "elements.bed").write_text(_tsv(elements, header=False))
    (folder / "links.tsv").write_text(_tsv(links))
    _write_gzip(folder / "expression.tsv.gz", _tsv(expression))
    (folder / "settings.json").write_text(settings.model_dump_json(indent=2) + "\n")


def _tsv(frame: pl.DataFrame, *, header: bool = True) -> str:
    return frame.write_csv(separator="\t", include_header=header, quote_style="never")


def _write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), 6, mtime=0))
