"""atac2rna predict."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.options import Annotations, Quiet, Verbose, parse_annotations
from atac2rna.errors import InputError

if TYPE_CHECKING:
    from atac2rna.cli.console import Console
    from atac2rna.prediction.result import Prediction
    from atac2rna.prediction.sources import Sample

HELP = """Predict the expression of every gene from peaks, and say how far to believe it.

Takes peak files (narrowPeak, broadPeak, BED; plain or gzip; '-' for standard input) or bigWig, each a sample, or a table of
samples (samples.tsv with columns sample, atac, assembly). One sample is written as .tsv, .tsv.gz, .parquet or .h5ad;
several as a folder of .tsv, or one .parquet or .h5ad.

\b
Example: atac2rna predict my_sample.narrowPeak.gz --assembly hg38 -o predictions.tsv
"""

_STREAMS = ("-", "/dev/stdout")


def predict(
    inputs: Annotated[list[str], typer.Argument(metavar="PEAKS...|SAMPLES.tsv", help="Peak files, '-', or a table.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="File or folder of the predictions.")],
    model: Annotated[
        Path | None, typer.Option("--with", metavar="MODEL", help="Model directory (default: the shipped model).")
    ] = None,
    assembly: Annotated[
        str | None, typer.Option(help="Assembly of the peaks (default: inferred from the promoters they hit).")
    ] = None,
    annotation: Annotations = [],
    replicates: Annotated[bool, typer.Option("--replicates", help="All files are replicates of one sample.")] = False,
    sample: Annotated[str | None, typer.Option(metavar="NAME", help="Name of a single sample.")] = None,
    interval: Annotated[float, typer.Option(help="Share of genes that low to high is to hold, 0.5 to 0.99.")] = 0.8,
    gene: Annotated[
        list[str], typer.Option("--gene", metavar="NAME|ID", help="Write this gene alone. Repeat for several.")
    ] = [],
    force: Annotated[
        bool, typer.Option("--force", help="Go on in spite of a wrong assembly, or too few peaks or too many.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Samples predicted at a time.")] = 2,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, predict, print the verdicts."""
    from functools import partial

    from threadpoolctl import threadpool_limits

    from atac2rna.cli.console import Console
    from atac2rna.prediction.predictor import PredictionSettings, load_model
    from atac2rna.prediction.result import find_genes

    console = Console(quiet=quiet, verbose=verbose)
    settings = PredictionSettings(interval, force)
    annotations = parse_annotations(annotation)
    samples = _samples(inputs, assembly=assembly, replicates=replicates, name=sample)
    write, say = _writer(output, samples, console)
    table = [Path(inputs[0]).expanduser()] if len(inputs) == 1 and inputs[0] not in _STREAMS else []
    _refuse_inputs(output, samples, [*table, *annotations.values()])
    predictor = load_model(model)
    places = predictor.places_with(annotations)
    rows = find_genes(next(iter(places.values())).genes, gene) if gene else None
    # Samples are the parallel work; threads of BLAS that wait for each other would double the time.
    with threadpool_limits(1), console.progress("predict", len(samples)) as advance:
        each = partial(predictor.predict_each, samples, places, settings, workers=workers, progress=advance)
        told = write(one if rows is None else one.take(rows) for one in each())
    for line in told:
        say(line)


def _samples(inputs: Sequence[str], *, assembly: str | None, replicates: bool, name: str | None) -> "list[Sample]":
    """Name the samples, and make sure that each is there once."""
    from atac2rna.formats.manifest import is_manifest, read_manifest
    from atac2rna.prediction.sources import STDIN, is_stream, many_samples, one_sample, require_distinct, samples_of

    single = None if len(inputs) != 1 or inputs[0] == STDIN else Path(inputs[0]).expanduser()
    if single is not None and not is_stream(single) and is_manifest(single):
        if assembly is not None or replicates or name is not None:
            given = "--assembly" if assembly is not None else "--replicates" if replicates else "--sample"
            raise InputError(f"{inputs[0]}: is a table of samples and says that itself; leave {given} out.")
        return samples_of(read_manifest(single))
    if name is not None and len(inputs) > 1 and not replicates:
        raise InputError(
            f"--sample names a single sample; got {len(inputs)} files. Pass --replicates if they are replicates of one "
            "sample, or name samples in a samples.tsv."
        )
    if replicates or len(inputs) == 1:
        one = one_sample(inputs[0], name=name, assembly=assembly).joined(inputs[1:])
        require_distinct([one])
        return [one]
    return many_samples(inputs, assembly=assembly)


