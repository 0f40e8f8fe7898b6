"""Settings of a simulated atlas."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SimulationSettings(BaseModel):
    """What to simulate; the defaults give 24 paired samples of 8 lineages in a few seconds.

    Strengths and expression are on a log2 scale, so a standard deviation of 1 is a factor of 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, description="Equal settings give equal files, byte for byte.")
    lineages: int = Field(default=8, ge=2, description="Lineages with expression; one more has peaks only.")
    samples_per_lineage: int = Field(default=3, ge=1, description="The first two are replicates of one donor.")
    genes: int = Field(default=2000, ge=20, description="Genes over all chromosomes.")
    chromosomes: int = Field(default=4, ge=1, le=22, description="Chromosomes, named chr1, chr2, ...")
    assemblies: int = Field(default=1, ge=1, le=2, description="With 2, every second sample is in sim2: sim1 shifted.")
    gene_spacing: int = Field(default=15_000, ge=2_000, description="Mean distance between neighbouring TSSs, bp.")
    enhancers_per_gene: float = Field(default=3.0, ge=0, description="Mean number of enhancers of a gene.")
    decoys_per_gene: float = Field(default=1.0, ge=0, description="Open elements that act on no gene, per gene.")
    random_peaks: int = Field(default=400, ge=0, description="Peaks at places of no meaning, per sample.")
    state_dimensions: int = Field(default=14, ge=1, description="Dimensions of the latent state of a sample.")
    individuality: float = Field(
        default=0.35, ge=0, description="Sd of a donor's state around its lineage's, which is 1."
    )
    accessibility_noise: float = Field(
        default=0.5, ge=0, description="Sd of an element's strength that the state does not explain; it acts on genes."
    )
    signal_noise: float = Field(default=0.35, ge=0, description="Sd of the measurement of strength; acts on nothing.")
    trans: float = Field(default=0.5, ge=0, description="Sd of what the state does to a gene without its elements.")
    hidden: float = Field(
        default=0.45, ge=0, description="Sd of what a lineage does to a gene unseen in accessibility."
    )
    batch: float = Field(default=0.4, ge=0, description="Sd of a gene's offset between the two RNA pipelines.")
    expression_noise: float = Field(default=0.3, ge=0, description="Sd of a gene's expression in one sample.")
    rna_reads: int = Field(default=2_000_000, ge=0, description="Reads of a library; 0: no counting noise.")

    @model_validator(mode="after")
    def _every_chromosome_has_genes(self) -> Self:
        if self.genes < 2 * self.chromosomes:
            raise ValueError(
                f"a chromosome has two genes or more; got genes={self.genes} on chromosomes={self.chromosomes}. "
                "Ask for more genes or fewer chromosomes."
            )
        return self
