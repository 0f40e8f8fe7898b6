"""What is shown of downloads."""

import io
import sys

import pytest
from rich.console import Console as Terminal
from rich.progress import Progress

from atac2rna.cli.console import Console
from atac2rna.cli.transfers import _Bars, shown_transfers


def lines(capsys: pytest.CaptureFixture[str], *, quiet: bool = False, verbose: bool = False, files: int) -> list[str]:
    with shown_transfers(Console(quiet=quiet, verbose=verbose), "fetch") as watch:
        watch.expected(files, None)
        for number in range(files):
            watch.started(f"f{number}", 10)
            watch.retried(f"f{number}", "breaks off")
            watch.advanced(f"f{number}", 5)
            if number == 1:
                watch.failed(f"f{number}", "is gone.")
            else:
                watch.finished(f"f{number}", "fetched")
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def test_piped_a_set_has_a_line_at_every_tenth_and_for_failures(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(capsys, files=40)
    assert said[0] == "fetch: f1 failed: is gone."
    assert said[1:3] == ["fetch: 4 of 40 (f3: fetched)", "fetch: 8 of 40 (f7: fetched)"]
    assert len(said) == 11


def test_one_file_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, files=1) == ["fetch: f0", "fetch: 1 of 1 (f0: fetched)"]


def test_more_with_verbose_and_nothing_with_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert "fetch: f3 again: breaks off" in (said := lines(capsys, verbose=True, files=40))
    assert len(said) == 81
    assert lines(capsys, quiet=True, files=40) == []


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    with Progress(console=Terminal(file=io.StringIO()), disable=True) as progress:
        bars = _Bars(progress, "fetch")
        assert progress.tasks[0].total is None
        bars.expected(2, 30)
        assert progress.tasks[0].total == 30
        for name in ("a", "b"):
            bars.started(name, 15)
        bars.advanced("a", 15)
        bars.advanced("b", 9)
        bars.retried("b", "breaks off")
        assert progress.tasks[2].description == "  b (again: breaks off)"
        bars.advanced("b", 4)
        assert [task.completed for task in progress.tasks] == [19, 15, 4]
        bars.finished("a", "fetched")
        bars.failed("b", "is gone")
        assert [task.description for task in progress.tasks] == ["fetch"]
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    with shown_transfers(Console(quiet=False, verbose=False), "fetch") as watch:
        watch.started("a", 5)
        watch.finished("a", "cache")
    assert "fetch" in screen.getvalue()
