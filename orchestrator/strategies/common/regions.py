"""States found from samples in any number of CVs: boxes cut where a CV has a pass.

A grid of all CVs ends at three of them. Here CV space is cut along one CV after another, the one
with the highest pass first, and within each part anew, so that a pass that only one part has is
seen as well. A part is a box, and all boxes together are cells of one product grid with few cuts
along each CV: what a state's share of g(λ|ξ) is stays a product of one-dimensional integrals, which
clusters of any other shape would not leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.basins import MAX_BASINS, PERSISTENCE, find_basins
from msgen.systems.base import Array

Ints = NDArray[np.int64]

MOST_CELLS = 4096
"""Of the product grid: a state's share of g is summed over them for every walker."""
LEAST_SHARE, LEAST_POINTS = 0.002, 8
"""Of the samples, and effective samples, that a state has at the least."""
SNAP = 3
"""Bins within which a cut goes where another part has one: their places are known no better."""
_SMOOTH = 1.0


@dataclass(frozen=True)
class _Part:
    """A box: of each CV its bins in order, of an angle as they follow each other on the circle."""

    members: Ints
    arcs: tuple[Ints, ...]


@dataclass(frozen=True)
class _Cut:
    """Where a part is cut along a CV."""

    before: tuple[int, ...]
    """Positions in the arc before which a new piece begins; of a full circle one for each piece."""
    barrier: float
    """kT that the highest pass stands above the higher of its two bottoms."""


@dataclass(frozen=True)
class _Samples:
    """Samples as bins of each CV."""

    place: Ints
    weight: Array
    run: Ints
    grid: Grid
    persistence: float
    least: int
    least_runs: int

    def cut(self, part: _Part, c: int, known: frozenset[int]) -> _Cut | None:
        """The cut of a part along CV c; None where it is one basin."""
        arc, size = part.arcs[c], self.grid.shape[c]
        full = self.grid.periodic[c] and len(arc) == size
        if len(arc) < 3:
            return None
        where = np.full(size, -1)
        where[arc] = np.arange(len(arc))
        at = where[self.place[part.members, c]]
        counts = np.bincount(at, self.weight[part.members], minlength=len(arc))
        line = Grid.regular(((0.0, float(len(arc))),), (len(arc),), (full,))
        found = find_basins(counts, line, ("",), self.persistence, _SMOOTH).labels
        found = self._without_small(found, part, at, full)
        if found.max() == 0:
            return None
        begins = np.flatnonzero(found != np.roll(found, 1))
        begins = begins if full else begins[begins > 0]
        before = sorted({self._snapped(int(b), arc, known, full) for b in begins})
        mode = "wrap" if full else "nearest"
        p = ndimage.gaussian_filter(counts, _SMOOTH, mode=mode)
        f = -np.log(np.maximum(p / p.max(), 1.0 / max(2, len(part.members))))
        return _Cut(tuple(before), _barrier(f, begins, full))

    def _without_small(self, label: Ints, part: _Part, at: Ints, full: bool) -> Ints:
        """Pieces that too few samples or runs have seen go to their larger neighbour.

        A piece that rests on a few heavy ones of its samples has as many as these.
        """
        label, runs, w = np.array(label), self.run[part.members], self.weight[part.members]
        while True:
            pieces = np.unique(label)
            shares = [w[label[at] == k] for k in pieces]
            held = np.array([s.sum() ** 2 / max(float(s @ s), 1e-300) for s in shares])
            seen = np.array([len(np.unique(runs[label[at] == k])) for k in pieces])
            small = (held < self.least) | (seen < self.least_runs)
            if len(pieces) == 1 or not small.any():
                return np.unique(label, return_inverse=True)[1].reshape(label.shape)
            worst = pieces[small][int(np.argmin(held[small]))]
            mine = label == worst
            beside = set()
            for step in (-1, 1):
                moved = np.roll(label, step)
                touching = mine.copy()
                if not full:
                    touching[-1 if step == -1 else 0] = False
                beside |= set(moved[touching].tolist())
            beside.discard(int(worst))
            label[mine] = max(beside, key=lambda k: (held[list(pieces).index(k)], -k))

    def _snapped(self, begin: int, arc: Ints, known: frozenset[int], full: bool) -> int:
        """The cut nearest to `begin` that another part has along the CV, if it is near."""
        m = len(arc)
        places = {int(arc[k]): k for k in (range(m) if full else range(1, m))}
        near = []
        for b in known & places.keys():
            apart = abs(places[b] - begin)
            near.append((min(apart, m - apart) if full else apart, places[b]))
        return min(near)[1] if near and min(near)[0] <= SNAP else begin


