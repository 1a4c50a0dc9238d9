"""Exact samples of one temperature, weighed for another.

An exact run is of one temperature T. With samples x_i of weights w_i inside a state k,

.. math:: p_k(T') ∝ p_k(T) ∑_{i∈k} w_i e^{-(β'-β)U(x_i)} / ∑_{i∈k} w_i

and the terms of the first sum are the weights of the samples at T'. This is exact and has no
ground where only a few samples carry a state's weight: then it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.nested import FIELD
from msgen.systems.base import Array, System, Walkers
from msgen.systems.errors import SpecError

LEAST = 20.0
"""Samples that carry the weight of every state, by (Σw)²/Σw²."""
WHERE = ("strategy", "temperatures")


def warmed(
    exact: Exact, system: System, own: float, temperatures: Sequence[float]
) -> tuple[Exact, ...]:
    """The same samples at each of other temperatures, their states' probabilities there.

    Parameters
    ----------
    exact : Exact
    system : System
    own : float
        Its temperature, in the unit of `temperatures`.
    temperatures : sequence of float

    Raises
    ------
    SpecError
        Where fewer than `LEAST` samples carry the weight of a state.
    """
    if not temperatures:
        return ()
    box = system.initial().box
    boxes = None if box is None else np.repeat(box, len(exact.positions), axis=0)
    energy = system.energy(Walkers(exact.positions, None, boxes)) / system.kT
    return tuple(_warmed(exact, energy, own / t - 1.0, t) for t in temperatures)


def _warmed(exact: Exact, energy: Array, excess: float, temperature: float) -> Exact:
    """At one; `energy` in kT, `excess` of its inverse temperature over that of the samples."""
    factor = np.zeros_like(energy)
    counted = (exact.weight > 0) & np.isfinite(energy)
    factor[counted] = np.exp(-excess * energy[counted] + np.min(excess * energy[counted]))
    weight, share = exact.weight * factor, np.zeros_like(exact.share)
    for k in np.flatnonzero(exact.share > 0).tolist():
        mine = exact.region == k
        before, now = exact.weight[mine].sum(), weight[mine]
        carried = float(now.sum() ** 2 / max(float((now**2).sum()), np.finfo(np.float64).tiny))
        if carried < LEAST:
            name = exact.states.names[k]
            what = f"is too far from the exact run's: {carried:.0f} of its samples carry {name}"
            remedy = f"Take one nearer, or let the run of {'.'.join(FIELD)} sample for longer"
            raise SpecError(WHERE, temperature, what, remedy)
        share[k] = exact.share[k] * now.sum() / before
    return replace(exact, weight=weight, share=share / share.sum())
