"""atac2rna check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.options import Annotations, Quiet, Seed, Verbose, parse_annotations

if TYPE_CHECKING:
    from atac2rna.cli.console import Console
    from atac2rna.quality.finding import Finding

HELP = """Find what is wrong or odd, before any training.

Takes an atlas, a samples.tsv, peak files, or a folder of matrices (peaks_input*.csv, exp_output*.csv).
Exit code 1 if any finding is an error: something that makes results wrong. The rest warns.

\b
Example: atac2rna check atlas.zarr
"""


def check(
    targets: Annotated[list[Path], typer.Argument(metavar="ATLAS|SAMPLES.tsv|PEAKS...|FOLDER", help="What to check.")],
    annotation: Annotations = [],
    assembly: Annotated[str | None, typer.Option(help="Assembly of peak files that are checked by themselves.")] = None,
    gene_column: Annotated[str | None, typer.Option(help="Column of gene ids in the expression files.")] = None,
    value_column: Annotated[str | None, typer.Option(help="Column of TPM in the expression files.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the findings to this TSV.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, check, print the findings."""
    from contextlib import nullcontext

    from atac2rna.building import BuildSettings
    from atac2rna.checking import Target, check_target, count_steps
    from atac2rna.cli.console import Console, count_findings
    from atac2rna.files import whole_file

    console = Console(quiet=quiet, verbose=verbose)
    target = Target(tuple(targets), assembly, parse_annotations(annotation))
    settings = BuildSettings(gene_column=gene_column, value_column=value_column)
    with whole_file(output) if output is not None else nullcontext() as temporary:
        with console.progress("check", count_steps(target)) as advance:
            findings = check_target(target, settings=settings, progress=advance, seed=seed)
        if temporary is not None:
            _write(temporary, findings)
    _print(console, findings)
    console.say(count_findings(findings))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _write(path: Path, findings: "list[Finding]") -> None:
    from dataclasses import asdict

    import polars as pl

    columns = ("severity", "code", "subject", "value", "message", "remedy")
    table = pl.DataFrame([asdict(finding) for finding in findings], schema=dict.fromkeys(columns, pl.String))
    table.write_csv(path, separator="\t")


def _print(console: "Console", findings: "list[Finding]") -> None:
    for finding in findings:
        value = f" ({finding.value})" if finding.value else ""
        console.say(f"{finding.severity.upper():7} {finding.code}: {finding.subject}{value}")
        console.say(f"        {finding.message} {finding.remedy}")
