"""The relay: what to do next, and what to make of it. No clock, no disk, no random number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder, decode
from msgen.actors.orders.fit import FitPayload, FitRecord
from msgen.models.base import ModelState
from msgen.orchestrator.base import Estimate, Extent, Phase, StateEstimate, StepPlan
from msgen.orchestrator.convergence.errors import StateErrors, SurfaceError
from msgen.orchestrator.convergence.judge import judge
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.transitions import Passages, Transitions
from msgen.orchestrator.estimators.diagnostics import (
    effective_samples,
    passages,
    round_trips,
)
from msgen.orchestrator.estimators.errors import inflation, jackknife
from msgen.orchestrator.estimators.left_out import bounded_r_hat
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array
from msgen_relay.orders import RelayPayload, RelayRecord


@dataclass(frozen=True)
class RelayState:
    """What a round leaves to the next; it lies in the checkpoints.

    Attributes
    ----------
    round : int
    phase : {'adapt', 'produce'}
    positions : Array, shape (R, D)
        Of R replicas.
    visited : Array, shape (n, D)
        What the next fit learns from.
    series : Array, shape (R, T, C)
        CVs after every block of production.
    version : int
        Of the model, −1 before the first.
    model : ModelState or None
    """

    round: int
    phase: Phase
    positions: Array
    visited: Array
    series: Array
    version: int = -1
    model: ModelState | None = None


class Relay:
    """Replicas that move over all states, and are counted."""

    name = "relay"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.blocks = int(problem.strategy["blocks"])

    def start(self) -> RelayState:
        """All replicas at the one structure."""
        n, x = self.problem.replicas, self.problem.start.positions
        series = np.zeros((n, 0, self.problem.dim))
        return RelayState(0, "adapt", np.repeat(x, n, axis=0), x[:0], series)

    def read(self, tree: Tree) -> RelayState:
        """The state of a checkpoint."""
        return decode(RelayState, tree)

    def decide(self, state: RelayState) -> StepPlan:
        """An order for each replica, and in `adapt` a fit beside them."""
        jumps, rnd = int(self.problem.strategy["jumps"]), state.round
        orders = tuple(
            WorkOrder.of(
                rnd, RelayPayload(x[None], self.blocks, jumps), i, model_version=state.version
            )
            for i, x in enumerate(state.positions)
        )
        fits: tuple[WorkOrder, ...] = ()
        if state.phase == "adapt" and len(state.visited):
            fits = (WorkOrder.of(rnd, _lesson(state.visited), model_version=state.version),)
        models = {} if state.model is None else {state.version: state.model}
        return StepPlan(state.phase, orders, fits, models)

    def absorb(self, state: RelayState, segments: Sequence[Segment]) -> RelayState:
        """Where the replicas ended, what the model is to learn, and a fit that is due."""
        records = [s.read(RelayRecord) for s in segments if not s.is_fit]
        new = replace(
            state,
            round=state.round + 1,
            positions=np.concatenate([r.positions for r in records]),
            visited=np.concatenate([state.visited, *(r.visited for r in records)]),
        )
        if state.phase == "produce":
            seen = np.stack([r.cvs for r in records])
            return replace(
                new,
                visited=state.visited,
                series=np.concatenate([state.series, seen], axis=1),
            )
        for fit in (s.read(FitRecord) for s in segments if s.is_fit):
            if fit.accepted:
                new = replace(new, version=state.version + 1, model=fit.model)
        # the model is frozen before anything counts
        done = new.round > int(self.problem.strategy["adapt"]) and new.model is not None
        return replace(new, phase="produce", visited=new.visited[:0]) if done else new

    def estimate(self, state: RelayState) -> Estimate:
        """F of states and bins from counts, their errors from the spread of the replicas."""
        problem, grid, states = self.problem, self.problem.grid, self.problem.states()
        assert states is not None
        xi = state.series
        labels = [states.assign(x) for x in xi]
        counts = [np.bincount(one, minlength=len(states)).astype(np.float64) for one in labels]
        bins = [np.bincount(grid.index(x), minlength=grid.size)[: grid.size] for x in xi]
        f, error = _minus_log(counts, first_is_0=True)
        surface, rough = _minus_log([one.astype(np.float64) for one in bins])
        values = {
            name: StateEstimate(_or_none(f[k]), _or_none(error[k]))
            for k, name in enumerate(states.names)
        }
        r_hat = {
            name: bounded_r_hat(list(xi[:, :, c]), periodic=bool(problem.periodic[c]))
            for c, name in enumerate(problem.names)
            if xi.shape[1] > 3
        }
        ess = (
            effective_samples(list(xi), problem.grid.periodic) if xi.shape[1] > 3 else float("nan")
        )
        trips = round_trips(labels, len(states))
        left, back = passages(labels, len(states))
        pairs = [(a, b) for b in range(len(states)) for a in range(b)]
        names = states.names
        shape = grid.shape
        lowest = np.nanmin(surface) if np.isfinite(surface).any() else 0.0
        drawn = (surface - lowest).reshape(shape)
        verdict = judge(
            problem.criteria,
            [
                StateErrors({name: value.stderr_kT for name, value in values.items()}),
                SurfaceError(drawn, rough.reshape(shape)),
                RHat(r_hat),
                EffectiveSamples(ess),
                Transitions(
                    names,
                    {(names[a], names[b]): int(trips[a, b]) for a, b in pairs},
                    {n: Passages(int(left[k]), int(back[k])) for k, n in enumerate(names)},
                ),
            ],
        )
        found = {
            "ess": ess,
            "r_hat": max((r.value for r in r_hat.values()), default=float("nan")),
            "round_trips": int(sum(trips[a, b] for a, b in pairs)),
            "acceptance": {},
        }
        axes = dict(zip(problem.names, grid.centres, strict=True))
        return Estimate(
            axes,
            drawn,
            rough.reshape(shape),
            values,
            found,
            verdict.converged,
            verdict.unmet,
            ungrounded=verdict.ungrounded,
            standing=verdict.standing,
            extent=Extent(xi.shape[1] // self.blocks, ess / len(xi)),
        )

    def replicas(self, state: RelayState) -> int:
        """How many sample in the next round."""
        return len(state.positions)

    def resize(self, state: RelayState, replicas: int) -> RelayState:
        """Their number is fixed."""
        return state


def _lesson(x: Array) -> FitPayload:
    """What the Trainer is asked for: one density of all that was visited."""
    n, dim = x.shape
    labels: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
    return FitPayload(x, np.ones(n), labels, 1, np.zeros(dim, dtype=bool))


def _minus_log(counts: Sequence[Array], *, first_is_0: bool = False) -> tuple[Array, Array]:
    """−ln of the shares and its error, or of their ratios to the first; NaN where unknown."""

    def f(some: Sequence[Array]) -> Array:
        total = np.sum(some, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = -np.log(total / total.sum())
        out = np.where(np.isfinite(out), out, np.nan)
        return out - out[0] if first_is_0 else out

    found = jackknife(f, counts)
    return found.value, found.stderr * inflation(found.dof)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
