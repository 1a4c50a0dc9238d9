"""The region that samples cover, and whether a run somewhere stays outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from msgen.orchestrator.estimators.completeness.features import Features

Rows = NDArray[np.float32]
Array = NDArray[np.float64]

MOST = 2000
"""Configurations that stand for all that samples cover."""
LEAST = 32
"""Configurations below which nothing is known of a region."""
EDGE = 0.99
"""Share of the samples that lie no farther from the others than a border of the region does."""
MARGIN, LEAST_MARGIN = 1.5, 0.05
"""Factor on that distance, and the least distance in units of the spread of a feature."""
STAYS = 0.75
"""Share of a run's later half that has to be outside."""


def thinned(rows: Rows, most: int = MOST) -> Rows:
    """At most so many of the rows, in their order: one of each cell of a grid as fine as can be.

    What is seldom visited stays as well known as what is visited often. Where so many features
    differ that every row has a cell of its own, every second one is dropped.
    """
    if len(rows) <= most:
        return rows
    scaled = rows / spread(rows)
    width = 0.02
    while width < 1.0:
        cells = np.floor(scaled / width).astype(np.int64)
        first = np.sort(np.unique(cells, axis=0, return_index=True)[1])
        if len(first) <= most:
            return rows[first]
        width *= 1.3
    while len(rows) > most:
        rows = rows[::2]
    return rows


def spread(rows: NDArray[np.floating]) -> Array:
    """Standard deviation of every column, and never nothing."""
    wide = np.asarray(rows, dtype=np.float64).std(axis=0)
    return np.asarray(np.maximum(wide, 1e-6 * max(float(wide.max(initial=0.0)), 1e-6)))


@dataclass(frozen=True)
class Look:
    """A group of features, the samples in it, and how far from them the border is."""

    features: tuple[int, ...]
    columns: tuple[int, ...]
    tree: cKDTree
    border: float


@dataclass(frozen=True)
class Region:
    """What samples cover.

    Attributes
    ----------
    features : Features
    scale : Array
        Unit of each column.
    looks : tuple of Look
    """

    features: Features
    scale: Array
    looks: tuple[Look, ...]

    @classmethod
    def of(cls, features: Features, rows: Rows) -> Region | None:
        """From samples, shape (n, columns); None where they are too few.

        The border of a group of features lies `MARGIN` times as far out as `EDGE` of one half of
        the samples lie from the other.
        """
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < LEAST:
            return None
        scale, columns = spread(rows), features.columns
        z = rows / scale
        looks = []
        for group in features.looks:
            mine = tuple(c for k in group for c in columns[k])
            here = z[:, mine]
            apart = cKDTree(here[::2]).query(here[1::2])[0]
            border = max(LEAST_MARGIN, MARGIN * float(np.quantile(apart, EDGE)))
            looks.append(Look(group, mine, cKDTree(here), border))
        return cls(features, scale, tuple(looks))

    def outside(self, runs: Rows) -> tuple[Look | None, ...]:
        """Of each run, shape (n, m, columns), the look that shows it farthest outside; else None.

        A run is outside where most of its later half is.
        """
        n, m = runs.shape[:2]
        late = runs[:, m // 2 :] / self.scale
        far = np.ones(n)
        found: list[Look | None] = [None] * n
        for look in self.looks:
            at = late[:, :, look.columns].reshape(-1, len(look.columns))
            apart = look.tree.query(at)[0].reshape(n, -1) / look.border
            # the distance that all but a quarter of the run keeps
            kept = np.quantile(apart, 1.0 - STAYS, axis=1)
            for i in np.flatnonzero(kept > far).tolist():
                found[i], far[i] = look, kept[i]
        return tuple(found)


def place(features: Features, run: Rows, shown: Sequence[int]) -> str:
    """Where a run stayed, in words: the CVs, and the features `shown` beside them."""
    late = run[len(run) // 2 :]
    kept = [*range(features.cvs), *(k for k in shown if k >= features.cvs)]
    parts = []
    for k in kept:
        value = features.value(late, k)
        turning = bool(features.periodic[k])
        said = f"{np.degrees(value):.0f} deg" if turning else f"{value:.2g}"
        parts.append(f"{features.names[k]} = {said}")
    return ", ".join(parts)


def alike(a: Rows, b: Rows) -> bool:
    """Whether two runs, shape (m, columns), stayed in the same place."""
    one, two = (run[len(run) // 2 :].astype(np.float64) for run in (a, b))
    between = np.abs(np.median(one, axis=0) - np.median(two, axis=0))
    wide = one.std(axis=0) + two.std(axis=0)
    return bool((between <= 3.0 * wide + 1e-9).all())
