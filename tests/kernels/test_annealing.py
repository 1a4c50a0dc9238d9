"""Paths annealed from a model to a target and back obey Crooks' relation; without one part, not."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.actors.kernels.annealing import Annealing
from msgen.orchestrator.estimators.targeted import deep_bar
from msgen.systems.base import Array

LOG_Z = 1.7
MEAN, SIGMA = np.array([1.2, -0.8]), np.array([0.5, 0.7])
FREE = np.zeros(2, dtype=bool)


def model(y: Array) -> Array:
    """A standard normal, normalised."""
    return np.asarray(-0.5 * (y**2).sum(axis=1) - np.log(2 * np.pi))


def target(y: Array) -> Array:
    """A narrower Gaussian of weight e^1.7, and nothing beyond 3 of its widths."""
    z = (y - MEAN) / SIGMA
    inside = (np.abs(z) < 3).all(axis=1)
    value = LOG_Z - 0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi * SIGMA.prod())
    share = 2 * np.log(0.9973002039367398)
    return np.where(inside, value - share, -np.inf)


def samples(n: int, rng: np.random.Generator) -> Array:
    z = rng.standard_normal((3 * n, 2))
    return np.asarray((MEAN + SIGMA * z[(np.abs(z) < 3).all(axis=1)])[:n])


class WithoutTheLastChange(Annealing):
    """Wrong: what comes back ends with a move."""

    def reverse(self, y, log_target, target, model, rng):  # type: ignore[no-untyped-def]
        lambdas = np.linspace(1, 0, self.steps + 1)
        return self._works(y, log_target, target, model, rng, lambdas[:-1])


class AtTheTarget(Annealing):
    """Wrong: moves that leave the target invariant wherever λ stands."""

    def _move(self, y, rho, q, alive, at, target, model, rng):  # type: ignore[no-untyped-def]
        super()._move(y, rho, q, alive, 1.0, target, model, rng)


def log_z(kind: type[Annealing], steps: int, seed: int, n: int = 4000) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    path = kind(steps, 0.8 * SIGMA, FREE)
    y, x = rng.standard_normal((n, 2)), samples(n, rng)
    down = path.forward(y, target(y), target, model, rng)
    up = path.reverse(x, target(x), target, model, rng)
    # works are −ln w of draws, and of samples +ln w
    found = deep_bar(-down, up)
    return found.value, found.stderr


@pytest.mark.parametrize("steps", [1, 2, 8, 30])
def test_both_ways_give_the_normalisation_at_any_number_of_steps(steps: int) -> None:
    value, error = log_z(Annealing, steps, seed=100 + steps)
    # four σ, by the estimator's own error
    assert abs(value - LOG_Z) < 4 * error


def test_longer_paths_have_smaller_errors() -> None:
    errors = [log_z(Annealing, steps, seed=7)[1] for steps in (1, 8, 30)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("kind", [WithoutTheLastChange, AtTheTarget])
def test_a_protocol_that_is_not_the_same_both_ways_is_wrong(kind: type[Annealing]) -> None:
    value, error = log_z(kind, 8, seed=5)
    assert abs(value - LOG_Z) > 6 * error


def test_one_step_is_the_weight_itself() -> None:
    rng = np.random.default_rng(3)
    y = rng.standard_normal((50, 2))
    down = Annealing(1, SIGMA, FREE).forward(y, target(y), target, model, rng)
    inside = np.isfinite(target(y))
    np.testing.assert_allclose(down[inside], (model(y) - target(y))[inside])
    assert np.isposinf(down[~inside]).all()


def test_angles_are_turned_about() -> None:
    """A von Mises target across ±π from a uniform model: ln 2π I₀(κ) is known."""
    kappa, rng = 6.0, np.random.default_rng(4)
    angles = np.ones(1, dtype=bool)

    def flat(y: Array) -> Array:
        return np.full(len(y), -np.log(2 * np.pi))

    def bump(y: Array) -> Array:
        return np.asarray(kappa * np.cos(y[:, 0] - np.pi))

    y = rng.uniform(-np.pi, np.pi, (4000, 1))
    x = rng.vonmises(np.pi, kappa, (4000, 1))
    path = Annealing.along(10, y, angles)
    down = path.forward(y, bump(y), bump, flat, rng)
    up = path.reverse(x, bump(x), bump, flat, rng)
    found = deep_bar(-down, up)
    assert abs(found.value - np.log(2 * np.pi * np.i0(kappa))) < 4 * found.stderr
