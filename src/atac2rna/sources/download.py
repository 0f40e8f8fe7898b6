"""A set of files, several at a time."""

import queue
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from atac2rna.errors import InputError
from atac2rna.sources.connection import Connection
from atac2rna.sources.faults import DiskFullError
from atac2rna.sources.file_cache import cached_path, fetch_cached
from atac2rna.sources.transfer import Obtained, download
from atac2rna.sources.wanted import Wanted

__all__ = ["FailedFilesError", "Obtained", "Wanted", "Watch", "check_space", "download", "download_all", "fetch_cached"]

_HOPELESS = 25
_FAREWELL = 0.5


class Watch:
    """Who is told how a set comes along; takes no notice itself. Calls come one at a time, from any thread."""

    def expected(self, files: int, size: int | None) -> None:
        """Take note of what the set holds, once, before anything else: files, and their bytes, None if unknown."""

    def started(self, name: str, total: int | None) -> None:
        """Take note that a file is being seen to; `total` is its size in bytes, None if unknown."""

    def advanced(self, name: str, done: int) -> None:
        """Take note of the bytes of a file that are there so far; fewer than before if it is fetched anew."""

    def finished(self, name: str, how: Obtained) -> None:
        """Take note that a file is in its place."""

    def retried(self, name: str, why: str) -> None:
        """Take note that a file is tried again."""

    def failed(self, name: str, why: str) -> None:
        """Take note that a file was given up."""


class FailedFilesError(InputError):
    """Files of a set that could not be had.

    Attributes:
        failures: Each of them, with its error.
    """

    def __init__(self, failures: Sequence[tuple[Wanted, InputError]], total: int, untried: int) -> None:
        """Take the failures, the number of files of the set, and of those not tried any more."""
        self.failures = tuple(failures)
        first, fault = self.failures[0]
        others = [wanted.name for wanted, _ in self.failures[1:]]
        more = f" Beside it: {', '.join(others[:5])}{', ...' if len(others) > 5 else ''}." if others else ""
        left = f" {untried:,} further files were not tried any more." if untried else ""
        super().__init__(
            f"{len(failures):,} of {total:,} files could not be fetched; {first.name}: {fault}{more}{left} "
            "What has come is kept: run the same command again for the rest."
        )


def download_all(
    connection: Connection,
    jobs: Sequence[tuple[Wanted, Path]],
    *,
    workers: int = 4,
    watch: Watch | None = None,
    cache: Path | None = None,
) -> list[Obtained]:
    """Have every file in its place, several at a time.

    A file that fails does not stop the others; Ctrl-C and a full disk do, at once, and what has come is continued by the
    next run. After 25 failures in a row the rest is not tried.

    Args:
        connection: Who is asked.
        jobs: Files and where they are to be, each place once.
        workers: Files at a time.
        watch: Told how it comes along.
        cache: Folder of the files kept for all projects; None: none.

    Returns:
        How each was had, in the order of the jobs.

    Raises:
        FailedFilesError: If some could not be had, once the others are there.
        DiskFullError: If there is no room, looked up before anything is fetched.
    """
    places: set[Path] = set()
    for wanted, target in jobs:
        if target in places:
            raise InputError(f"{target}: every file has a place of its own; {wanted.name} is the second for this one.")
        places.add(target)
    check_space(jobs, cache=cache)
    watch = watch or Watch()
    sizes = [wanted.size for wanted, _ in jobs]
    watch.expected(len(jobs), None if None in sizes else sum(size or 0 for size in sizes))
    return _Crew(connection, jobs, watch, cache).run(workers)


