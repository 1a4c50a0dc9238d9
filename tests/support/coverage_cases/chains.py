"""Autocorrelated readings of known distribution, and a campaign's problem around them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm

from coverage_cases.base import Array
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Walkers

BINS, EDGE = 12, 4.0
HALVES = Partition.from_boxes({"left": {"x": (-np.inf, 0.0)}}, ("x",), np.array([False]))
"""Left of 0, and the rest."""


@dataclass
class Chains:
    """AR(1) chains of N(0, 1), each from a start of its own: ρ(t) = e^{−t/τ}.

    Attributes
    ----------
    rng : Generator
    shape : tuple of int
        Of the chains.
    tau : float
        Correlation time in readings; the statistical inefficiency is about 2τ.
    """

    rng: np.random.Generator
    shape: tuple[int, ...]
    tau: float
    last: Array = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.rng.standard_normal(self.shape)

    def more(self, n: int) -> Array:
        """The next n readings, shape (*shape, n)."""
        memory = float(np.exp(-1.0 / self.tau))
        noise = np.sqrt(1.0 - memory**2) * self.rng.standard_normal((*self.shape, n))
        begin = memory * self.last[..., None]
        out, _ = lfilter([1.0], [1.0, -memory], noise, axis=-1, zi=begin)
        self.last = out[..., -1]
        return np.asarray(out)


def halves_apart(mean: float) -> float:
    """F(rest) − F(left) in kT of N(`mean`, 1)."""
    return float(norm.logcdf(-mean) - norm.logcdf(mean))


def problem(criteria: Criteria, replicas: int, **strategy: object) -> Problem:
    """A campaign over x, N(·, 1), as the strategies see it."""
    walkers = Walkers(np.zeros((1, 1)))
    grid = Grid.regular(((-EDGE, EDGE),), (BINS,), (False,))
    return Problem(
        names=("x",),
        grid=grid,
        boxes={"left": {"x": (-np.inf, 0.0)}},
        strategy=strategy,
        criteria=criteria,
        replicas=replicas,
        seed=1,
        start=walkers,
        start_xi=np.zeros(1),
        batched=True,
        has_atoms=False,
        kT=1.0,
        slopes=np.ones((1, 1)),
        masses=np.ones(1),
        coordinates=True,
        angles=np.zeros(1, dtype=bool),
        stride=1,
    )
