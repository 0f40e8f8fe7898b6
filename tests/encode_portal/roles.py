"""What the two hosts answer when nothing goes wrong."""

import json
import time
from hashlib import sha256
from urllib.parse import parse_qs, quote, urlencode

from .answer import Answer, Question, bytes_answer, error_answer, json_answer, page_answer, storage_error
from .catalogue import STORAGE, Catalogue, Object
from .search import BadQuestionError, asked, framed, search
from .tables import batch_download, metadata_table, report_table

LIFE = 36 * 3600
"""Seconds for which a signed address lives."""


class Hosts:
    """The portal and the storage host behind it.

    Attributes:
        catalogue: What they hold; may change while they run.
        url: Address of the portal.
        storage_url: Address of the storage host.
        secret: Signs the addresses of the storage host; a new one makes all signed before expire.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.url = ""
        self.storage_url = ""
        self.secret = "0"

    def answer(self, question: Question) -> Answer:
        """Answer as the host of the question's role."""
        if question.method not in ("GET", "HEAD"):
            return error_answer(405, "Method Not Allowed", "The loopback portal can only be read.")
        mirrored = self.catalogue.mirrored(question.path.lstrip("/"))
        if mirrored is not None:
            return bytes_answer(mirrored)
        return self._storage(question) if question.role == "storage" else self._portal(question)

    def _storage(self, question: Question) -> Answer:
        data = self.catalogue.stored.get(question.path.lstrip("/"))
        signature = parse_qs(question.query).get("X-Amz-Signature")
        if signature and signature != [self._signature(question.path)]:
            return storage_error(403, "AccessDenied", "Request has expired")
        return bytes_answer(data) if data is not None else storage_error(404, "NoSuchKey", "no such key")

    def _signature(self, path: str) -> str:
        return sha256(f"{self.secret} {path}".encode()).hexdigest()

    def _portal(self, question: Question) -> Answer:
        answer = self._portal_page(question)
        body = answer.body.replace(STORAGE.encode(), self.storage_url.encode())
        kept = Answer(answer.status, body, answer.headers)
        return kept.with_headers(
            Set_Cookie=f"session={sha256(question.path.encode()).hexdigest()[:24]}; Path=/; HttpOnly"
        )

    def _portal_page(self, question: Question) -> Answer:
        parts = question.path.strip("/").split("/")
        if "@@download" in parts:
            return self._download(question, parts)
        if parts in (["metadata"], ["batch_download"], ["report.tsv"]):
            return self._table(question, parts[0])
        found = self._document(question, parts)
        if _wants_json(question):
            return found
        return page_answer("ENCODE", found.status)

    def _document(self, question: Question, parts: list[str]) -> Answer:
        if parts == ["search"]:
            try:
                document = search(self.catalogue, question.query)
            except BadQuestionError as refused:
                return error_answer(400, "Bad Request", str(refused))
            return json_answer(document, 200 if document["total"] else 404)
        if parts == [""]:
            return json_answer({"@id": "/", "@type": ["Portal"], "title": "Home", "app_version": "loopback"})
        item = self.catalogue.get(question.path) if len(parts) <= 2 else None
        if item is None:
            return error_answer(404, "Not Found", "The resource could not be found.", question.path)
        if len(parts) == 1 or item["@id"].strip("/") != question.path.strip("/"):
            return Answer(301, b"", {"Location": item["@id"] + (f"?{question.query}" if question.query else "")})
        shown = framed(item, asked(question.query).get("frame", ["embedded"])[-1])
        return json_answer({"@context": "/terms/", **shown})

    def _download(self, question: Question, parts: list[str]) -> Answer:
        item = self.catalogue.get(f"/files/{parts[1]}/") if len(parts) == 4 and parts[0] == "files" else None
        if item is None or item["href"].rpartition("/")[2] != parts[3]:
            return error_answer(404, "Not Found", "The resource could not be found.", question.path)
        if item.get("restricted"):
            return error_answer(403, "Forbidden", "Downloading this file is not allowed: it is restricted.")
        place = self.catalogue.place(parts[1])
        if item.get("no_file_available") or place is None:
            return error_answer(404, "Not Found", "The file is not available.", question.path)
        disposition = f"attachment; filename={parts[3]}"
        signed = {
            "response-content-disposition": disposition,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "X-Amz-Expires": str(LIFE),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": self._signature(f"/{place}"),
        }
        location = f"{self.storage_url}/{quote(place)}?{urlencode(signed)}"
        if "true" in asked(question.query).get("soft", []):
            expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LIFE))
            return json_answer({"@type": ["SoftRedirect"], "location": location, "expires": expires})
        return Answer(307, b"", {"Location": location, "Content-Type": "text/html; charset=UTF-8"})

    def _table(self, question: Question, name: str) -> Answer:
        make = {"metadata": metadata_table, "batch_download": batch_download, "report.tsv": report_table}[name]
        try:
            text = make(self.catalogue, question.query, self.url)
        except BadQuestionError as refused:
            return error_answer(400, "Bad Request", str(refused))
        return Answer(200, text.encode(), {"Content-Type": "text/tsv; charset=UTF-8"})


def _wants_json(question: Question) -> bool:
    formats = asked(question.query).get("format", [])
    accepted = question.headers.get("accept", "")
    return "json" in formats or any(kind in accepted for kind in ("application/json", "application/ld+json"))


def as_served(item: Object, storage_url: str) -> Object:
    """Give an object as the running portal shows it, with the storage host's address written in."""
    shown: Object = json.loads(json.dumps(item).replace(STORAGE, storage_url))
    return shown
