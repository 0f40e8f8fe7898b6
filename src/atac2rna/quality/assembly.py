"""Peaks in another assembly, or under other chromosome names, than declared."""

from atac2rna.quality.accessibility import REACH, Accessibility, expected_peaks
from atac2rna.quality.cohort import CheckInput, count_phrase
from atac2rna.quality.finding import Finding

CLEARLY_BELOW = 0.6
"""A declared assembly is wrong if it reaches less than this part of the promoters that another one reaches.

On 21 real samples the right assembly reaches 0.41 to 0.77 of the promoters of coding genes and the wrong one of hg19
and hg38 reaches 0.09 to 0.21, between 13% and 36% of the right one."""

WORTH_COMPARING = 0.02
"""Share of promoters that the better assembly reaches at least, so that chance does not decide."""

LOW = 0.25
"""Share of promoters below which no known assembly fits well; a weak FAIRE sample reaches 0.41."""


def find_assembly_problems(cohort: CheckInput, accessibility: Accessibility, *, min_peaks: int) -> list[Finding]:
    """Compare the declared assembly of each sample with every known one, by the share of promoters that peaks hit.

    Args:
        cohort: The samples.
        accessibility: Their peaks, summed up.
        min_peaks: With fewer peaks than this a low share has that cause and is not told a second time.
    """
    findings = []
    for sample, declared, summary in zip(cohort.samples, cohort.assemblies, accessibility.summaries, strict=True):
        shares = summary.promoters
        if not summary.count or not shares:
            continue
        best = max(shares, key=lambda name: shares[name])
        told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        if declared not in shares:
            findings.append(
                Finding(
                    "warning",
                    "assembly-unknown",
                    sample,
                    told,
                    f"Declared as {declared}, for which there is no gene table; promoters hit: {told}.",
                    f"Correct the assembly, or pass `--annotation {declared}=FILE`.",
                )
            )
        elif shares[best] >= WORTH_COMPARING and shares[declared] < CLEARLY_BELOW * shares[best]:
            findings.append(
                Finding(
                    "error",
                    "assembly-wrong",
                    sample,
                    told,
                    f"Declared as {declared}, but its peaks hit {shares[declared]:.1%} of the promoters there and "
                    f"{shares[best]:.1%} of those of {best} (within {REACH:,} bp of a TSS).",
                    f"Set the assembly to {best}, or use the peak file in {declared}.",
                )
            )
        elif shares[best] < LOW and summary.count >= expected_peaks(cohort, min_peaks):
            findings.append(
                Finding(
                    "warning",
                    "promoters-few",
                    sample,
                    told,
                    f"{summary.count:,} peaks hit only {shares[declared]:.1%} of the promoters of {declared}, and no "
                    "more in any other known assembly.",
                    "Check that the file holds accessibility peaks of a whole genome in a known assembly and species.",
                )
            )
    return findings


def find_naming_problems(cohort: CheckInput) -> list[Finding]:
    """Tell peak files whose chromosomes are not named as `chr1`, or not all in one way."""
    findings = []
    mixed = [row for row, naming in enumerate(cohort.peak_naming) if naming == "mixed"]
    other = [row for row, naming in enumerate(cohort.peak_naming) if naming not in ("mixed", "ucsc")]
    if mixed:
        findings.append(
            Finding(
                "warning",
                "chromosomes-mixed",
                cohort.names(mixed),
                count_phrase(len(mixed), "sample"),
                f"The peak files of {count_phrase(len(mixed), 'sample')} name chromosomes in more than one way.",
                "They were read as one genome; look whether files of different assemblies were joined.",
            )
        )
    if other:
        styles = ", ".join(sorted({cohort.peak_naming[row] for row in other}))
        findings.append(
            Finding(
                "note",
                "chromosomes-renamed",
                cohort.names(other),
                styles,
                f"The peak files of {count_phrase(len(other), 'sample')} name chromosomes in another style than `chr1` "
                f"({styles}); they were translated.",
                "Nothing to do.",
            )
        )
    return findings
