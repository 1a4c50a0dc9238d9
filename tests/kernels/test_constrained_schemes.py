"""Paths of exactly moved CVs obey Crooks' relation in every scheme; tempting wrong ones do not.

Starts are exact draws, so that BAR's error is the only one; 4.5 standard errors are allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from exact_cv_systems import BASIC, CASES, SYSTEMS, VARIANTS, A, B, Line, N

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.batched import Potential
from msgen.actors.kernels.switching import constrained_schemes as exact_switching
from msgen.actors.kernels.switching.constrained_paths import Ends
from msgen.actors.kernels.switching.constrained_schemes import (
    SCHEMES,
    Asymmetric,
    CoinFlip,
    Symmetric,
    switch,
)
from msgen.actors.kernels.switching.level_sets import LevelSets, Spheres, Surfaces, level_sets
from msgen.actors.kernels.switching.linear_level_sets import Planes
from msgen.orchestrator.estimators.works.bar import bar
from msgen.systems.base import Array, CVSet

MANY = 60_000
SIGMAS = 4.5


def run(
    name: str,
    schedule: Schedule,
    make: Callable[[CVSet, Array], LevelSets] = level_sets,
    borders: tuple[float, float, float] = (*A, B[1]),
) -> tuple[float, float, float, Ends]:
    """z of BAR's ΔF, its error, the mean acceptance; and the forward ends.

    `borders` are those of A and B along the CV that is moved.
    """
    system, rng = SYSTEMS[name], np.random.default_rng(1)
    works, ends = [], []
    for start, here, there in ((A, borders[:2], borders[1:]), (B, borders[1:], borders[:2])):
        x = system.draw(start, rng)
        stop = rng.uniform(*there, size=(N, 1))
        delta = stop - system.cvs(x)
        levels = make(system.cvs, system.masses)
        end = switch(Potential(system), levels, x, delta, schedule, 1.0, system.masses, rng)
        # uniform proposals: ln q_B(λ_N)/q_A(λ_0) is ln of the ratio of lengths
        works.append(end.work - np.log((there[1] - there[0]) / (here[1] - here[0])))
        ends.append(end)
        fine = np.isfinite(end.work)
        assert np.allclose(system.cvs(end.x[fine]), stop[fine], atol=1e-8)
    found = bar(works[0], works[1])
    exact = system.log_mass(A) - system.log_mass(B)
    chance = float(np.exp(-np.clip(works[0], 0.0, None)).mean())
    return (found.delta_f - exact) / found.stderr, found.stderr, chance, ends[0]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_scheme_gives_the_exact_difference(name: str, variant: str) -> None:
    z, error, chance, ends = run(name, replace(BASIC, **VARIANTS[variant]))
    assert abs(z) < SIGMAS
    # so that the test means something: a bias of 0.25 kT would be seen
    assert error < 0.055
    assert 0.02 < chance < 0.9
    assert np.isfinite(ends.work).mean() > 0.9


def test_general_surfaces_do_what_spheres_do() -> None:
    z, _, _, general = run("trio", BASIC, Surfaces)
    assert abs(z) < SIGMAS
    closed = run("trio", BASIC)[3]
    # the same random stream; Newton stops at 1e-10
    both = np.isfinite(general.work) & np.isfinite(closed.work)
    assert both.mean() > 0.9
    assert np.median(np.abs(general.work - closed.work)[both]) < 1e-6


def moved(
    name: str,
    schedule: Schedule,
    make: Callable[[CVSet, Array], LevelSets] = level_sets,
    n: int = MANY,
) -> tuple[float, float]:
    """z of ⟨ξ⟩ and of the mean energy of what follows ξ, after one Metropolis move from ρ*."""
    system, rng = SYSTEMS[name], np.random.default_rng(2)
    both = (A[0], B[1])
    x = system.draw(both, rng, n)
    delta = rng.uniform(*both, size=(n, 1)) - system.cvs(x)
    levels = make(system.cvs, system.masses)
    end = switch(Potential(system), levels, x, delta, schedule, 1.0, system.masses, rng)
    accept = np.log1p(-rng.random(n)) < -end.work
    assert 0.05 < accept.mean() < 0.95
    new = np.where(accept[:, None], end.x, x)
    z = []
    for f in (lambda y: system.cvs(y)[:, 0], system.followers):
        # the same walkers before and after: only the change has an error
        change = f(new) - f(x)
        z.append(float(change.mean() / change.std() * np.sqrt(n)))
    return z[0], z[1]


SHORT = replace(BASIC, min_steps=3, dt=0.3)


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_metropolis_move_leaves_the_density_as_it_is(name: str, variant: str) -> None:
    assert np.abs(moved(name, replace(SHORT, **VARIANTS[variant]))).max() < SIGMAS


def test_curved_surfaces_are_weighed_by_their_metric() -> None:
    class Unweighed(Surfaces):
        def log_gram(self, x: Array) -> Array:
            return np.zeros(len(x))

    z, error, *_ = run("squared", BASIC, borders=(1.0, 4.0, 10.24))
    assert abs(z) < SIGMAS
    assert error < 0.055
    assert abs(run("squared", BASIC, Unweighed, borders=(1.0, 4.0, 10.24))[0]) > 2 * SIGMAS


class _Coinless(CoinFlip):
    """The coin left out: always perturb first, accepted as if the reverse did too."""

    def run(self) -> Ends:
        self.rng = _Heads(self.rng)
        return super().run()


class _Heads:
    """A generator whose uniform draws of a whole batch are all heads."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.standard_normal = rng.standard_normal

    def random(self, n: int) -> Array:
        return np.zeros(n)


