"""States: regions of collective-variable space whose free energies are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.histogram import Grid, block_sums, log_populations
from msgen.systems.errors import SpecError

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Box = Mapping[int, tuple[float, float]]
"""CV index → (low, high), half open; for a periodic CV low > high goes through the seam."""

REST = "rest"


@dataclass(frozen=True)
class Region:
    """A named union of disjoint boxes; a CV that a box does not name is unrestricted in it."""

    name: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Regions:
    """Disjoint regions, and 'rest' for everything else, which is one more state.

    Parameters
    ----------
    regions : tuple of Region
    periods : tuple of float, one per CV
        2π for a periodic CV, 0 for one that is not.

    Raises
    ------
    SpecError
        For an empty or overlapping box, a CV that does not exist, a name used twice or 'rest'.
    """

    regions: tuple[Region, ...]
    periods: tuple[float, ...]

    def __post_init__(self) -> None:
        names = [r.name for r in self.regions]
        for name in names:
            if name == REST or names.count(name) > 1:
                raise SpecError(
                    ("states", name), name, "name is taken", "give every state its own name"
                )
        boxes = [(r.name, box) for r in self.regions for box in r.boxes]
        for name, box in boxes:
            self._check(name, box)
        for i, (a, box_a) in enumerate(boxes):
            for b, box_b in boxes[:i]:
                if all(
                    _shared(box_a.get(c), box_b.get(c), p) > 1e-9
                    for c, p in enumerate(self.periods)
                ):
                    raise SpecError(
                        ("states", a), dict(box_a), f"overlaps with {b!r}", "make states disjoint"
                    )

    def _check(self, name: str, box: Box) -> None:
        for c, (lo, hi) in box.items():
            if not 0 <= c < len(self.periods):
                raise SpecError(
                    ("states", name), c, "there is no such CV", f"use 0 to {len(self.periods) - 1}"
                )
            if np.isnan(lo) or np.isnan(hi) or lo == hi or (lo > hi and not self.periods[c]):
                raise SpecError(
                    ("states", name),
                    (lo, hi),
                    "range is empty",
                    "write [low, high] with low < high",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """State names in the order of labels; 'rest' is the last."""
        return (*(r.name for r in self.regions), REST)

    def assign(self, xi: Array) -> Ints:
        """State label of samples (n, C) → (n,); `len(regions)` for the rest, −1 if not finite."""
        labels = np.full(len(xi), len(self.regions), dtype=np.int64)
        for i, region in enumerate(self.regions):
            for box in region.boxes:
                inside = np.ones(len(xi), dtype=bool)
                for c, bounds in box.items():
                    inside &= _inside(xi[:, c], bounds, self.periods[c])
                labels[inside] = i
        labels[~np.isfinite(xi).all(axis=1)] = -1
        return labels

    def fractions(self, grid: Grid) -> Array:
        """Fraction of every grid bin's volume in each state, shape (R + 1, *grid.shape)."""
        out = np.zeros((len(self.regions) + 1, *grid.shape))
        for i, region in enumerate(self.regions):
            for box in region.boxes:
                part = np.ones(grid.shape)
                for c, bounds in box.items():
                    e = grid.edges[c]
                    along = np.array(
                        [
                            _shared(bounds, (float(lo), float(hi)), self.periods[c]) / (hi - lo)
                            for lo, hi in pairwise(e)
                        ]
                    )
                    part *= along.reshape([-1 if d == c else 1 for d in range(len(grid.shape))])
                out[i] += part
        out[:-1] = np.clip(out[:-1], 0.0, 1.0)
        out[-1] = np.clip(1.0 - out[:-1].sum(axis=0), 0.0, 1.0)
        return out

    def free_energies(
        self, xi: Array, blocks: Ints, n_blocks: int, weights: Array | None = None
    ) -> tuple[Array, Array]:
        """F of every state against the first, and standard errors, in kT, shape (R + 1,) each.

        By counting: samples (n, C) must come from the unrestrained density over all states (up to
        `weights`), in independent blocks. NaN for states never visited.
        """
        k = len(self.regions) + 1
        f, cov = log_populations(block_sums(self.assign(xi), k, blocks, n_blocks, weights))
        variance = np.diag(cov) + cov[0, 0] - 2.0 * cov[0]
        return f - f[0], np.sqrt(np.maximum(variance, 0.0))


def _inside(x: Array, bounds: tuple[float, float], period: float) -> NDArray[np.bool_]:
    lo, hi = bounds
    if not period:
        return np.asarray((x >= lo) & (x < hi), dtype=bool)
    return np.asarray(np.mod(x - lo, period) < _width(bounds, period), dtype=bool)


def _width(bounds: tuple[float, float], period: float) -> float:
    """Length of a range on a circle, at most one turn."""
    lo, hi = bounds
    return period if hi - lo >= period else float(np.mod(hi - lo, period))


def _shared(a: tuple[float, float] | None, b: tuple[float, float] | None, period: float) -> float:
    """Length that two ranges share; None is unrestricted, and inf stands for sharing all."""
    if a is None or b is None:
        return np.inf
    if not period:
        return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    # On the circle, lay a at [0, wa) and b at its offset; b can overlap again one turn lower.
    wa, wb, start = _width(a, period), _width(b, period), float(np.mod(b[0] - a[0], period))
    return max(0.0, min(wa, start + wb) - start) + max(0.0, min(wa, start + wb - period))
