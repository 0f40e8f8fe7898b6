"""Model `deep`: a network in which all genes together reveal the sample, and the sample tells how to read each window."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import TrainingSet, training_deltas
from atac2rna.models.deep.memory import Memory, make_memory
from atac2rna.models.deep.samples import Samples, arrange_samples, gene_order, view_sample
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.similarity import (
    Axes,
    Centring,
    Doubles,
    RowStore,
    centre_gram,
    ridge_coefficients,
    store_rows,
)
from atac2rna.models.deep.stack import PARTS, stack_weights
from atac2rna.models.deep.windows import DeepWindow, Floats
from atac2rna.models.inner_groups import choose_groups

if TYPE_CHECKING:
    from atac2rna.models.deep.network import DeepNetwork
    from atac2rna.models.deep.rows import Rows

MIN_SAMPLES = 8
MIN_GROUPS = 5
"""With fewer samples or groups none can be spared for early stopping."""

_State = dict[str, NDArray[Any]]


class Deep:
    """Network from the windows of all genes to their expression beyond the training mean.

    Attributes:
        settings: As given.
        notes: What the last fit wants known, such as early stopping that was not possible.
        losses: Of each member: (training, held-out) loss of each epoch, in units of the deltas' variance.
    """

    name: ClassVar[str] = "deep"
    per_gene: ClassVar[bool] = True
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[DeepSettings]] = DeepSettings

    def __init__(self, settings: DeepSettings | None = None) -> None:
        """Take the settings."""
        self.settings = settings or self.Settings()
        self.representation = DeepWindow()
        self.notes: tuple[str, ...] = ()
        self.losses: list[list[tuple[float, float]]] = []
        self._fitted: _State | None = None
        self._networks: list[DeepNetwork] = []

    def fit(self, training: TrainingSet) -> None:
        """Learn from the training samples; a second call starts anew."""
        from atac2rna.models.deep.rows import make_rows
        from atac2rna.models.deep.training import train_network

        seed = training.seed if self.settings.seed is None else self.settings.seed
        groups, self.notes = choose_groups(training)
        samples = arrange_samples(training, groups)
        spared, more = self._spared(samples.groups, seed)
        self.notes += more
        store = store_rows(samples.row)
        gram = store.gram()
        fitted = self._known(samples, store, gram)
        fitted["order"] = gene_order(training.gene_ids).astype(np.int32)
        checkpoints = self._checkpoints(samples, seed)
        self.losses = []
        moments = []
        for member, held_out in enumerate(spared):
            rows = make_rows(samples, gram, held_out, self.settings, seed=seed + member)
            checkpoint = checkpoints[member] if checkpoints else None
            trained = train_network(rows, self.settings, seed=seed * 100 + member, checkpoint=checkpoint)
            self.losses.append(trained.losses)
            moments += [trained.moments] if trained.moments is not None else []
            fitted |= _member_state(member, rows, np.flatnonzero(~held_out), trained.network)
        fitted["stack"] = stack_weights(moments) if moments else np.ones(len(PARTS), dtype=np.float32)
        self.load_state(fitted)
        for checkpoint in checkpoints:
            checkpoint.remove()

    def predict(self, inputs: Any) -> Floats:
        """Predict log2(TPM + 1) of one sample, shape (genes,); NaN for genes of which no expression was seen."""
        import torch

        from atac2rna.models.deep.rows import Batch, make_facts

        if self._fitted is None:
            raise ValueError("a model predicts after fit or load_state; call one of them first")
        f = self._fitted
        view = view_sample(inputs, f["order"])
        products = RowStore(f["row_basis"], f["row_mix"]).products(view.row)
        similar = _centring(f, "rows").apply(products) @ f["coefficients"]
        memory = Memory(*(f[f"memory_{name}"] for name in Memory._fields))
        total = np.zeros(len(f["order"]), dtype=np.float64)
        for member, network in enumerate(self._networks):
            unit = float(f[f"member{member}_unit"][0])
            facts = make_facts(memory, unit)
            axes = Axes(_centring(f, f"member{member}"), f[f"member{member}_axes"])
            place = axes.coordinates(products[f[f"member{member}_rows"]])
            blank = np.zeros((1, total.size), dtype=np.float32)
            arrays = (view.window[None], view.rank[None], similar[None] / unit, place[None], blank, blank)
            batch = Batch(facts, *(torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in arrays))
            with torch.no_grad():
                total += unit * (f["stack"] @ network(batch).parts[:, 0].double().numpy())
        predicted = np.empty(total.size, dtype=np.float32)
        predicted[f["order"]] = memory.mean + total / len(self._networks)
        return predicted

    def state(self) -> _State:
        """Give everything fitted as arrays."""
        if self._fitted is None:
            raise ValueError("a model has a state after fit or load_state; call one of them first")
        return dict(self._fitted)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""
        import torch

        from atac2rna.models.deep.network import DeepNetwork, Shape

        self._fitted = {key: np.asarray(value) for key, value in state.items()}
        f = self._fitted
        self._networks = []
        for member in range(int(f["members"][0])):
            prefix = f"member{member}_network."
            tensors = {k.removeprefix(prefix): torch.from_numpy(v) for k, v in f.items() if k.startswith(prefix)}
            genes, bins = f["memory_window"].shape
            shape = Shape(genes, bins, len(tensors["frame"]), f[f"member{member}_axes"].shape[1])
            with torch.device("meta"):  # draws no random number of the process
                network = DeepNetwork(shape, self.settings)
            network.load_state_dict(tensors, assign=True)
            self._networks.append(network.eval())

    def _known(self, samples: Samples, store: RowStore, gram: Doubles) -> _State:
        """What all training samples tell a test row, as `rows` does for the folds."""
        everyone = np.arange(len(samples.names))
        memory = make_memory(samples, gram, everyone, without=everyone[:0], settings=self.settings)
        centring, centred = centre_gram(gram)
        deltas = training_deltas(samples.expression, memory.mean)
        return {
            **{f"memory_{name}": value for name, value in memory._asdict().items()},
            **_centring_state("rows", centring),
            "row_basis": store.basis,
            "row_mix": store.mix,
            "coefficients": ridge_coefficients(centred, deltas, noise=self.settings.kernel_noise),
            "members": np.array([self.settings.members], dtype=np.int32),
        }

    def _spared(self, groups: NDArray[np.str_], seed: int) -> tuple[list[NDArray[np.bool_]], tuple[str, ...]]:
        """Choose the groups that each member holds out for early stopping, shape (samples,); others for each if possible."""
        names = np.unique(groups)
        if len(groups) < MIN_SAMPLES or len(names) < MIN_GROUPS:
            return [np.zeros(len(groups), dtype=bool)] * self.settings.members, (
                f"no early stopping: {len(groups)} training samples in {len(names)} groups are fewer than the "
                f"{MIN_SAMPLES} in {MIN_GROUPS} of which some can be spared; the fit ends after "
                f"{min(self.settings.epochs, self.settings.blind_epochs)} epochs",
            )
        count = max(1, round(self.settings.validation_share * len(names)))
        shuffled = np.random.default_rng([seed, 3]).permutation(names)
        chosen = [np.roll(shuffled, -member * count)[:count] for member in range(self.settings.members)]
        return [np.isin(groups, own) for own in chosen], ()

    def _checkpoints(self, samples: Samples, seed: int) -> "list[Any]":
        """Name the checkpoint of each member; none where there is no folder for them."""
        from atac2rna.models.deep.checkpoint import Checkpoint

        if not self.settings.checkpoint:
            return []
        digest = sha256(self.settings.model_dump_json(exclude={"checkpoint"}).encode())
        for part in (samples.window, samples.rank, samples.expression, samples.profiles, samples.barred):
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("\n".join([str(seed), *samples.names, *samples.groups]).encode())
        folder = Path(self.settings.checkpoint)
        return [
            Checkpoint(folder / f"member{member}.safetensors", f"{digest.hexdigest()}-{member}")
            for member in range(self.settings.members)
        ]


class DeepPaired(Deep):
    """`deep` from paired samples alone, beside which `deep` with a compendium is always reported."""

    name: ClassVar[str] = "deep-paired"


def _member_state(member: int, rows: "Rows", learned: NDArray[np.intp], network: "DeepNetwork") -> _State:
    tensors = {f"member{member}_network.{key}": value.numpy() for key, value in network.state_dict().items()}
    return {
        **tensors,
        **_centring_state(f"member{member}", rows.axes.centring),
        f"member{member}_axes": rows.axes.axes,
        f"member{member}_rows": learned.astype(np.int32),
        f"member{member}_unit": np.array([rows.units.delta], dtype=np.float32),
    }


def _centring_state(prefix: str, centring: Centring) -> _State:
    return {f"{prefix}_column": centring.column, f"{prefix}_total": np.array([centring.total])}


def _centring(state: Mapping[str, NDArray[Any]], prefix: str) -> Centring:
    return Centring(state[f"{prefix}_column"], float(state[f"{prefix}_total"][0]))
