"""Roll-outs of a learnt dynamics in a search for states: where they begin, and where walkers go.

A model is asked first, at no energy: from the walkers of every state that is known it goes as far
ahead as it is told to. Walkers are then sent where it went far from all that was seen, and let go.
What they relax into is the real system's, so that nothing of the model has to be corrected; a
model that is wrong costs evaluations, and no free energy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, stream
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.ahead import VERSIONS, AheadPayload, AheadRecord, FitAheadPayload
from msgen.actors.orders.fit import FitRecord
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.explorer import Explorer
from msgen.orchestrator.strategies.common.finding_states import states_at_rest
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.learnt_ahead import (
    Followed,
    fit_order,
    follow_orders,
    followed,
    structures_of,
)
from msgen.systems.base import Array

if TYPE_CHECKING:
    from msgen.orchestrator.strategies.common.exploration import Seeds

Ints = NDArray[np.int64]

ROWS = 64
"""Paths that one order rolls out, as a batch of a network holds."""
_AT_ONCE = 256
"""Known places that distances are taken to at the same time."""


Doing = Literal["push", "follow", "fit", "roll", "send", "over"]


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """How far a search with explorers is.

    Attributes
    ----------
    doing : {'push', 'follow', 'fit', 'roll', 'send', 'over'}
        Walkers are pushed over the CV range; or followed, so that a model can be fitted to them;
        or it is rolled out; or walkers go where it went; or nobody is sent any more.
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
    followed : Followed or None
        What the search learns from, where it learns by itself.
    version : int
        Of the model that it has fitted, −1 for none.
    model : ModelState or None
    """

    doing: Doing
    rounds: int = 0
    known: int = 0
    runs: Array | None = None
    targets: Array | None = None
    start: Ints | None = None
    followed: Followed | None = None
    version: int = -1
    model: ModelState | None = None

    @classmethod
    def begun(cls, problem: Problem) -> Ahead:
        """Before anything was looked for."""
        pushes = int(problem.strategy["explore"]["pushes"]) > 0
        return cls(doing="push" if pushes else _first(problem))

    @property
    def leads(self) -> bool:
        """Whether the next round is one of the model's."""
        return self.doing not in ("push", "over")


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


def orders(
    problem: Problem, rnd: int, seeds: Seeds, ahead: Ahead
) -> tuple[tuple[WorkOrder, ...], Mapping[int, ModelState]]:
    """Walkers followed, a fit, or roll-outs from the seeds; and the models that they take."""
    explorer = _explorer(problem)
    models = {}
    if (model := explorer.model or ahead.model) is not None:
        models[VERSIONS + max(ahead.version, 0)] = model
    if ahead.doing == "follow":
        begin = _begins(problem, seeds, ahead, "follow", problem.replicas)
        return follow_orders(problem, explorer, rnd, seeds.walkers.take(begin)), {}
    (version,) = models or (-1,)
    if ahead.doing == "fit":
        assert ahead.followed is not None
        return (fit_order(problem, explorer, rnd, ahead.followed, version),), models
    begin = _begins(problem, seeds, ahead, "start", _paths(problem))
    structures = explorer.structures
    if structures is None and ahead.followed is not None:
        structures = structures_of(explorer, ahead.followed)

    def payload(first: int) -> AheadPayload:
        return AheadPayload(
            seeds.walkers.take(begin[first : first + ROWS]),
            first,
            explorer.frames,
            explorer.snippet,
            structures,
            explorer.conditions,
        )

    rolled = tuple(
        WorkOrder.of(rnd, payload(first), i, model_version=version, cost_hint=1e3)
        for i, first in enumerate(range(0, len(begin), ROWS))
    )
    return rolled, models


