"""Real objects and bytes beside the made-up ones, from a folder that is no part of the repository.

What was published of them is served as it was published; what had to be added so that a search finds them is added
here, and said. Sizes and md5 are those of the bytes that are served, which are excerpts.
"""

import gzip
import json
from pathlib import Path
from typing import Any

from .catalogue import Catalogue, Object
from .terms import HUMAN, LABS, PIPELINE, TERMS

_FOLDERS = {
    "analysis": ("analyses", ["Analysis", "Item"]),
    "biosample": ("biosamples", ["Biosample", "Item"]),
    "experiment": ("experiments", ["Experiment", "Dataset", "Item"]),
    "file": ("files", ["File", "Item"]),
    "human_donor": ("human-donors", ["HumanDonor", "Donor", "Item"]),
    "library": ("libraries", ["Library", "Item"]),
    "matched_set": ("matched-sets", ["MatchedSet", "Series", "Dataset", "Item"]),
    "reference_epigenome": ("reference-epigenomes", ["ReferenceEpigenome", "Series", "Dataset", "Item"]),
}
# Tissue, ATAC experiment, peak file, RNA experiment (its accession is not known here: made up), RNA file. On the portal
# the two peak accessions are those of the bigBed of the same peaks.
_ENTEX = (
    ("stomach", "ENCSR851SBY", "ENCFF762IFP", "ENCSR901ZZZ", "ENCFF918KPC"),
    ("sigmoid colon", "ENCSR086OGH", "ENCFF287UHP", "ENCSR902ZZZ", "ENCFF268RWA"),
)


def add_real(catalogue: Catalogue, folder: Path) -> None:
    """Add what lies in a folder of portal formats, and the two EN-TEx tissues of `atlas21` beside it.

    Args:
        catalogue: Gets the objects; what it has already stays.
        folder: The folder, with `rendered`, `inserts` and `files` in it.
    """
    _add_quantifications(catalogue, folder)
    _add_peaks(catalogue, folder)
    rendered = folder / "rendered"
    for hits in _read(rendered / "search_experiments.json").values():
        _add_all(catalogue, hits["@graph"])
    _add_all(catalogue, [one for one in _read(rendered / "objects_2014.json").values() if isinstance(one, dict)])
    for name, (place, kinds) in _FOLDERS.items():
        items = [one for one in _read(folder / "inserts" / f"{name}.json") if "accession" in one]
        _add_all(catalogue, [{"@id": f"/{place}/{one['accession']}/", "@type": kinds, **one} for one in items])
    _add_entex(catalogue, folder.parent / "atlas21")


def portal_folder(folder: Path) -> Path | None:
    """Give the folder of portal formats: the one named, or `encode_portal` in it; None where there is none."""
    here = (folder, folder / "encode_portal")
    return next((one for one in here if all((one / part).is_dir() for part in ("rendered", "inserts", "files"))), None)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _add_all(catalogue: Catalogue, items: list[Object]) -> None:
    for item in items:
        if item["@id"] not in catalogue.objects:
            catalogue.add(item)


def _add_quantifications(catalogue: Catalogue, folder: Path) -> None:
    """Add the four File hits and the experiments that they name, with what the query that found them implies."""
    implied = {"status": "released", "file_format": "tsv", "output_category": "quantification", "lab": PIPELINE}
    subset = _read(folder / "rendered" / "search_experiments_field_subset_graph.json")
    shown = {one["@id"]: one for one in subset}
    for hit in _read(folder / "rendered" / "search_files_gene_quantifications_graph.json"):
        term = hit["biosample_ontology"]
        experiment = catalogue.objects.get(hit["dataset"]) or catalogue.add(
            {
                "@id": hit["dataset"],
                "@type": ["Experiment", "Dataset", "Item"],
                "biosample_summary": term["term_name"],
                "replicates": [],
                **shown.pop(hit["dataset"], {}),
                "accession": hit["dataset"].split("/")[2],
                "status": "released",
                "assay_title": hit["assay_title"],
                "assay_term_name": "RNA-seq",
                "biosample_ontology": term,
                "perturbed": False,
                "lab": LABS["barbara-wold"],
                "audit": {},
            }
        )
        number = len(experiment.get("files", [])) + 1
        file = {
            **hit,
            **implied,
            "accession": hit["title"],
            "biological_replicates": [number],
            "preferred_default": True,
        }
        excerpt = folder / "files" / f"{hit['title']}_first10.tsv"
        if excerpt.is_file():  # ten rows of the file: md5 and size are those of the ten
            catalogue.add_file({name: value for name, value in file.items() if name != "md5sum"}, excerpt.read_bytes())
        else:
            catalogue.add_file(file | {"no_file_available": True}, None)
    _add_all(catalogue, list(shown.values()))


