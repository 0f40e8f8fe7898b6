"""How the portal searches: filters on dotted paths, fields, frames, facets."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from .catalogue import Catalogue, Object

STEERING = {
    *("type", "limit", "mode", "format", "frame", "field", "datastore", "region", "sort", "from", "cart", "config"),
    *("searchTerm", "advancedQuery"),
}
TYPES = {
    *("Item", "Dataset", "Series", "Experiment", "File", "Biosample", "BiosampleType", "Donor", "HumanDonor"),
    *("MouseDonor", "Library", "Replicate", "ReferenceEpigenome", "MatchedSet", "Annotation", "Analysis", "Lab"),
    *("Award", "MultiomicsSeries", "OrganismDevelopmentSeries", "FunctionalCharacterizationExperiment"),
    *("FunctionalCharacterizationSeries", "SingleCellUnit", "QualityMetric"),
}
SHOWN = 25
FACETS = {
    "Experiment": {
        "status": "Status",
        "assay_title": "Assay title",
        "perturbed": "Perturbation",
        "assembly": "Genome assembly",
        "replicates.library.biosample.donor.organism.scientific_name": "Organism",
        "biosample_ontology.classification": "Biosample classification",
        "biosample_ontology.term_name": "Biosample",
        "biosample_ontology.organ_slims": "Organ",
        "replicates.library.biosample.life_stage": "Life stage",
        "lab.title": "Lab",
        "audit.ERROR.category": "Audit category: ERROR",
        "audit.NOT_COMPLIANT.category": "Audit category: NOT COMPLIANT",
        "audit.WARNING.category": "Audit category: WARNING",
    },
    "File": {
        "status": "File status",
        "file_type": "File type",
        "output_type": "Output type",
        "output_category": "Output category",
        "assembly": "Genome assembly",
        "genome_annotation": "Genome annotation",
        "assay_title": "Assay title",
        "lab.title": "Lab",
    },
}
_BOUND = re.compile(r"^(gte|gt|lte|lt):(.*)$", re.DOTALL)


class BadQuestionError(Exception):
    """A question that the portal answers with 400."""


def values_at(item: Any, path: str) -> list[Any]:
    """Give everything at a dotted path, through lists; what is absent or null gives nothing."""
    found = [item]
    for part in path.split("."):
        found = [
            value[part]
            for one in found
            for value in _flat(one)
            if isinstance(value, dict) and value.get(part) is not None
        ]
    return [value for one in found for value in _flat(one)]


def _flat(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def spelled(value: Any) -> str:
    """Spell a value as it stands in an address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("@id", ""))
    return str(value)


def _passes_bound(value: Any, bound: str, limit: str) -> bool:
    left, right = spelled(value), limit
    try:
        pair: tuple[Any, Any] = (float(left), float(right))
    except ValueError:
        pair = (left, right)  # dates, which sort as text
    return bool(
        {"gt": pair[0] > pair[1], "gte": pair[0] >= pair[1], "lt": pair[0] < pair[1], "lte": pair[0] <= pair[1]}[bound]
    )


def holds(item: Object, key: str, wanted: Sequence[str]) -> bool:
    """Tell whether an object passes one key of a query with all values that it was given."""
    negated = key.endswith("!")
    present = values_at(item, key.removesuffix("!"))
    words = {spelled(value) for value in present}
    if negated:
        return not any(bool(present) if word == "*" else word in words for word in wanted)
    bounds = [match.groups() for word in wanted if (match := _BOUND.match(word))]
    plain = [word for word in wanted if not _BOUND.match(word)]
    if bounds and not any(all(_passes_bound(value, *bound) for bound in bounds) for value in present):
        return False
    named = [word for word in plain if word != "*"]
    if len(named) < len(plain) and not present:  # that a field is there holds beside any value asked for
        return False
    return not named or any(word in words for word in named)


def cut(item: Any, paths: Sequence[str]) -> Any:
    """Cut an object down to dotted paths, keeping its shape."""
    if isinstance(item, list):
        return [cut(one, paths) for one in item]
    if not isinstance(item, dict):
        return item
    heads: dict[str, list[str]] = {}
    for path in paths:
        head, _, tail = path.partition(".")
        heads.setdefault(head, []).append(tail)
    return {
        head: item[head] if "" in tails else cut(item[head], tails) for head, tails in heads.items() if head in item
    }


