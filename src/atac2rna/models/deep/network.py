"""The network: windows of all genes -> each gene's evidence -> the sample's state -> each gene's delta.

Shapes: S samples of a step, G genes, B bins, K scales of ranks, D directions of expression in a memory, F of them in
the frame, A axes of accessibility.

    window (S, G, B), the mean window, window times slope --conv--> local (S, G, H) --> evidence (S, G)
    evidence --directions of the memory, shrunk--> trans (S, G) --frame--> S, F
    local --> channels (S, G, C), each gene's own mixture --> pooled (S, E * C)
    S, F + S, A + pooled --> state (S, Z)
    local, gene (G, E), state --FiLM--> head (S, G)
    delta = evidence, trans, similar (kernel ridge), beside (own ridge), each by a gain, + head + gene . map(state)
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from atac2rna.models.deep.rows import Batch
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.windows import SCALES

KNOWN = 3
_KERNEL = 5


class Shape(NamedTuple):
    """Sizes that the training samples set: genes, bins, directions of the frame, axes of accessibility."""

    genes: int
    bins: int
    directions: int
    axes: int


class Output(NamedTuple):
    """What the network says, in units of `Units.delta`: what the window alone tells, (S, G), and `PARTS`, (6, S, G)."""

    evidence: Tensor
    parts: Tensor

    @property
    def delta(self) -> Tensor:
        """The predicted delta, (S, G)."""
        return self.parts.sum(dim=0)


class DeepNetwork(nn.Module):
    """One network. Its buffers are the frame: directions, weights and units of the samples it was trained on."""

    frame: Tensor
    frame_scale: Tensor
    rank_unit: Tensor
    slope_unit: Tensor
    bin_unit: Tensor

    def __init__(self, shape: Shape, settings: DeepSettings) -> None:
        """Make layers without values; `start` or `load_state_dict` gives them."""
        super().__init__()
        self.shape, self.settings = shape, settings
        h, e, z, c = settings.hidden, settings.embedding, settings.state, settings.channels
        self.conv = nn.Conv1d(3, c, _KERNEL, padding=_KERNEL // 2)
        self.at_bin = nn.Parameter(torch.zeros(c, shape.bins))
        self.from_window = nn.Linear(c * shape.bins, h)
        self.from_rank = nn.Linear(2 * SCALES + KNOWN + 1, h)
        self.deepen = nn.Linear(h, h)
        self.to_evidence = nn.Linear(h, 1)
        self.slopes = nn.Parameter(torch.zeros(SCALES))
        self.noise = nn.Parameter(torch.zeros(1))
        self.gene = nn.Parameter(torch.zeros(shape.genes, e))
        self.gene_from_frame = nn.Linear(shape.directions, e, bias=False)
        self.to_channels = nn.Linear(h, settings.evidence)
        self.to_state = nn.Linear(shape.directions + shape.axes + e * settings.evidence, 2 * z)
        self.state = nn.Linear(2 * z, z)
        self.head_local = nn.Linear(h, h)
        self.head_gene = nn.Linear(e + KNOWN, h, bias=False)
        self.head_state = nn.Linear(z, h, bias=False)
        self.film_state = nn.Linear(z, h)
        self.film_gene = nn.Linear(e, h)
        self.read_gene = nn.Linear(e, h)
        self.head = nn.Linear(h, 1)
        self.map_state = nn.Linear(z, e)
        self.gains = nn.Parameter(torch.zeros(4))
        self.register_buffer("frame", torch.zeros(shape.directions, shape.genes))
        self.register_buffer("frame_scale", torch.zeros(shape.directions))
        self.register_buffer("rank_unit", torch.ones(SCALES))
        self.register_buffer("slope_unit", torch.ones(SCALES))
        self.register_buffer("bin_unit", torch.ones(1))

    def start(self, generator: torch.Generator) -> None:
        """Draw initial weights. The network begins as a sum of evidence, trans and similar parts; the head as 0."""
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Linear | nn.Conv1d):
                    bound = (layer.weight[0].numel()) ** -0.5
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    if layer.bias is not None:
                        layer.bias.zero_()
            self.gene.normal_(0, 0.3, generator=generator)
            self.at_bin.normal_(0, 0.1, generator=generator)
            self.slopes.fill_(0.2)
            self.noise.fill_(-3.5)  # log of 0.03, the ridge of the study
            self.gains.copy_(torch.tensor([0.2, 0.5, 0.4, 0.3]))
            for last in (self.head, self.map_state):
                last.weight.zero_()

    def forward(self, batch: Batch) -> Output:
        """Predict the deltas of some samples; each sees no other."""
        local, slope, beside = self._local(batch)
        evidence = self.to_evidence(local)[..., 0] + slope @ self.slopes  # (S, G)
        trans = self._trans(evidence, batch)
        gene = self.gene + self.gene_from_frame((self.frame * self.shape.genes**0.5).T)  # (G, E)
        state = self._state(local, trans, gene, batch)
        hidden = (
            self.head_local(local) * (1 + self.read_gene(gene))
            + self.head_gene(torch.cat([gene, batch.facts.known], dim=1))
            + self.head_state(state)[:, None]
        )
        hidden = hidden * (1 + self.film_state(state)[:, None] * self.film_gene(gene))  # (S, G, H)
        own = self.head(self._drop(functional.gelu(hidden)))[..., 0]
        shared = self.map_state(state) @ gene.T  # (S, G)
        linear = (evidence, trans, batch.similar, beside)
        gained = [gain * part for gain, part in zip(self.gains, linear, strict=True)]
        return Output(evidence, torch.stack([*gained, own, shared]))

    def _local(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Read each window beside its mean, (S, G, H); give slope times rank, (S, G, K), and the own ridge, (S, G)."""
        facts = batch.facts
        beyond = batch.window - facts.window
        rank = (batch.rank - facts.rank) / self.rank_unit
        slope = (batch.rank - facts.rank) * facts.slope / self.slope_unit
        if self.training and self.settings.input_noise:
            beyond = beyond + self.settings.input_noise * torch.randn_like(beyond)
            rank = rank + self.settings.input_noise * torch.randn_like(rank)
        s, g, b = beyond.shape
        sloped = beyond * facts.bin_slope / self.bin_unit
        three = torch.stack([beyond, facts.window.expand_as(beyond), sloped], dim=2).view(s * g, 3, b)  # (S * G, 3, B)
        read = functional.relu(self.conv(three) + self.at_bin).view(s, g, -1)  # (S, G, channels * B)
        beside = (beyond * facts.own_ridge).sum(dim=2)
        ranks = torch.cat([rank, slope, facts.known.expand(s, -1, -1), beside[..., None]], dim=2)
        local = functional.gelu(self.from_window(read) + self.from_rank(ranks))
        return functional.gelu(self.deepen(self._drop(local))) + local, slope, beside

    def _trans(self, evidence: Tensor, batch: Batch) -> Tensor:
        """Give what all genes' evidence together says of each: the posterior mean in the space of known profiles, (S, G).

        The best linear unbiased predictor of MODELLING.md, step 6, with evidence and ridge learned: coordinates along
        each direction of the memory, each shrunk by its variance over that plus noise.
        """
        facts = batch.facts
        root = facts.weight.sqrt()
        centred = evidence - evidence.mean(dim=1, keepdim=True)
        along = (root * centred) @ facts.basis.T  # (S, D)
        shrink = facts.power / (facts.power + self.noise.exp())
        return (shrink * along) @ facts.basis / root

    def _state(self, local: Tensor, trans: Tensor, gene: Tensor, batch: Batch) -> Tensor:
        """Infer the state of each sample, (S, Z), from expression as revealed, accessibility, and learned pooling."""
        told = (trans * batch.facts.weight.sqrt()) @ self.frame.T * self.frame_scale  # (S, F)
        channels = self.to_channels(local)  # (S, G, C)
        pooled = torch.einsum("sgc,ge->sec", channels, gene) / self.shape.genes**0.5
        seen = torch.cat([told, batch.place, pooled.flatten(1)], dim=1)
        seen = functional.dropout(seen, self.settings.state_dropout, training=self.training)
        hidden = functional.gelu(self.to_state(seen))
        return torch.tanh(self.state(hidden))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.settings.dropout, training=self.training)
