"""Files in and out: whole or not at all."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from hashlib import sha256
from pathlib import Path
from types import FrameType

from isal import igzip, isal_zlib

from atac2rna.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 22
_BINARY_KINDS = {
    b"BAM\x01": "a BAM file of reads",
    b"CRAM": "a CRAM file of reads",
    b"\x26\xfc\x8f\x88": "a bigWig signal file",
    b"\x88\x8f\xfc\x26": "a bigWig signal file",
    b"\xeb\xf2\x89\x87": "a bigBed file",
    b"\x87\x89\xf2\xeb": "a bigBed file",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive or spreadsheet",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"%PDF": "a PDF document",
    b"PAR1": "a parquet file",
    b"@HD\t": "a SAM file of reads",
    b"@SQ\t": "a SAM file of reads",
}


class ForeignFileError(InputError):
    """A file that holds something other than a table of text.

    Attributes:
        kind: What it looks like ("a BAM file of reads").
    """

    def __init__(self, message: str, *, kind: str) -> None:
        """Take the message and what the file looks like."""
        super().__init__(message)
        self.kind = kind


def read_text_bytes(path: Path, *, what: str) -> bytes:
    """Read a text file whole, decompressing gzip and bgzip by content, not by suffix.

    Args:
        path: The file.
        what: What is expected there, for the error ("a peak file").

    Returns:
        The decompressed bytes; line ends are as in the file, a UTF-8 byte order mark is dropped.

    Raises:
        InputError: If the file is missing, a directory, empty, truncated, or holds something other than text
            (`ForeignFileError`).
    """
    with _told(path, what):
        raw = path.read_bytes()
    return unwrap_text(raw, path, what=what)


def unwrap_text(raw: bytes, path: Path, *, what: str) -> bytes:
    """Decompress what a file held, as `read_text_bytes`, which see; `path` is what errors call it."""
    with _told(path, what):
        if raw[:2] == _GZIP_MAGIC:
            raw = igzip.decompress(raw)  # type: ignore[no-untyped-call]
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    _refuse_unless_text(path, raw, what=what)
    return raw


def peek_text(path: Path, *, what: str, size: int = 1 << 16) -> bytes:
    """Read the beginning of a text file as `read_text_bytes` would, at most `size` bytes of text, however large it is.

    Raises:
        InputError: As `read_text_bytes`.
    """
    with _told(path, what), path.open("rb") as raw:
        gzipped = raw.peek(2)[:2] == _GZIP_MAGIC
        stream = igzip.open(raw, "rb") if gzipped else raw  # type: ignore[no-untyped-call]
        head: bytes = stream.read(size)
    head = head.removeprefix(b"\xef\xbb\xbf")
    _refuse_unless_text(path, head, what=what)
    return head


def text_lines(path: Path, *, what: str) -> Generator[bytes]:
    """Stream the lines of a text file in constant memory, decompressing gzip and bgzip by content, not by suffix.

    For files that may be larger than memory likes (an annotation of a gigabyte); `read_text_bytes` for the rest.

    Args:
        path: The file.
        what: What is expected there, for the error ("an annotation").

    Yields:
        Each line without its line end (Unix or Windows); an end of file after a line end is no further line.

    Raises:
        InputError: As `read_text_bytes`; a truncated stream is told when its end is reached.
    """
    with _told(path, what), path.open("rb") as raw:
        gzipped = raw.peek(2)[:2] == _GZIP_MAGIC
        stream = igzip.open(raw, "rb") if gzipped else raw  # type: ignore[no-untyped-call]
        block = stream.read(_BLOCK)
        _refuse_unless_text(path, block, what=what)
        tail = b""
        while block:
            lines = (tail + block).split(b"\n")
            tail = lines.pop()
            for line in lines:
                yield line[:-1] if line.endswith(b"\r") else line
            block = stream.read(_BLOCK)
        if tail:
            yield tail[:-1] if tail.endswith(b"\r") else tail


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Turn the ways in which a file can fail to be read into errors that say what to do."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {what} is expected there.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; {what} is expected there.") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; change its permissions.") from None
    except EOFError:
        raise InputError(f"{path}: the gzip stream ends early (a cut download?); fetch the file again.") from None
    except (BadGzipFile, isal_zlib.error) as fault:  # type: ignore[misc]
        raise InputError(f"{path}: the gzip stream is damaged ({fault}); fetch the file again.") from None


def _refuse_unless_text(path: Path, raw: bytes, *, what: str) -> None:
    if not raw or raw.isspace():
        raise InputError(f"{path}: is empty; {what} is expected there.")
    kind = _not_text(raw)
    if kind is not None:
        raise ForeignFileError(f"{path}: looks like {kind}; {what} is expected there.", kind=kind)


def binary_kind(path: Path) -> str | None:
    """Name what the first bytes of a file say that it is; None for text, for what is unknown, and where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        head = stream.read(max(map(len, _BINARY_KINDS)))
    return next((kind for magic, kind in _BINARY_KINDS.items() if head.startswith(magic)), None)


def _not_text(raw: bytes) -> str | None:
    """Name what the bytes are, if they are not a table of text."""
    for magic, kind in _BINARY_KINDS.items():
        if raw.startswith(magic):
            return kind
    head = raw[:4096]
    if b"\x00" in head:
        return "a binary file"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page (an error page saved in place of a download?)"
    if start.startswith((b"{", b"[{")):
        return "a JSON document"
    return None


def checksum(path: Path) -> str:
    """Sha256 of a file's bytes as they lie on the disk, in hexadecimal."""
    digest = sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_record(path: Path) -> dict[str, str]:
    """Give what a result keeps of a file that it was made from: its path as given and the sha256 of its bytes."""
    return {"path": str(path), "sha256": checksum(path)}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well and vanishes when it does not.

    A link at `path` stays and what it points to is replaced; a device (`/dev/stdout`) is written as it is.

    Raises:
        InputError: If there is a folder at `path`, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder where a file is to be written; choose another output path.")
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    make_folder(path.parent)
    with _unwritable_told(path.parent):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place when the block ends well and vanishes if not.

    A folder that was at `path` stays until the new one is complete. The caller decides whether it may be replaced. A
    link at `path` stays and what it points to is replaced.

    Raises:
        InputError: If there is a file at `path`, or the folder above it cannot be made or written.
    """
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file where a folder is to be written; choose another output path.")
    make_folder(path.parent)
    with _unwritable_told(path.parent):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    old = temporary.with_name(temporary.name + ".old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    finally:
        with uninterrupted():
            if old.exists() and not path.exists():
                old.replace(path)
            for leftover in (temporary, old):
                shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block ends, for the steps that must not be left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    present = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {int(number): handler for number, handler in present.items() if callable(handler)}
    held: list[tuple[int, FrameType | None]] = []
    for number in handlers:
        signal.signal(number, lambda *received: held.append(received))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if held:
            handlers[held[0][0]](*held[0])


def make_folder(folder: Path, *, remedy: str = "choose another output path") -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        with _unwritable_told(folder, remedy):
            folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next(part for part in (folder, *folder.parents) if part.exists())
        raise InputError(f"{file}: is a file where a folder is needed; {remedy}.") from None


@contextmanager
def _unwritable_told(folder: Path, remedy: str = "choose another output path") -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise InputError(f"{folder}: cannot be written (permission denied); {remedy}.") from None
    except FileNotFoundError:  # what /proc and its like answer
        raise InputError(f"{folder}: cannot be written (no files can be made there); {remedy}.") from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