def check_space(jobs: Sequence[tuple[Wanted, Path]], *, cache: Path | None = None) -> None:
    """Make sure that what is still missing fits on the disk, as far as sizes are known.

    Raises:
        DiskFullError: If it does not.
    """
    missing: dict[int, int] = defaultdict(int)
    folders: dict[int, Path] = {}
    for wanted, target in jobs:
        if wanted.size is None or _size(target) == wanted.size:
            continue
        kept = None if cache is None else cached_path(wanted, cache)
        needed = [kept or target]
        if kept is not None and _device(kept)[0] != _device(target)[0]:
            needed.append(target)
        for path in needed:
            if _size(path) != wanted.size:
                device, folder = _device(path)
                folders.setdefault(device, folder)
                missing[device] += wanted.size - min(_size(path.with_name(path.name + ".part")), wanted.size)
    for device, folder in folders.items():
        free = shutil.disk_usage(folder).free
        if missing[device] > free:
            raise DiskFullError(
                f"{folder}: the files still to come take {missing[device] / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are free; "
                "free some space or choose another output path."
            )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _device(path: Path) -> tuple[int, Path]:
    """Give the number of the disk that a path, made or not, lies on, and the folder that tells it."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    return folder.stat().st_dev, folder


class _Crew:
    """Threads that fetch the files of a set.

    They are daemons: one that waits for a server must not keep an interrupted program from ending.
    """

    def __init__(
        self, connection: Connection, jobs: Sequence[tuple[Wanted, Path]], watch: Watch, cache: Path | None
    ) -> None:
        self._connection, self._jobs, self._cache = connection, jobs, cache
        self._watch = watch
        self._watching = threading.Lock()
        self._stop = threading.Event()
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._failed_in_a_row = 0

    def run(self, workers: int) -> list[Obtained]:
        """Fetch all of them."""
        for index in range(len(self._jobs)):
            self._waiting.put(index)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(workers, len(self._jobs)))]
        try:
            for thread in threads:
                thread.start()
            return self._collected(len(threads))
        finally:
            self._stop.set()
            until = time.monotonic() + _FAREWELL
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, until - time.monotonic()))

    def _collected(self, workers: int) -> list[Obtained]:
        """Wait until every worker has ended."""
        had: dict[int, Obtained] = {}
        failures: dict[int, InputError] = {}
        while workers:
            outcome = self._done.get()
            if outcome is None:
                workers -= 1
                continue
            fault = outcome.fault
            if outcome.how is not None:
                had[outcome.index] = outcome.how
            elif isinstance(fault, InputError) and not isinstance(fault, DiskFullError):
                failures[outcome.index] = fault
            elif fault is not None:
                raise fault
        if failures:
            told = [(self._jobs[index][0], failures[index]) for index in sorted(failures)]
            raise FailedFilesError(told, len(self._jobs), len(self._jobs) - len(had) - len(failures))
        return [had[index] for index in range(len(self._jobs))]

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and self._failed_in_a_row < _HOPELESS:
                index = self._waiting.get_nowait()
                with _Outcome(index, self._done) as outcome:
                    outcome.how = self._one(*self._jobs[index])
                with self._counting:
                    self._failed_in_a_row = 0 if outcome.fault is None else self._failed_in_a_row + 1
        except queue.Empty:
            return
        finally:
            self._done.put(None)

    def _one(self, wanted: Wanted, target: Path) -> Obtained:
        name = wanted.name
        self._tell("started", name, wanted.size)
        try:
            how = fetch_cached(
                self._connection,
                wanted,
                target,
                cache=self._cache,
                progress=lambda done: self._tell("advanced", name, done),
                retried=lambda why: self._tell("retried", name, why),
                stop=self._stop,
            )
        except InputError as fault:
            self._tell("failed", name, str(fault))
            raise
        self._tell("finished", name, how)
        return how

    def _tell(self, what: str, *told: object) -> None:
        with self._watching:
            if not self._stop.is_set():
                getattr(self._watch, what)(*told)


class _Outcome:
    """What became of one file; whatever is raised in its block is carried to the thread that collects."""

    def __init__(self, index: int, done: "queue.SimpleQueue[_Outcome | None]") -> None:
        self.index = index
        self.how: Obtained | None = None
        self.fault: BaseException | None = None
        self._done = done

    def __enter__(self) -> "_Outcome":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.fault = fault
        self._done.put(self)
        return True
