"""`python -m tests.encode_portal`: the portal started by hand."""

import argparse
import threading
from collections.abc import Sequence
from pathlib import Path

from .faults import Fault, RandomFaults
from .made import SMALL, Size, made
from .real import add_real
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
    parser.add_argument("--real", type=Path, metavar="DIR", help="folder encode_portal of the real data")
    parser.add_argument("--any-pace", action="store_true", help="take more than ten requests a second")
    told = parser.parse_args(arguments)
    catalogue = made(SMALL if told.small else Size()).catalogue
    if told.real is not None:
        add_real(catalogue, told.real)
    faults: list[Fault | RandomFaults] = [RandomFaults(told.faults, seed=told.seed)] if told.faults else []
    with running_portal(catalogue, faults=faults, enforce_pace=not told.any_pace, port=told.port) as portal:
        print(f"portal   {portal.url}")
        print(f"storage  {portal.storage_url}  (also the mirror of annotations)")
        print(f"try      atac2rna encode search --portal {portal.url} -o pairs.tsv", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"\n{len(portal.log.requests())} requests answered")


if __name__ == "__main__":
    main()
