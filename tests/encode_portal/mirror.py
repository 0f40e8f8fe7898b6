"""A mirror of annotations: GTFs of GENCODE and Ensembl with the lists of checksums that lie beside them."""

import gzip
from functools import partial
from hashlib import md5

from .catalogue import Catalogue
from .measured import Genome, versioned

SMALL = (("ENSG00000202198.1", "RN7SK", "misc_RNA", "chr6", 52_995_620, 52_995_951),)


def bsd_sum(data: bytes) -> tuple[int, int]:
    """Give what `sum` of coreutils prints: the BSD checksum of 16 bits, and blocks of 1024 bytes."""
    total = 0
    for byte in data:
        total = (total >> 1) + ((total & 1) << 15) + byte & 0xFFFF
    return total, -(-len(data) // 1024)


def gencode_gtf(genome: Genome, annotation: str) -> bytes:
    """Write the GTF of a GENCODE release: gene, transcript and exon lines, versioned ids, chromosomes with `chr`."""
    species = "human" if genome.genes.assembly == "hg38" else "mouse"
    head = f"##description: evidence-based annotation of the {species} genome, version {annotation} (made up)\n"
    head += "##provider: GENCODE\n##contact: gencode-help@ebi.ac.uk\n##format: gtf\n##date: 2018-08-30\n"
    lines = []
    for gene, name, chrom, start, end, strand in _rows(genome, versioned(genome.genes, annotation)):
        place = f"{start + 1}\t{end}\t.\t{strand}\t."
        words = f'gene_id "{gene}"; gene_type "protein_coding"; gene_name "{name}"; level 2;'
        more = f'transcript_id "{gene.replace("G0", "T0", 1)}"; transcript_type "protein_coding";'
        lines += [
            f"{chrom}\tHAVANA\tgene\t{place}\t{words}\n",
            f"{chrom}\tHAVANA\ttranscript\t{place}\t{words} {more}\n",
        ]
        lines.append(f"{chrom}\tHAVANA\texon\t{place}\t{words} {more} exon_number 1;\n")
    if species == "human":
        for gene, name, kind, chrom, start, end in SMALL:
            words = f'gene_id "{gene}"; gene_type "{kind}"; gene_name "{name}"; level 3;'
            lines.append(f"{chrom}\tENSEMBL\tgene\t{start}\t{end}\t.\t+\t.\t{words}\n")
    return gzip.compress((head + "".join(lines)).encode(), 1, mtime=0)


def ensembl_gtf(genome: Genome, build: str) -> bytes:
    """Write the GTF of an Ensembl release: `#!` header, chromosomes without `chr`, the version in a column of its own."""
    lines = [f"#!genome-build {build}\n#!genome-version {build}\n#!genebuild-last-updated 2023-03\n"]
    for gene, name, chrom, start, end, strand in _rows(genome, versioned(genome.genes, "V29")):
        plain, _, version = gene.partition(".")
        words = f'gene_id "{plain}"; gene_version "{version}"; gene_name "{name}"; gene_source "ensembl_havana";'
        place = f"{start + 1}\t{end}\t.\t{strand}\t."
        lines.append(f'{chrom[3:]}\tensembl_havana\tgene\t{place}\t{words} gene_biotype "protein_coding";\n')
    return gzip.compress("".join(lines).encode(), 1, mtime=0)


def _rows(genome: Genome, ids: list[str]) -> list[tuple[str, str, str, int, int, str]]:
    frame = genome.genes.frame.select("gene_name", "chrom", "start", "end", "strand")
    return [(gene, *row) for gene, row in zip(ids, frame.iter_rows(), strict=True)]


def add_mirror(catalogue: Catalogue, human: Genome, mouse: Genome) -> None:
    """Put on the mirror: GENCODE V29 and V24 (human), M21 (mouse), Ensembl 110 of both, and their checksums.

    Lists of checksums name other files too, as the real ones do. All is made when it is first asked for.
    """
    for species, release, genome in (("human", "29", human), ("human", "24", human), ("mouse", "M21", mouse)):
        folder = f"gencode/Gencode_{species}/release_{release}"
        name = f"gencode.v{release}.annotation.gtf.gz"
        annotation = release if release.startswith("M") else f"V{release}"
        catalogue.mirror[f"{folder}/{name}"] = partial(gencode_gtf, genome, annotation)
        beside = [name.replace("gtf", "gff3"), name.replace("annotation", "basic.annotation")]
        catalogue.mirror[f"{folder}/MD5SUMS"] = partial(_md5_sums, catalogue, f"{folder}/{name}", beside)
    for species, title, build, genome in (
        ("homo_sapiens", "Homo_sapiens", "GRCh38", human),
        ("mus_musculus", "Mus_musculus", "GRCm39", mouse),
    ):
        folder = f"ensembl/release-110/gtf/{species}"
        name = f"{title}.{build}.110.gtf.gz"
        catalogue.mirror[f"{folder}/{name}"] = partial(ensembl_gtf, genome, build)
        beside = [f"{title}.{build}.110.abinitio.gtf.gz", f"{title}.{build}.110.chr.gtf.gz", "README"]
        catalogue.mirror[f"{folder}/CHECKSUMS"] = partial(_bsd_sums, catalogue, f"{folder}/{name}", beside)


def _listed(catalogue: Catalogue, path: str, beside: list[str]) -> list[tuple[str, bytes]]:
    """Give names and contents, the file itself between others."""
    known = [(name, name.encode()) for name in beside]
    return [*known[:1], (path.rpartition("/")[2], catalogue.mirrored(path) or b""), *known[1:]]


def _md5_sums(catalogue: Catalogue, path: str, beside: list[str]) -> bytes:
    lines = [f"{md5(data).hexdigest()}  {name}\n" for name, data in _listed(catalogue, path, beside)]
    return "".join(lines).encode()


def _bsd_sums(catalogue: Catalogue, path: str, beside: list[str]) -> bytes:
    sums = [(*bsd_sum(data), name) for name, data in _listed(catalogue, path, beside)]
    return "".join(f"{total:05d} {blocks:5d} {name}\n" for total, blocks, name in sums).encode()
