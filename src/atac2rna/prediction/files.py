"""Files of predictions: TSV, parquet, h5ad; each whole or not at all, and the same bytes for the same predictions."""

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl

from atac2rna.errors import InputError
from atac2rna.extras import import_anndata
from atac2rna.files import whole_file
from atac2rna.prediction.header import MODEL_KEYS
from atac2rna.prediction.result import Prediction, Predictions

Kind = Literal[".tsv", ".tsv.gz", ".parquet", ".h5ad"]
KINDS: tuple[Kind, ...] = (".tsv", ".tsv.gz", ".parquet", ".h5ad")
_DECIMALS = 4


def file_kind(path: Path) -> Kind | None:
    """Tell the kind of file from the suffix; None if it is none of `KINDS`."""
    return next((kind for kind in reversed(KINDS) if path.name.lower().endswith(kind)), None)


def require_kind(path: Path) -> Kind:
    """Tell the kind of file from the suffix, and that what it needs is installed.

    Raises:
        InputError: If the suffix is unknown, or h5ad is asked for without anndata.
    """
    kind = file_kind(path)
    if kind is None:
        raise InputError(f"predictions are written as {', '.join(KINDS)}; got {path}. Name the output so.")
    if kind == ".h5ad":
        import_anndata()
    return kind


def tsv_bytes(prediction: Prediction) -> bytes:
    """Write the header as comments (`# key: value`) and the table below it."""
    head = "".join(f"# {key}: {text}\n" for key, text in prediction.header.items())
    table = prediction.to_frame().write_csv(separator="\t", float_precision=_DECIMALS, quote_style="never")
    return (head + table).encode()


def write_prediction(path: Path, prediction: Prediction) -> None:
    """Write one sample: TSV (plain or gzip), parquet or h5ad, by the suffix.

    Raises:
        InputError: If the suffix is unknown or the file cannot be written.
    """
    kind = require_kind(path)
    with whole_file(path) as temporary:
        if kind in (".tsv", ".tsv.gz"):
            text = tsv_bytes(prediction)
            temporary.write_bytes(gzip.compress(text, mtime=0, compresslevel=6) if kind == ".tsv.gz" else text)
        elif kind == ".parquet":
            _write_parquet(temporary, prediction.to_frame(), dict(prediction.header))
        else:
            Predictions((prediction,)).to_anndata().write_h5ad(temporary)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write several samples into one file, parquet (a row a sample and gene) or h5ad (samples x genes).

    Raises:
        InputError: If the suffix is another one or the file cannot be written.
    """
    kind = require_kind(path)
    if kind not in (".parquet", ".h5ad"):
        raise InputError(f"several samples go into a folder (-o {path.stem}/), .parquet or .h5ad; got {path}.")
    with whole_file(path) as temporary:
        if kind == ".h5ad":
            predictions.to_anndata().write_h5ad(temporary)
            return
        heads = {one.sample: {k: v for k, v in one.header.items() if k not in MODEL_KEYS} for one in predictions}
        shared = {key: text for key, text in predictions[0].header.items() if key in MODEL_KEYS}
        _write_parquet(temporary, predictions.to_frame(), {**shared, "samples": json.dumps(heads)})


def _write_parquet(path: Path, frame: pl.DataFrame, header: dict[str, str]) -> None:
    buffer = BytesIO()
    frame.write_parquet(buffer, metadata=header)
    path.write_bytes(buffer.getvalue())


@contextmanager
def staged_folder(folder: Path) -> Iterator[Callable[[Prediction], Path]]:
    """Give a function that writes one sample as `NAME.tsv`; the files appear in the folder when the block ends well.

    Other files of the folder stay as they are, and so does everything if the block fails.

    Raises:
        InputError: If the folder cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file where a folder is to be written; choose another output path.")
    made = _make(folder)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=".atac2rna."))
    written: list[str] = []

    def write(prediction: Prediction) -> Path:
        name = f"{prediction.sample}.tsv"
        write_prediction(staging / name, prediction)
        written.append(name)
        return folder / name

    done = False
    try:
        yield write
        for name in written:  # looked at first, so that all are replaced or none
            if (folder / name).is_dir():
                raise InputError(f"{folder / name}: is a folder where a file is to be written; choose another -o.")
        for name in written:
            (staging / name).replace(folder / name)
        done = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            _unmake(made)


def _make(folder: Path) -> list[Path]:
    """Make a folder and give those that were not there, the deepest first."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder}: is a file where a folder is needed; choose another output path.") from None
    except PermissionError:
        raise InputError(f"{folder}: cannot be written (permission denied); choose another output path.") from None
    return made


def _unmake(folders: Iterable[Path]) -> None:
    for folder in folders:
        if not any(folder.iterdir()):
            folder.rmdir()