def find_regions(
    xi: Array,
    weight: Array | None,
    grid: Grid,
    names: tuple[str, ...],
    *,
    persistence: float = PERSISTENCE,
    run: Ints | None = None,
    least_runs: int = 1,
    most: int = MAX_BASINS,
) -> Partition:
    """Boxes between which the density along some CV has a pass of `persistence` kT or more.

    The one that weighs most is the first; each is named by where its density is highest along the
    CVs that are cut. Regions where nobody has been belong to the box that they lie in.

    Parameters
    ----------
    xi : Array, shape (n, C)
    weight : Array, shape (n,), optional
        All alike by default.
    grid : Grid
        Bins of every CV; it is never filled. Nothing is cut along those that are not reported.
    names : tuple of str
        CVs.
    persistence : float
        kT.
    run : int array, shape (n,), optional
        Which of independent runs each sample is of.
    least_runs : int
        Runs that have been in a state, at the least.
    most : int
        States.
    """
    samples, root = _begin(xi, weight, grid, persistence, run, least_runs)
    if not samples.weight.any():
        return Partition.whole(np.array(grid.periodic, dtype=bool))
    parts, cuts = [root], {c: frozenset[int]() for c in range(len(names)) if grid.reported[c]}
    while True:
        for c in _by_barrier(parts, cuts, samples):
            made, known = list[_Part](), cuts[c]
            for part in parts:
                # one after another, so that a cut goes where the last part has one
                made += _pieces(part, c, samples.cut(part, c, known), samples)
                known = _begins([*made, *parts], c, grid)
            found = {**cuts, c: known}
            cells = float(np.prod([len(b) + 1.0 for b in found.values()]))
            if len(parts) < len(made) <= most and cells <= MOST_CELLS:
                parts, cuts = _heaviest_first(made, samples), found
                break
        else:
            return _partition(parts, samples, names, cuts)


def _by_barrier(
    parts: list[_Part], cuts: Mapping[int, frozenset[int]], samples: _Samples
) -> list[int]:
    """CVs along which some part has a pass, the highest first."""
    barrier = dict[int, float]()
    for c, known in cuts.items():
        found = [samples.cut(part, c, known) for part in parts]
        barrier[c] = max((cut.barrier for cut in found if cut is not None), default=0.0)
    return sorted((c for c, b in barrier.items() if b > 0.0), key=lambda c: -barrier[c])


def _heaviest_first(parts: list[_Part], samples: _Samples) -> list[_Part]:
    return sorted(parts, key=lambda part: -float(samples.weight[part.members].sum()))


def boxes_of(
    states: Partition, names: tuple[str, ...]
) -> dict[str, dict[str, tuple[float, float]]]:
    """The states of a partition that are boxes, as intervals of the CVs that limit them.

    low > high wraps around a periodic CV; an end that is not finite is where nothing limits.
    """
    out: dict[str, dict[str, tuple[float, float]]] = {}
    for k, name in enumerate(states.names):
        mine = states.labels == k
        box: dict[str, tuple[float, float]] = {}
        inside = np.ones(mine.shape, dtype=bool)
        for c, cv in enumerate(names):
            edges = states.edges[c]
            along = mine.any(axis=tuple(a for a in range(mine.ndim) if a != c))
            inside &= along.reshape([-1 if a == c else 1 for a in range(mine.ndim)])
            if along.all():
                continue
            begins = np.flatnonzero(along & ~np.roll(along, 1))
            begin = int(begins[0])
            end = int(np.flatnonzero(along & ~np.roll(along, -1))[0])
            if len(begins) == 1:
                box[cv] = (float(edges[begin]), float(edges[end + 1]))
        if box and np.array_equal(inside, mine):
            out[name] = box
    return out


