"""The command `atac2rna`: one subcommand a file; errors of the user end in one sentence and exit code 2."""

import errno
import logging
import os
import re
import signal
import sys
import threading
import warnings
from itertools import pairwise
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from atac2rna import __version__
from atac2rna.cli import annotation, build, check, demo, encode, evaluate, export, models, predict, train
from atac2rna.cli.console import drop_unwritable
from atac2rna.errors import InputError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_MOMENT = 0.01  # seconds

app = typer.Typer(
    name="atac2rna",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Predict gene expression (RNA-seq) from open chromatin (ATAC-seq), judged on samples the model never saw.",
    epilog="Begin with: atac2rna predict my_sample.narrowPeak.gz -o predictions.tsv; without data: atac2rna demo -o demo",
)
app.command("demo", help=demo.HELP)(demo.demo)
app.command("annotation", help=annotation.HELP)(annotation.annotation)
app.command("build", help=build.HELP)(build.build)
app.command("check", help=check.HELP)(check.check)
app.command("train", help=train.HELP)(train.train)
app.command("evaluate", help=evaluate.HELP)(evaluate.evaluate)
app.command("predict", help=predict.HELP)(predict.predict)
app.command("export", help=export.HELP)(export.export)
app.command("models", help=models.HELP)(models.models)
app.add_typer(encode.app, name="encode")


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


class _Termination(KeyboardInterrupt):
    """SIGTERM, as batch systems send it: cleaned up after as after Ctrl-C."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Termination


def _not_lost(fault: "UnraisableHookArgs") -> None:
    """Send an interruption again that struck where Python drops exceptions (finalizers, the locks of imports)."""
    if issubclass(fault.exc_type, KeyboardInterrupt):
        number = signal.SIGTERM if issubclass(fault.exc_type, _Termination) else signal.SIGINT
        threading.Timer(_MOMENT, signal.pthread_kill, (threading.main_thread().ident, number)).start()
    else:
        sys.__unraisablehook__(fault)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 done; 1 findings; 2 usage or bad input; 130 interrupted; 143 terminated.
    """
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _not_lost
    # Ctrl-C in the middle of a read of zarr leaves coroutines that nobody awaits: nothing that a user could mend.
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
    sys.exit(_exit_code(sys.argv[1:] if arguments is None else arguments))


def _exit_code(arguments: list[str]) -> int:
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except TyperException as fault:
        return _say(_usage_error(fault, arguments))
    except InputError as fault:
        return _say(str(fault))
    except (KeyboardInterrupt, typer.Abort) as stop:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the tasks of such a read are told when Python ends
        return _say(
            "interrupted; nothing half-written is left.", TERMINATED if isinstance(stop, _Termination) else INTERRUPTED
        )
    except BrokenPipeError:
        drop_unwritable()
        return 0
    except OSError as fault:
        message = _machine_error(fault)
        drop_unwritable()
        return _say(message)
    return code


def _run(arguments: list[str]) -> int:
    """Run a command, without typer's own main: that one takes interruptions and closed pipes for itself."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("atac2rna", arguments or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as leave:
        return leave.exit_code
    except (SystemExit, ImportError) as fault:
        # Lightning turns Ctrl-C into an exit with code 1, which here would mean that something was found, and a library in C++
        # that is being imported turns it into an ImportError.
        interruption = _interruption(fault)
        if interruption is not None:
            raise interruption from None
        raise
    return 0


def _interruption(fault: BaseException | None) -> KeyboardInterrupt | None:
    """Give the interruption that an exception came of, if it came of one."""
    while fault is not None and not isinstance(fault, KeyboardInterrupt):
        fault = fault.__cause__ or fault.__context__
    return fault


def _say(message: str, code: int = 2) -> int:
    """Print what went wrong and give the exit code."""
    print(f"atac2rna: {message}", file=sys.stderr)
    return code


def _usage_error(fault: TyperException, arguments: list[str]) -> str:
    context, option = getattr(fault, "ctx", None), getattr(fault, "param", None)
    command = context.command_path if context is not None else "atac2rna"
    message = fault.format_message().replace("Value error, ", "").replace(", unable to parse string as an integer", "")
    if message.startswith("Invalid value") and "got" not in message and option is not None:
        given = [word for before, word in pairwise(arguments) if before in option.opts]
        message = f"{message.rstrip('.')}; got {given[-1]!r}" if given else message
    end = "" if message.endswith((".", "?")) else "."
    return f"{message}{end} See '{command} --help'."


def _machine_error(fault: OSError) -> str:
    """Say what went wrong on the side of the machine; whatever else raises an OSError is a bug and shows as one."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another -o. What was there is as it was.",
        errno.EDQUOT: "the disk quota is used up; free some space or choose another -o. What was there is as it was.",
        errno.EFBIG: "the file system takes no file so large; choose another -o. What was there is as it was.",
        errno.EIO: "the disk cannot be read or written (input/output error); choose another one.",
        errno.EACCES: "permission denied; choose another -o or change the permissions.",
        errno.EPERM: "the operation is not permitted; choose another -o or change the permissions.",
        errno.EROFS: "the file system is read-only; choose another -o.",
        errno.ENAMETOOLONG: "the file name is too long; choose a shorter one.",
        errno.ENOTDIR: "a part of the path is a file where a folder is needed; choose another path.",
        errno.ELOOP: "the path is a link that leads to itself; choose another path.",
        errno.EMFILE: "too many files are open; raise the limit ('ulimit -n') or use fewer --workers.",
        errno.ENOMEM: "the memory is used up; free some or use fewer --workers.",
    }
    # Libraries written in Rust tell the number in the text alone.
    told = re.search(r"\(os error (\d+)\)", str(fault))
    number = fault.errno if fault.errno is not None or told is None else int(told[1])
    if number not in reasons:
        raise fault
    where = f"{os.fsdecode(fault.filename)}: " if isinstance(fault.filename, str | bytes | os.PathLike) else ""
    return f"{where}{reasons[number]}"
