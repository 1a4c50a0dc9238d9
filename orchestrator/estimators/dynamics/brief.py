"""What is told in brief of trajectories that were asked for, beside those a simulator makes."""

from __future__ import annotations

import numpy as np

from msgen.orchestrator.estimators.dynamics.correlations import autocorrelation, displacement
from msgen.orchestrator.estimators.dynamics.judge import Asked, Judging, Labelled, extent
from msgen.orchestrator.estimators.dynamics.judgement import Beside, MadeReading

EXAMPLES = 4
"""Paths that are kept to be drawn."""


def brief(
    what: str,
    here: Labelled | None,
    reference: Labelled | None,
    asked: Asked,
    *,
    at_equilibrium: bool,
    broken: int = 0,
    notes: tuple[str, ...] = (),
) -> MadeReading:
    """Displacements, and of what should be at equilibrium free energies and crossings as well.

    Parameters
    ----------
    what : str
        Which they are, in words.
    here : Labelled or None
        None where there are none.
    reference : Labelled or None
        The simulator's, under the same condition.
    asked : Asked
    at_equilibrium : bool
        Not so of paths between given ends, and of variations of one.
    broken : int
        Left out.
    notes : tuple of str
    """
    if here is None:
        return MadeReading(what, 0, broken, notes)
    judging = Judging(here, reference, asked)
    examples = tuple(
        tuple(map(tuple, np.asarray(path).tolist())) for path in here.data.paths[:EXAMPLES]
    )
    cores = len(asked.cores) > 1
    return MadeReading(
        what=what,
        paths=len(here.data.paths),
        broken=broken,
        notes=notes,
        extent=Beside(extent(here), None if reference is None else extent(reference)),
        surfaces=judging.surfaces() if at_equilibrium else (),
        autocorrelations=(
            judging.curves(lambda one, c, lags: autocorrelation(one.data, c, lags))
            if at_equilibrium
            else ()
        ),
        displacements=judging.curves(lambda one, c, lags: displacement(one.data, c, lags)),
        transition_displacements=(
            judging.curves(lambda one, c, lags: displacement(one.data, c, lags, one.core < 0))
            if cores
            else ()
        ),
        crossing=judging.crossing() if at_equilibrium else None,
        examples=examples,
    )
