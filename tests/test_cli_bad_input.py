"""Whatever a person gets wrong ends in one sentence on stderr and exit code 2, and leaves everything as it was."""

import gzip
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from atac2rna.simulate import Simulation
from conftest import Cli

PROGRESS = re.compile(
    r"(settings: \{.*\}|(build|check|train|evaluate|demo): \d+ of \d+ \(.*\)|\w+: [\d,]+ genes of .*)"
)


@dataclass(frozen=True)
class Place:
    """A folder of bad files, beside good ones."""

    folder: Path
    sim: Simulation
    atlas: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def sheet(self) -> pl.DataFrame:
        """The good table of samples, with absolute paths."""
        table = pl.read_csv(self.sim.samples, separator="\t", infer_schema=False)
        return table.with_columns((pl.lit(f"{self.sim.folder}/") + pl.col("atac", "rna")).name.keep())

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def samples(self, table: pl.DataFrame | None = None, **first: str | Path) -> Path:
        """Write a samples.tsv; `first` are cells of its first row."""
        table = self.sheet if table is None else table
        top = table.head(1).with_columns(**{name: pl.lit(str(value)) for name, value in first.items()})
        return self.write("samples.tsv", pl.concat([top, table[1:]]).write_csv(separator="\t"))

    def build(self, samples: Path, *more: str | Path) -> list[str | Path]:
        return ["build", samples, "-o", self.out, "--annotation", f"sim1={self.sim.annotations['sim1']}", *more]

    def with_peaks(self, content: str | bytes, name: str = "bad.bed") -> list[str | Path]:
        return self.build(self.samples(atac=self.write(name, content)))

    def with_rna(self, content: str | bytes, *more: str) -> list[str | Path]:
        return self.build(self.samples(rna=self.write("bad.tsv", content)), *more)

    def rna_table(self) -> pl.DataFrame:
        return pl.read_csv(gzip.decompress(Path(self.sheet["rna"][0]).read_bytes()), separator="\t")

    def with_values(self, *values: float) -> list[str | Path]:
        """Build with an expression file whose first values are these."""
        table = self.rna_table().select("gene_id", "TPM")
        changed = [*values, *table["TPM"].to_list()[len(values) :]]
        return self.with_rna(table.with_columns(TPM=pl.Series(changed)).write_csv(separator="\t"))

    def small_build(self, rows: int, cli: Cli, **columns: str | list[str]) -> Path:
        """Build an atlas of the first rows, with columns replaced."""
        table = self.sheet.head(rows)
        for name, value in columns.items():
            table = table.with_columns(pl.Series(name, [value] * rows if isinstance(value, str) else value))
        ended = cli(*self.build(self.samples(table)))
        assert ended.code == 0, ended.err
        return self.out.rename(self.folder / "few.zarr")


@pytest.fixture
def place(tmp_path: Path, small: Simulation, small_atlas: Path) -> Place:
    return Place(tmp_path, small, small_atlas)


