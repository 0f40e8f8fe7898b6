import itertools
from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.encode.accession import checked_accession, linked_accession
from atac2rna.sources.encode.data_file import DataFile, read_file
from atac2rna.sources.encode.experiment import read_experiment
from atac2rna.sources.encode.file_choice import choose_peaks, choose_quantifications
from atac2rna.sources.encode.hit import Hit

PORTAL = "https://portal.org"
OVERLAP = ("replicated peaks", "pseudoreplicated peaks")


def hit(**other: Any) -> Hit:
    value = {
        "accession": "ENCFF001AAA",
        "dataset": "/experiments/ENCSR001AAA/",
        "status": "released",
        "output_type": "pseudoreplicated peaks",
        "assembly": "GRCh38",
        "preferred_default": True,
        "file_size": 10,
        "md5sum": "0" * 32,
        "href": "/files/ENCFF001AAA/@@download/ENCFF001AAA.bed.gz",
        "cloud_metadata": {"url": "https://encode-public.s3.amazonaws.com/2021/ENCFF001AAA.bed.gz"},
        "biological_replicates": [2, 1],
        "analyses": [{"status": "released"}, {"status": "archived"}],
    }
    return Hit({key: item for key, item in (value | other).items() if item is not None}, source=f"{PORTAL}/search/")


def file(number: int, **other: Any) -> DataFile:
    name = f"ENCFF{number:03d}AAA"
    return read_file(hit(accession=name, href=f"/files/{name}/@@download/{name}.bed.gz", **other), portal=PORTAL)


def test_a_file_is_read() -> None:
    found = file(7)
    assert found.name == "ENCFF007AAA.bed.gz"
    assert found.experiment == "ENCSR001AAA"
    assert found.replicates == (1, 2)
    assert found.urls == (
        "https://encode-public.s3.amazonaws.com/2021/ENCFF001AAA.bed.gz",
        "https://portal.org/files/ENCFF007AAA/@@download/ENCFF007AAA.bed.gz",
    )


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("accession", "../../etc", "the accession of an ENCODE file"),
        ("accession", "ENCSR001AAA", "the accession of an ENCODE file"),
        ("dataset", "/experiments/x/", "the accession of an ENCODE experiment"),
        ("dataset", None, "the field dataset of ENCFF001AAA is one text; got 'None'"),
        ("status", ["released", "archived"], "the field status of ENCFF001AAA is one text"),
        ("md5sum", "abc", "the field md5sum of ENCFF001AAA is 32 hexadecimal digits; got 'abc'"),
        ("md5sum", None, "the field md5sum of ENCFF001AAA is one text"),
        ("file_size", "10", "the field file_size of ENCFF001AAA is a whole number; got '10'"),
        ("file_size", -1, "the field file_size of ENCFF001AAA is a whole number"),
        ("file_size", None, "the field file_size of ENCFF001AAA is one whole number"),
        ("preferred_default", "yes", "the field preferred_default of ENCFF001AAA is true or false; got"),
        ("biological_replicates", ["1"], "the field biological_replicates of ENCFF001AAA is a whole number"),
        ("href", "/files/ENCFF001AAA/@@download/passwd", "the field href of ENCFF001AAA is an address that ends in"),
        ("href", "/files/ENCFF001AAA/@@download/ENCFF001AAA%2F..%2Fx.bed", "the field href of ENCFF001AAA is"),
        ("href", 7, "the field href of ENCFF001AAA is text; got '7'"),
        ("href", "//[::1", "the field href of ENCFF001AAA is an address"),
        ("file_size", 10**400, "the field file_size of ENCFF001AAA is a whole number"),
        ("status", "\ud800", "the field status of ENCFF001AAA is text; got '?'"),
    ],
)
def test_a_file_that_is_not_what_the_schema_says(field: str, value: object, told: str) -> None:
    with pytest.raises(InputError, match=r"^https://portal.org/search/: ") as caught:
        read_file(hit(**{field: value}), portal=PORTAL)
    assert told in str(caught.value)


def test_a_file_that_cannot_be_had_may_lack_what_describes_its_bytes() -> None:
    found = read_file(hit(restricted=True, md5sum=None, file_size=None, href=None, cloud_metadata=None), portal=PORTAL)
    assert found.withheld
    assert found.urls == ()


def test_the_default_peak_file_is_chosen_among_all_orders() -> None:
    files = [
        file(1, preferred_default=None, biological_replicates=[1, 2]),
        file(2, output_type="replicated peaks", biological_replicates=[1, 2]),
        file(3, output_type="IDR thresholded peaks", preferred_default=None),
    ]
    for order in itertools.permutations(files):
        choice = choose_peaks(order, OVERLAP)
        assert [each.accession for each in choice.files] == ["ENCFF002AAA"]
        assert choice.remark == ""


