"""Roll-outs of a learnt dynamics in a search for states: where they begin, and where walkers go.

A model is asked first, at no energy: from the walkers of every state that is known it goes as far
ahead as it is told to. Walkers are then sent where it went far from all that was seen, and let go.
What they relax into is the real system's, so that nothing of the model has to be corrected; a
model that is wrong costs evaluations, and no free energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import WorkOrder, stream
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.ahead import AheadPayload, AheadRecord
from msgen.orchestrator.strategies.common.explorer import VERSION
from msgen.orchestrator.strategies.common.finding_states import states_at_rest
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

if TYPE_CHECKING:
    from msgen.orchestrator.strategies.common.exploration import Seeds

Ints = NDArray[np.int64]

ROWS = 64
"""Paths that one order rolls out, as a batch of a network holds."""
_AT_ONCE = 256
"""Known places that distances are taken to at the same time."""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """How far a search with explorers is.

    Attributes
    ----------
    doing : {'push', 'roll', 'send', 'over'}
        Walkers are pushed over the CV range; or the model is rolled out; or walkers go where it
        went; or nobody is sent any more.
    rounds : int
        Roll-outs so far.
    known : int
        States that were known when they began.
    runs : Array, shape (n, m, C), or None
        CVs that all walkers have read while they relaxed.
    targets : Array, shape (k, C), or None
        Where walkers go next.
    start : Ints, shape (k,), or None
        Which of the seeds goes to each.
    """

    doing: Literal["push", "roll", "send", "over"]
    rounds: int = 0
    known: int = 0
    runs: Array | None = None
    targets: Array | None = None
    start: Ints | None = None

    @classmethod
    def begun(cls, problem: Problem) -> Ahead:
        """Before anything was looked for."""
        return cls(doing="push" if int(problem.strategy["explore"]["pushes"]) else "roll")


def settings(problem: Problem) -> dict[str, Any]:
    """The section `explore.explorers`."""
    found: dict[str, Any] = problem.strategy["explore"]["explorers"]
    return found


def states_of(problem: Problem, runs: Array | None) -> Partition:
    """Those that are named, or those that walkers came to rest in."""
    named = problem.states()
    if named is not None:
        return named
    if runs is None or not len(runs):
        return Partition.whole(problem.periodic)
    return states_at_rest(problem, runs)


def roll_orders(problem: Problem, rnd: int, seeds: Seeds, ahead: Ahead) -> tuple[WorkOrder, ...]:
    """Roll-outs from the seeds, a batch an order."""
    explorer = problem.explorer
    assert explorer is not None
    begin = _begins(problem, seeds, ahead)

    def payload(first: int) -> AheadPayload:
        return AheadPayload(
            seeds.walkers.take(begin[first : first + ROWS]),
            first,
            explorer.frames,
            explorer.snippet,
            explorer.structures,
            explorer.conditions,
        )

    return tuple(
        WorkOrder.of(rnd, payload(first), i, model_version=VERSION, cost_hint=1e3)
        for i, first in enumerate(range(0, len(begin), ROWS))
    )


def after_roll_outs(
    problem: Problem, seeds: Seeds, ahead: Ahead, records: Sequence[AheadRecord]
) -> Ahead:
    """Walkers go next where roll-outs went; nobody goes where each breaks at once."""
    paths = np.concatenate([np.where(r.sound[..., None], r.paths, np.nan) for r in records])
    begin, known = _begins(problem, seeds, ahead), _known(problem, seeds, ahead.runs)
    rng, number = stream(problem.seed, (ahead.rounds, "ahead_target", 0)), _walkers(problem)
    path, frame = drawn_far(problem, _seen(problem, seeds, ahead.runs), paths, number, rng)
    found = replace(ahead, known=known)
    if not len(path):
        return _after_round(problem, seeds, found)
    return replace(found, doing="send", targets=paths[path, frame], start=begin[path])


def after_walkers(problem: Problem, seeds: Seeds, ahead: Ahead, runs: Array) -> Ahead:
    """What pushed walkers read is known; the model goes ahead again if it is to."""
    so_far = runs if ahead.runs is None else np.concatenate([ahead.runs, runs])
    ahead = replace(ahead, runs=so_far)
    if ahead.doing == "send":
        return _after_round(problem, seeds, ahead)
    more = ahead.rounds < int(settings(problem)["rounds"])
    return replace(ahead, doing="roll" if more else "over")


def drawn_far(
    problem: Problem, known: Array, paths: Array, number: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Frames of paths, each with a probability as the square of its distance from what is known.

    So places are preferred that the model goes to often and nobody has seen; the farthest alone
    would be where it errs. As in k-means++ (Arthur and Vassilvitskii, SODA 2007), but for what was
    drawn before: a state is told by several walkers that come to rest in it.

    Parameters
    ----------
    known : Array, shape (k, C)
    paths : Array, shape (n, length, C)
        What is not finite or outside the CV range is left out.
    number : int
        At the most.

    Returns
    -------
    path, frame : Ints, shape (m,)
    """
    _, length, dim = paths.shape
    flat = paths.reshape(-1, dim)
    rows = np.flatnonzero(problem.grid.index(flat) >= 0)
    far = np.full(len(rows), np.inf)
    for first in range(0, len(known), _AT_ONCE):
        part = known[first : first + _AT_ONCE]
        far = np.minimum(far, _distance(problem, flat[rows][:, None], part[None]).min(axis=1))
    rows, far = rows[far > 0], far[far > 0]
    number = min(number, len(rows))
    if not number:
        return rows, rows
    found = rng.choice(rows, number, replace=False, p=far**2 / np.sum(far**2))
    return found // length, found % length


