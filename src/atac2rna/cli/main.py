"""The command `atac2rna`: one subcommand a file; errors of the user end in one sentence and exit code 2."""

import errno
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from atac2rna import __version__
from atac2rna.cli import build, check, demo, evaluate, train
from atac2rna.errors import InputError

app = typer.Typer(
    name="atac2rna",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Predict gene expression (RNA-seq) from open chromatin (ATAC-seq), judged on samples the model never saw.",
    epilog="Begin with: atac2rna demo -o demo",
)
app.command("demo", help=demo.HELP)(demo.demo)
app.command("build", help=build.HELP)(build.build)
app.command("check", help=check.HELP)(check.check)
app.command("train", help=train.HELP)(train.train)
app.command("evaluate", help=evaluate.HELP)(evaluate.evaluate)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"atac2rna {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 done; 1 findings; 2 usage or bad input; 130 interrupted.
    """
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        code = app(args=arguments, standalone_mode=False)
    except TyperException as fault:
        print(
            f"atac2rna: {fault.format_message()} See 'atac2rna --help' and 'atac2rna COMMAND --help'.", file=sys.stderr
        )
        return 2
    except InputError as fault:
        print(f"atac2rna: {fault}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("atac2rna: interrupted; nothing half-written is left.", file=sys.stderr)
        return 130
    except OSError as fault:
        return _told(fault)
    return code if isinstance(code, int) else 0


def _told(fault: OSError) -> int:
    """Say what went wrong on the side of the machine; whatever else raises an OSError is a bug and shows as one."""
    if fault.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another -o. What was there is as it was.",
        errno.EDQUOT: "the disk quota is used up; free some space or choose another -o. What was there is as it was.",
        errno.EACCES: "permission denied; choose another -o or change the permissions.",
        errno.EROFS: "the file system is read-only; choose another -o.",
    }
    if fault.errno not in reasons:
        raise fault
    where = f"{fault.filename}: " if fault.filename else ""
    print(f"atac2rna: {where}{reasons[fault.errno]}", file=sys.stderr)
    return 2