def after_model(problem: Problem, seeds: Seeds, ahead: Ahead, segments: Sequence[Segment]) -> Ahead:
    """What comes after a round of `orders`."""
    if ahead.doing == "follow":
        seen = followed(problem, ahead.followed, segments)
        # nothing to learn from, where everything has met what is not finite
        return replace(ahead, doing="fit" if len(seen) else "over", followed=seen)
    if ahead.doing == "fit":
        (record,) = (s.read(FitRecord) for s in segments if s.key[1] == FitAheadPayload.kind)
        return replace(ahead, doing="roll", version=ahead.version + 1, model=record.model)
    records = [s.read(AheadRecord) for s in segments if s.key[1] == AheadPayload.kind]
    return after_roll_outs(problem, seeds, ahead, records)


def after_roll_outs(
    problem: Problem, seeds: Seeds, ahead: Ahead, records: Sequence[AheadRecord]
) -> Ahead:
    """Walkers go next where roll-outs went; nobody goes where each breaks at once."""
    paths = np.concatenate([np.where(r.sound[..., None], r.paths, np.nan) for r in records])
    begin = _begins(problem, seeds, ahead, "start", _paths(problem))
    known = _known(problem, seeds, ahead.runs)
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
    more = ahead.rounds < int(settings(problem)["rounds"]) and _wanted(problem, seeds)
    return replace(ahead, doing=_first(problem) if more else "over")


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
    """The model goes ahead again where it has shown a state, or one with a name is missing."""
    rounds = ahead.rounds + 1
    grown = problem.boxes is not None or _known(problem, seeds, ahead.runs) > ahead.known
    more = rounds < int(settings(problem)["rounds"]) and grown and _wanted(problem, seeds)
    doing: Doing = _first(problem) if more else "over"
    return replace(ahead, doing=doing, rounds=rounds, targets=None, start=None)


def _begins(problem: Problem, seeds: Seeds, ahead: Ahead, what: str, number: int) -> Ints:
    """Which seed each path begins in, shape (number,): as many in every state that is known."""
    label = states_of(problem, ahead.runs).assign(seeds.xi)
    rng = stream(problem.seed, (ahead.rounds, f"ahead_{what}", 0))
    inside = [rng.permutation(np.flatnonzero(label == k)) for k in np.unique(label)]
    mine = (inside[i % len(inside)] for i in range(number))
    return np.array([at[(i // len(inside)) % len(at)] for i, at in enumerate(mine)], dtype=np.int64)


def _known(problem: Problem, seeds: Seeds, runs: Array | None) -> int:
    """States that are known: where none has a name those at rest, else those with a seed."""
    states = states_of(problem, runs)
    if problem.boxes is None:
        return len(states)
    return len(np.unique(states.assign(seeds.xi)))


def _wanted(problem: Problem, seeds: Seeds) -> bool:
    """Whether there may be states to find: of those with a name, one that has no seed.

    What is left over, the last, need have none.
    """
    named = problem.states()
    if named is None:
        return True
    return not np.isin(np.arange(len(named) - 1), named.assign(seeds.xi)).all()


def _seen(problem: Problem, seeds: Seeds, runs: Array | None) -> Array:
    """CVs of the seeds and of all that relaxed, shape (k, C); one place of a bin is enough."""
    xi = seeds.xi if runs is None else np.concatenate([seeds.xi, runs.reshape(-1, problem.dim)])
    _, first = np.unique(problem.grid.index(xi), return_index=True)
    inside = xi[first]
    return np.asarray(inside[np.isfinite(inside).all(axis=1)])


def _first(problem: Problem) -> Doing:
    """What a round of the model begins with."""
    return "roll" if _explorer(problem).learning is None else "follow"


def _explorer(problem: Problem) -> Explorer:
    assert problem.explorer is not None
    return problem.explorer


def _paths(problem: Problem) -> int:
    return int(settings(problem)["paths"])


def _walkers(problem: Problem) -> int:
    return int(settings(problem)["walkers"])


def _distance(problem: Problem, a: Array, b: Array) -> Array:
    """Between places (…, C), the short way round where a CV repeats."""
    d = a - b
    d = np.where(problem.periodic, (d + np.pi) % (2.0 * np.pi) - np.pi, d)
    return np.asarray(np.linalg.norm(d / problem.scale, axis=-1))
