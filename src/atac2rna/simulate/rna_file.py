"""RSEM gene quantifications of simulated samples, as ENCODE publishes them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.simulate.landscape import Landscape
from atac2rna.simulate.settings import SimulationSettings

TRNAS = 20
SPIKE_INS = 12
READ_LENGTH = 100
SPIKE_SHARE = 0.01  # share of the reads that the spike-ins take
DISPERSION = 0.01  # of the negative binomial, between library preparations of one sample
_RSEM_COLUMNS = (
    "posterior_mean_count",
    "posterior_standard_deviation_of_count",
    "pme_TPM",
    "pme_FPKM",
    "TPM_ci_lower_bound",
    "TPM_ci_upper_bound",
    "FPKM_ci_lower_bound",
    "FPKM_ci_upper_bound",
)


def rsem_table(
    settings: SimulationSettings, landscape: Landscape, level: NDArray[np.float64], *, rng: np.random.Generator
) -> pl.DataFrame:
    """Draw the reads of one library and write them as RSEM does.

    Rows: tRNAs with whole numbers for ids (0, as they are shorter than a read), the genes with versioned ids sorted by
    id, the copy on Y of the last gene (always 0), spike-ins. The TPM of all rows together add up to a million.

    Args:
        settings: Number of reads; with 0 the counts are what they are expected to be among a million reads.
        landscape: Ids and lengths.
        level: log2 level of each gene in the library, shape (genes,).
        rng: The sample's own generator.

    Returns:
        The 15 columns of `genes.results`.
    """
    frame = landscape.genes.frame
    versioned = (frame["gene_id"] + "." + frame["version"]).to_list()
    ids = [str(30_001 + i) for i in range(TRNAS)] + [*versioned, f"{versioned[-1]}_PAR_Y"]
    ids += [f"gSpikein_ERCC-{i + 1:05d}" for i in range(SPIKE_INS)]
    length = np.concatenate(
        [
            np.full(TRNAS, 73),
            landscape.transcript_length,
            landscape.transcript_length[-1:],
            np.full(SPIKE_INS, 1000),
        ]
    ).astype(np.float64)
    effective = np.maximum(length - READ_LENGTH + 1, 0.0)
    spikes = SPIKE_SHARE * rng.dirichlet(np.full(SPIKE_INS, 0.5))
    of_genes = np.exp2(level) * effective[TRNAS : TRNAS + level.size]
    share = np.concatenate([np.zeros(TRNAS), (1 - SPIKE_SHARE) * of_genes / of_genes.sum(), [0.0], spikes])
    count = _reads(settings, share, rng)
    rate = np.divide(count, effective, out=np.zeros_like(count), where=effective > 0)
    tpm = rate / rate.sum() * 1e6
    fpkm = rate / count.sum() * 1e9
    spread = np.sqrt(count)
    rsem = (count, spread, tpm, fpkm, *(x * f for x in (tpm, fpkm) for f in (0.95, 1.05)))
    return pl.DataFrame(
        {
            "gene_id": ids,
            "transcript_id(s)": [_transcript(gene) for gene in ids],
            "length": np.round(length, 2),
            "effective_length": np.round(effective, 2),
            "expected_count": np.round(count, 2),
            "TPM": np.round(tpm, 4),
            "FPKM": np.round(fpkm, 4),
            **{name: np.round(values, 4) for name, values in zip(_RSEM_COLUMNS, rsem, strict=True)},
        }
    )


def _reads(settings: SimulationSettings, share: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    if settings.rna_reads == 0:
        return share * 1e6
    mean = share * settings.rna_reads
    return rng.poisson(mean * rng.gamma(1 / DISPERSION, DISPERSION, mean.size)).astype(np.float64)


def _transcript(gene: str) -> str:
    return gene.replace("ENSG", "ENST").replace("gSpikein", "tSpikein")
