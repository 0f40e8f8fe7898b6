"""Expression tables of every dialect, on small made-up tables."""

import gzip
import os
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atac2rna.errors import InputError
from atac2rna.formats.expression import ExpressionFile, read_expression
from atac2rna.formats.expression.genes import plain
from atac2rna.genome import strip_version

A, B, C = "ENSG00000000001", "ENSG00000000002", "ENSG00000000003"
TA1, TA2, TB1 = "ENST00000000011", "ENST00000000012", "ENST00000000021"
TRANSCRIPTS = {TA1: A, TA2: A, TB1: B}
RSEM_15 = [
    "gene_id",
    "transcript_id(s)",
    "length",
    "effective_length",
    "expected_count",
    "TPM",
    "FPKM",
    "posterior_mean_count",
    "posterior_standard_deviation_of_count",
    "pme_TPM",
    "pme_FPKM",
    "TPM_ci_lower_bound",
    "TPM_ci_upper_bound",
    "FPKM_ci_lower_bound",
    "FPKM_ci_upper_bound",
]
RSEM_17 = [*RSEM_15[:13], "TPM_coefficient_of_quartile_variation", *RSEM_15[13:], "FPKM_c_q_v"]


def rsem(header: list[str], rows: list[tuple[str, float]]) -> str:
    lines = [[gene, "t", "1000", "900", "7", str(tpm), *["9"] * (len(header) - 6)] for gene, tpm in rows]
    return "\n".join("\t".join(line) for line in [header, *lines]) + "\n"


def read(folder: Path, text: str | bytes, **options: object) -> ExpressionFile:
    path = folder / "table"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_expression(path, **options)  # type: ignore[arg-type]


def tpm_of(file: ExpressionFile) -> dict[str, list[float]]:
    return dict(zip(file.gene_ids, file.tpm.tolist(), strict=True))


@pytest.mark.parametrize("header", [RSEM_15, RSEM_17])
def test_rsem_as_encode_ships_it(tmp_path: Path, header: list[str]) -> None:
    rows = [("10904", 50.0), ("12954", 0.0), (f"{A}.14", 1.5), (f"{B}.1_PAR_Y", 0.25), (f"{B}.1", 2.0)]
    rows += [("ENSGR0000000003.9", 0.5), ("ENSG00000000003.9", 3), ("gSpikein_ERCC-00002", 9), ("gSpikein_phiX174", 8)]
    file = read(tmp_path, rsem(header, rows))
    assert file.dialect == "rsem"
    assert tpm_of(file) == {A: [1.5], B: [2.25], C: [3.5]}
    assert file.gene_ids == (A, B, C)
    assert (file.samples, file.versioned, file.merged) == ((), True, 2)
    assert file.dropped == {"tRNA": 2, "spike-in": 2}
    assert (file.tpm.dtype, file.tpm.shape, file.unit) == (np.float64, (3, 1), "tpm")


def test_many_integer_ids_before_the_first_gene_change_nothing(tmp_path: Path) -> None:
    rows = [(str(i), 1.0) for i in range(10_000, 12_000)] + [(A, 2.0)]
    assert tpm_of(read(tmp_path, rsem(RSEM_17, rows))) == {A: [2.0]}


def test_integer_ids_alone_are_kept_as_entrez_ids(tmp_path: Path) -> None:
    assert tpm_of(read(tmp_path, "gene_id\tTPM\n7157\t1.5\n672\t2.5\n")) == {"7157": [1.5], "672": [2.5]}


def test_rsem_isoforms_are_summed_by_their_gene_column(tmp_path: Path) -> None:
    text = "transcript_id\tgene_id\tlength\teffective_length\texpected_count\tTPM\tFPKM\tIsoPct\n"
    for transcript, gene, tpm in [("10904", "10904", 9), (f"{TA1}.1", f"{A}.3", 1), (f"{TB1}.1", f"{B}.3", 4)]:
        text += f"{transcript}\t{gene}\t9\t9\t9\t{tpm}\t9\t100\n"
    text += f"{TA2}.1\t{A}.3\t9\t9\t9\t2\t9\t100\n"
    file = read(tmp_path, text)
    assert (file.dialect, tpm_of(file)) == ("rsem-isoforms", {A: [3.0], B: [4.0]})
    assert (file.dropped, file.merged) == ({"tRNA": 1}, 0)


SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
KALLISTO = "target_id\tlength\teff_length\test_counts\ttpm\n"


def test_salmon_genes(tmp_path: Path) -> None:
    file = read(tmp_path, SALMON + f"{A}.1\t9\t9\t1.5\t3\n{B}.1\t9\t9\t2.5\t3\n{TA1}.2\t9\t9\t1\t1\n")
    assert (file.dialect, tpm_of(file), file.dropped) == ("salmon-genes", {A: [1.5], B: [2.5]}, {"transcript": 1})


@pytest.mark.parametrize(("head", "dialect"), [(SALMON, "salmon-transcripts"), (KALLISTO, "kallisto")])
def test_transcripts_are_summed_through_the_annotation(tmp_path: Path, head: str, dialect: str) -> None:
    column = head.rstrip().lower().split("\t").index("tpm")
    rows = [(f"{TB1}.1", 4), (f"{TA1}.1", 1), (f"{TA2}.2", 2), ("ENST00000000099.1", 8), ("ERCC-00002", 7)]
    text = head + "".join(
        "\t".join([i, *[str(v) if c == column else "9" for c in range(1, 5)]]) + "\n" for i, v in rows
    )
    file = read(tmp_path, text, transcripts=TRANSCRIPTS)
    assert (file.dialect, tpm_of(file)) == (dialect, {B: [4.0], A: [3.0]})
    assert file.gene_ids == (B, A)
    assert file.dropped == {"transcript of no known gene": 1, "spike-in": 1}
    with pytest.raises(InputError, match=r"the first without a gene is ENST00000000021\.1.*GTF or GFF3"):
        read(tmp_path, text)
    with pytest.raises(InputError, match="knows the genes of 1 of 4 transcripts"):
        read(tmp_path, text, transcripts={TB1: B})


def test_transcripts_that_only_the_annotation_knows_as_such(tmp_path: Path) -> None:
    text = SALMON + "rna-1\t9\t9\t1\t9\nrna-2\t9\t9\t2\t9\n"
    file = read(tmp_path, text, transcripts={"rna-1": "G", "rna-2": "G"})
    assert (file.dialect, tpm_of(file)) == ("salmon-transcripts", {"G": [3.0]})
    with pytest.raises(InputError, match="rows are transcripts"):
        read(tmp_path, KALLISTO + "rna-1\t9\t9\t9\t1\n")


def test_gencode_names_carry_their_gene(tmp_path: Path) -> None:
    def name(transcript: str, gene: str) -> str:
        return f"{transcript}|{gene}|OTT|-|N-201|N|9|protein_coding|"

    rows = [(f"{TA1}.1", f"{A}.2", 1), (f"{TA1}.1_PAR_Y", f"{A}.2_PAR_Y", 2), (f"{TB1}.1", f"{B}.2", 4)]
    file = read(tmp_path, KALLISTO + "".join(f"{name(t, g)}\t9\t9\t9\t{v}\n" for t, g, v in rows))
    assert (tpm_of(file), file.merged, file.versioned) == ({A: [3.0], B: [4.0]}, 1, True)


def test_stringtie_splits_of_a_gene_are_added(tmp_path: Path) -> None:
    text = "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM\n"
    for gene, tpm in [(f"{A}.1", 1.5), (f"{B}.1", 2), (f"{A}.1", 0.5), ("STRG.1", 3)]:
        text += f"{gene}\tN\tchr1\t+\t1\t9\t1.0\t7.0\t{tpm}\n"
    file = read(tmp_path, text)
    assert (file.dialect, file.merged) == ("stringtie", 1)
    assert tpm_of(file) == {A: [2.0], B: [2.0], "STRG.1": [3.0]}


FEATURECOUNTS = (
    '# Program:featureCounts v2.0.6; Command:"featureCounts" "-a" "x.gtf"\nGeneid\tChr\tStart\tEnd\tStrand\tLength'
)