@pytest.mark.parametrize(
    ("files", "chosen", "remark"),
    [
        ([], [], "no peak file of replicated peaks/pseudoreplicated peaks"),
        ([file(1, output_type="IDR thresholded peaks")], [], "no peak file of replicated peaks/pseudoreplicated peaks"),
        ([file(1, restricted=True)], [], "its peak file ENCFF001AAA is restricted or not available"),
        (
            [file(1, analyses=[{"status": "revoked"}])],
            [],
            "its peak file ENCFF001AAA belongs to an analysis that is no longer released",
        ),
        (
            [file(1, preferred_default=None, biological_replicates=[1]), file(2, preferred_default=None)],
            ["ENCFF002AAA"],
            "no default peak file of this family: ENCFF002AAA covers most replicates",
        ),
        ([file(2), file(1)], ["ENCFF001AAA"], "2 default peak files: ENCFF001AAA taken, ENCFF002AAA left"),
        (
            [file(2, preferred_default=None), file(1, preferred_default=None)],
            ["ENCFF001AAA"],
            "2 peak files of as many replicates, none the default: ENCFF001AAA taken, ENCFF002AAA left",
        ),
    ],
)
def test_choice_of_peaks(files: list[DataFile], chosen: list[str], remark: str) -> None:
    choice = choose_peaks(files, OVERLAP)
    assert [each.accession for each in choice.files] == chosen
    assert choice.remark == remark


def test_idr_peaks_carry_no_default_flag() -> None:
    files = [
        file(1, output_type="IDR thresholded peaks", preferred_default=None, biological_replicates=[1]),
        file(2, output_type="IDR thresholded peaks", preferred_default=None),
        file(3),
    ]
    choice = choose_peaks(files, ("IDR thresholded peaks",), default_expected=False)
    assert ([each.accession for each in choice.files], choice.remark) == (["ENCFF002AAA"], "")


def table(number: int, *replicates: int, **other: Any) -> DataFile:
    return file(number, output_type="gene quantifications", biological_replicates=list(replicates), **other)


@pytest.mark.parametrize(
    ("files", "chosen", "remark"),
    [
        ([table(1, 1), table(2, 2, preferred_default=None)], ["ENCFF001AAA", "ENCFF002AAA"], ""),
        ([table(2, 2), table(1, 1)], ["ENCFF001AAA", "ENCFF002AAA"], ""),
        ([table(1, 1)], ["ENCFF001AAA"], "no gene quantification of replicate 2"),
        ([], [], "no gene quantification of this assembly and annotation"),
        ([table(1, 1, preferred_default=None), table(2, 1)], ["ENCFF002AAA"], "no gene quantification of replicate 2"),
        (
            [table(1, 1), table(2, 1), table(3, 2)],
            [],
            "2 gene quantifications of replicate 1 (ENCFF001AAA, ENCFF002AAA), and one is needed",
        ),
        ([table(1, 1, 2)], ["ENCFF001AAA"], ""),
        (
            [table(1, 1, 2), table(2, 1)],
            [],
            "gene quantifications of single replicates and of replicates 1, 2 together",
        ),
    ],
)
def test_choice_of_quantifications(files: list[DataFile], chosen: list[str], remark: str) -> None:
    choice = choose_quantifications(files, (1, 2))
    assert [each.accession for each in choice.files] == chosen
    assert choice.remark == remark


@pytest.mark.parametrize(
    "text", ["ENCFF001AAA/..", "ENCFF001aaa", " ENCFF001AAA", "ENCFF001AAA\n", "", "ENCFF01AAAA", "."]
)
def test_what_is_no_accession(text: str) -> None:
    with pytest.raises(InputError, match=r"pairs\.tsv line 7: the accession of an ENCODE file is ENCFF, three digits"):
        checked_accession(text, "file", where="pairs.tsv line 7")


def test_an_accession_in_a_link() -> None:
    assert linked_accession("/experiments/ENCSR001AAA/", "experiment", where="x") == "ENCSR001AAA"


def experiment_hit(**other: Any) -> Hit:
    biosample = {
        "accession": "ENCBS001AAA",
        "donor": {"accession": "ENCDO001AAA"},
        "life_stage": "adult",
        "sex": "unknown",
        "age_display": "",
        "part_of": "/biosamples/ENCBS002AAA/",
        "origin_batch": {"@id": "/biosamples/ENCBS003AAA/"},
        "treatments": ["/treatments/1/"],
    }
    value = {
        "accession": "ENCSR001AAA",
        "status": "released",
        "assay_title": "ATAC-seq",
        "biosample_ontology": {"term_id": "UBERON:1", "term_name": "stomach", "classification": "tissue"},
        "replicates": [
            {"biological_replicate_number": 2, "library": {"biosample": biosample}},
            {"biological_replicate_number": 1, "library": {"biosample": biosample}},
        ],
        "audit": {"ERROR": [{"category": "x"}, {"category": "x"}]},
    }
    return Hit(value | other, source="here")


def test_an_experiment_is_read() -> None:
    found = read_experiment(experiment_hit())
    assert found.replicates == (1, 2)
    assert found.biosamples == ("ENCBS001AAA",)
    assert found.parents == ("ENCBS002AAA",)
    assert found.batches == ("ENCBS003AAA",)
    assert found.treatments == ("/treatments/1/",)
    assert found.sexes == ()
    assert found.ages == ()
    assert found.audits == {"ERROR": ("x",), "NOT_COMPLIANT": (), "WARNING": ()}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"biosample_ontology": {"term_id": "x"}}, "the field biosample_ontology.term_name of ENCSR001AAA is one text"),
        ({"assay_title": None}, "the field assay_title of ENCSR001AAA is one text; got 'None'"),
        ({"perturbed": "no"}, "the field perturbed of ENCSR001AAA is true or false"),
        ({"internal_tags": [7]}, "the field internal_tags of ENCSR001AAA is text; got '7'"),
        ({"accession": "ENCFF001AAA"}, "the accession of an ENCODE experiment is ENCSR"),
    ],
)
def test_an_experiment_that_is_not_what_the_schema_says(other: dict, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_experiment(experiment_hit(**other))
    assert told in str(caught.value)
