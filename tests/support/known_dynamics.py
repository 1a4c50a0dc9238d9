"""Processes whose dynamics are known exactly: Markov chains and an Ornstein–Uhlenbeck process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

TWO = np.array([[0.97, 0.03], [0.06, 0.94]])
LADDER = np.array(
    [[0.90, 0.10, 0.00, 0.00], [0.10, 0.80, 0.10, 0.00], [0.00, 0.20, 0.70, 0.10],
     [0.00, 0.00, 0.10, 0.90]]
)  # fmt: skip
"""Four states in a row, in detailed balance; the first and the last are the ends."""


def stationary(transition: Array) -> Array:
    values, vectors = np.linalg.eig(transition.T)
    pi = np.real(vectors[:, np.argmax(np.real(values))])
    return np.asarray(pi / pi.sum())


def eigenvalues(transition: Array) -> Array:
    """Of the chain, largest first."""
    return np.sort(np.real(np.linalg.eigvals(transition)))[::-1]


def first_passage_time(transition: Array, start: int, end: int) -> float:
    """Mean number of steps from one state to another, by the linear equations."""
    others = [i for i in range(len(transition)) if i != end]
    inside = transition[np.ix_(others, others)]
    times = np.linalg.solve(np.eye(len(others)) - inside, np.ones(len(others)))
    return float(times[others.index(start)])


def run_chain(transition: Array, paths: int, frames: int, rng: np.random.Generator) -> Ints:
    """States of chains that begin in equilibrium, shape (paths, frames)."""
    ladder = transition.cumsum(axis=1)
    state = np.searchsorted(stationary(transition).cumsum(), rng.random(paths))
    out = np.zeros((paths, frames), dtype=np.int64)
    for t in range(frames):
        out[:, t] = state
        state = (rng.random(paths)[:, None] > ladder[state]).sum(axis=1)
    return out


def run_ou(memory: float, paths: int, frames: int, rng: np.random.Generator) -> Array:
    """Variance 1, autocorrelation exp(−t/memory), exact at whole times; shape (paths, frames)."""
    keep = np.exp(-1.0 / memory)
    x = rng.normal(size=paths)
    out = np.zeros((paths, frames))
    for t in range(frames):
        out[:, t] = x
        x = keep * x + np.sqrt(1.0 - keep**2) * rng.normal(size=paths)
    return out


def of_one_cv(rows: Array | Ints, periodic: bool = False, **more: Any) -> Trajectories:
    """Rows of values as trajectories of the CV x."""
    paths = tuple(row[:, None].astype(np.float64) for row in rows)
    return Trajectories(paths, ("x",), (periodic,), **more)


def ends(data: Trajectories, last: int) -> Ints:
    """Core 0 where the state is 0, core 1 where it is `last`."""
    x = data.xi[:, 0]
    return np.where(x == 0, 0, np.where(x == last, 1, -1))
