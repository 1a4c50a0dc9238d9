"""CVs that a molecule may be followed by: a beginning, which who knows it replaces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from msgen.systems.base import Array
from msgen.systems.openmm.inputs.unmatched import WATER
from msgen.systems.topology.labels import atom_labels, chain_labels
from msgen.systems.topology.rings import in_small_ring, neighbours
from msgen.systems.topology.rotatable_torsions import torsions_outside_rings

MOST = 2
"""CVs of a campaign to begin with."""
TRIED = 3
"""Guesses of each kind that are tried."""
_FURTHEST = 2.0
"""nm; the range of a distance is at least that."""


@dataclass(frozen=True)
class Guess:
    """CVs as lines of a campaign file.

    Attributes
    ----------
    cvs : dict of str to str
        Names with their sections in YAML.
    region : str
        Of the first of them, for an example of a state.
    note : str
        What is to be known of them, one line.
    """

    cvs: dict[str, str]
    region: str
    note: str = ""


def backbone(topology: Any) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """φ and ψ of every residue that has them: name and four atom indices.

    One about a bond of a small ring, such as φ of proline, does not turn and is none.
    """
    near = neighbours(topology)
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
            for name, one in (("phi", (c0, n, ca, c)), ("psi", (n, ca, c, n1))):
                if not in_small_ring(near, one[1], one[2]):
                    yield f"{name}_{of}", one


def _atom(residue: Any, name: str) -> int | None:
    return next((a.index for a in residue.atoms if a.name == name), None)


def guesses(topology: Any, positions: Array) -> Iterator[Guess]:
    """What may be tried as CVs, the best first: φ and ψ, free torsions, the reach of a molecule.

    Parameters
    ----------
    topology : mdtraj.Topology
        With bonds.
    positions : Array, shape (N, 3)
        nm.
    """
    labels = atom_labels(topology)
    times = Counter(labels)

    def atoms(indices: tuple[int, ...]) -> str:
        # an index where the label is not unique
        return ", ".join(labels[i] if times[labels[i]] == 1 else str(i) for i in indices)

    found = list(backbone(topology))
    if found:
        more = f"more: {', '.join(cv for cv, _ in found[MOST:])}" if found[MOST:] else ""
        rows = {cv: f"{{kind: dihedral, atoms: [{atoms(i)}]}}" for cv, i in found[:MOST]}
        yield Guess(rows, "[0 deg, 130 deg]", more)
    note = "no protein backbone was found: a first guess, put your own here"
    for one in torsions_outside_rings(topology)[:TRIED]:
        yield Guess(
            {"torsion": f"{{kind: dihedral, atoms: [{atoms(one)}]}}"},
            "[0 deg, 130 deg]",
            note,
        )
    for ends in _ends(topology):
        long = float(np.linalg.norm(positions[ends[1]] - positions[ends[0]]))
        reach = max(_FURTHEST, np.ceil(2 * long))
        cv = f"{{kind: distance, atoms: [{atoms(ends)}], range: [0 nm, {reach:g} nm]}}"
        yield Guess({"d": cv}, f"[0 nm, {0.5 * reach:g} nm]", note)


def _ends(topology: Any) -> Iterator[tuple[int, int]]:
    """First and last of the heavy atoms, and then of all, of the largest molecules."""
    molecules = sorted(topology.find_molecules(), key=len, reverse=True)
    for molecule in molecules[:TRIED]:
        atoms = sorted(molecule, key=lambda a: int(a.index))
        if atoms[0].residue.name in WATER:
            continue
        heavy = [a.index for a in atoms if a.element is not None and a.element.symbol != "H"]
        every = [a.index for a in atoms]
        for ends in (heavy, every, every[1:]):  # what is bonded may be rigid
            if len(ends) > 1:
                yield ends[0], ends[-1]