def framed(item: Object, frame: str) -> Object:
    """Show an object in a frame: `object` gives links as `@id`, anything else shows it as it is kept."""
    if frame != "object":
        return item
    return {key: _linked(value) for key, value in item.items() if key != "audit"}


def _linked(value: Any) -> Any:
    if isinstance(value, list):
        return [_linked(one) for one in value]
    if isinstance(value, dict):
        return value["@id"] if "@id" in value else {key: _linked(one) for key, one in value.items()}
    return value


def asked(query: str) -> dict[str, list[str]]:
    """Read the query of an address into the values of each key, in order; `a!=b` has the key `a!`."""
    keys: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        keys.setdefault(key, []).append(value)
    return keys


def select(catalogue: Catalogue, keys: dict[str, list[str]], *, without: str = "") -> list[Object]:
    """Give the objects that pass type and filters, leaving one key out if told to.

    Raises:
        BadQuestionError: If a type does not exist.
    """
    types = keys.get("type", [])
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        raise BadQuestionError(f"Invalid types: {unknown}")
    filters = {key: words for key, words in keys.items() if key.rstrip("!") not in STEERING and key != without}
    return [
        item
        for item in catalogue.items()
        if (not types or set(types) & set(item["@type"]))
        and all(holds(item, key, words) for key, words in filters.items())
    ]


def search(catalogue: Catalogue, query: str) -> Object:
    """Answer a search as JSON; no hit is for the caller to send with 404.

    Raises:
        BadQuestionError: If a type does not exist or the limit is no number.
    """
    keys = asked(query)
    hits = select(catalogue, keys)
    frame = keys.get("frame", ["embedded"])[-1]
    shown = [framed(item, frame) for item in _ordered(hits, keys)[_slice(keys)]]
    if fields := keys.get("field"):
        shown = [cut(item, ["@id", "@type", *fields]) for item in shown]
    return {
        "@context": "/terms/",
        "@id": f"/search/?{query}",
        "@type": ["Search"],
        "@graph": shown,
        "title": "Search",
        "total": len(hits),
        "notification": "Success" if hits else "No results found",
        "facets": _facets(catalogue, keys),
        "filters": _filters(keys),
        "clear_filters": "/search/?" + urlencode([("type", name) for name in keys.get("type", [])]),
        "sort": {"date_created": {"order": "desc", "unmapped_type": "keyword"}},
    }


def _ordered(hits: list[Object], keys: dict[str, list[str]]) -> list[Object]:
    for path in reversed(keys.get("sort", [])):
        bare = path.removeprefix("-")
        hits = sorted(
            hits, key=lambda item: [spelled(value) for value in values_at(item, bare)][:1], reverse=path.startswith("-")
        )
    return hits


def _slice(keys: dict[str, list[str]]) -> slice:
    limit = keys.get("limit", [str(SHOWN)])[-1]
    try:
        first = int(keys.get("from", ["0"])[-1])
        return slice(first, None if limit == "all" else first + int(limit))
    except ValueError:
        raise BadQuestionError(f"Invalid limit: {limit}") from None


def _facets(catalogue: Catalogue, keys: dict[str, list[str]]) -> list[Object]:
    """Count terms as the portal does: a field that is filtered on is counted as if it were not."""
    wanted = next((FACETS[name] for name in keys.get("type", []) if name in FACETS), {"status": "Status"})
    full = select(catalogue, keys)
    facets = []
    for field, title in wanted.items():
        items = select(catalogue, keys, without=field) if field in keys else full
        counts = Counter(word for item in items for word in {spelled(value) for value in values_at(item, field)})
        terms = [
            {"key": key, "doc_count": n} for key, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        facet = {"field": field, "title": title, "terms": terms, "total": len(items), "type": "terms"}
        facets.append(facet | {"appended": False})
    return facets


def _filters(keys: dict[str, list[str]]) -> list[Object]:
    pairs = [(key, value) for key, values in keys.items() for value in values]
    return [
        {
            "field": key,
            "term": value,
            "remove": "/search/?" + urlencode([pair for pair in pairs if pair != (key, value)]),
        }
        for key, value in pairs
        if key == "type" or key.rstrip("!") not in STEERING
    ]
