"""Steered moves on the hard cases: the tunnel, φ⁴, a dimer in a solvent, the nine-bead polymer.

`make bench NAME=steered_systems [ARGS="part…"]`, after Schönle et al. (arXiv 2405.18160,
2512.16812) and Tamagnone, Laio and Gabrié (arXiv 2406.01524); see docs/papers/steered_systems.md.
By default it runs the table of others' figures and ours, about an hour on two cores; `all` runs
every part. A part is a module of `steered` with `run(arguments) -> list[Row]`;
PART:ARGUMENT,ARGUMENT… hands it arguments. Each campaign's figures are kept in
runs/benchmarks/steered as it ends; with STEERED=kept in the environment what is kept there with
the same settings is told again, and only the rest is run.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rows import Row, publish

ORDER = (
    "tunnel",
    "phi4",
    "dimer",
    "polymer",
    "polymer_flow",
    "schemes",
    "tuning",
    "cold",
    "barrier",
    "solvent",
    "speed",
    "profile",
    "equal_cost",
)
TABLE = (
    "tunnel:1,2,3,4",
    "phi4:1,2,3",
    "dimer:acceptance,equal,1,2,3",
    "polymer:acceptance,1,2",
    "polymer:strata,equal,1,2,3",
    "polymer_flow:chain,1",
)
"""A line of the table each, the last two columns of some: seeds are numbers."""
HERE = Path(__file__).parent / "steered"


def parts() -> list[str]:
    """The parts that are there, in the order in which they are told."""
    return [name for name in ORDER if (HERE / f"{name}.py").exists()]


def run(part: str) -> list[Row]:
    """The rows of PART or PART:ARGUMENT,ARGUMENT…"""
    name, _, given = part.partition(":")
    # here: a part imports what it needs only where it is run
    module = importlib.import_module(f"steered.{name}")
    found: list[Row] = module.run([a for a in given.split(",") if a])
    return found


if __name__ == "__main__":
    chosen = parts() if sys.argv[1:] == ["all"] else sys.argv[1:] or list(TABLE)
    unknown = [part for part in chosen if part.partition(":")[0] not in parts()]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(parts())}")
    title = "_".join(("steered_systems", *sys.argv[1:]))
    publish(title.replace(":", "_").replace(",", "_"), [row for p in chosen for row in run(p)])
