"""Molecules made whole: no bond crosses the faces of the periodic box."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.systems.base import Array


def make_whole(positions: Array, box: Array, topology: Any) -> Array:
    """Move atoms by box vectors until every bonded pair is at its nearest image.

    CVs know no minimum image and OpenMM's energy does not notice the move; Gromacs writes
    structures with molecules split over the faces.

    Parameters
    ----------
    positions : Array, shape (N, 3)
    box : Array, shape (3, 3)
        Rows a, b, c in OpenMM's reduced form.
    topology : mdtraj.Topology
        With bonds.

    Returns
    -------
    Array, shape (N, 3)
    """
    x = np.array(positions, dtype=np.float64)
    near: list[list[int]] = [[] for _ in range(len(x))]
    for a, b in topology.bonds:
        near[a.index].append(b.index)
        near[b.index].append(a.index)
    seen = np.zeros(len(x), dtype=bool)
    for root in range(len(x)):
        if seen[root]:
            continue
        seen[root] = True
        stack = [root]
        while stack:
            here = stack.pop()
            for other in near[here]:
                if seen[other]:
                    continue
                seen[other] = True
                d = x[other] - x[here]
                for k in (2, 1, 0):  # the reduced form is undone from c to a
                    d = d - box[k] * np.round(d[k] / box[k, k])
                x[other] = x[here] + d
                stack.append(other)
    return x