def test_featurecounts_become_tpm(tmp_path: Path) -> None:
    text = FEATURECOUNTS + f"\tgene_name\tout/K562.bam\tout/HSC.bam\n{A}.1\tchr1;chr1\t1;5\t3;9\t+;+\t1000\tN\t10\t0\n"
    text += f"{B}.1\tchr1\t1\t9\t+\t500\tM\t15\t8\n"
    file = read(tmp_path, text)
    assert (file.dialect, file.samples, file.unit) == ("featurecounts", ("K562", "HSC"), "counts")
    np.testing.assert_allclose(file.tpm, [[250_000, 0], [750_000, 1_000_000]])
    np.testing.assert_array_equal(file.column("HSC"), file.tpm[:, 1])
    for name in ("HSC", "out/HSC.bam"):
        one = read(tmp_path, text, value_column=name)
        assert one.samples == ()
        np.testing.assert_array_equal(one.column("whatever"), file.tpm[:, 1])


def test_featurecounts_of_one_or_of_like_named_bams(tmp_path: Path) -> None:
    assert read(tmp_path, FEATURECOUNTS + f"\tx.bam\n{A}\tchr1\t1\t9\t+\t9\t5\n").samples == ()
    file = read(tmp_path, FEATURECOUNTS + f"\ta/Aligned.bam\tb/Aligned.bam\n{A}\tchr1\t1\t9\t+\t9\t5\t6\n")
    assert file.samples == ("a/Aligned.bam", "b/Aligned.bam")


def test_gct_of_gtex(tmp_path: Path) -> None:
    text = f"#1.2\n3\t2\nName\tDescription\tS-1\tS-2\n{A}.1\tA1\t1.5\t2\n{B}.2\tB1\t0\t3\n{B}.2_PAR_Y\tB1\t0.5\t0\n"
    file = read(tmp_path, text)
    assert (file.dialect, file.samples, file.merged) == ("gct", ("S-1", "S-2"), 1)
    assert tpm_of(file) == {A: [1.5, 2.0], B: [0.5, 3.0]}
    with_ids = text.replace("Name", "id\tName").replace("ENSG", "0\tENSG")
    np.testing.assert_array_equal(read(tmp_path, with_ids).tpm, file.tpm)
    assert read(tmp_path, text, value_column="S-2").tpm.tolist() == [[2.0], [3.0]]


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
@pytest.mark.parametrize("header", ["", "gene_id{0}TPM\n", "gene{0}K562\n", "#gene_id{0}TPM\n", "TPM\n", "{0}x\n"])
def test_two_columns_with_and_without_a_header(tmp_path: Path, separator: str, header: str) -> None:
    file = read(tmp_path, header.format(separator) + f"{A}.1{separator}1.5\n{B}.1{separator}2e-3\n")
    assert (file.dialect, file.samples) == ("two-column", ())
    assert tpm_of(file) == {A: [1.5], B: [0.002]}


def test_columns_may_stand_in_any_order_and_be_named(tmp_path: Path) -> None:
    text = f"TPM\tgene_name\tgene_id\tother\n1\tX\t{A}.2\t5\n2\tY\t{B}.2\t6\n"
    assert read(tmp_path, text).dialect == "table"
    assert tpm_of(read(tmp_path, text)) == {A: [1.0], B: [2.0]}
    assert tpm_of(read(tmp_path, text, gene_column="gene_name")) == {"X": [1.0], "Y": [2.0]}
    assert tpm_of(read(tmp_path, text, value_column="OTHER")) == {A: [5.0], B: [6.0]}


def test_the_column_of_ensembl_ids_wins_over_names(tmp_path: Path) -> None:
    text = f"gene\tensembl_id\tTPM\nX\t{A}\t1\nY\t{B}\t2\n"
    assert read(tmp_path, text).gene_ids == (A, B)
    assert read(tmp_path, f"foo\tTPM\tbar\n{A}\t1\t3\n").gene_ids == (A,)


