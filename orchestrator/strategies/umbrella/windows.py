"""Umbrella windows: where they stand, which are neighbours, and who shares an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import Conditional, wrap
from msgen.orchestrator.estimators.histogram import Grid
from msgen.systems.base import Array

Ints = NDArray[np.int64]

FIRST = {1: 12, 2: 8, 3: 6}
"""Windows along each CV that `auto` begins with, by the number of CVs that are biased."""
WIDTH = 0.5
"""σ of a window in units of the spacing: neighbours on a flat surface share 62 % of their area."""


@dataclass(frozen=True)
class Windows:
    """K windows at λ_k, each of its width; window k samples ρ*(x) g_k(λ_k|ξ(x)).

    Attributes
    ----------
    centres : Array, shape (K, C)
        λ_k; columns of CVs that are not biased hold any number.
    kappa : Array, shape (K, C)
        1/σ² of the restraints; 0 for a CV that is not biased. (C,), as runs of before have it, is
        that of all.
    periodic : bool array, shape (C,)
    names : tuple of str, length C
    """

    centres: Array
    kappa: Array
    periodic: NDArray[np.bool_]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kappa.ndim == 1:
            object.__setattr__(self, "kappa", np.tile(self.kappa, (len(self.centres), 1)))

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def widest(self) -> Conditional:
        """g(λ|ξ) of the widest σ of any window: what the model's labels are drawn from."""
        return Conditional(self.kappa.min(axis=0), self.periodic)

    @property
    def biased(self) -> Ints:
        """Columns of the CVs that are biased."""
        return np.flatnonzero((self.kappa > 0).any(axis=0))

    def energies(self, xi: Array) -> Array:
        """Restraint energy of every window in kT, shape (N, C) → (K, N)."""
        each = zip(self.kappa, self.centres, strict=True)
        return np.array([Conditional(k, self.periodic).energy(lam, xi) for k, lam in each])

    def distances(self, a: Array, b: Array) -> Array:
        """|λ_a − λ_b| in units of the widest σ over biased CVs, shape (n, C), (m, C) → (n, m)."""
        g = self.widest
        d = g.displacement(a[:, None, :], b[None, :, :])
        return np.asarray(np.sqrt((g.kappa * d * d).sum(axis=-1)))

    def neighbours(self) -> Ints:
        """Pairs (E, 2), a < b, with no third window in the ball they span (Gabriel graph).

        On a grid these are the pairs along its axes; a window put between two takes their place.
        """
        d2 = self.distances(self.centres, self.centres) ** 2
        pairs = []
        for a in range(len(self)):
            for b in range(a + 1, len(self)):
                between = d2[a] + d2[b] <= d2[a, b] * (1.0 + 1e-9)
                # the two themselves lie on the ball
                if np.count_nonzero(between) == 2:
                    pairs.append((a, b))
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def between(self, pairs: Sequence[tuple[int, int]]) -> Windows:
        """With a window halfway between each of `pairs`, after those there are.

        It is as narrow as the narrower of the two: what one of them could not hold is near.
        """
        if not pairs:
            return self
        a, b = np.array(pairs).T
        half = self.centres[a] + 0.5 * self.widest.displacement(self.centres[b], self.centres[a])
        return self._plus(half, np.maximum(self.kappa[a], self.kappa[b]))

    def _plus(self, centres: Array, kappa: Array) -> Windows:
        return replace(
            self,
            centres=np.concatenate([self.centres, self.widest.spelled(centres)]),
            kappa=np.concatenate([self.kappa, kappa]),
        )

    def stiffened(self, kappa: Array) -> Windows:
        """With at least these κ, shape (K, C)."""
        return replace(self, kappa=np.maximum(kappa, self.kappa))

    def filled(self, here: Array, there: Array, kappa: Array, most: int) -> Windows:
        """With windows of at least κ all the way from `here` to `there`, shape (C,) each.

        Those that stand within half of the widest σ of the way get it; more are put where the way
        is open, until there are `most`.
        """
        g = self.widest
        way = g.displacement(there, here)
        length = float((g.kappa * way * way).sum())
        if not length:
            return self
        from_here = g.displacement(self.centres, here)
        part = np.clip((g.kappa * from_here * way).sum(axis=1) / length, 0.0, 1.0)
        aside = g.displacement(from_here, part[:, None] * way)
        on_way = (g.kappa * aside * aside).sum(axis=1) < 0.25
        out = self.stiffened(np.where(on_way[:, None], kappa, 0.0))
        # a window every two σ, but where one stands
        number = int(np.ceil(0.5 * np.sqrt((kappa * way * way).sum())))
        open_ = [
            at
            for at in here + np.arange(1, number)[:, None] / max(number, 1) * way
            if all((kappa * g.displacement(c, at) ** 2).sum() >= 1.0 for c in self.centres)
        ]
        open_ = open_[: max(0, most - len(self))]
        if not open_:
            return out
        return out._plus(np.array(open_), np.tile(kappa, (len(open_), 1)))

    @property
    def pace(self) -> Array:
        """How far local moves go in each against those in the widest, shape (K,)."""
        biased = self.biased
        width = np.sqrt(self.widest.kappa[biased] / self.kappa[:, biased])
        return np.asarray(width.min(axis=1, initial=1.0))

    def label(self, k: int) -> str:
        """«phi = -60°, psi = 0.50», for messages."""
        parts = []
        for c in self.biased.tolist():
            value = self.centres[k, c]
            shown = f"{np.degrees(value):.0f}°" if self.periodic[c] else f"{value:.3g}"
            parts.append(f"{self.names[c]} = {shown}")
        return ", ".join(parts)

    @property
    def labels(self) -> list[str]:
        """Of all windows."""
        return [self.label(k) for k in range(len(self))]


