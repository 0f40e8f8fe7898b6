"""Scores and signals that say less than they seem to."""

from collections.abc import Callable
from typing import NamedTuple

from atac2rna.quality.accessibility import Accessibility, PeakSummary
from atac2rna.quality.cohort import CheckInput, count_phrase
from atac2rna.quality.finding import Finding, Severity

HIGHEST_SCORE = 1000
"""Highest score that the BED format allows."""

FEWEST = 100
"""Peaks without which a distribution of scores is not judged."""

SATURATED = 0.1
"""Share of peaks at the highest score from which on the score counts as saturated."""


class _Rule(NamedTuple):
    severity: Severity
    code: str
    of_score: bool  # of the column score, which regions that a table shares among samples have not
    applies: Callable[[PeakSummary], bool]
    value: Callable[[PeakSummary], float]
    phrase: str  # one {} for the values measured
    consequence: str
    remedy: str


_RULES = (
    _Rule(
        "warning",
        "score-constant",
        True,
        lambda summary: summary.score[0] == summary.score[1],
        lambda summary: summary.score[1],
        "every peak has the score {}",
        "the column says nothing, and a filter on it keeps all peaks or none",
        "Set no score filter for these samples; signalValue is used instead.",
    ),
    _Rule(
        "warning",
        "score-uncapped",
        True,
        lambda summary: summary.score[1] > HIGHEST_SCORE,
        lambda summary: summary.score[1],
        "the highest score is {}",
        "beyond the 1000 of the BED format (MACS2 prints it so), a score filter means another strength than elsewhere",
        "Set no score filter over these and other samples; signalValue, ranked within a sample, is comparable.",
    ),
    _Rule(
        "note",
        "score-saturated",
        True,
        lambda summary: summary.score[0] < summary.score[1] and summary.at_top >= SATURATED,
        lambda summary: round(100 * summary.at_top),
        "{}% of the peaks share the highest score",
        "it cannot tell the strongest peaks apart",
        "Rank by signalValue rather than by score.",
    ),
    _Rule(
        "warning",
        "signal-constant",
        False,
        lambda summary: summary.signal[0] == summary.signal[1],
        lambda summary: summary.signal[1],
        "every peak has the signal {}",
        "only the presence of peaks is known, not their strength",
        "Use narrowPeak files with signalValue where there are any.",
    ),
)


def find_score_problems(cohort: CheckInput, accessibility: Accessibility) -> list[Finding]:
    """Judge score and signal: one finding a rule, as whole sets of samples come from one caller."""
    findings = []
    for rule in _RULES:
        rows = [
            row
            for row, summary in enumerate(accessibility.summaries)
            if summary.count >= FEWEST
            and rule.applies(summary)
            and not cohort.is_track(row)
            and not (rule.of_score and cohort.shares_regions(row))
        ]
        if not rows:
            continue
        values = [rule.value(accessibility.summaries[row]) for row in rows]
        low, high = f"{min(values):,.6g}", f"{max(values):,.6g}"
        value = rule.phrase.format(low if low == high else f"{low} to {high}")
        among = f"{len(rows)} of {count_phrase(len(cohort.samples), 'sample')}"
        findings.append(
            Finding(
                rule.severity,
                rule.code,
                cohort.names(rows),
                value,
                f"In {among} {value}: {rule.consequence}.",
                rule.remedy,
            )
        )
    return findings
