"""Cells of a MuData file, added up to samples."""

import sys
from typing import Any

import numpy as np
import pytest

from atac2rna.checking import check_built
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats import multimodal
from conftest import Cli
from mudata_cells import (
    CELLS,
    GOOD,
    PEAKS,
    TYPES,
    anndata,
    build,
    counts,
    genes,
    modality,
    mudata,
    obs,
    pandas,
    places,
    save,
)
from sample_files import IDS, Files, tpm_of

h5py = pytest.importorskip("h5py")
sparse = pytest.importorskip("scipy.sparse")


def rows_of(kind: str) -> list[int]:
    return [i for i, value in enumerate(TYPES) if value == kind]


FORMS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_once", [7, 1 << 22])
def test_cells_are_added_up_by_a_column(files: Files, form: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multimodal, "_AT_ONCE", at_once)
    a, r = counts(5), counts(30, 1)
    path = save(files, modality(FORMS[form](a), var=places(), obs=obs()), modality(FORMS[form](r), var=genes()))
    atlas, remarks = build(files, path)
    assert [record.name for record in atlas.samples] == ["B", "T", "NK"]
    for kind in ("B", "T", "NK"):
        total = a[rows_of(kind)].sum(axis=0)
        peaks = atlas.peaks(kind)
        found = {
            f"{peaks.chroms[c]}:{s}-{e}": v
            for c, s, e, v in zip(peaks.chrom, peaks.start, peaks.end, peaks.signal, strict=True)
        }
        width = [100, 100, 100, 100, 4]
        expected = {p: t * 1000 / w for p, t, w in zip(PEAKS, total, width, strict=True) if t}
        assert found == pytest.approx(expected)
        umi = r[rows_of(kind)].sum(axis=0)
        cpm = dict(zip(IDS, umi / umi.sum() * 1e6, strict=True))
        assert tpm_of(atlas, kind) == pytest.approx(cpm, rel=1e-5)
        record = atlas.record(kind)
        assert record.columns == {"cells_atac": str(len(rows_of(kind))), "cells_rna": str(len(rows_of(kind)))}
        assert record.rna_sum == pytest.approx(1e6)
    assert "atac: 1 of 12 cells have no value of cell_type and are left out" in remarks
    (entry,) = atlas.attributes["provenance"]
    assert entry["matrices"] == {"h5mu": {"path": str(path), "sha256": checksum(path)}}
    assert entry["settings"]["by"] == "cell_type"
    few = [finding for finding in check_built(atlas) if finding.code == "cells-few-rna"]
    assert [(finding.subject, finding.value) for finding in few] == [("B, T, NK", "2 to 5 cells")]


def test_columns_that_are_one_in_each_group_are_kept(files: Files) -> None:
    lineage = ["lymphoid" if kind != "NK" else "innate" for kind in TYPES]
    cells = obs(lineage=lineage, batch=list("abababababab"), donor=[7] * 12, atac=["x"] * 12)
    path = save(files, modality(counts(5), var=places(), obs=cells), modality(counts(30), var=genes()))
    info = files.folder / files.write("info.tsv", "sample\tgroup\nB\tg1\nT\tg1\n")
    atlas, remarks = build(files, path, info=info)
    own = {"lineage": "lymphoid", "donor": "7", "cells_atac": "5", "cells_rna": "5", "group": "g1"}
    assert atlas.record("B").columns == own
    assert any("has no row for 1 (NK)" in remark for remark in remarks)


def test_a_column_of_the_file_comes_before_the_modalities(files: Files) -> None:
    path = save(
        files, modality(counts(5), var=places(), obs=obs()), modality(counts(30), var=genes()), cell_type=["all"] * 12
    )
    assert [record.name for record in build(files, path)[0].samples] == ["all"]


def test_cells_of_one_modality_count_there(files: Files) -> None:
    r = counts(30, 1)[:4]
    path = save(files, modality(counts(5), var=places(), obs=obs()), modality(r, var=genes(), names=CELLS[:4]))
    atlas, remarks = build(files, path)
    assert tuple(atlas.paired) == ("B", "T")
    assert "without RNA: 1 (NK)" in remarks
    umi = r[[0, 2]].sum(axis=0)
    assert tpm_of(atlas, "B") == pytest.approx(dict(zip(IDS, umi / umi.sum() * 1e6, strict=True)), rel=1e-5)


