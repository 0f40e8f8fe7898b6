"""atac2rna predict: what it writes and says, and what it refuses without a trace."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import atac2rna
from atac2rna.cli.main import _exit_code
from atac2rna.prediction.files import tsv_bytes
from conftest import Cli, Ended, Trained


@pytest.fixture
def predict(trained: Trained, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run predict with the trained model in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Ended:
        return cli("predict", *words, "--with", trained.model)

    return run


def expected(trained: Trained, sample: str) -> bytes:
    return tsv_bytes(atac2rna.load_model(trained.model).predict(trained.peaks(sample)))


def rows(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, separator="\t", comment_prefix="#")


def names() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def test_a_file_becomes_a_table_and_a_verdict(predict: Cli, trained: Trained) -> None:
    ended = predict(trained.peaks("lineage1_1"), "-o", "out.tsv")
    assert ended.code == 0, ended.err
    assert Path("out.tsv").read_bytes() == expected(trained, "lineage1_1")
    verdict, *rest = ended.out.splitlines()
    assert verdict.startswith("lineage1_1 (sim1): inside the model's experience (novelty 0.")
    assert "most alike: lineage1_1 1.00, " in verdict
    assert verdict.endswith("the model was trained on this very sample (lineage1_1)")
    assert rest[0].startswith(
        "    750 peaks (528 to 848 in training samples), median width 559 bp (537 to 721), 88.6% of the pro"
    )
    assert rest[1:] == ["out.tsv: 140 genes"]
    assert ended.err == "predict: 1 of 1 (predicted lineage1_1)\n"
    assert predict(trained.peaks("lineage1_1"), "-o", "out.tsv", "-q").err == ""


def test_stdin_and_stdout(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained.peaks("lineage1_1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    assert _exit_code(["predict", "-", "-o", "-", "--sample", "lineage1_1", "--with", str(trained.model)]) == 0
    written = out.buffer.getvalue()  # type: ignore[attr-defined]
    assert written == expected(trained, "lineage1_1").replace(
        b"# peaks: lineage1_1.narrowPeak.gz", b"# peaks: standard input"
    )


def test_a_device_is_written_as_it_is(predict: Cli, trained: Trained) -> None:
    ended = predict(trained.peaks("lineage1_1"), "-o", os.devnull)
    assert (ended.code, ended.out) == (0, "")
    assert "lineage1_1 (sim1): inside" in ended.err
    assert names() == []


def test_several_files_each_their_own(predict: Cli, trained: Trained) -> None:
    samples = ["lineage1_1", "lineage2_2", "lineage3_1"]
    paths = [trained.peaks(name) for name in samples]
    for words in (["-o", "many/"], ["-o", "many"], ["-o", "other", "--workers", "1"]):
        ended = predict(*paths, *words)
        assert ended.code == 0, ended.err
        for name in samples:
            assert (Path(words[1]) / f"{name}.tsv").read_bytes() == expected(trained, name)
    said = [line.split()[0] for line in ended.out.splitlines() if not line.startswith(" ")]
    assert said == [*samples, "other:"]
    assert predict(*paths[::-1], "-o", "back/").code == 0
    assert (Path("back") / "lineage2_2.tsv").read_bytes() == expected(trained, "lineage2_2")
    ended = predict(*paths, "-o", "all.parquet")
    assert ended.out.splitlines()[-1] == "all.parquet: 140 genes, 3 samples"
    assert pl.read_parquet("all.parquet")["sample"].unique(maintain_order=True).to_list() == samples
    assert predict(*paths, "-o", "all.h5ad").code == 0
    assert predict(paths[0], "-o", "one/").code == 0
    assert names() == sorted(
        [
            *(f"{folder}/{name}.tsv" for folder in ("many", "other", "back") for name in samples),
            *("many", "other", "back", "one", "one/lineage1_1.tsv", "all.parquet", "all.h5ad"),
        ]
    )


def test_a_table_of_samples(predict: Cli, trained: Trained) -> None:
    ended = predict(trained.made.atac_only, "-o", "only/")
    assert ended.code == 0, ended.err
    sheet = pl.read_csv(trained.made.atac_only, separator="\t")
    for name, assembly in zip(sheet["sample"], sheet["assembly"], strict=True):
        told = Path("only", f"{name}.tsv").read_text()
        assert f"# assembly: {assembly}\n# assembly_source: given\n" in told
        table = pl.read_csv(io.StringIO(told), separator="\t", comment_prefix="#")
        assert table["log2_tpm"].to_list() == rows(one_file(predict, trained.peaks(name)))["log2_tpm"].to_list()
    one, two = (trained.peaks(f"lineage{i}_1") for i in (1, 2))
    Path("sheet.tsv").write_text(f"sample\tatac\tassembly\npool\t{one};{two}\tsim1\n")
    assert predict("sheet.tsv", "-o", "sheet.parquet").code == 0
    words = ["--replicates", "--sample", "pool", "--assembly", "sim1"]
    assert predict(two, one, *words, "-o", "pool.parquet").code == 0
    assert pl.read_parquet("sheet.parquet").equals(pl.read_parquet("pool.parquet"))
    for option in (["--assembly", "sim1"], ["--replicates"], ["--sample", "x"]):
        ended = predict("sheet.tsv", "-o", "x.tsv", *option)
        assert (ended.code, ended.err) == (
            2,
            f"atac2rna: sheet.tsv: is a table of samples and says that itself; leave {option[0]} out.\n",
        )


def one_file(predict: Cli, path: Path) -> Path:
    assert predict(path, "-o", "one.tsv").code == 0
    return Path("one.tsv")


def test_genes_are_kept_in_the_order_of_the_table(predict: Cli, trained: Trained) -> None:
    path = trained.peaks("lineage1_1")
    predict(path, "-o", "all.tsv")
    whole = rows(Path("all.tsv"))
    wanted = whole[[20, 7]]
    words = [word for gene in (wanted["gene_name"][0], wanted["gene_id"][1]) for word in ("--gene", gene)]
    for suffix in ("tsv", "parquet"):
        ended = predict(path, *words, "-o", f"few.{suffix}")
        assert ended.out.splitlines()[-1] == f"few.{suffix}: 2 genes"
    assert rows(Path("few.tsv")).equals(whole[[7, 20]])
    ended = predict(path, "--gene", "NOSUCH1", "-o", "none.tsv")
    assert ended.code == 2
    assert "every gene asked for is one that the model predicts; got 'NOSUCH1'; " in ended.err
    assert not Path("none.tsv").exists()


def test_an_annotation_gives_another_assembly(predict: Cli, trained: Trained) -> None:
    gtf = trained.made.annotations["sim1"]
    ended = predict(trained.peaks("lineage1_1"), "--annotation", f"simX={gtf}", "--assembly", "simX", "-o", "x.tsv")
    assert ended.code == 0, ended.err
    assert "# genes: genes.gtf.gz\n" in Path("x.tsv").read_text()
    plain = rows(one_file(predict, trained.peaks("lineage1_1")))
    assert rows(Path("x.tsv")).equals(plain)


def test_a_wrong_assembly_is_refused_before_anything_is_written(predict: Cli, trained: Trained) -> None:
    Path("old.tsv").write_text("old")
    words = [trained.peaks("lineage1_2"), "--assembly", "sim1"]
    ended = predict(*words, "-o", "old.tsv")
    assert ended.code == 2
    assert ended.err.startswith("atac2rna: lineage1_2: peaks are of the assembly given; these hit ")
    assert ended.err.endswith("Pass --assembly sim2, or --force if sim1 is right.\n")
    assert Path("old.tsv").read_text() == "old"
    ended = predict(trained.peaks("lineage1_1"), *words, "-o", "many/")
    assert ended.code == 2
    assert names() == ["old.tsv"]
    ended = predict(*words, "--force", "-o", "old.tsv")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("lineage1_2 (sim1): outside the model's experience")
    assert "    Forced: lineage1_2: peaks are of the assembly given" in ended.out


FRAGMENTS = b"# id=x\n# barcodes\n" + b"".join(
    b"chr1\t%d\t%d\tACGTACGTACGTACGT-1\t2\n" % (i, i + 9) for i in range(200)
)
THREE = b"chr1\t1000\t2000\nchr1\t3000\t4000\nchr2\t1\t500\n"
BAD_FILES = {
    "fragments": (FRAGMENTS, "line 3: column 4 is a cell barcode ('ACGTACGTACGTACGT-1'), so this is a file of single-cell"),
    "fragments gz": (gzip.compress(FRAGMENTS), "call peaks on them (macs3 callpeak -f BEDPE or -f FRAG)"),
    "BAM": (gzip.compress(b"BAM\x01" + bytes(999)), "looks like a BAM file of reads, and a peak file (narrowPeak, broadPeak"),
    "bigWig": (b"\x26\xfc\x8f\x88" + bytes(999), "the bigWig ends early (a cut download?); fetch the file again."),
    "bigBed": (b"\xeb\xf2\x89\x87" + bytes(999), "bigBedToBed"),
    "cut": (gzip.compress(THREE * 500)[:-20], "the gzip stream ends early (a cut download?); fetch the file again."),
    "three": (THREE, "a prediction rests on at least 9 peaks on the chromosomes of the genes; these are 3 (of 3 in all)."),
    "chrM": (b"chrM\t1\t200\nMT\t300\t400\n", "these lie on 'chrM' only, the mitochondrial genome."),
    "empty": (b"", "is empty; "),
    "header only": (b"sample\tatac\tassembly\n", "names no sample"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_of_something_else_is_told_in_one_sentence(predict: Cli, case: str) -> None:
    content, words = BAD_FILES[case]
    Path("x.bed").write_bytes(content)
    Path("old.tsv").write_text("old")
    for output in ("new.tsv", "old.tsv", "many/", "new.parquet"):
        ended = (
            predict("x.bed", "--assembly", "sim1", "-o", output)
            if case != "header only"
            else predict("x.bed", "-o", output)
        )
        assert ended.code == 2
        assert words in ended.err
        assert ended.err.startswith("atac2rna: x")
        assert len(ended.err.splitlines()) == 1
        assert ended.out == ""
    assert Path("old.tsv").read_text() == "old"
    assert names() == ["old.tsv", "x.bed"]


def test_one_bad_sample_among_good_ones_leaves_nothing(predict: Cli, trained: Trained) -> None:
    Path("x.bed").write_bytes(THREE)
    for output in ("many/", "all.parquet"):
        ended = predict(
            trained.peaks("lineage1_1"), trained.peaks("lineage3_1"), "x.bed", "--assembly", "sim1", "-o", output
        )
        assert ended.code == 2
        assert ended.err.splitlines()[-1].startswith("atac2rna: x: a prediction rests on")
    assert names() == ["x.bed"]


def test_the_same_file_or_name_twice_is_refused(predict: Cli, trained: Trained) -> None:
    path = trained.peaks("lineage1_1")
    shutil.copy(path, "copy.bed")
    Path("other").mkdir()
    Path("other/lineage1_1.bed").write_bytes(THREE)
    for words, said in (
        ([path, path], f"every peak file is given once; {path} and {path} are the same file. Leave one out."),
        ([path, "copy.bed"], f"every sample has its own peaks; {path} and copy.bed have the same content."),
        ([path, "other/lineage1_1.bed"], f"{path} and other/lineage1_1.bed are both 'lineage1_1'. Rename one"),
        ([path, path, "--replicates"], f"every peak file is given once; {path} and {path} are the same file."),
        ([path, "copy.bed", "--replicates"], "have the same content."),
        ([path, "absent.bed"], "absent.bed: no such file; a peak file is expected there (1 of 2 are missing)."),
        (["absent.bed"], "absent.bed: no such file; "),
        ([path, trained.peaks("lineage2_1"), "--sample", "x"], "--sample names a single sample; got 2 files."),
    ):
        ended = predict(*words, "-o", "out/")
        assert ended.code == 2, words
        assert said in ended.err, ended.err
        assert not Path("out").exists()


def test_the_output_fits_the_input(predict: Cli, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = trained.peaks("lineage1_1"), trained.peaks("lineage2_1")
    Path("folder").mkdir()
    Path("file").write_text("old")
    for words, said in (
        ([one, "-o", "x.csv"], "predictions are written as .tsv, .tsv.gz, .parquet, .h5ad; got x.csv."),
        ([one, "-o", "x"], "predictions are written as"),
        (
            [one, "-o", "folder"],
            "folder: is a folder; one sample is written to a file. Name one (-o folder/lineage1_1.tsv)",
        ),
        (
            [one, two, "-o", "x.tsv"],
            "a .tsv file holds one sample; got 2. Give -o a folder (-o x/), .parquet or .h5ad.",
        ),
        ([one, two, "-o", "x.csv"], "predictions are written as"),
        ([one, two, "-o", "file"], "file: is a file where a folder is to be written"),
        ([one, two, "-o", "-"], "standard output takes one sample; got 2."),
        ([one, "-o", "x.tsv", "--interval", "1"], "the level of an interval is 0.5 to 0.99; got 1.0."),
        ([one, "-o", "x.tsv", "--annotation", "sim3"], "an annotation is ASSEMBLY=FILE; got --annotation 'sim3'."),
        ([one, "-o", "x.tsv", "--assembly", "sim3"], "there is no gene table of 'sim3'"),
    ):
        ended = predict(*words)
        assert ended.code == 2, words
        assert said in ended.err, ended.err
        assert len(ended.err.splitlines()) == 1
    monkeypatch.setitem(sys.modules, "anndata", None)
    ended = predict(one, "-o", "x.h5ad")
    assert (ended.code, "pip install 'atac2rna[anndata]'" in ended.err) == (2, True)
    assert names() == ["file", "folder"]
    assert Path("file").read_text() == "old"


@pytest.mark.parametrize("fault", ["missing", "tampered", "newer"])
def test_a_damaged_model_is_refused(trained: Trained, cli: Cli, tmp_path: Path, fault: str) -> None:
    model = Path(shutil.copytree(trained.model, tmp_path / "model"))
    weights = model / "weights.safetensors"
    if fault == "missing":
        weights.unlink()
    elif fault == "tampered":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    else:
        card = json.loads((model / "model.json").read_text())
        (model / "model.json").write_text(json.dumps(card | {"format_version": 99}))
    ended = cli("predict", trained.peaks("lineage1_1"), "--with", model, "-o", tmp_path / "x.tsv")
    said = {"missing": "is missing; copy", "tampered": "differs from what model.json says", "newer": "got 99. Install"}
    assert ended.code == 2
    assert said[fault] in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "x.tsv").exists()


def test_interruption_leaves_nothing(predict: Cli, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from atac2rna.prediction import files

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "tsv_bytes", stop)
    paths = [trained.peaks("lineage1_1"), trained.peaks("lineage2_1")]
    for words in ([paths[0], "-o", "x.tsv"], [*paths, "-o", "many/"]):
        assert predict(*words).code == 130
    assert names() == []


def test_too_many_intervals_are_refused(predict: Cli, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    start = np.sort(rng.integers(0, 2_000_000, 30_000))
    frame = pl.DataFrame({"c": "chr1", "s": start, "e": start + rng.integers(50, 900, start.size)})
    frame.write_csv("reads.bed", separator="\t", include_header=False)
    monkeypatch.setattr("atac2rna.prediction.admission.MOST_PEAKS", 20_000)
    refused = predict("reads.bed", "--assembly", "sim1", "-o", "x.tsv")
    assert refused.code == 2
    assert "at most 20,000 peaks; these are 30,000 intervals: reads, fragments or windows" in refused.err
    assert not Path("x.tsv").exists()
    ended = predict("reads.bed", "--assembly", "sim1", "-o", "x.tsv", "--force")
    assert ended.code == 0, ended.err
    assert "Forced: reads: a sample has at most 20,000 peaks" in ended.out
    assert "reads (sim1): outside the model's experience" in ended.out


def test_help_has_an_example(cli: Cli) -> None:
    said = cli("predict", "--help").out
    assert "Example: atac2rna predict my_sample.narrowPeak.gz" in said
    for option in (
        "--with",
        "--assembly",
        "--annotation",
        "--replicates",
        "--interval",
        "--gene",
        "--force",
        "--workers",
    ):
        assert option in said


def test_nothing_heavy_is_imported(trained: Trained, tmp_path: Path) -> None:
    heavy = ("torch", "lightning", "sklearn", "matplotlib", "scipy", "pandas", "anndata", "zarr", "rich")
    words = ["predict", str(trained.peaks("lineage1_1")), "--with", str(trained.model), "-o", str(tmp_path / "x.tsv")]
    program = f"""
