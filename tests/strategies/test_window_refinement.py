"""Windows over slopes and barriers that they are too soft for: narrowed, filled, or left alone.

Walkers are drawn from each window's own density, by quadrature, all in equilibrium or each in the
well that its ladder came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from coverage_cases.chains import problem

from msgen.actors.base import Segment, encode
from msgen.actors.orders.umbrella import UmbrellaRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.umbrella import refinement
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.refinement import refined
from msgen.orchestrator.strategies.umbrella.windows import Windows, place
from msgen.systems.base import Array

LADDERS, READINGS = 4, 200
X = np.linspace(-2.5, 2.5, 20_001)
Profile = Callable[[Array], Array]


def tilted(slope: float) -> Profile:
    """Two wells 6 kT deep, a step of `slope` kT between x = −0.75 and −0.25."""
    return lambda x: 6.0 * (x * x - 1.0) ** 2 + slope / (1.0 + np.exp(-12.0 * (x + 0.5)))


def made() -> Problem:
    grid = Grid.regular(((-2.0, 2.0),), (40,), (False,))
    begun = problem(Criteria(), LADDERS, exchange=True)
    return replace(begun, grid=grid, strategy={**begun.strategy, "local": {"kind": "mala"}})


def first(n: int = 12) -> Windows:
    return place({"x": n}, "auto", ("x",), made().grid)


def seen(windows: Windows, profile: Profile, rng: np.random.Generator, *, stuck: bool) -> Segment:
    """READINGS of every walker; `stuck`: of the lower ladders left of the window's own maximum."""
    xi = np.zeros((LADDERS, len(windows), READINGS))
    for k in range(len(windows)):
        u = profile(X) + windows.energies(X[:, None])[k]
        p = np.exp(u.min() - u)
        top = np.flatnonzero((u[1:-1] > u[:-2]) & (u[1:-1] > u[2:]))
        for ladder in range(LADDERS):
            mine = p
            if stuck and len(top):
                left = X[top[0] + 1] >= X
                mine = p * (left if ladder < LADDERS // 2 else ~left)
            xi[ladder, k] = rng.choice(X, READINGS, p=mine / mine.sum())
    slots = np.arange(LADDERS * len(windows))
    columns = {
        "cvs": xi.reshape(-1, 1),
        "replica": np.repeat(slots, READINGS).astype(np.float64),
        "watched": np.zeros((xi.size, 0)),
        "watched_replica": np.repeat(slots, READINGS).astype(np.float64),
    }
    none = np.zeros((0, 2), dtype=np.int64)
    record = UmbrellaRecord(
        WalkerRows(np.zeros((len(slots), 1))), slots, slots, xi[..., -1].reshape(-1, 1), none
    )
    return Segment((0, "umbrella", 0), samples=columns, carry=encode(record))


def looked_at(windows: Windows, profile: Profile, seed: int, *, stuck: bool) -> WindowProduction:
    segment = seen(windows, profile, np.random.default_rng(seed), stuck=stuck)
    return WindowProduction.start(made(), windows, LADDERS).with_round(made(), [segment])


def refined_to_the_end(
    windows: Windows, profile: Profile, *, stuck: bool = False, widths: bool = True, most: int = 48
) -> tuple[Windows, int]:
    """And after how many looks."""
    for look in range(20):
        there = looked_at(windows, profile, look, stuck=stuck)
        better = refined(made(), there, most, widths=widths)
        if np.array_equal(better.kappa, windows.kappa):
            return windows, look
        windows = better
    raise AssertionError(f"{len(windows)} windows and no end")


def worst_overlap(windows: Windows, profile: Profile) -> float:
    return min(looked_at(windows, profile, 99, stuck=False).overlaps(made()).values())


def barrier(windows: Windows, profile: Profile) -> float:
    """The highest between two wells of one window, each of 5 % of its mass at least, kT."""
    highest = 0.0
    for energy in windows.energies(X[:, None]):
        u = profile(X) + energy
        mass = np.cumsum(np.exp(u.min() - u))
        mass /= mass[-1]
        left, right = np.minimum.accumulate(u), np.minimum.accumulate(u[::-1])[::-1]
        split = (mass > 0.05) & (mass < 0.95)
        highest = max(highest, float((u - np.maximum(left, right))[split].max()))
    return highest


@pytest.mark.parametrize("stuck", [False, True])
@pytest.mark.parametrize("slope", [12.0, 25.0, 40.0])
def test_a_step_too_steep_for_the_windows_is_covered(slope: float, stuck: bool) -> None:
    profile = tilted(slope)
    assert worst_overlap(first(), profile) < 0.06 or barrier(first(), profile) > 2.0
    windows, looks = refined_to_the_end(first(), profile, stuck=stuck)
    assert worst_overlap(windows, profile) > 0.05
    assert barrier(windows, profile) < 2.0
    assert len(windows) < 40
    assert looks < 12


def test_windows_alone_do_not_cover_it() -> None:
    """The twin: of one width, more of them still have two wells each."""
    windows, _ = refined_to_the_end(first(), tilted(25.0), widths=False)
    assert barrier(windows, tilted(25.0)) > 5.0


@pytest.mark.parametrize("curvature", [0.0, 4.0, 60.0])
def test_where_nothing_is_steep_all_stay_as_they_are(curvature: float) -> None:
    windows, looks = refined_to_the_end(first(), lambda x: 0.5 * curvature * x * x)
    assert (len(windows), looks) == (12, 0)


def test_a_gap_that_a_window_closes_gets_one_of_the_same_width() -> None:
    """Windows over wells of 6 kT hardly meet on the barrier; none needs to be narrower."""
    profile = tilted(0.0)
    few = first()
    assert 0.005 < worst_overlap(few, profile) < 0.06
    windows, _ = refined_to_the_end(few, profile)
    assert len(windows) == 13
    assert np.unique(windows.kappa).size == 1


def test_no_window_is_narrower_than_the_record_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = 4.0 / 40 / 8
    windows, _ = refined_to_the_end(first(), tilted(40.0))
    assert (1.0 / np.sqrt(windows.kappa) >= refinement.FINEST * cell).all()
    monkeypatch.setattr(refinement, "FINEST", 0.1)
    windows, _ = refined_to_the_end(first(), tilted(100.0))
    assert (1.0 / np.sqrt(windows.kappa)).min() < 2.0 * cell
