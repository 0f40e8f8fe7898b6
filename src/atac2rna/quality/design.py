"""How samples are grouped: what a split can hold apart, and what it cannot."""

from atac2rna.quality.cohort import CheckInput, count_phrase
from atac2rna.quality.finding import Finding

FEW_CELLS = 50
"""Cells added up to a sample below which its sums are mostly noise."""


def find_design_problems(cohort: CheckInput) -> list[Finding]:
    """Judge the manifest columns `group`, `lineage`, `donor` and `assay`, and numbers of cells."""
    return [
        *_lonely_groups(cohort),
        *_shared_donors(cohort),
        *_lineages(cohort),
        *_assays(cohort),
        *_few_cells(cohort),
    ]


def _lonely_groups(cohort: CheckInput) -> list[Finding]:
    groups = cohort.groups
    lonely = sum(groups.count(group) == 1 for group in groups)
    if not lonely:
        return []
    number = len(set(groups))
    return [
        Finding(
            "warning",
            "groups-of-one",
            "atlas",
            f"{lonely} of {count_phrase(number, 'group')}",
            f"{lonely} of {count_phrase(number, 'group')} hold a single sample: no replicate tells the noise "
            "there, and a split by group may part relatives that were not named as such.",
            "Give replicates and samples of one donor or cell type the same `group`, or hold out by `lineage`.",
        )
    ]


def _shared_donors(cohort: CheckInput) -> list[Finding]:
    donors = cohort.rows_by("donor")
    shared = {donor: rows for donor, rows in donors.items() if len({cohort.groups[row] for row in rows}) > 1}
    if not shared:
        return []
    scored = [row for row, has in enumerate(cohort.has_rna) if has] or list(range(len(cohort.samples)))
    known = dict.fromkeys(cohort.columns["donor"][row] for row in scored)
    if len(known) == 1 and all(known):
        return [_one_donor(next(iter(known)), "samples" if len(scored) == len(cohort.samples) else "samples with RNA")]
    rows = sorted(row for rows in shared.values() for row in rows)
    first = next(iter(shared))
    return [
        Finding(
            "warning",
            "donor-across-groups",
            cohort.names(rows),
            f"{len(shared)} of {count_phrase(len(donors), 'donor')}",
            f"{len(shared)} of {count_phrase(len(donors), 'donor')} gave samples to more than one group, the first "
            f"{first}: a split by group leaves the donor's genome on both sides.",
            _donor_remedy(cohort, scored),
        )
    ]


def _one_donor(donor: str, scored: str) -> Finding:
    """Say what scores speak of where no split can leave the donor out."""
    return Finding(
        "note",
        "donor-across-groups",
        "atlas",
        "1 donor",
        f"All {scored} are of one donor, {donor}: every split leaves its genome on both sides.",
        "Read scores as those of further samples of this donor (of mice: of this strain).",
    )


def _donor_remedy(cohort: CheckInput, scored: list[int]) -> str:
    """Say what can be done: a hold-out by donor needs one for every sample that is scored, and divides no group."""
    donors = [cohort.columns["donor"][row] for row in scored]
    if not all(donors):
        return "Give all samples of a donor one group, or fill in `donor` for every sample and hold out by it."
    groups = [cohort.groups[row] for row in scored]
    if len(set(zip(groups, donors, strict=True))) > len(set(groups)):
        return "Give all samples of a donor one group."
    return "Hold out by `donor`, or give all samples of a donor one group."


def _lineages(cohort: CheckInput) -> list[Finding]:
    missing = len(cohort.samples) - sum(map(len, cohort.rows_by("lineage").values()))
    if not missing:
        return []
    return [
        Finding(
            "note",
            "lineage-missing",
            "atlas",
            f"{missing} of {count_phrase(len(cohort.samples), 'sample')}",
            f"{missing} of {count_phrase(len(cohort.samples), 'sample')} have no `lineage`, so relatives (say CD4 and "
            "CD8 T cells) may stand on both sides of a split, and scores come out too high.",
            "Add a column `lineage` that gathers related cell types.",
        )
    ]


def _assays(cohort: CheckInput) -> list[Finding]:
    assays = cohort.rows_by("assay")
    if len({assay.lower() for assay in assays}) < 2:
        return []
    told = ", ".join(f"{assay} {len(rows)}" for assay, rows in assays.items())
    most = max(assays, key=lambda assay: len(assays[assay]))
    rest = sorted(row for assay, rows in assays.items() if assay != most for row in rows)
    return [
        Finding(
            "warning",
            "assays-mixed",
            cohort.names(rest),
            told,
            f"Accessibility comes from {len(assays)} assays ({told}), whose peaks differ in width and strength.",
            "Read scores by `dataset` or assay too, and prefer one assay where there are enough samples.",
        )
    ]


def _few_cells(cohort: CheckInput) -> list[Finding]:
    """Judge the numbers of cells that `build --h5mu --by` adds up."""
    findings = []
    for assay in ("atac", "rna"):
        cells = {
            row: int(count)
            for row, count in enumerate(cohort.columns.get(f"cells_{assay}", ()))
            if count.isdecimal() and 0 < int(count) < FEW_CELLS
        }
        if cells:
            low, high = min(cells.values()), max(cells.values())
            value = f"{low} cells" if low == high else f"{low} to {high} cells"
            findings.append(
                Finding(
                    "warning",
                    f"cells-few-{assay}",
                    cohort.names(list(cells)),
                    value,
                    f"{len(cells)} of {count_phrase(len(cohort.samples), 'sample')} are sums of {value} of {assay}, fewer than "
                    f"{FEW_CELLS}: most of what differs between them and others is noise.",
                    "Gather cells by a coarser column, or leave these samples out.",
                )
            )
    return findings
