"""Orders of local dynamics by their keys, and where they end; run as a program, in a fresh process.

``python keyed_orders.py SEED ROUND REPLICA`` prints a JSON object, the case to a digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Literal

import numpy as np
from alanine_molecule import molecule
from places import TESTS
from sections import build_cvs, build_system
from tethered_molecule import CVS, PLATFORMS, tethered

from msgen.actors.base import OrderKey, stream
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.system import OpenMMSystem

Kind = Literal["langevin", "ghmc"]
SYSTEMS = ("alanine", "dimer", "tethered")


def built(name: str, platform: str) -> tuple[OpenMMSystem, CVSet]:
    """One of `SYSTEMS`: with constraints, in a plane with neighbour lists, or in a field."""
    if name == "alanine":
        return molecule(platform=platform)
    if name == "tethered":
        return tethered(platform), CVS
    spec = {"kind": "dimer", "particles": 20, "box": 6.7, "platform": platform}
    system = build_system(spec, TESTS)
    assert isinstance(system, OpenMMSystem)
    return system, build_cvs({"r": {"kind": "distance", "atoms": [0, 1]}}, system, TESTS)


def moving(system: OpenMMSystem) -> Walkers:
    """The start with velocities: the same for every order."""
    start, mass = system.initial(), system.masses
    inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
    v = np.random.default_rng(5).standard_normal(mass.size) * np.sqrt(system.kT * inverse)
    return Walkers(start.positions, v[None], start.box)


def end(engine: MoleculeEngine, seed: int, key: OrderKey, *, held: bool = False) -> Array:
    """Where an order of 60 steps ends, shape (D,)."""
    engine.begin(stream(seed, key))
    xi = engine.load(moving(engine.system))
    engine.chunk(xi, np.array([held]), 60)
    return engine.walkers().positions[0]


def digest(x: Array) -> str:
    """Of all bits."""
    return hashlib.sha256(x.tobytes()).hexdigest()[:16]


def main(seed: int, rnd: int, replica: int) -> None:
    """All cases, each on an engine of its own."""
    ends = {}
    kinds: tuple[Kind, ...] = ("langevin", "ghmc")
    for name in SYSTEMS:
        for platform in PLATFORMS:
            system, cvs = built(name, platform)
            for kind in kinds:
                engine = MoleculeEngine(system, cvs, kind)
                ends[f"{name} {platform} {kind}"] = digest(end(engine, seed, (rnd, "s", replica)))
    print(json.dumps(ends))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
