"""What the commands say: results on stdout, progress on stderr, a bar on a terminal and plain lines when piped."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from atac2rna.quality.finding import Finding


class Console:
    """Where a command speaks."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        """Take how much to say: `quiet` leaves results and errors, `verbose` tells every step when piped, too."""
        self.quiet = quiet
        self.verbose = verbose

    def say(self, text: str = "") -> None:
        """Print a result."""
        _print(text, sys.stdout)

    def note(self, text: str) -> None:
        """Tell what is going on, unless quiet."""
        if not self.quiet:
            _print(text, sys.stderr)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows of text in columns, the first row as header."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for number, row in enumerate(rows):
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            if number == 0:
                self.say("  ".join("-" * width for width in widths))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[str], None]]:
        """Give a function to be called once a step with what was done.

        Args:
            what: What the whole is, for the bar.
            total: Number of steps expected.
        """
        if self.quiet:
            yield lambda _: None
        elif sys.stderr is not None and sys.stderr.isatty():
            with _bar(what, total) as advance:
                yield advance
        else:
            yield self._lines(what, total)

    def _lines(self, what: str, total: int) -> Callable[[str], None]:
        """Print a line at every tenth of the whole; with `verbose` at every step."""
        done = 0

        def advance(step: str) -> None:
            nonlocal done
            done += 1
            if self.verbose or done == total or done * 10 // total > (done - 1) * 10 // total:
                self.note(f"{what}: {done} of {total} ({step})")

        return advance


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on the terminal; rich is imported only here, so that nothing else waits for it."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[step]}"), console=Terminal(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total, step="")
        yield lambda step: bars.update(task, advance=1, step=step)


def _print(text: str, stream: TextIO | None) -> None:
    """Print a line; a stream that is closed, or that nobody reads any more (`| head`), does not end the work."""
    if stream is not None:
        try:
            print(text, file=stream)
        except BrokenPipeError:
            drop_unwritable()


def drop_unwritable() -> None:
    """Send what cannot be said any more to nowhere, so that the end of the program does not stumble over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def count_findings(findings: Sequence["Finding"]) -> str:
    """Phrase how many findings there are of each severity."""
    kinds = ("error", "warning", "note")
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in kinds}
    return "findings: " + ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items())
