"""atac2rna train."""

from pathlib import Path
from typing import Annotated

import typer

from atac2rna.cli.options import (
    CompendiumFile,
    CompendiumInfo,
    Quiet,
    Settings,
    StrictRelatives,
    Verbose,
    parse_bins,
    parse_settings,
    read_config,
)

HELP = """Train a model on all paired samples of an atlas.

Writes a model directory (model.json, weights.safetensors, genes.tsv.gz, pictures) with the cross-validated score of
its kind.

\b
Example: atac2rna train atlas.zarr -o model --model ridge --set penalty=10
"""


def train(
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", help="Atlas made by 'atac2rna build'.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="Folder of the model.")],
    model: Annotated[str | None, typer.Option(help="Name of the model (default: joint).")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with model, seed, compendium, [settings]; options win over it.")
    ] = None,
    setting: Settings = [],
    bins: Annotated[str | None, typer.Option(help="Bins of region-mlp: score, or top=N strongest peaks.")] = None,
    compendium: CompendiumFile = None,
    compendium_info: CompendiumInfo = None,
    strict_relatives: StrictRelatives = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of whatever is random (default: 0).")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model once the new one is complete.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, train, print the score on held-out samples."""
    import json

    from atac2rna import training
    from atac2rna.atlas import Atlas
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.summary import SHOWN_METRICS, format_table

    console = Console(quiet=quiet, verbose=verbose)
    flags = {
        "model": model,
        "seed": seed,
        "compendium": compendium,
        "compendium_info": compendium_info,
        "strict_relatives": strict_relatives or None,
    }
    settings = training.settings_from(
        {**read_config(config), **{key: value for key, value in flags.items() if value is not None}},
        own=parse_settings(setting),
        bins=parse_bins(bins),
    )
    console.note(f"settings: {json.dumps(training.resolve(settings))}")
    opened = Atlas(atlas)
    with console.progress("train", training.count_steps(opened, settings)) as advance:
        result = training.train(opened, output, settings, overwrite=overwrite, progress=advance)
    for note in result.notes:
        console.note(note)
    samples, genes = len(result.trained.card["training_samples"]), len(result.trained.gene_ids)
    console.say(f"{output}: {settings.model}, {genes:,} genes, {samples} samples")
    if result.evaluation is not None:
        summary = result.evaluation.summary
        models = summary["strata"].get("region", summary["models"])
        console.say(f"on held-out samples ({summary['holdout']}):")
        console.table(format_table(models, names=SHOWN_METRICS))