def test_atlas_tables_and_gdc_tables(tmp_path: Path) -> None:
    assert tpm_of(read(tmp_path, f"gene_id\tTPM\texpected_count\n{A}\t0.04\t1\n")) == {A: [0.04]}
    text = "# gene-model: GENCODE v36\ngene_id\tgene_name\tunstranded\ttpm_unstranded\tfpkm_unstranded\n"
    text += f"N_unmapped\t\t500\t\t\nN_ambiguous\t\t3\t\t\n{A}.1\tX\t7\t1.5\t2\n"
    file = read(tmp_path, text)
    assert (tpm_of(file), file.dropped) == ({A: [1.5]}, {"total of reads": 2})


def test_fpkm_and_counts_with_lengths_are_scaled_to_a_million(tmp_path: Path) -> None:
    file = read(tmp_path, f"gene_id\tFPKM\n{A}\t1\n{B}\t3\n")
    assert (tpm_of(file), file.unit) == ({A: [250_000.0], B: [750_000.0]}, "fpkm")
    file = read(tmp_path, f"gene_id\tlength\tcount\n{A}\t1000\t10\n{B}\t500\t15\n")
    assert (tpm_of(file), file.unit) == ({A: [250_000.0], B: [750_000.0]}, "counts")
    chosen = read(tmp_path, f"gene_id\tTPM\tlength\tcount\n{A}\t9\t1000\t10\n", value_column="count")
    assert tpm_of(chosen) == {A: [1_000_000.0]}


MATRIX = f"gene_id\tgene_name\tK562\tHSC rep1\n{A}.1\tX\t1\t2\n{B}.1\tY\t3\t4\n"


