"""All rules over the samples of an atlas."""

from atac2rna.quality.accessibility import find_peak_problems, summarise_peaks
from atac2rna.quality.agreement import find_disagreements
from atac2rna.quality.assembly import find_assembly_problems, find_naming_problems
from atac2rna.quality.cohort import CheckInput, log_expression
from atac2rna.quality.design import find_design_problems
from atac2rna.quality.duplicates import find_duplicates
from atac2rna.quality.expression import find_expression_problems, find_id_problems
from atac2rna.quality.finding import Finding, by_severity
from atac2rna.quality.pairing import find_swaps
from atac2rna.quality.score import find_score_problems


def find_problems(cohort: CheckInput, *, min_peaks: int = 10_000, seed: int = 0) -> list[Finding]:
    """Find what is wrong or odd in the samples of an atlas.

    Reads each sample's peaks once; 21 samples take seconds.

    Args:
        cohort: The samples as they were read.
        min_peaks: Fewer peaks than this are a warning, fewer than a tenth of it an error; scaled down in proportion for
            gene tables of fewer than 15,000 genes.
        seed: Of the bootstrap that tells swapped samples; the same seed gives the same findings.

    Returns:
        Errors first, then warnings, then notes; samples in the order given.
    """
    accessibility = summarise_peaks(cohort)
    expression = log_expression(cohort.tpm)
    findings = [
        *find_peak_problems(cohort, accessibility, min_peaks=min_peaks),
        *find_score_problems(cohort, accessibility),
        *find_assembly_problems(cohort, accessibility, min_peaks=min_peaks),
        *find_naming_problems(cohort),
        *find_id_problems(cohort),
        *find_expression_problems(cohort),
        *find_disagreements(cohort, expression),
    ]
    broken = {finding.subject for finding in findings if finding.severity == "error"}
    if any(finding.code == "datasets-disagree" for finding in findings):
        broken.update(cohort.samples)  # which of the two is in the wrong order is not known
    findings += find_duplicates(cohort, accessibility, expression)
    findings += find_swaps(cohort, accessibility, expression, leave_out=broken, seed=seed)
    findings += find_design_problems(cohort)
    return by_severity(findings)
