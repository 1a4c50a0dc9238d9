"""Water and ions around a molecule, the same wherever and whenever they are put there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from openmm import app, unit

from msgen.systems.errors import SpecError

_SEED = 20
"""Of the places of ions: every worker builds the system by itself, and all must build the same."""


@contextmanager
def keyed() -> Iterator[None]:
    """OpenMM draws ions by Python's own random numbers; whoever else uses them notices nothing."""
    before = random.getstate()
    random.seed(_SEED)
    try:
        yield
    finally:
        random.setstate(before)


def solvate(structure: Any, field: Any, solvent: Mapping[str, Any]) -> Any:
    """An `openmm.app.Modeller` of the molecule with solvent around it.

    Parameters
    ----------
    structure
        OpenMM's reader of a structure; the box of its topology is filled where `solvent` has no
        padding.
    field : openmm.app.ForceField
    solvent : Mapping
        The ``solvent:`` section, in nm and mol/L.

    Raises
    ------
    SpecError
        Where nothing says how large the box is.
    """
    padding = solvent.get("padding")
    if padding is None and structure.topology.getPeriodicBoxVectors() is None:
        raise SpecError(
            ("system", "solvent", "padding"),
            None,
            "nothing says how large the box is",
            "Add padding: 1 nm to solvent, or box: with its sides to system",
        )
    made = app.Modeller(structure.topology, structure.positions)
    with keyed():
        made.addSolvent(
            field,
            model=solvent["water"],
            padding=None if padding is None else padding * unit.nanometer,
            boxShape=solvent["shape"],
            positiveIon=solvent["positive"],
            negativeIon=solvent["negative"],
            ionicStrength=solvent["ions"] * unit.molar,
        )
    return made