class _Shadowless(Symmetric):
    """Steps without a test, but the work of the perturbations only."""

    def _verlet(self, rows: np.ndarray) -> None:
        booked = self.work.copy()
        super()._verlet(rows)
        self.work = booked


class _Ratioless(Asymmetric):
    """The ratio of path probabilities left out: all energy change counts as work."""

    def _log_kernel(self, *a: Array) -> Array:
        return np.zeros(len(a[0]))


@dataclass(frozen=True)
class _Twin:
    scheme: str
    replacement: type
    settings: dict[str, object]


TWINS = {
    "coin left out": _Twin("coin_flip", _Coinless, {"metropolised": True, "overdamped": True}),
    "shadow work left out": _Twin("symmetric", _Shadowless, {"dt": 0.5}),
    "ratio left out": _Twin("asymmetric", _Ratioless, {}),
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_schemes_are_caught(twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = TWINS[twin]
    schedule = replace(SHORT, **{"scheme": wrong.scheme, **wrong.settings})
    assert np.abs(moved("line", schedule)).max() < SIGMAS
    monkeypatch.setitem(exact_switching.SCHEMES, wrong.scheme, wrong.replacement)
    assert np.abs(moved("line", schedule)).max() > 2 * SIGMAS


def test_volume_and_metric_count() -> None:
    class NoVolume(Spheres):
        def displaced(self, x: Array, lam: Array) -> tuple[Array, Array]:
            moved, volume = super().displaced(x, lam)
            return moved, 0.0 * volume

    def make(cvs: CVSet, masses: Array) -> LevelSets:
        return NoVolume(np.arange(3), np.arange(3, 6), masses)

    assert abs(run("trio", replace(BASIC, scheme="symmetric"), make)[0]) > 2 * SIGMAS


def test_steps_that_would_not_come_back_are_refused() -> None:
    """At a long step the projection of the reverse step often finds the other point."""

    class OneWay(Spheres):
        def returns(self, old: Array, trial: Array, new: Array, lam: Array) -> np.ndarray:
            return np.ones(len(old), dtype=bool)

    def make(cvs: CVSet, masses: Array) -> LevelSets:
        return OneWay(np.arange(3), np.arange(3, 6), masses)

    long = replace(SHORT, dt=0.5, overdamped=True)
    assert run("trio", long)[3].failures > 50
    assert np.abs(moved("trio", long, n=4 * MANY)).max() < SIGMAS
    assert np.abs(moved("trio", long, make, n=4 * MANY)).max() > 1.5 * SIGMAS


@pytest.mark.parametrize("scheme", ["moving", "symmetric"])
def test_no_distance_is_negative(scheme: str) -> None:
    """A proposal below 0 is refused: |r⃗| = |λ| would be another place than was proposed."""
    trio, rng = SYSTEMS["trio"], np.random.default_rng(4)
    x = trio.draw(A, rng, 200)
    delta = -0.9 - trio.cvs(x)
    schedule = replace(BASIC, scheme=scheme, dt=0.01)
    levels = level_sets(trio.cvs, trio.masses)
    end = switch(Potential(trio), levels, x, delta, schedule, 1.0, trio.masses, rng)
    assert np.isinf(end.work).all()
    assert np.array_equal(end.x, x)


def test_schemes_that_do_not_fit_are_refused() -> None:
    x = np.ones((1, 9))
    x[0, 3:] = 2.0
    for scheme, make, why in (
        ("asymmetric", level_sets, "linear"),
        ("symmetric", Surfaces, "closed form"),
        ("none", level_sets, "no path"),
    ):
        schedule = replace(BASIC, scheme=scheme)
        trio = SYSTEMS["trio"]
        with pytest.raises(ValueError, match=why):
            switch(
                Potential(trio),
                make(trio.cvs, trio.masses),
                x,
                np.ones((1, 1)),
                schedule,
                1.0,
                trio.masses,
                np.random.default_rng(0),
            )
    assert set(SCHEMES) == {"moving", "symmetric", "coin_flip", "asymmetric"}
    assert isinstance(level_sets(Line.cvs, np.ones(3)), Planes)
