"""Who is held out together, and what may be seen meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import sorted_chroms

CHROMOSOME = "chromosome"
"""The hold-out that withholds genes instead of samples."""


@dataclass(frozen=True)
class Fold:
    """One split.

    Attributes:
        name: What is held out, for tables ("myeloid", "chr3", "myeloid,chr3").
        cluster: The value of the hold-out column; intervals are resampled over clusters.
        train: Indices of the training samples, ascending.
        test: Indices of the samples that are scored, ascending.
        withheld: True for genes whose expression no fitted model sees, shape (genes,); these alone are scored then.
            None when no gene is withheld.
    """

    name: str
    cluster: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    withheld: NDArray[np.bool_] | None = None


def choose_holdout(columns: Mapping[str, Sequence[str]]) -> str:
    """Name the hold-out that is used when none is asked for: lineage, else group, else sample.

    A column serves if it has at least two values and no empty cell.
    """
    for name in ("lineage", "group"):
        values = columns.get(name, ())
        if len(set(values)) >= 2 and all(values):
            return name
    return "sample"


def make_folds(
    holdout: str, *, columns: Mapping[str, Sequence[str]], gene_chroms: Sequence[str], groups: Sequence[str]
) -> list[Fold]:
    """Make the folds of a hold-out.

    Args:
        holdout: A column of `columns`; `chromosome`; or `COLUMN,chromosome` for both.
        columns: Values of each sample, by column name; `sample` is among them.
        gene_chroms: Chromosome of each gene, shape (genes,).
        groups: Group of each sample: samples of one group are never divided between training and test.

    Returns:
        Folds in the order in which their clusters first appear (chromosomes in natural order).

    Raises:
        InputError: If the column does not exist, has an empty cell or a single value, or divides a group.
    """
    column, comma, second = holdout.partition(",")
    if comma and (second != CHROMOSOME or column == CHROMOSOME):
        raise InputError(f"a hold-out is COLUMN, chromosome, or COLUMN,chromosome; got {holdout!r}. Use one of these.")
    by_chromosome = _chromosome_masks(gene_chroms) if CHROMOSOME in (column, second) else {}
    if column == CHROMOSOME:
        everyone = tuple(range(len(groups)))
        return [Fold(chrom, chrom, everyone, everyone, mask) for chrom, mask in by_chromosome.items()]
    clusters = holdout_clusters(column, columns=columns, groups=groups)
    folds = [_sample_fold(cluster, clusters) for cluster in dict.fromkeys(clusters)]
    if not second:
        return folds
    return [
        Fold(f"{fold.name},{chrom}", fold.cluster, fold.train, fold.test, mask)
        for fold in folds
        for chrom, mask in by_chromosome.items()
    ]


def holdout_clusters(column: str, *, columns: Mapping[str, Sequence[str]], groups: Sequence[str]) -> tuple[str, ...]:
    """Give each sample's value of the hold-out column, refusing what would leak; arguments as in `make_folds`."""
    if column not in columns:
        raise InputError(
            f"a hold-out is a column of the samples, or {CHROMOSOME}; got {column!r}: "
            f"{nearest_names(column, [*columns, CHROMOSOME])}"
        )
    clusters = tuple(columns[column])
    empty = [sample for sample, value in zip(columns["sample"], clusters, strict=True) if not value]
    if empty:
        raise InputError(
            f"every sample has a value in the hold-out column; {column!r} is empty for {len(empty)} of {len(clusters)} "
            f"samples, the first {empty[0]}. Fill it in, or hold out by another column."
        )
    if len(set(clusters)) < 2:
        raise InputError(
            f"a hold-out needs at least two values; column {column!r} has only {clusters[0]!r}. Use another column."
        )
    home: dict[str, str] = {}
    for sample, group, cluster in zip(columns["sample"], groups, clusters, strict=True):
        if home.setdefault(group, cluster) != cluster:
            raise InputError(
                f"samples of one group stay on one side of every split; holding out by {column!r} divides group "
                f"{group!r} ({sample} is in {cluster!r}, others in {home[group]!r}). "
                f"Hold out by 'group' or correct the columns."
            )
    return clusters


def _sample_fold(cluster: str, clusters: Sequence[str]) -> Fold:
    test = tuple(i for i, value in enumerate(clusters) if value == cluster)
    train = tuple(i for i, value in enumerate(clusters) if value != cluster)
    return Fold(cluster, cluster, train, test)


def _chromosome_masks(gene_chroms: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    chroms = np.asarray(gene_chroms)
    names = sorted_chroms(gene_chroms)
    if len(names) < 2:
        raise InputError(f"a chromosome hold-out needs genes on at least two chromosomes; got {len(names)}.")
    return {name: chroms == name for name in names}
