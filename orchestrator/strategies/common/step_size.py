"""Step sizes and masses of the local moves, tuned during adaptation; molecules keep their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.local_kernel import TUNED, first_step
from msgen.actors.kernels.step_size import HMC_ACCEPTANCE, MALA_ACCEPTANCE, StepSize
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.rounds import MASS_ROUNDS
from msgen.systems.base import Array
from msgen.systems.unbounded_coordinates import Unbounded

MALA_GAIN = 5.0
"""The acceptance of MALA falls by a fifth per e-fold of its step, that of HMC much faster."""
SOFTEST = 0.01
"""Least eigenvalue of a mass matrix, against the median of all."""
NEAR = 0.15
"""Acceptance off the wanted one up to which a step is tuned: moves are nearly as good."""
PRIOR = 10.0
"""Configurations that the system's own scale counts for against what was seen."""


@dataclass(frozen=True)
class LocalMoves:
    """What is tuned of the local moves.

    Attributes
    ----------
    step : StepSize or None
        None where the campaign fixes the step size.
    masses : Array, shape (D,) or (D, D), or None
        None: the system's own.
    cloud, cloud_states : tuple of one Array (n, D) and of one int array (n,)
        Configurations seen so far and the state of each, until the masses are fixed.
    """

    step: StepSize | None = None
    masses: Array | None = None
    cloud: tuple[Array, ...] = ()
    cloud_states: tuple[NDArray[np.int64], ...] = ()

    @classmethod
    def first(cls, problem: Problem) -> LocalMoves:
        """Before anything was seen."""
        local = problem.strategy["local"]
        if local["kind"] not in TUNED or not isinstance(local.get("step_size"), str):
            return cls()
        begun = first_step(local["kind"], problem.timestep)
        if local["kind"] == "mala":
            return cls(StepSize(begun, MALA_ACCEPTANCE, gain=MALA_GAIN))
        return cls(StepSize(begun, HMC_ACCEPTANCE))

    @property
    def step_size(self) -> float | None:
        """The tuned step size; None where the campaign fixes it."""
        return None if self.step is None else self.step.step

    def with_step(self, segments: Sequence[Segment]) -> LocalMoves:
        """With a step size nearer to the wanted acceptance, after a round of the adaptation."""
        seen = _accepted(segments)
        if self.step is None or seen is None:
            return self
        return replace(self, step=self.step.update(seen))

    def tuned(self, segments: Sequence[Segment]) -> bool:
        """Whether a round accepted about as much as is wanted, or nothing is tuned."""
        seen = _accepted(segments)
        return self.step is None or seen is None or abs(seen - self.step.acceptance) <= NEAR

    def with_masses(
        self,
        problem: Problem,
        adapted: int,
        states: Partition,
        segments: Sequence[Segment],
        walkers: Sequence[WalkerRows],
        curvatures: Sequence[Array] = (),
    ) -> LocalMoves:
        """With m_d = kT/Var(x_d) inside the states, so that every coordinate has the period 2π.

        Hamiltonian moves are then as fast along soft as along stiff coordinates (Neal, Handbook of
        MCMC, ch. 5.4, 2011). The variance of few configurations is drawn towards one that keeps the
        system's own mass.

        Parameters
        ----------
        adapted : int
            Rounds of the adaptation before this one.
        segments : sequence of Segment
            Of the round.
        walkers : sequence of WalkerRows
            Where those of each segment ended.
        curvatures : sequence of Array, shape (D, D)
            Mean ∇∇U of what was seen, where it was asked for.
        """
        if not problem.batched or self.step is None or adapted >= MASS_ROUNDS:
            return self
        if problem.has_atoms:  # which turn and drift: no coordinate has a spread of its own
            return self
        if dense(problem):
            mean = np.mean(curvatures, axis=0) if curvatures else None
            return self if mean is None else replace(self, masses=positive(mean))
        x, xi = [], []
        for s, rows in zip(segments, walkers, strict=True):
            x.append(problem.positions(rows))
            # the CVs of a replica's last configuration are its last record
            xi.append(s.samples["cvs"].reshape(len(rows), -1, problem.dim)[:, -1])
        # what goes on for ever has a spread within a period, or none
        ends = problem.ends or Unbounded.none(len(problem.masses))
        cloud = np.concatenate([*self.cloud, *x])
        label = np.concatenate([*self.cloud_states, states.assign(np.concatenate(xi))])
        centred = [ends.centred(cloud[label == k]) for k in np.unique(label)]
        spread = np.concatenate(centred)
        n = len(spread) - len(centred)
        own = problem.kT / problem.masses
        variance = ((spread**2).sum(axis=0) + PRIOR * own) / (max(n, 0) + PRIOR)
        variance = np.where(ends.free, own, variance)
        fixed = adapted == MASS_ROUNDS - 1
        return replace(
            self,
            masses=problem.kT / variance,
            cloud=() if fixed else (cloud,),
            cloud_states=() if fixed else (label,),
        )


def _accepted(segments: Sequence[Segment]) -> float | None:
    """Share of local moves that were accepted; None where none were made."""
    proposed = sum(s.counts.get("local_proposed", 0.0) for s in segments)
    return sum(s.counts["local_accepted"] for s in segments) / proposed if proposed else None


def dense(problem: Problem) -> bool:
    """Whether masses are a matrix."""
    return bool(problem.strategy["local"].get("metric") == "dense")


def wants_curvature(problem: Problem, adapted: int) -> bool:
    """Whether a round of the adaptation is to tell the curvature of U: when walkers have spread.

    `adapted`: rounds of the adaptation before it.
    """
    return adapted in (0, MASS_ROUNDS - 1) and dense(problem)


def positive(curvature: Array) -> Array:
    """A symmetric matrix with the moduli of its eigenvalues, none of them next to nothing.

    A direction along which U falls off is as fast as one along which it rises (SoftAbs: M.
    Betancourt, arXiv 1212.4693, 2013).
    """
    value, vector = np.linalg.eigh(curvature)
    size = np.abs(value)
    return np.asarray((vector * np.maximum(size, SOFTEST * np.median(size))) @ vector.T)
