"""Molecular dynamics of alanine dipeptide that the score models of Crabtree et al. learn from.

amber14 with OBC2 implicit solvent, no constraints, 300 K, LFMiddle Langevin at 1 fs and 1/ps,
Reference platform: one run of 20 ns from the minimised start, a structure every 0.2 ps::

    python tests/references/crabtree_alanine.py md            # runs/crabtree_alanine_md.npz
    python tests/references/crabtree_alanine.py summarise     # crabtree_alanine.npz beside this

The first file is for fits and is not kept in the repository; the second is: 1,000 structures
evenly over the run (float32), counts of φ and ψ in 5° bins by block, energies, crossings of φ = 0.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems import build_cvs, build_system
from msgen.systems.base import CVSet
from msgen.systems.molecular import OpenMMSystem

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MD = ROOT / "runs" / "crabtree_alanine_md.npz"
SUMMARY = HERE / "crabtree_alanine.npz"
SYSTEM = {
    "kind": "openmm",
    "structure": "alanine_dipeptide.pdb",
    "forcefield": ["amber14-all.xml", "implicit/obc2.xml"],
    "constraints": "None",
    "temperature": 300.0,
    "timestep": 0.001,
    "friction": 1.0,
    "platform": "Reference",
    "minimize": True,
}
CVS = {
    "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
    "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
}
EVERY, N_BINS, N_BLOCKS, KEPT = 200, 72, 20, 1000


def build() -> tuple[OpenMMSystem, CVSet]:
    """The system and its φ and ψ."""
    system = build_system(SYSTEM, ROOT / "configs")
    assert isinstance(system, OpenMMSystem)
    return system, build_cvs(CVS, system, ROOT / "configs")


def run(steps: int, seed: int) -> None:
    """Store positions (n, 66) in nm, energies in kJ/mol and φ, ψ; written anew every 5 %."""
    system, cvs = build()
    engine = system.context(False, cvs)
    engine.reseed(seed)
    engine.load(system.initial())
    engine.draw_velocities(np.random.default_rng(seed))
    engine.step(20_000)
    n = steps // EVERY
    x = np.empty((n, system.n_dof), dtype=np.float32)
    energy, xi = np.empty(n), np.empty((n, 2))
    start = time.perf_counter()
    for i in range(n):
        engine.step(EVERY)
        place = engine.positions()
        x[i] = (place - place.mean(axis=0)).reshape(-1)
        energy[i], xi[i] = engine.potential_energy(), engine.cvs()
        if (i + 1) % (n // 20) == 0:
            save(MD, positions=x[: i + 1], energy=energy[: i + 1], cvs=xi[: i + 1])
            print(f"{(i + 1) / n:.0%} {time.perf_counter() - start:.0f} s", flush=True)


def save(path: Path, **arrays: NDArray[Any]) -> None:
    """Aside first, so that a reader never finds half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        np.savez(file, **arrays)
    aside.rename(path)


def summarise() -> None:
    """What the repository keeps of the run."""
    with np.load(MD) as file:
        x, energy, xi = file["positions"], file["energy"], file["cvs"]
    edges = np.linspace(-np.pi, np.pi, N_BINS + 1)
    counts = [
        np.array([np.histogram(part[:, c], edges)[0] for part in np.array_split(xi, N_BLOCKS)])
        for c in range(2)
    ]
    here = np.linspace(0, len(x) - 1, KEPT).astype(int)
    right = (xi[:, 0] > 0) & (xi[:, 0] < 2.3)
    np.savez_compressed(
        SUMMARY,
        positions=x[here],
        energy=energy[here],
        phi=counts[0],
        psi=counts[1],
        steps=len(x) * EVERY,
        visits=np.count_nonzero(np.diff(right.astype(int)) == 1),
    )
    print(f"{len(x)} structures, U = {energy.mean():.2f} ± {energy.std():.2f} kJ/mol")
    print(f"φ > 0 for {right.mean():.4f} of the time; written: {SUMMARY.relative_to(ROOT)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("md", "summarise"))
    parser.add_argument("--steps", type=float, default=2e7)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.what == "md":
        run(int(args.steps), args.seed)
    else:
        summarise()
