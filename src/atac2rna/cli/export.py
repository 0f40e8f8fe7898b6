"""atac2rna export."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.options import Quiet, Verbose
from atac2rna.errors import InputError

if TYPE_CHECKING:
    from atac2rna.atlas import Atlas
    from atac2rna.cli.console import Console
    from atac2rna.exports.matrices_folder import MatrixSettings
    from atac2rna.exports.mudata_file import MuDataSettings

HELP = """Write an atlas for other programs: MuData for scanpy, muon and scvi-tools, or plain matrices of one region.

MuData (-o atlas.h5mu) has the modality atac, samples x regions, and rna, samples x genes. Regions are bins of the genome in
which any sample has a peak, all bins of one --region, or, with --windows, bins around every TSS. --matrices DIR writes
peaks_input.csv and exp_output.csv of one region (chr1:0-10,000,000 by default), samples in rows, by the rule of region-mlp.

\b
Example: atac2rna export atlas.zarr -o atlas.h5mu
         atac2rna export atlas.zarr --matrices prepared_data --region chr1:0-10,000,000 --bin 1000
"""


def export(
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", help="Atlas made by 'atac2rna build'.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.h5mu", help="MuData file.")] = None,
    matrices: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of peaks_input.csv and exp_output.csv, with names.")
    ] = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="Regions of atac: bins around every TSS, not bins of the genome.")
    ] = False,
    bin_width: Annotated[
        int | None, typer.Option("--bin", min=1, help="Width of a bin in bp (default: 500; of matrices 1000).")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="CHROM:START-END", help="All bins of this region, 0-based half-open.")
    ] = None,
    reach: Annotated[
        int | None, typer.Option(min=1, help="With --windows: bp from the TSS to either end (default: 5000).")
    ] = None,
    assembly: Annotated[str | None, typer.Option(help="Only samples of this assembly.")] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Of matrices: peaks of this score or more (default: 1000).")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Of matrices: the strongest peaks of each sample instead, this many.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a MuData file that is there.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, write, say what was written."""
    from atac2rna.atlas import Atlas
    from atac2rna.cli.console import Console
    from atac2rna.exports.matrices_folder import MatrixSettings
    from atac2rna.exports.mudata_file import MuDataSettings
    from atac2rna.exports.regions import parse_region

    given: dict[str, object] = {
        "--windows": windows or None,
        "--overwrite": overwrite or None,
        "--reach": reach,
        "--min-score": min_score,
        "--top": top,
        "--region": region,
    }
    _refuse_misplaced([name for name, value in given.items() if value is not None], matrices=matrices is not None)
    if (output is None) == (matrices is None):
        raise InputError(
            "an atlas is exported as MuData (-o FILE.h5mu) or as matrices (--matrices DIR); give one of the two."
        )
    place = None if region is None else parse_region(region)
    console = Console(quiet=quiet, verbose=verbose)
    if matrices is not None:
        region_, width = place or MatrixSettings().region, bin_width or MatrixSettings().width
        _matrices(console, Atlas(atlas), matrices, MatrixSettings(region_, width, min_score, top, assembly))
    elif output is not None:
        width = bin_width or MuDataSettings().width
        chosen = MuDataSettings(
            "windows" if windows else "bins", width, reach or MuDataSettings().reach, place, assembly
        )
        _mudata(console, Atlas(atlas), output, chosen, overwrite=overwrite)


def _refuse_misplaced(given: Sequence[str], *, matrices: bool) -> None:
    """Refuse options that say nothing about what is written."""
    windows = "--windows" in given
    if matrices:
        what, unfit = "matrices of a region", {"--windows", "--reach", "--overwrite"}
    elif windows:
        what, unfit = "windows of genes", {"--min-score", "--top", "--region"}
    else:
        what, unfit = "bins of the genome", {"--min-score", "--top", "--reach"}
    for name in given:
        if name in unfit:
            raise InputError(f"{name} says nothing about {what}; leave it out.")
    if {"--min-score", "--top"} <= set(given):
        raise InputError("peaks are chosen by their score or by their rank; got --min-score and --top. Leave one out.")


def _mudata(console: "Console", atlas: "Atlas", output: Path, settings: "MuDataSettings", *, overwrite: bool) -> None:
    from atac2rna.exports.mudata_file import count_steps, export_mudata

    with console.progress("export", count_steps(atlas, settings)) as advance:
        done = export_mudata(atlas, output, settings, overwrite=overwrite, progress=advance)
    for remark in done.remarks:
        console.note(remark)
    console.say(
        f"{output}: atac {done.samples} samples x {done.regions:,} {settings.kind} of {settings.width} bp, rna {done.paired} "
        f"samples x {done.genes:,} genes"
    )


def _matrices(console: "Console", atlas: "Atlas", folder: Path, settings: "MatrixSettings") -> None:
    from atac2rna.exports.contents import choose_samples
    from atac2rna.exports.matrices_folder import export_matrices

    steps = len(set(choose_samples(atlas, settings.assembly)) & set(atlas.paired))
    with console.progress("export", steps) as advance:
        done = export_matrices(atlas, folder, settings, progress=advance)
    for remark in done.remarks:
        console.note(remark)
    console.say(f"{folder}: {done.samples} samples, {done.bins:,} bins, {done.genes:,} genes")
