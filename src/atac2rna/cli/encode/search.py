"""atac2rna encode search."""

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atac2rna.cli.encode.options import PortalAddress
from atac2rna.cli.options import OrganismOption, Quiet, Verbose

if TYPE_CHECKING:
    from atac2rna.cli.console import Console
    from atac2rna.sources.encode.search import Found

HELP = """See what accessibility and RNA experiments ENCODE has, how they pair, and how many.

Writes the pairs, one row a sample; beside them NAME.unpaired.tsv, the experiments in no pair with the reason, and
NAME.answers.json.gz, what the portal answered. Delete the rows that you do not want before `fetch`.

\b
Example: atac2rna encode search --organism human --assembly GRCh38 --classification tissue -o pairs.tsv
"""


class AtacOption(Enum):
    """Assays of accessibility; see `peak_family.OUTPUT_TYPES`."""

    atac = "ATAC-seq"
    dnase = "DNase-seq"


class RnaOption(Enum):
    """RNA assays; see `criteria.RNA_ASSAYS`."""

    total = "total RNA-seq"
    polya = "polyA plus RNA-seq"


class PeakOption(Enum):
    """Families of peak files; see `peak_family.PeakChoice`."""

    default = "default"
    idr = "idr"
    replicated = "replicated"


class LevelOption(Enum):
    """Levels of pairing; see `pairing.PairLevel`."""

    same_biosample = "same-biosample"
    same_origin = "same-origin"
    same_donor = "same-donor"
    same_epigenome = "same-epigenome"
    same_term = "same-term"


class AuditOption(Enum):
    """Levels of the portal's audits."""

    none = "none"
    error = "error"
    not_compliant = "not-compliant"
    warning = "warning"


Organism = Annotated[OrganismOption, typer.Option("--organism", case_sensitive=False, help="Organism.")]
Assembly = Annotated[
    str, typer.Option("--assembly", help="Assembly (default: GRCh38 of human, mm10 of mouse); UCSC names will do.")
]
GenomeAnnotation = Annotated[
    str,
    typer.Option(
        "--genome-annotation", help="Annotation of the gene quantifications (default: V29; mm10: M21; hg19: V19)."
    ),
]
AtacAssay = Annotated[
    AtacOption,
    typer.Option(
        "--atac-assay", case_sensitive=False, help="One for the whole set, as the scores of their peaks differ."
    ),
]
RnaAssay = Annotated[
    list[RnaOption],
    typer.Option("--rna-assay", case_sensitive=False, help="Kind of RNA-seq; repeat for both, the preferred first."),
]
Peaks = Annotated[
    PeakOption,
    typer.Option(
        "--peaks",
        case_sensitive=False,
        help="Peak files: the overlap peaks that the portal prefers, IDR, or replicated only.",
    ),
]
Level = Annotated[
    LevelOption,
    typer.Option(
        "--pair-level", case_sensitive=False, help="The weakest evidence that two experiments speak of one sample."
    ),
]
Audit = Annotated[
    AuditOption,
    typer.Option(
        "--audit", case_sensitive=False, help="Leave out experiments that the portal's audits flag so, or worse."
    ),
]
Perturbed = Annotated[
    bool, typer.Option("--perturbed", help="Perturbed experiments, too; they pair only with equal treatment.")
]
Kinds = Annotated[
    list[str],
    typer.Option(
        "--classification",
        help="'cell line', 'tissue', 'primary cell', 'in vitro differentiated cells', ... Repeatable.",
    ),
]
Organs = Annotated[list[str], typer.Option("--organ", help="Organ, as 'liver' or 'brain'. Repeatable.")]
Terms = Annotated[list[str], typer.Option("--term", help="Biosample term, as K562 or UBERON:0000945. Repeatable.")]
Stages = Annotated[list[str], typer.Option("--life-stage", help="Life stage, as adult or embryonic. Repeatable.")]
Sexes = Annotated[list[str], typer.Option("--sex", help="Sex of the donor: female, male, mixed. Repeatable.")]
Labs = Annotated[
    list[str],
    typer.Option("--lab", help="Lab of the accessibility experiment, as 'Michael Snyder, Stanford'. Repeatable."),
]
Tags = Annotated[list[str], typer.Option("--tag", help="Internal tag of the portal, as ENTEx. Repeatable.")]


