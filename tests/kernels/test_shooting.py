"""Two-way shooting: the ensemble of transition paths is the one that is known, for every dynamics.

Deliberately wrong twins: the shooting density left out of the test, its version mixed, the shadow
work of the steps left out, a path turned round without its own weight.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from short_paths import ExactPaths, Ints, Normal, Wells, region

import msgen.actors.kernels.shooting as kernels
from msgen.actors.kernels.langevin import Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.actors.kernels.shooting import (
    AimlessShooting,
    DensityShooting,
    Present,
    Shots,
)
from msgen.actors.kernels.two_way import Legs, Stepped, grow
from msgen.models.base import Array
from msgen.systems.base import Walkers
from msgen.systems.coordinates.representation import Cartesian

FRAMES, STRIDE = 9, 6
COARSE = Overdamped(0.025)
"""So long a step that its stationary density is off by a tenth."""
Q = Normal(0.3, 0.5)


def density(kernel: Stepped, q: Normal = Q) -> DensityShooting:
    return DensityShooting(kernel, q, Cartesian(1), FRAMES, STRIDE)


def nobody(n: int) -> Present:
    nothing = Legs(np.zeros((n, FRAMES, 1)), np.zeros((n, FRAMES)), np.zeros((n, FRAMES)))
    return Present(nothing, np.zeros(n, dtype=bool))


def chains(kernel: DensityShooting, n: int, steps: int, seed: int) -> Array:
    """Frames of the chains that soon had a path, after each later step; shape (≤ n, steps, F)."""
    rng = np.random.default_rng(seed)
    present, share, seen = nobody(n), np.zeros(n), []
    for k in range(steps):
        if k == steps // 3:
            soon = present.there
        shots = kernel.shoot(Wells(), region, n, rng)
        tested, share = kernel.test(present, share, shots, rng)
        present = tested.present
        if k >= 2 * steps // 3:
            seen.append(present.legs.positions[:, :, 0])
    assert soon.mean() > 0.85
    return np.stack(seen, axis=1)[soon]


def sigmas(seen: Array, exact: ExactPaths) -> Array:
    """How far ⟨x⟩ and the share below 0 of each frame are off, in their own errors."""
    one = np.concatenate([seen, (seen < 0.0).astype(np.float64)], axis=2).mean(axis=1)
    truth = np.concatenate([exact.mean(), exact.below(0.0)])
    error = one.std(axis=0, ddof=1) / np.sqrt(len(one))
    known = error > 0
    return np.abs(one.mean(axis=0) - truth)[known] / error[known]


@pytest.fixture(scope="module")
def exact() -> ExactPaths:
    return ExactPaths.of(COARSE, FRAMES, STRIDE)


def test_paths_from_a_density_are_those_of_the_ensemble(exact: ExactPaths) -> None:
    """Within 4 σ at 16 readings, at a time step whose own density is not ρ."""
    assert sigmas(chains(density(COARSE), 1200, 60, seed=1), exact).max() < 4


class WithoutDensity(DensityShooting):
    """A wrong twin: any path that crosses is taken."""

    def log_share(self, legs: Legs) -> Array:
        return np.zeros(len(legs.positions))


class WithoutShadow(DensityShooting):
    """A wrong twin: steps are taken to be in detailed balance."""

    def log_share(self, legs: Legs) -> Array:
        return super().log_share(legs._replace(reversal=np.zeros_like(legs.reversal)))


class Mixed(DensityShooting):
    """A wrong twin: paths are weighed by another version than they were shot from."""

    def log_share(self, legs: Legs) -> Array:
        return replace(density(self.kernel), proposal=Normal(0.0, 0.5)).log_share(legs)


@pytest.mark.parametrize("twin", [WithoutDensity, WithoutShadow, Mixed])
def test_wrong_twins_are_seen(twin: type[DensityShooting], exact: ExactPaths) -> None:
    wrong = twin(COARSE, Q, Cartesian(1), FRAMES, STRIDE)
    assert sigmas(chains(wrong, 1200, 60, seed=1), exact).max() > 5


class Lopsided(AimlessShooting):
    """A wrong twin: what was late in the old path is early in the new one, and never otherwise."""

    def places(self, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        old, new = super().places(n, rng)
        return np.full_like(old, 6), np.full_like(new, 2)


def aimless(move: AimlessShooting, n: int, steps: int, seed: int) -> Array:
    """Frames of chains of aimless shooting, begun in paths of the ensemble."""
    rng, seen = np.random.default_rng(seed), []
    first = density(COARSE)
    present, share = nobody(n), np.zeros(n)
    for _ in range(40):
        tested, share = first.test(present, share, first.shoot(Wells(), region, n, rng), rng)
        present = tested.present
    present = Present(present.legs.take(present.there), present.there[present.there])
    for k in range(steps):
        done, _ = move.step(Wells(), region, present, rng)
        present = done.present
        if k >= steps // 2:
            seen.append(present.legs.positions[:, :, 0])
    return np.stack(seen, axis=1)


@pytest.mark.parametrize(
    ("move", "holds"), [(AimlessShooting, True), (Lopsided, False)], ids=["exact", "twin"]
)
def test_aimless_paths_are_those_of_the_ensemble(
    move: type[AimlessShooting], holds: bool, exact: ExactPaths
) -> None:
    off = sigmas(aimless(move(COARSE, FRAMES, STRIDE, 2), 1200, 45, seed=3), exact).max()
    assert off < 4 if holds else off > 6


def weights(shots: Shots) -> Array:
    """Of paths from A to B and, turned round, from B to A, in the unit of the ensemble's mass."""
    crossing = shots.crossing
    turned = np.where(crossing < 0, shots.legs.reversal[:, -1], 0.0)
    return np.where(crossing != 0, 0.5 * np.exp(turned - shots.log_share), 0.0)


