"""What is simulated, in words: atoms, forces, box, solvent, charge, masses, and what looks odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import openmm as mm

from msgen.systems.description import Description
from msgen.systems.openmm.inputs.unmatched import WATER
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.stereochemistry import StereoWatch

MOST_RESIDUES = 6
"""Kinds of residues that are named; of more the most frequent."""
WHOLE = 0.01
"""e; by how much a total charge may be off a whole number for rounding in force-field files."""
HEAVY = 1.1
"""g/mol from which a hydrogen was made heavy."""
_GB = {"GBSAOBCForce": "OBC2", "CustomGBForce": "a generalised Born model"}
_METHODS = {
    0: "no cutoff",
    1: "cutoff, not periodic",
    2: "cutoff, periodic",
    3: "Ewald",
    4: "PME",
    5: "LJ-PME",
}


def describe(system: OpenMMSystem, spec: Mapping[str, Any]) -> Description:
    """Describe a molecule.

    Parameters
    ----------
    system : OpenMMSystem
    spec : Mapping
        The ``system:`` section as its schema resolves it.
    """
    model = system.openmm_system
    facts = {
        "atoms": _atoms(system),
        "forces": _forces(spec),
        "box": _box(system),
        "nonbonded": _nonbonded(model),
        "solvent": _solvent(system),
        "net charge": _charge_in_words(model),
        "constraints": f"{model.getNumConstraints():,} rigid bonds",
        "masses": _masses(system),
        **_cis(system),
        **_held(spec),
        "ensemble": f"constant {_pressure(spec)} and temperature, {system.temperature:g} K, time "
        f"step {1000 * system.timestep:g} fs, friction {system.friction:g} /ps",
    }
    return Description(facts, tuple(_warnings(system)))


def _atoms(system: OpenMMSystem) -> str:
    names = Counter(residue.name for residue in system.topology.residues)
    kinds = [f"{name} {n:,}" for name, n in names.most_common(MOST_RESIDUES)]
    more = f", {len(names) - MOST_RESIDUES} more kinds" if len(names) > MOST_RESIDUES else ""
    return f"{system.topology.n_atoms:,} in residues {', '.join(kinds)}{more}"


def _forces(spec: Mapping[str, Any]) -> str:
    if spec.get("forcefield"):
        return ", ".join(spec["forcefield"])
    if spec.get("topology"):
        return ", ".join([str(spec["topology"]), *spec.get("parameters", ())])
    if spec.get("system_xml"):
        return f"{spec['system_xml']} (a serialised System)"
    if spec.get("factory"):
        return f"{spec['factory']}()"
    return f"kind: {spec['kind']}"


def _pressure(spec: Mapping[str, Any]) -> str:
    given = spec.get("pressure")
    return "volume" if given is None else f"pressure ({given:g} bar)"


def _cis(system: OpenMMSystem) -> dict[str, str]:
    """Peptide bonds that are cis in the structure, whose isomer is simulated."""
    names = StereoWatch(system.topology, system.initial().positions).cis_at_start
    return {"cis peptide bonds": ", ".join(names)} if names else {}


def _held(spec: Mapping[str, Any]) -> dict[str, str]:
    """Restraints that the campaign adds to the energy."""
    rows = spec.get("restraints", ())
    told = [f"{row['atoms']} with {row['stiffness']:g} kJ/mol/nm²" for row in rows]
    return {"restraints": "; ".join(told)} if told else {}


def _box(system: OpenMMSystem) -> str:
    box = system.initial().box
    if box is None:
        return "none"
    vectors = box[0]
    if np.allclose(vectors, np.diag(np.diag(vectors))):
        return " × ".join(f"{side:.4g}" for side in np.diag(vectors)) + " nm"
    return "; ".join(" ".join(f"{v:.4g}" for v in row) for row in vectors) + " nm (vectors)"


def _charged(model: Any) -> Any:
    """The force that knows the charges, or None."""
    return next((f for f in model.getForces() if isinstance(f, mm.NonbondedForce)), None)


def _nonbonded(model: Any) -> str:
    told = []
    for force in model.getForces():
        if isinstance(force, mm.NonbondedForce | mm.CustomNonbondedForce):
            method = _METHODS[force.getNonbondedMethod()]
            cut = force.getNonbondedMethod() != 0
            told.append(method + (f" {force.getCutoffDistance()._value:g} nm" if cut else ""))
    return ", ".join(dict.fromkeys(told)) or "none"


def _implicit(model: Any) -> list[str]:
    kinds = (type(force).__name__ for force in model.getForces())
    return [_GB[kind] for kind in kinds if kind in _GB]


def _waters(system: OpenMMSystem) -> int:
    return sum(residue.name in WATER for residue in system.topology.residues)


def _solvent(system: OpenMMSystem) -> str:
    implicit, waters = _implicit(system.openmm_system), _waters(system)
    if implicit:
        return f"implicit, {', '.join(implicit)}"
    if waters:
        return f"explicit, {waters:,} waters"
    return "no water" if system.initial().box is not None else "none: vacuum"


def _charge(model: Any) -> float | None:
    force = _charged(model)
    if force is None:
        return None
    rows = (force.getParticleParameters(i)[0]._value for i in range(force.getNumParticles()))
    return float(sum(rows))


def _charge_in_words(model: Any) -> str:
    charge = _charge(model)
    if charge is None:
        return "no force has charges"
    return "0 e" if abs(charge) < WHOLE else f"{charge:+.3g} e"


def _masses(system: OpenMMSystem) -> str:
    model = system.openmm_system
    n = model.getNumParticles()
    masses = np.array([model.getParticleMass(i)._value for i in range(n)])
    sites = sum(model.isVirtualSite(i) for i in range(n))
    light = [a.index for a in system.topology.atoms if a.element and a.element.symbol == "H"]
    heaviest = masses[light].max(initial=0.0)
    told = [f"{masses.sum():,.5g} g/mol in all"]
    told += [f"hydrogens up to {heaviest:.3g} g/mol"] if heaviest > HEAVY else []
    told += [f"{sites:,} virtual sites"] if sites else []
    frozen = int((masses == 0).sum()) - sites
    told += [f"{frozen:,} atoms without mass, which stand still"] if frozen else []
    return ", ".join(told)


def _warnings(system: OpenMMSystem) -> Iterator[str]:
    model = system.openmm_system
    boxed, wet = system.initial().box is not None, _waters(system) > 0
    dry = not wet and not _implicit(model)
    protein = any({"N", "CA", "C"} <= {a.name for a in r.atoms} for r in system.topology.residues)
    if boxed and dry and protein:
        yield (
            "a peptide without water in a periodic box: if that is a crystal's CRYST1 line, remove "
            "it for a molecule in vacuum, or solvate the molecule"
        )
    if dry and protein and _zwitterion(system.topology):
        yield (
            "a peptide with charged ends and no solvent: its ends will fold onto each other; cap "
            "them (ACE, NME), or take a solvent, explicit or as implicit/obc2.xml"
        )
    charge = _charge(model)
    if charge is None or abs(charge) < WHOLE:
        return
    force = _charged(model)
    if boxed and force.getNonbondedMethod() in (3, 4, 5):
        yield (
            f"a net charge of {charge:+.3g} e under {_METHODS[force.getNonbondedMethod()]}: a "
            "uniform background of the opposite charge is added; neutralise the box with ions"
        )
    if abs(charge - round(charge)) > WHOLE:
        yield f"a net charge of {charge:+.3f} e, no whole number: are atoms or parameters missing?"


def _zwitterion(topology: Any) -> bool:
    """Whether a chain begins with an ammonium and ends with a carboxylate."""
    for chain in topology.chains:
        residues = [r for r in chain.residues if r.name not in WATER]
        if not residues:
            continue
        first = {a.name for a in residues[0].atoms}
        last = {a.name for a in residues[-1].atoms}
        if "N" in first and len(first & {"H", "H1", "H2", "H3"}) == 3 and "OXT" in last:
            return True
    return False