def search(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PAIRS.tsv", help="Table of pairs to write.")],
    organism: Organism = OrganismOption.human,
    assembly: Assembly = "",
    genome_annotation: GenomeAnnotation = "",
    atac_assay: AtacAssay = AtacOption.atac,
    rna_assay: RnaAssay = [RnaOption.total],
    peaks: Peaks = PeakOption.default,
    pair_level: Level = LevelOption.same_epigenome,
    classification: Kinds = [],
    organ: Organs = [],
    term: Terms = [],
    life_stage: Stages = [],
    sex: Sexes = [],
    lab: Labs = [],
    tag: Tags = [],
    perturbed: Perturbed = False,
    audit: Audit = AuditOption.error,
    archived: Annotated[bool, typer.Option("--archived", help="Archived experiments and files, too.")] = False,
    portal: PortalAddress = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Parse, search, print what came back."""
    from atac2rna.cli.console import Console
    from atac2rna.errors import InputError
    from atac2rna.sources.connection import PORTAL, Connection
    from atac2rna.sources.encode.criteria import Criteria
    from atac2rna.sources.encode.portal import Portal
    from atac2rna.sources.encode.search import search, write_found

    if output.exists() and not overwrite:
        raise InputError(
            f"{output}: exists, and may hold your choice of rows; pass --overwrite to replace it, or another -o."
        )
    console = Console(quiet=quiet, verbose=verbose)
    criteria = Criteria(
        organism=organism.value,
        assembly=assembly,
        genome_annotation=genome_annotation,
        accessibility=atac_assay.value,
        rna=tuple(dict.fromkeys(assay.value for assay in rna_assay)),
        peaks=peaks.value,
        classifications=tuple(classification),
        organs=tuple(organ),
        terms=tuple(term),
        life_stages=tuple(life_stage),
        sexes=tuple(sex),
        labs=tuple(lab),
        tags=tuple(tag),
        perturbed=perturbed,
        audit="" if audit is AuditOption.none else audit.name.upper(),
        archived=archived,
    )
    with Connection(portal=portal or PORTAL) as connection:
        found = search(Portal(connection), criteria, least=pair_level.value, progress=console.note)
    _say(console, found, output, write_found(found, output))


def _say(console: "Console", found: "Found", output: Path, beside: tuple[Path, Path]) -> None:
    from atac2rna.sources.connection import PORTAL
    from atac2rna.sources.encode.criteria import RNA_ASSAYS

    for assay in RNA_ASSAYS:
        if assay not in found.criteria.rna:
            console.note(f"{assay} was not looked at; --rna-assay {shlex.quote(assay)} beside the others adds it")
    for line in found.told:
        console.say(line)
    console.table(found.counts())
    console.say()
    console.say("pairs: " + ", ".join(f"{count} {level}" for level, count in found.levels()))
    groups = len(set(found.group_of_pairs()))
    pairs, lineages, in_groups = (
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((len(found.pairs), "pair"), (found.lineages, "lineage"), (groups, "group"))
    )
    console.say(f"{output}: {pairs} in {lineages} and {in_groups}")
    console.say(f"{beside[0]}: {len(found.unpaired)} experiments in no pair, with the reason")
    console.say(f"{beside[1]}: what the portal answered")
    if found.pairs:
        there = f" --portal {shlex.quote(found.portal)}" if found.portal != PORTAL else ""
        console.say(f"fetch them with: atac2rna encode fetch {shlex.quote(str(output))} -o encode{there}")
    else:
        console.say(f"nothing to fetch: {beside[0]} tells why; choose more widely")
