"""Read peak files: narrowPeak, broadPeak, BED, and bigWig signal in their place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.files import binary_kind, peek_text, read_text_bytes, unwrap_text
from atac2rna.formats.not_peaks import WHAT, advice_told, refuse_other_tables
from atac2rna.formats.peak_layout import Layout, PeakLayout, first_fault, recognise, rows
from atac2rna.formats.signal_track import KIND, read_signal_track
from atac2rna.genome import canonical_chrom, is_standard_chrom
from atac2rna.peaks import Peaks, make_peaks

Naming = Literal["ucsc", "ensembl", "refseq", "mixed"]

SIGNAL_TRACK: Literal["bigWig"] = "bigWig"
"""Layout of a file that holds signal, whose strongest maxima stand for peaks (`signal_track`)."""

_SCORE, _SIGNAL, _SUMMIT = 4, 6, 9
_HEAD = 1 << 16


class PeakFile(NamedTuple):
    """Peaks of a file and how it wrote them.

    Attributes:
        peaks: The peaks, chromosome names canonical.
        layout: Layout of the rows, told from their content; `SIGNAL_TRACK` for a bigWig.
        naming: How the file names the standard chromosomes: `chr1`, `1`, `NC_000001.11`, or more than one way.
    """

    peaks: Peaks
    layout: Layout | Literal["bigWig"]
    naming: Naming


def read_peaks(path: Path) -> PeakFile:
    """Read a peak file, plain, gzip or bgzip, whatever its suffix.

    The layout is told from the rows: narrowPeak (10 columns, summit in column 10), broadPeak (9 columns), else BED of
    three columns and more. Comments, blank lines and track lines may stand anywhere; columns are divided by tabs, or by
    spaces if the first row has no tab. Format: https://genome.ucsc.edu/FAQ/FAQformat.html. Of a bigWig, the strongest
    maxima are taken (`signal_track.read_signal_track`).

    Args:
        path: The file.

    Returns:
        The peaks with layout and naming. `signal` is the signalValue of narrowPeak and broadPeak; of a BED file the
        score where it is not the same for all peaks, else 1.

    Raises:
        InputError: If the file is not a peak file, or a row is wrong; the message names the line.
    """
    if binary_kind(path) == KIND:
        track = read_signal_track(path)
        canonical = tuple(canonical_chrom(name) for name in track.names)
        return PeakFile(track.peaks, SIGNAL_TRACK, chrom_naming(list(track.names), canonical))
    with advice_told(path):
        refuse_other_tables(peek_text(path, what=WHAT), path)  # before a file of reads is read whole
        text = read_text_bytes(path, what=WHAT)
    return _read_text(text, path)


def read_peak_bytes(raw: bytes, path: Path) -> PeakFile:
    """Read what a peak file held, as `read_peaks`, which see; `path` is what errors call it (standard input)."""
    with advice_told(path):
        text = unwrap_text(raw, path, what=WHAT)
    refuse_other_tables(text[:_HEAD], path)
    return _read_text(text, path)


def is_track(layouts: Sequence[str], sample: str) -> bool:
    """Tell whether the files of a sample are signal tracks.

    Args:
        layouts: Layout of each file, see `PeakFile`.
        sample: What to call the sample in the error.

    Raises:
        InputError: If some are and some are not: their signals cannot be pooled.
    """
    tracks = sum(layout == SIGNAL_TRACK for layout in layouts)
    if 0 < tracks < len(layouts):
        raise InputError(
            f"{sample}: replicates of a sample are all peak files or all bigWig, as signal is added over them; got {tracks} of "
            f"{len(layouts)} as bigWig. Give one kind."
        )
    return tracks > 0


def _read_text(raw: bytes, path: Path) -> PeakFile:
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    form = recognise(raw, path)
    frame = _parse(raw[form.offset :], form) if form.separator == "\t" else None
    if frame is None:
        frame = _parse(_tidy(raw, form), form, tidy=True)
    if frame is None:
        raise first_fault(raw, path, form)
    names, chrom = _codes(frame.to_series(0))
    canonical = tuple(canonical_chrom(name) for name in names)
    _require_known(names, canonical, path)
    return PeakFile(_to_peaks(frame, canonical, chrom, form), form.layout, chrom_naming(names, canonical))


def _parse(raw: bytes, form: PeakLayout, *, tidy: bool = False) -> pl.DataFrame | None:
    """Parse rows that are all as `form` says, or return None.

    A CSV parser is fast because it forgives: it completes short rows with nulls, cuts long ones and passes blank lines
    and comments on as nulls. So what comes back is checked, and the tabs are counted.

    Args:
        raw: Text that begins with the first row.
        form: What the rows should be.
        tidy: Whether `raw` holds rows only; coordinates as R writes them (`1e+05`) are then read too.
    """
    raw = raw.rstrip() + b"\n" if raw.endswith((b"\n\n", b"\n\r\n")) else raw
    position = pl.Float64 if tidy else pl.Int32
    types: dict[int, type[pl.DataType]] = {0: pl.String, 1: position, 2: position}
    types |= {_SCORE: pl.Float32} if form.scored else {}
    types |= {_SIGNAL: pl.Float32} if form.layout != "bed" else {}
    types |= {_SUMMIT: pl.Int32} if form.layout == "narrowPeak" else {}
    schema = {f"column_{i + 1}": types.get(i, pl.String) for i in range(form.width)}
    try:
        frame = pl.read_csv(raw, separator="\t", has_header=False, schema=schema, columns=list(types), quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if sum(frame.null_count().row(0)) or not _is_rectangular(raw, frame.height, form):
        return None
    if tidy:
        places = frame.select("column_2", "column_3")
        if not places.select(pl.all_horizontal((pl.all() == pl.all().round()) & (pl.all() < 2.0**31)).all()).item():
            return None
        frame = frame.with_columns(places.cast(pl.Int64).cast(pl.Int32, strict=False))
    return frame if _is_sound(frame) and not frame["column_1"].str.starts_with("#").any() else None


def _is_rectangular(raw: bytes, height: int, form: PeakLayout) -> bool:
    """Tell whether every row has `form.width` columns."""
    text = np.frombuffer(raw, dtype=np.uint8)
    if form.layout == "narrowPeak" and form.width == _SUMMIT + 1:
        # A short row would lack its summit, so the right number of tabs in all means the right number in each.
        return int(np.count_nonzero(text == ord("\t"))) == height * (form.width - 1)
    marks = text[np.flatnonzero((text == ord("\t")) | (text == ord("\n")))]
    marks = marks if raw.endswith(b"\n") else np.append(marks, np.uint8(ord("\n")))
    line_ends = np.flatnonzero(marks == ord("\n"))
    return bool(np.array_equal(line_ends, np.arange(1, height + 1) * form.width - 1))


def _is_sound(frame: pl.DataFrame) -> bool:
    """Tell whether places and values are possible."""
    start, end = frame["column_2"].to_numpy(), frame["column_3"].to_numpy()
    sound = bool((start >= 0).all() and (end > start).all())
    for name in ("column_5", "column_7"):
        sound = sound and (name not in frame.columns or bool(np.isfinite(frame[name].to_numpy()).all()))
    if "column_10" in frame.columns:
        offset = frame["column_10"].to_numpy()
        sound = sound and bool((offset >= -1).all() and (offset <= end - start).all())
    return sound


def _tidy(raw: bytes, form: PeakLayout) -> bytes:
    """Keep the rows alone, with tabs between their columns."""
    if form.separator == "\t":
        return b"\n".join(line for _, _, line in rows(raw)) + b"\n"
    return b"\n".join(b"\t".join(line.split()) for _, _, line in rows(raw)) + b"\n"


def _codes(column: pl.Series) -> tuple[list[str], NDArray[np.intp]]:
    """Name each chromosome once and number the rows by it."""
    runs = column.rle().struct.unnest()
    names = runs["value"].unique(maintain_order=True)
    codes = runs["value"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.intp)
    return names.to_list(), np.repeat(codes, runs["len"].to_numpy())


def _require_known(names: list[str], canonical: tuple[str, ...], path: Path) -> None:
    if set(canonical) == {"chrM"}:
        raise InputError(
            f"{path}: peaks lie on the chromosomes of the nucleus; these lie on {names[0]!r} only, the mitochondrial genome. "
            "Choose the peaks of the whole genome."
        )
    if not any(is_standard_chrom(name) for name in canonical):
        found = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
        raise InputError(
            f"{path}: peaks lie on chromosomes such as chr1, 1 or NC_000001.11; got {found} only. "
            f"Rename them (without quotes), or choose peaks of a genome with such chromosomes."
        )


def chrom_naming(names: Sequence[str], canonical: Sequence[str]) -> Naming:
    """Tell how a file names the chromosomes that the package knows; scaffolds do not count."""
    kinds: set[Naming] = set()
    for name, known in zip(names, canonical, strict=True):
        if is_standard_chrom(known) or known == "chrM":
            kinds.add("refseq" if name.startswith("NC_") else "ucsc" if name[:3].lower() == "chr" else "ensembl")
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _to_peaks(frame: pl.DataFrame, names: tuple[str, ...], chrom: NDArray[np.intp], form: PeakLayout) -> Peaks:
    start, end = frame["column_2"].to_numpy(), frame["column_3"].to_numpy()
    score = frame["column_5"].to_numpy() if form.scored else None
    summit = None
    if form.layout == "narrowPeak":
        offset = frame["column_10"].to_numpy()
        # F-seq counts summits from 1, so that an offset may equal the width: that is the last base.
        summit = np.where(offset >= 0, np.minimum(start + offset, end - 1), -1)
    signal = frame["column_7"].to_numpy() if form.layout != "bed" else None
    if signal is None and score is not None and np.ptp(score) > 0:
        signal = score
    return make_peaks(names, chrom, start, end, summit=summit, signal=signal, score=score)
