"""One object of an answer of the portal, read by dotted paths."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from atac2rna.errors import InputError

_MOST = 2**53  # what JSON numbers are exact to


class Hit:
    """An object as the portal gave it; a path leads through lists, as it does in the portal's own filters."""

    def __init__(self, value: Mapping[str, Any], *, source: str) -> None:
        """Take the object and the address that gave it, for errors."""
        self._value = value
        self.source = source
        self.name = str(value.get("accession") or value.get("@id") or "an object without a name").strip("/")

    def values(self, path: str) -> tuple[Any, ...]:
        """Give every value that a path leads to, in the order of the document; () where the field is absent."""
        return tuple(value for value in _walk(self._value, path.split(".")) if value is not None)

    def texts(self, path: str) -> tuple[str, ...]:
        """Give the texts that a path leads to, each once; a linked object counts with its `@id`.

        Raises:
            InputError: If a value is neither text nor an object with `@id`.
        """
        found: dict[str, None] = {}
        for value in self.values(path):
            text = value.get("@id") if isinstance(value, Mapping) else value
            if not isinstance(text, str) or not _encodable(text):
                raise self.fault(path, "text", value)
            found.setdefault(text)
        return tuple(found)

    def identities(self, *paths: str) -> tuple[str, ...]:
        """Tell apart what the paths lead to, each once, in order: an object by its `@id`, one without by all it says."""
        found = {
            str(value.get("@id") or json.dumps(value, sort_keys=True)) if isinstance(value, Mapping) else str(value)
            for path in paths
            for value in self.values(path)
        }
        return tuple(sorted(found))

    def parts(self, path: str) -> tuple["Hit", ...]:
        """Give the objects that a path leads to, each to be read by itself; errors name the whole."""
        found = [Hit(value, source=self.source) for value in self.values(path) if isinstance(value, Mapping)]
        for part in found:
            part.name = self.name
        return tuple(found)

    def text(self, path: str, default: str | None = None) -> str:
        """Give the one text of a path.

        Args:
            path: The field.
            default: What stands for an absent one; None: it must be there.

        Raises:
            InputError: If it is absent without a default, or there are several.
        """
        found = self.texts(path)
        if len(found) > 1 or (not found and default is None):
            raise self.fault(path, "one text", self.values(path) or None)
        return found[0] if found else str(default)

    def flag(self, path: str) -> bool:
        """Give a yes or no; absent is no.

        Raises:
            InputError: If it is anything but true or false.
        """
        found = self.values(path)
        if not all(isinstance(value, bool) for value in found):
            raise self.fault(path, "true or false", found)
        return any(found)

    def wholes(self, path: str) -> tuple[int, ...]:
        """Give the whole numbers that a path leads to, each once, in ascending order.

        Raises:
            InputError: If a value is no whole number, or below 0.
        """
        found = self.values(path)
        for value in found:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
                raise self.fault(path, "a whole number", value)
        return tuple(sorted(set(found)))

    def fault(self, path: str, law: str, value: Any) -> InputError:
        """Phrase that a field is not what the portal's schema says."""
        told = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        shown = told[:80].encode("utf-8", "replace").decode()
        return InputError(
            f"{self.source}: the field {path} of {self.name} is {law}; got {shown!r}. Try again later; if it stays "
            "so, the portal has changed: run atac2rna encode doctor, and report what it says."
        )


def _encodable(text: str) -> bool:
    """Tell whether a text can be written: JSON may hold halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _walk(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _walk(value[path[0]], path[1:])
