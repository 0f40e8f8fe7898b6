"""The compendium of 56 real epigenomes beside 21 real samples: who is found to be whom."""

import os
from pathlib import Path

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.folds import make_folds
from atac2rna.formats.manifest import read_manifest
from atac2rna.profile_pool import ProfilePool

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not DATA,
        reason="set ATAC2RNA_TEST_DATA to the folder of the real data (atlas21, annotation, expression_compendium)",
    ),
]

TWINS = {"E116": "GM12878", "E117": "HeLa-S3", "E122": "HUVEC", "E123": "K562", "E127": "NHEK"}
KIN = {
    "HSPC": ["E050"],
    "lymphoid": ["E037", "E038", "E047", "E062"],
    "myeloid": ["E062"],
    "keratinocyte": ["E057", "E058"],
    "digestive tissue": ["E094", "E106"],
}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    annotations = {name: Path(DATA, "annotation", f"genes_{name}.tsv.gz") for name in ("hg19", "hg38")}
    path = tmp_path_factory.mktemp("real") / "atlas.zarr"
    return build_atlas(read_manifest(Path(DATA, "atlas21", "samples.tsv")), path, annotations=annotations)


def cohort_of(atlas: Atlas, *, info: bool, strict: bool = False) -> tuple[Cohort, ProfilePool]:
    folder = Path(DATA, "expression_compendium")
    declared = folder / "epigenomes.tsv" if info else None
    compendium = load_compendium(folder / "roadmap56_tpm.tsv.gz", declared, strict_relatives=strict)
    cohort = make_cohort(atlas, compendium=compendium, strict_relatives=strict)
    assert cohort.pool is not None
    return cohort, cohort.pool


@pytest.mark.parametrize("info", [True, False], ids=["declared", "found"])
def test_five_epigenomes_are_samples(atlas: Atlas, info: bool) -> None:
    _, pool = cohort_of(atlas, info=info)
    assert pool.left_out == {profile: (sample,) for profile, sample in TWINS.items()}
    prior = pool.prior(range(21))
    assert prior is not None
    assert prior.expression.shape == (51, 17_856)
    assert np.isfinite(prior.expression).all()
    assert not {*TWINS} & {*prior.profiles}


def test_the_next_most_alike_are_far_from_the_threshold(atlas: Atlas) -> None:
    _, pool = cohort_of(atlas, info=False)
    r = np.sort(pool.correlation, axis=None)[::-1]
    assert r[4] > 0.9999
    assert r[5] == pytest.approx(0.959, abs=0.002)


def test_strict_relatives_leave_out_those_of_the_lineage(atlas: Atlas) -> None:
    cohort, pool = cohort_of(atlas, info=True, strict=True)
    folds = make_folds("lineage", columns=cohort.columns, gene_chroms=["chr1"] * 17_856, groups=cohort.groups)
    kin = {fold.name: list(pool.kin_of_held_out(fold.train)) for fold in folds}
    assert {name: names for name, names in kin.items() if names} == KIN
    lymphoid = next(fold for fold in folds if fold.name == "lymphoid")
    prior = pool.prior(lymphoid.train)
    assert prior is not None
    assert len(prior.profiles) == 47
    assert prior.barred.sum() == 5  # of HSC, of NHEK two, of stomach and sigmoid colon; Mono's is gone
