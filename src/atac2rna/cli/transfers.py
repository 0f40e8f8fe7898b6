"""How a download is shown: bars on a terminal, plain lines when piped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atac2rna.cli.console import Console
from atac2rna.sources.download import Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from atac2rna.sources.transfer import Obtained


@contextmanager
def shown_transfers(console: Console, what: str) -> Iterator[Watch]:
    """Give a watch that shows how a set of files comes along.

    Args:
        console: Where; nothing is shown if it is quiet.
        what: What the set is, in front of its bar or line.
    """
    import sys

    if console.quiet:
        yield Watch()
    elif sys.stderr is not None and sys.stderr.isatty():
        with _progress() as bars:
            yield _Bars(bars, what)
    else:
        yield _Lines(console, what)


def _progress() -> "Progress":
    """Make the bars; rich is imported only here, so that nothing else waits for it."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Terminal(stderr=True), transient=True)


class _Bars(Watch):
    """A bar for the set, and one for each file that is on its way."""

    def __init__(self, bars: "Progress", what: str) -> None:
        self._bars = bars
        self._whole = bars.add_task(what, total=None)
        self._tasks: dict[str, TaskID] = {}
        self._sizes: dict[str, int | None] = {}
        self._done: dict[str, int] = {}

    def expected(self, files: int, size: int | None) -> None:
        """Give the bar of the set an end."""
        self._bars.update(self._whole, total=size)

    def started(self, name: str, total: int | None) -> None:
        """Show the file."""
        self._sizes[name] = total
        self._tasks[name] = self._bars.add_task(f"  {name}", total=total)

    def advanced(self, name: str, done: int) -> None:
        """Move both bars."""
        self._bars.update(self._tasks[name], completed=done)
        self._bars.update(self._whole, advance=done - self._done.get(name, 0))
        self._done[name] = done

    def finished(self, name: str, how: "Obtained") -> None:
        """Take the bar of the file away."""
        self.advanced(name, self._sizes[name] or self._done.get(name, 0))
        self._bars.remove_task(self._tasks.pop(name))

    def retried(self, name: str, why: str) -> None:
        """Say so in the line of the file."""
        self._bars.update(self._tasks[name], description=f"  {name} (again: {why[:60]})")

    def failed(self, name: str, why: str) -> None:
        """Take the bar of the file away; the error is told in the end."""
        self._bars.remove_task(self._tasks.pop(name))


class _Lines(Watch):
    """A line at every tenth of the files; with `verbose` for each of them, and for every further try."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._files = 1
        self._count = 0

    def expected(self, files: int, size: int | None) -> None:
        """Count up to there."""
        self._files = files

    def started(self, name: str, total: int | None) -> None:
        """Say so where there is but one file to wait for."""
        if self._files == 1:
            self._console.note(f"{self._what}: {name}")

    def finished(self, name: str, how: "Obtained") -> None:
        """Count it."""
        self._end(f"{name}: {how}")

    def retried(self, name: str, why: str) -> None:
        """Say why, with `verbose`."""
        if self._console.verbose:
            self._console.note(f"{self._what}: {name} again: {why}")

    def failed(self, name: str, why: str) -> None:
        """Say why."""
        self._console.note(f"{self._what}: {name} failed: {why[:200]}")
        self._end(f"{name}: failed")

    def _end(self, step: str) -> None:
        self._count += 1
        count, files = self._count, self._files
        if self._console.verbose or count == files or count * 10 // files > (count - 1) * 10 // files:
            self._console.note(f"{self._what}: {count} of {files} ({step})")
