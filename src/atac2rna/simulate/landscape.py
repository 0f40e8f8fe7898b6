"""Genes, regulatory elements and the links between them."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.simulate.settings import SimulationSettings

KINDS = ("promoter", "enhancer", "decoy")
MARGIN = 150_000  # bp without genes at both ends of a chromosome, so that no enhancer falls off
SPREAD = 200  # least distance between the centres of two elements, bp
PROMOTER_JITTER = 60  # most distance of a promoter's centre from the TSS, bp
PROMOTER_EFFECT = 0.5  # log2 level of the gene per log2 strength
ENHANCER_EFFECT = 0.25  # mean of a gamma distribution
ABUNDANT = 0.04  # share of the genes that are on that are on 90-fold
SILENCERS = 0.15  # share of enhancers whose effect is negative
SHARED = 0.2  # share of enhancers that act on a neighbouring gene too, half as strongly


@dataclass(frozen=True)
class Landscape:
    """What all samples share. Coordinates are those of sim1.

    Attributes:
        genes: Sorted by chromosome and start.
        transcript_length: Spliced length in bp, shape (genes,).
        base: log2 level of each gene in a cell of average state, shape (genes,).
        programme: How each gene answers to the state, shape (genes, state).
        chrom_length: By chromosome, in order.
        chrom: Index of the chromosome of each element, shape (elements,).
        centre: 0-based position of each element, shape (elements,); sorted within a chromosome.
        kind: Index into `KINDS`, shape (elements,).
        strength: log2 strength in a cell of average state, shape (elements,).
        loading: How each element's strength answers to the state, shape (elements, state).
        link_element: Element of each link, shape (links,).
        link_gene: Gene of each link, shape (links,).
        link_effect: Change of a gene's log2 level per unit of log2 strength, shape (links,).
    """

    genes: GeneTable
    transcript_length: NDArray[np.int64]
    base: NDArray[np.float64]
    programme: NDArray[np.float64]
    chrom_length: dict[str, int]
    chrom: NDArray[np.int64]
    centre: NDArray[np.int64]
    kind: NDArray[np.int64]
    strength: NDArray[np.float64]
    loading: NDArray[np.float64]
    link_element: NDArray[np.int64]
    link_gene: NDArray[np.int64]
    link_effect: NDArray[np.float64]

    @property
    def link_distance(self) -> NDArray[np.int64]:
        """Position of a link's element relative to its gene's TSS, bp, positive downstream, shape (links,)."""
        offset = self.centre[self.link_element] - self.genes.tss[self.link_gene]
        return np.where(self.genes.forward[self.link_gene], offset, -offset)


def build_landscape(settings: SimulationSettings) -> Landscape:
    """Draw genes, elements and links."""
    rng = np.random.default_rng([settings.seed, 1])
    genes, chrom_length = _genes(settings, rng)
    chrom_of = np.array([list(chrom_length).index(name) for name in genes.frame["chrom"]])
    base = _base_levels(genes, rng)
    # Some genes hardly answer to the state (housekeeping), some very much.
    gain = rng.lognormal(-0.25, 0.6, len(genes))[:, None]
    programme = gain * _directions(rng, len(genes), settings.state_dimensions)
    places = _places(settings, genes, chrom_of, chrom_length, rng)
    order = _uncrowded(places)
    row_of = np.full(places.shape[1], -1)
    row_of[order] = np.arange(order.size)
    element, gene, effect = _links(genes, chrom_of, places, rng)
    linked = row_of[element] >= 0
    chrom, centre, kind, owner = places[:, order]
    # The promoter of a gene that is on is open; enhancers and decoys tell nothing by their mean strength.
    strength = np.where(kind == 0, 2.0 + 0.3 * base[owner], 2.2) + rng.normal(0, 1.1, order.size)
    shared = np.where(kind == 2, 0.0, 0.6)[:, None]
    own = _directions(rng, order.size, settings.state_dimensions)
    loading = shared * programme[owner] + np.sqrt(1 - shared**2) * own
    return Landscape(
        genes=genes,
        transcript_length=_transcript_lengths(genes, rng),
        base=base,
        programme=programme,
        chrom_length=chrom_length,
        chrom=chrom,
        centre=centre,
        kind=kind,
        strength=strength,
        loading=np.where(kind == 0, 0.5, 1.0)[:, None] * loading,
        link_element=row_of[element[linked]],
        link_gene=gene[linked],
        link_effect=effect[linked],
    )


def _base_levels(genes: GeneTable, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw levels of genes that are on or off, as in real TPM: a gene's mean alone tells most of the variance."""
    coding = (genes.frame["biotype"] == "protein_coding").to_numpy()
    on = rng.random(len(genes)) < np.where(coding, 0.65, 0.25)
    level = np.where(on, rng.normal(4.5, 1.3, len(genes)), rng.normal(-1.5, 2.0, len(genes)))
    # A few genes take most of the million, as in real TPM.
    return level + np.where(on & (rng.random(len(genes)) < ABUNDANT), 6.5, 0.0)


def _directions(rng: np.random.Generator, count: int, dimensions: int) -> NDArray[np.float64]:
    """Draw vectors of length 1, most of it in a few dimensions, shape (count, dimensions)."""
    heavy: NDArray[np.float64] = rng.normal(size=(count, dimensions)) * rng.gamma(0.5, 1.0, (count, dimensions))
    heavy /= np.sqrt((heavy**2).sum(axis=1, keepdims=True))
    return heavy


