"""The driver of the chains counts and collects what `init` and `step` say, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from quartic_well import Well, exact_draws

from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.chain import SteppedKernel
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.systems.base import Array

STEPPED: list[SteppedKernel[Any]] = [
    Hmc(0.3, n_leapfrog=4, jitter=0.2),
    Mala(0.05),
    Langevin(0.1, 1.0),
    Ghmc(0.3, 1.0),
    Overdamped(0.05),
]


@dataclass
class Counted:
    """A target that counts the configurations it is asked about."""

    target: BoltzmannTarget = field(default_factory=lambda: BoltzmannTarget(Well(0.8, np.inf)))
    number: int = 0

    def log_density(self, x: Array) -> Array:
        self.number += len(x)
        return self.target.log_density(x)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        self.number += len(x)
        return self.target.log_density_and_gradient(x)


@pytest.mark.parametrize("kernel", STEPPED, ids=lambda k: type(k).__name__)
def test_a_call_is_init_and_then_the_steps(kernel: SteppedKernel[Any]) -> None:
    walkers, target = exact_draws(20, 3), BoltzmannTarget(Well(0.8, np.inf))
    done = kernel(target, walkers, np.random.default_rng(4), n_steps=7, record_every=2)
    rng = np.random.default_rng(4)
    state, seen, accepted, refused = kernel.init(target, walkers.positions, rng), [], 0.0, 0
    for _ in range(7):
        state, outcome = kernel.step(target, state, rng)
        seen.append(state.x)
        accepted += outcome.accepted
        refused += int(outcome.nonfinite.sum())
    assert done.trajectory is not None
    np.testing.assert_array_equal(done.trajectory, seen[1::2])
    np.testing.assert_array_equal(done.walkers.positions, seen[-1])
    np.testing.assert_array_equal(done.accepted, accepted / 7)
    assert done.nonfinite == refused


@pytest.mark.parametrize("kernel", STEPPED, ids=lambda k: type(k).__name__)
def test_evaluations_are_those_that_the_target_saw(kernel: SteppedKernel[Any]) -> None:
    target = Counted()
    done = kernel(target, exact_draws(20, 3), np.random.default_rng(4), n_steps=7)
    assert done.evaluations == target.number


def test_twin_that_forgets_its_leapfrog_steps_is_caught() -> None:
    class Cheap(Hmc):
        @property
        def evaluations_per_step(self) -> int:
            return 1

    target = Counted()
    done = Cheap(0.3, n_leapfrog=4)(target, exact_draws(20, 3), np.random.default_rng(4))
    assert done.evaluations < target.number
