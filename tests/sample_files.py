"""Made-up samples as files, and what a build made of them."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from atac2rna.atlas import Atlas
from atac2rna.building import BuildSettings, build_atlas
from atac2rna.formats.manifest import read_manifest

IDS = [f"ENSG{i:011d}" for i in range(1, 31)]
SYMBOLS = [f"SYM{i}" for i in range(1, 31)]


class Files:
    """Made-up samples in a folder; every sample has one peak at its own place unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[tuple[str, str, str, str]] = []
        self.annotations = {"hg38": self.gene_list()}

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    def gene_list(self, name: str = "genes.tsv", ids: list[str] = IDS, biotype: str = "protein_coding") -> Path:
        head = "gene_id\tgene_name\tchrom\tstart\tend\tstrand\tbiotype\n"
        rows = [
            f"{g}\t{SYMBOLS[i % 30]}\tchr1\t{1000 * i + 1}\t{1000 * i + 500}\t+\t{biotype}\n" for i, g in enumerate(ids)
        ]
        return self.folder / self.write(name, head + "".join(rows))

    def peaks(self, name: str, *intervals: tuple[int, int, float]) -> str:
        return self.write(
            name, "".join(f"chr1\t{a}\t{b}\tp\t{int(s)}\t.\t{s}\t-1\t-1\t{(b - a) // 2}\n" for a, b, s in intervals)
        )

    def rna(self, name: str, tpm: Mapping[str, float]) -> str:
        return self.write(name, "gene_id\tTPM\n" + "".join(f"{gene}\t{value}\n" for gene, value in tpm.items()))

    def sample(self, name: str, *, atac: str | None = None, rna: str | None = None, assembly: str = "hg38") -> None:
        place = 100 * (len(self.rows) + 1)
        atac = atac if atac is not None else self.peaks(f"{name}.bed", (place, place + 50, 5.0))
        rna = rna if rna is not None else self.rna(f"{name}.tsv", {g: i + 1.0 for i, g in enumerate(IDS)})
        self.rows.append((name, atac, rna, assembly))

    def build(self, *, mode: Any = "new", output: str = "atlas", **settings: Any) -> Atlas:
        rows = [("sample", "atac", "rna", "assembly"), *self.rows]
        sheet = self.write("samples.tsv", "".join("\t".join(row) + "\n" for row in rows))
        manifest = read_manifest(self.folder / sheet)
        chosen = BuildSettings(**settings)
        return build_atlas(manifest, self.folder / output, annotations=self.annotations, settings=chosen, mode=mode)


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def tpm_of(atlas: Atlas, sample: str) -> dict[str, float]:
    values = atlas.raw_tpm([sample])[0].tolist()
    return {gene: value for gene, value in zip(atlas.axis, values, strict=True) if value == value}
