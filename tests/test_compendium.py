"""A compendium laid along the genes of a cohort: literal numbers, and what is refused."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from atac2rna.compendium import Compendium, align_profiles, load_compendium
from atac2rna.errors import InputError

TABLE = "gene_id\tE1\tE2\nA.1\t1\t4\nENSG2.3\t3\t0\nC\t96\t4\n"
INFO = "eid\tsame_as\trelated\nE1\tx\t\nE2\t\ty;z\nE9\t\t\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tpm.tsv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def info(tmp_path: Path) -> Path:
    path = tmp_path / "info.tsv"
    path.write_text(INFO)
    return path


def compendium(tpm: list[list[float]], genes: str = "ABC") -> Compendium:
    profiles = tuple(f"E{i + 1}" for i in range(len(tpm)))
    return Compendium(Path("c.tsv"), "0", profiles, tuple(genes), np.array(tpm, dtype=np.float64), {}, {})


def test_table_and_info_are_put_together(table: Path, info: Path) -> None:
    read = load_compendium(table, info, strict_relatives=True)
    assert read is not None
    assert (read.profiles, read.gene_ids) == (("E1", "E2"), ("A.1", "ENSG2", "C"))
    assert read.same_as == {"E1": ("x",), "E2": ()}
    assert read.related == {"E1": (), "E2": ("y", "z")}
    assert read.surplus == ("E9",)
    assert read.sha256 == sha256(TABLE.encode()).hexdigest()
    assert read.info_sha256 == sha256(INFO.encode()).hexdigest()


def test_without_info_nothing_is_declared(table: Path) -> None:
    read = load_compendium(table)
    assert read is not None
    assert (read.same_as, read.related, read.info_path, read.info_sha256) == ({}, {}, None, None)
    assert load_compendium(None) is None


def test_half_of_a_compendium_is_refused(table: Path, info: Path) -> None:
    with pytest.raises(
        InputError, match=r"--compendium-info speaks of .* a compendium; got none\. Add --compendium FILE"
    ):
        load_compendium(None, info)
    with pytest.raises(InputError, match="--strict-relatives speaks of the profiles of a compendium; got none"):
        load_compendium(None, strict_relatives=True)
    with pytest.raises(InputError, match=r"got no declaration\. Add --compendium-info FILE with a column related"):
        load_compendium(table, strict_relatives=True)
    info.write_text("eid\tsame_as\nE1\tx\nE2\t\n")
    assert load_compendium(table, info) is not None
    with pytest.raises(InputError, match=r"line 1: with --strict-relatives .* begins with 'related'; got none"):
        load_compendium(table, info, strict_relatives=True)


def test_a_profile_of_unknown_kinship_is_refused(table: Path, info: Path) -> None:
    info.write_text("eid\tsame_as\nE2\tx\n")
    with pytest.raises(
        InputError, match=r"info\.tsv: every profile .* got none for 1 of 2, the first 'E1'\. Add the rows"
    ):
        load_compendium(table, info)


def test_profiles_are_scaled_over_the_genes_shared() -> None:
    """Of genes D, C, A the table has C and A: E1 has 1 and 3 of 4 there, E2 all of it in C. B counts for nothing."""
    values = align_profiles(compendium([[3, 100, 1], [0, 7, 5]]), ["D", "C", "A"])
    assert values.dtype == np.float32
    expected = np.log2([[np.nan, 250_001, 750_001], [np.nan, 1_000_001, 1]])
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_array_equal(values[1, 2], 0)


def test_other_genes_are_scaled_by_the_same_factor() -> None:
    values = align_profiles(compendium([[3, 100, 1]]), ["B", "D"], scale_over=["C", "A"])
    np.testing.assert_allclose(values, np.log2([[25_000_001, np.nan]]), rtol=1e-6)


def test_scale_and_order_of_the_table_do_not_matter() -> None:
    one = align_profiles(compendium([[3, 100, 1]]), ["A", "B", "C"])
    other = align_profiles(compendium([[0.01, 0.03, 1]], genes="CAB"), ["A", "B", "C"])
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_under_half_of_the_genes_is_refused() -> None:
    assert align_profiles(compendium([[1, 1, 1]]), ["A", "D"]).shape == (1, 2)
    says = r"c\.tsv: .* at least half .*; got 1 of 3 \(33\.3%\)\. Its ids look like A, those of the atlas like D\."
    with pytest.raises(InputError, match=says):
        align_profiles(compendium([[1, 1, 1]]), ["D", "A", "F"])


def test_a_profile_silent_in_all_genes_shared_is_refused() -> None:
    with pytest.raises(InputError, match=r"those of E2 add up to 0 TPM \(1 of 2 profiles\)\. Leave it out"):
        align_profiles(compendium([[1, 0, 0], [0, 1, 0]]), ["A", "C"])
