"""Further columns of samples that do not come from a samples.tsv."""

from collections.abc import Mapping, Sequence

from atac2rna.errors import InputError, nearest_names
from atac2rna.formats.sample_info import SampleInfo

SHOWN = 6


def with_info(
    samples: Sequence[str], own: Mapping[str, Mapping[str, str]], info: SampleInfo | None
) -> dict[str, dict[str, str]]:
    """Give the columns of each sample: its own, then those of the table; empty where the table has no row.

    Args:
        samples: Names of the samples.
        own: Columns by sample that are known already.
        info: The table.

    Raises:
        InputError: If the table names none of the samples, or repeats a column.
    """
    if info is None:
        return {sample: dict(own.get(sample, {})) for sample in samples}
    if not set(samples) & set(info.rows):
        first = next(iter(info.rows))
        raise InputError(
            f"{info.path}: a table of samples names them as the matrix does; none of its {len(info.rows)} names is one of the "
            f"{len(samples)} samples, not {first!r}; {nearest_names(first, list(samples))}"
        )
    empty = dict.fromkeys(info.columns, "")
    columns = {}
    for sample in samples:
        known = dict(own.get(sample, {}))
        again = [name for name in info.columns if name in known]
        if again:
            raise InputError(
                f"{info.path}: columns of a sample are named once; {again[0]!r} is known already. Rename it in the table."
            )
        columns[sample] = known | info.rows.get(sample, empty)
    return columns


def info_remarks(samples: Sequence[str], info: SampleInfo | None) -> list[str]:
    """Tell which samples have no row in the table, and which rows are of no sample."""
    if info is None:
        return []
    without = [sample for sample in samples if sample not in info.rows]
    further = [name for name in info.rows if name not in set(samples)]
    remarks = [f"{info.path}: has no row for {name_some(without)}; its columns are empty there"] if without else []
    return remarks + ([f"{info.path}: {name_some(further)} of its rows are of no sample here"] if further else [])


def name_some(names: Sequence[str]) -> str:
    """Count names and give the first of them: `3 (a, b, c)`."""
    return f"{len(names)} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
