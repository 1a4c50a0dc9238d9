"""Molecules whose System is made already: a serialised one, or what a function returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
from openmm import app, unit

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.files import as_path, find_file, in_nm, open_with
from msgen.systems.kinds import Field
from msgen.systems.openmm.inputs.parts import Parts
from msgen.systems.openmm.sources import MoleculeSource
from msgen.systems.openmm.structure_files import read_structure
from msgen.systems.potentials.python import load_factory


def from_xml(source: MoleculeSource, base_dir: Path) -> Parts:
    """Read `source.system_xml` with `source.structure`.

    Raises
    ------
    SpecError
    """
    pdb = read_structure(source.structure, base_dir)
    where: Field = ("system", "system_xml")
    path = find_file(source.system_xml, base_dir, where)
    system = open_with(
        lambda p: mm.XmlSerializer.deserialize(Path(p).read_text(encoding="utf-8")), path, where
    )
    if not isinstance(system, mm.System):
        raise SpecError(where, source.system_xml, "holds no System", "Serialise an openmm.System")
    return Parts(pdb.topology, system, in_nm(pdb.getPositions(asNumpy=True)))


_RETURNED = (
    "Return an object with topology (openmm.app.Topology), system (openmm.System) and positions, "
    "such as types.SimpleNamespace(topology=…, system=…, positions=…)"
)


def from_factory(source: MoleculeSource, base_dir: Path) -> Parts:
    """Call `source.factory`, which returns topology, System and positions.

    What it returns is taken for its own: the System is copied.

    Raises
    ------
    SpecError
        Where it cannot be called, or returns something else.
    """
    where: Field = ("system", "factory")
    make = load_factory(source.factory, base_dir, where)
    given = {key: as_path(value, base_dir) for key, value in source.arguments.items()}
    try:
        made = make(**given)
    except Exception as error:  # a user's function raises anything
        raise SpecError(
            ("system", "arguments"),
            dict(source.arguments),
            f"{source.factory} raised {type(error).__name__}: {error}",
            "Give the arguments that it takes",
        ) from error
    topology, system = (getattr(made, name, None) for name in ("topology", "system"))
    if not isinstance(topology, app.Topology) or not isinstance(system, mm.System):
        what = f"returned {type(made).__name__}, no molecule"
        raise SpecError(where, source.factory, what, _RETURNED)
    positions = _positions(getattr(made, "positions", None))
    if positions is None or positions.shape != (system.getNumParticles(), 3):
        told = "none" if positions is None else f"an array of shape {positions.shape}"
        what = f"has {told} for the positions of {system.getNumParticles()} particles"
        raise SpecError(where, source.factory, what, _RETURNED)
    return Parts(topology, mm.XmlSerializer.clone(system), positions)


def _positions(given: Any) -> Array | None:
    """In nm, of a Quantity or of numbers that are in nm."""
    if unit.is_quantity(given):
        given = given.value_in_unit(unit.nanometer)
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return None
