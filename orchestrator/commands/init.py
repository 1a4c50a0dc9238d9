"""``msgen init``: a commented campaign file for a structure, to be looked over and run."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.systems.topology.labels import atom_labels, chain_labels

_MOST = 2
_SOLVENT = {"HOH", "WAT", "TIP3", "SOL"}


def write_campaign(structure: Path, folder: Path, temperature: str = "300 K") -> Path:
    """Write ``<structure's name>.yaml`` into `folder`; φ and ψ of a protein become its CVs.

    Parameters
    ----------
    structure : Path
        PDB or mmCIF, by whatever suffix ``system.structure`` takes.
    folder : Path
    temperature : str
        With its unit.

    Returns
    -------
    Path

    Raises
    ------
    CampaignError
        Where the structure cannot be read, the temperature is none, or the file exists.
    """

    def wrong(field: str, value: object, what: str, remedy: str) -> CampaignError:
        return CampaignError("msgen init", [Problem((field,), value, what, remedy)])

    try:
        if units.parse(temperature, "temperature") <= 0:
            raise units.UnitError("must be greater than zero", "Write it like '300 K'")
    except units.UnitError as error:
        raise wrong("--temperature", temperature, error.problem, error.remedy) from None
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", structure.stem).lstrip("._-") or "campaign"
    target = folder / f"{name}.yaml"
    if target.exists():
        raise wrong("output", str(target), "exists already", "Move it away, or edit it")
    if not structure.is_file():
        raise wrong("STRUCTURE", str(structure), "no such file", "Give the path of a structure")
    # a second to import, and no other command needs it
    from msgen.systems.errors import SpecError
    from msgen.systems.openmm.structure_files import read_topology

    try:
        topology = read_topology(structure)
    except SpecError as error:
        raise wrong("STRUCTURE", str(structure), error.problem, error.remedy) from error
    if not topology.n_atoms:
        raise wrong("STRUCTURE", str(structure), "has no atoms", "Give a structure")
    path = os.path.relpath(structure.resolve(), folder.resolve())
    target.write_text(_text(name, path, topology, temperature), encoding="utf-8")
    return target


def backbone(topology: Any) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """φ and ψ of every residue that has them: name and four atom indices."""
    labels = chain_labels(topology) if topology.n_chains > 1 else [""]
    used = Counter(r.resSeq for r in topology.residues if _atom(r, "CA") is not None)
    for chain in topology.chains:
        residues = list(chain.residues)
        for before, here, after in zip(residues, residues[1:], residues[2:], strict=False):
            atoms = [
                _atom(before, "C"), _atom(here, "N"), _atom(here, "CA"), _atom(here, "C"),
                _atom(after, "N"),
            ]  # fmt: skip
            if None in atoms:
                continue
            c0, n, ca, c, n1 = (int(a) for a in atoms if a is not None)
            of = (
                str(here.resSeq)
                if used[here.resSeq] == 1
                else f"{here.resSeq}_{labels[chain.index]}"
            )
            of = re.sub(r"\W", "_", of)  # numbers may be negative
            yield f"phi_{of}", (c0, n, ca, c)
            yield f"psi_{of}", (n, ca, c, n1)


def _atom(residue: Any, name: str) -> int | None:
    return next((a.index for a in residue.atoms if a.name == name), None)


def _text(name: str, path: str, topology: Any, temperature: str) -> str:
    water = any(r.name in _SOLVENT for r in topology.residues)
    fields = "amber14-all.xml, amber14/tip3pfb.xml" if water else "amber14-all.xml"
    found = list(backbone(topology))
    labels = atom_labels(topology)
    times = Counter(labels)

    def atoms(indices: tuple[int, ...]) -> str:
        # an index where the label is not unique
        return ", ".join(labels[i] if times[labels[i]] == 1 else str(i) for i in indices)

    rows = [f"  {cv}: {{kind: dihedral, atoms: [{atoms(i)}]}}" for cv, i in found[:_MOST]]
    note = "  # more: " + ", ".join(cv for cv, _ in found[_MOST:]) if found[_MOST:] else ""
    if not rows:
        note = "  # no protein backbone was found: a first guess, put your own here"
        heavy = [
            a.index for a in topology.atoms if a.element is not None and a.element.symbol != "H"
        ]
        ends = (heavy[0], heavy[-1]) if len(heavy) > 1 else (0, topology.n_atoms - 1)
        rows = [f"  d: {{kind: distance, atoms: [{atoms(ends)}], range: [0 nm, 2 nm]}}"]
    first = found[0][0] if found else "d"
    region = f"{first}: " + ("[0 deg, 130 deg]" if found else "[0 nm, 0.5 nm]")
    cvs = "\n".join(rows)
    return f"""\
# {name}: written by `msgen init`. Every value that is left out has a default: `msgen schema`.
name: {name}
seed: 0                          # every random number follows from it
system:
  kind: openmm
  structure: {path!r}            # files are found relative to this one
  forcefield: [{fields}]
  temperature: {temperature}     # dimensional values carry their unit
  timestep: 2 fs
  friction: 1 /ps
  constraints: HBonds
  platform: auto                 # the fastest in a short measurement
cvs:                             # what the free energy is a function of{note}
{cvs}
# states:                        # regions of CV space whose free energies are wanted; the rest is
#   A: {{{region}}} # one more state. Left out: basins are found while sampling
strategy: {{kind: steered}}      # or umbrella, parallel_tempering, metadynamics, …
replicas: 16
converge: {{state_error: 0.1 kT, surface_error: 0.2 kT, below: 8 kT}}
budget: {{energy_evaluations: 2.0e+7, wall: 8 h}}
output: {{directory: runs, trajectory: dcd}}
"""