def place(
    asked: Mapping[str, Any] | str,
    width: Mapping[str, float] | str,
    names: Sequence[str],
    grid: Grid,
) -> Windows:
    """The first windows: as asked for, or evenly over the range of every CV.

    Parameters
    ----------
    asked : Mapping or 'auto'
        By CV name a number of windows or a list of centres; CVs left out are not biased.
    width : Mapping or 'auto'
        σ by CV name; auto: `WIDTH` times the widest distance between neighbours along the CV.
    names, grid
        The CVs and their range.
    """
    axes: list[Array] = []
    sigma = np.full(len(names), np.inf)
    biased = [n for n in names if asked == "auto" or n in asked]
    for c, name in enumerate(names):
        if name not in biased:
            axes.append(np.zeros(1))
            continue
        wanted = FIRST.get(len(biased), 4) if isinstance(asked, str) else asked[name]
        edges = grid.edges[c]
        low, high, periodic = edges[0], edges[-1], bool(grid.periodic[c])
        if isinstance(wanted, int):
            # half a spacing inside the range, so that the outermost windows cover their bins
            step = (high - low) / wanted
            centres = low + step * (np.arange(wanted) + 0.5)
        else:
            centres = np.sort(np.asarray(wanted, dtype=np.float64))
        gaps = np.diff(centres)
        if periodic and len(centres) > 1:
            gaps = np.append(gaps, centres[0] + 2 * np.pi - centres[-1])
        widest = float(gaps.max()) if len(gaps) else float(high - low)
        sigma[c] = WIDTH * widest if isinstance(width, str) else float(width[name])
        axes.append(centres)
    centres = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    kappa = np.tile(1.0 / sigma**2, (len(centres), 1))
    return Windows(centres, kappa, np.array(grid.periodic, dtype=bool), tuple(names))


def colours(pairs: Ints) -> Ints:
    """A colour for every pair, so that no two pairs of one colour share a window; shape (E,)."""
    taken: dict[int, set[int]] = {}
    out = np.zeros(len(pairs), dtype=np.int64)
    for e, (a, b) in enumerate(pairs.tolist()):
        used = taken.setdefault(a, set()) | taken.setdefault(b, set())
        colour = next(c for c in range(len(used) + 1) if c not in used)
        out[e] = colour
        taken[a].add(colour)
        taken[b].add(colour)
    return out


def tour(windows: Windows, start: Array) -> list[tuple[int, int]]:
    """(window, parent) from the window nearest to `start` on, parents first; −1 is the start."""
    pairs = windows.neighbours()
    near: dict[int, list[int]] = {k: [] for k in range(len(windows))}
    for a, b in pairs.tolist():
        near[a].append(b)
        near[b].append(a)
    first = windows.distances(start[None], windows.centres)[0]
    parent: dict[int, int] = {}
    for root in np.argsort(first, kind="stable").tolist():
        if root in parent:
            continue
        parent[root] = -1
        queue = [root]
        while queue:
            k = queue.pop(0)
            for j in near[k]:
                if j not in parent:
                    parent[j] = k
                    queue.append(j)
    return list(parent.items())


def roots(windows: Windows, start: Array, n: int) -> list[int]:
    """n windows to begin a tour at: the nearest to `start`, then each far from those before."""
    near = windows.distances(start[None], windows.centres)[0]
    found = [int(np.argmin(near))]
    apart = windows.distances(windows.centres, windows.centres)
    while len(found) < n:
        found.append(int(np.argmax(apart[found].min(axis=0))))
    return found


def way(route: list[tuple[int, int]], to: int) -> list[int]:
    """Windows on the tour's way to window `to`, the first and `to` included."""
    parent = dict(route)
    out = [to]
    while parent[out[0]] >= 0:
        out.insert(0, parent[out[0]])
    return out


def pieces(windows: Windows, size: int, turn: int) -> list[Ints]:
    """Windows that share an order, at most `size`, in runs along one CV.

    From turn to turn the CV changes, the runs shift by half, and a ring is cut elsewhere, so that
    every two neighbours share an order often and can exchange.
    """
    biased = windows.biased
    if not len(biased):
        return [np.arange(len(windows), dtype=np.int64)]
    axes = np.roll(biased[::-1], turn % len(biased))
    phase = turn // len(biased)
    seam = np.pi if phase % 4 >= 2 else 0.0
    keys = []
    for c in axes.tolist():
        at = windows.centres[:, c]
        # rounded: the turn by half a period must not part what stands at one place
        keys.append(np.round(wrap(at - seam), 9) if windows.periodic[c] else at)
    index = np.lexsort(keys).astype(np.int64)
    if len(index) <= size:
        return [index]
    first = size // 2 if phase % 2 else size
    return [part for part in np.split(index, range(first, len(index), size)) if len(part)]
