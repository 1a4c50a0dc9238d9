"""What every reader of a molecule's files makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from openmm import app, unit

from msgen.systems.base import Array
from msgen.systems.errors import SpecError, first_line
from msgen.systems.kinds import Field
from msgen.systems.openmm.sources import MoleculeSource


@dataclass(frozen=True)
class Parts:
    """A molecule as its files have it.

    Attributes
    ----------
    topology : openmm.app.Topology
    system : openmm.System
    positions : Array, shape (N, 3)
        nm.
    box : Array, shape (3, 3), or None
        nm, where the System does not say it already.
    """

    topology: Any
    system: Any
    positions: Array
    box: Array | None = None


NO_LATTICE = "Illegal nonbonded method"
"""What OpenMM says of PME with an implicit solvent, which has no lattice: a box means nothing."""


def rectangular(sides: Sequence[float]) -> Array:
    """Vectors of a box with these sides, nm."""
    return np.diag(np.asarray(sides, dtype=np.float64))


def create_options(source: MoleculeSource, periodic: bool) -> dict[str, Any]:
    """Keyword arguments of OpenMM's createSystem.

    Raises
    ------
    SpecError
        Where a method needs a box and there is none.
    """
    method = source.nonbonded
    if method == "auto":
        method = "PME" if periodic else "NoCutoff"
    if method in ("PME", "CutoffPeriodic") and not periodic:
        raise SpecError(
            ("system", "nonbonded"),
            method,
            "needs a box, and the structure has none",
            "Write nonbonded: NoCutoff, or box: with its sides, or give a structure with a box "
            "(CRYST1)",
        )
    constrained = source.constraints != "None"
    options: dict[str, Any] = {
        "nonbondedMethod": getattr(app, method),
        "constraints": getattr(app, source.constraints) if constrained else None,
        "rigidWater": source.rigid_water,
        "removeCMMotion": False,
    }
    if method != "NoCutoff":
        # scripts in force-field files ask for its unit
        options["nonbondedCutoff"] = (source.cutoff or 1.0) * unit.nanometer
    if source.hydrogen_mass is not None:
        options["hydrogenMass"] = source.hydrogen_mass * unit.dalton
    return options


def create(
    make: Callable[[], Any],
    field: Field,
    value: object,
    explain: Callable[[str], SpecError | None] = lambda text: None,
) -> Any:
    """Call OpenMM's createSystem, or what else needs its parameters.

    Parameters
    ----------
    make : callable
    field, value
        Where the campaign names what it is made of.
    explain : callable
        What is known of an error beyond its text.

    Raises
    ------
    SpecError
        Whatever goes wrong.
    """
    try:
        return make()
    except SpecError:
        raise
    except Exception as error:  # OpenMM raises KeyError, ValueError and errors of its own
        text = first_line(error)
        text = text.partition("  For more information")[0]
        remedy = "Check that structure, force field, nonbonded and cutoff fit each other"
        if NO_LATTICE in text:
            remedy = "Write nonbonded: NoCutoff, which an implicit solvent goes with"
        known = explain(text)
        what = f"the system cannot be built: {text}"
        raise (known or SpecError(field, value, what, remedy)) from error
