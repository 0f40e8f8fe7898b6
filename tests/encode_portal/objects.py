"""Made-up objects in the form in which the portal shows them, computed properties written in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .catalogue import Catalogue, Object
from .terms import AWARDS, HUMAN, LABS, MOUSE, PIPELINE, TERMS

Assay = Literal[
    "ATAC-seq",
    "DNase-seq",
    "total RNA-seq",
    "polyA plus RNA-seq",
    "polyA minus RNA-seq",
    "snATAC-seq",
    "small RNA-seq",
]
_TERM_NAMES = {
    "ATAC-seq": "ATAC-seq",
    "DNase-seq": "DNase-seq",
    "snATAC-seq": "single-nucleus ATAC-seq",
}
_SLIMS = {"ATAC-seq": "DNA accessibility", "DNase-seq": "DNA accessibility", "snATAC-seq": "DNA accessibility"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass
class Workshop:
    """Makes objects with accessions of their own and enters them in a catalogue."""

    catalogue: Catalogue
    _counts: Counter[str] = field(default_factory=Counter)

    def accession(self, kind: str) -> str:
        """Give the next accession of a kind (`FF`: ENCFF001AAA)."""
        self._counts[kind] += 1
        rest, digits = divmod(self._counts[kind], 1000)
        return f"ENC{kind}{digits:03d}AA{_LETTERS[rest]}"

    def donor(self, *, sex: str = "female", age: str = "53", stage: str = "adult", organism: Object = HUMAN) -> Object:
        """Make a human donor, or a mouse strain, which the portal calls a donor too."""
        accession = self.accession("DO")
        if organism is MOUSE:
            return self.catalogue.add(
                {
                    "@id": f"/mouse-donors/{accession}/",
                    "@type": ["MouseDonor", "Donor", "Item"],
                    "accession": accession,
                    "organism": organism,
                    "strain_name": "B6NCrl",
                    "status": "released",
                }
            )
        age_of = {} if age == "unknown" else {"age_units": "week" if stage == "embryonic" else "year"}
        return self.catalogue.add(
            {
                "@id": f"/human-donors/{accession}/",
                "@type": ["HumanDonor", "Donor", "Item"],
                "accession": accession,
                "organism": organism,
                "sex": sex,
                "life_stage": stage,
                "age": age,
                **age_of,
                "status": "released",
            }
        )

    def biosample(self, term: str, donor: Object | None, **fields: Any) -> Object:
        """Make a biosample; sex, age and life stage are copied from a human donor, as the server does.

        Args:
            term: Key of `TERMS`.
            donor: Whose it is; None: a human biosample of which no donor is told.
            fields: Further or other fields: `part_of`, `origin_batch`, `treatments`, `sex` of a mouse, ...
        """
        accession = self.accession("BS")
        copied: Object = {
            name: donor[name] for name in ("sex", "life_stage", "age", "age_units") if donor and name in donor
        }
        item: Object = {
            "@id": f"/biosamples/{accession}/",
            "@type": ["Biosample", "Item"],
            "accession": accession,
            "status": "released",
            "biosample_ontology": TERMS[term],
            **({"donor": donor, "organism": donor["organism"]} if donor else {"organism": HUMAN}),
            "treatments": [],
            "perturbed": False,
            **copied,
            **fields,
        }
        unit = item.get("age_units")
        plural = "" if item.get("age") == "1" else "s"
        item["age_display"] = f"{item['age']} {unit}{plural}" if unit else ""
        item["perturbed"] = bool(item["treatments"]) or bool(item.get("genetic_modifications")) or item["perturbed"]
        item["summary"] = _summary(item)
        return self.catalogue.add(item)

    def experiment(self, assay: Assay, biosamples: Sequence[Object], **fields: Any) -> Object:
        """Make an experiment with one biological replicate for each biosample.

        Args:
            assay: Its title, which is more specific than the term's name.
            biosamples: At least one.
            fields: Further or other fields; `lab` and `award` by name.
        """
        accession = self.accession("SR")
        first = biosamples[0]
        lab = LABS[fields.pop("lab", "michael-snyder" if assay.endswith("ATAC-seq") else "thomas-gingeras")]
        award = AWARDS[fields.pop("award", "ENCODE4")]
        count = len(biosamples)
        same = len({one.get("donor", one)["@id"] for one in biosamples}) == 1
        stage = " ".join(word for word in (first.get("life_stage", ""), first["age_display"]) if word)
        item: Object = {
            "@id": f"/experiments/{accession}/",
            "@type": ["Experiment", "Dataset", "Item"],
            "accession": accession,
            "status": "released",
            "assay_term_name": _TERM_NAMES.get(assay, "RNA-seq"),
            "assay_title": assay,
            "assay_slims": [_SLIMS.get(assay, "Transcription")],
            "biosample_ontology": first["biosample_ontology"],
            "biosample_summary": first["summary"],
            "simple_biosample_summary": stage,
            "life_stage_age": stage,
            "perturbed": any(one["perturbed"] for one in biosamples),
            "replication_type": "unreplicated" if count == 1 else "isogenic" if same else "anisogenic",
            "bio_replicate_count": count,
            "tech_replicate_count": count,
            "analyses": [],
            "related_series": [],
            "internal_tags": [],
            "audit": {},
            "lab": lab,
            "award": award,
            "date_created": "2020-06-01T08:00:00.000000+00:00",
            "date_released": "2021-06-03",
            "replicates": [self._replicate(one, number) for number, one in enumerate(biosamples, 1)],
            "files": [],
            "original_files": [],
            "assembly": [],
            **fields,
        }
        return self.catalogue.add(item)

    def _replicate(self, biosample: Object, number: int) -> Object:
        library = self.accession("LB")
        return {
            "@id": f"/replicates/{library.lower()}/",
            "@type": ["Replicate", "Item"],
            "status": "released",
            "biological_replicate_number": number,
            "technical_replicate_number": 1,
            "library": {"@id": f"/libraries/{library}/", "accession": library, "biosample": biosample},
        }

    def series(self, kind: Literal["ReferenceEpigenome", "MatchedSet"], experiments: Sequence[Object]) -> Object:
        """Make a series of experiments, which name it in their `related_series`."""
        accession = self.accession("SR")
        folder = {"ReferenceEpigenome": "reference-epigenomes", "MatchedSet": "matched-sets"}[kind]
        link = {"@id": f"/{folder}/{accession}/", "@type": [kind, "Series", "Dataset", "Item"]}
        for one in experiments:
            one["related_series"].append({**link, "accession": accession, "status": "released"})
        short = ("@id", "@type", "accession", "assay_title", "status", "biosample_ontology")
        related = [{name: one[name] for name in short} for one in experiments]
        return self.catalogue.add(link | {"accession": accession, "status": "released", "related_datasets": related})

    def analysis(
        self, experiment: Object, assembly: str, annotation: str | None, status: str = "released", pipeline: str = ""
    ) -> Object:
        """Make an analysis of an experiment, or give the one that it has; the last released one is its default."""
        words = [pipeline or ("ENCODE4 v1.2.1" if annotation else "ENCODE4 v2.0.1"), assembly, annotation or ""]
        title = " ".join(word for word in words if word)
        for known in experiment["analyses"]:
            if (known["title"], known["status"]) == (title, status):
                return dict(known)
        accession = self.accession("AN")
        item: Object = {
            "@id": f"/analyses/{accession}/",
            "@type": ["Analysis", "Item"],
            "accession": accession,
            "title": title,
            "status": status,
            "assembly": assembly,
            "pipeline_award_rfas": ["ENCODE4"],
            "pipeline_labs": [PIPELINE["@id"]],
        }
        if annotation:
            item["genome_annotation"] = annotation
        experiment["analyses"].append(item)
        if status == "released" and annotation in (None, "V29", "M21"):
            experiment["default_analysis"] = item["@id"]
        return item

    def file(self, experiment: Object, data: bytes | None, replicates: Sequence[int], **fields: Any) -> Object:
        """Make a file of the uniform pipelines.

        Args:
            experiment: Whose it is.
            data: Bytes as stored.
            replicates: Numbers of the biological replicates that it comes from.
            fields: `file_format`, `output_type`, `assembly` and what else there is to say; None leaves a field away. Of
                its analysis: `analysis_status`, and `pipeline` (`ENCODE3`).
        """
        biosamples = [experiment["replicates"][number - 1]["library"]["biosample"] for number in replicates]
        of_analysis = ("analysis_status", "pipeline")
        status = fields.get("analysis_status", "released")
        pipeline = fields.get("pipeline", "")
        analysis = self.analysis(experiment, fields["assembly"], fields.get("genome_annotation"), status, pipeline)
        item: Object = {
            "accession": self.accession("FF"),
            "dataset": experiment["@id"],
            "status": "released",
            "assay_title": experiment["assay_title"],
            "assay_term_name": experiment["assay_term_name"],
            "biosample_ontology": experiment["biosample_ontology"],
            "simple_biosample_summary": experiment["simple_biosample_summary"],
            "output_category": "annotation" if fields["file_format"] == "bed" else "quantification",
            "lab": PIPELINE,
            "award": experiment["award"],
            "date_created": "2021-06-03T12:00:00.000000+00:00",
            "biological_replicates": list(replicates),
            "technical_replicates": [f"{number}_1" for number in replicates],
            "donors": sorted({one["donor"]["@id"] for one in biosamples if "donor" in one}),
            "origin_batches": sorted({one["origin_batch"] for one in biosamples if "origin_batch" in one}),
            "derived_from": [],
            "quality_metrics": [],
            "analyses": [{name: analysis[name] for name in ("@id", "title", "status")}],
            "no_file_available": False,
            **{name: value for name, value in fields.items() if name not in of_analysis and value is not None},
        }
        return self.catalogue.add_file(item, data)


def _summary(biosample: Object) -> str:
    """Write what the portal shows as the summary of a biosample."""
    term = biosample["biosample_ontology"]
    words = [term["term_name"]]
    if term["classification"] == "tissue":
        age = f"({biosample['age_display']})" if biosample["age_display"] else ""
        words += ["tissue", biosample.get("sex", ""), biosample.get("life_stage", ""), age]
    if fraction := biosample.get("subcellular_fraction_term_name"):
        words.append(f"{fraction} fraction")
    words += [f"treated with {one['treatment_term_name']}" for one in biosample["treatments"]]
    return " ".join(word for word in words if word)
