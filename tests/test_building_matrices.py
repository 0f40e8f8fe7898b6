"""Matrices of accessibility and expression become the atlas that the samples' own files give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import BuildSettings, build_atlas
from atac2rna.building.matrices import MatrixFiles, MatrixSamples
from atac2rna.building.presence import presence_remark, sample_peaks
from atac2rna.checking import check_built
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats.manifest import Manifest, read_manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.formats.regions import Regions, regions_from_names
from atac2rna.simulate import Simulation
from conftest import Cli
from sample_files import IDS, Files, tpm_of


def in_sim1(sim: Simulation) -> Manifest:
    manifest = read_manifest(sim.samples)
    return replace(manifest, entries=tuple(entry for entry in manifest.entries if entry.assembly == "sim1"))


def write_matrices(manifest: Manifest, folder: Path) -> MatrixFiles:
    """Turn the files of samples into matrices: every interval of any of them, and the values of the RNA files."""
    signal: dict[str, dict[str, float]] = {}
    tpm: dict[str, dict[str, float]] = {}
    for entry in manifest.entries:
        peaks = read_peaks(entry.atac[0]).peaks.unique_intervals()
        for i in range(len(peaks)):
            name = f"{peaks.chroms[peaks.chrom[i]]}:{peaks.start[i]}-{peaks.end[i]}"
            signal.setdefault(name, {})[entry.sample] = float(peaks.signal[i])
        table = pl.read_csv(entry.rna[0], separator="\t", schema_overrides={"gene_id": pl.String})
        for gene, value in zip(table["gene_id"], table["TPM"], strict=True):
            tpm.setdefault(gene, {})[entry.sample] = value
    names = [entry.sample for entry in manifest.entries]
    atac = pl.DataFrame({"peak": list(signal), **{n: [row.get(n, 0.0) for row in signal.values()] for n in names}})
    rna = pl.DataFrame({"gene_id": list(tpm), **{n: [row.get(n) for row in tpm.values()] for n in reversed(names)}})
    info = pl.DataFrame([{"sample": entry.sample, **entry.columns} for entry in manifest.entries])
    paths = [folder / name for name in ("atac.tsv", "rna.tsv", "info.tsv")]
    for table, path in zip((atac, rna.drop_nulls(), info), paths, strict=True):
        table.write_csv(path, separator="\t")
    return MatrixFiles(paths[0], paths[1], info=paths[2])


def test_the_same_data_give_the_same_atlas(small: Simulation, tmp_path: Path) -> None:
    manifest = in_sim1(small)
    tables = write_matrices(manifest, tmp_path)
    expected = build_atlas(manifest, tmp_path / "files.zarr", annotations=small.annotations)
    source = MatrixSamples(tables, assembly="sim1")
    atlas = build_atlas(source, tmp_path / "matrix.zarr", annotations=small.annotations)
    assert [record.name for record in atlas.samples] == [record.name for record in expected.samples]
    assert atlas.gene_ids == expected.gene_ids
    for record in expected.samples:
        peaks, own = atlas.peaks(record.name), expected.peaks(record.name).unique_intervals()
        for column in ("chrom", "start", "end", "signal"):
            np.testing.assert_array_equal(getattr(peaks, column), getattr(own, column))
        assert tpm_of(atlas, record.name) == tpm_of(expected, record.name)
        assert atlas.record(record.name).columns == record.columns
        assert atlas.record(record.name).peak_layout == "matrix"
    np.testing.assert_array_equal(atlas.expression(atlas.paired), expected.expression(expected.paired))
    assert {finding.code for finding in check_built(atlas) if finding.severity == "error"} == set()
    (entry,) = atlas.attributes["provenance"]
    assert entry["matrices"] == {
        name: {"path": str(path), "sha256": checksum(path)}
        for name, path in (("atac", tables.atac), ("rna", tables.rna), ("info", tables.info))
        if path is not None
    }
    assert entry["settings"] == {"gene_column": None, "value_column": None, "least_signal": None}
    assert entry["samples"] == [record.name for record in expected.samples]


# Peaks among regions


def regions(count: int, width: int = 100) -> Regions:
    names = [f"chr1:{1000 * i}-{1000 * i + width}" for i in range(count)]
    return regions_from_names(names, what="regions", row=str)


def test_few_regions_are_peaks_wherever_above_0() -> None:
    peaks = sample_peaks(regions(4), np.array([0, 1, 5.5, 100]))
    assert peaks.signal.tolist() == [1, 5.5, 100]


def test_a_sample_keeps_all_of_its_peaks() -> None:
    called = np.arange(150_131) / 7 + 1
    assert len(sample_peaks(regions(150_131), called)) == 150_131
    assert len(sample_peaks(regions(150_131), np.floor(called))) == 150_131  # counts as well


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_regions_of_other_samples_change_nothing(fraction: float) -> None:
    row = np.arange(120_000)
    own = np.where(row % 10 > 0, 2 + row % 50 + fraction, 0)
    alone = sample_peaks(regions(120_000), own)
    beside = sample_peaks(regions(370_000), np.concatenate([own, np.zeros(250_000)]))
    assert len(alone) == 108_000
    for column in ("chrom", "start", "end", "signal"):
        np.testing.assert_array_equal(getattr(alone, column), getattr(beside, column))


def test_where_most_regions_are_peaks_of_every_sample_a_bound_is_offered() -> None:
    plain = "of 100 regions 60 to 80 (median 70) are peaks of a sample: "
    offered = "above 0; if the values are read counts, background is among them, and --least-signal sets a bound"
    assert presence_remark([60, 80], 100, None) == plain + offered
    assert presence_remark([60, 80], 100, 0.0) == plain + offered
    assert presence_remark([60, 80], 100, 5.0) == plain + "at least 5"
    assert presence_remark([100], 100, None).endswith("are peaks of a sample: above 0")  # its own peaks
    assert presence_remark([30, 50], 100, None).endswith("are peaks of a sample: above 0")


def test_a_table_of_called_peaks_keeps_them_all() -> None:
    signal = np.where(np.arange(130_000) % 20 < 9, 1 + np.arange(130_000) / 7, 0)
    assert len(sample_peaks(regions(130_000), signal)) == 58_500


def test_the_least_signal_can_be_given() -> None:
    values = np.array([0.5, 1.5, 2.0, 9.0])
    assert sample_peaks(regions(4), values, least=2).signal.tolist() == [2, 9]
    counts = np.full(60_000, 3.0)
    assert len(sample_peaks(regions(60_000), counts, least=0)) == 60_000


def test_counts_of_unequal_regions_are_counts_per_kb() -> None:
    uneven = regions_from_names(["chr1:0-100", "chr1:500-1500", "chr2:0-50"], what="r", row=str)
    assert sample_peaks(uneven, np.array([2, 10, 1])).signal.tolist() == [20, 10, 20]
    assert sample_peaks(uneven, np.array([1, 1, 0])).signal.tolist() == [1, 1]  # presence
    assert sample_peaks(uneven, np.array([2.5, 10, 1])).signal.tolist() == [2.5, 10, 1]


# Pairing


ATAC = "peak\ta1\ta2\ta3\nchr1:100-200\t1.5\t2.5\t0\nchr1:300-400\t0\t2.5\t3\n"
RNA = "gene_id\tr2\tr1\tx\n" + "".join(f"{gene}\t{i + 0.5}\t{i + 1.5}\t{i + 2.5}\n" for i, gene in enumerate(IDS))


def build(files: Files, atac: str = ATAC, rna: str | None = RNA, **more: str) -> tuple[Atlas, list[str]]:
    def path(name: str, text: str | None) -> Path | None:
        return None if text is None else files.folder / files.write(name, text)

    tables = MatrixFiles(
        files.folder / files.write("atac.tsv", atac),
        path("rna.tsv", rna),
        path("pairs.tsv", more.get("pairs")),
        path("info.tsv", more.get("info")),
    )
    source = MatrixSamples(tables, assembly="hg38")
    annotations = {"hg38": files.gene_list()}
    atlas = build_atlas(source, files.folder / "atlas", annotations=annotations, mode="overwrite")
    return atlas, source.remarks


@pytest.mark.parametrize("pairs", ["a1\tr1\na2\tr2\n", "ATAC sample\tRNA sample\na1\tr1\na2\tr2\n", "a1,r1\na2,r2\n"])
def test_names_are_paired_by_a_map(files: Files, pairs: str) -> None:
    atlas, remarks = build(files, pairs=pairs)
    assert tuple(atlas.paired) == ("a1", "a2")
    assert tpm_of(atlas, "a1")[IDS[0]] == 1.5
    assert tpm_of(atlas, "a2")[IDS[0]] == 0.5
    assert atlas.peaks("a3").start.tolist() == [300]
    assert "without RNA: 1 (a3)" in remarks
    assert "in the RNA matrix only, left out: 1 (x)" in remarks


@pytest.mark.parametrize(
    ("pairs", "paired"),
    [
        ("ATAC sample\tRNA sample\na1\tr1\n", ("a1",)),
        ("a 1\tr 1\na2\tr2\n", ("a2",)),  # both mistyped: nobody can tell, so it is told
        ("sample\tx\na1\tr1\n", ("a1",)),  # x is a sample of RNA
        ("a1\tRNA\na2\tr1\n", ("a2",)),
        ("a1\tpartner\na1\tr1\n", ("a1",)),  # a1 stands again
        ("partner\tr1\na1\tr1\n", ("a1",)),
    ],
)
def test_what_is_taken_for_a_header_of_the_map_is_told(files: Files, pairs: str, paired: tuple[str, ...]) -> None:
    atlas, remarks = build(files, pairs=pairs)
    assert tuple(atlas.paired) == paired
    words = pairs.partition("\n")[0].split("\t")
    (told,) = [remark for remark in remarks if "header" in remark]
    assert told.endswith(f"pairs.tsv line 1: {words[0]!r} and {words[1]!r} were taken for a header")


def test_a_map_without_header_tells_none(files: Files) -> None:
    _, remarks = build(files, pairs="a1\tr1\na2\tr2\n")
    assert not [remark for remark in remarks if "header" in remark]


def test_equal_names_are_paired_without_a_map(files: Files) -> None:
    atlas, remarks = build(files, rna=RNA.replace("r1", "a1"))
    assert tuple(atlas.paired) == ("a1",)
    assert "without RNA: 2 (a2, a3)" in remarks
    assert "in the RNA matrix only, left out: 2 (r2, x)" in remarks


def test_accessibility_alone_makes_samples_without_rna(files: Files) -> None:
    atlas, _ = build(files, rna=None)
    assert [record.name for record in atlas.samples] == ["a1", "a2", "a3"]
    assert tuple(atlas.paired) == ()


def test_columns_of_the_info_table_are_kept(files: Files) -> None:
    atlas, remarks = build(files, rna=None, info="name\tlineage\tgroup\na2\tblood\tg\nb\tx\ty\n")
    assert atlas.record("a2").columns == {"lineage": "blood", "group": "g"}
    assert atlas.record("a1").columns == {"lineage": "", "group": ""}
    assert any("has no row for 2 (a1, a3)" in remark for remark in remarks)
    assert any("1 (b) of its rows are of no sample" in remark for remark in remarks)


def test_columns_left_out_are_told(files: Files) -> None:
    atac = "chr\tstart\tend\twidth\tstrand\ta1\nchr1\t101\t200\t100\t*\t1.5\nchr1\t301\t400\t100\t+\t2.5\n"
    atlas, remarks = build(files, atac, None)
    assert atlas.peaks("a1").start.tolist() == [100, 300]
    assert any("columns that are no samples: 2 (width, strand)" in remark for remark in remarks)
    assert any("starts were moved by one" in remark for remark in remarks)


@pytest.mark.parametrize(("ends", "headed"), [("\t\t", True), ("\t", True), ("\t", False)])
def test_separators_at_the_ends_of_lines_are_no_samples(files: Files, ends: str, headed: bool) -> None:
    """R and Excel write them, on all lines or below the header alone."""
    plain = build(files, rna=RNA.replace("r", "a"))[0]
    wanted = {name: (plain.peaks(name).start.tolist(), tpm_of(plain, name)) for name in ("a1", "a2")}

    def ended(text: str) -> str:
        lines = text.splitlines()
        return "".join(line + ends * (headed or number > 0) + "\n" for number, line in enumerate(lines))

    atlas, remarks = build(files, ended(ATAC), ended(RNA.replace("r", "a")))
    assert [record.name for record in atlas.samples] == ["a1", "a2", "a3"]
    assert {name: (atlas.peaks(name).start.tolist(), tpm_of(atlas, name)) for name in wanted} == wanted
    columns = ", ".join(f"column {5 + number}" for number in range(len(ends)))
    told = [remark.partition("/files/")[2] for remark in remarks if "no samples" in remark]
    assert told == [f"{name}.tsv: columns that are no samples: {len(ends)} ({columns})" for name in ("atac", "rna")]


def test_widths_that_are_nearly_all_1_based_are_told(files: Files) -> None:
    rows = [f"chr1\t{1000 * i + 1}\t{1000 * i + 100}\t{100 if i else 99}\t1.5\n" for i in range(200)]
    atlas, remarks = build(files, "chr\tstart\tend\tLength\ta1\n" + "".join(rows), None)
    assert atlas.peaks("a1").start[:2].tolist() == [1, 1001]
    assert any("1 of 200 say otherwise; starts were left as they are" in remark for remark in remarks)
    _, remarks = build(files, "chr\tstart\tend\tLength\ta1\n" + "".join(rows[:99]), None)
    assert not any("say otherwise" in remark for remark in remarks)  # 98 of 99: another thing is wrong


def test_samples_of_one_matrix_are_not_told_as_duplicates(files: Files) -> None:
    atlas, _ = build(files, "peak\ta1\ta2\nchr1:100-200\t1.5\t2.5\nchr1:300-400\t1.5\t3\n", RNA.replace("r", "a"))
    assert atlas.peaks("a1").start.tolist() == atlas.peaks("a2").start.tolist()
    assert not [finding for finding in check_built(atlas) if finding.code in ("duplicate-peaks", "duplicate-rna")]
    sums = {record.name: (record.atac[0].sha256, record.rna[0].sha256) for record in atlas.samples}
    assert len({value for pair in sums.values() for value in pair}) == 4


SYMBOLS = RNA.replace("ENSG0", "SYM")
MANY = [*IDS, *(f"ENSG9{i:010d}" for i in range(1200))]
LOGARITHMS = "gene_id\ta1\ta2\n" + "".join(f"{gene}\t{i % 14 + 0.25}\t{i % 13 + 0.5}\n" for i, gene in enumerate(MANY))
COUNTS = "gene_id\ta1\ta2\n" + "".join(f"{gene}\t{i}\t{2 * i}\n" for i, gene in enumerate(MANY))
REFUSED = {
    "no name in both": (
        {},
        r"rna.tsv: samples have the same name in both matrices; none of its 3 .* not 'a1'\. Pass --pairs .*; known: r2",
    ),
    "map of an unknown ATAC": (
        {"pairs": "a1\tr1\na9\tr2\n"},
        r"pairs.tsv line 2: .*'a9' is none of the 3 .*known: a1, a2, a3",
    ),
    "map of an unknown RNA": ({"pairs": "a1\tr1\na2\tr7\n"}, r"pairs.tsv line 2: .*'r7' is none of the 3"),
    "map without a pair": ({"pairs": "atac\trna\n"}, r"got a header alone"),
    "map without RNA": (
        {"rna": None, "pairs": "a1\tr1\n"},
        r"--pairs pairs the names of two matrices.*Add --rna-matrix",
    ),
    "other genes": ({"rna": SYMBOLS.replace("r1", "a1")}, r"rna.tsv: gene ids of .* match 0 of 30 genes"),
    "one column of RNA": ({"rna": "gene_id\ta1\nENSG00000000001\t1.5\n"}, r"got one column of values"),
    "logarithms of RNA": ({"rna": RNA.replace("0.5", "-0.5", 1)}, r"Logarithms\? Give plain TPM"),
    "logarithms throughout": (
        {"rna": LOGARITHMS},
        r"rna.tsv: values are TPM, not logarithms; the highest of 1,230 genes is 13.25, and a1 adds up to .*Undo",
    ),
    "counts": ({"rna": COUNTS}, r"are whole numbers, as read counts are\. Give TPM, or counts .* writes them\.$"),
    "NA in RNA": (
        {"rna": RNA.replace("\t1.5", "\tNA", 1)},
        r"line 2: .*got 'NA' .* Remove the row of a gene that was not measured, or the column if it is no sample\.$",
    ),
    "text in RNA": ({"rna": "gene_id\ta1\ta2\nENSG00000000001\tx\ty\n"}, r"Separate decimals by points\.$"),
    "TPM twice": ({"rna": "gene_id\tTPM\ttpm\nENSG00000000001\t1\t2\n"}, r"Name columns by their samples\.$"),
    "a slash": (
        {"atac": ATAC.replace("a1", "CD4/8").replace("a2", "CD4/9")},
        r"atac.tsv, header: the name of a sample may serve as a file name.*got 'CD4/8'",
    ),
    "info of other samples": (
        {"info": "s\tlineage\nb1\tx\n"},
        r"none of its 1 names is one of the 3 samples, not 'b1'",
    ),
    "unfit name": (
        {"atac": ATAC.replace("a1", ".a1")},
        r"atac.tsv, header: the name of a sample may serve as a file name",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(files: Files, fault: str) -> None:
    more, message = REFUSED[fault]
    with pytest.raises(InputError, match=message):
        build(files, **more)  # type: ignore[arg-type]


def test_names_that_the_atlas_has_are_not_added(files: Files) -> None:
    build(files, rna=None)
    source = MatrixSamples(MatrixFiles(files.folder / "atac.tsv"), assembly="hg38")
    with pytest.raises(
        InputError, match=r"atac.tsv, header: sample names are unique; .* already has 'a1' \(3 of 3 names\)"
    ):
        build_atlas(source, files.folder / "atlas", annotations={"hg38": files.gene_list()}, mode="add")


def test_gene_column_is_heard(files: Files) -> None:
    lines = RNA.replace("r1", "a1").splitlines()
    text = "\n".join(f"{line}\t{'other' if i == 0 else f'x{i}'}" for i, line in enumerate(lines)) + "\n"
    source = MatrixSamples(
        MatrixFiles(files.folder / files.write("atac.tsv", ATAC), files.folder / files.write("rna.tsv", text)),
        assembly="hg38",
    )
    with pytest.raises(InputError, match="match 0 of 30 genes"):
        build_atlas(
            source,
            files.folder / "atlas",
            annotations={"hg38": files.gene_list()},
            settings=BuildSettings(gene_column="other"),
        )


def test_few_genes_may_all_be_low(files: Files) -> None:
    few = "\n".join(LOGARITHMS.splitlines()[:31]) + "\n"
    assert tuple(build(files, rna=few)[0].paired) == ("a1", "a2")


def test_what_was_exported_comes_back_whole(files: Files) -> None:
    pytest.importorskip("mudata")
    from atac2rna.building.multimodal import Multimodal, MultimodalSamples
    from atac2rna.exports.mudata_file import MuDataSettings, export_mudata

    names = [f"chr1:{500 * i + 100}-{500 * i + 300}" for i in range(60_000)]
    values = [f"{name}\t{i % 97 / 8 + 30 * (i % 50 == 0)}\t{i % 89 / 8}\n" for i, name in enumerate(names)]
    atlas, _ = build(files, "peak\ta1\ta2\n" + "".join(values), RNA.replace("r", "a"))
    export_mudata(atlas, files.folder / "x.h5mu", MuDataSettings())
    source = MultimodalSamples(Multimodal(files.folder / "x.h5mu", rna_layer="tpm"), assembly="hg38")
    back = build_atlas(source, files.folder / "back", annotations={"hg38": files.gene_list()})
    for sample in ("a1", "a2"):
        before, after = atlas.peaks(sample), back.peaks(sample)
        assert len(before) > 59_000
        np.testing.assert_array_equal(after.start, before.start // 500 * 500)
        np.testing.assert_array_equal(after.signal, before.signal)


# The command line


def test_an_output_that_exists_is_told_before_the_tables_are_read(files: Files, cli: Cli) -> None:
    out = files.folder / files.write("out.zarr/notes.txt", "mine")
    words = ["build", "--atac-matrix", "nope", "--assembly", "hg38", "-o", out.parent]
    assert "out.zarr: exists; pass --overwrite" in cli(*words).err
    assert "holds something other than an atlas" in cli(*words, "--overwrite").err
    assert "nope" not in cli(*words, "--add").err


def test_the_command_builds_and_tells(files: Files, cli: Cli) -> None:
    atac, rna = (
        files.folder / files.write(f"{n}.tsv", t) for n, t in (("atac", ATAC), ("rna", RNA.replace("r1", "a1")))
    )
    out, genes = files.folder / "atlas.zarr", files.gene_list()
    words = ["build", "--atac-matrix", atac, "--rna-matrix", rna, "--assembly", "hg38", "-o", out]
    ended = cli(*words, "--annotation", f"hg38={genes}")
    assert ended.code == 0, ended.err
    assert "without RNA: 2 (a2, a3)" in ended.err
    assert "of 2 regions 1 to 2 (median 1) are peaks of a sample" in ended.err
    assert "3 samples (1 with RNA)" in ended.out


def table(files: Files, name: str) -> Path:
    return files.folder / files.write(f"{name}.tsv", ATAC)


@pytest.mark.parametrize("option", ["--rna-matrix", "--pairs", "--samples-info"])
@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_a_mistyped_name_is_told_in_one_line(files: Files, cli: Cli, option: str, there: str) -> None:
    named = files.folder / "nofile"
    if there == "a folder":
        named.mkdir(parents=True)
    words = ["--atac-matrix", table(files, "m"), "--assembly", "hg38", option, named]
    if option != "--rna-matrix":
        words += ["--rna-matrix", files.folder / files.write("rna.tsv", RNA.replace("r", "a"))]
    ended = cli("build", *words, "-o", files.folder / "out.zarr")
    what = {"--rna-matrix": "a gene expression table", "--pairs": "a map of sample names (two columns: ATAC, RNA)"}
    law = "no such file" if there == "nothing" else "is a directory"
    assert ended.code == 2
    assert ended.err.startswith(f"atac2rna: {named}: {law}; {what.get(option, '')}")
    assert ended.err.endswith(" is expected there.\n")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "an atlas is built from a SAMPLES.tsv, an --atac-matrix or an --h5mu; got none."),
        (("--rna-matrix", "m"), "got --rna-matrix alone"),
        (("--by", "x"), "got --by alone"),
        (("--atac-matrix", "m"), "Add --assembly hg38"),
        (("--atac-matrix", "m", "--h5mu", "m", "--assembly", "hg38"), "got --atac-matrix and --h5mu. Leave one out."),
        (("--atac-matrix", "m", "--by", "x", "--assembly", "hg38"), "got --atac-matrix and --by. Leave one out."),
        (("m", "--samples-info", "m"), "--samples-info is not for a SAMPLES.tsv"),
        (("m", "--assembly", "hg38"), "--assembly is not for a SAMPLES.tsv"),
        (("--atac-matrix", "m", "--assembly", "hg38", "--value-column", "v"), "--value-column names the values"),
        (("--atac-matrix", "m", "--assembly", "hg38", "--least-signal", "-1"), "greater than or equal to 0"),
        (("--atac-matrix", "nope", "--assembly", "hg38"), "nope: no such file; a matrix of accessibility"),
        (("--h5mu", "nope", "--assembly", "hg38"), "nope: no such file; a MuData file"),
        (("--h5mu", "m", "--assembly", "hg38"), "is no HDF5 file"),
    ],
)
def test_ways_that_do_not_go_together(files: Files, cli: Cli, words: tuple[str, ...], message: str) -> None:
    path = table(files, "m")
    ended = cli("build", *(path if word == "m" else word for word in words), "-o", files.folder / "out.zarr")
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not (files.folder / "out.zarr").exists()
