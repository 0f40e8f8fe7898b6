import itertools
from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.encode.accession import checked_accession, linked_accession
from atac2rna.sources.encode.data_file import DataFile, read_file
from atac2rna.sources.encode.experiment import read_experiment
from atac2rna.sources.encode.file_choice import choose_peaks, choose_quantifications
from atac2rna.sources.encode.hit import Hit
from encode_experiments import experiment_hit

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
        ("analyses", [7], "the field analyses of ENCFF001AAA is links, or objects with texts; got '7'"),
        ("analyses", [{"status": 7}], "the field analyses of ENCFF001AAA is links, or objects with texts"),
        ("status", "\ud800", "the field status of ENCFF001AAA is text; got '?'"),
    ],
)
def test_a_file_that_is_not_what_the_schema_says(field: str, value: object, told: str) -> None:
    with pytest.raises(InputError, match=r"^https://portal.org/search/: ") as caught:
        read_file(hit(**{field: value}), portal=PORTAL)
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [None, "0.1", True, [0.1, 5], -1, 10**400, float("nan")])
def test_a_false_discovery_rate_is_a_number(value: object) -> None:
    with pytest.raises(InputError, match="the field filter_value of ENCFF001AAA is one number of percent"):
        read_file(hit(filter_type="false discovery rate percentage", filter_value=value), portal=PORTAL)


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


def peaks(number: int, rate: float | None, **other: Any) -> DataFile:
    told = {} if rate is None else {"filter_type": "false discovery rate percentage", "filter_value": rate}
    return file(
        number, output_type="peaks", **{"preferred_default": None, "biological_replicates": [1], **told, **other}
    )


@pytest.mark.parametrize(
    ("files", "chosen", "remark"),
    [
        (
            [peaks(1, 5), peaks(2, 0.1)],
            ["ENCFF002AAA"],
            "no default peak file of this family: ENCFF002AAA covers most replicates",
        ),
        ([peaks(1, 5), peaks(2, 0.1, preferred_default=True)], ["ENCFF002AAA"], ""),
        (
            [peaks(1, 5, preferred_default=True), peaks(2, 0.1)],
            ["ENCFF002AAA"],
            "no default peak file of this family: ENCFF002AAA covers most replicates",
        ),
        ([peaks(1, 5, biological_replicates=[1, 2]), peaks(2, 0.1, preferred_default=True)], ["ENCFF002AAA"], ""),
        ([peaks(1, None), peaks(2, 0.1, preferred_default=True)], ["ENCFF002AAA"], ""),
        (
            [peaks(1, None, preferred_default=True), peaks(2, 5)],
            ["ENCFF001AAA"],
            "ENCFF001AAA tells no false discovery rate",
        ),
        (
            [peaks(1, None)],
            ["ENCFF001AAA"],
            "no default peak file of this family: ENCFF001AAA covers most replicates; ENCFF001AAA tells no false discovery rate",
        ),
        (
            [peaks(2, None), peaks(1, 5)],
            [],
            "no peak file of a false discovery rate of 0.1 %: ENCFF001AAA has 5 %, ENCFF002AAA tells none",
        ),
        (
            [peaks(1, 5, preferred_default=True)],
            [],
            "no peak file of a false discovery rate of 0.1 %: ENCFF001AAA has 5 %",
        ),
        (
            [peaks(1, 10, filter_type="mapping quality"), peaks(2, 5)],
            [],
            "no peak file of a false discovery rate of 0.1 %: ENCFF001AAA tells none, ENCFF002AAA has 5 %",
        ),
    ],
)
def test_choice_among_false_discovery_rates(files: list[DataFile], chosen: list[str], remark: str) -> None:
    for order in (files, files[::-1]):
        choice = choose_peaks(order, ("peaks",))
        assert ([each.accession for each in choice.files], choice.remark) == (chosen, remark)


def test_an_archived_file_may_have_the_rate_that_released_ones_lack() -> None:
    files = [peaks(1, 5), peaks(2, 0.1, status="archived")]
    assert choose_peaks(files, ("peaks",)).files == ()
    (best,) = choose_peaks(files, ("peaks",), statuses=("released", "archived")).files
    assert best.accession == "ENCFF002AAA"


