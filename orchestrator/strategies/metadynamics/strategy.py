"""Well-tempered metadynamics, a baseline: walkers fill the CVs with a bias, then sample under it.

Barducci, Bussi and Parrinello, Phys. Rev. Lett. 100, 020603 (2008); several walkers as in Raiteri
et al., J. Phys. Chem. B 110, 3533 (2006). The bias is frozen before anything counts, so that what
is reported is umbrella sampling with one window: every sample counts e^{V/kT}, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.bias import BiasPayload, BiasRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.finding_states import states_in
from msgen.orchestrator.strategies.common.free_replicas import FreeReplicas, FreeState
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.metadynamics.schema import LOOKS
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.systems.base import Array
from msgen.systems.openmm.bias_grid import BiasAxes, BiasAxis, empty_bias

FLAT = 1.0
"""kT, RMS: a bias that has changed its shape by less since is frozen, …"""
SMALL = 0.33
"""… if its hills have shrunk to this share of the first, with about 1.1 (γ − 1) kT filled."""
SETTLE = 4
"""Rounds under the frozen bias that do not count."""
AUTO_WIDTHS = 18
"""Widths of a hill in the range of a CV, where the campaign names none."""


@dataclass(frozen=True, kw_only=True)
class MetadynamicsState(FreeState):
    """What is kept between rounds, beside what free replicas keep.

    Attributes
    ----------
    axes : BiasAxes
    bias, before : Array
        On the grid, kJ/mol: now, and at the last look.
    growing : bool
    settled : int
        Rounds under the frozen bias that did not count.
    hills : float
        How many were added.
    height : float
        Mean of those of the last round, kT.
    density : Array, shape (bins,)
        Unbiased density under the frozen bias, before anything counts; none where no grid holds
        all CVs.
    settled_xi, settled_weight : Array, shapes (n, C) and (n,), or None
        Its samples, there.
    """

    axes: BiasAxes
    bias: Array
    before: Array
    growing: bool = True
    settled: int = 0
    hills: float = 0.0
    height: float
    density: Array
    settled_xi: Array | None = None
    settled_weight: Array | None = None


class Metadynamics(FreeReplicas[MetadynamicsState]):
    """Walkers share one bias: each adds its hills to what all knew when the round began."""

    name = "metadynamics"
    state_type = MetadynamicsState
    arrives = False  # walkers settle under the frozen bias before anything counts
    adapt_rounds = LOOKS[0]

    def start(self) -> MetadynamicsState:
        """See `Strategy`."""
        axes = bias_axes(self.problem)
        bias = empty_bias(axes)
        return MetadynamicsState(
            round=0,
            phase="adapt",
            walkers=self.first_walkers(),
            trail=np.zeros((0, self.problem.dim)),
            moves=LocalMoves.first(self.problem),
            axes=BiasAxes.of(axes),
            bias=bias,
            before=bias,
            height=float(self.spec["height"]),
            density=np.zeros(0 if self.problem.on_points else self.problem.grid.size),
        )

    def decide(self, state: MetadynamicsState) -> StepPlan:
        """See `Strategy`."""
        problem = self.problem
        chunks = max(1, int(self.spec["local"]["steps"]) // problem.stride)
        blocks = 1 if state.growing else self.blocks(state)
        orders = tuple(
            WorkOrder.of(
                state.round,
                BiasPayload(
                    walkers=state.walkers.take(group),
                    replicas=group,
                    bias=state.bias,
                    axes=state.axes,
                    growing=state.growing,
                    height=float(self.spec["height"]) * problem.kT,
                    blocks=blocks,
                    chunks=chunks,
                    steps=problem.stride,
                ),
                number,
                cost_hint=float(blocks * chunks * problem.stride * len(group)),
            )
            for number, group in enumerate(self.groups(state))
        )
        return StepPlan(state.phase, orders)

    def walkers_in(self, segment: Segment) -> WalkerRows:
        """See `FreeReplicas`."""
        return segment.read(BiasRecord).walkers

    def adapted(self, state: MetadynamicsState, segments: Sequence[Segment]) -> MetadynamicsState:
        """After a round in which the bias grew, or settled."""
        if not state.growing:
            return self._settling(state, segments)
        added = [r.added for r in (s.read(BiasRecord) for s in segments) if r.added is not None]
        turn, bias = state.adapt + 1, state.bias + sum(added)
        hills = sum(s.counts["hills"] for s in segments)
        heights = sum(s.counts["hill_heights"] for s in segments)
        height = heights / hills / self.problem.kT if hills else state.height
        state = replace(state, adapt=turn, bias=bias, hills=state.hills + hills, height=height)
        if turn in LOOKS and (turn == LOOKS[-1] or self._filled(state)):
            # velocities belong to a bias that has grown since
            state = replace(state, growing=False, walkers=state.walkers.without_velocities())
        return replace(state, before=bias) if turn in (LOOKS[0] // 2, *LOOKS) else state

    def begin_again(self, state: MetadynamicsState, finds: Finds) -> MetadynamicsState:
        """See `Learner`; the bias grows on from what it is."""
        return replace(
            super().begin_again(state, finds),
            before=state.bias,
            growing=True,
            settled=0,
            density=np.zeros_like(state.density),
            settled_xi=None,
            settled_weight=None,
        )

    def estimate(self, state: MetadynamicsState) -> Estimate:
        """See `Strategy`."""
        made = super().estimate(state)
        said: dict[str, Any] = {
            "hills": state.hills,
            "last_height_kT": state.height,
            "highest_bias_kT": float(np.max(state.bias)) / self.problem.kT,
        }
        return replace(made, diagnostics={**made.diagnostics, "metadynamics": said})

    def _filled(self, state: MetadynamicsState) -> bool:
        """Whether hills have become small, and no longer change the shape of the bias."""
        small = state.height < SMALL * float(self.spec["height"])
        return small and self._change(state) < FLAT

    def _change(self, state: MetadynamicsState) -> float:
        """RMS change of shape of the bias since the last look, over what is to be known, kT.

        The free energy is −γ/(γ−1) of the bias, up to a constant: what lies too high to count still
        fills for long.
        """
        kT = self.problem.kT
        now, before = state.bias / kT, state.before / kT
        factor = float(self.spec["bias_factor"])
        there = now > now.max() - self.problem.criteria.below * (1.0 - 1.0 / factor)
        return float(np.std((now - before)[there]))

    def _settling(self, state: MetadynamicsState, segments: Sequence[Segment]) -> MetadynamicsState:
        """Rounds under the frozen bias: they say where the basins are, and nothing else."""
        xi = np.concatenate([s.samples["cvs"] for s in segments])
        weight = np.exp(-np.concatenate([s.samples["log_bias"] for s in segments]))
        state = replace(state, settled=state.settled + 1)
        if self.problem.on_points:
            if state.settled_xi is not None and state.settled_weight is not None:
                xi = np.concatenate([state.settled_xi, xi])
                weight = np.concatenate([state.settled_weight, weight])
            state = replace(state, settled_xi=xi, settled_weight=weight)
        else:
            block, size = np.zeros(len(xi), dtype=np.int64), self.problem.grid.size
            density = block_sums(self.problem.grid.index(xi), size, block, 1, weight)[0]
            state = replace(state, density=state.density + density)
        if state.settled < SETTLE:
            return state
        return replace(state, phase="produce", states=self.find_states(state))

    def basins(self, state: MetadynamicsState) -> Partition:
        """Those of the unbiased density."""
        if state.settled_xi is not None:
            return states_in(self.problem, state.settled_xi, state.settled_weight)
        grid = self.problem.grid
        return find_basins(state.density.reshape(grid.shape), grid, self.problem.names)


def bias_axes(problem: Problem) -> tuple[BiasAxis, ...]:
    """The CVs of the bias, with the widths of hills: those that `width` names, or all."""
    given, axes = problem.strategy["width"], []
    for c, name in enumerate(problem.names):
        low, high = float(problem.lower[c]), float(problem.upper[c])
        if given == "auto":
            width = (high - low) / AUTO_WIDTHS
        elif name in given:
            width = float(given[name])
        else:
            continue
        axes.append(BiasAxis(c, low, high, width, bool(problem.periodic[c])))
    return tuple(axes)
