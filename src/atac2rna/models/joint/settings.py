"""Settings of `joint`; the defaults were chosen by nested hold-out (docs/models.md)."""

from pydantic import Field

from atac2rna.models.settings import ModelSettings


class JointSettings(ModelSettings):
    """Settings of `joint`.

    Attributes:
        own_weight: Weight of the own-gene kernel beside the kernel of all genes, whose mean diagonal is 1.
        own_noise: Ridge on the diagonal of their sum.
        evidence_penalty: Ridge penalty of the local evidence, on its sum of squares.
        state_noise: Ridge of the state, relative to the mean evidence of a known profile.
        nuisance: Prior scale of what disturbs the evidence, in units of the errors that training samples show.
        members: Small networks that refine the stack, averaged; 0: the stack alone.
        epochs: Passes of each network over the inner held-out predictions.
    """

    own_weight: float = Field(default=0.1, ge=0)
    own_noise: float = Field(default=0.03, gt=0)
    evidence_penalty: float = Field(default=30.0, gt=0)
    state_noise: float = Field(default=0.03, gt=0)
    nuisance: float = Field(default=3.0, ge=0)
    members: int = Field(default=3, ge=0)
    epochs: int = Field(default=6, ge=1)
