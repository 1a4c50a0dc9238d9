"""Models with a likelihood: how exact, how fast, and what they buy.

`make bench NAME=likelihood_models [ARGS=part…]`. Every part is a module likelihood_PART.py with
`rows() -> list[Row]`: density (log-density against brute force), speed (seconds per 1,000 updates),
collapse (reverse KL alone, and cured), differences (log Z and ΔF by three estimators), targets (φ⁴,
DW4, LJ13: each model beside MALA, HMC and parallel tempering). All of them by default; PART:CASE
runs one case of a part that has cases, as targets:phi4.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rows import Row, publish

ORDER = ("density", "collapse", "differences", "targets", "speed")
HERE = Path(__file__).parent


def parts() -> list[str]:
    """The parts that are there, in the order in which they are told."""
    there = {p.stem.removeprefix("likelihood_") for p in HERE.glob("likelihood_*.py")} - {"models"}
    return [*(p for p in ORDER if p in there), *sorted(there - set(ORDER))]


def run(part: str) -> list[Row]:
    """The rows of PART or PART:CASE,CASE…"""
    name, _, cases = part.partition(":")
    module = importlib.import_module(f"likelihood_{name}")
    found: list[Row] = module.rows(*(c for c in cases.split(",") if c))
    return found


if __name__ == "__main__":
    chosen = sys.argv[1:] or parts()
    unknown = [part for part in chosen if part.partition(":")[0] not in parts()]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(parts())}")
    name = "likelihood_models" if not sys.argv[1:] else f"likelihood_{'_'.join(chosen)}"
    publish(name.replace(":", "_").replace(",", "_"), [row for part in chosen for row in run(part)])
