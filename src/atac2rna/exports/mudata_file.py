"""MuData: `atac`, samples x regions, and `rna`, samples x genes, in one .h5mu file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from atac2rna.exports import accessibility, expression
from atac2rna.exports.contents import assemblies_of, choose_samples, provenance, require_one_assembly
from atac2rna.exports.hdf5_image import hdf5_image
from atac2rna.exports.regions import Kind, Region, RegionAxis, gene_columns, gene_windows, open_bins
from atac2rna.extras import import_mudata
from atac2rna.files import whole_file

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

SUFFIX = ".h5mu"
_USER_BLOCK = 512
"""Bytes at the beginning of the file in which mudata writes its name."""


@dataclass(frozen=True)
class MuDataSettings:
    """What the modality `atac` holds.

    Attributes:
        kind: See `regions.Kind`.
        width: Width of a bin in bp.
        reach: Of windows: distance from the TSS to either end, in bp; a multiple of `width`.
        region: Of bins: only those of this region, and all of them; None: of the whole genome, where a peak is.
        assembly: Only samples of this assembly; None: all.
    """

    kind: Kind = "bins"
    width: int = 500
    reach: int = 5_000
    region: Region | None = None
    assembly: str | None = None


class Exported(NamedTuple):
    """What was written: numbers of samples, of those with RNA, of regions, and of genes (0 without RNA); and remarks."""

    samples: int
    paired: int
    regions: int
    genes: int
    remarks: tuple[str, ...] = ()


def export_mudata(
    atlas: Atlas,
    path: Path,
    settings: MuDataSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write an atlas as MuData, whole or not at all.

    Args:
        atlas: The atlas.
        path: A file whose name ends in .h5mu.
        settings: See `MuDataSettings`.
        overwrite: Replace a file that is there; it may hold what was computed from an earlier export.
        progress: Told of every sample looked at (bins of the whole genome) and placed.

    Raises:
        InputError: If mudata is not installed, the name ends otherwise, there is a file, or bins are asked of several
            assemblies.
    """
    settings = settings or MuDataSettings()
    if path.suffix.lower() != SUFFIX:
        raise InputError(
            f"an atlas is exported as MuData, {SUFFIX}; got {path}. Name the output so; mudata.read_h5mu(FILE)['rna'] "
            "is its AnnData of expression, and CSV matrices are written by --matrices DIR."
        )
    if path.is_dir():
        raise InputError(f"{path}: is a folder where a file is to be written; choose another -o.")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists, and may hold your own work; pass --overwrite to replace it, or another -o.")
    mudata = import_mudata("MuData")
    samples = choose_samples(atlas, settings.assembly)
    regions = _regions(atlas, samples, settings, progress)
    # The way mudata will go from 0.4 on: columns of samples are set once, below, and not gathered from the modalities.
    with whole_file(path) as temporary, mudata.set_options(pull_on_update=False):
        made = _make(mudata, atlas, samples, regions, progress)
        with hdf5_image(temporary, user_block=_USER_BLOCK) as image:
            made.write_h5mu(image, compression="gzip", compression_opts=1)
    rna = made.mod.get("rna")
    paired, genes = (0, 0) if rna is None else (rna.n_obs, rna.n_vars)
    remarks = [*_renamed(atlas), *_empty(atlas, samples, settings, made["atac"])]
    return Exported(len(samples), paired, made["atac"].n_vars, genes, tuple(remarks))


def _renamed(atlas: Atlas) -> list[str]:
    changed = [f"{name!r} as {new!r}" for name, new in column_names([*atlas.columns]).items() if name != new]
    return [f"columns of samples under names that a MuData file can have: {', '.join(changed)}"] if changed else []


def _empty(atlas: Atlas, samples: Sequence[str], settings: MuDataSettings, atac: "AnnData") -> list[str]:
    """Tell of a region without a peak: nothing in an atlas says where a chromosome ends."""
    region = settings.region
    if region is None or settings.kind != "bins" or atac.layers["presence"].nnz:
        return []
    frame = atlas.tables[atlas.record(samples[0]).assembly].frame
    inside = (frame["chrom"] == region.chrom) & (frame["start"] < region.end) & (frame["end"] > region.start)
    if inside.any():
        return [f"no peak of any sample lies in {region}"]
    return [f"no peak of any sample and no gene lies in {region}; does the chromosome end before it?"]


def count_steps(atlas: Atlas, settings: MuDataSettings) -> int:
    """Count the steps that `export_mudata` will tell its progress of."""
    passes = 2 if settings.kind == "bins" and settings.region is None else 1
    return passes * len(choose_samples(atlas, settings.assembly))


