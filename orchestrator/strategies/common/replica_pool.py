"""Which replicas are at work: a campaign may take on more while it produces, or let some rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.actors.kernels.base import Mask
from msgen.orchestrator.strategies.common.walker_rows import rows

Ints = NDArray[np.int64]

SETTLE_ROUNDS = 2
"""Rounds of a new replica that do not count: it starts as a copy of another."""


def at_work(state: Tree, stratum: Ints) -> Ints:
    """Ids of the replicas that sample in this round; all of them unless some rest."""
    if "resting" not in state:
        return np.arange(len(stratum))
    return np.flatnonzero(~np.asarray(state["resting"], dtype=bool))


def counted(state: Tree, stratum: Ints) -> Mask:
    """Whether what a replica samples in this round counts, shape (R,)."""
    if "settling" not in state:
        return np.ones(len(stratum), dtype=bool)
    return np.asarray(np.asarray(state["settling"]) == 0, dtype=bool)


def settle(state: Tree) -> None:
    """A round of the new replicas is over."""
    if "settling" in state:
        at = np.asarray(state["settling"]) - ~np.asarray(state["resting"], dtype=bool)
        state["settling"] = np.maximum(at, 0)


def resize(state: Tree, stratum: Ints, replicas: int, seed: int) -> Tree:
    """The state with `replicas` at work.

    Strata keep their shares. Those who rested are called back first; a new one starts as a copy of
    a walker of its stratum, which is distributed as it should be, and counts once it has parted
    from it. Who is sent to rest keeps its walker, and what it sampled stays.

    Parameters
    ----------
    state : Tree
        With 'walkers' (and 'xi'), one row a replica; not changed.
    stratum : Ints, shape (R,)
        Of every replica, at work or not.
    replicas : int
    seed : int
        Of the campaign.

    Returns
    -------
    Tree
        With 'stratum', 'walkers', 'xi', 'resting' and 'settling' for all replicas so far.
    """
    resting = np.ones(len(stratum), dtype=bool)
    resting[at_work(state, stratum)] = False
    settling = np.asarray(state.get("settling", np.zeros(len(stratum), dtype=np.int64)))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(83, int(state["round"]))))
    kinds = range(int(stratum.max()) + 1)
    idle = [np.flatnonzero(resting & (stratum == k)).tolist() for k in kinds]
    busy = [np.flatnonzero(~resting & (stratum == k)).tolist() for k in kinds]
    number = np.array([len(b) for b in busy])
    share = number / number.sum()
    born: list[int] = []
    while number.sum() < replicas:
        k = int(np.argmax(share * replicas - number))
        if idle[k]:
            resting[idle[k].pop(0)] = False
        else:
            born.append(k)
        number[k] += 1
    while number.sum() > max(replicas, np.count_nonzero(share)):
        # the last of a stratum stays: nobody could start paths from there
        k = int(np.argmax(np.where(number > 1, number - share * replicas, -np.inf)))
        resting[busy[k].pop()] = True
        number[k] -= 1
    parents = np.append(np.arange(len(stratum)), [int(rng.choice(busy[k])) for k in born])
    parents = parents.astype(np.int64)
    fresh = np.full(len(born), SETTLE_ROUNDS, dtype=np.int64)
    out = {
        **state,
        "walkers": rows(state["walkers"], parents),
        "stratum": np.append(stratum, np.array(born, dtype=np.int64)),
        "resting": np.append(resting, np.zeros(len(born), dtype=bool)),
        "settling": np.append(settling, fresh),
    }
    if "xi" in state:
        out["xi"] = np.asarray(state["xi"])[parents]
    return out
