"""A file to be had, and whether one that is there is it."""

import re
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from atac2rna.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MOST_BYTES = 1 << 53
_MD5 = re.compile(r"[0-9a-f]{32}")


def is_md5(text: str) -> bool:
    """Tell whether a text is an md5 in hexadecimal, in small letters."""
    return _MD5.fullmatch(text) is not None


@dataclass(frozen=True)
class Wanted:
    """A file to be had.

    Attributes:
        name: Accession or file name, for errors, progress and the cache.
        urls: Addresses, the first that works is used.
        size: Bytes; None if unknown.
        md5: Its md5 in hexadecimal; None if unknown.
        bsd: What the program `sum` says of it, checksum and blocks of 1,024 bytes, as Ensembl tells it; None if unknown.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    md5: str | None
    bsd: tuple[int, int] | None = None

    @property
    def is_checked(self) -> bool:
        """Whether a checksum tells this file from others."""
        return self.md5 is not None or self.bsd is not None

    def __post_init__(self) -> None:
        """Refuse what would lead astray in a path.

        Raises:
            InputError: If the name, the size or the md5 is none, or there is no address.
        """
        if not _NAME.fullmatch(self.name) or len(self.name) > 200:
            raise InputError(f"a file is named by letters, digits and . _ + -; got {self.name!r}.")
        if self.size is not None and not 0 <= self.size <= _MOST_BYTES:
            shown = str(self.size) if self.size.bit_length() < 100 else "a number of more than 30 digits"
            raise InputError(f"{self.name}: a file has 0 to 2**53 bytes; got {shown}.")
        if self.md5 is not None and not is_md5(self.md5):
            raise InputError(f"{self.name}: an md5 is 32 hexadecimal digits in small letters; got {self.md5!r}.")
        if not self.urls:
            raise InputError(f"{self.name}: a file to be fetched has an address; got none.")

    def is_at(self, path: Path) -> bool:
        """Tell whether the file at `path` is this one, by size and md5; False where neither is known.

        Raises:
            InputError: If there is a folder.
        """
        if path.is_dir():
            raise InputError(f"{path}: is a folder where the file {self.name} is to be written; move it away.")
        if not path.is_file() or (self.size is not None and path.stat().st_size != self.size):
            return False
        return (self.is_checked or self.size is not None) and self.fault_of(path) is None

    def fault_of(self, path: Path) -> str | None:
        """Say in which checksum a file differs; None if in none that is known."""
        if self.md5 is not None and (md5_found := file_md5(path)) != self.md5:
            return f"has the md5 {md5_found}, not {self.md5}"
        if self.bsd is not None and (bsd_found := file_sum(path)) != self.bsd:
            return f"has the sum {bsd_found[0]} of {bsd_found[1]:,} blocks, not {self.bsd[0]} of {self.bsd[1]:,}"
        return None


def file_md5(path: Path) -> str:
    """Md5 of a file's bytes in hexadecimal, as the portal tells it; a checksum against damage, not against malice."""
    digest = md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_sum(path: Path) -> tuple[int, int]:
    """Checksum and number of blocks of 1,024 bytes as the program `sum` tells them (the BSD way), about 7 MB a second."""
    total, size = 0, 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            size += len(block)
            for byte in block:
                total = ((total >> 1) + ((total & 1) << 15) + byte) & 0xFFFF
    return total, -(-size // 1024)
