"""OBC2 implicit solvent through OpenMM's own kernel.

``implicit/obc2.xml`` builds OBC2 as a CustomGBForce, an interpreted expression; GBSAOBCForce is the
same model compiled in (A. Onufriev, D. Bashford and D. A. Case, Proteins 55, 383 (2004)).
"""

from __future__ import annotations

import re
from typing import Any

import openmm as mm

_ONE_4PI_EPS0 = 138.93545764438198
"""What OpenMM's kernels use, in kJ nm/(mol e²)."""

_OFFSET = 0.009
_RADIUS_EXPRESSION = "1/(1/or-tanh(psi-0.8*psi^2+4.85*psi^3)/radius);psi=I*or"


def _constant(expression: str, name: str) -> float | None:
    found = re.search(rf"\b{name}\s*=\s*([0-9.eE+-]+)", expression)
    return float(found.group(1)) if found else None


def _convert(gb: Any) -> Any | None:
    """The GBSAOBCForce equal to a CustomGBForce, or None where it is not plain OBC2."""
    names = [gb.getPerParticleParameterName(i) for i in range(gb.getNumPerParticleParameters())]
    if names != ["charge", "or", "sr"] or gb.getNumGlobalParameters() or gb.getNumExclusions():
        return None
    if gb.getNonbondedMethod() != mm.CustomGBForce.NoCutoff or gb.getNumComputedValues() != 2:
        return None
    radius = gb.getComputedValueParameters(1)[1].replace(" ", "")
    if not radius.startswith(_RADIUS_EXPRESSION) or _constant(radius, "offset") != _OFFSET:
        return None
    terms = [
        gb.getEnergyTermParameters(i)[0].replace(" ", "") for i in range(gb.getNumEnergyTerms())
    ]
    self_terms = [t for t in terms if t.startswith("-0.5*") and "charge^2/B" in t]
    pair_terms = [t for t in terms if "charge1*charge2/f" in t and "exp(-kappa" not in t]
    surface = [t for t in terms if "(radius/B)^6" in t]
    if len(self_terms) != 1 or len(pair_terms) != 1 or len(terms) != 2 + len(surface):
        return None
    energy = self_terms[0]
    prefactor = re.match(r"-0\.5\*([0-9.]+)\*\(1/soluteDielectric-1/solventDielectric\)", energy)
    solute, solvent = (_constant(energy, f"{k}Dielectric") for k in ("solute", "solvent"))
    if not prefactor or not solute or not solvent or _constant(energy, "kappa") not in (None, 0.0):
        return None
    force = mm.GBSAOBCForce()
    # Coulomb's constant differs in the seventh digit; the dielectric takes up the difference
    strength = float(prefactor.group(1)) * (1 / solute - 1 / solvent)
    force.setSoluteDielectric(solute)
    force.setSolventDielectric(1 / (1 / solute - strength / _ONE_4PI_EPS0))
    if surface:
        tension = re.match(r"([0-9.]+)\*\(radius\+0\.14\)\^2", surface[0])
        if not tension:
            return None
        # the kernel multiplies by 4π, the expression has it inside
        force.setSurfaceAreaEnergy(float(tension.group(1)) / (4 * 3.141592653589793))
    else:
        force.setSurfaceAreaEnergy(0.0)
    for i in range(gb.getNumParticles()):
        charge, reduced, scaled = gb.getParticleParameters(i)
        force.addParticle(charge, reduced + _OFFSET, scaled / reduced)
    force.setNonbondedMethod(mm.GBSAOBCForce.NoCutoff)
    force.setForceGroup(gb.getForceGroup())
    return force


def use_native_obc(system: Any) -> int:
    """Replace every CustomGBForce that is plain OBC2 by a GBSAOBCForce, in place.

    radius = or + 0.009 nm and scale = sr/or from the per-particle parameters. Forces with a
    cutoff, with salt (κ ≠ 0) or of another GB model are left alone.

    Returns
    -------
    int
        How many were replaced.
    """
    replaced = 0
    for index in reversed(range(system.getNumForces())):
        gb = system.getForce(index)
        if isinstance(gb, mm.CustomGBForce):
            native = _convert(gb)
            if native is not None:
                system.addForce(native)
                system.removeForce(index)
                replaced += 1
    return replaced