@pytest.mark.parametrize(
    "text",
    [
        MATRIX,
        MATRIX.replace("\t", ","),
        MATRIX.replace("\n", "\r\n"),
        MATRIX.replace("\n", "\r"),
        "\ufeff" + MATRIX,
        MATRIX.replace("\n", "\n\n").rstrip("\n"),
        f'"K562" "HSC rep1"\n"{A}.1" 1 2\n"{B}.1" 3 4\n',
        f'"","K562","HSC rep1"\n"{A}.1",1,2\n"{B}.1"," 3",4.0\n',
        f'gene_id,description,K562,HSC rep1\n{A},"a, ""b""",1,2\n{B},,3,4\n',
        f"K562\tHSC rep1\n{A}\t1\t2\n{B}\t3\t4\n",
        f'Geneid\tdescription\tK562\tHSC rep1\n{A}\t3" end\t1\t2\n{B}\t\t3\t4\n',
        f"id\tchrom\tlength\tK562\tHSC rep1\ngene:{A}.1\t1\t77\t1\t2\ngene:{B}.1\t2\t88\t3\t4\n",
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_matrix_in_many_clothes(tmp_path: Path, text: str, pack: type[bytes]) -> None:
    file = read(tmp_path, pack(text.encode()))
    assert (file.dialect, file.samples) == ("matrix", ("K562", "HSC rep1"))
    assert tpm_of(file) == {A: [1.0, 2.0], B: [3.0, 4.0]}
    assert file.column("HSC rep1").tolist() == [2.0, 4.0]


ENDED = {
    "TPM": (["gene_id\tTPM", "ENSG01\t1.5", "ENSG02\t3"], "two-column"),
    "one of any name": (["gene_id\tk", "ENSG01\t1.5", "ENSG02\t3"], "two-column"),
    "matrix": (["gene_id\tk\tl", "ENSG01\t1.5\t0", "ENSG02\t3\t1.25"], "matrix"),
    "row names": (["\tk\tl", "ENSG01\t1.5\t0", "ENSG02\t3\t1.25"], "matrix"),
    "featureCounts": (
        [
            "Geneid\tChr\tStart\tEnd\tStrand\tLength\tk.bam\tl.bam",
            *(f"ENSG0{i}\tchr1\t1\t9\t+\t9\t{i}\t4" for i in (1, 2)),
        ],
        "featurecounts",
    ),
    "GCT": (["#1.2", "2\t2", "Name\tDescription\tk\tl", "ENSG01\tA\t1.5\t0", "ENSG02\tB\t3\t1.25"], "gct"),
}


@pytest.mark.parametrize("below", [0, 1])
@pytest.mark.parametrize("kind", ENDED)
def test_separators_at_the_ends_of_lines_change_nothing(tmp_path: Path, kind: str, below: int) -> None:
    lines, dialect = ENDED[kind]
    header = 2 if kind == "GCT" else 0
    ended = [line + "\t" * (number >= header + below) for number, line in enumerate(lines)]
    before, again = (read(tmp_path, "\n".join(text) + "\n") for text in (lines, ended))
    assert again.dialect == before.dialect == dialect
    assert (again.samples, again.gene_ids, again.tpm.tolist()) == (before.samples, before.gene_ids, before.tpm.tolist())
    assert (before.blank, again.blank) == ((), (f"column {lines[header].count(chr(9)) + 2}",))


def test_a_sample_that_a_matrix_lacks_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = read(tmp_path, MATRIX)
    with pytest.raises(InputError, match=r"none for 'k562' among 2; did you mean 'K562'\?|known: K562, HSC rep1"):
        file.column("k562")
    assert read(tmp_path, MATRIX, value_column="HSC rep1").tpm.tolist() == [[2.0], [4.0]]


def test_rows_repeated_whole_are_left_out_and_shared_names_too(tmp_path: Path) -> None:
    file = read(tmp_path, f"{A}.1\t1.5\n{B}.1\t2\n{A}.1\t1.5\n{B}.1_PAR_Y\t1\n{B}.1_PAR_Y\t1\n")
    assert (tpm_of(file), file.dropped, file.merged) == ({A: [1.5], B: [3.0]}, {"repeated row": 2}, 1)
    rows = "".join(f"G{i}\t{i}.5\n" for i in range(100))
    file = read(tmp_path, "gene_name\tTPM\n" + rows + "Y_RNA\t1\nY_RNA\t2\nY_RNA\t1\n")
    assert "Y_RNA" not in file.gene_ids
    assert (len(file.gene_ids), file.dropped) == (100, {"repeated row": 1, "name of several genes": 2})


COUNTS = "".join(f"G{i}\t{i}\n" for i in range(1, 200))
TWO = f"gene_id\tTPM\n{A}.1\t1\n{B}.1\t"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        *[
            (TWO + value + "\n", ["line 3", f"{B}.1", repr(value)])
            for value in ("NaN", "NA", "inf", "-1", "", "1,5", "x")
        ],
        (TWO + "-1\n", ["Logarithms?", "1 of 2 rows"]),
        (TWO + "1,5\n", ["decimals with a point"]),
        (TWO + f"1\n\n{A}.2\t7\n", ["line 5", f"{A}.2 repeats {A}.1 of line 2"]),
        (TWO + f"1\n{TB1}.1\t1\t1\n", ["line 4", "header, 2; got 3"]),
        (TWO + f"1\n{C}\n", ["line 4", "got 1", "cut download"]),
        (TWO + f"1\n{C}\t1\t1\n{C}\n", ["line 4", "2 of 4 rows"]),
        (f'gene_id,description,x\n"{A}","a",1\n"{B}",3" end,1\n', ["line 3", "quotes"]),
        (f'"gene_id" "x"\n"{A}" 1\n"{B} 2\n', ["line 3", "quotes"]),
        (TWO + "1\n\t5\n", ["line 4", "gene_id is empty"]),
        ("# a\n\n" + TWO + "NA\n", ["line 5", "'NA'"]),
        (f"{A}\tNA\n{B}\t1\n", ["line 1", "'NA'"]),
        ("TP53\tNA\nTP63\t1\n", ["line 1", "'NA'"]),
        (f'"gene_id","TPM"\n"{A}",NA\n', ["line 2", A]),
        (MATRIX.replace("4", "NA"), ["line 3", "HSC rep1", "'NA'"]),
        ("gene_id\tTPM\n", ["no rows"]),
        ("# nothing\n", ["comments only"]),
        ("gene_id\nA\n", ["two columns"]),
        (f"foo\tTPM\tbar\nX\t1\t{A}x\n", ["columns foo, TPM, bar", "--gene-column"]),
        ("1\t2.5\n3\t4\n", ["numbers", "Entrez"]),
        ("x\ty\tz\n1\t2\t3\n", ["columns x, y, z", "--gene-column"]),
        ("0.5\t2\t7\n1\t2\t3\n", ["without a header", "got 3"]),
        (f"gene_id\tdescription\n{A}\tword\n", ["column of values", "--value-column"]),
        (f"gene_id\texpected_count\n{A}\t5\n", ["expected_count", "Length"]),
        (f"gene_id\tlength\tcount\n{A}\t0\t5\n", ["line 2", "above 0"]),
        (f"gene_id\tFPKM\n{A}\t0\n", ["all values of FPKM are 0"]),
        (f"gene_id\tlog2_tpm\n{A}\t5\n", ["logarithms", "log2_tpm"]),
        (f"gene_id\tTPM\ttpm\n{A}\t5\t5\n", ["got 2 named tpm", "--value-column"]),
        (f"gene_id\tTPM\n{A}\t3000000\n", ["about a million", "3,000,000"]),
        (COUNTS, ["whole numbers", "199 values"]),
        ("gene\tK562\n" + COUNTS, ["whole numbers", "K562"]),
        (COUNTS + "__no_feature\t9\n", ["STAR or HTSeq"]),
        ("N_unmapped\t1\t1\t1\nN_multimapping\t1\t1\t1\n", ["got 4", "STAR"]),
        (f"gene_id\ta\ta\n{A}\t1\t2\n", ["line 1", "'a' for column 3"]),
        (f"gene_id\ta\t\n{A}\t1\t2\n", ["line 1", "'' for column 3"]),
        ("gene_name\tTPM\n" + "X\t1\nX\t2\nX\t3\n", ["line 3", "repeats X"]),
        ("gene_id\tTPM\ngSpikein_a\t1\nERCC-00002\t1\n", ["no row is a gene", "2 x spike-in"]),
        (f"#1.3\n1\t2\t0\t0\nName\tDescription\ta\tb\n{A}\tX\t1\t2\n", ["'#1.3'"]),
        (f"#1.2\n2\t2\nName\tDescription\ta\tb\n{A}\tX\t1\t2\n", ["2 and 2", "got 1 and 2"]),
        (f"#1.2\n1\t2\nid\tna\ta\tb\n{A}\tX\t1\t2\n", ["line 3", "Name and Description"]),
        (FEATURECOUNTS + f"\n{A}\tchr1\t1\t9\t+\t9\n", ["after the column Length"]),
        (b"PK\x03\x04", ["spreadsheet"]),
        (b"", ["is empty"]),
    ],
)
def test_bad_tables_are_refused_with_line_and_gene(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    with pytest.raises(InputError) as told:
        read(tmp_path, text)
    message = str(told.value)
    assert message.startswith(str(tmp_path / "table"))
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (MATRIX, {"gene_column": "gene"}, ["--gene-column", "did you mean 'gene_id' or 'gene_name'?"]),
        (MATRIX, {"value_column": "K526"}, ["--value-column", "did you mean 'K562'?"]),
        (f"{A}\t1\n", {"gene_column": "x"}, ["needs a header"]),
        (f"{A}\t1\n", {"value_column": "x"}, ["--value-column 'x' needs a header"]),
        (f"gene_id\tTPM\tlog2_tpm\n{A}\t5\t1\n", {"value_column": "log2_tpm"}, ["logarithms"]),
    ],
)
def test_columns_that_do_not_exist_are_refused(
    tmp_path: Path, text: str, options: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(InputError) as told:
        read(tmp_path, text, **options)
    for part in parts:
        assert part in str(told.value)


def test_a_named_column_of_whole_numbers_is_believed(tmp_path: Path) -> None:
    assert len(read(tmp_path, "gene\tK562\n" + COUNTS, value_column="K562").gene_ids) == 199


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "quant.sf"
    path.write_text(rsem(RSEM_17, [(A, 1.0)]))
    assert read_expression(path).dialect == "rsem"


IDS = st.one_of(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="|:"), min_size=1, max_size=12),
    st.builds(
        "{}{:011d}{}{}".format,
        st.sampled_from(["ENSG", "ENSMUSG", "ENSGR", "WBGene"]),
        st.integers(0, 10**10 - 1),
        st.sampled_from(["", ".1", ".14", "_3", "."]),
        st.sampled_from(["", "_PAR_Y"]),
    ),
)