def test_weights_tell_how_often_a_stationary_path_crosses(exact: ExactPaths) -> None:
    rng = np.random.default_rng(5)
    w = weights(density(COARSE).shoot(Wells(), region, 40_000, rng))
    error = w.std() / np.sqrt(len(w))
    assert abs(w.mean() - exact.crossing) < 4 * error
    assert error < 0.03 * exact.crossing


@pytest.mark.parametrize("kernel", [Mala(0.05), Langevin(0.25, 1.0)], ids=["mala", "langevin"])
def test_other_dynamics_cross_as_often_as_when_they_are_left_alone(kernel: Stepped) -> None:
    """Stationary starts, plain dynamics, and whoever is in B at the end: within 4 σ."""
    rng = np.random.default_rng(8)
    n = 60_000
    grid = np.linspace(-2.6, 2.6, 4001)
    p = np.exp(Wells().log_density(grid[:, None]))
    starts = np.interp(rng.random(n), np.cumsum(p) / p.sum(), grid)[:, None]
    steps = (FRAMES - 1) * STRIDE
    plain = kernel(Wells(), Walkers(starts), rng, n_steps=steps, record_every=STRIDE)
    assert plain.trajectory is not None
    crossed = (region(starts) == 0) & (region(plain.walkers.positions) == 1)
    middle = plain.trajectory[FRAMES // 2 - 1, crossed, 0]
    z = float(p.sum() * (grid[1] - grid[0]))
    share, share_error = crossed.mean(), np.sqrt(crossed.mean() / n)
    w = weights(shots := density(kernel).shoot(Wells(), region, n // 3, rng))
    assert abs(w.mean() / z - share) < 4 * np.hypot(share_error, w.std() / z / np.sqrt(len(w)))
    # and half way they are as far
    x = shots.legs.turned(shots.crossing < 0).positions[:, FRAMES // 2, 0]
    mean = np.average(x, weights=w)
    error = np.sqrt(np.sum((w * (x - mean)) ** 2)) / w.sum()
    assert abs(mean - middle.mean()) < 4 * np.hypot(error, middle.std() / np.sqrt(len(middle)))


def test_what_a_path_weighs_goes_with_it_when_it_is_turned_round() -> None:
    """To rounding: Σ q e^ℓ/ρ of the path that a chain has, and not of the one that was grown."""
    kernel, n = density(COARSE), 3000
    shots = kernel.shoot(Wells(), region, n, np.random.default_rng(11))
    after, share = kernel.test(nobody(n), np.zeros(n), shots, np.random.default_rng(12))
    there = after.present.there
    turned = there & (shots.crossing < 0)
    assert turned.sum() > 20
    told = kernel.log_share(after.present.legs.take(there))
    np.testing.assert_allclose(share[there], told, atol=1e-10)
    # the twin that keeps what it weighed as it was grown
    assert np.abs(share - shots.log_share)[turned].max() > 0.05


def log_steps(x: Array, there: Array, kernel: Overdamped) -> Array:
    """ln of the density of overdamped steps from x to there, shape (n, m)."""
    gradient = Wells().log_density_and_gradient(x.reshape(-1, 1))[1].reshape(x.shape)
    return -((there - x - kernel.dt * gradient) ** 2) / (4.0 * kernel.dt)


def log_grown(x: Array, at: Ints, kernel: Overdamped) -> Array:
    """ln of the density of paths (n, F) grown both ways from their frames `at`."""
    later = np.arange(x.shape[1] - 1) >= at[:, None]
    ahead, back = log_steps(x[:, :-1], x[:, 1:], kernel), log_steps(x[:, 1:], x[:, :-1], kernel)
    return np.asarray(np.where(later, ahead, back).sum(axis=1))


def test_aimless_paths_are_held_against_their_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """P[new] of the old path from the point over P[old] of the new one, by the steps themselves."""
    kernel, n = Overdamped(0.05), 100_000
    free, rng = DensityShooting(kernel, Q, Cartesian(1), FRAMES, 1), np.random.default_rng(13)
    present = free.test(
        nobody(n), np.zeros(n), free.shoot(Wells(), region, n, rng), rng
    )[0].present  # fmt: skip
    present = Present(present.legs.take(present.there), present.there[present.there])
    move, n = AimlessShooting(kernel, FRAMES, 1, 2), len(present.there)
    places = move.places(n, rng)
    monkeypatch.setattr(AimlessShooting, "places", lambda *_: places)
    monkeypatch.setattr(kernels, "log_uniform", lambda _, n: np.zeros(n))
    done, shots = move.step(Wells(), region, present, rng)
    (old, origin), every, crossing = places, np.arange(n), shots.crossing
    back = crossing < 0
    new, at = shots.legs.positions[:, :, 0], np.where(back, FRAMES - 1 - origin, origin)
    new, was = np.where(back[:, None], new[:, ::-1], new), present.legs.positions[:, :, 0]
    np.testing.assert_array_equal(new[every, at], was[every, old])

    def log_p(x: Array) -> Array:
        begins = Wells().log_density(x[:, :1])
        return np.asarray(begins + log_steps(x[:, :-1], x[:, 1:], kernel).sum(axis=1))

    ratio = log_p(new) + log_grown(was, old, kernel) - log_p(was) - log_grown(new, at, kernel)
    # where ln u = 0 what is more likely the other way round is taken, and nothing else
    np.testing.assert_array_equal(done.accepted, (crossing != 0) & (ratio > 0))
    for mine in (crossing > 0, back):
        assert min((ratio > 0)[mine].sum(), (ratio < 0)[mine].sum()) > 10


def test_a_path_is_the_same_from_whichever_end_it_is_looked_at() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6, 1))
    legs, sound, evaluations = grow(Langevin(0.1, 1.0), Wells(), x, np.arange(6), 6, 3, rng)
    assert sound.all()
    assert evaluations == 6 + 6 * 5 * 3
    every = np.ones(6, dtype=bool)
    back = legs.turned(every)
    np.testing.assert_allclose(back.turned(every).reversal, legs.reversal, atol=1e-12)
    np.testing.assert_array_equal(back.positions, legs.positions[:, ::-1])
    assert (back.reversal[:, 0] == 0).all()
    np.testing.assert_array_equal(legs.positions[np.arange(6), np.arange(6)], x)
