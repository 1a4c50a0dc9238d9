"""A model of steps in the place of one of whole trajectories: what it learns from, its roll-outs.

Hsu, Sadigh, Bulatov and Zhou, Score dynamics, arXiv 2310.01678.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import OrderKey, Segment, WorkOrder, stream
from msgen.actors.orders.steps import Learnt, RollOutPayload, RollOutRecord
from msgen.models.trajectories.generation import ROWS
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.asking import Task
from msgen.orchestrator.strategies.dynamics.hot_runs import HotRuns
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Made
from msgen.systems.base import Array
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
    warm : sequence of Exact
        What is exact at each temperature that is gathered, the system's own first.
    temperatures : Array
        All of them; the model is conditional on it where there are several.
    tasks : tuple of Task
        What is asked for: free roll-outs, and those at other temperatures.
    frames : int
        Steps of each.
    seed : int
    hot : HotRuns or None
        What is learnt beside.
    past : int
        Frames that a step is drawn by.
    """

    atoms: ModelledAtoms
    warm: Sequence[Exact]
    temperatures: Array
    tasks: tuple[Task, ...]
    frames: int
    seed: int
    hot: HotRuns | None = None
    past: int = 1

    def learnt(self, state: DynamicsState, weights: Array) -> Learnt:
        """What a fit has of this molecule: all that was gathered."""
        about = self.temperatures[state.temperatures][:, None] if len(self.warm) > 1 else None
        hot = [one.hot for one in state.gathered if one.hot is not None]
        return Learnt(
            self._gathered(state),
            weights,
            about,
            np.concatenate(hot) if hot else None,
            None if about is None or not hot else self.temperatures[:1][:, None],
        )

    def orders(self, state: DynamicsState, weights: Array) -> tuple[WorkOrder, ...]:
        """Roll-outs from equilibrium, a batch an order.

        Exact samples have no past: a model of several frames begins in rows of them that were
        gathered, by the weights of their trajectories.
        """
        seen = self._gathered(state)
        windows = BondWindows.of(self.atoms.bonds, seen.reshape(-1, 3 * len(self.atoms.index)))
        payloads = [
            p
            for index, task in enumerate(self.tasks)
            for p in self._batches(index, task, state, weights, windows)
        ]
        return tuple(
            WorkOrder.of(state.round, p, i, model_version=state.version, cost_hint=1e3)
            for i, p in enumerate(payloads)
        )

    def made(self, segments: Sequence[Segment]) -> tuple[Made, ...]:
        """What came of each task, without roll-outs that were given up."""
        records = [s.read(RollOutRecord) for s in segments]
        return tuple(
            _made([r for r in records if r.task == task]) for task in range(len(self.tasks))
        )

    def _batches(
        self,
        index: int,
        task: Task,
        state: DynamicsState,
        weights: Array,
        windows: BondWindows,
    ) -> Iterator[RollOutPayload]:
        wanted = self.temperatures[0] if task.temperature is None else task.temperature
        about = np.array([[float(wanted)]]) if len(self.warm) > 1 else None
        # of temperatures that were not gathered, the nearest that was
        at = int(np.argmin(np.abs(self.temperatures - wanted)))
        key: OrderKey = (state.round, "roll_out_start", index)
        earlier = None
        if self.past == 1:
            begin = self._starts(self.warm[at], task.paths, key)
        else:
            mine = weights * (state.temperatures == at)
            rows = self._rows(self._gathered(state), mine, task.paths, key)
            begin, earlier = rows[:, 0], rows[:, 1:]
        for first in range(0, task.paths, ROWS):
            yield RollOutPayload(
                first=task.first + first,
                cycle=len(state.verdicts),
                begin=begin[first : first + ROWS],
                frames=self.frames,
                low=windows.low,
                high=windows.high,
                task=index,
                conditions=about,
                earlier=None if earlier is None else earlier[first : first + ROWS],
            )

    def _gathered(self, state: DynamicsState) -> Array:
        """Positions of the atoms, shape (n, length, M, 3)."""
        return np.concatenate([g.structures for g in state.gathered if g.structures is not None])

    def _rows(self, frames: Array, weights: Array, paths: int, key: OrderKey) -> Array:
        """Rows of gathered frames, shape (paths, past, M, 3), the last first: at equilibrium."""
        rng, each = stream(self.seed, key), frames.shape[1] - self.past + 1
        total = np.cumsum(np.repeat(weights, each))
        at = (rng.random() + np.arange(paths)) / paths * total[-1]
        found = np.minimum(np.searchsorted(total, at, side="right"), len(total) - 1)
        # in any order, as exact samples are
        which, last = np.divmod(rng.permutation(found), each)
        back = np.arange(self.past - 1, -1, -1)
        return np.asarray(frames[which[:, None], last[:, None] + back])

    def _starts(self, exact: Exact, paths: int, key: OrderKey) -> Array:
        """Positions of the atoms, shape (paths, M, 3): each state as often as it is visited."""
        rng = stream(self.seed, key)
        share = np.cumsum(exact.share)
        at = (rng.random() + np.arange(paths)) / paths * share[-1]
        region = np.minimum(np.searchsorted(share, at, side="right"), len(share) - 1)
        drawn = [
            exact.drawn(k, n, rng)
            for k, n in enumerate(np.bincount(region, minlength=len(share)).tolist())
            if n
        ]
        # in any order: blocks of neighbouring paths are what errors are told by
        x = rng.permutation(np.concatenate(drawn))
        return np.asarray(x.reshape(paths, -1, 3)[:, self.atoms.index])


def _made(records: Sequence[RollOutRecord]) -> Made:
    whole = np.concatenate([r.whole for r in records])
    paths = np.concatenate([r.paths for r in records])[whole]
    return Made(paths, int((~whole).sum()), redrawn=sum(r.redrawn for r in records))


def in_words(model: StepDiffusion, atoms: ModelledAtoms, topology: Any) -> tuple[str, ...]:
    """What roll-outs are not of."""
    every = modelled_atoms(topology, model.atoms, model.types, "all")
    if len(atoms.index) == len(every.index):
        return ()
    told = (
        f"roll-outs are of the solute alone, {len(atoms.index)} of {topology.n_atoms} atoms: the "
        "simulator runs with all of them, the model knows the others by what they do to a step"
    )
    return (told,)


def with_structures(before: Array | None, new: Sequence[Array | None]) -> Array | None:
    """Positions of all replicas so far, shape (R, f, M, 3); None where nobody asks for them."""
    parts = [part for part in new if part is not None]
    if not parts:
        return None
    joined = np.concatenate(parts)
    return joined if before is None else np.concatenate([before, joined], axis=1)
