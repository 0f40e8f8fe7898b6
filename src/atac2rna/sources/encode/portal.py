"""The ENCODE portal: metadata queries, and answers that were checked against them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from atac2rna.sources.connection import Connection, SourceError
from atac2rna.sources.encode.hit import Hit

NOTHING = "No results found"
"""What the portal notes, with status 404, where a search has no hit."""


@dataclass(frozen=True)
class Answer:
    """What the portal said to a query.

    Attributes:
        url: The query.
        date: When, UTC, ISO.
        total: Hits that the portal counted.
        graph: The hits, as they came.
    """

    url: str
    date: str
    total: int
    graph: tuple[Mapping[str, Any], ...]

    def hits(self) -> Iterator[Hit]:
        """Give the hits, each once, in the order of the answer."""
        seen: set[str] = set()
        for value in self.graph:
            name = str(value.get("@id", len(seen)))
            if name not in seen:
                seen.add(name)
                yield Hit(value, source=self.url.partition("?")[0])


class Portal:
    """Asks the portal. It answers with 25 hits, and no error, unless told otherwise: every query says `limit=all`."""

    def __init__(self, connection: Connection) -> None:
        """Take the way to it."""
        self.connection = connection
        self.address = connection.portal

    def search(self, query: Sequence[tuple[str, str]]) -> Answer:
        """Ask for the objects that a query describes.

        Args:
            query: Keys and values as in the portal's addresses; several of one key mean any of them.

        Raises:
            InputError: If the portal cannot be reached, refuses the query, or answers something else than its
                documentation says.
        """
        url = f"{self.address}/search/?{urlencode(query)}"
        answer = self._whole(url) or self._whole(url)
        if answer is None:
            raise _odd(url, "a list of all hits that its total counts, as limit=all asks for", "fewer, twice")
        _refuse_unasked(answer, query)
        return answer

    def _whole(self, url: str) -> Answer | None:
        """Ask once; None if fewer hits came than the portal counts, which an index at work may cause."""
        date = datetime.now(UTC).isoformat(timespec="seconds")
        body = self.connection.get_json(url, missing_ok=True)
        if not isinstance(body, Mapping):
            raise _odd(url, "a JSON object", body)
        graph, total = body.get("@graph"), body.get("total")
        if body.get("notification") == NOTHING and not graph:
            return Answer(url, date, 0, ())
        if not isinstance(graph, list) or not all(isinstance(value, Mapping) for value in graph):
            raise _odd(
                url, "an object with a list @graph of objects", body.get("description", body.get("notification"))
            )
        if not isinstance(total, int) or isinstance(total, bool):
            raise _odd(url, "an object whose total is a whole number", total)
        return Answer(url, date, total, tuple(graph)) if total <= len(graph) else None


def _refuse_unasked(answer: Answer, query: Sequence[tuple[str, str]]) -> None:
    """Refuse hits that the query excludes: a filter that the portal no longer knows must not let everything in."""
    wanted: dict[str, set[str]] = {}
    for key, value in query:
        wanted.setdefault(key, set()).add(value)
    fields = wanted.get("field", set())
    filters = {key: values for key, values in wanted.items() if key in fields}
    for hit in answer.hits():
        for key, values in filters.items():
            found = {str(value).lower() if isinstance(value, bool) else str(value) for value in hit.values(key)}
            if found and not found & values:
                raise hit.fault(key, f"{' or '.join(sorted(values))}, as asked for", ", ".join(sorted(found)))


def _odd(url: str, law: str, got: object) -> SourceError:
    shown = got if isinstance(got, str) else json.dumps(got)
    return SourceError(
        f"an answer is {law}; got {shown[:200]}",
        url=url[:200],
        remedy="Try again later; if it stays so, the portal has changed: run atac2rna encode doctor, and report what it says.",
    )
