"""The student's first experiment, repeated on the student's own matrices, judged, and done again on better data.

    python benchmarks/first_experiment.py DATA_FOLDER -o docs

writes `first-experiment.md` and its pictures. DATA_FOLDER holds `seed_chr1` (the prepared matrices), `annotation` (gene
tables) and `atlas21` (paired samples). Every number of the page is computed here; nothing is chosen by looking at a test
sample.
"""

import argparse
from pathlib import Path

import torch

from first_experiment_atlas import run_second_half
from first_experiment_matrices import run_first_half
from first_experiment_page import write_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with seed_chr1, annotation and atlas21")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"), help="folder of the page (default: docs)")
    arguments = parser.parse_args()
    # One thread: the networks are small, and the numbers of the page are then the same on every machine of one kind.
    torch.set_num_threads(1)
    print(write_page(run_first_half(arguments.data), run_second_half(arguments.data), arguments.output))


if __name__ == "__main__":
    main()
