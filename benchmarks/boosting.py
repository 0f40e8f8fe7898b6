"""Gradient boosting on what `deep` is given of a (sample, gene) pair: a competitor for studies, not a model of the package."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from atac2rna.models.base import TrainingSet, training_deltas
from atac2rna.models.deep.memory import make_memory
from atac2rna.models.deep.rows import make_facts, make_rows
from atac2rna.models.deep.samples import Samples, arrange_samples, gene_order, view_sample
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.similarity import centre_gram, make_axes, ridge_coefficients, store_rows
from atac2rna.models.deep.windows import DeepWindow

Floats = NDArray[np.float32]


class Boosting:
    """Gradient boosting on what `deep` is given of a (sample, gene) pair."""

    name: ClassVar[str] = "boosting"
    per_gene: ClassVar[bool] = True
    _PLACE, _LOADINGS = 8, 8

    def __init__(self) -> None:
        self.representation = DeepWindow()
        self.settings = DeepSettings()

    def fit(self, training: TrainingSet) -> None:
        """Grow trees on leave-a-fold-out rows until held-out clusters no longer gain."""
        samples = arrange_samples(training, training.clusters)
        self._order = gene_order(training.gene_ids)
        store = store_rows(samples.row)
        gram = store.gram()
        names = np.random.default_rng(training.seed).permutation(np.unique(samples.groups))
        held_out = np.isin(samples.groups, names[: max(1, round(0.15 * len(names)))])
        rows = make_rows(samples, gram, held_out, self.settings, seed=training.seed)
        self._unit, loadings = rows.units.delta, rows.frame.basis[: self._LOADINGS].T
        self._loadings = loadings * len(loadings) ** 0.5

        def table(parts: Sequence[Any]) -> tuple[Floats, Floats]:
            x, y = [], []
            for part in parts:
                for i, row in enumerate(part.rows):
                    x.append(
                        self._columns(samples.window[row], samples.rank[row], part, part.similar[i], part.place[i])
                    )
                    y.append(part.target[i])
            return np.concatenate(x), np.concatenate(y)

        self._trees = HistGradientBoostingRegressor(
            max_iter=300,
            learning_rate=0.08,
            max_leaf_nodes=31,
            min_samples_leaf=50,
            l2_regularization=1.0,
            early_stopping=True,
            n_iter_no_change=15,
            random_state=training.seed,
        )
        x, y = table(rows.learn)
        x_check, y_check = table([part for part in (rows.check,) if part is not None])
        self._trees.fit(x, y, X_val=x_check, y_val=y_check)
        self._prepare(samples, gram, np.flatnonzero(~held_out))
        self._store = store

    def _prepare(self, samples: Samples, gram: NDArray[np.float64], learned: NDArray[np.intp]) -> None:
        """Keep what a test row is met by: all training samples."""
        everyone = np.arange(len(samples.names))
        self._memory = make_memory(samples, gram, everyone, without=everyone[:0], settings=self.settings)
        self._centring, centred = centre_gram(gram)
        deltas = training_deltas(samples.expression, self._memory.mean)
        self._coefficients = ridge_coefficients(centred, deltas, noise=self.settings.kernel_noise)
        self._axes = make_axes(gram[np.ix_(learned, learned)], components=self.settings.components)
        self._learned = learned

    def _columns(self, window: Floats, rank: Floats, part: Any, similar: Floats, place: Floats) -> Floats:
        """Lay out the columns of one sample, shape (genes, columns)."""
        facts = part.facts
        mean, bin_slope, slope = facts.window.numpy(), facts.bin_slope.numpy(), facts.slope.numpy()
        beyond, ranks = window - mean, rank - facts.rank.numpy()
        beside = (beyond * facts.own_ridge.numpy()).sum(axis=1)
        sample = np.broadcast_to(place[: self._PLACE], (len(window), len(place[: self._PLACE])))
        blocks = (
            beyond,
            mean,
            beyond * bin_slope,
            ranks,
            ranks * slope,
            facts.known.numpy(),
            similar[:, None],
            beside[:, None],
        )
        return np.concatenate([*blocks, sample, self._loadings], axis=1).astype(np.float32)

    def predict(self, inputs: Any) -> Floats:
        """Predict one sample, met by what all training samples tell."""
        view = view_sample(inputs, self._order)
        products = self._store.products(view.row)
        similar = (self._centring.apply(products) @ self._coefficients / self._unit).astype(np.float32)
        place = self._axes.coordinates(products[self._learned])

        unit = self._unit

        class Met:
            facts = make_facts(self._memory, unit)

        delta = self._trees.predict(self._columns(view.window, view.rank, Met, similar, place)) * self._unit
        predicted = np.empty(len(delta), dtype=np.float32)
        predicted[self._order] = self._memory.mean + delta
        return predicted

    def state(self) -> dict[str, NDArray[Any]]:
        """Refuse: it is not saved."""
        raise NotImplementedError("a competitor of a study; it is not saved")

    def load_state(self, state: Any) -> None:
        """Refuse: it is not saved."""
        raise NotImplementedError("a competitor of a study; it is not saved")