def _after_round(problem: Problem, seeds: Seeds, ahead: Ahead) -> Ahead:
    """The model goes ahead again where it has shown a state, or a named one is still missing."""
    rounds, known = ahead.rounds + 1, _known(problem, seeds, ahead.runs)
    more = rounds < int(settings(problem)["rounds"])
    more = more and (known > ahead.known or _missing(problem, seeds))
    doing: Literal["roll", "over"] = "roll" if more else "over"
    return replace(ahead, doing=doing, rounds=rounds, targets=None, start=None)


def _begins(problem: Problem, seeds: Seeds, ahead: Ahead) -> Ints:
    """Which seed each path begins in, shape (paths,): as many in every state that is known."""
    label = states_of(problem, ahead.runs).assign(seeds.xi)
    rng = stream(problem.seed, (ahead.rounds, "ahead_start", 0))
    inside = [rng.permutation(np.flatnonzero(label == k)) for k in np.unique(label)]
    paths = np.arange(int(settings(problem)["paths"]))
    return np.array(
        [inside[i % len(inside)][(i // len(inside)) % len(inside[i % len(inside)])] for i in paths],
        dtype=np.int64,
    )


def _known(problem: Problem, seeds: Seeds, runs: Array | None) -> int:
    """States that are known: where none is named those at rest, else those with a seed."""
    states = states_of(problem, runs)
    if problem.boxes is None:
        return len(states)
    return len(np.unique(states.assign(seeds.xi)))


def _missing(problem: Problem, seeds: Seeds) -> bool:
    """Whether a state that has a name has no seed; what is left over, the last, need have none."""
    named = problem.states()
    if named is None:
        return False
    return not np.isin(np.arange(len(named) - 1), named.assign(seeds.xi)).all()


def _seen(problem: Problem, seeds: Seeds, runs: Array | None) -> Array:
    """CVs of the seeds and of all that relaxed, shape (k, C); one place of a bin is enough."""
    xi = seeds.xi if runs is None else np.concatenate([seeds.xi, runs.reshape(-1, problem.dim)])
    _, first = np.unique(problem.grid.index(xi), return_index=True)
    inside = xi[first]
    return np.asarray(inside[np.isfinite(inside).all(axis=1)])


def _walkers(problem: Problem) -> int:
    return int(settings(problem)["walkers"])


def _distance(problem: Problem, a: Array, b: Array) -> Array:
    """Between places (…, C), the short way round where a CV repeats."""
    d = a - b
    d = np.where(problem.periodic, (d + np.pi) % (2.0 * np.pi) - np.pi, d)
    return np.asarray(np.linalg.norm(d / problem.scale, axis=-1))
