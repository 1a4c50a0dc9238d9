"""Steps of a learnt dynamics leave the density as it is, whatever the model has learnt.

Deliberately wrong twins: the way back left out, the volume of the coordinates left out, a step
drawn by one version and judged by another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from drifting_steps import Drift, Mixed, Relaxing
from short_paths import Normal, Wells

from msgen.actors.kernels.propagator import Propagate
from msgen.models.base import Array

STEPS = 60


MODEL = Drift(0.6, 0.25, 0.7)


class OneWay(Propagate):
    """A wrong twin: the way back is taken to be as likely as the way there."""

    def log_proposal(self, after: Array, before: Array, lag: Array) -> Array:
        return np.zeros(len(after))


@dataclass(frozen=True)
class Curved:
    """The wells seen in y, x = y³/3 + y; without its volume it is a wrong twin."""

    volume: bool = True

    def log_density(self, y: Array) -> Array:
        told = Wells().log_density(self.placed(y))
        return told + np.log(y[:, 0] ** 2 + 1.0) if self.volume else told

    def placed(self, y: Array) -> Array:
        return np.asarray(y**3 / 3.0 + y)


def sigmas(kernel: Propagate, target: Curved, seed: int) -> float:
    """How far five shares of x are off after many steps, in their own errors."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(-1.0, 1.0, size=(3000, 1))
    log_density, shares = target.log_density(y), []
    edges = np.array([-np.inf, -1.0, -0.4, 0.4, 1.0, np.inf])
    for k in range(STEPS):
        done = kernel.step(target, y, log_density, rng)
        y, log_density = done.y, done.log_density
        if k >= STEPS // 2:
            bins = np.searchsorted(edges, target.placed(y)[:, 0]) - 1
            shares.append(np.eye(5)[bins])
    mean = np.mean(shares, axis=0)
    grid = np.linspace(-3, 3, 6001)
    p = np.exp(Wells().log_density(grid[:, None]))
    exact = np.bincount(np.searchsorted(edges, grid) - 1, p, 5) / p.sum()
    error = mean.std(axis=0, ddof=1) / np.sqrt(len(mean))
    return float(np.max(np.abs(mean.mean(axis=0) - exact) / error))


WIDE = Normal(0.0, 1.5)


@pytest.mark.parametrize("lags", [(1.0,), (0.25, 2.0)], ids=["one", "several"])
def test_steps_of_any_model_leave_the_density_as_it_is(lags: tuple[float, ...]) -> None:
    assert sigmas(Propagate(MODEL, lags, WIDE, 0.1), Curved(), seed=1) < 4


@pytest.mark.parametrize(
    ("kernel", "target"),
    [
        (OneWay(MODEL, (1.0,), WIDE, 0.1), Curved()),
        (Propagate(Mixed(0.6, 0.25, 0.7), (1.0,), WIDE, 0.1), Curved()),
        (Propagate(MODEL, (1.0,), WIDE, 0.1), Curved(volume=False)),
    ],
    ids=["way back left out", "versions mixed", "volume left out"],
)
def test_wrong_steps_are_seen(kernel: Propagate, target: Curved) -> None:
    assert sigmas(kernel, target, seed=1) > 6


def test_the_density_of_a_proposal_is_normalised_with_its_broad_share() -> None:
    """Of both parts together, to what a grid can tell; and proposals are drawn from it."""
    kernel, n = Propagate(MODEL, (1.0,), WIDE, 0.3), 40_000
    grid = np.linspace(-9.0, 9.0, 4001)[:, None]
    here, lag = np.full_like(grid, 0.4), np.ones(len(grid))
    p = np.exp(kernel.log_proposal(grid, here, lag)) * (grid[1, 0] - grid[0, 0])
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    drawn = kernel.step(Curved(), np.full((n, 1), 0.4), np.zeros(n), np.random.default_rng(4)).drawn
    mean = float(p @ grid[:, 0])
    variance = float(p @ (grid[:, 0] - mean) ** 2)
    fourth = float(p @ (grid[:, 0] - mean) ** 4)
    assert abs(drawn.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(drawn.var() - variance) < 4 * np.sqrt((fourth - variance**2) / n)


def test_a_perfect_model_of_reversible_dynamics_is_always_accepted() -> None:
    """An Ornstein–Uhlenbeck process, whose steps are known."""

    @dataclass(frozen=True)
    class Gaussian:
        def log_density(self, y: Array) -> Array:
            return np.asarray(-0.5 * (y**2).sum(axis=1))

    rng = np.random.default_rng(3)
    y = rng.standard_normal((500, 1))
    kernel = Propagate(Relaxing(), (0.1, 0.5, 3.0), WIDE, 1e-12)
    done = kernel.step(Gaussian(), y, Gaussian().log_density(y), rng)
    assert done.accepted.mean() > 0.999
    assert set(done.lag.tolist()) == {0, 1, 2}
