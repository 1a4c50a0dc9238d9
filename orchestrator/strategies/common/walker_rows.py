"""Trees of walkers as the strategies handle them: rows, whatever they are made of.

Either coordinates ('positions', 'velocities', 'box') or, for big molecules, a table of where they
lie (`msgen.actors.walker_files`). A strategy takes rows and joins them; it looks inside by
`positions` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.actors.walker_files import NAME, START, START_WITHOUT_BOX
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

PARTS = ("positions", "velocities", "box", NAME)
MOVING = 4
"""Column of the table: whether the walker goes on with its velocities."""


def first(problem: Problem, *, boxed: bool = True) -> Tree:
    """The one structure, without velocities; without its box, unless `boxed`."""
    if problem.shelf is not None:
        return {NAME: (START if boxed else START_WITHOUT_BOX).copy()}
    out: Tree = {"positions": problem.start.positions}
    if boxed and problem.start.box is not None:
        out["box"] = problem.start.box
    return out


def rows(walkers: Mapping[str, NDArray[np.generic]], index: NDArray[np.int64]) -> Tree:
    """Some of the walkers, or some of them several times."""
    return {name: np.asarray(walkers[name])[index] for name in PARTS if name in walkers}


def number(walkers: Tree) -> int:
    """How many there are."""
    return len(next(walkers[name] for name in PARTS if name in walkers))


def positions(problem: Problem, walkers: Tree) -> Array:
    """Coordinates, shape (n, D), read where they lie in files: for a model of configurations."""
    if problem.shelf is None:
        return np.asarray(walkers["positions"])
    return problem.shelf.get(walkers[NAME], problem.start).positions


def bare(walkers: Tree) -> Tree:
    """The same walkers without velocities: they will be drawn anew."""
    out: Tree = {n: walkers[n] for n in PARTS if n in walkers and n != "velocities"}
    if NAME in out:
        out[NAME] = np.array(out[NAME])
        out[NAME][:, MOVING] = 0
    return out


def joined(parts: Sequence[Tree]) -> Tree:
    """Walkers of the same make, one after the other."""
    return {n: np.concatenate([p[n] for p in parts]) for n in PARTS if n in parts[0]}


def updated(
    walkers: Tree, total: int, ids: Sequence[NDArray[np.int64]], new: Sequence[Tree]
) -> Tree:
    """`total` walkers of which those of `ids` are `new`, and the others as they were."""
    out: Tree = {}
    for name in PARTS:
        if name not in new[0]:
            continue
        shape = np.shape(new[0][name])[1:]
        out[name] = np.zeros((total, *shape), dtype=np.asarray(new[0][name]).dtype)
        if name in walkers:
            out[name][:] = walkers[name]
        for group, part in zip(ids, new, strict=True):
            out[name][group] = part[name]
    return out
