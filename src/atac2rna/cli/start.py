"""Where the command begins: its own imports take a moment, and Ctrl-C in them is an interruption like any other."""

import signal
import sys


def start() -> None:
    """Run the command line; see `main.run`."""
    try:
        from atac2rna.cli.main import run

        run()
    except KeyboardInterrupt:  # before `run` begins, or after it is done
        print("atac2rna: interrupted.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
