"""HDF5 by way of memory: its library crashes where a file cannot grow, and cannot be told so."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Hdf5Image(io.BytesIO):
    """The bytes of an HDF5 file that is to lie at `path`.

    A file to h5py, which writes here and not to the disk; a path to whoever opens the file afterwards (mudata writes its
    name over the first bytes, which HDF5 leaves to the user).
    """

    def __init__(self, path: Path) -> None:
        """Take the place of the file."""
        super().__init__()
        self._path = path

    def __fspath__(self) -> str:
        """Give the place of the file."""
        return str(self._path)


@contextmanager
def hdf5_image(path: Path, *, user_block: int = 0) -> Iterator[Hdf5Image]:
    """Give something for HDF5 to write to; when the block ends well, its bytes are at `path`.

    A full disk is then an error like any other, and not the end of the process.

    Args:
        path: A file that is there; what it holds beyond the first `user_block` bytes is replaced.
        user_block: Number of bytes at the beginning that are written to `path` itself, by others.

    Raises:
        OSError: If the bytes find no room.
    """
    image = Hdf5Image(path)
    yield image
    with path.open("r+b") as stream:
        stream.seek(user_block)
        stream.write(image.getbuffer()[user_block:])
        stream.truncate()
