"""Walkers that stand where a model's draws are not: parts of a state that no median shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.hidden.findings import scalar_names, scalars

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 4
"""Configurations of a walker in a state from which its median is taken."""


@dataclass(frozen=True)
class Undrawn:
    """Walkers of one state where draws hardly are.

    Attributes
    ----------
    state : str
    walkers, of : int
        How many, of all that were in the state.
    mass : float
        What they may stand for against the others of the state, e^{−ΔU/kT} of median energies;
        1 where there are no others.
    what : str
        The scalar that tells them from the others best; '' where nothing was watched.
    there, elsewhere : float
        Its median at them and at the others.
    """

    state: str
    walkers: int
    of: int
    mass: float
    what: str = ""
    there: float = float("nan")
    elsewhere: float = float("nan")


def undrawn(
    names: Sequence[str],
    state: Ints,
    walker: Ints,
    excess: Array,
    most: float,
) -> dict[str, Ints]:
    """Ids of the walkers whose median excess in a state is above `most`, by state.

    Parameters
    ----------
    names : sequence of str
        Of the states.
    state, walker : Ints, shape (n,)
        Of each configuration.
    excess : Array, shape (n,)
        ln of its weight over the mean weight of all draws: about 0 where a model draws as often as
        the target asks.
    most : float
        Above it, one draw would weigh too much of all.
    """
    out = {}
    for k, name in enumerate(names):
        here = state == k
        ids = [
            w
            for w in np.unique(walker[here]).tolist()
            if np.count_nonzero(mine := here & (walker == w)) >= LEAST
            and float(np.median(excess[mine])) > most
        ]
        if ids:
            out[name] = np.array(ids, dtype=np.int64)
    return out


def told_apart(
    state: str,
    ids: Ints,
    chains: Sequence[Array],
    names: Sequence[str],
    periodic: NDArray[np.bool_],
) -> Undrawn:
    """What tells walkers `ids` of a state from the others there.

    Parameters
    ----------
    state : str
    ids : Ints
    chains : sequence of Array, shape (n_r, H)
        What was watched of every walker in the state; the last column is U/kT.
    names, periodic
        Of the columns.
    """
    kept = [(r, c) for r, c in enumerate(chains) if len(c)]
    there = [scalars(c, periodic) for r, c in kept if r in ids]
    others = [scalars(c, periodic) for r, c in kept if r not in ids]
    number = len(there) + len(others)
    if not there or not others:
        return Undrawn(state, len(ids), max(number, len(ids)), 1.0)
    a, b = np.concatenate(there), np.concatenate(others)
    titles = scalar_names(names, periodic)
    middle_a, middle_b = np.median(a, axis=0), np.median(b, axis=0)
    spread = np.sqrt(0.5 * (a.var(axis=0) + b.var(axis=0))) + 1e-12
    best = int(np.argmax(np.abs(middle_a - middle_b) / spread))
    energy = titles.index(names[-1])
    mass = float(np.exp(min(0.0, middle_b[energy] - middle_a[energy])))
    return Undrawn(
        state,
        len(ids),
        number,
        mass,
        titles[best],
        float(middle_a[best]),
        float(middle_b[best]),
    )
