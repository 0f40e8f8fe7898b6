"""atac2rna evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.options import (
    CompendiumFile,
    CompendiumInfo,
    Quiet,
    Seed,
    StrictRelatives,
    Verbose,
    parse_bins,
    parse_model_settings,
    parse_names,
)

if TYPE_CHECKING:
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.run import Evaluation

HELP = """Compare models on samples they never saw.

Cross-validation by a column of the samples, by chromosome, or both. Writes metrics.tsv, per_gene.tsv,
calibration.tsv (of models with intervals), summary.json and pictures. docs/metrics.md explains every number.

\b
Example: atac2rna evaluate atlas.zarr --holdout lineage -o evaluation
"""


def evaluate(
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", help="Atlas made by 'atac2rna build'.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the results.")],
    holdout: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN[,chromosome]", help="What is held out (default: lineage, else group, else sample)."
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models, with commas (default: all); mean is always among them."),
    ] = None,
    setting: Annotated[
        list[str], typer.Option("--set", metavar="MODEL.KEY=VALUE", help="A setting of a model. Repeat for several.")
    ] = [],
    bins: Annotated[str | None, typer.Option(help="Bins of region-mlp: score, or top=N strongest peaks.")] = None,
    compendium: CompendiumFile = None,
    compendium_info: CompendiumInfo = None,
    strict_relatives: StrictRelatives = False,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Measure delta_r_within among samples that share this column (default: dataset)."
        ),
    ] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, evaluate, write, print the tables."""
    from atac2rna.atlas import Atlas
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.folder import SUMMARY, evaluate_to_folder, tables_of
    from atac2rna.evaluation.plan import EvaluationSettings, make_plan

    console = Console(quiet=quiet, verbose=verbose)
    opened = Atlas(atlas)
    names = None if models is None else parse_names(models, option="--models")
    settings = EvaluationSettings(
        holdout=holdout,
        models=names,
        settings=parse_model_settings(setting, names),
        bins=parse_bins(bins),
        within=within,
        seed=seed,
        compendium=compendium,
        compendium_info=compendium_info,
        strict_relatives=strict_relatives,
    )
    with console.progress("evaluate", make_plan(opened, settings).count_fits(seed=seed)) as advance:
        result = evaluate_to_folder(opened, output, settings, progress=advance)
    for note in result.notes:
        console.note(note)
    print_tables(console, result)
    console.say(f"tables: {output}/{', '.join([*tables_of(result), SUMMARY])}; pictures: {output}/pictures")


def print_tables(console: "Console", result: "Evaluation") -> None:
    """Print the main table, the region's own, the verdict, and what the intervals hold."""
    from atac2rna.evaluation.calibration import describe_calibration
    from atac2rna.evaluation.summary import SHOWN_METRICS, describe_verdict, format_table

    summary = result.summary
    console.say(
        f"{summary['n_samples']} samples, {summary['n_clusters']} held-out values of {summary['holdout']}, "
        f"{summary['n_genes']:,} genes; mean [95% interval]"
    )
    console.table(format_table(summary["models"], names=SHOWN_METRICS))
    if summary["not_applicable"]:
        console.say(f"not applicable here (parameters per gene): {', '.join(summary['not_applicable'])}")
    region = summary["strata"].get("region")
    if region:
        console.say()
        console.say("genes of the region of region-mlp:")
        console.table(format_table(region, names=SHOWN_METRICS))
    console.say()
    for line in describe_verdict(summary["verdict"]):
        console.say(line)
    for line in [] if result.calibration is None else describe_calibration(result.calibration):
        console.say(line)
