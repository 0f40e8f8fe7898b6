# ruff: noqa: E501 -- lines of annotation files are as long as they are

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.files import text_lines
from atac2rna.formats.annotation import annotation_kind, read_annotation, read_transcripts, write_gene_table
from atac2rna.genome import GeneTable

GENCODE_GTF = """\
##description: made up
##format: gtf
chr1	HAVANA	gene	101	200	.	+	.	gene_id "ENSG00000000011.5"; gene_type "lncRNA"; gene_name "AA1"; level 2;
chr1	HAVANA	transcript	101	200	.	+	.	gene_id "ENSG00000000011.5"; transcript_id "ENST00000000001.2"; gene_type "lncRNA"; level 2;
chr1	HAVANA	exon	101	150	.	+	.	gene_id "ENSG00000000011.5"; transcript_id "ENST00000000001.2"; exon_number 1;
chrX	ENSEMBL	gene	301	400	.	-	.	gene_id "ENSG00000000012.7"; gene_type "protein_coding"; gene_name "BB; the 2nd";
chrX	ENSEMBL	transcript	301	400	.	-	.	gene_id "ENSG00000000012.7"; transcript_id "ENST00000000002.1";
chrY	ENSEMBL	gene	31	130	.	-	.	gene_id "ENSG00000000012.7_PAR_Y"; gene_type "protein_coding"; gene_name "BB"; tag "PAR";
chr2	ENSEMBL	exon	7	77	.	-	.	gene_id "33323"; transcript_id "33323"; gene_type "tRNAscan";
phiX174	spikein	exon	1	5386	.	+	.	gene_id "gSpikein_phiX174"; transcript_id "tSpikein_phiX174";
"""
ENSEMBL_GTF = """\
#!genome-build made up
1	havana	gene	101	200	.	+	.	gene_biotype "lncRNA"; gene_id "ENSG00000000011"; gene_version "5"; gene_name "AA1";
1	havana	transcript	101	200	.	+	.	gene_biotype "lncRNA"; gene_id "ENSG00000000011"; transcript_version "2"; transcript_id "ENST00000000001";
X	havana	gene	301	400	.	-	.	gene_id ENSG00000000012; gene_version 7; gene_biotype protein_coding
MT	insdc	gene	1	60	.	+	.	gene_id "ENSG00000000013"; gene_version "1"; gene_source "insdc"; gene_biotype "Mt_tRNA";
"""
REFSEQ_GTF = """\
#gtf-version 2.2
NC_000001.11	BestRefSeq	gene	101	200	.	+	.	gene_id "AA1"; transcript_id ""; db_xref "GeneID:1"; db_xref "Ensembl:ENSG00000000011.5"; gbkey "Gene"; gene "AA1"; gene_biotype "lncRNA";
NC_000001.11	BestRefSeq	transcript	101	200	.	+	.	gene_id "AA1"; transcript_id "NR_046018.2"; gene "AA1";
NC_000023.11	BestRefSeq	gene	301	400	.	-	.	gene_id "BB"; transcript_id ""; db_xref "GeneID:2"; gene "BB"; gene_biotype "protein_coding";
NC_000024.10	BestRefSeq	gene	31	130	.	-	.	gene_id "BB_1"; transcript_id ""; db_xref "GeneID:2"; gene "BB"; gene_biotype "protein_coding";
NC_000024.10	BestRefSeq	transcript	31	130	.	-	.	gene_id "BB_1"; transcript_id "NM_000002.3"; gene "BB";
"""
ENSEMBL_GFF3 = """\
##gff-version 3
##sequence-region   1 1 248956422
1	GRCh38	chromosome	1	248956422	.	.	.	ID=chromosome:1;Alias=CM000663.2,chr1
1	havana	ncRNA_gene	101	200	.	+	.	ID=gene:ENSG00000000011;Name=AA1;biotype=lncRNA;description=a%3Bb;gene_id=ENSG00000000011;version=5
1	havana	lnc_RNA	101	200	.	+	.	ID=transcript:ENST00000000001;Parent=gene:ENSG00000000011;transcript_id=ENST00000000001;version=2
1	havana	exon	101	150	.	+	.	Parent=transcript:ENST00000000001;exon_id=ENSE1
X	havana	gene	301	400	.	-	.	ID=gene:ENSG00000000012;biotype=protein_coding;Name=BB%2C2
X	havana	pseudogene	301	400	.	-	.	ID=transcript:ENST00000000002;Parent=gene:ENSG00000000012
"""
GENCODE_GFF3 = """\
##gff-version 3
chr1	HAVANA	gene	101	200	.	+	.	ID=ENSG00000000011.5;gene_id=ENSG00000000011.5;gene_type=lncRNA;gene_name=AA1;level=2
chr1	HAVANA	transcript	101	200	.	+	.	ID=ENST00000000001.2;Parent=ENSG00000000011.5;gene_id=ENSG00000000011.5;transcript_id=ENST00000000001.2
chrX	HAVANA	gene	301	400	.	-	.	ID=ENSG00000000012.7;gene_id=ENSG00000000012.7;gene_type=protein_coding;gene_name=BB
chrY	HAVANA	gene	31	130	.	-	.	ID=ENSG00000000012.7_PAR_Y;gene_id=ENSG00000000012.7;gene_type=protein_coding;gene_name=BB
"""
REFSEQ_GFF3 = """\
##gff-version 3
NC_000001.11	RefSeq	region	1	248956422	.	+	.	ID=NC_000001.11:1..248956422;Dbxref=taxon:9606;gbkey=Src
NC_000001.11	BestRefSeq	pseudogene	101	200	.	+	.	ID=gene-AA1;Dbxref=GeneID:1,Ensembl:ENSG00000000011.5;Name=AA1;gbkey=Gene;gene=AA1;gene_biotype=transcribed_pseudogene
NC_000001.11	BestRefSeq	transcript	101	200	.	+	.	ID=rna-NR_046018.2;Parent=gene-AA1;gbkey=misc_RNA;transcript_id=NR_046018.2
NC_000023.11	BestRefSeq	gene	301	400	.	-	.	ID=gene-BB;Dbxref=GeneID:2;Name=BB;gbkey=Gene;gene=BB;gene_biotype=protein_coding
NC_000024.10	BestRefSeq	gene	31	130	.	-	.	ID=gene-BB-2;Dbxref=GeneID:2;Name=BB;gbkey=Gene;gene=BB;gene_biotype=protein_coding
NT_187361.1	Gnomon	gene	1	9	.	-	.	ID=gene-CC;Name=CC;gbkey=Gene;gene=CC;gene_biotype=lncRNA
"""
UCSC_GTF = """\
chr1	ncbiRefSeq	transcript	101	180	.	+	.	gene_id "AA1"; transcript_id "NR_1.2";  gene_name "AA1";
chr1	ncbiRefSeq	exon	101	180	.	+	.	gene_id "AA1"; transcript_id "NR_1.2"; gene_name "AA1";
chrX	ncbiRefSeq	exon	301	400	.	-	.	gene_id "BB"; transcript_id "NM_2.1"; gene_name "BB";
chr1	ncbiRefSeq	exon	150	200	.	+	.	gene_id "AA1"; transcript_id "NR_1.3"; gene_name "AA1";
chr1_alt	ncbiRefSeq	exon	5	20	.	+	.	gene_id "AA1"; transcript_id "NR_1.3_2"; gene_name "AA1";
chrY	ncbiRefSeq	exon	31	130	.	-	.	gene_id "BB"; transcript_id "NM_2.1_2"; gene_name "BB";
chr2	ncbiRefSeq	exon	1	9	.	-	.	gene_id "CC"; transcript_id "NM_3.1"; gene_name "CC";
chr3	ncbiRefSeq	exon	1	9	.	-	.	gene_id "CC"; transcript_id "NM_3.1_2"; gene_name "CC";
"""
BIOMART = """\
Gene stable ID	Gene stable ID version	Chromosome/scaffold name	Gene start (bp)	Gene end (bp)	Strand	Gene type	Gene name
ENSG00000000011	ENSG00000000011.5	1	101	200	1	lncRNA	AA1
ENSG00000000011	ENSG00000000011.5	1	101	200	1	lncRNA	AA1
ENSG00000000012	ENSG00000000012.7	X	301	400	-1	protein_coding	BB
"""
TABLE = """\
gene_id	gene_name	chrom	start	end	strand	biotype	tss
ENSG00000000011	AA1	chr1	101	200	+	lncRNA	101
ENSG00000000012	BB	chrX	301	400	-	protein_coding	400
"""
DIALECTS = {
    "gencode.gtf": GENCODE_GTF,
    "ensembl.gtf": ENSEMBL_GTF,
    "ensembl.gff3": ENSEMBL_GFF3,
    "gencode.gff3": GENCODE_GFF3,
    "biomart.txt": BIOMART,
    "table.tsv": TABLE,
    "biomart.csv": BIOMART.replace("\t", ","),
    "crlf.tsv": TABLE.replace("\n", "\r\n"),
}