def _add_peaks(catalogue: Catalogue, folder: Path) -> None:
    """Add the one whole narrowPeak file, of ChIP-seq; its experiment is not among the objects."""
    file: Object = {
        "accession": "ENCFF141SAU",
        "status": "released",
        "file_format": "bed",
        "file_format_type": "narrowPeak",
        "output_type": "IDR thresholded peaks",
        "output_category": "annotation",
        "assay_title": "TF ChIP-seq",
        "assembly": "GRCh38",
        "lab": PIPELINE,
    }
    catalogue.add_file(file, (folder / "files" / "ENCFF141SAU.bed.gz").read_bytes())


def _add_entex(catalogue: Catalogue, folder: Path) -> None:
    """Add two tissues of an EN-TEx donor as the portal would show them; V24, columns gene_id and TPM alone."""
    donor = catalogue.add(
        {
            "@id": "/human-donors/ENCDO451RUA/",
            "@type": ["HumanDonor", "Donor", "Item"],
            "accession": "ENCDO451RUA",
            "organism": HUMAN,
            "sex": "male",
            "life_stage": "adult",
            "age": "54",
            "age_units": "year",
            "status": "released",
        }
    )
    for number, (term, *accessions) in enumerate(_ENTEX, 1):
        name = f"{term.replace(' ', '_')}_ENTEx"
        atac, peaks, rna, table = accessions
        experiment = _entex_experiment(catalogue, donor, term, atac, "ATAC-seq", f"ENCBS{number}01ZZZ")
        form = {"file_format": "bed", "file_format_type": "narrowPeak", "output_type": "pseudoreplicated peaks"}
        data = (folder / "peaks" / f"{name}.narrowPeak.gz").read_bytes()
        _entex_file(catalogue, experiment, peaks, data, **form, output_category="annotation")
        experiment = _entex_experiment(catalogue, donor, term, rna, "total RNA-seq", f"ENCBS{number}02ZZZ")
        form = {"file_format": "tsv", "output_type": "gene quantifications", "output_category": "quantification"}
        data = gzip.decompress((folder / "rna" / f"{name}.tsv.gz").read_bytes())
        _entex_file(catalogue, experiment, table, data, **form, genome_annotation="V24")


def _entex_experiment(
    catalogue: Catalogue, donor: Object, term: str, accession: str, assay: str, sample: str
) -> Object:
    biosample = {
        "@id": f"/biosamples/{sample}/",
        "@type": ["Biosample", "Item"],
        "accession": sample,
        "biosample_ontology": TERMS[term],
        "donor": donor,
        "organism": HUMAN,
        "treatments": [],
        "perturbed": False,
        "status": "released",
        "age_display": "54 years",
        **{name: donor[name] for name in ("sex", "life_stage", "age", "age_units")},
    }
    library = {"accession": sample.replace("BS", "LB"), "biosample": catalogue.add(biosample)}
    replicate = {"biological_replicate_number": 1, "technical_replicate_number": 1, "library": library}
    return catalogue.add(
        {
            "@id": f"/experiments/{accession}/",
            "@type": ["Experiment", "Dataset", "Item"],
            "accession": accession,
            "status": "released",
            "assay_title": assay,
            "assay_term_name": "ATAC-seq" if assay == "ATAC-seq" else "RNA-seq",
            "biosample_ontology": TERMS[term],
            "biosample_summary": f"{term} tissue male adult (54 years)",
            "simple_biosample_summary": "male adult (54 years)",
            "life_stage_age": "adult 54 years",
            "perturbed": False,
            "replication_type": "unreplicated",
            "bio_replicate_count": 1,
            "internal_tags": ["ENTEx"],
            "related_series": [],
            "audit": {},
            "lab": LABS["michael-snyder" if assay == "ATAC-seq" else "thomas-gingeras"],
            "award": {"rfa": "ENCODE4", "project": "ENCODE"},
            "date_released": "2016-06-15",
            "replicates": [replicate],
        }
    )


def _entex_file(catalogue: Catalogue, experiment: Object, accession: str, data: bytes, **fields: Any) -> None:
    catalogue.add_file(
        {
            "accession": accession,
            "dataset": experiment["@id"],
            "status": "released",
            "assay_title": experiment["assay_title"],
            "biosample_ontology": experiment["biosample_ontology"],
            "assembly": "GRCh38",
            "preferred_default": True,
            "lab": PIPELINE,
            "biological_replicates": [1],
            "technical_replicates": ["1_1"],
            "donors": ["/human-donors/ENCDO451RUA/"],
            "origin_batches": [],
            "analyses": [{"title": "ENCODE4 v1.9.1 GRCh38", "status": "released"}],
            **fields,
        },
        data,
    )
