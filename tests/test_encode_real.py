"""The three commands on real objects: the two EN-TEx tissues of the real data, served by the loopback portal."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.formats.manifest import read_manifest
from conftest import Cli
from encode_portal import running_portal
from encode_portal.made import made
from encode_portal.real import add_real

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not DATA, reason="set ATAC2RNA_TEST_DATA to the folder of the real data (encode_portal, atlas21)"
    ),
]


def test_the_entex_tissues_come_as_they_lie_on_the_disk(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The atlas of what was searched, fetched and built is that of the files themselves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path / "cache"))
    catalogue = made().catalogue
    add_real(catalogue, Path(DATA) / "encode_portal")
    with running_portal(catalogue) as portal:
        address = ("--portal", portal.url)
        assert cli("encode", "search", "--genome-annotation", "V24", "-o", "pairs.tsv", *address).code == 0
        ended = cli("encode", "fetch", "pairs.tsv", "-o", "encode", *address)
    assert ended.code == 0, ended.err
    ended = cli("build", "encode/samples.tsv", "-o", "encode.zarr")
    assert ended.code == 0, ended.err
    atlas = Atlas(tmp_path / "encode.zarr")
    tissues = {record.columns["term_name"]: record for record in atlas.samples}
    assert sorted(tissues) == ["sigmoid colon", "stomach"]
    assert {record.columns["group"] for record in atlas.samples} == {"ENCDO451RUA stomach", "ENCDO451RUA sigmoid colon"}
    assert {record.columns["lineage"] for record in atlas.samples} == {"stomach", "intestine"}

    table = pl.read_csv(Path(DATA) / "atlas21" / "samples.tsv", separator="\t")
    own = table.filter(pl.col("sample").str.ends_with("_ENTEx")).select("sample", "atac", "rna", "assembly")
    own = own.with_columns(
        pl.col("atac", "rna").map_elements(lambda name: str(Path(DATA) / "atlas21" / name), pl.String)
    )
    own.write_csv(tmp_path / "own.tsv", separator="\t")
    known = build_atlas(read_manifest(tmp_path / "own.tsv"), tmp_path / "own.zarr", annotations={})
    for term, record in tissues.items():
        twin = f"{term.replace(' ', '_')}_ENTEx"
        peaks, others = atlas.peaks(record.name), known.peaks(twin)
        np.testing.assert_array_equal(peaks.start, others.start)
        np.testing.assert_array_equal(peaks.signal, others.signal)
        np.testing.assert_array_equal(atlas.raw_tpm([record.name]), known.raw_tpm([twin]))
