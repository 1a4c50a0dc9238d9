"""Whether what follows a frame is known by that frame: what models of steps take for granted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import chapman_kolmogorov
from msgen.orchestrator.estimators.dynamics.markov import Cells, shares
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.dynamics.vamp_lags import vamp_against_lag

FEWEST = 0.01
"""Difference of probabilities below which memory is not worth a word."""


def memory_notes(
    data: Trajectories, core: NDArray[np.int64], names: tuple[str, ...], past: int
) -> tuple[str, ...]:
    """What two tests at one stride say, for a model that knows `past` frames; else as below."""
    told = memory_in_words(data, core, names, past), vamp2_in_words(data, past)
    return tuple(note for note in told if note is not None)


def _advice(past: int) -> str:
    if past == 1:
        told = "A model of steps knows one frame: take a longer output.stride, more friction or "
        return f"{told}model.past: 2"
    return f"The model knows {past} frames (model.past): whether they are enough is not tested"


def vamp2_in_words(data: Trajectories, past: int = 1) -> str | None:
    """What VAMP-2 against lag says; None where it is that of a Markov chain within its error."""
    told = vamp_against_lag(data)
    if told is None or told.falls is None:
        return None
    k = int(np.nanargmax(np.abs(told.difference)))
    if abs(told.difference[k]) < FEWEST:
        return None
    lag = f"{told.steps[k] * data.stride:g} {data.unit}"
    both = f"{told.seen[k]:.3g} at {lag} where one stride foretells {told.predicted[k]:.3g}"
    if told.falls == "slower":
        why = "something slow is not in these CVs, or more than one frame is remembered"
        return f"VAMP-2 of the simulator's trajectories falls slower with the lag, {both}: {why}"
    return (
        f"VAMP-2 of the simulator's trajectories falls faster with the lag, {both}: velocities are "
        f"remembered, whatever the CVs. {_advice(past)}"
    )


def memory_in_words(
    data: Trajectories, core: NDArray[np.int64], names: tuple[str, ...], past: int = 1
) -> str | None:
    """What Chapman and Kolmogorov's test at one stride says; None where it finds no memory.

    Parameters
    ----------
    data : Trajectories
    core : int array, shape (N,)
        The core set of each frame, −1 in none.
    names : tuple of str
        Of the core sets.
    past : int
        Frames that the model knows.
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
        f"chain, unless the CVs are to blame. {_advice(past)}"
    )
