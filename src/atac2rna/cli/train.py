"""atac2rna train."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from atac2rna.errors import InputError

if TYPE_CHECKING:
    from atac2rna.atlas import Atlas
    from atac2rna.cli.console import Console
    from atac2rna.training import Training

HELP = """Train a model on all paired samples of an atlas.

Writes a model directory (model.json, weights.safetensors, genes.tsv.gz, pictures) with the cross-validated score of
its kind. With --from, a trained model is continued with 2 to 20 samples of one's own.

\b
Example: atac2rna train atlas.zarr -o model --model ridge --set penalty=10
         atac2rna train my_atlas.zarr --from model -o my_model
"""


def train(
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", help="Atlas made by 'atac2rna build'.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="Folder of the model.")],
    model: Annotated[str | None, typer.Option(help="Name of the model (default: joint).")] = None,
    base: Annotated[
        Path | None,
        typer.Option("--from", metavar="MODEL", help="Trained model to continue from with a few own samples."),
    ] = None,
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

    console = Console(quiet=quiet, verbose=verbose)
    flags = {
        "model": model,
        "compendium": compendium,
        "compendium_info": compendium_info,
        "strict_relatives": strict_relatives or None,
    }
    if base is not None:
        _refuse_beside_base({**flags, "config": config, "set": setting or None, "bins": bins})
        _continue(Atlas(atlas), base, output, console, seed=seed or 0, overwrite=overwrite)
        return
    given = {key: value for key, value in {**flags, "seed": seed}.items() if value is not None}
    settings = training.settings_from(
        {**read_config(config), **given}, own=parse_settings(setting), bins=parse_bins(bins)
    )
    console.note(f"settings: {json.dumps(training.resolve(settings))}")
    opened = Atlas(atlas)
    with console.progress("train", training.count_steps(opened, settings)) as advance:
        result = training.train(opened, output, settings, overwrite=overwrite, progress=advance)
    _tell(console, result, f"{output}: {settings.model}", len(result.trained.card["training_samples"]))


def _refuse_beside_base(others: Mapping[str, Any]) -> None:
    """Refuse options that --from leaves nothing to say to: the model to continue from has its own settings and profiles."""
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"--from continues a model with its own kind, settings and profiles; got {', '.join(given)} beside it. Leave it out."
        )


def _continue(atlas: "Atlas", base: Path, output: Path, console: "Console", *, seed: int, overwrite: bool) -> None:
    """Fine-tune a trained model and print what was chosen and the scores."""
    from atac2rna import fine_tuning
    from atac2rna.own_samples import lay_own_samples

    trained = fine_tuning.open_base(base)
    own = lay_own_samples(atlas, trained)
    with console.progress("fine-tune", fine_tuning.count_steps(own, seed=seed)) as advance:
        result = fine_tuning.fine_tune(own, trained, output, seed=seed, overwrite=overwrite, progress=advance)
    samples = len(own.cohort.samples)
    if console.quiet:  # what was chosen is a result
        console.say(next(note for note in reversed(result.notes) if "chosen:" in note))
    _tell(console, result, f"{output}: {result.trained.model.name} from {base}", samples)


def _tell(console: "Console", result: "Training", what: str, samples: int) -> None:
    """Print the notes, what was written, and the score on held-out samples."""
    from atac2rna.evaluation.summary import SHOWN_METRICS, format_table

    for note in result.notes:
        console.note(note)
    console.say(f"{what}, {len(result.trained.gene_ids):,} genes, {samples} samples")
    if result.evaluation is not None:
        summary = result.evaluation.summary
        models = summary["strata"].get("region", summary["models"])
        console.say(f"on held-out samples ({summary['holdout']}):")
        console.table(format_table(models, names=SHOWN_METRICS))
