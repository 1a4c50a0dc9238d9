"""Alanine dipeptide with a score model conditional on ψ or φ: Fig. 7 and 8 of Crabtree et al.

`make bench NAME=crabtree_alanine [ARGS=part…]`, see docs/papers/crabtree_alanine.md. Parts:
structures (Fig. 7; needs the dynamics of tests/references/alanine_obc2.py) and windows (Fig. 8).
Campaigns that were run before are read from runs/benchmarks/crabtree_alanine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from crabtree_molecule import pictures
from crabtree_molecule.structures import generate
from crabtree_molecule.windows import SEEDS, Reference, campaign, rows_of
from rows import Row, publish

REPEATS = (1, 2, 3)
EVALUATIONS = 1.2e6


def structures() -> list[Row]:
    """Fig. 7."""
    rows, found = generate()
    pictures.ramachandran(found)
    pictures.energies(found)
    return rows


def windows() -> list[Row]:
    """Fig. 8."""
    rows = []
    for cv in ("psi", "phi"):
        curves = [campaign(cv, kind, seed, EVALUATIONS) for seed in REPEATS for kind in SEEDS]
        reference = Reference.read(cv)
        pictures.surfaces(curves, reference)
        rows += rows_of(curves, reference)
    return rows


PARTS: dict[str, Callable[[], list[Row]]] = {"structures": structures, "windows": windows}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    name = "crabtree_alanine" if chosen == list(PARTS) else f"crabtree_alanine_{'_'.join(chosen)}"
    publish(name, [row for part in chosen for row in PARTS[part]()])
