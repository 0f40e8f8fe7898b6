"""atac2rna evaluate."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atac2rna.cli.options import (
    Annotations,
    CompendiumFile,
    CompendiumInfo,
    Quiet,
    Seed,
    StrictRelatives,
    Verbose,
    WithModel,
    parse_annotations,
    parse_bins,
    parse_model_settings,
    parse_names,
)
from atac2rna.errors import InputError

if TYPE_CHECKING:
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.plan import EvaluationSettings
    from atac2rna.evaluation.run import Evaluation
    from atac2rna.evaluation.unseen import Reading

HELP = """Compare models on samples they never saw.

Cross-validation by a column of the samples, by chromosome, or both; or, with --with, a trained model on new paired samples,
beside the baselines refitted on its training samples. Writes metrics.tsv, per_gene.tsv, calibration.tsv (of models with
intervals), summary.json and pictures. docs/metrics.md explains every number.

\b
Example: atac2rna evaluate atlas.zarr --holdout lineage -o evaluation
         atac2rna evaluate samples.tsv --with model -o evaluation
"""


Samples = Annotated[
    Path, typer.Argument(metavar="ATLAS", help="Atlas made by 'atac2rna build'; with --with also a table SAMPLES.tsv.")
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the results.")]
Holdout = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN[,chromosome]",
        help="What is held out; with --with, what intervals are drawn over (default: lineage, else group, else sample).",
    ),
]
ModelNames = Annotated[str | None, typer.Option(help="Models, with commas (default: all); mean is always among them.")]
ModelSettings = Annotated[
    list[str], typer.Option("--set", metavar="MODEL.KEY=VALUE", help="A setting of a model. Repeat for several.")
]
Bins = Annotated[str | None, typer.Option(help="Bins of region-mlp: score, or top=N strongest peaks.")]
Within = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Measure delta_r_within among samples that share this column (default: dataset)."
    ),
]
GeneColumn = Annotated[str | None, typer.Option(help="With --with: column of gene ids in the expression files.")]
ValueColumn = Annotated[str | None, typer.Option(help="With --with: column of TPM in the expression files.")]


def evaluate(
    samples: Samples,
    output: Output,
    with_model: WithModel = None,
    holdout: Holdout = None,
    models: ModelNames = None,
    setting: ModelSettings = [],
    bins: Bins = None,
    compendium: CompendiumFile = None,
    compendium_info: CompendiumInfo = None,
    strict_relatives: StrictRelatives = False,
    within: Within = None,
    annotation: Annotations = [],
    gene_column: GeneColumn = None,
    value_column: ValueColumn = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, evaluate, write, print the tables."""
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.plan import EvaluationSettings
    from atac2rna.evaluation.unseen import Reading

    console = Console(quiet=quiet, verbose=verbose)
    reading = {"--annotation": annotation, "--gene-column": gene_column, "--value-column": value_column}
    fitting = {
        "--models": models,
        "--set": setting,
        "--bins": bins,
        "--compendium": compendium,
        "--compendium-info": compendium_info,
        "--strict-relatives": strict_relatives,
        "--within": within,
    }
    if with_model is not None:
        _refuse(fitting, "says how models are fitted or compared in a cross-validation; with --with no model is fitted")
        how = Reading(parse_annotations(annotation), gene_column, value_column)
        _score_trained(console, samples, output, with_model, how, holdout=holdout, seed=seed)
        return
    _refuse(
        reading, "says how a table of samples is read; without --with an atlas is evaluated, which was read already"
    )
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
    _cross_validate(console, samples, output, settings)


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse options that make no sense in what was asked for."""
    for name, value in options.items():
        if value not in (None, False, []):
            raise InputError(f"{name} {why}. Leave it out.")


def _cross_validate(console: "Console", path: Path, output: Path, settings: "EvaluationSettings") -> None:
    """Compare models on held-out samples of an atlas."""
    from atac2rna.atlas import Atlas
    from atac2rna.evaluation.folder import evaluate_to_folder
    from atac2rna.evaluation.plan import make_plan
    from atac2rna.formats.manifest import is_manifest

    if path.is_file() and is_manifest(path):
        raise InputError(
            f"{path}: models are compared on an atlas; this is a table of samples. Make one with 'atac2rna build {path} -o "
            f"ATLAS', or score a trained model on these samples with 'atac2rna evaluate {path} --with MODEL'."
        )
    opened = Atlas(path)
    with console.progress("evaluate", make_plan(opened, settings).count_fits(seed=settings.seed)) as advance:
        result = evaluate_to_folder(opened, output, settings, progress=advance)
    _tell(console, result, output)


def _score_trained(
    console: "Console", path: Path, output: Path, model: str, reading: "Reading", *, holdout: str | None, seed: int
) -> None:
    """Score a trained model on new samples."""
    from atac2rna.evaluation.folder import count_external_steps, evaluate_unseen_to_folder
    from atac2rna.evaluation.unseen import open_samples
    from atac2rna.models.store import load_model

    trained = load_model(Path(model))
    source = open_samples(path)
    with console.progress("evaluate", count_external_steps(trained, source)) as advance:
        result = evaluate_unseen_to_folder(
            trained, source, output, reading, model=model, holdout=holdout, seed=seed, progress=advance
        )
    summary = result.summary
    if summary["without_rna"]:
        console.note(f"skipped, without RNA: {', '.join(summary['without_rna'])}")
    _tell(console, result, output)


def _tell(console: "Console", result: "Evaluation", output: Path) -> None:
    """Tell notes, tables, and where the files lie."""
    from atac2rna.evaluation.folder import SUMMARY, tables_of

    for note in result.notes:
        console.note(note)
    print_tables(console, result)
    console.say(f"tables: {output}/{', '.join([*tables_of(result), SUMMARY])}; pictures: {output}/pictures")


def print_tables(console: "Console", result: "Evaluation") -> None:
    """Print the main table, the region's own, the verdict, and what the intervals hold."""
    from atac2rna.evaluation.calibration import describe_calibration
    from atac2rna.evaluation.summary import EXTERNAL_METRICS, SHOWN_METRICS, describe_verdict, format_table

    summary = result.summary
    external = "left_out" in summary
    console.say(_title(summary))
    console.table(format_table(summary["models"], names=EXTERNAL_METRICS if external else SHOWN_METRICS))
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
    for line in _describe_samples(summary) if external else []:
        console.say(line)


