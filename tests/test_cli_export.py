"""The command export, through the entry that a person uses."""

import subprocess
import sys
from pathlib import Path

import mudata
import pytest

from atac2rna.formats.matrices import read_seed_matrices
from conftest import Cli


def test_mudata(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("export", small_atlas, "-o", tmp_path / "x.h5mu")
    assert ended.code == 0, ended.err
    with mudata.set_options(pull_on_update=False):
        data = mudata.read_h5mu(tmp_path / "x.h5mu")
    atac, rna = data["atac"], data["rna"]
    assert ended.out == (
        f"{tmp_path / 'x.h5mu'}: atac 16 samples x {atac.n_vars:,} bins of 500 bp, rna 16 samples x {rna.n_vars:,} genes\n"
    )
    assert ended.err.splitlines()[-1] == "export: 32 of 32 (placed lineage8_2)"


def test_a_region_beyond_the_chromosome_is_told(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("export", small_atlas, "-o", tmp_path / "x.h5mu", "--region", "chr1:900,000,000-900,001,000")
    assert ended.code == 0, ended.err
    assert "no peak of any sample and no gene lies in chr1:900000000-900001000" in ended.err


def test_windows(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("export", small_atlas, "-o", tmp_path / "x.h5mu", "--windows", "--bin", "1000", "--reach", "2000", "-q")
    assert ended.code == 0, ended.err
    assert "windows of 1000 bp" in ended.out
    assert ended.err == ""


def test_matrices(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "prepared"
    ended = cli(
        "export", small_atlas, "--matrices", folder, "--region", "1:0-1,000,000", "--bin", "500", "--top", "200"
    )
    assert ended.code == 0, ended.err
    (table,) = read_seed_matrices(folder).tables
    assert ended.out == f"{folder}: 16 samples, 2,000 bins, {len(table.genes)} genes\n"
    assert "200 peaks of strongest signal" in ended.err
    assert cli("check", folder).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one of the two"),
        (("-o", "x.h5mu", "--matrices", "m"), "give one of the two"),
        (("-o", "x.tsv"), "exported as MuData, .h5mu; got x.tsv"),
        (("-o", "x.h5mu", "--region", "chr1"), "a region is CHROM:START-END"),
        (("-o", "x.h5mu", "--windows", "--region", "chr1:0-500"), "--region says nothing about windows of genes"),
        (("-o", "x.h5mu", "--reach", "500"), "--reach says nothing about bins of the genome"),
        (("-o", "x.h5mu", "--top", "500"), "--top says nothing about bins of the genome"),
        (("--matrices", "m", "--windows"), "--windows says nothing about matrices of a region"),
        (("-o", "x.h5mu", "--bins"), "No such option"),
        (("--matrices", "m", "--top", "5", "--min-score", "3"), "got --min-score and --top. Leave one out."),
        (("--matrices", "m", "--assembly", "hg19"), "has no sample of assembly 'hg19': known: sim1"),
    ],
)
def test_wrong_words(
    small_atlas: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = cli("export", small_atlas, *words)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert [*tmp_path.iterdir()] == []


LIMITED = """
import resource, signal, sys
from atac2rna.cli.main import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
run(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_a_file_that_finds_no_room_is_one_sentence(small_atlas: Path, tmp_path: Path) -> None:
    """Not the crash in which the library of HDF5 ends, which leaves half a file."""
    words = ["export", str(small_atlas), "-o", str(tmp_path / "x.h5mu"), "--quiet"]
    ended = subprocess.run([sys.executable, "-c", LIMITED, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended
    assert ended.stderr.startswith("atac2rna: ")
    assert ended.stderr.count("\n") == 1
    assert "the file system takes no file so large" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_written_over(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "x.h5mu").mkdir()
    for words in ((), ("--overwrite",)):
        ended = cli("export", small_atlas, "-o", tmp_path / "x.h5mu", *words)
        assert ended.err.endswith("x.h5mu: is a folder where a file is to be written; choose another -o.\n"), words


def test_a_file_that_is_there_stays(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "x.h5mu"
    path.write_text("mine")
    ended = cli("export", small_atlas, "-o", path)
    assert ended.code == 2
    assert "pass --overwrite to replace it" in ended.err
    assert path.read_text() == "mine"
    assert cli("export", small_atlas, "-o", path, "--overwrite").code == 0
    assert path.stat().st_size > 4
