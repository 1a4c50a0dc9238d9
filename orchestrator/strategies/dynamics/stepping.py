"""A model of steps in the place of one of whole trajectories: what it learns from, its roll-outs.

Hsu, Sadigh, Bulatov and Zhou, Score dynamics, arXiv 2310.01678.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, stream
from msgen.actors.orders.steps import FitStepsPayload, RollOutPayload, RollOutRecord
from msgen.models.trajectories.generation import ROWS
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.strategies.dynamics.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Made
from msgen.systems.base import Array, System
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import ModelledAtoms, modelled_atoms

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stepping:
    """Fits and roll-outs.

    Attributes
    ----------
    atoms : ModelledAtoms
        Whose positions are gathered beside the CVs.
    exact : Exact
        What roll-outs begin in.
    paths, frames : int
        Roll-outs, and steps of each.
    seed : int
    """

    atoms: ModelledAtoms
    exact: Exact
    paths: int
    frames: int
    seed: int

    @classmethod
    def of(
        cls,
        system: System,
        model: StepDiffusion,
        exact: Exact,
        extent: tuple[int, int],
        seed: int,
    ) -> Stepping:
        """That of a campaign; `extent` are paths and frames."""
        atoms = modelled_atoms(system.topology, model.atoms, model.types)
        return cls(atoms, exact, *extent, seed)

    def fit(self, state: DynamicsState, weights: Array) -> FitStepsPayload:
        """The next fit, on all that was gathered."""
        return FitStepsPayload(self._gathered(state), weights)

    def orders(self, state: DynamicsState) -> tuple[WorkOrder, ...]:
        """Roll-outs from exact samples at equilibrium, a batch an order."""
        begin = self._starts(state.round)
        seen = self._gathered(state)
        windows = BondWindows.of(self.atoms.bonds, seen.reshape(-1, 3 * len(self.atoms.index)))
        return tuple(
            WorkOrder.of(
                state.round,
                RollOutPayload(
                    first=first,
                    cycle=len(state.verdicts),
                    begin=begin[first : first + ROWS],
                    frames=self.frames,
                    low=windows.low,
                    high=windows.high,
                ),
                i,
                model_version=state.version,
                cost_hint=1e3,
            )
            for i, first in enumerate(range(0, self.paths, ROWS))
        )

    def made(self, segments: Sequence[Segment]) -> Made:
        """What came of the roll-outs, without those that were given up."""
        records = [s.read(RollOutRecord) for s in segments]
        whole = np.concatenate([r.whole for r in records])
        paths = np.concatenate([r.paths for r in records])[whole]
        return Made(paths, int((~whole).sum()), redrawn=sum(r.redrawn for r in records))

    def _gathered(self, state: DynamicsState) -> Array:
        """Positions of the atoms, shape (n, length, M, 3)."""
        return np.concatenate([g.structures for g in state.gathered if g.structures is not None])

    def _starts(self, rnd: int) -> Array:
        """Positions of the atoms, shape (paths, M, 3): each state as often as it is visited."""
        rng = stream(self.seed, (rnd, "roll_out_start", 0))
        share = np.cumsum(self.exact.share)
        at = (rng.random() + np.arange(self.paths)) / self.paths * share[-1]
        region = np.minimum(np.searchsorted(share, at, side="right"), len(share) - 1)
        drawn = [
            self.exact.drawn(k, n, rng)
            for k, n in enumerate(np.bincount(region, minlength=len(share)).tolist())
            if n
        ]
        # in any order: blocks of neighbouring paths are what errors are told by
        x = rng.permutation(np.concatenate(drawn))
        return np.asarray(x.reshape(self.paths, -1, 3)[:, self.atoms.index])


def with_structures(before: Array | None, new: Sequence[Array | None]) -> Array | None:
    """Positions of all replicas so far, shape (R, f, M, 3); None where nobody asks for them."""
    parts = [part for part in new if part is not None]
    if not parts:
        return None
    joined = np.concatenate(parts)
    return joined if before is None else np.concatenate([before, joined], axis=1)