def test_without_a_column_every_row_is_a_sample(files: Files) -> None:
    tpm = np.random.default_rng(0).gamma(1, 1, (12, 30))
    tpm *= 1e6 / tpm.sum(axis=1, keepdims=True)
    rna = modality(np.log2(tpm + 1), var=genes(), layers={"tpm": tpm})
    chrom, span = zip(*(name.split(":") for name in PEAKS), strict=True)
    start, end = zip(*(part.split("-") for part in span), strict=True)
    var = pandas.DataFrame(
        {"chrom": pandas.Categorical(chrom), "start": np.array(start, int), "end": np.array(end, int)},
        index=[f"peak{i}" for i in range(5)],
    )
    signal = counts(5) + np.where(counts(5) > 0, 0.5, 0)
    path = save(files, modality(signal, var=var), rna)
    atlas, _ = build(files, path, by=None, rna_layer="tpm")
    assert [record.name for record in atlas.samples] == CELLS
    assert tpm_of(atlas, "cell3") == pytest.approx(dict(zip(IDS, tpm[3], strict=True)), rel=1e-5)
    assert sorted(atlas.peaks("cell3").signal.tolist()) == sorted(signal[3][signal[3] > 0].tolist())
    with pytest.raises(InputError, match=r"rna, X: values with fractions are TPM"):
        build(files, path, by=None)


def test_counts_in_a_layer_are_asked_for(files: Files) -> None:
    a, r = counts(5), counts(30)
    atac = modality(np.log1p(a), var=places(), obs=obs(), layers={"counts": a})
    path = save(files, atac, modality(np.log1p(r), var=genes(), layers={"counts": r}))
    with pytest.raises(InputError, match=r"rna, X: the cells .* whole numbers.*--rna-layer"):
        build(files, path)
    with pytest.raises(InputError, match=r"atac, X: the cells .* whole numbers.*--atac-layer"):
        build(files, path, rna_layer="counts")
    with pytest.raises(InputError, match=r"--atac-layer names a layer of atac; got 'count'; did you mean 'counts'\?"):
        build(files, path, rna_layer="counts", atac_layer="count")
    atlas, _ = build(files, path, rna_layer="counts", atac_layer="counts")
    assert len(atlas.samples) == 3


def scaled() -> np.ndarray:
    values = counts(30)
    return values - values.mean(axis=0)


