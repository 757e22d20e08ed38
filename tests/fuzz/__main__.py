"""`make fuzz`: each parser with so many inputs, in as many processes as there are cores; a figure for each."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.run import tried
from tests.fuzz.targets import TARGETS

_PIECE = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10**6, help="for each parser")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="to see the same inputs again")
    parser.add_argument("names", nargs="*", default=[*TARGETS], help=f"of {', '.join(TARGETS)}")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for name in asked.names:
            pieces = range(0, asked.inputs, _PIECE)
            rates = [
                processes.submit(tried, name, asked.seed + start, min(_PIECE, asked.inputs - start)) for start in pieces
            ]
            told = [one.result() for one in rates]
            print(f"{name:12} {asked.inputs:>9} inputs, {sum(told) / len(told):>8.0f} a second a core", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
