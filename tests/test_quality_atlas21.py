"""The rules on 21 real samples: no error as they are, and each planted fault found with no other error beside it."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.genome import GENE_SCHEMA, GeneTable, strip_version
from atac2rna.peaks import Peaks, make_peaks
from atac2rna.quality.accessibility import Accessibility, summarise_peaks
from atac2rna.quality.cohort import CheckInput, log_expression
from atac2rna.quality.pairing import find_swaps
from atac2rna.quality.samples import find_problems

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA, reason="set ATAC2RNA_TEST_DATA to the folder of the real data (atlas21, annotation)"),
]


def gene_table(assembly: str) -> GeneTable:
    """Protein-coding genes of a table that is 1-based and inclusive."""
    frame = pl.read_csv(Path(DATA, "annotation", f"genes_{assembly}.tsv.gz"), separator="\t", infer_schema=False)
    frame = frame.filter(pl.col("biotype") == "protein_coding").with_columns(
        pl.col("start").cast(pl.Int32) - 1, pl.col("gene_name").fill_null(""), version=pl.lit("")
    )
    return GeneTable(assembly, frame.select(*GENE_SCHEMA).cast(dict(GENE_SCHEMA)))


def read_peaks(path: Path) -> Peaks:
    names = ["chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "summit"]
    frame = pl.read_csv(path, separator="\t", has_header=False, new_columns=names)
    chroms = tuple(frame["chrom"].unique().to_list())
    start, summit = frame["start"].to_numpy(), frame["summit"].to_numpy()
    return make_peaks(
        chroms,
        frame["chrom"].replace_strict({name: i for i, name in enumerate(chroms)}).to_numpy(),
        start,
        frame["end"].to_numpy(),
        summit=np.where(summit >= 0, start + summit, -1),
        signal=frame["signal"].cast(pl.Float64).to_numpy(),
        score=frame["score"].cast(pl.Float64).to_numpy(),
    )


@lru_cache(maxsize=1)
def atlas21() -> CheckInput:
    folder = Path(DATA, "atlas21")
    manifest = pl.read_csv(folder / "samples.tsv", separator="\t")
    genes = {assembly: gene_table(assembly) for assembly in ("hg19", "hg38")}
    known = pl.DataFrame({"gene_id": list(dict.fromkeys(genes["hg19"].gene_ids + genes["hg38"].gene_ids))})
    tpm, sums, join_rate = [], [], []
    for path in manifest["rna"]:
        rna = pl.read_csv(folder / path, separator="\t").select("gene_id", "TPM")
        ids = rna["gene_id"].map_elements(strip_version, return_dtype=pl.String)
        sums.append(rna["TPM"].sum())
        join_rate.append(ids.is_in(known["gene_id"].to_list()).mean())
        rna = rna.with_columns(gene_id=ids).group_by("gene_id").agg(pl.col("TPM").sum())
        tpm.append(known.join(rna, on="gene_id", how="left", maintain_order="left")["TPM"].to_numpy())
    count = manifest.height
    return CheckInput(
        samples=tuple(manifest["sample"]),
        peaks=[read_peaks(folder / path) for path in manifest["atac"]],
        assemblies=tuple(manifest["assembly"]),
        genes=genes,
        gene_ids=tuple(known["gene_id"]),
        tpm=np.array(tpm),
        tpm_sums_file=np.array(sums),
        join_rate=np.array(join_rate),
        symbols=np.zeros(count, dtype=bool),
        peak_naming=("ucsc",) * count,
        atac_checksums=tuple((sha256((folder / path).read_bytes()).hexdigest(),) for path in manifest["atac"]),
        rna_checksums=tuple((sha256((folder / path).read_bytes()).hexdigest(),) for path in manifest["rna"]),
        columns={name: tuple(manifest[name]) for name in ("lineage", "group", "dataset", "assay")},
    )


def row(sample: str) -> int:
    return atlas21().samples.index(sample)


def order_with(one: str, other: str) -> np.ndarray:
    order = np.arange(len(atlas21().samples))
    order[[row(one), row(other)]] = row(other), row(one)
    return order


def swapped(cohort: CheckInput, one: str, other: str) -> CheckInput:
    """Exchange the peaks of two samples, and their assembly with them."""
    order = order_with(one, other)
    return replace(
        cohort,
        peaks=[cohort.peaks[i] for i in order],
        assemblies=tuple(cohort.assemblies[i] for i in order),
        atac_checksums=tuple(cohort.atac_checksums[i] for i in order),
    )


def with_tpm(cohort: CheckInput, sample: str, change: Callable[[np.ndarray], np.ndarray]) -> CheckInput:
    tpm, sums = cohort.tpm.copy(), cohort.tpm_sums_file.copy()
    tpm[row(sample)] = change(tpm[row(sample)])
    sums[row(sample)] = np.nansum(tpm[row(sample)])
    return replace(cohort, tpm=tpm, tpm_sums_file=sums)


def shuffled(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).permutation(values)


def declared(cohort: CheckInput, sample: str, assembly: str) -> CheckInput:
    names = list(cohort.assemblies)
    names[row(sample)] = assembly
    return replace(cohort, assemblies=tuple(names))


def duplicated(cohort: CheckInput, source: str, target: str) -> CheckInput:
    """Give one sample the peaks and the RNA file of another."""
    order = np.arange(len(cohort.samples))
    order[row(target)] = row(source)
    return replace(
        cohort,
        peaks=[cohort.peaks[i] for i in order],
        assemblies=tuple(cohort.assemblies[i] for i in order),
        tpm=cohort.tpm[order],
        tpm_sums_file=cohort.tpm_sums_file[order],
        atac_checksums=tuple(cohort.atac_checksums[i] for i in order),
        rna_checksums=tuple(cohort.rna_checksums[i] for i in order),
    )


def with_symbols(cohort: CheckInput, sample: str) -> CheckInput:
    at = np.arange(len(cohort.samples)) == row(sample)
    tpm = np.where(at[:, None], np.nan, cohort.tpm)
    return replace(cohort, tpm=tpm, join_rate=np.where(at, 0.0, cohort.join_rate), symbols=at)


def test_real_samples_raise_warnings_and_no_error() -> None:
    findings = find_problems(atlas21())
    assert {(finding.severity, finding.code) for finding in findings} == {
        ("warning", "score-constant"),
        ("warning", "score-uncapped"),
        ("warning", "expression-sum"),
        ("warning", "groups-of-one"),
        ("warning", "assays-mixed"),
        ("note", "score-saturated"),
    }
    found = {finding.code: finding for finding in findings}
    assert found["score-uncapped"].value == "the highest score is 12,257 to 106,753"
    assert found["score-constant"].subject == "GM12878, HeLa-S3, HUVEC, K562"
    assert found["expression-sum"].subject == "stomach_ENTEx, sigmoid_colon_ENTEx"
    assert found["expression-sum"].value == "22,659 to 28,842"
    assert found["assays-mixed"].value == "ATAC-seq 16, DNase-seq 4, FAIRE-seq 1"


def test_no_error_without_manifest_columns() -> None:
    findings = find_problems(replace(atlas21(), columns={}))
    assert {finding.code for finding in findings if finding.severity == "error"} == set()


@pytest.mark.parametrize(
    ("code", "subject", "harm"),
    [
        ("atac-rna-swapped", "HSC, Mono", lambda c: swapped(c, "HSC", "Mono")),
        ("atac-rna-swapped", "B, Ery", lambda c: swapped(c, "B", "Ery")),
        ("atac-rna-swapped", "GMP-A, NK", lambda c: swapped(c, "GMP-A", "NK")),
        ("atac-rna-swapped", "HUVEC, K562", lambda c: swapped(c, "K562", "HUVEC")),
        ("atac-rna-swapped", "CD4, sigmoid_colon_ENTEx", lambda c: swapped(c, "CD4", "sigmoid_colon_ENTEx")),
        ("assembly-wrong", "K562", lambda c: declared(c, "K562", "hg38")),
        ("assembly-wrong", "NHEK", lambda c: declared(c, "NHEK", "hg38")),
        ("assembly-wrong", "stomach_ENTEx", lambda c: declared(c, "stomach_ENTEx", "hg19")),
        ("expression-disagrees", "CD8", lambda c: with_tpm(c, "CD8", shuffled)),
        ("expression-disagrees", "stomach_ENTEx", lambda c: with_tpm(c, "stomach_ENTEx", shuffled)),
        ("expression-log", "B", lambda c: with_tpm(c, "B", lambda tpm: np.log2(tpm + 1))),
        ("expression-log", "stomach_ENTEx", lambda c: with_tpm(c, "stomach_ENTEx", lambda tpm: np.log10(tpm + 1))),
        ("expression-counts", "B", lambda c: with_tpm(c, "B", lambda tpm: np.rint(tpm * 23.7))),
        ("gene-ids-symbols", "NK", lambda c: with_symbols(c, "NK")),
    ],
)
def test_planted_fault_is_the_only_error(code: str, subject: str, harm: Callable[[CheckInput], CheckInput]) -> None:
    errors = [finding for finding in find_problems(harm(atlas21())) if finding.severity == "error"]
    assert [(finding.code, finding.subject) for finding in errors] == [(code, subject)]


def test_planted_duplicate_is_found_in_peaks_and_rna() -> None:
    errors = [f for f in find_problems(duplicated(atlas21(), "GM12878", "HUVEC")) if f.severity == "error"]
    assert [(finding.code, finding.subject) for finding in errors] == [
        ("duplicate-peaks", "GM12878, HUVEC"),
        ("duplicate-rna", "GM12878, HUVEC"),
    ]


def test_dataset_in_another_gene_order_is_found() -> None:
    cohort = atlas21()
    rows = [i for i, dataset in enumerate(cohort.columns["dataset"]) if dataset == "encode_roadmap"]
    tpm = cohort.tpm.copy()
    tpm[rows] = tpm[rows][:, np.random.default_rng(0).permutation(tpm.shape[1])]
    errors = [finding for finding in find_problems(replace(cohort, tpm=tpm)) if finding.severity == "error"]
    assert ("datasets-disagree", "datasets heme_corces, encode_roadmap") in {(f.code, f.subject) for f in errors}
    assert {finding.code for finding in errors} <= {"datasets-disagree", "expression-disagrees"}


@pytest.mark.slow
def test_nearly_every_swap_of_unlike_samples_is_found_and_no_other_pair() -> None:
    cohort = atlas21()
    accessibility, expression = summarise_peaks(cohort), log_expression(cohort.tpm)
    lineage = dict(zip(cohort.samples, cohort.columns["lineage"], strict=True))
    found, planted, others = 0, 0, []
    unlike = [(one, other) for one, other in combinations(cohort.samples, 2) if lineage[one] != lineage[other]]
    for one, other in unlike[::3]:
        profile = accessibility.profile[order_with(one, other)]
        subjects = [f.subject for f in find_swaps(cohort, Accessibility(accessibility.summaries, profile), expression)]
        planted += 1
        found += f"{one}, {other}" in subjects
        others += [subject for subject in subjects if subject != f"{one}, {other}"]
    assert planted == 66  # every third of 197
    assert found >= 0.94 * planted
    assert others == []
