"""The portal's tables: metadata.tsv, the list of batch_download, report.tsv."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from .catalogue import Catalogue, Object
from .search import asked, select, spelled, values_at

_Cell = Callable[[Object, Object, str], str]


def _joined(path: str, *, of: str = "file") -> _Cell:
    def cell(file: Object, experiment: Object, _: str) -> str:
        found = values_at(file if of == "file" else experiment, path)
        return ", ".join(dict.fromkeys(spelled(value) for value in found))

    return cell


def _audit(level: str) -> _Cell:
    return _joined(f"audit.{level}.category", of="experiment")


def _href(file: Object) -> str:
    """Give the address of a file; submitted objects have none, as the portal computes it."""
    accession = file.get("accession", "")
    return str(file.get("href", f"/files/{accession}/@@download/{accession}"))


# Two names are crossed against the JSON, as on the portal: "File format" is file_type, "File type" is file_format.
METADATA: dict[str, _Cell] = {
    "File accession": _joined("accession"),
    "File format": _joined("file_type"),
    "File type": _joined("file_format"),
    "File format type": _joined("file_format_type"),
    "Output type": _joined("output_type"),
    "File assembly": _joined("assembly"),
    "Experiment accession": _joined("accession", of="experiment"),
    "Assay": _joined("assay_title", of="experiment"),
    "Donor(s)": _joined("donors"),
    "Biosample term id": _joined("biosample_ontology.term_id", of="experiment"),
    "Biosample term name": _joined("biosample_ontology.term_name", of="experiment"),
    "Biosample type": _joined("biosample_ontology.classification", of="experiment"),
    "Biosample organism": _joined("replicates.library.biosample.organism.scientific_name", of="experiment"),
    "Biosample treatments": _joined("replicates.library.biosample.treatments.treatment_term_name", of="experiment"),
    "Experiment date released": _joined("date_released", of="experiment"),
    "Project": _joined("award.project", of="experiment"),
    "Biological replicate(s)": _joined("biological_replicates"),
    "Technical replicate(s)": _joined("technical_replicates"),
    "Derived from": _joined("derived_from"),
    "Size": _joined("file_size"),
    "Lab": _joined("lab.title"),
    "md5sum": _joined("md5sum"),
    "dbxrefs": _joined("dbxrefs"),
    "File download URL": lambda file, _, url: f"{url}{_href(file)}",
    "Genome annotation": _joined("genome_annotation"),
    "File Status": _joined("status"),
    "s3_uri": _joined("s3_uri"),
    "Azure URL": _joined("azure_uri"),
    "File analysis title": _joined("analyses.title"),
    "File analysis status": _joined("analyses.status"),
    "Audit WARNING": _audit("WARNING"),
    "Audit NOT_COMPLIANT": _audit("NOT_COMPLIANT"),
    "Audit ERROR": _audit("ERROR"),
}


def _rows(catalogue: Catalogue, query: str) -> Iterator[tuple[Object, Object]]:
    """Give file and experiment of each row: the files, not archived, of the experiments that were asked for."""
    for experiment in select(catalogue, asked(query)):
        for shown in experiment.get("files", []):  # some real objects have links in place of their files
            link = shown["@id"] if isinstance(shown, dict) else shown
            file = shown if isinstance(shown, dict) and "status" in shown else catalogue.objects.get(link, {})
            if file.get("status") == "released":
                yield file, experiment


def metadata_table(catalogue: Catalogue, query: str, url: str) -> str:
    """Write metadata.tsv of the experiments of a query; those columns of it that the catalogue can fill."""
    rows = [[cell(*pair, url) for cell in METADATA.values()] for pair in _rows(catalogue, query)]
    return _written([list(METADATA), *rows])


def batch_download(catalogue: Catalogue, query: str, url: str) -> str:
    """Write the list of addresses, the first of which is that of the metadata, in quotation marks."""
    files = [f"{url}{_href(file)}" for file, _ in _rows(catalogue, query)]
    return "\n".join([f'"{url}/metadata/?{unquote_plus(query)}"', *files])


def report_table(catalogue: Catalogue, query: str, url: str) -> str:
    """Write the named fields of the hits of a query, below a line with date and address as the portal has it."""
    keys = asked(query)
    fields = ["@id", *keys.get("field", ["accession"])]
    rows = [
        [", ".join(_text(value) for value in values_at(item, path)) for path in fields]
        for item in select(catalogue, keys)
    ]
    return _written([["2021-06-03 12:00:00", f"{url}/report/?{query}"], ["ID", *fields[1:]], *rows])


def _text(value: Any) -> str:
    return spelled(value)


def _written(rows: list[list[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)
