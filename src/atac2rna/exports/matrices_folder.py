"""The prepared matrices of the first experiment, with names: peak bins and expression of one region as CSV."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from atac2rna.exports import expression
from atac2rna.exports.contents import choose_samples, provenance, require_one_assembly
from atac2rna.exports.regions import Region, gene_columns
from atac2rna.features import region_bins
from atac2rna.files import whole_folder
from atac2rna.models.region_settings import RegionMlpSettings, choose_bins, genes_in_region

PEAKS_FILE = "peaks_input.csv"
EXPRESSION_FILE = "exp_output.csv"
GENES_FILE = "genes.tsv"
RECEIPT_FILE = "README.txt"
_FILES = {PEAKS_FILE, EXPRESSION_FILE, GENES_FILE, RECEIPT_FILE}
_FIRST_LINE = "Matrices of one region, written by 'atac2rna export --matrices'."
_DEFAULT_SCORE = 1_000.0

CHR1_START = Region("chr1", 0, 10_000_000)
"""The region of the first experiment."""


@dataclass(frozen=True)
class MatrixSettings:
    """What the matrices hold; the rule is that of the model `region-mlp`.

    Attributes:
        region: The region.
        width: Width of a bin in bp.
        min_score: A bin is open if it holds the midpoint of a peak of at least this score; None: 1000, unless the
            scores of a sample cannot carry it: then the 20,000 strongest peaks of each sample.
        top: The strongest peaks of each sample by signal, this many, instead of a score.
        assembly: Only samples of this assembly; None: all.
    """

    region: Region = CHR1_START
    width: int = 1_000
    min_score: float | None = None
    top: int | None = None
    assembly: str | None = None


class WrittenMatrices(NamedTuple):
    """What was written: numbers of samples, bins and genes, and what a reader should know."""

    samples: int
    bins: int
    genes: int
    remarks: tuple[str, ...]


def export_matrices(
    atlas: Atlas,
    folder: Path,
    settings: MatrixSettings | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> WrittenMatrices:
    """Write peaks_input.csv, exp_output.csv, genes.tsv and README.txt, all or none.

    Args:
        atlas: The atlas; its samples with RNA are written.
        folder: Where to; an earlier export there is replaced.
        settings: See `MatrixSettings`.
        progress: Told of every sample.

    Raises:
        InputError: If the folder holds something else, samples are of several assemblies, there is no sample with RNA,
            or no gene lies in the region.
    """
    settings = settings or MatrixSettings()
    _refuse_others(folder)
    chosen = choose_samples(atlas, settings.assembly)
    samples = [sample for sample in chosen if sample in set(atlas.paired)]
    if not samples:
        raise InputError(f"{atlas.path}: matrices hold samples with RNA; of {len(chosen)} samples none has any.")
    assembly = require_one_assembly(atlas, samples, instead="")
    rule = _rule(settings)
    inside = genes_in_region(atlas.genes(assembly), rule)
    if not inside.any():
        raise InputError(
            f"{atlas.path}: none of its {inside.size:,} selected genes lies wholly in {settings.region}; name another --region."
        )
    tpm = expression.measure(atlas, samples).tpm[:, inside]
    complete = np.isfinite(tpm).all(axis=0)
    bins, told = _open_bins(atlas, samples, settings, rule, progress)
    genes = gene_columns(atlas, [assembly]).filter(pl.Series(inside)).filter(pl.Series(complete))
    told += [f"Left out: {len(chosen) - len(samples)} samples without RNA."] if len(samples) < len(chosen) else []
    if not complete.all():
        told.append(f"Left out: {(~complete).sum()} genes that were not measured in every sample; missing is not 0.")
    starts = range(settings.region.start, settings.region.end, settings.width)
    with whole_folder(folder) as stage:
        names = [f"{settings.region.chrom}:{start}-{start + settings.width}" for start in starts]
        _write(stage / PEAKS_FILE, samples, names, [",".join(map(str, row)) for row in bins.tolist()])
        rows = [",".join(_decimal(value) for value in row) for row in tpm[:, complete]]
        _write(stage / EXPRESSION_FILE, samples, genes["gene_id"].to_list(), rows)
        genes.write_csv(stage / GENES_FILE, separator="\t")
        facts = {**provenance(atlas, samples), "region": str(settings.region), "bin": f"{settings.width} bp"}
        (stage / RECEIPT_FILE).write_text(_receipt(facts, bins.shape, int(complete.sum()), told), encoding="utf-8")
    return WrittenMatrices(len(samples), bins.shape[1], int(complete.sum()), tuple(told))


def _refuse_others(folder: Path) -> None:
    """Refuse a folder that holds anything that an export does not write."""
    if not folder.is_dir():
        return
    held = {path.name for path in folder.iterdir()}
    receipt = folder / RECEIPT_FILE
    earlier = receipt.is_file() and receipt.read_text(encoding="utf-8", errors="replace").startswith(_FIRST_LINE)
    if held and not (earlier and held <= _FILES):
        other = sorted(held - _FILES) or sorted(held)
        raise InputError(f"{folder}: holds something other than an export ({other[0]}); name another folder.")


def _rule(settings: MatrixSettings) -> RegionMlpSettings:
    """Give the settings of `region-mlp` with the region and width, refusing what is no whole number of bins."""
    region = settings.region
    if (region.end - region.start) % settings.width:
        raise InputError(f"a region is a whole number of bins; got {region} and --bin {settings.width}. Move its end.")
    return RegionMlpSettings(chrom=region.chrom, start=region.start, end=region.end, width=settings.width)


def _open_bins(
    atlas: Atlas,
    samples: Sequence[str],
    settings: MatrixSettings,
    rule: RegionMlpSettings,
    progress: Callable[[str], None],
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.uint8]], list[str]]:
    """Tell which bins are open in each sample, and by what rule."""
    top, score, told = settings.top, settings.min_score, []
    if top is None and score is None:
        choice = choose_bins({sample: atlas.peaks(sample).score for sample in samples}, min_score=_DEFAULT_SCORE)
        score = _DEFAULT_SCORE
        top = None if choice.bins == "score" else int(choice.bins.removeprefix("top="))
        told = [] if choice.message is None else [f"{choice.message[0].upper()}{choice.message[1:]}."]
    what = f"of the {top:,} peaks of strongest signal" if top is not None else f"of a peak of score {score:g} or more"
    told.insert(0, f"A bin is 1 if the midpoint {what} of the sample lies in it, else 0.")
    table = np.empty((len(samples), (rule.end - rule.start) // rule.width), dtype=np.uint8)
    for row, sample in enumerate(samples):
        table[row] = region_bins(
            atlas.peaks(sample),
            chrom=rule.chrom,
            start=rule.start,
            end=rule.end,
            width=rule.width,
            min_score=_DEFAULT_SCORE if score is None else score,
            top=top,
        )
        progress(f"wrote {sample}")
    return table, told


def _decimal(value: np.float32) -> str:
    """Write a number so that it reads back the same; a measured zero is `0.0`."""
    return str(value.item()) if value == 0 else np.format_float_positional(value, unique=True, trim="0")


def _write(path: Path, samples: Sequence[str], columns: Sequence[str], rows: Sequence[str]) -> None:
    """Write a header of names, and a row a sample that begins with its name."""
    lines = [
        ",".join(["sample", *columns]),
        *(f"{_quoted(name)},{row}" for name, row in zip(samples, rows, strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"\n') else name


def _receipt(facts: dict[str, str], shape: tuple[int, int], genes: int, told: Sequence[str]) -> str:
    """Say what the files hold and how they came about."""
    body = [
        _FIRST_LINE,
        "",
        f"{PEAKS_FILE}: {shape[0]} samples x {shape[1]:,} bins. First row: the bins; first column: the samples.",
        f"{EXPRESSION_FILE}: the same samples x {genes:,} genes of {GENES_FILE}, in its order: TPM, per million over the",
        "selected genes of the atlas (those of other regions, too).",
        f"{GENES_FILE}: the genes that lie wholly in the region; start and end 0-based half-open, tss 0-based.",
        "",
        *told,
        "",
        *(f"{key}: {value}" for key, value in facts.items()),
    ]
    return "\n".join(body) + "\n"
