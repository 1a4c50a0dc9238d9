"""Molecules that nobody here made, as a CV sees them: names, masses, places and a box."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import openmm
from systems_parts.archives import Archives

from msgen.systems.base import Array, Walkers

HOST = "openmmtools/data/cb7-b2/complex-explicit"


@dataclass(frozen=True)
class Atoms:
    """A system without forces.

    Attributes
    ----------
    topology : mdtraj.Topology
    positions : Array, shape (N, 3)
        nm, molecules whole.
    box : Array, shape (3, 3), or None
    """

    topology: Any
    positions: Array
    box: Array | None
    constraints: None = None
    kT: float = 2.5
    deterministic: bool = True
    engine: str = "openmm"

    @property
    def n_dof(self) -> int:
        return self.positions.size

    @property
    def masses(self) -> Array:
        return np.repeat([a.element.mass for a in self.topology.atoms], 3)

    def initial(self) -> Walkers:
        box = None if self.box is None else self.box[None]
        return Walkers(self.positions.reshape(1, -1), box=box)

    def energy(self, walkers: Walkers) -> Array:
        return np.zeros(len(walkers))

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        return np.zeros(len(walkers)), np.zeros_like(walkers.positions)


def _of(frame: Any, box: Array | None) -> Atoms:
    return Atoms(frame.topology, np.asarray(frame.xyz[0], dtype=np.float64), box)


@functools.cache
def villin() -> Atoms:
    """Villin's headpiece and thirty of its waters, in a box it just fits into; OpenMM ships it.

    The box is oblique, and one of the waters lies on the other side of it.
    """
    frame = mdtraj.load(str(Path(openmm.__file__).parent / "app" / "data" / "test.pdb"))
    protein = frame.topology.select("protein")
    waters = frame.topology.select("water")[:90]
    some = frame.atom_slice(np.concatenate([protein, waters]))
    box = np.array([[4.2, 0.0, 0.0], [0.6, 4.0, 0.0], [-0.5, 0.7, 3.8]])
    return _of(some, box)


@functools.cache
def host_and_guest() -> Atoms | None:
    """Cucurbit[7]uril and B2 without their water, of openmmtools; None where no archive is."""
    archives = Archives()
    try:
        top, crd = (archives.take("openmmtools", f"{HOST}.{e}") for e in ("prmtop", "inpcrd"))
    except FileNotFoundError:
        return None
    frame = mdtraj.load_restrt(str(crd), top=str(top))
    some = frame.atom_slice(frame.topology.select("not water"))
    return _of(some, np.asarray(frame.unitcell_vectors[0], dtype=np.float64))
