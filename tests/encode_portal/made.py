"""A made-up catalogue with every case that pairing and the choice of files must meet.

`made()` gives a `Made`; `cases` names experiments by what they stand for. Accessions have the real form and are counted
up, so equal sizes give equal catalogues; nothing in it is of a real experiment, save gene ids and TSS.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .catalogue import Catalogue, Object
from .measured import Genome, human_genome, mouse_genome
from .mirror import add_mirror
from .objects import Assay, Workshop
from .terms import MOUSE, TERMS


@dataclass(frozen=True)
class Size:
    """How much is made.

    Attributes:
        peaks: Intervals of a default peak file; IDR files have half.
        genes: Human genes of a quantification; None: all of the shipped model.
        mouse_genes: Made-up mouse genes.
        seed: Of measurements.
    """

    peaks: int = 20_000
    genes: int | None = None
    mouse_genes: int = 6_000
    seed: int = 0


SMALL = Size(peaks=200, genes=120, mouse_genes=60)
"""For tests that look at no values."""


@dataclass(frozen=True)
class Case:
    """Experiments that stand for something.

    Attributes:
        atac: Accessions of the ATAC-seq (or DNase-seq) experiments.
        rna: Accessions of the RNA-seq experiments.
        level: Why they pair: biosample, parent, batch, pool, donor, epigenome, term; "" if they must not.
    """

    atac: tuple[str, ...]
    rna: tuple[str, ...]
    level: str = ""


@dataclass
class Made:
    """A made-up catalogue.

    Attributes:
        catalogue: What a portal serves.
        cases: By name; see `made_cases` and `made_runs`.
    """

    catalogue: Catalogue
    cases: dict[str, Case] = field(default_factory=dict)

    def copy(self) -> "Made":
        """Give one that a test may change."""
        return Made(self.catalogue.copy(), dict(self.cases))


def discovery_rate(percent: float) -> dict[str, Any]:
    """Give the fields of a peak file that tells its false discovery rate."""
    return {"filter_type": "false discovery rate percentage", "filter_value": percent}


@dataclass
class Bench:
    """Makes experiments together with their measurements."""

    shop: Workshop
    human: Genome
    mouse: Genome
    size: Size
    cases: dict[str, Case]

    def atac(
        self,
        *biosamples: Object,
        assay: Assay = "ATAC-seq",
        default: str | None = "pseudoreplicated peaks",
        idr: bool = True,
        **fields: Any,
    ) -> Object:
        """Make an accessibility experiment with its default peaks and, for ATAC-seq, its IDR peaks.

        Args:
            biosamples: One for each biological replicate.
            assay: ATAC-seq or DNase-seq.
            default: Output type of the file with the default flag (of DNase-seq: peaks at 0.1 %); None: no such file.
            idr: Whether there is an IDR file.
            fields: Of the experiment.
        """
        one = self.shop.experiment(assay, biosamples, **fields)
        numbers = range(1, len(biosamples) + 1)
        if assay == "DNase-seq":
            if default is not None:
                self.peaks(one, numbers, output_type="peaks", preferred_default=True, **discovery_rate(0.1))
            return one
        if default is not None:
            self.peaks(one, numbers, output_type=default, preferred_default=True)
        if default == "replicated peaks":  # the other naive overlap, which has no flag
            self.peaks(one, numbers[:1], output_type="pseudoreplicated peaks")
        if idr:
            self.peaks(one, numbers, output_type="IDR thresholded peaks")
        return one

    def peaks(self, experiment: Object, replicates: Sequence[int], *, output_type: str, **fields: Any) -> Object:
        """Add a narrowPeak file to an experiment."""
        genome, level, library = self._level(experiment, replicates[0])
        idr = output_type.startswith("IDR")
        data = genome.peaks(level, _noise(library, fields), count=self.size.peaks // (2 if idr else 1), idr=idr)
        fields = {"assembly": "GRCh38" if genome is self.human else "mm10", **fields}
        form = {"file_format": "bed", "file_format_type": "narrowPeak", "output_type": output_type}
        return self.shop.file(experiment, data, replicates, **form, **fields)

    def rna(self, *biosamples: Object, assay: Assay = "polyA plus RNA-seq", old: bool = False, **fields: Any) -> Object:
        """Make an RNA experiment with a gene quantification of each biological replicate.

        Args:
            biosamples: One for each biological replicate.
            assay: Its title.
            old: Whether there are V24 quantifications too, of an older analysis.
            fields: Of the experiment.
        """
        one = self.shop.experiment(assay, biosamples, **fields)
        for number in range(1, len(biosamples) + 1):
            self.quantification(one, number, preferred_default=True)
            if old:
                self.quantification(one, number, annotation="V24", analysis_status="archived", status="archived")
        return one

    def quantification(self, experiment: Object, replicate: int, *, annotation: str = "V29", **fields: Any) -> Object:
        """Add a gene quantification to an experiment."""
        genome, level, library = self._level(experiment, replicate)
        annotation = annotation if genome is self.human else "M21"
        total = experiment["assay_title"] == "total RNA-seq"
        data = genome.quantification(level, _noise(library, fields), annotation=annotation, total=total)
        fields = {"assembly": "GRCh38" if genome is self.human else "mm10", **fields}
        form = {"file_format": "tsv", "output_type": "gene quantifications", "genome_annotation": annotation}
        return self.shop.file(experiment, data, [replicate], **form, **fields)

    def _level(self, experiment: Object, replicate: int) -> tuple[Genome, Any, str]:
        """Give genome, levels of the genes and the name of the library."""
        library = experiment["replicates"][replicate - 1]["library"]
        sample = library["biosample"]
        genome = self.mouse if sample["organism"] is MOUSE else self.human
        words = (
            sample["biosample_ontology"]["term_id"],
            sample.get("donor", sample)["accession"],
            library["accession"],
        )
        return genome, genome.level(*words), library["accession"]

    def case(self, name: str, atac: Sequence[Object], rna: Sequence[Object], level: str = "") -> None:
        """Name experiments by what they stand for."""
        self.cases[name] = Case(tuple(one["accession"] for one in atac), tuple(one["accession"] for one in rna), level)


def _noise(library: str, fields: dict[str, Any]) -> str:
    """Name the noise of a file: that of its library, and of the run or threshold that sets it apart."""
    return " ".join([library, *(str(fields[name]) for name in ("pipeline", "filter_value") if name in fields)])


@cache
def _made(size: Size) -> Made:
    from .made_cases import make_cases
    from .made_runs import make_run_cases

    result = Made(Catalogue())
    shop = Workshop(result.catalogue)
    for term in TERMS.values():
        result.catalogue.add(term)
    bench = Bench(
        shop, human_genome(size.genes, size.seed), mouse_genome(size.mouse_genes, size.seed), size, result.cases
    )
    make_cases(bench)
    make_run_cases(bench)
    add_mirror(result.catalogue, bench.human, bench.mouse)
    return result


def made(size: Size = SMALL) -> Made:
    """Give a made-up catalogue that may be changed; one of a size is made once in a process."""
    return _made(size).copy()