def _title(summary: Mapping[str, Any]) -> str:
    if "left_out" not in summary:
        return (
            f"{summary['n_samples']} samples, {summary['n_clusters']} held-out values of {summary['holdout']}, "
            f"{summary['n_genes']:,} genes; mean [95% interval]"
        )
    genes = summary["genes"]
    shared = f"{genes['most']:,}" if genes["fewest"] == genes["most"] else f"{genes['fewest']:,} to {genes['most']:,}"
    counts = f"{_count(summary['n_samples'], 'new sample')}, {_count(summary['n_clusters'], 'value')} of {summary['holdout']}"
    return (
        f"{counts}, {shared} of the model's {genes['model']:,} genes; mean [95% interval]; _cal: truth calibrated to the "
        "quantiles of the training mean"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _describe_samples(summary: Mapping[str, Any]) -> list[str]:
    """Say which samples lie how far from the training samples, and which were left out or flagged, one line each."""
    model = summary["model"]
    lines = []
    for verdict, where in {"inside": "inside", "edge": "at the edge of", "outside": "outside"}.items():
        if verdict in summary["domains"]:
            found = summary["domains"][verdict][model]
            numbers = f"skill {found['skill']['mean']:.3f}, delta r {found['delta_r']['mean']:.3f}"
            lines.append(f"{where} the model's experience: {_count(found['skill']['n'], 'sample')}, {numbers}")
    lines += [f"left out: {name}: {reason}" for name, reason in summary["left_out"].items()]
    lines += [f"flagged: {name}: {reason}" for name, reason in summary["flagged"].items()]
    rest = summary["without_flagged"]
    if rest and model in rest:
        lines.append(f"{model} without flagged samples: skill {rest[model]['skill']['mean']:.3f}")
    return lines
