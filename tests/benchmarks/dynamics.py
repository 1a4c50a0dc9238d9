"""What is learned about dynamics, against what a simulator makes.

`make bench NAME=dynamics ARGS="part…"`. A part is a module of `dynamics_parts` with
``run(arguments) -> list[Row]``; PART:ARGUMENT,ARGUMENT… hands it arguments. What a part has
finished is kept in runs/benchmarks/dynamics, and only the rest is run.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rows import Row, publish

ORDER = (
    "exact",
    "trajectories",
    "asked",
    "loop",
    "steps",
    "paths",
    "butane",
    "propagator",
    "steered",
    "explorers",
)
HERE = Path(__file__).parent / "dynamics_parts"


def parts() -> list[str]:
    """The parts that are there, in the order in which they are told."""
    return [name for name in ORDER if (HERE / f"{name}.py").exists()]


def run(part: str) -> list[Row]:
    """The rows of PART or PART:ARGUMENT,ARGUMENT…"""
    name, _, given = part.partition(":")
    # here: a part imports what it needs only where it is run
    module = importlib.import_module(f"dynamics_parts.{name}")
    found: list[Row] = module.run([a for a in given.split(",") if a])
    return found


if __name__ == "__main__":
    chosen = sys.argv[1:] or parts()
    unknown = [part for part in chosen if part.partition(":")[0] not in parts()]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(parts())}")
    title = "_".join(("dynamics", *sys.argv[1:])).replace(":", "_").replace(",", "_")
    publish(title, [row for part in chosen for row in run(part)])