@given(ids=st.lists(IDS, min_size=1, max_size=20))
def test_versions_are_stripped_as_everywhere_in_the_package(ids: list[str]) -> None:
    ids = [i for i in ids if not i.startswith("ENSGR") or i[5:6].isdigit()]
    frame = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    assert frame.select(plain(pl.col("id"))).to_series().to_list() == [strip_version(i) for i in ids]


@given(
    values=st.lists(st.floats(0, 1e4, allow_subnormal=False), min_size=1, max_size=30),
    separator=st.sampled_from("\t,; "),
    quote=st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], separator: str, quote: bool
) -> None:
    mark = '"' if quote else ""
    rows = "".join(f"{mark}ENSG{i:011d}.7{mark}{separator}{value!r}\n" for i, value in enumerate(values))
    file = read(tmp_path_factory.mktemp("round"), f"gene_id{separator}TPM\n" + rows)
    assert file.gene_ids == tuple(f"ENSG{i:011d}" for i in range(len(values)))
    assert file.tpm[:, 0].tolist() == values


def test_sixty_thousand_rows_are_read_fast(tmp_path: Path) -> None:
    rows = [(f"ENSG{i:011d}.3", i % 30 + 0.25) for i in range(60_000)]
    path = tmp_path / "table"
    path.write_text(rsem(RSEM_17, rows))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        file = read_expression(path)
        times.append(time.perf_counter() - start)
    assert len(file.gene_ids) == 60_000
    # 0.1 s on two cores; the bound leaves room for a busy machine.
    assert min(times) < 1