def _regions(
    atlas: Atlas, samples: Sequence[str], settings: MuDataSettings, progress: Callable[[str], None]
) -> RegionAxis:
    if settings.kind == "windows":
        return gene_windows(atlas, assemblies_of(atlas, samples), width=settings.width, reach=settings.reach)
    require_one_assembly(atlas, samples, instead=", or --windows for bins around genes, which all assemblies share")
    return open_bins(atlas, samples, width=settings.width, region=settings.region, progress=progress)


def _make(
    mudata: Any, atlas: Atlas, samples: Sequence[str], regions: RegionAxis, progress: Callable[[str], None]
) -> "MuData":
    """Put the modalities together; samples without RNA are in `atac` alone, and there is no `rna` where none has any."""
    obs = _sample_table(atlas, samples)
    with_rna = set(atlas.paired)
    paired = [sample for sample in samples if sample in with_rna]
    modalities = {"atac": _accessibility(atlas, samples, regions, obs, progress)}
    if paired:
        modalities["rna"] = _expression(atlas, paired, assemblies_of(atlas, samples), obs)
    together: MuData = mudata.MuData(modalities)
    for name in obs.columns:
        together.obs[name] = obs.loc[together.obs_names, name]
    together.uns["atac2rna"] = provenance(atlas, samples)
    return together


def _sample_table(atlas: Atlas, samples: Sequence[str]) -> "pd.DataFrame":
    """Columns of the samples, as in the atlas, under `column_names`."""
    import pandas as pd

    row_of = {name: row for row, name in enumerate(atlas.columns["sample"])}
    new = column_names([*atlas.columns])
    columns = {
        new[name]: [values[row_of[sample]] for sample in samples]
        for name, values in atlas.columns.items()
        if name != "sample"
    }
    return pd.DataFrame(columns, index=pd.Index(samples, name="sample", dtype=object))


def column_names(names: Sequence[str]) -> dict[str, str]:
    """Give each column of samples a name that a MuData file can have, no two the same.

    HDF5 divides names at slashes and takes `.` for the group itself, AnnData keeps `_index` for names of rows, and MuData
    takes `atac:x` for a copy of the column x of atac.

    Args:
        names: Names of the columns, without repeats.

    Returns:
        By name: itself, or with `_` in place of what cannot be; with a number where that is another's.
    """
    found: dict[str, str] = {}
    fit = {name: _fit_name(name) for name in names}
    taken = {name for name in names if fit[name] == name}
    for name in names:
        new, number = fit[name], 2
        while new != name and new in taken:
            new, number = f"{fit[name]}_{number}", number + 1
        taken.add(new)
        found[name] = new
    return found


def _fit_name(name: str) -> str:
    new = name.replace("/", "_")
    if new.partition(":")[0] in ("atac", "rna"):
        new = new.replace(":", "_", 1)
    return {"_index": "index", ".": "_"}.get(new, new)


def _accessibility(
    atlas: Atlas, samples: Sequence[str], regions: RegionAxis, obs: "pd.DataFrame", progress: Callable[[str], None]
) -> "AnnData":
    import pandas as pd
    from anndata import AnnData

    values = accessibility.measure(atlas, samples, regions, progress=progress)
    return AnnData(
        X=values.signal,
        obs=obs.copy(),
        var=pd.DataFrame(regions.var, index=pd.Index(regions.names.astype(object), name="region")),
        layers={"strength": values.strength, "presence": values.presence},
        uns={"atac2rna": {"regions": regions.describe, **_ATAC}},
    )


def _expression(atlas: Atlas, paired: Sequence[str], assemblies: Sequence[str], obs: "pd.DataFrame") -> "AnnData":
    import pandas as pd
    from anndata import AnnData

    values = expression.measure(atlas, paired)
    genes = gene_columns(atlas, assemblies)
    var = {name: genes[name].to_list() for name in genes.columns if name != "gene_id"}
    return AnnData(
        X=values.log2_tpm,
        obs=obs.loc[list(paired)].copy(),
        var=pd.DataFrame(var, index=pd.Index(atlas.gene_ids, name="gene_id", dtype=object)),
        layers={"tpm": values.tpm, "log2_tpm": values.log2_tpm.copy()},
        uns={"atac2rna": dict(_RNA)},
    )


_ATAC = {
    "X": "signal of the strongest peak whose summit (else midpoint) lies in the region, as in the sample's file; 0: none, "
    "or one of signal 0, as presence tells",
    "strength": "the same by rank within the sample: 1 at rank 1,000, 0 from rank 120,000 on",
    "presence": "1 where such a peak lies",
}
_RNA = {
    "X": "log2(TPM + 1)",
    "tpm": "TPM per million over these genes; NaN: not measured",
    "log2_tpm": "log2(TPM + 1)",
}
