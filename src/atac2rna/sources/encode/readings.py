"""Reading an answer object by object: one that is odd is passed over and told, many that are stop the work."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from atac2rna.errors import InputError
from atac2rna.sources.encode.hit import Hit

ODD_SHARE = 0.05
"""Share of odd cases that a search gets over, telling each."""
_FEW = 3

Read = TypeVar("Read")


class Odd(NamedTuple):
    """An object that is not what the portal's schema says, and in what."""

    name: str
    reason: str


def read_hits(hits: Iterable[Hit], read: Callable[[Hit], Read]) -> tuple[list[Read], list[Odd]]:
    """Read the objects of an answer.

    Args:
        hits: The objects.
        read: Reads one, and raises an InputError if it is odd.

    Returns:
        What was read, in the order of the answer, and the odd ones.

    Raises:
        InputError: That of the first odd object, if they are more than 3 and more than a twentieth: the portal has changed.
    """
    found: list[Read] = []
    odd: list[Odd] = []
    first: InputError | None = None
    for hit in hits:
        try:
            found.append(read(hit))
        except InputError as fault:
            odd.append(Odd(hit.name.rpartition("/")[2], str(fault)))
            first = first or fault
    if first is not None and len(odd) > max(_FEW, ODD_SHARE * (len(odd) + len(found))):
        raise InputError(f"{first} ({len(odd)} of {len(odd) + len(found)} objects of the answer are odd.)")
    return found, odd