def test_peaks_of_the_default_analysis_then_the_latest() -> None:
    old, new = ([{"@id": f"/analyses/ENCAN00{number}AAA/", "status": "released"}] for number in (1, 2))
    unmarked = {"preferred_default": None}
    files = [
        file(1, analyses=old, date_created="2020-01-01", **unmarked),
        file(2, analyses=new, date_created="2019-01-01", **unmarked),
    ]
    (best,) = choose_peaks(files, OVERLAP, default_analysis="ENCAN002AAA").files
    assert best.accession == "ENCFF002AAA"
    (best,) = choose_peaks(files[::-1], OVERLAP).files
    assert best.accession == "ENCFF001AAA"


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


STANDINGS = {
    "released, analysis released": {"analyses": [{"@id": "/analyses/ENCAN001AAA/", "status": "released"}]},
    "released, analysis archived": {"analyses": [{"@id": "/analyses/ENCAN002AAA/", "status": "archived"}]},
    "archived": {"status": "archived", "analyses": [{"@id": "/analyses/ENCAN001AAA/", "status": "released"}]},
    "archived, analysis archived": {"status": "archived", "analyses": [{"@id": "/analyses/A/", "status": "archived"}]},
}


@pytest.mark.parametrize("flagged", [False, True])
def test_standing_of_file_and_analysis(flagged: bool) -> None:
    """The better standing wins, whatever the flag of the other and the order; the worse ones alone need --archived."""
    both = ("released", "archived")
    for (better, fine), (worse, poor) in itertools.combinations(STANDINGS.items(), 2):
        flags = {"preferred_default": None}, {"preferred_default": True if flagged else None}
        for make, choose in (
            (lambda *of, **with_: file(of[0], **with_), lambda some, **of: choose_peaks(some, OVERLAP, **of)),
            (table, lambda some, **of: choose_quantifications(some, (1,), **of)),
        ):
            files = [make(2, 1, **fine, **flags[0]), make(1, 1, **poor, **flags[1])]
            for order in (files, files[::-1]):
                choice = choose(order, statuses=both)
                assert [each.accession for each in choice.files] == ["ENCFF002AAA"], (better, worse)
            assert choose([files[1]]).files == ()
            assert len(choose([files[1]], statuses=both).files) == 1


def test_files_of_an_archived_analysis_alone_point_to_archived() -> None:
    archived = [table(1, 1, **STANDINGS["released, analysis archived"])]
    told = "its gene quantification ENCFF001AAA belongs to an analysis that is archived; --archived takes it"
    assert choose_quantifications(archived, (1,)).remark == told
    in_progress = [table(1, 1, analyses=[{"status": "in progress"}])]
    assert choose_quantifications(in_progress, (1,)).remark.endswith("an analysis that is no longer released")


def run(number: int, replicate: int, *analyses: str, flag: bool = False, date: str | None = None) -> DataFile:
    links = [{"@id": f"/analyses/{name}/", "title": name, "status": "released"} for name in analyses]
    return table(number, replicate, preferred_default=flag, analyses=links, date_created=date)


def test_what_covers_a_missing_replicate_but_is_archived_is_told() -> None:
    old = table(2, 2, analyses=[{"@id": "/analyses/ENCAN009AAA/", "title": "o", "status": "archived"}])
    found, remark = choose_quantifications([table(1, 1), old], (1, 2), statuses=("released", "archived"))
    assert [file.accession for file in found] == ["ENCFF001AAA"]
    assert remark == "no gene quantification of replicate 2 but of an archived analysis, or archived: ENCFF002AAA"


A, B = "ENCAN001AAA", "ENCAN002AAA"
BOTH = "2 analyses: {} of replicates 1, 2 taken, {} of {} left"


