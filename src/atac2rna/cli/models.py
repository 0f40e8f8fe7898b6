"""atac2rna models."""

from pathlib import Path
from typing import Annotated

import typer

HELP = """Show what is in the box: the card of the shipped model, or of another.

Training samples, where they come from, scores on held-out samples beside every baseline, what the model is good and bad at.
Then the kinds of models that `train` and `evaluate` know.

\b
Example: atac2rna models
"""


def models(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model directory (default: the shipped model).")
    ] = None,
) -> None:
    """Parse, read the card, print it."""
    from atac2rna.cli.console import Console
    from atac2rna.evaluation.summary import SHOWN_METRICS, format_table
    from atac2rna.models.card import describe_model, held_out_scores, remarks, training_rows
    from atac2rna.models.registry import MODELS
    from atac2rna.models.store import read_card

    console = Console(quiet=False, verbose=False)
    card = read_card(model)
    console.say(describe_model(card))
    for line in remarks(card):
        console.say(line)
    console.say()
    console.table(training_rows(card))
    for holdout, scores in held_out_scores(card).items():
        console.say()
        console.say(f"on samples held out by {holdout}; mean [95% interval]:")
        console.table(format_table(scores, names=SHOWN_METRICS))
    if model is None:
        console.say()
        console.table([["kind of model", "what it is"], *([name, kind.summary] for name, kind in MODELS.items())])
