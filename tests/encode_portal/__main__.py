"""`python -m tests.encode_portal`: the portal started by hand."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .faults import Fault, RandomFaults
from .made import SMALL, Size, made
from .real import add_real, portal_folder
from .server import running_portal


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.encode_portal", description="A made-up ENCODE portal on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=0, help="port of the portal; by default a free one")
    parser.add_argument(
        "--faults", type=float, default=0.0, metavar="SHARE", help="share of the requests that go wrong"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides which ones")
    parser.add_argument("--small", action="store_true", help="few peaks and genes: for metadata, not for atlases")
    parser.add_argument("--real", type=Path, metavar="DIR", help="folder of the real data, or encode_portal in it")
    parser.add_argument("--any-pace", action="store_true", help="take more than ten requests a second")
    told = parser.parse_args(arguments)
    real = portal_folder(told.real) if told.real is not None else None
    if told.real is not None and real is None:
        parser.error(
            f"--real: a folder with rendered, inserts and files in it, or in its encode_portal; got {told.real}"
        )
    catalogue = made(SMALL if told.small else Size()).catalogue
    if real is not None:
        add_real(catalogue, real)
    faults: list[Fault | RandomFaults] = [RandomFaults(told.faults, seed=told.seed)] if told.faults else []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with running_portal(catalogue, faults=faults, enforce_pace=not told.any_pace, port=told.port) as portal:
        _say(
            f"portal   {portal.url}",
            f"storage  {portal.storage_url}",
            "try      export ATAC2RNA_CACHE=test_cache      # what this portal makes up is not kept with what is real",
            f"         atac2rna encode search --portal {portal.url} --organism human --assembly GRCh38 -o pairs.tsv",
            f"         atac2rna annotation GENCODE:V29 --mirror {portal.storage_url}/gencode -o genes.tsv.gz",
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # once is enough
            spoilt = sum(bool(one.fault) for one in portal.log.requests())
            _say(f"{len(portal.log.requests())} requests, {spoilt} of them answered badly on purpose or as too fast")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
