"""The periodic box of a molecule: its least width, and molecules made whole in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.external_field import counts
from msgen.systems.openmm.platforms import make_context, quick_platform
from msgen.systems.openmm.sources import MoleculeSource

CROWDED = 0.005
"""nm³ an atom, less than half of what it has in water: no box of these atoms, but a placeholder."""
ROOM = 2.5
"""kJ/mol; kT of a room, which tells a change of energy from rounding."""
SHORT = 0.7
"""nm; a cutoff below it is none that a force field was made for."""


def check_cutoff(system: Any, box: Array, source: MoleculeSource) -> None:
    """See that no force reaches over more than half of the box.

    Raises
    ------
    SpecError
        With both lengths, and what to write.
    """
    cutoffs = [
        force.getCutoffDistance()._value
        for force in system.getForces()
        if hasattr(force, "getCutoffDistance") and force.usesPeriodicBoundaryConditions()
    ]
    cutoff, half = max(cutoffs, default=0.0), 0.5 * float(np.diag(box).min())
    if cutoff <= half:
        return
    what = f"more than half of the box's least width, {2 * half:.4g} nm"
    if float(np.prod(np.diag(box))) < CROWDED * system.getNumParticles():
        field, file = source.positions_from
        raise SpecError(
            field,
            file,
            f"has a box that its atoms do not fit into; the cutoff of {cutoff:.4g} nm is {what}",
            "Remove the box (the CRYST1 line; of a .gro file write zeros) for a molecule in "
            "vacuum, or solvate it in a larger one",
        )
    shorter = math.floor(100 * half) / 100
    larger = f"take a box of at least {2 * cutoff:.4g} nm"
    if source.system_xml:
        remedy = f"Make the System with a cutoff of at most {shorter:g} nm, or {larger}"
        raise SpecError(*source.forces_from, f"has a cutoff of {cutoff:.4g} nm, {what}", remedy)
    remedy = f"Write cutoff: {shorter:g} nm, or {larger}"
    if half < SHORT:
        remedy = larger[0].upper() + larger[1:]
    raise SpecError(("system", "cutoff"), f"{cutoff:.4g} nm", f"is {what}", remedy)


def check_whole(
    system: Any, given: Array, whole: Array, box: Array, topology: Any, source: MoleculeSource
) -> None:
    """See that no force holds what was moved to make molecules whole.

    Bonds know no images, and of what was split they say nothing; so whole molecules are carried on
    by each vector of the box, which an energy with images does not notice.

    Parameters
    ----------
    given, whole : Array, shape (N, 3)
    topology : mdtraj.Topology

    Raises
    ------
    SpecError
        Where the energy does.
    """
    moved = np.flatnonzero((given != whole).any(axis=1))
    if not len(moved):
        return
    homes = {a.index: k for k, m in enumerate(topology.find_molecules()) for a in m}
    split = {homes[i] for i in moved.tolist()}
    rows = [i for i, home in homes.items() if home in split]
    platform = quick_platform(system.getNumParticles())
    context = make_context(system, mm.VerletIntegrator(0.001), platform)
    context.setPeriodicBoxVectors(*box.tolist())
    energies = []
    for vector in (np.zeros(3), *box):
        x = whole.copy()
        x[rows] += vector
        context.setPositions(x)
        context.computeVirtualSites()
        energies.append(float(context.getState(energy=True).getPotentialEnergy()._value))
    here, *carried = energies
    change = max((u - here for u in carried), key=abs)
    if not math.isfinite(change) or not counts(change, here, ROOM):
        return
    field, file = source.positions_from
    raise SpecError(
        field,
        file,
        "has molecules split over the faces of the box, where CVs are not defined, and forces that "
        f"hold their atoms without images (carried on by one box, U changes by {change:.4g} "
        "kJ/mol)",
        "Write a structure whose molecules are whole, and hold them where they stand there",
    )


def make_whole(positions: Array, box: Array, topology: Any) -> Array:
    """Move atoms by box vectors until every bonded pair is at its nearest image.

    CVs know no minimum image and OpenMM's energy does not notice the move; Gromacs writes
    structures with molecules split over the faces.

    Parameters
    ----------
    positions : Array, shape (N, 3)
    box : Array, shape (3, 3)
        Rows a, b, c in OpenMM's reduced form.
    topology : mdtraj.Topology
        With bonds.

    Returns
    -------
    Array, shape (N, 3)
    """
    x = np.array(positions, dtype=np.float64)
    near: list[list[int]] = [[] for _ in range(len(x))]
    for a, b in topology.bonds:
        near[a.index].append(b.index)
        near[b.index].append(a.index)
    seen = np.zeros(len(x), dtype=bool)
    for root in range(len(x)):
        if seen[root]:
            continue
        seen[root] = True
        stack = [root]
        while stack:
            here = stack.pop()
            for other in near[here]:
                if seen[other]:
                    continue
                seen[other] = True
                d = x[other] - x[here]
                for k in (2, 1, 0):  # the reduced form is undone from c to a
                    d = d - box[k] * np.round(d[k] / box[k, k])
                x[other] = x[here] + d
                stack.append(other)
    return x