import sys
from atac2rna.cli.main import _exit_code
code = _exit_code({words!r})
loaded = [name for name in {heavy!r} if name in sys.modules]
sys.exit(f"imported to predict: {{loaded}}" if loaded else code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_read_is_never_replaced(predict: Cli, trained: Trained, tmp_path: Path) -> None:
    content = trained.peaks("lineage1_1").read_bytes()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.tsv").write_bytes(content)
    (folder / "b.tsv").write_bytes(trained.peaks("lineage2_1").read_bytes())
    (folder / "link.tsv").symlink_to(folder / "a.tsv")
    for words in (
        [folder / "a.tsv", "-o", folder / "a.tsv"],
        [folder / "a.tsv", "-o", folder / "link.tsv"],
        [folder / "a.tsv", "-o", f"{folder}/"],
        [folder / "a.tsv", folder / "b.tsv", "-o", f"{folder}/"],
        [folder / "a.tsv", folder / "b.tsv", "-o", folder],
    ):
        ended = predict(*words)
        assert ended.code == 2, words
        assert "is read, and would be replaced by the predictions" in ended.err
        assert (folder / "a.tsv").read_bytes() == content
    assert predict(folder / "a.tsv", "-o", folder / "c.tsv").code == 0


def test_rows_that_are_there_twice_are_remarked(predict: Cli, trained: Trained) -> None:
    text = gzip.decompress(trained.peaks("lineage1_1").read_bytes())
    Path("twice.bed").write_bytes(text + text)
    said = predict("twice.bed", "--assembly", "sim1", "-o", "x.tsv").out
    assert "750 rows repeat another one in every column, and count twice. Remove them (sort -u)." in said
    Path("once.bed").write_bytes(text)
    assert "repeat another" not in predict("once.bed", "--assembly", "sim1", "-o", "x.tsv").out
