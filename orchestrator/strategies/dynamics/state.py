"""What a campaign of learned dynamics keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree, decode
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.learnt_run import LearntRun
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Gathered:
    """Trajectories of one cycle.

    Attributes
    ----------
    frames : Array, shape (n, length, C)
    start : int array, shape (n,)
        The state that each began in.
    temperature : int array, shape (n,)
        Which of those that are gathered it is at; 0 is the system's own.
    structures : Array, shape (n, length, M, 3), or None
        Positions of the atoms that a model of steps learns, nm.
    hot : Array, shape (m, length, M, 3), or None
        The same of hot runs, which are learnt and count nowhere else.
    """

    frames: Array
    start: Ints
    temperature: Ints
    structures: Array | None = None
    hot: Array | None = None


@dataclass(frozen=True)
class Made:
    """What the model of one cycle made of one task.

    Attributes
    ----------
    paths : Array, shape (n, length, C)
        Without the broken ones.
    broken : int
        How many were.
    varied : Array, shape (length, C), or None
        The path that they are variations of.
    redrawn : int
        Steps that could not be and were drawn again.
    """

    paths: Array
    broken: int
    varied: Array | None = None
    redrawn: int = 0


@dataclass(frozen=True)
class Verdict:
    """How far generated trajectories are from gathered ones.

    Attributes
    ----------
    frames : int
        Gathered by then.
    broken : float
        Share of the paths that were made.
    difference, stderr : float
        Of the free energy along the first CVs, RMS in kT, see `estimators.dynamics.surfaces`; inf
        and NaN where not known.
    regions : Array, shape (K,)
        Divergence of what follows a stay in each state, nats; NaN where not known.
    """

    frames: int
    broken: float
    difference: float
    stderr: float
    regions: Array


@dataclass(frozen=True, kw_only=True)
class DynamicsState:
    """What is kept between rounds.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : {'produce', 'done', 'exhausted'}
    doing : {'gather', 'fit', 'generate'}
    walkers : WalkerRows
        One a replica.
    start : int array, shape (R,)
        The state that the trajectory of each began in.
    temperature : int array, shape (R,)
        As in `Gathered`.
    under_way : Array, shape (R, f, C)
        Frames of the trajectories so far.
    structures : Array, shape (R, f, M, 3), or None
        Positions that belong to them, as in `Gathered`.
    hot : Array, shape (m, length, M, 3), or None
        Of the cycle's hot runs.
    gathered : tuple of Gathered
        By cycle.
    version : int
        Of the model, −1 for none.
    model : ModelState or None
    made : tuple of Made
        By the last model that was judged, one for each task; free paths first.
    verdicts : tuple of Verdict
        By cycle.
    lost : int
        Trajectories that met what is not finite, and count nowhere.
    """

    round: int
    phase: Literal["produce", "done", "exhausted"] = "produce"
    doing: Literal["gather", "fit", "generate"] = "gather"
    walkers: WalkerRows
    start: Ints
    temperature: Ints
    under_way: Array
    structures: Array | None = None
    hot: Array | None = None
    gathered: tuple[Gathered, ...] = ()
    version: int = -1
    model: ModelState | None = None
    made: tuple[Made, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    lost: int = 0

    @property
    def frames(self) -> Array:
        """All trajectories, shape (n, length, C)."""
        return np.concatenate([one.frames for one in self.gathered])

    @property
    def starts(self) -> Ints:
        """The state that each of `frames` began in, shape (n,)."""
        return np.concatenate([one.start for one in self.gathered])

    @property
    def temperatures(self) -> Ints:
        """Which temperature each of `frames` is at, shape (n,)."""
        return np.concatenate([one.temperature for one in self.gathered])

    @property
    def just_judged(self) -> bool:
        """Whether the last round ended with a verdict."""
        fresh = self.doing == "gather" and not self.under_way.shape[1]
        return bool(self.verdicts) and (fresh or self.phase != "produce")


def learnt_run(
    kept: Tree, steps: bool, frames: int, snippet: int, temperatures: tuple[float, ...]
) -> LearntRun:
    """What a run has learnt whose state is `kept`; the rest as in `LearntRun`."""
    state = decode(DynamicsState, kept)
    if not steps:
        return LearntRun(state.model, "trajectories", frames, snippet, temperatures)
    seen = [one.structures for one in state.gathered if one.structures is not None]
    structures = np.concatenate([x.reshape(-1, *x.shape[2:]) for x in seen]) if seen else None
    return LearntRun(state.model, "steps", frames, snippet, temperatures, structures)