@pytest.mark.parametrize(
    ("files", "chosen", "remark"),
    [
        (
            [run(1, 1, A), run(2, 2, A), run(3, 1, B, flag=True), run(4, 2, B)],
            [3, 4],
            BOTH.format(B, A, "replicates 1, 2"),
        ),
        (
            [run(1, 1, A), run(2, 2, A), run(3, 1, B, flag=True)],
            [3],
            f"no gene quantification of replicate 2; 2 analyses: {B} of replicate 1 taken, {A} of replicates 1, 2 left",
        ),
        (
            [run(1, 1, A, flag=True), run(2, 2, A, flag=True), run(3, 1, B, flag=True), run(4, 2, B)],
            [1, 2],
            BOTH.format(A, B, "replicates 1, 2"),
        ),
        ([run(1, 1, A), run(2, 2, A), run(3, 1, B)], [1, 2], BOTH.format(A, B, "replicate 1")),
        ([run(1, 1, B), run(2, 2, B), run(3, 1, A)], [1, 2], BOTH.format(B, A, "replicate 1")),
        ([run(1, 1, B), run(2, 2, B), run(3, 1, A), run(4, 2, A)], [3, 4], BOTH.format(A, B, "replicates 1, 2")),
        (
            [run(1, 1, B, date="2021-01-01"), run(2, 2, B), run(3, 1, A, date="2020-01-01"), run(4, 2, A)],
            [1, 2],
            BOTH.format(B, A, "replicates 1, 2"),
        ),
        (
            [run(1, 1), run(2, 2), run(3, 1, B), run(4, 2, B)],
            [3, 4],
            BOTH.format(B, "files without an analysis", "replicates 1, 2"),
        ),
        (
            [run(1, 1), run(2, 2, A), run(3, 1, A)],
            [2, 3][::-1],
            BOTH.format(A, "files without an analysis", "replicate 1"),
        ),
        ([run(1, 1, A, B), run(2, 2, A, B)], [1, 2], ""),
        ([run(1, 1, A, B), run(2, 2, B)], [1, 2], ""),
        (
            [run(1, 1, A), run(2, 1, A), run(3, 2, A)],
            [],
            "2 gene quantifications of replicate 1 (ENCFF001AAA, ENCFF002AAA), and one is needed",
        ),
    ],
)
def test_one_analysis_stands_for_all_replicates(files: list[DataFile], chosen: list[int], remark: str) -> None:
    for order in itertools.permutations(files):
        choice = choose_quantifications(order, (1, 2))
        assert ([int(each.accession[5:8]) for each in choice.files], choice.remark) == (chosen, remark)


def test_the_default_analysis_of_an_experiment() -> None:
    """It decides where the flags do not, and before the number of replicates."""
    files = [run(1, 1, A), run(2, 2, A), run(3, 1, B)]
    choice = choose_quantifications(files, (1, 2), default_analysis=B)
    assert [each.accession for each in choice.files] == ["ENCFF003AAA"]
    assert choice.remark.startswith("no gene quantification of replicate 2; 2 analyses: ")
    flagged = [run(1, 1, A, flag=True), *files[1:]]
    assert len(choose_quantifications(flagged, (1, 2), default_analysis=B).files) == 2
    nameless = [run(1, 1), run(2, 2), run(3, 1, B)]
    assert len(choose_quantifications(nameless, (1, 2), default_analysis="").files) == 2


@pytest.mark.parametrize(
    ("analyses", "read"),
    [
        (None, []),
        (["/analyses/ENCAN001AAA/"], [(A, "", "")]),
        (
            [{"@id": "/analyses/ENCAN001AAA/", "title": "x", "status": "archived"}, A],
            [(A, "x", "archived"), (A, "", "")],
        ),
        ([{"title": "x", "status": "released"}], [("x", "x", "released")]),
        ([{"status": "released"}], [("", "", "released")]),
    ],
)
def test_analyses_are_objects_or_links(analyses: object, read: list[tuple[str, str, str]]) -> None:
    assert [tuple(each) for each in file(1, analyses=analyses).analyses] == read


@pytest.mark.parametrize(
    "text", ["ENCFF001AAA/..", "ENCFF001aaa", " ENCFF001AAA", "ENCFF001AAA\n", "", "ENCFF01AAAA", "."]
)
def test_what_is_no_accession(text: str) -> None:
    with pytest.raises(InputError, match=r"pairs\.tsv line 7: the accession of an ENCODE file is ENCFF, three digits"):
        checked_accession(text, "file", where="pairs.tsv line 7")


def test_an_accession_in_a_link() -> None:
    assert linked_accession("/experiments/ENCSR001AAA/", "experiment", where="x") == "ENCSR001AAA"


def stomach_hit(**other: Any) -> Hit:
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
    replicates = [{"biological_replicate_number": number, "library": {"biosample": biosample}} for number in (2, 1)]
    return experiment_hit(replicates, **{"audit": {"ERROR": [{"category": "x"}, {"category": "x"}]}, **other})


def test_an_experiment_is_read() -> None:
    found = read_experiment(stomach_hit())
    assert found.replicates == (1, 2)
    assert found.biosamples == ("ENCBS001AAA",)
    assert found.parents == ("ENCBS002AAA",)
    assert found.default_analysis == ""
    for shown in ("/analyses/ENCAN001AAA/", {"@id": "/analyses/ENCAN001AAA/", "status": "released"}):
        assert read_experiment(stomach_hit(default_analysis=shown)).default_analysis == "ENCAN001AAA"
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
        read_experiment(stomach_hit(**other))
    assert told in str(caught.value)
