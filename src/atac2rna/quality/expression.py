"""Expression that is empty, on another scale than TPM, or whose genes could not be joined."""

import numpy as np
from numpy.typing import NDArray

from atac2rna.quality.cohort import CheckInput, count_phrase
from atac2rna.quality.finding import Finding

MILLION = (0.9e6, 1.1e6)
"""What the TPM of a file may add up to, allowing for rounding and for rows left out of it."""

LOG_MAXIMUM = 25.0
"""No log2(TPM + 1) exceeds log2(1e6 + 1) = 20, nor log2(count + 1) 25."""


def find_expression_problems(cohort: CheckInput) -> list[Finding]:
    """Judge the values of each sample's RNA file: first whether there are any, then their scale."""
    findings: list[Finding] = []
    rescaled: list[int] = []
    for row in np.flatnonzero(cohort.has_rna):
        values = cohort.tpm[row][np.isfinite(cohort.tpm[row])]
        if values.size == 0:
            continue  # no gene could be joined, which is a matter of ids
        found = _empty(cohort.samples[row], values) or _scale(
            cohort.samples[row], values, float(cohort.tpm_sums_file[row])
        )
        if found:
            findings.append(found)
        elif not MILLION[0] <= cohort.tpm_sums_file[row] <= MILLION[1]:
            rescaled.append(int(row))
    return findings + _sums(cohort, rescaled)


def _empty(sample: str, values: NDArray[np.floating]) -> Finding | None:
    above = int((values > 0).sum())
    of_genes = f"{above:,} of {count_phrase(values.size, 'gene')}"
    use_other = "Use the RNA file of gene quantifications of this sample, or leave its RNA out."
    if values.min() == values.max():
        zero = values[0] == 0
        what = "zero" if zero else f"{values[0]:g}"
        return Finding(
            "error",
            "expression-all-zero" if zero else "expression-constant",
            sample,
            f"{what} in {count_phrase(values.size, 'gene')}",
            f"Every one of {count_phrase(values.size, 'measured gene')} has the expression {what}.",
            use_other,
        )
    if values.min() < 0:
        return Finding(
            "error",
            "expression-negative",
            sample,
            f"{values.min():.4g}",
            f"TPM is never negative; {count_phrase(int((values < 0).sum()), 'gene')} are, down to {values.min():.4g}.",
            "Use TPM as quantified, not centred, log-transformed or batch-corrected values.",
        )
    if above < 0.1 * values.size:
        almost_none = above < 0.01 * values.size
        return Finding(
            "error" if almost_none else "warning",
            "expression-almost-none" if almost_none else "expression-sparse",
            sample,
            of_genes,
            f"{of_genes} have an expression above 0 ({above / values.size:.1%}), where a bulk RNA-seq has about half.",
            f"Look whether this is another assay (small RNA-seq, a single cell). {use_other}",
        )
    return None


def _scale(sample: str, values: NDArray[np.floating], file_sum: float) -> Finding | None:
    """Tell logarithms and counts from TPM; a sum of about a million is proof enough of TPM."""
    if MILLION[0] <= file_sum <= MILLION[1]:
        return None
    positive = values[values > 0]
    # Logarithms stay within ten times their mean, whereas the highest TPM is hundreds of times the mean; this keeps a
    # small region with weak genes from being taken for logarithms.
    if values.max() < LOG_MAXIMUM and values.max() < 10 * positive.mean() and positive.size >= 100:
        return Finding(
            "error",
            "expression-log",
            sample,
            f"highest value {values.max():.4g}, sum {file_sum:,.0f}",
            f"The values look like logarithms, not TPM: the highest is {values.max():.4g} and the file adds up to "
            f"{file_sum:,.0f} instead of about 1,000,000.",
            "Give TPM without logarithm (2^x - 1 undoes log2(TPM + 1)).",
        )
    if positive.size >= 100 and (values == np.rint(values)).all():
        return Finding(
            "error",
            "expression-counts",
            sample,
            f"whole numbers, sum {file_sum:,.0f}",
            f"The values look like read counts, not TPM: all of {count_phrase(values.size, 'gene')} are whole numbers "
            f"and the file adds up to {file_sum:,.0f}.",
            "Name the TPM column, or divide counts by gene length (in kb) and scale to a million.",
        )
    return None


def _sums(cohort: CheckInput, rows: list[int]) -> list[Finding]:
    if not rows:
        return []
    sums = cohort.tpm_sums_file[rows]
    value = f"{sums.min():,.0f}" if len(rows) == 1 else f"{sums.min():,.0f} to {sums.max():,.0f}"
    return [
        Finding(
            "warning",
            "expression-sum",
            cohort.names(rows),
            value,
            f"The TPM of {count_phrase(len(rows), 'sample')} add up to {value} instead of about 1,000,000 (genes "
            "left out of the file, small RNAs that took most of the million, or FPKM); they are rescaled to a million.",
            "Prefer files quantified over the same set of genes in every sample.",
        )
    ]


def find_id_problems(cohort: CheckInput) -> list[Finding]:
    """Judge how well the gene ids of the RNA files met those of the gene table.

    A file of 60,000 genes meets a table of 360 with few of its ids, and a file of a few genes fills little of a large
    table: the join failed only where both shares are low, so the better one is judged.
    """
    findings = []
    for row in np.flatnonzero(cohort.has_rna):
        filled = float(np.isfinite(cohort.tpm[row]).mean()) if len(cohort.gene_ids) else 0.0
        rate = max(float(np.nan_to_num(cohort.join_rate[row])), filled)
        value = f"{rate:.1%} of gene ids"
        if cohort.symbols[row]:
            findings.append(
                Finding(
                    "error",
                    "gene-ids-symbols",
                    cohort.samples[row],
                    value,
                    f"The gene ids of the RNA file look like gene symbols; {rate:.1%} match the gene table.",
                    "Name the column that holds Ensembl ids with --gene-column, or translate the symbols first.",
                )
            )
        elif rate < 0.8:
            findings.append(
                Finding(
                    "error" if rate < 0.1 else "warning",
                    "gene-ids-unmatched" if rate < 0.1 else "gene-ids-join-low",
                    cohort.samples[row],
                    value,
                    f"Only {rate:.1%} of the gene ids match the gene table; genes without a match are missing, not 0.",
                    "Use the annotation (species, release) with which the RNA was quantified: `build --annotation`.",
                )
            )
    return findings
