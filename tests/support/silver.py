"""Small clusters for systems of ASE's: Ag₆ as published and calculators that cost nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import Array

EDGE = 2.7
"""Å; about that of Ag₆ by EMT."""


def octahedron(edge: float = EDGE) -> Array:
    """Its six corners, shape (6, 3), Å."""
    return np.vstack([np.eye(3), -np.eye(3)]) * edge / np.sqrt(2.0)


def capped_bipyramid(edge: float = EDGE) -> Array:
    """A trigonal bipyramid with the sixth atom on one of its faces, shape (6, 3), Å."""
    turn = 2.0 * np.pi * np.arange(3) / 3.0
    waist = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(3)]) * edge / np.sqrt(3.0)
    tip = np.array([0.0, 0.0, edge * np.sqrt(2.0 / 3.0)])
    face = np.array([waist[0], waist[1], tip])
    out = np.cross(face[1] - face[0], face[2] - face[0])
    cap = face.mean(axis=0) + edge * np.sqrt(2.0 / 3.0) * out / np.linalg.norm(out)
    return np.vstack([waist, tip, -tip, cap])


def pentagon(edge: float = EDGE) -> Array:
    """Five atoms in a plane about a sixth, shape (6, 3), Å."""
    turn = 2.0 * np.pi * np.arange(5) / 5.0
    ring = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(5)]) * edge
    return np.vstack([np.zeros(3), ring])


def write_xyz(path: Path, positions: Array, symbol: str = "Ag", comment: str = "") -> Path:
    """An XYZ file, positions in Å."""
    rows = [f"{symbol} {x:.10f} {y:.10f} {z:.10f}" for x, y, z in positions.tolist()]
    path.write_text("\n".join([str(len(rows)), comment, *rows]) + "\n")
    return path


CALCULATORS = '''
import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Quick(Calculator):
    """Springs to the origin, in eV; it fails where an atom has x above `cut`, in Å.

    `memory` is of all calls, `guess` of those since it was reset.
    """

    implemented_properties = ["energy", "forces"]

    def __init__(self, k=1.0, cut=None, stale=False, memory=0.0, guess=0.0):
        super().__init__()
        self.k, self.cut, self.stale, self.memory = k, cut, stale, memory
        self.guess = guess
        self.last, self.calls, self.since = None, 0, 0

    def reset(self):
        super().reset()
        self.since = 0

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls, self.since = self.calls + 1, self.since + 1
        x = atoms.positions
        if self.cut is not None and x[:, 0].max() > self.cut:
            raise RuntimeError("the SCF has not converged")
        energy = 0.5 * self.k * float((x**2).sum()) + 2.0 + self.memory * self.calls
        energy += self.guess * self.since
        told = self.last if self.stale and self.last is not None else energy
        self.last = energy
        self.results = {"energy": told, "forces": -self.k * x}


def springs(**values):
    return Quick(**values)


class Pairs(Calculator):
    """Morse pairs: depth in eV, distance in Å."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, depth=0.08, r0=2.7, a=1.5):
        super().__init__()
        self.depth, self.r0, self.a = depth, r0, a

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x = atoms.positions
        d = x[:, None] - x[None]
        r = np.sqrt((d**2).sum(-1)) + np.eye(len(x))
        e = np.exp(-self.a * (r - self.r0))
        off = 1.0 - np.eye(len(x))
        u = self.depth * ((1.0 - e) ** 2 - 1.0) * off
        slope = 2.0 * self.depth * self.a * (1.0 - e) * e * off
        self.results = {
            "energy": 0.5 * float(u.sum()),
            "forces": -((slope / r)[..., None] * d).sum(1),
        }


def pairs(**values):
    return Pairs(**values)
'''
"""A module of calculators for a campaign's factory."""


def with_calculators(folder: Path) -> Path:
    """A folder in which a campaign finds them as `quick:springs` and `quick:pairs`."""
    (folder / "quick.py").write_text(CALCULATORS)
    return folder


def spec(structure: str = "start.xyz", **more: Any) -> dict[str, Any]:
    """A section of EMT at 500 K, and more."""
    start: dict[str, Any] = {
        "kind": "ase",
        "structure": structure,
        "calculator": {"name": "emt"},
        "temperature": 500.0,
    }
    return {**start, **more}
