"""atac2rna demo."""

from pathlib import Path
from typing import Annotated

import typer

from atac2rna.cli.options import Quiet, Seed, Verbose

HELP = """Run the main job on simulated samples.

Simulates peak, expression and annotation files with known truth, builds and checks an atlas, trains a model, predicts a sample
of which there are peaks alone, and compares models on lineages that they never saw. Needs no data.

\b
Example: atac2rna demo -o demo
"""


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of everything.")] = Path("demo"),
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, run, print the table and where everything lies."""
    from atac2rna.cli.console import Console, count_findings
    from atac2rna.cli.evaluate import print_tables
    from atac2rna.demo import run_demo

    console = Console(quiet=quiet, verbose=True if not quiet else verbose)
    with console.progress("demo", 5) as advance:
        result = run_demo(output, seed=seed, progress=advance)
    console.say(f"{len(result.atlas.samples)} simulated samples; {count_findings(result.findings)}")
    for note in result.evaluation.notes:
        console.note(note)
    print_tables(console, result.evaluation)
    console.say()
    if result.prediction.domain is not None:
        console.say(f"{result.prediction.sample} (peaks alone): {result.prediction.domain.describe()}")
        console.say()
    for what, place in (
        ("simulated files", output / "data"),
        ("their truth", output / "data" / "truth"),
        ("atlas", output / "atlas.zarr"),
        ("model", output / "model"),
        ("predictions", output / "predictions.tsv"),
        ("tables", output / "evaluation"),
        ("pictures", output / "evaluation" / "pictures"),
    ):
        console.say(f"{what + ':':17}{place}")
