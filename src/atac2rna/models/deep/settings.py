"""Settings of `deep`."""

from pydantic import Field

from atac2rna.models.settings import ModelSettings


class DeepSettings(ModelSettings):
    """Settings of `deep`.

    Attributes:
        channels: Channels of the convolution over a window.
        hidden: Width of a gene's local vector and of its head.
        embedding: Length of what is learned of each gene.
        state: Length of the sample's state.
        components: Directions of expression and of accessibility, at most, in which a state is expressed.
        evidence: Channels of evidence that each gene gives to the state.
        epochs: Passes over the training samples, at most.
        blind_epochs: Passes where there are too few clusters to hold any out for early stopping.
        patience: Epochs without improvement on held-out clusters before stopping.
        members: Networks that are averaged; each holds out other clusters and starts from other weights.
        validation_share: Share of the clusters held out for early stopping.
        folds: Parts, at most, into which clusters are grouped so that a training row is seen as a test row would be.
        batch: Samples a step, at most.
        rows_a_step: (sample, gene) pairs a step, about; bounds memory where there are many genes.
        learning_rate: Of AdamW, at its peak.
        weight_decay: Of AdamW.
        embedding_decay: Of AdamW, for what is learned of each gene.
        dropout: Share of hidden units that is dropped.
        state_dropout: Share of the state's inputs that is dropped.
        input_noise: Standard deviation of noise added to windows and ranks, in units of their spread.
        kernel_noise: Ridge of the similarity of samples, as in `kernel`.
        checkpoint: Folder in which an interrupted fit is found again; empty: none.
        seed: Seed of weights, noise and inner splits; None: that of the training set.
    """

    channels: int = Field(default=8, gt=0)
    hidden: int = Field(default=48, gt=0)
    embedding: int = Field(default=16, gt=0)
    state: int = Field(default=32, gt=0)
    components: int = Field(default=48, gt=0)
    evidence: int = Field(default=8, gt=0)
    epochs: int = Field(default=30, gt=0)
    blind_epochs: int = Field(default=8, gt=0)
    patience: int = Field(default=6, gt=0)
    members: int = Field(default=4, gt=0)
    validation_share: float = Field(default=0.15, gt=0, lt=1)
    folds: int = Field(default=8, gt=1)
    batch: int = Field(default=16, gt=0)
    rows_a_step: int = Field(default=40_000, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    embedding_decay: float = Field(default=1e-1, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    state_dropout: float = Field(default=0.3, ge=0, lt=1)
    input_noise: float = Field(default=0.1, ge=0)
    kernel_noise: float = Field(default=0.1, gt=0)
    checkpoint: str = ""
    seed: int | None = None