def _refuse_inputs(output: str, samples: "Sequence[Sample]", others: Sequence[Path]) -> None:
    """Refuse an output that would take the place of something that is read, also by a link."""
    if output in _STREAMS:
        return
    path = Path(output).expanduser()
    single = [path] if path.suffix and not path.is_dir() else []
    written = {os.path.realpath(one) for one in (*single, *(path / f"{sample.name}.tsv" for sample in samples))}
    for one in (*others, *(Path(own) for sample in samples for own in sample.paths)):
        if one.is_file() and os.path.realpath(one.expanduser()) in written:
            raise InputError(
                f"{one}: is read, and would be replaced by the predictions; choose another -o than {output}."
            )


Write = Callable[[Iterable["Prediction"]], list[str]]
"""Writes predictions as they come and gives what is to be said of them, once all are written."""


def _writer(output: str, samples: "Sequence[Sample]", console: "Console") -> tuple[Write, Callable[[str], None]]:
    """Choose how to write by the output's name and the number of samples, and where to speak."""
    from atac2rna.prediction.files import file_kind, require_kind

    path = Path(output).expanduser()
    single = len(samples) == 1
    if output in _STREAMS:
        if not single:
            raise InputError(
                f"standard output takes one sample; got {len(samples)}. Give -o a folder, .parquet or .h5ad."
            )
        return _to_stdout, console.note
    if single and path.exists() and not (path.is_file() or path.is_dir()):
        return lambda each: _to_stream(path, each), console.note
    kind = file_kind(path)
    if output.endswith("/") or (kind is None and not single and (path.is_dir() or not path.suffix)):
        return lambda each: _to_folder(path, each), console.say
    if path.is_dir():
        raise InputError(
            f"{output}: is a folder; one sample is written to a file. Name one (-o {output}/{samples[0].name}.tsv), or end "
            f"the folder's name with / (-o {output}/)."
        )
    require_kind(path)
    if not single and kind in (".tsv", ".tsv.gz"):
        raise InputError(
            f"a {kind} file holds one sample; got {len(samples)}. Give -o a folder (-o {path.name.removesuffix(kind)}/), "
            ".parquet or .h5ad."
        )
    return lambda each: _to_file(path, each, single=single), console.say


def _to_stdout(each: "Iterable[Prediction]") -> list[str]:
    from atac2rna.prediction.files import tsv_bytes

    (one,) = each
    sys.stdout.flush()
    sys.stdout.buffer.write(tsv_bytes(one))
    sys.stdout.buffer.flush()
    return [*_verdict(one)]


def _to_stream(path: Path, each: "Iterable[Prediction]") -> list[str]:
    """Write to a device or pipe as it is."""
    from atac2rna.prediction.files import tsv_bytes

    (one,) = each
    with path.open("wb") as stream:
        stream.write(tsv_bytes(one))
    return [*_verdict(one)]


def _to_folder(folder: Path, each: "Iterable[Prediction]") -> list[str]:
    from atac2rna.prediction.files import staged_folder

    told: list[str] = []
    with staged_folder(folder) as write:
        for one in each:
            write(one)
            told += _verdict(one)
    return [*told, f"{folder}: predictions of each sample, NAME.tsv"]


def _to_file(path: Path, each: "Iterable[Prediction]", *, single: bool) -> list[str]:
    from atac2rna.prediction.files import write_prediction, write_predictions
    from atac2rna.prediction.result import Predictions

    predictions = Predictions(tuple(each))
    if single:
        write_prediction(path, predictions[0])
    else:
        write_predictions(path, predictions)
    genes = len(predictions[0].log2_tpm)
    told = [line for one in predictions for line in _verdict(one)]
    return [*told, f"{path}: {genes:,} genes" + ("" if single else f", {len(predictions)} samples")]


def _verdict(one: "Prediction") -> Iterator[str]:
    """Say how far to believe the predictions of a sample, and what else is to be known of it."""
    if one.domain is not None:
        yield f"{one.sample} ({one.assembly}): {one.domain.describe()}"
        yield f"    {one.domain.describe_peaks()}"
    else:
        yield f"{one.sample} ({one.assembly})"
    for remark in one.remarks:
        yield f"    {remark}"
