"""AnnData, an optional dependency."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from atac2rna.extras import import_anndata

if TYPE_CHECKING:
    from anndata import AnnData


def make_anndata(
    values: Mapping[str, NDArray[Any]],
    *,
    obs: Mapping[str, Mapping[str, Any]],
    var: Mapping[str, Sequence[Any] | NDArray[Any]],
    gene_ids: Sequence[str],
    uns: Mapping[str, str],
) -> "AnnData":
    """Put arrays and tables together.

    Args:
        values: Arrays of shape (samples, genes): the first is X, the others are layers.
        obs: Columns of each sample, by name.
        var: Columns of the genes.
        gene_ids: Ids of the genes.
        uns: What holds for all, by key; stands below `atac2rna`.

    Raises:
        InputError: If anndata is not installed.
    """
    anndata = import_anndata()
    import pandas as pd

    (_, first), *others = values.items()
    matrix: AnnData = anndata.AnnData(
        X=first,
        obs=pd.DataFrame(list(obs.values()), index=pd.Index(list(obs), name="sample")),
        var=pd.DataFrame(dict(var), index=pd.Index(list(gene_ids), name="gene_id")),
        layers=dict(others),
        uns={"atac2rna": dict(uns)},
    )
    return matrix
