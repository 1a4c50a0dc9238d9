"""Score-seeded umbrella windows of two slow–fast systems against exact densities.

`make bench NAME=crabtree [ARGS=part…]`: the figures of Crabtree, Bello-Rivas, Kevrekidis (arXiv
2312.05715), see docs/papers/crabtree.md. Parts: densities (Fig. 1–3), windows (Fig. 4–5),
diffusion (Fig. 6, 9), honesty (gaps and hidden slowness), molecule (Fig. 7–8, of crabtree_alanine);
all of them by default, an hour on two cores. Every model seed has a training set of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import crabtree_alanine
from crabtree import pictures
from crabtree.densities import density_rows
from crabtree.diffusion import density_at_zero, windows_at_zero
from crabtree.emulation import (
    emulation_rows,
    with_exact_seeds,
    with_model_seeds,
    with_retrained,
)
from crabtree.honesty import honesty_rows
from rows import Row, publish

SEEDS = (1, 2, 3)
EXPERIMENTS = 1000


def densities() -> list[Row]:
    """Fig. 1–3."""
    rows, found, trained = density_rows(SEEDS)
    pictures.conditional(found)
    pictures.surface(trained, SEEDS[-1])
    return rows


def windows() -> list[Row]:
    """Fig. 4–5."""
    exact = with_exact_seeds(EXPERIMENTS)
    curves, rows, trained = with_model_seeds(EXPERIMENTS, SEEDS)
    pictures.errors(exact, curves)
    return [*emulation_rows(exact), *rows, *with_retrained(EXPERIMENTS, trained, SEEDS)]


def diffusion() -> list[Row]:
    """Fig. 6 and 9."""
    rows, found, drawn = density_at_zero(SEEDS)
    pictures.coordinate(found, drawn)
    more, curves = windows_at_zero(EXPERIMENTS, SEEDS)
    pictures.errors_at_zero(curves)
    return [*rows, *more]


def honesty() -> list[Row]:
    """Too few windows, hidden slowness."""
    return honesty_rows(SEEDS)


def molecule() -> list[Row]:
    """Fig. 7–8: alanine dipeptide, by a benchmark of its own."""
    return [row for part in crabtree_alanine.PARTS.values() for row in part()]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "densities": densities,
    "windows": windows,
    "diffusion": diffusion,
    "honesty": honesty,
    "molecule": molecule,
}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    name = "crabtree" if chosen == list(PARTS) else f"crabtree_{'_'.join(chosen)}"
    publish(name, [row for part in chosen for row in PARTS[part]()])
