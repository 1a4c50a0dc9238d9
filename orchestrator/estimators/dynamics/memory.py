"""Whether what follows a frame is known by that frame: what models of steps take for granted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import chapman_kolmogorov
from msgen.orchestrator.estimators.dynamics.markov import Cells, shares
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

FEWEST = 0.01
"""Difference of probabilities below which memory is not worth a word."""


def memory_in_words(
    data: Trajectories, core: NDArray[np.int64], names: tuple[str, ...]
) -> str | None:
    """What Chapman and Kolmogorov's test at one stride says; None where it finds no memory.

    Parameters
    ----------
    data : Trajectories
    core : int array, shape (N,)
        The core set of each frame, −1 in none.
    names : tuple of str
        Of the core sets.
    """
    cells = Cells.of(data)
    if cells is None or len(cells) < 2:
        return None
    found = shares(data, cells.assign(data), len(cells), core, max(len(names), 1))
    told = chapman_kolmogorov(data, cells, 1, {name: found[:, k] for k, name in enumerate(names)})
    if told is None or told.markov is not False or told.gap is None or told.gap < FEWEST:
        return None
    return (
        f"the simulator's trajectories remember more than one frame in these CVs: after a few of "
        f"{told.lag:g} {data.unit} probabilities differ by {told.gap:.2g} from those of a Markov "
        "chain. A model of steps knows one frame: take a longer output.stride or more friction, "
        "unless the CVs are to blame"
    )
