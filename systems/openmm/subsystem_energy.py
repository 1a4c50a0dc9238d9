"""The energy of some atoms of an OpenMM System without the others."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.systems.base import Array

_TERMS = {
    "HarmonicBondForce": ("Bond", 2),
    "CustomBondForce": ("Bond", 2),
    "HarmonicAngleForce": ("Angle", 3),
    "CustomAngleForce": ("Angle", 3),
    "PeriodicTorsionForce": ("Torsion", 4),
    "RBTorsionForce": ("Torsion", 4),
    "CustomTorsionForce": ("Torsion", 4),
}
"""Forces that are sums over terms: what a term is called, and how many atoms it has."""


class SoluteAlone:
    """U/kT of what the atoms do to each other: bonded terms, and charges and Lennard-Jones.

    Other forces are left out. That is for choosing proposals, where any function of the solute's
    coordinates will do, not for a density.

    Parameters
    ----------
    system : openmm.System
    atoms : int array, shape (M,)
    kT : float
        kJ/mol.
    """

    def __init__(self, system: Any, atoms: NDArray[np.intp], kT: float) -> None:
        at = {int(a): k for k, a in enumerate(atoms)}
        alone = mm.System()
        for a in at:
            alone.addParticle(system.getParticleMass(a))
        for force in system.getForces():
            mine = _restricted(force, at)
            if mine is not None:
                alone.addForce(mine)
        platform = mm.Platform.getPlatformByName("Reference")
        self._context = mm.Context(alone, mm.VerletIntegrator(0.001), platform)
        self._kT = kT

    def __call__(self, x: Array) -> Array:
        """Positions (n, M, 3) → (n,); NaN or inf where it cannot be evaluated."""
        out = np.full(len(x), np.nan)
        for k in np.flatnonzero(np.isfinite(x).all(axis=(1, 2))).tolist():
            self._context.setPositions(np.ascontiguousarray(x[k]))
            try:
                state = self._context.getState(energy=True)
            except mm.OpenMMException:
                continue
            out[k] = state.getPotentialEnergy()._value / self._kT
        return out


def _restricted(force: Any, at: dict[int, int]) -> Any:
    """A force with the terms of these atoms only, renumbered; None if it is not known how."""
    kind = type(force).__name__
    if kind == "NonbondedForce":
        return _pairs(force, at)
    if kind not in _TERMS:
        return None
    what, size = _TERMS[kind]
    # a copy without terms: formulas, parameters and their names stay
    tree = ElementTree.fromstring(mm.XmlSerializer.serialize(force))
    for terms in tree.findall(f"{what}s"):
        terms.clear()
    mine = mm.XmlSerializer.deserialize(ElementTree.tostring(tree, encoding="unicode"))
    for k in range(getattr(force, f"getNum{what}s")()):
        term = getattr(force, f"get{what}Parameters")(k)
        if all(a in at for a in term[:size]):
            getattr(mine, f"add{what}")(*(at[a] for a in term[:size]), *term[size:])
    return mine


def _pairs(force: Any, at: dict[int, int]) -> Any:
    """Charges and Lennard-Jones without a cutoff: the solute is one molecule and kept whole."""
    mine = mm.NonbondedForce()
    mine.setNonbondedMethod(mm.NonbondedForce.NoCutoff)
    for a in at:
        mine.addParticle(*force.getParticleParameters(a))
    for k in range(force.getNumExceptions()):
        i, j, *rest = force.getExceptionParameters(k)
        if i in at and j in at:
            mine.addException(at[i], at[j], *rest)
    return mine
