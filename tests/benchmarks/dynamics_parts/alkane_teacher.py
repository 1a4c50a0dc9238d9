"""Trajectories of the carbons of alkanes, frames 1 ps apart, kept on disk and gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from places import ROOT

from msgen.systems.base import Walkers
from msgen.systems.cvs.torch_cvs import Dihedral
from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.build_alkane import alkane_system
from msgen.systems.openmm.seeds import openmm_seed
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.modelled_atoms import ModelledAtoms, modelled_atoms

Array = NDArray[np.float64]
KEPT = ROOT / "runs" / "benchmarks" / "dynamics"
NAMES = {2: "ethane", 3: "propane", 4: "butane", 5: "pentane"}
TEMPERATURE, FRICTION, TIMESTEP, FRAME = 300.0, 10.0, 0.001, 1.0
"""K, 1/ps, ps, ps."""
WARM = 20
"""Frames that are thrown away at the beginning."""
PIECE = 500
"""Frames between two writings to disk."""
CORES = {"trans": (150.0, -150.0), "gauche": (35.0, 95.0)}
"""Degrees; gauche of both signs."""


def teacher(carbons: int) -> OpenMMSystem:
    """The alkane, every bond free."""
    return alkane_system(
        SystemSite(Path()),
        carbons=carbons,
        temperature=TEMPERATURE,
        timestep=TIMESTEP,
        friction=FRICTION,
        constraints="None",
        platform="Reference",
    )


def seen(carbons: int) -> ModelledAtoms:
    """Carbons, by how many hydrogens they have."""
    return modelled_atoms(teacher(carbons).topology, "heavy", "element")


def carbons_of(carbons: int, frames: int, seed: int) -> list[Array]:
    """Trajectories of `PIECE` frames at most, each (f, carbons, 3), `frames` in all.

    A piece begins where the one before ended; pieces are files, and those that there are are read.
    """
    folder = KEPT / f"{NAMES[carbons]}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    system, pieces = teacher(carbons), []
    keep = modelled_atoms(system.topology, "heavy", "element").index
    walker = system.initial()
    for number in range(-(-frames // PIECE)):
        path = folder / f"{number}.npz"
        if not path.exists():
            x, walker = _followed(system, walker, openmm_seed(1000 * seed + number), number == 0)
            assert walker.velocities is not None
            aside = path.with_suffix(".partial.npz")
            np.savez(
                aside, carbons=x[:, keep], position=walker.positions, velocity=walker.velocities
            )
            aside.replace(path)
        with np.load(path) as kept:
            pieces.append(kept["carbons"])
            walker = Walkers(kept["position"], kept["velocity"])
    return pieces


def _followed(
    system: OpenMMSystem, begin: Walkers, seed: int, first: bool
) -> tuple[Array, Walkers]:
    """One piece, shape (PIECE, atoms, 3), and where it ended."""
    import openmm as mm

    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, TIMESTEP)
    integrator.setRandomNumberSeed(seed)
    platform = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(system.openmm_system, integrator, platform)
    context.setPositions(begin.positions.reshape(-1, 3))
    steps = round(FRAME / TIMESTEP)
    if first or begin.velocities is None:
        context.setVelocitiesToTemperature(TEMPERATURE, seed)
        integrator.step(WARM * steps)
    else:
        context.setVelocities(begin.velocities.reshape(-1, 3))
    out = []
    for _ in range(PIECE):
        integrator.step(steps)
        state = context.getState(positions=True, velocities=True)
        out.append(np.array(state.getPositions(asNumpy=True)._value))
    velocity = np.array(state.getVelocities(asNumpy=True)._value)
    return np.array(out), Walkers(out[-1].reshape(1, -1), velocity.reshape(1, -1))


def measured(x: Array) -> Array:
    """Of carbons (n, C, 3): bonds, angles, torsions along the chain, shape (n, 3C − 6)."""
    bond = np.diff(x, axis=1)
    length = np.linalg.norm(bond, axis=2)
    inner = -(bond[:, :-1] * bond[:, 1:]).sum(axis=2) / (length[:, :-1] * length[:, 1:])
    torsions = [
        _torsion(x[:, k : k + 4].reshape(len(x), 12)) for k in range(max(0, x.shape[1] - 3))
    ]
    return np.column_stack([length, np.arccos(np.clip(inner, -1, 1)), *torsions])


def _torsion(x: Array) -> Array:
    import torch

    angle: Array = Dihedral("torsion", (0, 1, 2, 3))(torch.as_tensor(x)).numpy()
    return angle
