"""Files that were fetched once, kept for all projects: `<cache>/files/<first two of md5>/<md5>/<name>`."""

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from atac2rna.cache import CACHE_VARIABLE
from atac2rna.files import make_folder
from atac2rna.sources.connection import Connection
from atac2rna.sources.transfer import Obtained, download
from atac2rna.sources.wanted import Wanted


def cached_path(wanted: Wanted, cache: Path) -> Path | None:
    """Give the place of a file in the cache, whether it is there or not; None where no md5 tells it from others."""
    if wanted.md5 is None:
        return None
    return cache / "files" / wanted.md5[:2] / wanted.md5 / wanted.name


def fetch_cached(
    connection: Connection,
    wanted: Wanted,
    target: Path,
    *,
    cache: Path | None,
    progress: Callable[[int], None] = lambda _: None,
    retried: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Obtained:
    """Have a file at `target` as `download` does, by way of the cache.

    In the cache files are read-only, and `target` is a hard link to one where the file system allows it, else a copy. A
    damaged file in the cache is fetched again.

    Args:
        connection: Who is asked.
        wanted: The file; without md5 it is fetched past the cache.
        target: Where it is to be.
        cache: Folder of the cache, as `cache.cache_folder` gives it; None: no cache.
        progress: See `download`.
        retried: See `download`.
        stop: See `download`.

    Raises:
        InputError: As `download`.
    """
    kept = None if cache is None else cached_path(wanted, cache)
    if kept is None:
        return download(connection, wanted, target, progress=progress, retried=retried, stop=stop)
    if wanted.is_at(target):
        return "there"
    make_folder(kept.parent, remedy=f"name another folder for the cache in {CACHE_VARIABLE}")
    how = download(connection, wanted, kept, progress=progress, retried=retried, stop=stop)
    with suppress(PermissionError):  # another user's file, in a cache that is shared
        kept.chmod(0o444)
    make_folder(target.parent)
    _link(kept, target)
    return "fetched" if how == "fetched" else "cache"


def _link(kept: Path, target: Path) -> None:
    """Put a file of the cache in its place, whole."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        try:
            os.link(kept, temporary)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(kept, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
