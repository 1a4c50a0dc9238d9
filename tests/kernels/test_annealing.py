"""Paths annealed from a model to a target and back obey Crooks' relation; without one part, not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msgen.actors.kernels.annealing import Annealing, Slope
from msgen.orchestrator.estimators.targeted import deep_bar
from msgen.systems.base import Array

LOG_Z = 1.7
MEAN, SIGMA = np.array([1.2, -0.8]), np.array([0.5, 0.7])
FREE = np.zeros(2, dtype=bool)


def model(y: Array) -> tuple[Array, Array]:
    """A standard normal, normalised."""
    return -0.5 * (y**2).sum(axis=1) - np.log(2 * np.pi), -y


def target(y: Array) -> tuple[Array, Array]:
    """A narrower Gaussian of weight e^1.7, and nothing beyond 3 of its widths."""
    z = (y - MEAN) / SIGMA
    inside = (np.abs(z) < 3).all(axis=1)
    value = LOG_Z - 0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi * SIGMA.prod())
    share = 2 * np.log(0.9973002039367398)
    return np.where(inside, value - share, -np.inf), -z / SIGMA


def blind(slope: Slope) -> Slope:
    """The same without a gradient."""
    return lambda y: (slope(y)[0], np.zeros_like(y))


def samples(n: int, rng: np.random.Generator) -> Array:
    z = rng.standard_normal((3 * n, 2))
    return np.asarray((MEAN + SIGMA * z[(np.abs(z) < 3).all(axis=1)])[:n])


class WithoutTheLastChange(Annealing):
    """Wrong: what comes back ends with a move."""

    def reverse(self, y: Array, target: Slope, model: Slope, rng: np.random.Generator) -> Array:
        lambdas = np.linspace(1, 0, self.steps + 1)
        return self._works(y, target, model, rng, lambdas[:-1])


class AtTheTarget(Annealing):
    """Wrong: moves that leave the target invariant wherever λ stands."""

    def _move(
        self, walkers: Any, at: float, target: Slope, model: Slope, rng: np.random.Generator
    ) -> None:
        super()._move(walkers, 1.0, target, model, rng)


class WithoutTheStepBack(Annealing):
    """Wrong: a drift, and no ratio of the chances of the step and of the step back."""

    def _log_chance(self, noise: Array) -> Array:
        return np.zeros(len(noise))


def log_z(
    kind: type[Annealing], steps: int, seed: int, *, slopes: bool = True, n: int = 4000
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    path = kind(steps, 0.8 * SIGMA, FREE)
    ends = (target, model) if slopes else (blind(target), blind(model))
    y, x = rng.standard_normal((n, 2)), samples(n, rng)
    # works are −ln w of draws, and of samples +ln w
    found = deep_bar(-path.forward(y, *ends, rng), path.reverse(x, *ends, rng))
    return found.value, found.stderr


@pytest.mark.parametrize("slopes", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 8, 30])
def test_both_ways_give_the_normalisation_at_any_number_of_steps(steps: int, slopes: bool) -> None:
    value, error = log_z(Annealing, steps, seed=100 + steps, slopes=slopes)
    # four σ, by the estimator's own error
    assert abs(value - LOG_Z) < 4 * error


def test_longer_paths_have_smaller_errors_and_gradients_make_them_smaller() -> None:
    errors = [log_z(Annealing, steps, seed=7)[1] for steps in (1, 8, 30)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < log_z(Annealing, 30, seed=7, slopes=False)[1]


@pytest.mark.parametrize("kind", [WithoutTheLastChange, AtTheTarget, WithoutTheStepBack])
def test_a_protocol_that_is_not_the_same_both_ways_is_wrong(kind: type[Annealing]) -> None:
    value, error = log_z(kind, 8, seed=5)
    assert abs(value - LOG_Z) > 6 * error


def test_one_step_is_the_weight_itself() -> None:
    rng = np.random.default_rng(3)
    y = rng.standard_normal((50, 2))
    down, rho = Annealing(1, SIGMA, FREE).forward(y, target, model, rng), target(y)[0]
    inside = np.isfinite(rho)
    np.testing.assert_allclose(down[inside], (model(y)[0] - rho)[inside])
    assert np.isposinf(down[~inside]).all()


@pytest.mark.parametrize("slopes", [True, False])
def test_angles_are_turned_about(slopes: bool) -> None:
    """A von Mises target across ±π from a uniform model: ln 2π I₀(κ) is known."""
    kappa, rng = 6.0, np.random.default_rng(4)
    angles = np.ones(1, dtype=bool)

    def flat(y: Array) -> tuple[Array, Array]:
        assert (np.abs(y) <= np.pi).all()
        return np.full(len(y), -np.log(2 * np.pi)), np.zeros_like(y)

    def bump(y: Array) -> tuple[Array, Array]:
        return kappa * np.cos(y[:, 0] - np.pi), -kappa * np.sin(y - np.pi)

    ends = (bump, flat) if slopes else (blind(bump), flat)
    y = rng.uniform(-np.pi, np.pi, (4000, 1))
    x = rng.vonmises(np.pi, kappa, (4000, 1))
    path = Annealing.along(10, y, angles, slopes=slopes)
    found = deep_bar(-path.forward(y, *ends, rng), path.reverse(x, *ends, rng))
    assert abs(found.value - np.log(2 * np.pi * np.i0(kappa))) < 4 * found.stderr


@pytest.mark.slow
def test_paths_cost_about_what_they_gain_and_a_random_walk_much_more() -> None:
    """error² × evaluations, between Gaussians in 20 dimensions."""
    d, shift, width, n = 20, 0.6, 0.6, 3000

    def wide(y: Array) -> tuple[Array, Array]:
        return -0.5 * (y**2).sum(axis=1) - 0.5 * d * np.log(2 * np.pi), -y

    def narrow(y: Array) -> tuple[Array, Array]:
        z = (y - shift) / width
        norm = 0.5 * d * np.log(2 * np.pi * width**2)
        return -0.5 * (z**2).sum(axis=1) - norm, -z / width

    def cost(steps: int, *, slopes: bool) -> tuple[float, float]:
        rng = np.random.default_rng(steps)
        ends = (narrow, wide) if slopes else (blind(narrow), blind(wide))
        free = np.zeros(d, dtype=bool)
        path = Annealing.along(steps, rng.standard_normal((512, d)), free, slopes=slopes)
        down = path.forward(rng.standard_normal((n, d)), *ends, rng)
        up = path.reverse(shift + width * rng.standard_normal((n, d)), *ends, rng)
        found = deep_bar(-down, up)
        assert abs(found.value) < 4 * found.stderr
        return found.stderr**2 * steps, found.overlap

    (one, poor), (sixteen, fair) = cost(1, slopes=True), cost(16, slopes=True)
    assert sixteen < 2.2 * one
    assert fair > 5 * poor
    assert cost(16, slopes=False)[0] > 5 * one
