"""How a set of files comes along, for the eye: bars on a terminal, plain lines when piped."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atac2rna.cli.console import Console
from atac2rna.sources.download import Obtained, Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines(Watch):
    """A line at every tenth of the set, and for whatever is tried again or given up; with `verbose` for every file."""

    def __init__(self, console: Console, total: int) -> None:
        """Take where to speak and the number of files."""
        self.ways: Counter[Obtained] = Counter()
        self._console = console
        self._total = total
        self._bytes: dict[str, int] = {}

    def advanced(self, name: str, done: int) -> None:
        """Count bytes."""
        self._bytes[name] = done

    def finished(self, name: str, how: Obtained) -> None:
        """Count files, and tell."""
        self.ways[how] += 1
        done = self.ways.total()
        if self._console.verbose or done == self._total or done * 10 // self._total > (done - 1) * 10 // self._total:
            size = sum(self._bytes.values()) / 1e6
            self._console.note(f"fetch: {done} of {self._total} files, {size:,.1f} MB ({name} {how})")

    def retried(self, name: str, why: str) -> None:
        """Tell, if every step is to be told."""
        if self._console.verbose:
            self._console.note(f"fetch: {name} again: {why}")

    def failed(self, name: str, why: str) -> None:
        """Tell."""
        self._console.note(f"fetch: {name} failed: {why}")


class Bars(Lines):
    """A bar for the set, in files, and one for every file under way, in bytes."""

    def __init__(self, console: Console, total: int, bars: "Progress") -> None:
        """Take what draws."""
        super().__init__(console, total)
        self._bars = bars
        self._whole = bars.add_task("fetch", total=total, unit="files")
        self._tasks: dict[str, TaskID] = {}

    def started(self, name: str, total: int | None) -> None:
        """Draw a bar for the file."""
        self._tasks[name] = self._bars.add_task(name, total=total)

    def advanced(self, name: str, done: int) -> None:
        """Move it."""
        super().advanced(name, done)
        self._bars.update(self._tasks[name], completed=done)

    def finished(self, name: str, how: Obtained) -> None:
        """Take it away."""
        self.ways[how] += 1
        self._bars.update(self._whole, completed=self.ways.total())
        self._bars.remove_task(self._tasks.pop(name))

    def failed(self, name: str, why: str) -> None:
        """Take it away and tell."""
        self._bars.remove_task(self._tasks.pop(name))
        self._bars.console.print(f"fetch: {name} failed: {why}", markup=False, highlight=False)


@contextmanager
def watching(console: Console, total: int) -> Iterator[Lines]:
    """Give who watches a set of `total` files come, for the kind of console."""
    if console.quiet or sys.stderr is None or not sys.stderr.isatty():
        yield Lines(console, total)
        return
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        """How much of how much: files of the set, megabytes of a file."""

        def render(self, task: Task) -> Text:
            if task.fields.get("unit") == "files":
                return Text(f"{task.completed:.0f} of {task.total or 0:.0f} files")
            return Text(f"{task.completed / 1e6:,.1f} of {(task.total or 0) / 1e6:,.1f} MB")

    columns = (TextColumn("{task.description}"), BarColumn(), Amount(), TimeElapsedColumn())
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bars:
        yield Bars(console, total, bars)