def write(folder: Path, text: str, name: str = "genes") -> Path:
    path = folder / name
    path.write_text(text, newline="")
    return path


def read(folder: Path, text: str, **options: str) -> GeneTable:
    return read_annotation(write(folder, text), assembly="hg38", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_give_the_same_genes(tmp_path: Path, name: str) -> None:
    table = read(tmp_path, DIALECTS[name])
    assert table.assembly == "hg38"
    assert table.gene_ids[:2] == ("ENSG00000000011", "ENSG00000000012")
    assert table.frame["chrom"].to_list()[:2] == ["chr1", "chrX"]
    assert table.frame["start"].to_list()[:2] == [100, 300]
    assert table.frame["end"].to_list()[:2] == [200, 400]
    assert table.tss.tolist()[:2] == [100, 399]
    assert table.frame["biotype"].to_list()[:2] == ["lncRNA", "protein_coding"]
    assert table.frame["gene_name"][0] == "AA1"
    assert len(table) == (3 if name == "ensembl.gtf" else 2)


@pytest.mark.parametrize("name", ["gencode.gtf", "ensembl.gtf", "ensembl.gff3", "gencode.gff3", "biomart.txt"])
def test_the_version_is_kept_as_a_column(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, DIALECTS[name]).frame["version"][0] == "5"


def test_attribute_values_keep_semicolons_and_percent_codes(tmp_path: Path) -> None:
    assert read(tmp_path, GENCODE_GTF).frame["gene_name"][1] == "BB; the 2nd"
    assert read(tmp_path, ENSEMBL_GFF3).frame["gene_name"][1] == "BB,2"


@pytest.mark.parametrize(("text", "ids"), [(REFSEQ_GTF, 2), (REFSEQ_GFF3, 3)])
def test_refseq_takes_the_ensembl_id_where_given_and_one_copy_of_each_gene(tmp_path: Path, text: str, ids: int) -> None:
    table = read(tmp_path, text)
    assert table.gene_ids == ("ENSG00000000011", "BB", "CC")[:ids]
    assert table.frame["chrom"].to_list() == ["chr1", "chrX", "NT_187361.1"][:ids]
    assert table.frame["gene_name"].to_list() == ["AA1", "BB", "CC"][:ids]


def test_a_gtf_without_gene_lines_is_assembled_from_transcripts_and_exons(tmp_path: Path) -> None:
    table = read(tmp_path, UCSC_GTF)
    assert table.gene_ids == ("AA1", "BB")  # CC lies on two chromosomes: no one TSS
    assert table.frame["chrom"].to_list() == ["chr1", "chrX"]
    assert table.frame["start"].to_list() == [100, 300]
    assert table.frame["end"].to_list() == [200, 400]


def test_a_ucsc_gtf_that_knows_no_genes_is_refused(tmp_path: Path) -> None:
    text = 'chr1\tucsc\texon\t1\t9\t.\t+\t.\tgene_id "uc001"; transcript_id "uc001";\n'
    with pytest.raises(InputError, match="repeats the transcript_id"):
        read(tmp_path, text)


def test_the_copy_on_a_standard_chromosome_wins_wherever_it_stands(tmp_path: Path) -> None:
    line = 'chr6\tH\tgene\t{}\t99\t.\t+\t.\tgene_id "ENSG00000000021.1";\n'
    alternative = line.format(5).replace("chr6", "chr6_GL000250v2_alt")
    for text in (line.format(7) + alternative, alternative + line.format(7)):
        assert read(tmp_path, text).frame["chrom"].to_list() == ["chr6"]
    both = read(tmp_path, alternative + alternative.replace("250", "251"))
    assert both.frame["chrom"].to_list() == ["chr6_GL000250v2_alt"]


def test_a_lone_copy_on_y_is_kept(tmp_path: Path) -> None:
    text = "".join(line for line in GENCODE_GTF.splitlines(keepends=True) if line.startswith("chrY"))
    assert read(tmp_path, text).gene_ids == ("ENSG00000000012",)


def test_missing_strands(tmp_path: Path) -> None:
    without = "\n".join("\t".join(line.split("\t")[:5]) for line in TABLE.splitlines())
    with pytest.raises(InputError, match="none of 2 genes has one"):
        read(tmp_path, without)
    assert read(tmp_path, without, missing_strand="plus").tss.tolist() == [100, 300]
    partly = GENCODE_GTF.replace("100\t.\t+", "100\t.\t.").replace("101\t200\t.\t+", "101\t200\t.\t.")
    assert read(tmp_path, partly).gene_ids == ("ENSG00000000012",)
    assert len(read(tmp_path, partly, missing_strand="plus")) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GENCODE_GTF.replace("301\t400\t.\t-", "301\t300\t.\t-"), r"genes line 6: the end of a gene.*got 301 to 300"),
        (GENCODE_GTF.replace("101\t200\t.", "1e2\t200\t.", 1), r"line 3: the start of a gene is a whole number.*'1e2'"),
        (GENCODE_GTF.replace("101\t200\t.", "0\t200\t.", 1), r"line 3: the start of a gene is counted from 1; got 0"),
        (GENCODE_GTF.replace("\t-\t", "\tminus\t", 1), r"line 6: a strand is .*got 'minus'"),
        (GENCODE_GTF.replace("gene_id", "gene"), r"line 3: a gene line has an attribute gene_id"),
        (GENCODE_GTF.replace("chr2\tENSEMBL\t", "chr2 "), r"line 9: .* 9 tab-separated columns; got 7"),
        (GENCODE_GTF.replace('_PAR_Y"', '"').replace("chrY", "chr3"), r"line 8: .*ENSG00000000012 on chr3.*line 6"),
        (TABLE.replace("101\t200", "100\t200"), r"line 2: tss is the 1-based start.*here 100; got 101"),
        (TABLE + "ENSG00000000013\n", r"line 4: a row has a cell for every column"),
        (TABLE + TABLE.splitlines()[1].replace("chr1", "chr3") + "\n", r"line 4: .*each gene once"),
        (TABLE.splitlines()[0], r"has genes; got none"),
        ("chr1\t10\t20\tpeak\t5\n", r"is not an annotation .*5 columns: chr1, 10, 20, peak, 5"),
        ("gene_id,TPM\nA,1\n", r"is not an annotation"),
        ('{"a": 1}', r"looks like a JSON document"),
    ],
)
def test_errors_tell_the_law_the_line_and_the_value(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(tmp_path, text)


@pytest.mark.parametrize("text", [GENCODE_GTF, ENSEMBL_GTF, ENSEMBL_GFF3, GENCODE_GFF3])
def test_transcripts_name_their_gene(tmp_path: Path, text: str) -> None:
    gene_of = read_transcripts(write(tmp_path, text))
    assert gene_of["ENST00000000001"] == "ENSG00000000011"
    assert gene_of.get("tSpikein_phiX174", "gSpikein_phiX174") == "gSpikein_phiX174"


def test_transcripts_of_refseq_join_its_gene_table(tmp_path: Path) -> None:
    assert read_transcripts(write(tmp_path, REFSEQ_GTF)) == {"NR_046018.2": "ENSG00000000011", "NM_000002.3": "BB"}
    assert read_transcripts(write(tmp_path, REFSEQ_GFF3)) == {"NR_046018.2": "ENSG00000000011"}


def test_transcripts_of_a_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass a GTF or GFF3"):
        read_transcripts(write(tmp_path, TABLE))
    with pytest.raises(InputError, match="no transcript with a gene"):
        read_transcripts(write(tmp_path, 'chr1\tH\tgene\t1\t9\t.\t+\t.\tgene_id "A";\n'))


def test_the_kind_is_recognised_by_content(tmp_path: Path) -> None:
    kinds = [annotation_kind(write(tmp_path, text)) for text in (UCSC_GTF, REFSEQ_GFF3, BIOMART)]
    assert kinds == ["gtf", "gff3", "list"]


def test_a_written_table_reads_back_and_is_the_same_file_again(tmp_path: Path) -> None:
    table = read(tmp_path, ENSEMBL_GTF)
    first, second = tmp_path / "a.tsv.gz", tmp_path / "b.tsv.gz"
    write_gene_table(table, first)
    write_gene_table(table, second)
    assert first.read_bytes() == second.read_bytes()
    again = read_annotation(first, assembly="hg38")
    assert again.frame.equals(table.frame)
    assert again.fingerprint == table.fingerprint


def test_a_written_table_tells_where_it_comes_from(tmp_path: Path) -> None:
    table, path = read(tmp_path, TABLE), tmp_path / "a.tsv.gz"
    write_gene_table(table, path, comments={"source": "GENCODE:V29", "fetched": "2026-01-02"})
    assert gzip.decompress(path.read_bytes()).startswith(b"# source: GENCODE:V29\n# fetched: 2026-01-02\ngene_id\t")
    assert read_annotation(path, assembly="hg38").frame.equals(table.frame)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_lines_are_streamed_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr("atac2rna.files._BLOCK", 7)
    text = "one\ntwo and more\r\n\nthree" + end
    for path in (tmp_path / "plain", tmp_path / "zipped"):
        path.write_bytes(gzip.compress(text.encode()) if path.name == "zipped" else text.encode())
        assert list(text_lines(path, what="lines")) == [b"one", b"two and more", b"", b"three"]


def test_damaged_files_are_told(tmp_path: Path) -> None:
    whole = gzip.compress(GENCODE_GTF.encode() * 20)
    for raw, told in ((whole[:-30], "ends early"), (whole[:40] + b"\xff" * 40 + whole[80:], "damaged|ends early")):
        path = tmp_path / "broken.gz"
        path.write_bytes(raw)
        with pytest.raises(InputError, match=told):
            list(text_lines(path, what="lines"))
    with pytest.raises(InputError, match="no such file"):
        read_annotation(tmp_path / "absent", assembly="hg38")


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("ATAC2RNA_TEST_DATA")
    if not folder:
        pytest.skip("ATAC2RNA_TEST_DATA is not set: the real annotations are not tested")
    return Path(folder)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "genes", "transcripts"),
    [
        ("gtf_samples/gencode_v29_hg38_chr1_excerpt.gtf.gz", 119, 470),
        ("gtf_samples/ensembl_GRCh38.p10_excerpt.gtf.gz", 10, 18),
        ("gtf_samples/ensembl_GRCh38_chr1_excerpt_resorted_attributes.gtf.gz", 84, 280),
        ("gtf_samples/encode_v24_chr19_genes_trna_spikeins.gtf.gz", 3010, 746),
        ("genes_hg19.tsv.gz", 57_773, 0),
        ("genes_hg38.tsv.gz", 62_656, 0),
    ],
)
def test_real_annotations(real_data: Path, name: str, genes: int, transcripts: int) -> None:
    path = real_data / "annotation" / name
    table = read_annotation(path, assembly="hg38")
    assert len(table) == genes
    assert set(table.frame["chrom"].unique()) <= {f"chr{i}" for i in (*range(1, 23), "X", "Y", "M")}
    if transcripts:
        assert len(read_transcripts(path)) == transcripts


@pytest.mark.real
def test_real_gencode_excerpt_agrees_with_the_ensembl_table(real_data: Path) -> None:
    excerpt = read_annotation(
        real_data / "annotation/gtf_samples/gencode_v29_hg38_chr1_excerpt.gtf.gz", assembly="hg38"
    )
    table = read_annotation(real_data / "annotation/genes_hg38.tsv.gz", assembly="hg38")
    shared = [gene for gene in excerpt.gene_ids if gene in set(table.gene_ids)]
    same = np.mean(excerpt.select(shared).tss == table.select(shared).tss)
    assert len(shared) > 100
    assert same > 0.5  # 11 releases apart: many ends were refined


@pytest.mark.real
def test_real_biomart_without_strand(real_data: Path) -> None:
    path = real_data / "seed_chr1/ensembl_genes.txt.gz"
    with pytest.raises(InputError, match="none of 70,116 genes"):
        read_annotation(path, assembly="hg38")
    frame = read_annotation(path, assembly="hg38", missing_strand="plus").frame
    region = frame.filter((frame["chrom"] == "chr1") & (frame["end"] <= 10_000_000))
    assert region.height == 360
