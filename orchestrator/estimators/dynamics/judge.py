"""Tell all of some trajectories, beside a reference where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import (
    ChapmanKolmogorov,
    chapman_kolmogorov,
)
from msgen.orchestrator.estimators.dynamics.correlations import autocorrelation, displacement
from msgen.orchestrator.estimators.dynamics.divergences import BINS, Divergence, divergence
from msgen.orchestrator.estimators.dynamics.judgement import (
    Beside,
    CurveReading,
    Extent,
    Judgement,
    SurfaceReading,
)
from msgen.orchestrator.estimators.dynamics.markov import Cells, MarkovModel, markov_model, shares
from msgen.orchestrator.estimators.dynamics.passages import Crossing, Passages, crossing, passages
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading, listed
from msgen.orchestrator.estimators.dynamics.slow_modes import Standard, Tica, vamp2
from msgen.orchestrator.estimators.dynamics.surfaces import BELOW_KT, counts, difference, surface
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories, same_lag, spaced
from msgen.orchestrator.estimators.dynamics.validity import Validity
from msgen.orchestrator.estimators.histogram import Grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
T = TypeVar("T")

LAGS = 12
"""Lags that a curve is told at."""
PER_AXIS = {1: 50, 2: 25}
"""Bins of a free energy along each CV, by how many there are."""
MULTIPLES = (1, 2, 4, 8)
"""Of the lag, at which the slowest time scale is told."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Trajectories and the core set of each of their frames.

    Attributes
    ----------
    data : Trajectories
    core : int array, shape (N,)
        −1 in none.
    validity : Validity or None
        Where there are configurations.
    """

    data: Trajectories
    core: Ints
    validity: Validity | None = None


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes
    ----------
    cores : tuple of str
        Names of the core sets.
    lag : float
        Of TICA, VAMP-2 and the Markov model, in the unit of the trajectories.
    window : float
        Length that the crossing share is of.
    ranges : tuple of (float, float)
        Of each CV, for free energies and divergences.
    units : tuple of str
        Of each CV: 'rad', 'nm' or '1'.
    below : float
        kT; where surfaces are compared.
    """

    cores: tuple[str, ...]
    lag: float
    window: float
    ranges: tuple[tuple[float, float], ...]
    units: tuple[str, ...]
    below: float = BELOW_KT


def judge(
    here: Labelled, asked: Asked, reference: Labelled | None = None, notes: tuple[str, ...] = ()
) -> Judgement:
    """All that can be told.

    Raises
    ------
    ValueError
        If CVs or units of the two differ, or the lag is no whole number of strides of either.
    """
    every = [one.data for one in (here, reference) if one is not None]
    if len({(one.names, one.periodic, one.unit) for one in every}) > 1:
        raise ValueError("trajectories and reference have other CVs, or another unit of time")
    if same_lag(asked.lag, *every) is None:
        raise ValueError(f"a lag of {asked.lag:g} is no whole number of strides")
    return Judging(here, reference, asked).all(notes)


