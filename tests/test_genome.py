"""Names of chromosomes, assemblies and genes; the gene table."""

import numpy as np
import polars as pl
import pytest

from atac2rna.errors import InputError
from atac2rna.genome import (
    GENE_SCHEMA,
    GeneTable,
    canonical_assembly,
    canonical_chrom,
    chrom_sort_key,
    is_standard_chrom,
    sorted_chroms,
    strip_version,
)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("chr1", "chr1"), ("1", "chr1"), ("Chr1", "chr1"), ("CHRX", "chrX"), ("x", "chrX"), ("22", "chr22"),
        ("MT", "chrM"), ("chrMT", "chrM"), ("M", "chrM"), ("chrM", "chrM"), ("W", "chrW"),
        ("NC_000001.11", "chr1"), ("NC_000001", "chr1"), ("NC_000022.10", "chr22"), ("NC_000023.11", "chrX"),
        ("NC_000024.10", "chrY"), ("NC_012920.1", "chrM"), ("NC_060925.1", "chr1"), ("NC_060946.1", "chr22"),
        ("NC_060947.1", "chrX"), ("NC_060948.1", "chrY"), ("NC_000067.7", "chr1"), ("NC_000085.6", "chr19"),
        ("NC_000086.8", "chrX"), ("NC_000087.8", "chrY"), ("NC_005089.1", "chrM"),
        ("NC_999999.1", "NC_999999.1"), ("GL000192.1", "GL000192.1"), ("chrUn_KI270302v1", "chrUn_KI270302v1"),
        ("chr1_KI270706v1_random", "chr1_KI270706v1_random"), ("01", "01"), ("0", "0"), ("chr1\n", "chr1\n"),
        ("1e5", "1e5"), ("", ""), ("chr", "chr"),
    ],
)  # fmt: skip
def test_chromosome_names(name: str, canonical: str) -> None:
    assert canonical_chrom(name) == canonical
    assert canonical_chrom(canonical) == canonical


def test_standard_chromosomes_are_nuclear_and_placed() -> None:
    assert [
        n for n in ("chr1", "chrX", "chrM", "chrUn_1", "chr1_random", "1", "GL1", "chr") if is_standard_chrom(n)
    ] == [
        "chr1",
        "chrX",
    ]


def test_chromosomes_sort_as_people_sort_them() -> None:
    names = ["scaf", "chrM", "chrY", "chr10", "chrX", "chr2", "chr1_random", "chr1", "chr2"]
    assert sorted_chroms(names) == ("chr1", "chr2", "chr10", "chrX", "chrY", "chrM", "chr1_random", "scaf")
    assert sorted(set(names), key=chrom_sort_key) == list(sorted_chroms(names[::-1]))


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("GRCh38", "hg38"), ("grch38", "hg38"), ("hg38", "hg38"), ("GRCh37", "hg19"), ("b37", "hg19"),
        ("hs37d5", "hg19"), ("GRCm38", "mm10"), ("GRCm39", "mm39"), ("T2T-CHM13", "hs1"), ("danRer11", "danRer11"),
    ],
)  # fmt: skip
def test_assembly_names(name: str, canonical: str) -> None:
    assert canonical_assembly(name) == canonical


@pytest.mark.parametrize(
    ("gene", "bare"),
    [
        ("ENSG00000000003.14", "ENSG00000000003"), ("ENSG00000000003", "ENSG00000000003"),
        ("ENSG00000182378.13_PAR_Y", "ENSG00000182378"), ("ENSGR0000182378.8", "ENSG00000182378"),
        ("ENSMUSG00000000001.4", "ENSMUSG00000000001"), ("RP11-34P13.7", "RP11-34P13.7"), ("TP53", "TP53"),
    ],
)  # fmt: skip
def test_gene_ids_lose_their_version_and_par_copies_their_mark(gene: str, bare: str) -> None:
    assert strip_version(gene) == bare
    assert strip_version(bare) == bare


def table(**columns: list[object]) -> GeneTable:
    base: dict[str, list[object]] = {
        "gene_id": ["A", "B", "C"], "gene_name": ["a", "b", "c"], "chrom": ["chr10", "chr2", "chr10"],
        "start": [100, 200, 300], "end": [150, 260, 301], "strand": ["+", "-", "-"],
        "biotype": ["", "", ""], "version": ["", "", ""],
    }  # fmt: skip
    return GeneTable("hg38", pl.DataFrame(base | columns, schema=GENE_SCHEMA))


def test_tss_is_the_first_transcribed_base() -> None:
    genes = table()
    assert genes.tss.tolist() == [100, 259, 300]
    assert genes.tss.dtype == np.int32
    assert genes.forward.tolist() == [True, False, False]
    assert (len(genes), genes.gene_ids) == (3, ("A", "B", "C"))


def test_genes_are_indexed_by_chromosome_in_natural_order() -> None:
    genes = table()
    assert genes.chroms == ("chr2", "chr10")
    assert genes.chrom.tolist() == [1, 0, 1]
    assert genes.chrom.dtype == np.int16


def test_fingerprint_sees_what_a_model_depends_on() -> None:
    print_ = table().fingerprint
    assert table(gene_name=["x", "y", "z"]).fingerprint == print_
    for change in ({"gene_id": ["A", "B", "D"]}, {"start": [101, 200, 300]}, {"chrom": ["chr10", "chr3", "chr10"]}):
        assert table(**change).fingerprint != print_
    assert GeneTable("hg19", table().frame).fingerprint != print_


def test_select_takes_genes_in_the_order_named() -> None:
    assert table().select(["C", "A"]).gene_ids == ("C", "A")
    with pytest.raises(InputError, match=r"1 of 2 are not, the first Z"):
        table().select(["A", "Z"])


def test_gene_table_holds_its_invariants() -> None:
    with pytest.raises(InputError, match=r"2 rows of the hg38 table repeat one, the first A"):
        table(gene_id=["A", "A", "C"])
    with pytest.raises(ValueError, match=r"has the columns"):
        GeneTable("hg38", table().frame.drop("version"))
    for strand in (["+", ".", "-"], ["+", None, "-"]):
        with pytest.raises(ValueError, match=r"strand of a gene is \+ or -"):
            table(strand=strand)


def test_gene_tables_may_be_compared_and_kept_in_sets() -> None:
    genes = table()
    assert genes == genes
    assert genes != table()
    assert len({genes, genes}) == 1


def test_an_empty_gene_table_is_a_gene_table() -> None:
    genes = table().select([])
    assert (len(genes), genes.chroms, genes.tss.size, genes.chrom.size) == (0, (), 0, 0)