def _begin(
    xi: Array,
    weight: Array | None,
    grid: Grid,
    persistence: float,
    run: Ints | None,
    least_runs: int,
) -> tuple[_Samples, _Part]:
    """Samples that are numbers as bins, those beyond a range in its last bin; and all of space."""
    whole = np.isfinite(xi).all(axis=1)
    xi, n = grid.wrap(xi[whole]), int(whole.sum())
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)[whole]
    run = np.zeros(n, dtype=np.int64) if run is None else run[whole]
    place = np.stack(
        [
            np.clip(np.searchsorted(e, xi[:, c], side="right") - 1, 0, len(e) - 2)
            for c, e in enumerate(grid.edges)
        ],
        axis=1,
    )
    least = max(LEAST_POINTS, int(LEAST_SHARE * n))
    samples = _Samples(place, w, run, grid, persistence, least, least_runs)
    return samples, _Part(np.arange(n), tuple(np.arange(m) for m in grid.shape))


def _pieces(part: _Part, c: int, cut: _Cut | None, samples: _Samples) -> list[_Part]:
    """The pieces of a part along CV c."""
    if cut is None:
        return [part]
    arc = part.arcs[c]
    if samples.grid.periodic[c] and len(arc) == samples.grid.shape[c]:
        arc = np.roll(arc, -cut.before[0])
        inner = [b - cut.before[0] for b in cut.before[1:]]
    else:
        inner = list(cut.before)
    out = []
    for piece in np.split(arc, inner):
        mine = np.isin(samples.place[part.members, c], piece)
        arcs = (*part.arcs[:c], piece, *part.arcs[c + 1 :])
        out.append(_Part(part.members[mine], arcs))
    return out if len(out) > 1 else [part]


def _begins(parts: list[_Part], c: int, grid: Grid) -> frozenset[int]:
    """Bins of CV c in which a part begins, where that is a cut."""
    found = {int(p.arcs[c][0]) for p in parts if len(p.arcs[c]) < grid.shape[c]}
    return frozenset(found if grid.periodic[c] else found - {0})


def _barrier(f: Array, begins: Ints, full: bool) -> float:
    """The highest pass above the higher bottom beside it; `begins` are those of the pieces."""
    pieces = (
        np.split(np.roll(f, -int(begins[0])), begins[1:] - begins[0])
        if full
        else (np.split(f, begins))
    )
    bottoms = [float(p.min()) for p in pieces]
    heights = []
    for k, after in enumerate(pieces):
        if k == 0 and not full:
            continue
        top = max(float(after[0]), float(pieces[k - 1][-1]))
        heights.append(top - max(bottoms[k], bottoms[k - 1]))
    return max(heights)


def _partition(
    parts: list[_Part],
    samples: _Samples,
    names: tuple[str, ...],
    cuts: Mapping[int, frozenset[int]],
) -> Partition:
    """The parts as states, cells of the product grid of all cuts."""
    grid, edges, firsts = samples.grid, [], []
    for c, e in enumerate(grid.edges):
        begins = sorted(cuts.get(c, frozenset()) - {0})
        first = np.array([0, *begins], dtype=np.int64)
        ends = (e[0], e[-1]) if grid.periodic[c] else (-np.inf, np.inf)
        edges.append(np.array([ends[0], *e[begins], ends[1]]))
        firsts.append(first)
    labels = np.zeros([len(f) for f in firsts], dtype=np.int64)
    titles = []
    limited = [c for c, found in cuts.items() if found]
    for k, part in enumerate(parts):
        inside = [np.flatnonzero(np.isin(f, arc)) for f, arc in zip(firsts, part.arcs, strict=True)]
        labels[np.ix_(*inside)] = k
        titles.append(_title(part, samples, names, limited) if limited else "all")
    return Partition(tuple(edges), labels, tuple(titles))


def _title(part: _Part, samples: _Samples, names: tuple[str, ...], limited: list[int]) -> str:
    """Where the density is highest along the CVs that are cut."""
    grid, said = samples.grid, []
    for c in limited:
        at = samples.place[part.members, c]
        counts = np.bincount(at, samples.weight[part.members], minlength=grid.shape[c])
        mode = "wrap" if grid.periodic[c] else "nearest"
        smooth = ndimage.gaussian_filter(counts, _SMOOTH, mode=mode)
        inside = np.zeros(len(smooth), dtype=bool)
        inside[part.arcs[c]] = True
        value = grid.centres[c][int(np.argmax(np.where(inside, smooth, -1.0)))]
        text = f"{np.degrees(value):.0f}" if grid.periodic[c] else f"{value:.3g}"
        said.append(f"{names[c]}={text}")
    return ",".join(said)