@pytest.fixture
def data() -> Path:
    root = os.environ.get("ATAC2RNA_TEST_DATA")
    if not root:
        pytest.skip("ATAC2RNA_TEST_DATA is not set: real data are not tested")
    return Path(root)


@pytest.mark.real
def test_the_real_tables_are_read(data: Path) -> None:
    file = read_expression(data / "encode_portal" / "files" / "ENCFF241WYH_first10.tsv")
    assert (file.dialect, file.versioned, len(file.gene_ids)) == ("rsem", True, 10)
    assert dict(zip(file.gene_ids, file.tpm[:, 0], strict=True))["ENSG00000150991"] == 183.38
    blood = read_expression(data / "atlas21" / "rna" / "HSC.tsv.gz")
    assert (blood.dialect, blood.versioned, len(blood.gene_ids), blood.merged) == ("table", False, 18_995, 0)
    assert blood.tpm.sum() == pytest.approx(1e6, rel=1e-6)
    tissue = read_expression(data / "atlas21" / "rna" / "stomach_ENTEx.tsv.gz")
    assert (tissue.dialect, len(tissue.gene_ids), tissue.merged) == ("two-column", 19_813, 18)
    assert tissue.tpm.sum() == pytest.approx(22_659, abs=1)
    roadmap = read_expression(data / "expression_compendium" / "roadmap56_tpm.tsv.gz")
    assert (roadmap.dialect, len(roadmap.samples)) == ("matrix", 56)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("donor_replicates/GSE74246_counts.tsv.gz", "read counts"),
        ("atlas21/rna_counts_blood_all_genes.tsv.gz", "read counts"),
        ("seed_chr1/exp_output_lines.csv", "without a header"),
        ("atlas21/samples.tsv", "column of values"),
    ],
)
def test_real_tables_that_are_no_tpm_are_refused(data: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_expression(data / name)


def test_counts_of_a_matrix_become_tpm_by_its_lengths(tmp_path: Path) -> None:
    genes = [f"ENSG{i:011d}" for i in range(1, 202)]
    rows = "".join(f"{gene}\t{1000 * (i % 2 + 1)}\t{i + 1}\t{2 * i + 3}\n" for i, gene in enumerate(genes))
    file = read(tmp_path, ("gene_id\tLength\tK562\tHSC\n" + rows).encode())
    assert (file.dialect, file.unit, file.samples) == ("matrix", "counts", ("K562", "HSC"))
    rate = np.array([[(i + 1) / (i % 2 + 1), (2 * i + 3) / (i % 2 + 1)] for i in range(201)])
    np.testing.assert_allclose(file.tpm, rate * (1e6 / rate.sum(axis=0)))
