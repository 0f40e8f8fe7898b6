"""The part of a file that has come, `<file>.part`, held by one process at a time."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.sources.faults import DiskFullError, StoppedError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_POLL = 0.1


class Part:
    """What has come of a file. Every block is on its way to the disk at once, so an interruption loses none."""

    def __init__(self, path: Path, handle: int, *, shared: bool) -> None:
        """Take the path, the file opened for appending, and whether others wait for this part."""
        self.path = path
        self.shared = shared
        self._handle = handle

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return os.fstat(self._handle).st_size

    def append(self, block: bytes) -> None:
        """Add a block.

        Raises:
            DiskFullError: If there is no room; what fitted stays.
        """
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as fault:
            if fault.errno not in _FULL:
                raise
            raise DiskFullError(
                f"{self.path}: the disk is full after {self.size:,} bytes of this file. Free some space and run the same "
                "command again: it goes on from there."
            ) from None

    def clear(self) -> None:
        """Throw away what has come."""
        os.ftruncate(self._handle, 0)

    def head(self, size: int) -> bytes:
        """Give the first bytes."""
        with self.path.open("rb") as stream:
            return stream.read(size)

    def finish(self, target: Path) -> None:
        """Let it take the place of `target`."""
        self.path.replace(target)


@contextmanager
def held_part(target: Path, *, idle: float, stop: threading.Event | None = None) -> Iterator[Part]:
    """Hold the part of a file, alone; wait while another process holds it.

    The system ends the hold with the process, however that ends, so none can be left over. A process that holds it but
    lets it lie (one that is suspended), and a file system without locks, are worked around with a part of our own, which
    is not continued later.

    Args:
        target: The file.
        idle: Seconds without growth after which the other process is not waited for any longer.
        stop: Ends the wait.

    Raises:
        InputError: If the folder cannot be written.
        StoppedError: If `stop` is set while waiting.
    """
    path = _shared_path(target)
    handle = _hold(path, idle, stop)
    shared = handle is not None
    if handle is None:
        path = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        handle = _opened(path)
    part = Part(path, handle, shared=shared)
    try:
        yield part
    finally:
        if (part.size == 0 or not shared) and _is_same(path, handle):
            path.unlink(missing_ok=True)
        os.close(handle)


def forget_part(target: Path) -> None:
    """Remove the part of a file that is there, unless another process holds it."""
    if _shared_path(target).exists():
        with suppress(InputError), held_part(target, idle=0) as part:  # InputError: a folder that is read only
            part.clear()


def _shared_path(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _hold(path: Path, idle: float, stop: threading.Event | None) -> int | None:
    """Open the part and lock it; None if that cannot be had."""
    while True:
        handle = _opened(path)
        locked = False
        try:
            locked = _lock(handle, idle, stop)
            if not locked:
                return None
            if _is_same(path, handle):
                return handle
            locked = False  # the other process was done with it: look again
        finally:
            if not locked:
                os.close(handle)


def _lock(handle: int, idle: float, stop: threading.Event | None) -> bool:
    import fcntl  # not on Windows, where the rest of the package works

    size, since = -1, time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        except OSError:
            return False
        now = os.fstat(handle).st_size
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > idle:
            return False
        if stop is None:
            time.sleep(_POLL)
        elif stop.wait(_POLL):
            raise StoppedError


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except (IsADirectoryError, PermissionError) as fault:
        raise InputError(
            f"{path}: cannot be written ({(fault.strerror or '').lower()}); choose another output path."
        ) from None


def _is_same(path: Path, handle: int) -> bool:
    """Tell whether the path still leads to the file that was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
