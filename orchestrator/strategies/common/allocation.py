"""Which replica is kept in which stratum, and which replicas share an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

Ints = NDArray[np.int64]


def allocate(problem: Problem, where: Ints, weight: Array) -> tuple[Ints, Ints]:
    """Stratum of every replica, by `weight` but at least two each, and a walker to start from.

    Walkers found in a stratum are taken at random, and again where they are few.

    Parameters
    ----------
    where : int array, shape (n,)
        Stratum of every walker there is.
    weight : Array, shape (K,)

    Returns
    -------
    stratum, seed : int array, shape (replicas,)
    """
    found = [k for k in range(len(weight)) if (where == k).any()]
    r = problem.replicas
    share = np.array([max(weight[k], 1e-12) for k in found])
    least = min(2, r // len(found)) if len(found) <= r else 0
    number = np.full(len(found), least)
    ideal = share / share.sum() * r
    for _ in range(r - number.sum()):
        number[int(np.argmax(ideal - number))] += 1
    stratum = np.repeat(np.array(found, dtype=np.int64), number)
    rng = np.random.default_rng(np.random.SeedSequence(problem.seed, spawn_key=(79,)))
    picks = []
    for k, n in zip(found, number, strict=True):
        here = rng.permutation(np.flatnonzero(where == k))
        picks.append(here[np.arange(n) % len(here)])
    return stratum, np.concatenate(picks)


def given_up(number: int, finds: int, parts: int) -> Ints:
    """For each of so many replicas the find that it goes to, or −1: as many to each as to a part.

    Spread evenly over the replicas; one goes to every find at least, while there are as many.

    Parameters
    ----------
    number, finds : int
    parts : int
        States that the others are shared among.
    """
    each = max(1, number // (parts + finds))
    wanted = min(each * finds, number)
    out = np.full(number, -1, dtype=np.int64)
    out[(np.arange(wanted) * number) // max(1, wanted)] = np.arange(wanted) % max(1, finds)
    return out


def groups(problem: Problem, stratum: Ints | None = None, ids: Ints | None = None) -> list[Ints]:
    """Replicas that share an order: of one stratum, at most `Problem.batch`.

    Parameters
    ----------
    stratum : Ints, shape (R,), optional
        All are of one by default.
    ids : Ints, optional
        The replicas at work; all by default.
    """
    stratum = np.zeros(problem.replicas, dtype=np.int64) if stratum is None else stratum
    ids = np.arange(len(stratum)) if ids is None else ids
    out = []
    for k in np.unique(stratum[ids]):
        mine = ids[stratum[ids] == k]
        out += [mine[i : i + problem.batch] for i in range(0, len(mine), problem.batch)]
    return out