@dataclass(frozen=True, eq=False)
class Judging:
    """Readings of some trajectories, each beside that of the reference."""

    here: Labelled
    reference: Labelled | None
    asked: Asked

    def all(self, notes: tuple[str, ...]) -> Judgement:
        everywhere = self.curves(lambda one, c, lags: displacement(one.data, c, lags))
        between = (
            self.curves(lambda one, c, lags: displacement(one.data, c, lags, one.core < 0))
            if len(self.asked.cores) > 1
            else ()
        )
        score = self.vamp2()
        models = self.markov()
        return Judgement(
            extent=self.both(extent),
            units=dict(zip(self.here.data.names, self.asked.units, strict=True)),
            lag=self.asked.lag,
            notes=notes,
            surfaces=self.surfaces(),
            autocorrelations=self.curves(lambda one, c, lags: autocorrelation(one.data, c, lags)),
            displacements=everywhere,
            transition_displacements=between,
            crossing=self.crossing(),
            passages=self.passages(),
            divergences=self.divergences(),
            vamp2=score,
            vamp2_difference=_minus(score),
            markov=None if models is None else models[0],
            chapman_kolmogorov=None if models is None else models[1],
            validity=self.here.validity,
        )

    def both(self, of: Callable[[Labelled], T]) -> Beside[T]:
        return Beside(of(self.here), None if self.reference is None else of(self.reference))

    @property
    def source(self) -> Trajectories:
        """What cells and slow directions are of."""
        return (self.reference or self.here).data

    def frames(self, one: Labelled) -> int:
        """The lag in strides."""
        frames = one.data.frames_in(self.asked.lag)
        assert frames is not None
        return frames

    def times(self) -> Array:
        """Lags of curves: whole strides of both, up to half of the shorter of their longest."""
        every = [one.data for one in (self.here, self.reference) if one is not None]
        most = min(d.stride * (int(d.lengths.max()) - 1) for d in every)
        coarse = max(d.stride for d in every)
        times = coarse * spaced(int(most / coarse / 2), LAGS).astype(np.float64)
        return np.array([t for t in times if same_lag(float(t), *every) is not None])

    def curves(self, of: Callable[[Labelled, int, Ints], Curve]) -> tuple[CurveReading, ...]:
        times = self.times()
        if not len(times):
            return ()

        def told(c: int) -> Beside[Curve]:
            return self.both(
                lambda one: of(one, c, np.round(times / one.data.stride).astype(np.int64))
            )

        return tuple(CurveReading(name, told(c)) for c, name in enumerate(self.here.data.names))

    def sets(self) -> list[tuple[int, ...]]:
        """Every CV, and the first two together."""
        n = len(self.here.data.names)
        return [*((c,) for c in range(n)), *([(0, 1)] if n > 1 else [])]

    def grid(self, columns: tuple[int, ...], bins: int) -> Grid:
        return Grid.regular(
            tuple(self.asked.ranges[c] for c in columns),
            (bins,) * len(columns),
            tuple(self.here.data.periodic[c] for c in columns),
        )

    def surfaces(self) -> tuple[SurfaceReading, ...]:
        return tuple(self.surface(columns) for columns in self.sets())

    def surface(self, columns: tuple[int, ...]) -> SurfaceReading:
        grid = self.grid(columns, PER_AXIS[len(columns)])
        mine = counts(self.here.data, columns, grid)
        told = surface(mine, grid)
        names = tuple(self.here.data.names[c] for c in columns)
        axes = tuple(tuple(c.tolist()) for c in grid.centres)
        f, stderr = listed(told.f), listed(told.stderr)
        if self.reference is None:
            return SurfaceReading(names, axes, f, stderr)
        theirs = counts(self.reference.data, columns, grid)
        off = difference(mine, theirs, self.asked.below)
        return SurfaceReading(names, axes, f, stderr, listed(surface(theirs, grid).f), off)

    def divergences(self) -> tuple[Divergence, ...]:
        if self.reference is None:
            return ()
        pair = (self.here.data, self.reference.data)
        out = []
        for columns in self.sets():
            grid = self.grid(columns, BINS)
            mine, theirs = (counts(one, columns, grid) for one in pair)
            names = tuple(pair[0].names[c] for c in columns)
            out.append(divergence(names, BINS, mine, theirs))
        tica = Tica.fit(pair[1], self.frames(self.reference))
        if tica is None:
            return tuple(out)
        values = [tica(one) for one in pair]
        for k in range(len(tica.eigenvalues)):
            both = np.concatenate([v[:, k] for v in values])
            grid = Grid.regular(((float(both.min()), float(both.max())),), (BINS,), (False,))
            mine, theirs = (
                one.blocks.count(grid.index(v[:, k : k + 1]), BINS, np.arange(len(v)), one.weight)
                for one, v in zip(pair, values, strict=True)
            )
            out.append(divergence((f"slow direction {k + 1}",), BINS, mine, theirs))
        return tuple(out)

    def crossing(self) -> Beside[Crossing] | None:
        if len(self.asked.cores) < 2:
            return None

        def of(one: Labelled) -> Crossing:
            return crossing(one.data, one.core, round(self.asked.window / one.data.stride) + 1)

        return self.both(of)

    def passages(self) -> tuple[Beside[Passages], ...]:
        names, out = self.asked.cores, []
        for a, b in combinations(range(len(names)), 2):
            pair = (a, b)

            def of(one: Labelled, pair: tuple[int, int] = pair) -> tuple[Passages, Passages]:
                return passages(one.data, one.core, (names[pair[0]], names[pair[1]]), pair)

            both = self.both(of)
            for k in (0, 1):
                other = None if both.reference is None else both.reference[k]
                out.append(Beside(both.here[k], other))
        return tuple(out)

    def vamp2(self) -> Beside[Reading]:
        standard = Standard.of(self.source)
        return self.both(lambda one: vamp2(one.data, standard, self.frames(one)))

    def markov(self) -> tuple[Beside[MarkovModel], Beside[ChapmanKolmogorov | None]] | None:
        cells = Cells.of(self.source)
        if cells is None or len(cells) < 2:
            return None
        names, n = self.asked.cores, len(cells)
        source = self.reference or self.here
        found = shares(source.data, cells.assign(source.data), n, source.core, max(len(names), 1))
        membership = {name: found[:, k] for k, name in enumerate(names)}

        def model(one: Labelled) -> MarkovModel:
            lag, longest = self.frames(one), int(one.data.lengths.max())
            lags = np.array([m * lag for m in MULTIPLES if m * lag < longest], dtype=np.int64)
            return markov_model(one.data, cells, lag, membership, lags)

        def test(one: Labelled) -> ChapmanKolmogorov | None:
            return chapman_kolmogorov(one.data, cells, self.frames(one), membership)

        return self.both(model), self.both(test)


def extent(one: Labelled) -> Extent:
    """How much there is."""
    data = one.data
    frames = int(data.lengths.sum())
    return Extent(
        len(data.paths),
        len(np.unique(data.member)),
        frames,
        data.stride,
        float((frames - len(data.paths)) * data.stride),
        data.unit,
    )


def _minus(score: Beside[Reading]) -> Reading | None:
    """Of two that are independent."""
    if score.reference is None:
        return None
    a, b = score.here, score.reference
    if a.value is None or b.value is None:
        return Reading.unknown(a.why or b.why)
    error = float("nan")
    if a.stderr is not None and b.stderr is not None:
        error = float(np.hypot(a.stderr, b.stderr))
    return Reading.of(a.value - b.value, error, a.why or b.why)
