"""Delayed acceptance keeps the dear density whatever the cheap one is; its wrong twins do not.

Walkers start from exact draws of a double well, as in `test_kernels`: right is within 4.5 σ, wrong
beyond 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from quartic_well import RIGHT, WRONG, Well, drift, exact_draws, worst_sigma

from msgen.actors.kernels import delayed_acceptance
from msgen.actors.kernels.base import BoltzmannTarget, Mask
from msgen.actors.kernels.delayed_acceptance import DelayedAcceptance
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.mala import Mala
from msgen.systems.base import Array, Walkers

HMC = Hmc(0.15, 4, jitter=0.2)


@dataclass(frozen=True)
class Tilted:
    """A cheap density that is off by a tilt and a scale; `told`: a tilt that it claims instead."""

    tilt: float = 0.7
    scale: float = 1.2
    told: float | None = None

    def log_density(self, x: Array) -> Array:
        tilt = self.tilt if self.told is None else self.told
        return -self.scale * (4.5 * x**4 - 5.0 * x**2)[:, 0] - tilt * x[:, 0]

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        slope = -self.scale * (18.0 * x**3 - 10.0 * x) - self.tilt
        return replace(self, told=None).log_density(x), slope


@dataclass
class Counted:
    """The well, and how often it was asked."""

    calls: int = 0
    wall: float = np.inf

    def log_density(self, x: Array) -> Array:
        return self.log_density_and_gradient(x)[0]

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        self.calls += len(x)
        return BoltzmannTarget(Well(self.wall, np.nan)).log_density_and_gradient(x)


@pytest.mark.parametrize("kernel", [HMC, Mala(0.03)])
@pytest.mark.parametrize("moves", [1, 3])
def test_the_dear_density_is_kept(kernel: Hmc | Mala, moves: int) -> None:
    assert drift(DelayedAcceptance(Tilted(), kernel, moves), n_steps=8) < RIGHT


def test_without_the_second_test_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(
        new: Array, old: Array, forward: Array, backward: Array, log_u: Array
    ) -> tuple[Mask, Array, Mask]:
        yes = np.ones(len(new), dtype=bool)
        return yes, np.zeros(len(new)), ~yes

    monkeypatch.setattr(delayed_acceptance, "metropolis", everything)
    assert drift(DelayedAcceptance(Tilted(), HMC), n_steps=8) > WRONG


def test_where_versions_are_mixed_it_is_not() -> None:
    """Walks by one version of the cheap density, tested by another."""
    assert drift(DelayedAcceptance(Tilted(told=0.0), HMC), n_steps=8) > WRONG


def test_a_cheap_density_that_knows_one_well_is_exact_too() -> None:
    """Reweighting what it draws would see next to nothing of the other."""
    assert drift(DelayedAcceptance(Tilted(tilt=3.0), HMC), n_steps=8) < RIGHT


def test_a_perfect_one_is_always_accepted_and_each_walk_costs_one_call() -> None:
    target = Counted()
    kernel = DelayedAcceptance(Tilted(1.0, 1.0), HMC, 2)
    done = kernel(target, exact_draws(200, 3), np.random.default_rng(4), n_steps=5, record_every=5)
    assert np.nanmin(done.accepted) == 1.0
    assert done.evaluations == target.calls == 200 + done.tested
    assert len(done.calculated.x) == target.calls
    # who went nowhere in a walk is not asked about
    assert done.tested <= 1000
    stuck = DelayedAcceptance(Tilted(1.0, 1.0), Hmc(50.0, 1))
    none = stuck(target, exact_draws(50, 3), np.random.default_rng(5), n_steps=3)
    assert none.evaluations == 50 + none.tested < 60
    assert none.inner < 0.1
    assert done.trajectory is not None
    np.testing.assert_array_equal(done.trajectory[-1], done.walkers.positions)


def test_where_the_dear_density_cannot_be_told_is_refused_and_counted() -> None:
    density = np.exp(-(4.5 * GRID**4 - 5.0 * GRID**2 + GRID)) * (np.abs(GRID) < 0.9)
    density /= density.sum()
    start = exact_draws(20_000, 1, density)
    done = DelayedAcceptance(Tilted(), HMC)(
        Counted(wall=0.9), start, np.random.default_rng(6), n_steps=6
    )
    assert done.nonfinite > 1000
    assert worst_sigma(done.walkers.positions[:, 0], density) < RIGHT
    asked = done.calculated
    assert np.isneginf(asked.log_density).sum() == done.nonfinite


GRID = np.linspace(-3, 3, 60_001)


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="moves"):
        DelayedAcceptance(Tilted(), HMC, 0)
    one = DelayedAcceptance(Tilted(), HMC)
    with pytest.raises(ValueError, match="n_steps"):
        one(Counted(), Walkers(np.zeros((1, 1))), np.random.default_rng(0), n_steps=0)