def _genes(settings: SimulationSettings, rng: np.random.Generator) -> tuple[GeneTable, dict[str, int]]:
    frames, lengths = [], {}
    for index, count in enumerate(np.diff(np.linspace(0, settings.genes, settings.chromosomes + 1).astype(int))):
        tss = MARGIN + np.cumsum(
            rng.gamma(2.0, settings.gene_spacing / 2, count).astype(np.int64) + SPREAD + 2 * PROMOTER_JITTER
        )
        forward = rng.random(count) < 0.5
        length = np.clip(rng.lognormal(np.log(8_000), 1.0, count), 600, 60_000).astype(np.int64)
        start = np.where(forward, tss, tss - length + 1)
        lengths[f"chr{index + 1}"] = int(tss[-1]) + MARGIN
        frames.append(
            pl.DataFrame(
                {
                    "chrom": [f"chr{index + 1}"] * count,
                    "start": start,
                    "end": start + length,
                    "strand": np.where(forward, "+", "-"),
                    "biotype": np.where(rng.random(count) < 0.85, "protein_coding", "lncRNA"),
                    "version": rng.integers(1, 20, count).astype(str),
                }
            ).sort("start", maintain_order=True)
        )
    frame = pl.concat(frames).with_row_index("i", offset=1)
    number = pl.col("i").cast(pl.String)
    # Real human ids begin with ENSG00000; these can be taken for no real gene.
    frame = frame.with_columns(gene_id="ENSG99" + number.str.zfill(9), gene_name="SIM" + number)
    return GeneTable("sim1", frame.select([pl.col(c).cast(t) for c, t in GENE_SCHEMA.items()])), lengths


def _transcript_lengths(genes: GeneTable, rng: np.random.Generator) -> NDArray[np.int64]:
    body: NDArray[np.int64] = (genes.frame["end"] - genes.frame["start"]).to_numpy().astype(np.int64)
    return np.minimum(rng.lognormal(np.log(2_000), 0.6, len(genes)).astype(np.int64) + 300, body)


def _places(
    settings: SimulationSettings,
    genes: GeneTable,
    chrom_of: NDArray[np.int64],
    chrom_length: dict[str, int],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw chromosome, centre, kind and owner (a gene; 0 for decoys) of each element, shape (4, elements)."""
    tss = genes.tss.astype(np.int64)
    owner = np.repeat(np.arange(tss.size), rng.poisson(settings.enhancers_per_gene, tss.size))
    distance = np.exp(rng.uniform(np.log(1_000), np.log(100_000), owner.size)).astype(np.int64)
    side = np.where(rng.random(owner.size) < 0.5, 1, -1)
    lengths = np.array(list(chrom_length.values()))
    decoys = int(settings.decoys_per_gene * tss.size)
    decoy_chrom = rng.integers(0, lengths.size, decoys)
    columns = (
        (chrom_of, chrom_of[owner], decoy_chrom),
        (
            tss + rng.integers(-PROMOTER_JITTER, PROMOTER_JITTER, tss.size),
            tss[owner] + side * distance,
            rng.integers(10_000, lengths[decoy_chrom] - 10_000),
        ),
        (np.zeros_like(tss), np.ones_like(owner), np.full(decoys, 2)),
        (np.arange(tss.size), owner, np.zeros(decoys, dtype=np.int64)),
    )
    return np.stack([np.concatenate(column) for column in columns]).astype(np.int64)


def _links(
    genes: GeneTable, chrom_of: NDArray[np.int64], places: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Draw element, gene and effect of each link: an element's own gene, and for some enhancers a neighbour too."""
    real = np.flatnonzero(places[2] < 2)
    chrom, centre, kind, owner = places[:, real]
    effect = np.where(kind == 0, PROMOTER_EFFECT, rng.gamma(2.0, ENHANCER_EFFECT / 2, real.size))
    effect *= np.where((kind == 1) & (rng.random(real.size) < SILENCERS), -1, 1)
    neighbour = np.clip(owner + np.where(rng.random(real.size) < 0.5, 1, -1), 0, chrom_of.size - 1)
    also = (kind == 1) & (rng.random(real.size) < SHARED) & (neighbour != owner) & (chrom_of[neighbour] == chrom)
    also &= np.abs(genes.tss[neighbour] - centre) < 100_000
    return (
        np.concatenate([real, real[also]]),
        np.concatenate([owner, neighbour[also]]),
        np.concatenate([effect, 0.5 * effect[also]]),
    )


def _uncrowded(places: NDArray[np.int64]) -> NDArray[np.intp]:
    """Give the elements in the order of their places, without those too close to another; promoters always stay."""
    promoter = np.flatnonzero(places[2] == 0)
    laid = places[1] + places[0] * (places[1].max() + SPREAD)  # chromosomes end to end
    edges = np.sort(laid[promoter])
    at = np.searchsorted(edges, laid)
    left, right = edges[np.maximum(at - 1, 0)], edges[np.minimum(at, edges.size - 1)]
    free = (np.abs(laid - left) >= SPREAD) & (np.abs(right - laid) >= SPREAD)
    kept = []
    last = -SPREAD
    for element in np.argsort(laid, kind="stable"):
        if places[2, element] == 0:
            kept.append(element)
        elif free[element] and laid[element] - last >= SPREAD:
            kept.append(element)
            last = laid[element]
    return np.array(kept, dtype=np.intp)
