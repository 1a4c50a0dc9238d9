"""Systems of ASE from a campaign's ``system:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from msgen.systems.ase.calculators import CalculatorSpec
from msgen.systems.errors import SpecError
from msgen.systems.kinds import SystemSite

if TYPE_CHECKING:
    from msgen.systems.ase.system import ASESystem


def ase_system(
    site: SystemSite,
    *,
    structure: str,
    calculator: Mapping[str, Any],
    temperature: float,
    timestep: float,
    friction: float,
    charge: int,
    spin: int | None = None,
    confine: float | None = None,
) -> ASESystem:
    """Build a ``kind: ase`` system.

    Parameters
    ----------
    site : SystemSite
    structure : str
        A file that ASE reads.
    calculator : Mapping
        `name` or `factory`, and `arguments`; see `CalculatorSpec`.
    temperature, timestep, friction : float
        K, ps, 1/ps.
    charge : int
        In e.
    spin : int, optional
        Number of unpaired electrons.
    confine : float, optional
        nm, see `ASESystem`.

    Raises
    ------
    SpecError
        If ASE or the calculator is missing, or the structure or the start do not suit.
    """
    if find_spec("ase") is None:
        remedy = "Install it: pip install msgen[ase]"
        raise SpecError(("system", "kind"), "ase", "needs ASE, which is not here", remedy)
    from msgen.systems.ase.structure import read_atoms
    from msgen.systems.ase.system import ASESystem

    atoms, topology = read_atoms(structure, site.base_dir)
    described = CalculatorSpec(**calculator)
    atoms.calc = described.make(site.base_dir, charge, spin)
    name = described.name or described.factory or ""
    return ASESystem(atoms, topology, temperature, timestep, friction, confine, name)