def state(folder: Path) -> dict[str, str]:
    """Every file of a folder with its checksum, hidden ones and empty folders too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def refused(cli: Cli, folder: Path, arguments: list[str | Path]) -> str:
    """Run a command that must be refused, hold it to the rules for errors, and give its sentence."""
    before = state(folder)
    ended = cli(*arguments)
    lines = ended.err.splitlines()
    told = [line for line in lines if line.startswith("atac2rna: ")]
    assert ended.code == 2, (ended.code, ended.out, ended.err)
    assert len(told) == 1, ended.err
    assert lines[-1] == told[0]
    assert all(PROGRESS.fullmatch(line) for line in lines[:-1]), ended.err
    assert len(told[0]) < 600, told[0]
    assert ".. " not in told[0], told[0]
    assert not told[0].endswith((" ", ":")), told[0]
    assert state(folder) == before
    return told[0]


Make = Callable[[Place], list[str | Path]]

BED = "chr1\t100\t400\n"

BUILD: dict[str, tuple[Make, str]] = {
    "samples missing": (lambda p: p.build(p.folder / "nope.tsv"), "nope.tsv: no such file"),
    "samples a folder": (lambda p: p.build(p.sim.folder), "is a directory"),
    "samples empty": (lambda p: p.build(p.write("s.tsv", "")), "s.tsv: is empty"),
    "samples binary": (lambda p: p.build(p.write("s.tsv", b"\x89HDF\x00")), "an HDF5 file"),
    "samples of a web page": (lambda p: p.build(p.write("s.tsv", "<!DOCTYPE html><html>")), "a web page"),
    "samples by commas": (lambda p: p.build(p.write("s.tsv", "sample,atac,assembly\n")), "Save the table as tab-sep"),
    "samples without rows": (lambda p: p.build(p.write("s.tsv", "sample\tatac\tassembly\n")), "names no sample"),
    "column missing": (lambda p: p.build(p.samples(p.sheet.drop("assembly"))), "got none named 'assembly'"),
    "sample twice": (lambda p: p.build(p.samples(sample=p.sheet["sample"][1])), "line 3: sample names are unique"),
    "sample with a slash": (lambda p: p.build(p.samples(sample="a/b")), "line 2: the name of a sample"),
    "peak file missing": (lambda p: p.build(p.samples(atac="nope.bed")), "line 2: the files of a sample exist"),
    "RNA file missing": (
        lambda p: p.build(p.samples(rna="nope.tsv")),
        "nope.tsv of sample 'lineage1_1' does not exist",
    ),
    "assembly without genes": (lambda p: p.build(p.samples(assembly="mm10")), "--annotation mm10=FILE"),
    "peaks empty": (lambda p: p.with_peaks(""), "bad.bed: is empty"),
    "peaks cut": (lambda p: p.with_peaks(gzip.compress(BED.encode() * 5_000)[:-40], "bad.bed.gz"), "ends early"),
    "peaks of a damaged gzip": (
        lambda p: p.with_peaks(b"\x1f\x8b" + bytes(range(200)), "bad.gz"),
        "fetch the file again",
    ),
    "peaks binary": (lambda p: p.with_peaks(bytes(range(256))), "a binary file"),
    "peaks bigBed": (lambda p: p.with_peaks(b"\xeb\xf2\x89\x87" + bytes(60)), "a bigBed file"),
    "peaks of a web page": (lambda p: p.with_peaks("<html><body>404</body></html>"), "a web page"),
    "interval negative": (lambda p: p.with_peaks(f"{BED}chr1\t-5\t100\n"), "bad.bed line 2"),
    "interval reversed": (lambda p: p.with_peaks(f"{BED}chr1\t500\t100\n"), "bad.bed line 2"),
    "interval of words": (lambda p: p.with_peaks(f"{BED}chr1\ta\tb\n"), "bad.bed line 2"),
    "interval of two columns": (lambda p: p.with_peaks("chr1\t100\nchr1\t200\n"), "bad.bed line 1"),
    "interval by spaces and words": (lambda p: p.with_peaks("these are no peaks at all\n"), "bad.bed line 1"),
    "RNA empty": (lambda p: p.with_rna(""), "bad.tsv: is empty"),
    "RNA NaN": (lambda p: p.with_values(float("nan")), "bad.tsv line 2"),
    "RNA negative": (lambda p: p.with_values(1.0, -3.0), "bad.tsv line 3"),
    "RNA counts": (
        lambda p: p.with_rna(p.rna_table().select("gene_id", "expected_count").write_csv(separator="\t")),
        "bad.tsv",
    ),
    "RNA of other genes": (
        lambda p: p.with_rna("gene_id\tTPM\n" + "".join(f"ENSMUSG{i:011}\t1.0\n" for i in range(200))),
        "match 0 of 160 genes of the gene table",
    ),
    "RNA of symbols": (
        lambda p: p.with_rna(
            "gene_id\tTPM\n" + "".join(f"{name}\t1.0\n" for name in p.sim.landscape.genes.frame["gene_name"])
        ),
        "They look like gene symbols",
    ),
    "gene column": (lambda p: p.build(p.samples(), "--gene-column", "gene"), "'gene'"),
    "value column": (lambda p: p.build(p.samples(), "--value-column", "tmp"), "'tmp'"),
    "annotation missing": (lambda p: ["build", p.samples(), "-o", p.out], "--annotation sim1=FILE"),
    "annotation malformed": (
        lambda p: ["build", p.samples(), "-o", p.out, "--annotation", "genes.gtf"],
        "ASSEMBLY=FILE",
    ),
    "annotation of a missing file": (
        lambda p: ["build", p.samples(), "-o", p.out, "--annotation", "sim1=nope.gtf"],
        "nope.gtf: no such file",
    ),
    "annotation twice": (lambda p: p.build(p.samples(), "--annotation", f"sim1={p.sim.samples}"), "names 'sim1' twice"),
    "annotation of peaks": (
        lambda p: ["build", p.samples(), "-o", p.out, "--annotation", f"sim1={p.sheet['atac'][0]}"],
        "narrowPeak.gz",
    ),
    "biotype": (lambda p: p.build(p.samples(), "--biotypes", "protein_codin"), "did you mean 'protein_coding'?"),
    "biotype empty": (lambda p: p.build(p.samples(), "--biotypes", ""), "--biotypes"),
    "gene set": (lambda p: p.build(p.samples(), "--gene-set", "most"), "'most' is not one of"),
    "workers": (lambda p: p.build(p.samples(), "--workers", "0"), "greater than or equal to 1; got '0'"),
    "add and overwrite": (lambda p: p.build(p.samples(), "--add", "--overwrite"), "both --add and --overwrite"),
    "add to nothing": (lambda p: p.build(p.samples(), "--add"), "out: is no atlas"),
    "output in a file": (
        lambda p: [*p.build(p.samples()), "-o", p.write("f", "x") / "atlas"],
        "is a file where a folder",
    ),
    "output a long name": (
        lambda p: [*p.build(p.samples()), "-o", p.folder / ("x" * 300)],
        "the file name is too long",
    ),
}

CHECK: dict[str, tuple[Make, str]] = {
    "nothing": (lambda p: ["check"], "Missing argument"),
    "missing": (lambda p: ["check", p.folder / "nope"], "no such file"),
    "folder of something": (lambda p: ["check", p.sim.folder], "is neither an atlas"),
    "two atlases": (lambda p: ["check", p.atlas, p.atlas], "got 2 paths"),
    "peaks without assembly": (lambda p: ["check", p.sheet["atac"][0]], "Pass --assembly hg38"),
    "peaks without genes": (lambda p: ["check", p.sheet["atac"][0], "--assembly", "mm10"], "--annotation mm10=FILE"),
    "peaks that are none": (
        lambda p: ["check", p.write("b.bed", "a\tb\tc\n"), "--assembly", "sim1", *p.build(p.folder)[4:]],
        "b.bed line 1",
    ),
    "samples without genes": (lambda p: ["check", p.samples()], "--annotation sim1=FILE"),
    "output a folder": (lambda p: ["check", p.atlas, "-o", p.folder], "is a folder where a file"),
    "output in a file": (lambda p: ["check", p.atlas, "-o", p.write("f", "x") / "t.tsv"], "is a file where a folder"),
    "matrices ragged": (
        lambda p: [
            "check",
            (p.write("peaks_input_a.csv", "1,0\n1\n"), p.write("exp_output_a.csv", "1\n2\n"))[0].parent,
        ],
        "peaks_input_a.csv line 2",
    ),
    "matrix without its pair": (lambda p: ["check", p.write("peaks_input_a.csv", "1,0\n").parent], "exp_output_a.csv"),
}


def train(place: Place, *more: str | Path) -> list[str | Path]:
    return ["train", place.atlas, "-o", place.out, *more]


def evaluate(place: Place, *more: str | Path) -> list[str | Path]:
    return ["evaluate", place.atlas, "-o", place.out, *more]


def config(text: str) -> Make:
    return lambda place: train(place, "--config", place.write("run.toml", text))


TRAIN: dict[str, tuple[Make, str]] = {
    "no atlas": (lambda p: ["train", p.sim.folder, "-o", p.out], "is no atlas"),
    "missing atlas": (lambda p: ["train", p.folder / "nope", "-o", p.out], "nope: is no atlas"),
    "no output": (lambda p: ["train", p.atlas], "Missing option '--output'"),
    "model": (lambda p: train(p, "--model", "kernl"), "did you mean 'kernel'?"),
    "setting": (lambda p: train(p, "--set", "state_nois=1"), "did you mean 'state_noise'?"),
    "setting of words": (lambda p: train(p, "--set", "own_noise=much"), "got 'much'"),
    "setting malformed": (lambda p: train(p, "--set", "noise"), "a setting is KEY=VALUE"),
    "setting twice": (lambda p: train(p, "--set", "noise=1", "--set", "noise=2"), "names 'noise' twice"),
    "bins": (lambda p: train(p, "--model", "region-mlp", "--bins", "top"), "bins are 'score' or 'top=N'"),
    "bins of another model": (lambda p: train(p, "--bins", "score"), "--bins is a setting of region-mlp"),
    "seed": (lambda p: train(p, "--seed", "one"), "'--seed': Input should be a valid integer; got 'one'."),
    "seed below 0": (lambda p: train(p, "--seed", "-1"), "greater than or equal to 0; got '-1'"),
    "config seed below 0": (config("seed = -1\n"), "'seed' does not fit"),
    "config missing": (lambda p: train(p, "--config", p.folder / "nope.toml"), "nope.toml: no such file"),
    "config a folder": (lambda p: train(p, "--config", p.folder), "is a directory"),
    "config not TOML": (config("model: kernel\n"), "is not TOML"),
    "config key": (config("modell = 'kernel'\n"), "got 'modell'"),
    "config setting": (config("[settings]\nstate_nois = 1\n"), "did you mean 'state_noise'?"),
    "config value": (config("seed = 'one'\n"), "'seed'"),
    "config settings no table": (config("settings = 3\n"), "'settings'"),
    "config model no text": (config("model = 3\n"), "'model'"),
    "region without genes": (lambda p: train(p, "--model", "region-mlp", "--set", "chrom=chr9"), "Set another region"),
    "region in part": (lambda p: train(p, "--model", "region-mlp", "--set", "width=999"), "multiple of the width"),
    "output in a file": (lambda p: [*train(p), "-o", p.write("f", "x") / "model"], "is a file where a folder"),
    "output a file": (lambda p: [*train(p), "-o", p.write("f", "x")], "f: exists"),
    "output a file to be replaced": (lambda p: [*train(p, "--overwrite"), "-o", p.write("f", "x")], "f: is a file"),
    "output of another kind": (
        lambda p: [*train(p, "--overwrite"), "-o", p.write("notes.txt", "x").parent],
        "holds something other than a model",
    ),
}

EVALUATE: dict[str, tuple[Make, str]] = {
    "no atlas": (lambda p: ["evaluate", p.sim.folder, "-o", p.out], "is no atlas"),
    "hold-out": (lambda p: evaluate(p, "--holdout", "linage"), "did you mean 'lineage'?"),
    "hold-out empty": (lambda p: evaluate(p, "--holdout", ""), "a hold-out is a column"),
    "hold-out by two columns": (lambda p: evaluate(p, "--holdout", "lineage,donor"), "a hold-out is COLUMN"),
    "hold-out of one value": (lambda p: evaluate(p, "--holdout", "assembly"), "at least two values"),
    "hold-out divides groups": (lambda p: evaluate(p, "--holdout", "sample"), "stay on one side of every split"),
    "within": (lambda p: evaluate(p, "--within", "datset"), "got 'datset': did you mean 'dataset'?"),
    "within empty": (lambda p: evaluate(p, "--within", ""), "within a column of the samples"),
    "model": (lambda p: evaluate(p, "--models", "mean,ridg"), "did you mean 'ridge'?"),
    "models empty": (lambda p: evaluate(p, "--models", ""), "--models ''"),
    "models with two commas": (lambda p: evaluate(p, "--models", "mean,,ridge"), "--models 'mean,,ridge'"),
    "setting without model": (lambda p: evaluate(p, "--set", "penalty=1"), "MODEL.KEY=VALUE"),
    "setting": (lambda p: evaluate(p, "--set", "ridge.penalt=1"), "did you mean 'penalty'?"),
    "setting of no model": (lambda p: evaluate(p, "--set", "rigde.penalty=1"), "did you mean 'ridge'"),
    "setting of a model left out": (
        lambda p: evaluate(p, "--models", "mean", "--set", "ridge.penalty=1"),
        "Add it to --models",
    ),
    "bins": (lambda p: evaluate(p, "--bins", "top=0"), "bins are 'score' or 'top=N'"),
    "bins of a model left out": (lambda p: evaluate(p, "--models", "mean", "--bins", "score"), "Add it to --models"),
    "bins twice": (
        lambda p: evaluate(p, "--bins", "score", "--set", "region-mlp.bins=score"),
        "bins of region-mlp are given once",
    ),
    "region without genes": (lambda p: evaluate(p, "--set", "region-mlp.chrom=chr9"), "Set another region"),
    "output a file": (lambda p: [*evaluate(p), "-o", p.write("f", "x")], "f: is a file"),
    "output in a file": (lambda p: [*evaluate(p), "-o", p.write("f", "x") / "e"], "is a file where a folder"),
    "output of another kind": (
        lambda p: [*evaluate(p), "-o", p.write("notes.txt", "x").parent],
        "something other than an evaluation (notes.txt)",
    ),
    "output with another's summary": (
        lambda p: [*evaluate(p), "-o", p.write("summary.json", "{}").parent],
        "something other than an evaluation (summary.json)",
    ),
    "seed below 0": (lambda p: evaluate(p, "--seed", "-1"), "greater than or equal to 0; got '-1'"),
    "demo of a seed below 0": (lambda p: ["demo", "-o", p.out, "--seed", "-1"], "greater than or equal to 0"),
    "unknown option": (lambda p: evaluate(p, "--fold", "3"), "See 'atac2rna evaluate --help'."),
    "unknown command": (lambda p: ["evalute", p.atlas], "Did you mean 'evaluate'? See 'atac2rna --help'."),
    "unknown option before a command": (lambda p: ["--verson"], "--verson"),
    "demo over a file": (lambda p: ["demo", "-o", p.write("f", "x")], "f: is a file"),
    "demo in a file": (lambda p: ["demo", "-o", p.write("f", "x") / "demo"], "f: is a file where a folder is needed"),
    "demo over something": (lambda p: ["demo", "-o", p.write("notes.txt", "x").parent], "something other than a demo"),
}

PROFILES = "gene_id\tE1\n" + "".join(f"ENSMUSG{i:011}\t1.0\n" for i in range(200))


def compendium(content: str, *more: str) -> Make:
    return lambda place: evaluate(place, "--compendium", place.write("c.tsv", content), *more)


COMPENDIUM: dict[str, tuple[Make, str]] = {
    "missing": (lambda p: evaluate(p, "--compendium", p.folder / "nope.tsv"), "nope.tsv: no such file; a compendium"),
    "missing in train": (lambda p: train(p, "--compendium", p.folder / "nope.tsv"), "nope.tsv: no such file"),
    "empty": (compendium(""), "c.tsv: is empty"),
    "of other genes": (
        compendium(PROFILES),
        "(0.0%). Its ids look like ENSMUSG00000000000, those of the atlas like ENSG",
    ),
    "without gene_id": (compendium(PROFILES.replace("gene_id", "gene")), "c.tsv line 1: the first column"),
    "negative": (compendium(PROFILES + "ENSG1\t-1\n"), "c.tsv line 202"),
    "info alone": (lambda p: evaluate(p, "--compendium-info", p.folder), "Add --compendium FILE"),
    "info alone in train": (lambda p: train(p, "--compendium-info", p.folder), "Add --compendium FILE"),
    "info missing": (
        lambda p: train(p, "--compendium", p.write("c.tsv", PROFILES), "--compendium-info", p.folder / "nope.tsv"),
        "nope.tsv: no such file; an info table of a compendium",
    ),
    "info of other profiles": (
        lambda p: train(
            p, "--compendium", p.write("c.tsv", PROFILES), "--compendium-info", p.write("i.tsv", "eid\tsame_as\nE2\t\n")
        ),
        "i.tsv: every profile of the compendium has a row in its info",
    ),
    "strict without info": (compendium(PROFILES, "--strict-relatives"), "Add --compendium-info FILE"),
    "strict alone": (lambda p: train(p, "--strict-relatives"), "Add --compendium FILE"),
    "config key": (config("compendum = 'c.tsv'\n"), "got 'compendum'"),
    "config file missing": (config("compendium = 'nope.tsv'\n"), "nope.tsv: no such file"),
    "config no file": (config("compendium = 3\n"), "'compendium' does not fit: Input is not a valid path; got 3."),
    "config strict of words": (config("strict_relatives = 'very'\n"), "'strict_relatives' does not fit"),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("build", BUILD),
        ("check", CHECK),
        ("train", TRAIN),
        ("evaluate", EVALUATE),
        ("compendium", COMPENDIUM),
    )
    for name, case in cases.items()
}


@pytest.mark.parametrize(("make", "says"), CASES.values(), ids=CASES)
def test_bad_input_is_one_sentence(make: Make, says: str, place: Place, cli: Cli) -> None:
    arguments = make(place)
    assert says in refused(cli, place.folder, arguments)


def mark_version(atlas: Path, **attributes: object) -> None:
    node = json.loads((atlas / "zarr.json").read_text())
    node["attributes"].update(attributes)
    (atlas / "zarr.json").write_text(json.dumps(node))


@pytest.mark.parametrize("command", ["check", "train", "evaluate"])
def test_atlas_of_another_version_is_refused(command: str, own_atlas: Path, place: Place, cli: Cli) -> None:
    mark_version(own_atlas, format_version=99)
    more = [] if command == "check" else ["-o", place.out]
    assert "this version reads atlas format 1; got 99" in refused(cli, place.folder, [command, own_atlas, *more])


def test_atlas_of_another_version_can_be_replaced(own_atlas: Path, place: Place, cli: Cli) -> None:
    mark_version(own_atlas, format_version=99)
    ended = cli(*place.build(place.samples(), "--overwrite", "-o", own_atlas))
    assert ended.code == 0, ended.err
    assert cli("check", own_atlas).code == 0


def test_other_zarr_store_is_neither_read_nor_replaced(own_atlas: Path, place: Place, cli: Cli) -> None:
    mark_version(own_atlas, format="other")
    assert "no atlas of atac2rna" in refused(cli, place.folder, ["check", own_atlas])
    build = place.build(place.samples(), "--overwrite", "-o", own_atlas)
    assert "something other than an atlas" in refused(cli, place.folder, build)


def test_damaged_atlas_is_named(own_atlas: Path, place: Place, cli: Cli) -> None:
    (own_atlas / "zarr.json").write_text("{")
    assert "is damaged" in refused(cli, place.folder, ["check", own_atlas])


def test_output_that_exists_is_kept(own_atlas: Path, place: Place, cli: Cli) -> None:
    build = place.build(place.samples(), "-o", own_atlas)
    assert "exists; pass --overwrite to replace it, --add" in refused(cli, place.folder, build)


def test_names_that_the_atlas_has_are_not_added(own_atlas: Path, place: Place, cli: Cli) -> None:
    build = place.build(place.samples(), "--add", "-o", own_atlas)
    assert "already has 'lineage1_1' (16 of 16 names)" in refused(cli, place.folder, build)


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_two_samples_are_too_few(command: str, place: Place, cli: Cli) -> None:
    atlas = place.small_build(2, cli)
    said = refused(cli, place.folder, [command, atlas, "-o", place.out])
    assert "at least 3 samples with RNA; got 2" in said


def test_empty_cells_of_the_hold_out_are_counted(place: Place, cli: Cli) -> None:
    atlas = place.small_build(4, cli, lineage=["a", "", "b", ""])
    said = refused(cli, place.folder, ["evaluate", atlas, "-o", place.out, "--holdout", "lineage"])
    assert "'lineage' is empty for 2 of 4 samples" in said


def test_hold_out_that_divides_a_group_is_refused(place: Place, cli: Cli) -> None:
    atlas = place.small_build(4, cli, group="one", lineage=["a", "a", "b", "b"])
    said = refused(cli, place.folder, ["evaluate", atlas, "-o", place.out, "--holdout", "lineage"])
    assert "divides group 'one'" in said


def test_training_says_why_it_was_not_cross_validated(place: Place, cli: Cli) -> None:
    atlas = place.small_build(4, cli, group="one", lineage="one")
    ended = cli("train", atlas, "-o", place.out)
    assert ended.code == 0
    assert "not cross-validated: " in ended.err
    assert json.loads((place.out / "model.json").read_text())["cross_validation"] is None


def test_peaks_of_unknown_chromosomes_are_an_error_of_check(place: Place, cli: Cli) -> None:
    peaks = "".join(f"contig_9\t{i * 1000}\t{i * 1000 + 300}\n" for i in range(3_000))
    samples = place.samples(atac=place.write("bad.bed", peaks))
    ended = cli("check", samples, *place.build(samples)[4:])
    assert ended.code == 1, ended.out
    assert any(line.startswith("ERROR") and "lineage1_1" in line for line in ended.out.splitlines())


def test_unreadable_file_of_a_sample_is_a_finding(place: Place, cli: Cli) -> None:
    samples = place.samples(atac=place.write("bad.bed", "<html>"))
    ended = cli("check", samples, *place.build(samples)[4:])
    assert ended.code == 1
    assert "ERROR   unreadable: lineage1_1" in ended.out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("command", ["build", "check", "train", "evaluate", "demo"])
def test_folder_that_may_not_be_written_is_told(command: str, place: Place, cli: Cli) -> None:
    locked = place.folder / "locked"
    locked.mkdir(mode=0o555)
    arguments = {"build": place.build(place.samples()), "demo": ["demo"]}.get(command, [command, place.atlas])
    assert "permission denied" in refused(cli, place.folder, [*arguments, "-o", locked / "out"])
