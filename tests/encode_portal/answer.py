"""An answer, and how it goes over the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import md5
from typing import Any, Literal

Role = Literal["portal", "storage"]
Length = Literal["true", "none", "chunked"]


@dataclass(frozen=True)
class Question:
    """A request: role of the listener, method, path, query, headers with names in small letters."""

    role: Role
    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer; faults change its fields.

    Attributes:
        status: Code.
        body: The whole body; a range is cut out when it is sent.
        headers: Beyond those that follow from the rest.
        ranged: Whether `Range` is obeyed.
        length: `true` says Content-Length, `none` leaves it away and ends with the connection, `chunked`.
        until: Share of the body (of what is sent of it) after which the connection is dropped; 1: never.
        piece: Bytes sent at a time; 0: all.
        pause: Seconds between pieces.
        hang: Seconds to wait, before the headers if `hang_at` is None, else after this share of the body.
        hang_at: See `hang`.
        dropped: Close the connection without a word.
        shift: Bytes by which the part that is sent lies elsewhere than asked for (its Content-Range says so).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ranged: bool = False
    length: Length = "true"
    until: float = 1.0
    piece: int = 0
    pause: float = 0.0
    hang: float = 0.0
    hang_at: float | None = None
    dropped: bool = False
    shift: int = 0

    def with_headers(self, **headers: str) -> "Answer":
        """Give the answer with further headers; `_` in a name stands for `-`."""
        return replace(
            self, headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        )


def json_answer(document: Any, status: int = 200) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def error_answer(status: int, title: str, description: str, detail: str = "") -> Answer:
    """Answer with the JSON of the portal's errors."""
    kind = {400: "HTTPBadRequest", 403: "HTTPForbidden", 404: "HTTPNotFound", 405: "HTTPMethodNotAllowed"}
    document = {"@type": [kind.get(status, f"HTTP{status}"), "Error"], "status": "error", "code": status}
    return json_answer(document | {"title": title, "description": description, "detail": detail}, status)


def page_answer(title: str, status: int = 200) -> Answer:
    """Answer with a web page."""
    text = f"<!DOCTYPE html>\n<html lang='en'><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


def bytes_answer(data: bytes) -> Answer:
    """Answer with an object of the storage host, of which parts may be asked for."""
    tag = f'"{md5(data).hexdigest()}"'
    headers = {"Content-Type": "binary/octet-stream", "Accept-Ranges": "bytes", "ETag": tag}
    return Answer(200, data, headers | {"Last-Modified": "Thu, 03 Jun 2021 12:00:00 GMT"}, ranged=True)


def storage_error(status: int, code: str, message: str) -> Answer:
    """Answer with the XML of the storage host's errors."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode(), {"Content-Type": "application/xml"})


def part_of(answer: Answer, question: Question) -> Answer:
    """Obey `Range`: 206 with a part, 416 beyond the end, else the whole.

    A range that cannot be read, or an `If-Range` that names another version, gives the whole, as RFC 9110 says.
    """
    asked = question.headers.get("range", "")
    if not answer.ranged or answer.status != 200 or not asked.startswith("bytes=") or "," in asked:
        return answer
    if question.headers.get("if-range", answer.headers["ETag"]) != answer.headers["ETag"]:
        return answer
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not (first or last) or not all(word.isdigit() for word in (first, last) if word):
        return answer
    size = len(answer.body)
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or end <= start:
        refused = storage_error(416, "InvalidRange", "The requested range is not satisfiable")
        return replace(refused, headers={**refused.headers, "Content-Range": f"bytes */{size}"})
    start = min(max(start + answer.shift, 0), size - 1)
    part = replace(answer, status=206, body=answer.body[start:end])
    return replace(part, headers={**answer.headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})
