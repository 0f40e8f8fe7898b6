"""A trained model at work: from peaks to expression, intervals and a verdict."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from atac2rna.domain import Domain, infer_assembly, judge
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable, canonical_assembly
from atac2rna.models import store
from atac2rna.models.base import IntervalModel, training_mean
from atac2rna.models.card import model_name
from atac2rna.models.store import TrainedModel
from atac2rna.peaks import Peaks
from atac2rna.prediction.admission import FROM_TRACK, admit, require_peaks
from atac2rna.prediction.gene_places import GenePlaces, find_places, places_of, read_places, shipped_places
from atac2rna.prediction.header import model_header, remarks_of, sample_header
from atac2rna.prediction.result import Prediction, Predictions
from atac2rna.prediction.sources import (
    ReadSample,
    Sample,
    Source,
    Sources,
    is_several,
    many_samples,
    one_sample,
    read_sample,
)

LEVELS = (0.5, 0.99)
"""Lowest and highest level of an interval."""

Annotation = str | Path | GeneTable


@dataclass(frozen=True)
class PredictionSettings:
    """How samples are predicted.

    Attributes:
        interval: Share of the genes that the interval of a gene is to hold, 0.5 to 0.99.
        force: Go on in spite of a wrong assembly, too few peaks or too many, with a remark.
    """

    interval: float = 0.8
    force: bool = False

    def __post_init__(self) -> None:
        """Check the level."""
        if not LEVELS[0] <= self.interval <= LEVELS[1]:
            raise InputError(f"the level of an interval is {LEVELS[0]} to {LEVELS[1]}; got {self.interval}. Write 0.8.")


class Predictor:
    """A trained model that predicts samples; each by itself, whatever is predicted beside it.

    Attributes:
        trained: The model with its genes.
        name: Its name, for the head of the files.
    """

    def __init__(self, trained: TrainedModel, *, name: str) -> None:
        """Take the model and its name."""
        self.trained = trained
        self.name = name

    @property
    def gene_ids(self) -> tuple[str, ...]:
        """Ids of the genes predicted, in order."""
        return self.trained.gene_ids

    @property
    def assemblies(self) -> tuple[str, ...]:
        """Assemblies whose genes the model knows."""
        return tuple(self.trained.tables)

    @cached_property
    def training_mean(self) -> NDArray[np.float32]:
        """Mean of each gene over the training samples, shape (genes,); NaN where the model does not keep them."""
        experience = self.trained.experience
        if experience is None:
            return np.full(len(self.gene_ids), np.nan, dtype=np.float32)
        return training_mean(experience.expression)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is a sequence of str
        self,
        source: Source,
        *,
        assembly: str | None = None,
        sample: str | None = None,
        annotation: Annotation | None = None,
        interval: float = 0.8,
        force: bool = False,
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        source: Sources,
        *,
        assembly: str | None = None,
        sample: None = None,
        annotation: Annotation | None = None,
        interval: float = 0.8,
        force: bool = False,
    ) -> Predictions: ...
    def predict(
        self,
        source: Source | Sources,
        *,
        assembly: str | None = None,
        sample: str | None = None,
        annotation: Annotation | None = None,
        interval: float = 0.8,
        force: bool = False,
    ) -> Prediction | Predictions:
        """Predict the expression of one sample, or of several.

        Args:
            source: A peak file (`-`: standard input), a polars or pandas DataFrame of intervals with chrom, start and end
                (0-based half-open) and where known summit, signal, score, or `Peaks`: one sample. A list of these, a
                mapping of names to these (a list there: replicates of one sample), or an AnnData of accessibility, samples
                x peaks, with chrom, start and end in var: several.
            assembly: Assembly of the peaks; None: inferred from the promoters that they hit.
            sample: Name of a single sample; None: as its file.
            annotation: Gene table, or file of one, of an assembly that the model does not know; ids as in the model.
            interval: Share of the genes that the interval is to hold, 0.5 to 0.99.
            force: Go on in spite of an assembly that is clearly wrong, of too few peaks or too many.

        Raises:
            InputError: If the peaks cannot be read, are not of the assembly, too few or too many; or the assembly is unknown.
        """
        settings = PredictionSettings(interval, force)
        if assembly is not None and not isinstance(assembly, str):
            raise InputError(f"an assembly is a name; got assembly={assembly!r}. Write assembly='hg38'.")
        places = self.places(annotation, assembly=assembly)
        if isinstance(annotation, GeneTable) and assembly is None:
            assembly = annotation.assembly
        if is_several(source):
            if sample is not None:
                raise InputError(
                    f"sample= names a single sample; got several. Give a mapping of names in place of {sample!r}."
                )
            samples = many_samples(source, assembly=assembly)
            return Predictions(tuple(self.predict_sample(one, places, settings) for one in samples))
        one = one_sample(source, name=sample, assembly=assembly)  # type: ignore[arg-type]
        return self.predict_sample(one, places, settings)

    def places(self, annotation: Annotation | None = None, *, assembly: str | None = None) -> dict[str, GenePlaces]:
        """Give the genes in every assembly that the model knows, and in that of an annotation.

        Raises:
            InputError: If it is not said which assembly the annotation is of, or it cannot be read.
        """
        if annotation is None:
            return self._known_places
        if isinstance(annotation, GeneTable):
            return self.places_with({annotation.assembly: annotation})
        if assembly is None:
            raise InputError(f"an annotation is of an assembly; pass assembly= with annotation={str(annotation)!r}.")
        return self.places_with({assembly: Path(annotation).expanduser()})

    def places_with(self, annotations: Mapping[str, Path | GeneTable]) -> dict[str, GenePlaces]:
        """Give the genes in every assembly that the model knows, and in those of annotations, which win.

        Raises:
            InputError: If an annotation cannot be read or shares too few genes.
        """
        genes = next(iter(self.trained.tables.values()))
        given = {canonical_assembly(name): table for name, table in annotations.items()}
        read = {name: read_places(genes, table, assembly=name) for name, table in given.items()}
        return {**self._known_places, **read}

    @cached_property
    def _known_places(self) -> dict[str, GenePlaces]:
        """The genes in every assembly of the model, and in those of the shipped model where the ids are the same."""
        own = places_of(self.trained.tables)
        genes = next(iter(self.trained.tables.values()))
        return {**own, **shipped_places(genes, known=own)}

    def predict_each(
        self,
        samples: Sequence[Sample],
        places: Mapping[str, GenePlaces],
        settings: PredictionSettings,
        *,
        workers: int = 1,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Generator[Prediction]:
        """Predict samples in their order, a few ahead of the one that is asked for, so that few are held at a time.

        Args:
            samples: The samples.
            places: See `places`.
            settings: See `PredictionSettings`.
            workers: Samples predicted at a time.
            progress: Told of every sample predicted.

        Raises:
            InputError: As `predict`; no further sample is then begun.
        """
        with ThreadPoolExecutor(workers) as pool:
            try:
                waiting = deque(samples)
                ahead = deque(
                    pool.submit(self.predict_sample, waiting.popleft(), places, settings) for _ in samples[:workers]
                )
                while ahead:
                    one = ahead.popleft().result()
                    if waiting:
                        ahead.append(pool.submit(self.predict_sample, waiting.popleft(), places, settings))
                    progress(f"predicted {one.sample}")
                    yield one
            finally:
                pool.shutdown(cancel_futures=True)

    def predict_sample(
        self, sample: Sample, places: Mapping[str, GenePlaces], settings: PredictionSettings
    ) -> Prediction:
        """Predict one sample; see `predict`."""
        read = read_sample(sample)
        said = None if sample.assembly is None else canonical_assembly(sample.assembly)
        here, how = self._place(sample, read.peaks, places, said, force=settings.force)
        remarks = admit(sample.name, read.peaks, {**places, here.genes.assembly: here}, here, force=settings.force)
        remarks += [FROM_TRACK] if read.track else []
        model = self.trained.model
        inputs = model.representation(read.peaks, here.genes)
        predicted = np.where(here.located, model.predict(inputs), np.nan).astype(np.float32)
        low = high = np.full_like(predicted, np.nan)
        if isinstance(model, IntervalModel):
            low, high = (
                np.where(here.located, end, np.nan).astype(np.float32)
                for end in model.bounds(inputs, level=settings.interval)
            )
        if np.isnan(low).all():
            remarks.append("This model gives no intervals.")
        domain = self._judge(read, places, here)
        remarks = [*remarks_of(domain), *remarks]
        return Prediction(
            sample=sample.name,
            places=here,
            log2_tpm=predicted,
            delta=(predicted - self.training_mean).astype(np.float32),
            low=low,
            high=high,
            reliability=self.trained.reliability,
            level=settings.interval,
            domain=domain,
            header={
                **model_header(self.trained, self.name, level=settings.interval),
                **sample_header(
                    sample.name,
                    files=read.files,
                    assembly=here.genes.assembly,
                    assembly_source=how,
                    genes=here.source,
                    naming=read.naming,
                    domain=domain,
                    remarks=remarks,
                ),
            },
            remarks=tuple(remarks),
        )

    def _place(
        self, sample: Sample, peaks: Peaks, places: Mapping[str, GenePlaces], said: str | None, *, force: bool
    ) -> tuple[GenePlaces, str]:
        """Give the genes in the sample's assembly, and how that is known."""
        genes = next(iter(self.trained.tables.values()))
        if said is not None:
            return find_places(places, said, model_genes=genes), "given"
        if not force:
            require_peaks(sample.name, peaks, genes)  # too few, or none of the kind, tell no assembly
        found = infer_assembly(peaks, {name: one.genes for name, one in places.items()})
        if found is None:
            raise InputError(
                f"{sample.name}: the promoters that the peaks hit do not tell their assembly; pass --assembly with one of "
                f"{', '.join(places)} (assembly= in Python)."
            )
        return places[found], "inferred from promoters"

    def _judge(self, read: ReadSample, places: Mapping[str, GenePlaces], here: GenePlaces) -> Domain | None:
        if self.trained.experience is None:
            return None
        tables = {**{name: one.genes for name, one in places.items()}, here.genes.assembly: here.genes}
        sums = [sha256 for _, sha256 in read.files if sha256]
        return judge(self.trained.experience, read.peaks, tables, assembly=here.genes.assembly, checksums=sums)


def load_model(path: str | Path | None = None) -> Predictor:
    """Load a model to predict with.

    Args:
        path: A model directory, as `atac2rna train` writes it; None, or `builtin`: the model that the package ships.

    Raises:
        InputError: If it is no model directory, a file is missing or changed, or its format is newer.
    """
    trained = store.load_model(None if path is None else Path(path).expanduser())
    return Predictor(trained, name=model_name(trained.card))
