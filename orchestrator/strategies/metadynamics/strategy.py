"""Well-tempered metadynamics, a baseline: walkers fill the CVs with a bias, then sample under it.

Barducci, Bussi and Parrinello, Phys. Rev. Lett. 100, 020603 (2008); several walkers as in Raiteri
et al., J. Phys. Chem. B 110, 3533 (2006). The bias is frozen before anything counts, so that what
is reported is umbrella sampling with one window: every sample counts e^{V/kT}, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.walker_rows import bare, rows
from msgen.orchestrator.strategies.local.strategy import Local
from msgen.systems.openmm.bias_grid import BiasAxis, columns, empty_bias

LOOKS = (16, 32, 64, 128, 256, 512)
"""Rounds of growth after which the bias is held against the one at half that time. Each is one
stretch of local steps long: walkers hear of one another's hills after it."""
FLAT = 1.0
"""kT, RMS: a bias that has changed its shape by less since is frozen, …"""
SMALL = 0.33
"""… if its hills have shrunk to this share of the first, with about 1.1 (γ − 1) kT filled."""
SETTLE = 4
"""Rounds under the frozen bias that do not count."""
AUTO_WIDTHS = 18
"""Widths of a hill in the range of a CV, where the campaign names none."""


class Metadynamics(Local):
    """Walkers share one bias: each adds its hills to what all knew when the round began."""

    name = "metadynamics"

    def start(self) -> Tree:
        """See `Strategy`."""
        axes, common = bias_axes(self.problem), super().start()
        bias = empty_bias(axes)
        more: Tree = {
            "axes": columns(axes),
            "bias": bias,
            "before": bias,
            "growing": True,
            "settled": 0,
            "hills": 0.0,
            "height": float(self.spec["height"]),
            "density": np.zeros(self.problem.grid.size),
        }
        return {**common, **more, "trail": np.zeros((0, self.problem.dim))}

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        problem, growing = self.problem, bool(state["growing"])
        chunks = max(1, int(self.spec["local"]["steps"]) // problem.stride)
        blocks = 1 if growing else self._blocks(state)
        common: Tree = {
            "bias": state["bias"],
            "axes": state["axes"],
            "growing": growing,
            "height": float(self.spec["height"]) * problem.kT,
            "blocks": blocks,
            "chunks": chunks,
            "steps": problem.stride,
        }
        orders = tuple(
            WorkOrder(
                int(state["round"]),
                "bias",
                number,
                {**common, "walkers": rows(state["walkers"], group), "replicas": group},
                cost_hint=float(blocks * chunks * problem.stride * len(group)),
            )
            for number, group in enumerate(self._groups(state))
        )
        return StepPlan(state["phase"], orders)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        if state["phase"] == "produce":
            return super().absorb(state, segments)
        state = {**state, "round": int(state["round"]) + 1}
        self._keep_walkers(state, segments)
        if not state["growing"]:
            return self._settling(state, segments)
        state["adapt"] = int(state["adapt"]) + 1
        state["bias"] = np.asarray(state["bias"]) + sum(s.carry["added"] for s in segments)
        hills = sum(s.counts["hills"] for s in segments)
        heights = sum(s.counts["hill_heights"] for s in segments)
        state["hills"] = float(state["hills"]) + hills
        if hills:
            state["height"] = heights / hills / self.problem.kT
        turn = int(state["adapt"])
        if turn in LOOKS and (turn == LOOKS[-1] or self._filled(state)):
            # velocities belong to a bias that has grown since
            state.update(growing=False, walkers=bare(state["walkers"]))
        if turn in (LOOKS[0] // 2, *LOOKS):
            state["before"] = state["bias"]
        return state

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        made = super().estimate(state)
        said: dict[str, Any] = {
            "hills": float(state["hills"]),
            "last_height_kT": float(state["height"]),
            "highest_bias_kT": float(np.max(state["bias"])) / self.problem.kT,
        }
        about = {**made.diagnostics, "metadynamics": said}
        return Estimate(
            made.axes,
            made.f_kT,
            made.stderr_kT,
            made.states,
            about,
            made.converged,
            made.unmet,
        )

    def _filled(self, state: Tree) -> bool:
        """Whether hills have become small, and no longer change the shape of the bias."""
        small = float(state["height"]) < SMALL * float(self.spec["height"])
        return small and self._change(state) < FLAT

    def _change(self, state: Tree) -> float:
        """RMS change of shape of the bias since the last look, over what is to be known, kT.

        The free energy is −γ/(γ−1) of the bias, up to a constant: what lies too high to count still
        fills for long.
        """
        kT = self.problem.kT
        now, before = np.asarray(state["bias"]) / kT, np.asarray(state["before"]) / kT
        factor = float(self.spec["bias_factor"])
        there = now > now.max() - self.problem.criteria.below * (1.0 - 1.0 / factor)
        return float(np.std((now - before)[there]))

    def _settling(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """Rounds under the frozen bias: they say where the basins are, and nothing else."""
        state["settled"] = int(state["settled"]) + 1
        xi = np.concatenate([s.samples["cvs"] for s in segments])
        weight = np.exp(-np.concatenate([s.samples["log_bias"] for s in segments]))
        block, size = np.zeros(len(xi), dtype=np.int64), self.problem.grid.size
        density = block_sums(self.problem.grid.index(xi), size, block, 1, weight)[0]
        state["density"] = np.asarray(state["density"]) + density
        if int(state["settled"]) < SETTLE:
            return state
        return {**state, "phase": "produce", "states": self._states(state).tree()}

    def _states(self, state: Tree) -> Partition:
        """The named states, or the basins of the unbiased density."""
        named, grid = self.problem.states(), self.problem.grid
        if named is not None:
            return named
        density = np.asarray(state["density"]).reshape(grid.shape)
        return find_basins(density, grid, self.problem.names)


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