REFUSED: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "no such column": ({}, "celltype", r"--by names a column of obs.*got 'celltype'; did you mean 'cell_type'\?"),
    "contradicting modalities": (
        {"rna": lambda: modality(counts(30), var=genes(), obs=obs(cell_type=TYPES[::-1]))},
        "cell_type",
        r"a cell belongs to one sample; 'cell_type' of cell\d+ is",
    ),
    "scaled values": (
        {"rna": lambda: modality(scaled(), var=genes())},
        "cell_type",
        r"rna, X: counts are numbers of at least 0",
    ),
    "missing values": (
        {"rna": lambda: modality(np.where(counts(30) > 3, np.nan, counts(30)), var=genes())},
        "cell_type",
        r"rna, X: every value is measured; \d+ or more are missing\. Leave out the columns",
    ),
    "no places": (
        {"atac": lambda: modality(counts(5), var=places(*"abcde"), obs=obs())},
        "cell_type",
        r"atac.var: tells the place of each peak.*the name 'a' and the columns none",
    ),
    "a peak twice": (
        {"atac": lambda: modality(counts(5), var=places(*PEAKS[:4], "chr1_100_200"), obs=obs())},
        "cell_type",
        r"row 4 \(chr1_100_200\): a peak has one row; chr1:100-200",
    ),
    "symbols": (
        {"rna": lambda: modality(counts(30), var=pandas.DataFrame(index=[f"SYM{i}" for i in range(1, 31)]))},
        "cell_type",
        r"match 0 of 30 genes .*They look like gene symbols",
    ),
    "an unfit name": (
        {"atac": lambda: modality(counts(5), var=places(), obs=obs(cell_type=["a/b"] * 12))},
        "cell_type",
        r"cell_type: the name of a sample may serve as a file name.*got 'a/b'",
    ),
    "a column of fractions": (
        {},
        "score",
        r"holds numbers with fractions, such as 0.142857; did you mean 'cell_type'\?",
    ),
    "no name in common": (
        {"rna": lambda: modality(counts(30), var=genes(), names=[f"other{i}" for i in range(12)])},
        None,
        r"the same name in atac and rna; of the 12 of atac none is in rna: atac has 12 \(cell0, .*, rna has 12 \(other0, ",
    ),
    "no value in common": (
        {
            "rna": lambda: modality(
                counts(30),
                var=genes(),
                obs=pandas.DataFrame({"cell_type": ["X"] * 12}, index=[f"other{i}" for i in range(12)]),
            )
        },
        "cell_type",
        r"of the 3 of atac none is in rna: atac has 3 \(B, T, NK\), rna has 1 \(X\)\. .*pass another column by --by",
    ),
    "counts of rows": (
        {},
        None,
        r"rna, X: every row is a sample, .*got whole numbers, up to \d\. Counts of bulk .*--rna-layer",
    ),
    "values of no scale": (
        {"rna": lambda: modality(counts(30) * 1e5 + 0.5, var=genes())},
        None,
        r"rna, X: values with fractions are TPM, .* those of cell\d+ add up to \d,",
    ),
    "a column without a value": (
        {"atac": lambda: modality(counts(5), var=places(), obs=obs(cell_type=pandas.Categorical([None] * 12)))},
        "cell_type",
        r"no row of atac has a value of 'cell_type'",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(files: Files, fault: str) -> None:
    parts, by, message = REFUSED[fault]
    made = {name: make() for name, make in {**GOOD, **parts}.items()}
    path = save(files, made["atac"], made["rna"])
    with pytest.raises(InputError, match=message):
        build(files, path, by=by)


def test_many_samples_are_cells_by_a_column_too(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.building.cells.MOST_SAMPLES", 2)
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    with pytest.raises(InputError, match=r"a sample is many cells; 'cell_type' has 3 values.* Pass another column"):
        build(files, path)


def test_whole_numbers_as_floats_name_samples_without_a_point(files: Files) -> None:
    clusters = [1.0, 2.0] * 5 + [np.nan, 1.0]
    path = save(files, modality(counts(5), var=places(), obs=obs(leiden=clusters)), GOOD["rna"]())
    assert [record.name for record in build(files, path, by="leiden")[0].samples] == ["1", "2"]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_fractions_of_any_width_are_no_names(files: Files, kind: type) -> None:
    clusters = obs(half=np.array([0.5, 2.0] * 6, dtype=kind), leiden=np.array([1.0, 2.0] * 6, dtype=kind))
    path = save(files, modality(counts(5), var=places(), obs=clusters), GOOD["rna"]())
    with pytest.raises(InputError, match=r"'half' holds numbers with fractions, such as 0\.5"):
        build(files, path, by="half")
    assert [record.name for record in build(files, path, by="leiden")[0].samples] == ["1", "2"]


def test_counts_of_rows_are_taken_where_their_layer_is_named(files: Files) -> None:
    r = counts(30, 1)
    path = save(files, GOOD["atac"](), modality(r, var=genes(), layers={"umi": r}))
    for layer in ("X", "umi"):
        atlas, remarks = build(files, path, by=None, rna_layer=layer)
        assert tpm_of(atlas, "cell3") == pytest.approx(dict(zip(IDS, r[3] / r[3].sum() * 1e6, strict=True)), rel=1e-5)
        assert (
            f"{path}, rna, {layer}: taken for counts of molecules (UMI), not of fragments; scaled to a million a sample"
            in remarks
        )


@pytest.mark.parametrize("at_once", [1, 2, 128])
def test_samples_are_read_some_at_a_time(files: Files, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values do not depend on it, and that there are fractions is seen in any of the parts."""
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    expected, _ = build(files, path)
    tpm = {kind: tpm_of(expected, kind) for kind in ("B", "T", "NK")}
    signal = {kind: expected.peaks(kind).signal.tolist() for kind in tpm}
    monkeypatch.setattr("atac2rna.building.multimodal._AT_ONCE", at_once)
    atlas, _ = build(files, path)
    assert {kind: tpm_of(atlas, kind) for kind in tpm} == tpm
    assert {kind: atlas.peaks(kind).signal.tolist() for kind in tpm} == signal
    halves = counts(30)
    halves[TYPES.index("NK"), 7] = 0.5
    with pytest.raises(InputError, match=r"rna, X: the cells .* whole numbers"):
        build(files, save(files, GOOD["atac"](), modality(halves, var=genes()), name="halves.h5mu"))


def test_copies_of_a_gene_are_added(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"ENSG{i:011d}" for i in range(1, 202)]
    var = pandas.DataFrame({"gene_ids": [*ids, f"{ids[0]}.9_PAR_Y"]}, index=[f"s{i}" for i in range(202)])
    r = counts(202, 1)
    path = save(files, GOOD["atac"](), modality(r, var=var))
    atlas, _ = build(files, path)
    umi = r[rows_of("T")].sum(axis=0)
    expected = (umi[0] + umi[201]) / umi.sum() * 1e6
    assert tpm_of(atlas, "T")[IDS[0]] == pytest.approx(expected, rel=1e-5)


def test_a_file_of_accessibility_alone(files: Files) -> None:
    path = files.folder / "atac.h5mu"
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"atac": GOOD["atac"]()}).write(path)
    atlas, remarks = build(files, path)
    assert len(atlas.samples) == 3
    assert not atlas.paired
    assert atlas.record("B").columns == {"cells_atac": "5"}
    assert f"{path}: has no modality rna; no sample has RNA" in remarks
    with pytest.raises(InputError, match=r"--rna-layer names a layer of rna; the file has atac alone"):
        build(files, path, rna_layer="counts")
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"atac": GOOD["atac"](), "GEX": GOOD["rna"]()}).write(path)
    with pytest.raises(InputError, match=r"got none named 'rna'; known: GEX, atac"):
        build(files, path)


def test_logarithms_of_accessibility_are_refused(files: Files) -> None:
    names = [f"chr1:{1000 * i}-{1000 * i + 500}" for i in range(1_500)]
    signal = np.log2(np.random.default_rng(3).gamma(4, 8, (12, 1_500)) + 1)
    tpm = np.random.default_rng(0).gamma(1, 1, (12, 30))
    rna = modality(tpm * (1e6 / tpm.sum(axis=1, keepdims=True)), var=genes())
    path = save(files, modality(signal, var=places(*names)), rna)
    with pytest.raises(InputError, match=r"atac, X: signal is given as it is, not as logarithms; the values of all 12"):
        build(files, path, by=None)


def test_further_columns_of_peaks_may_be_anything(files: Files) -> None:
    chrom, span = zip(*(name.split(":") for name in PEAKS), strict=True)
    start, end = zip(*(part.split("-") for part in span), strict=True)
    words = {name: [f"peak_{i}" for i in range(5)] for name in ("peak", "score", "summit", "signal", "name")}
    var = pandas.DataFrame({"chrom": chrom, "start": np.array(start, int), "end": np.array(end, int), **words})
    var.index = words["name"]
    path = save(files, modality(counts(5), var=var, obs=obs()), GOOD["rna"]())
    assert len(build(files, path)[0].samples) == 3


def test_columns_that_repeat_a_modality_are_no_columns_of_the_file(files: Files) -> None:
    """As mudata wrote them before 0.4: `atac:batch` in the file's obs is `batch` of atac's."""
    path = save(files, modality(counts(5), var=places(), obs=obs(batch=["b"] * 12)), GOOD["rna"]())
    with h5py.File(path, "r+") as stored:
        one = stored["obs"]
        for name in ("atac:batch", "other:batch"):
            anndata.io.write_elem(one, name, np.array(["b"] * 12, dtype=object))
        one.attrs["column-order"] = np.array(["atac:batch", "other:batch"], dtype=object)
    columns = build(files, path)[0].record("B").columns
    assert {name for name in columns if "batch" in name} == {"batch", "other:batch"}


def test_measurements_are_no_columns_of_samples(files: Files) -> None:
    """Even where they are the same in every row of each sample."""
    cells = obs(depth=[0.5] * 12, age=[40] * 12)
    path = save(files, modality(counts(5), var=places(), obs=cells), GOOD["rna"]())
    assert set(build(files, path)[0].record("B").columns) == {"age", "cells_atac", "cells_rna"}


def test_many_rows_without_a_column_are_cells(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.building.cells.MOST_SAMPLES", 11)
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    with pytest.raises(InputError, match=r"12 rows look like cells. Pass --by .*did you mean 'cell_type'\?"):
        build(files, path, by=None)


def test_other_files_are_told_by_what_they_are(files: Files) -> None:
    path = files.folder / "one.h5ad"
    GOOD["atac"]().write_h5ad(path)
    with pytest.raises(
        InputError, match=r"this is an AnnData of one modality. Put the AnnData of both assays together"
    ):
        build(files, path)
    other = files.folder / "m.h5mu"
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"peaks": GOOD["atac"](), "rna": GOOD["rna"]()}).write(other)
    with pytest.raises(InputError, match=r"has the modalities atac and rna; got none named 'atac'; known: peaks, rna"):
        build(files, other)


def test_anndata_missing_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(InputError, match=r"needs the package anndata.*pip install 'atac2rna\[anndata\]'"):
        build(files, path)


def test_the_command_builds_and_tells(files: Files, cli: Cli) -> None:
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    words = ["build", "--h5mu", path, "--by", "cell_type", "--assembly", "hg38", "-o", files.folder / "atlas.zarr"]
    ended = cli(*words, "--annotation", f"hg38={files.gene_list()}")
    assert ended.code == 0, ended.err
    assert "3 samples (3 with RNA)" in ended.out
    assert "counts, scaled to a million a sample" in ended.err
