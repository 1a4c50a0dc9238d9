"""Overlap of neighbouring umbrella windows: the chance that they would exchange."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 400
"""Cells of a window that are looked at; the fullest."""


def exchange_overlap(u: Array, counts: Array, pairs: Ints) -> dict[tuple[int, int], float]:
    """⟨min(1, e^{u_a(x)+u_b(y)−u_a(y)−u_b(x)})⟩ over x of window a and y of window b.

    The acceptance of replica exchange, estimated from each window's own samples: no free energy
    enters, so that it can be trusted where windows do not overlap. Equal windows have 1.

    Parameters
    ----------
    u : Array, shape (K, M)
        Restraint energy of every window at every cell, kT.
    counts : Array, shape (K, M)
        Samples of each window in each cell.
    pairs : int array, shape (E, 2)

    Returns
    -------
    dict
        By pair; 0 where one of the two has no sample.
    """
    out = {}
    for a, b in pairs.tolist():
        i, j = (np.argsort(counts[k], kind="stable")[::-1][:MOST] for k in (a, b))
        p, q = counts[a, i], counts[b, j]
        if not p.sum() or not q.sum():
            out[a, b] = 0.0
            continue
        gain = (u[a, i] - u[b, i])[:, None] + (u[b, j] - u[a, j])[None, :]
        chance = np.exp(np.minimum(gain, 0.0))
        out[a, b] = float(p @ chance @ q / (p.sum() * q.sum()))
    return out


def gaps(
    overlaps: Mapping[tuple[int, int], float], labels: list[str], asked: float
) -> tuple[str, ...]:
    """Neighbours that overlap less than `asked`, in words, the worst first."""
    low = sorted((v, pair) for pair, v in overlaps.items() if not v >= asked)
    return tuple(
        f"windows {labels[a]} and {labels[b]}: overlap {v:.3f}, asked {asked:g}"
        for v, (a, b) in low
    )
