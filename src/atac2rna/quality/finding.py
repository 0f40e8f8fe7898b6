"""The finding: one thing that is wrong or odd, with its remedy."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""error: the result would be wrong; warning: it may be worse or harder to compare; note: worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One observation on the data.

    Attributes:
        severity: See `Severity`.
        code: Stable short name of the rule (`expression-all-zero`).
        subject: What it is about: a sample's name, several joined by ", ", a table with rows, or "atlas".
        value: What was measured, with its unit ("3 peaks").
        message: One sentence: what is odd, measured against what.
        remedy: One sentence: what to do.
    """

    severity: Severity
    code: str
    subject: str
    value: str
    message: str
    remedy: str


_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


def by_severity(findings: list[Finding]) -> list[Finding]:
    """Sort errors first, keeping the order within each severity."""
    return sorted(findings, key=lambda finding: _ORDER[finding.severity])
