"""Molecular dynamics of alanine dipeptide that the score models of Crabtree et al. learn from.

amber14 with OBC2 implicit solvent, no constraints, 300 K, LFMiddle Langevin at 1 fs and 1/ps,
Reference platform: one run of 20 ns from the minimised start, a structure every 0.2 ps::

    python tests/references/alanine_obc2.py md            # runs/alanine_obc2_md.npz
    python tests/references/alanine_obc2.py summarise     # alanine_obc2.npz beside this
    python tests/references/alanine_obc2.py flat --seed 2 # runs/alanine_obc2_flat-2.npz
    python tests/references/alanine_obc2.py surfaces      # alanine_obc2.json beside this

``flat`` is the reference for free energies along φ and ψ, of which 20 ns of MD see too little:
OpenMM's well-tempered metadynamics on (φ, ψ) builds a bias, which is then frozen; what is sampled
under it is reweighted with exp(+βV). ``surfaces`` joins such runs, errors from their blocks, and
holds them against the MD (what is here is of the first 1.1e7 steps, and 0.065 kT RMS from the MD
below 5 kT). Configurations with a cis peptide bond or an inverted Cα are left out.

The first file is for fits and is not kept in the repository; the second is: 1,000 structures
evenly over the run (float32), counts of φ and ψ in 5° bins by block, energies, crossings of φ = 0.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
from numpy.typing import NDArray
from openmm import app, unit

from msgen.systems import build_cvs, build_system
from msgen.systems.base import CVSet
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.stereochemistry import StereoWatch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MD = ROOT / "runs" / "alanine_obc2_md.npz"
SUMMARY = HERE / "alanine_obc2.npz"
SYSTEM = {
    "kind": "openmm",
    "structure": "alanine_dipeptide.pdb",
    "forcefield": ["amber14-all.xml", "implicit/obc2.xml"],
    "constraints": "None",
    "rigid_water": True,
    "nonbonded": "auto",
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
FLAT = ROOT / "runs"
BUILDING, STRIDE = 3_000_000, 50


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


def flat(steps: int, seed: int) -> None:
    """Weights of (φ, ψ) bins by block, shape (N_BLOCKS, N_BINS, N_BINS)."""
    system, cvs = build()
    kt, start = system.kT, system.initial().positions.reshape(-1, 3)
    watch = StereoWatch(system.topology, start)
    atoms = [list(getattr(cv, "atoms", ())) for cv in cvs.cvs]
    forces = [mm.CustomTorsionForce("theta") for _ in atoms]
    for force, quartet in zip(forces, atoms, strict=True):
        force.addTorsion(*map(int, quartet), [])
    variables = [app.metadynamics.BiasVariable(f, -np.pi, np.pi, 0.3, True, 73) for f in forces]
    biased = mm.XmlSerializer.clone(system.openmm_system)
    meta = app.Metadynamics(biased, variables, system.temperature, 8.0, 1.0, 500)
    simulation = _simulation(system, biased, start, seed)
    meta.step(simulation, BUILDING)
    free = meta.getFreeEnergy().value_in_unit(unit.kilojoules_per_mole)  # [psi, phi]
    bias = -np.minimum(free - free.min(), 14 * kt)

    held = mm.XmlSerializer.clone(system.openmm_system)
    force = mm.CustomCompoundBondForce(5, "bias(dihedral(p1,p2,p3,p4), dihedral(p2,p3,p4,p5))")
    n = len(bias)
    table = mm.Continuous2DFunction(n, n, bias.ravel(), -np.pi, np.pi, -np.pi, np.pi, True)
    force.addTabulatedFunction("bias", table)
    force.addBond([*map(int, atoms[0]), int(atoms[1][3])], [])
    force.setForceGroup(1)
    held.addForce(force)
    state = simulation.context.getState(positions=True)
    end = np.array(state.getPositions(asNumpy=True)._value)
    simulation = _simulation(system, held, end, seed + 1)
    weight = np.zeros((N_BLOCKS, N_BINS // 2, N_BINS // 2))
    cycles, left_out = steps // STRIDE, 0
    for cycle in range(cycles):
        simulation.step(STRIDE)
        state = simulation.context.getState(positions=True)
        x = np.array(state.getPositions(asNumpy=True)._value).reshape(1, -1)
        if watch.names_flipped(x)[0]:
            left_out += 1
            continue
        v = simulation.context.getState(energy=True, groups={1}).getPotentialEnergy()._value
        i, j = ((cvs(x)[0] + np.pi) / (2 * np.pi) * weight.shape[1]).astype(int) % weight.shape[1]
        weight[cycle * N_BLOCKS // cycles, i, j] += np.exp(v / kt)
        if (cycle + 1) % (cycles // N_BLOCKS) == 0:
            done = np.arange(N_BLOCKS) <= cycle * N_BLOCKS // cycles
            save(
                FLAT / f"alanine_obc2_flat-{seed}.npz",
                weight=weight[done],
                steps=cycle * STRIDE,
            )
            print(f"{(cycle + 1) / cycles:.0%}, left out {left_out}", flush=True)


def _simulation(system: OpenMMSystem, forces: Any, x: NDArray[Any], seed: int) -> Any:
    integrator = mm.LangevinMiddleIntegrator(system.temperature, system.friction, system.timestep)
    integrator.setRandomNumberSeed(seed)
    simulation = app.Simulation(
        system.openmm_topology, forces, integrator, mm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(x)
    simulation.context.setVelocitiesToTemperature(system.temperature, seed)
    return simulation


def surfaces() -> None:
    """F along φ and along ψ in kT by frozen bias, with errors, and beside it that of the MD."""
    blocks = []
    for path in sorted(FLAT.glob("alanine_obc2_flat-*.npz")):
        with np.load(path) as file:
            # a frozen bias has an arbitrary constant: runs are put on one scale by total weight
            blocks.append(file["weight"] / file["weight"].mean(axis=0).sum())
    weight = np.concatenate(blocks)
    out: dict[str, Any] = {"schema_version": 1, "blocks": len(weight)}
    with np.load(SUMMARY) as file:
        md = {name: file[name] for name in ("phi", "psi")}
    for name, other in (("phi", 2), ("psi", 1)):
        p = weight.sum(axis=other)
        f, error = _free_energy(p)
        n = p.shape[1]
        seen, seen_error = _free_energy(md[name].reshape(len(md[name]), n, -1).sum(axis=2))
        out[name] = {
            "centres": ((np.arange(n) + 0.5) * 2 * np.pi / n - np.pi).tolist(),
            "f_kT": _plain(f),
            "stderr_kT": _plain(error),
            "md_f_kT": _plain(seen),
            "md_stderr_kT": _plain(seen_error),
        }
        low = (f < 5) & np.isfinite(seen)
        gap = (seen - f)[low]
        print(f"{name}: {f.max():.1f} kT high, error {np.median(error[f < 8]):.3f} kT; MD off by "
              f"{np.std(gap):.3f} kT below 5 kT ({low.sum()} bins)")  # fmt: skip
    (HERE / "alanine_obc2.json").write_text(json.dumps(out) + "\n")


def _free_energy(p: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """−ln of the mean over blocks (B, n), lowest 0, and its error."""
    mean, error = p.mean(axis=0), p.std(axis=0, ddof=1) / np.sqrt(len(p))
    with np.errstate(divide="ignore", invalid="ignore"):
        f = -np.log(mean)
        return f - f.min(), error / mean


def _plain(values: NDArray[Any]) -> list[float | None]:
    return [round(float(v), 4) if np.isfinite(v) else None for v in values]


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
    parser.add_argument("what", choices=("md", "summarise", "flat", "surfaces"))
    parser.add_argument("--steps", type=float, default=2e7)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.what == "md":
        run(int(args.steps), args.seed)
    elif args.what == "flat":
        flat(int(args.steps), args.seed)
    else:
        {"summarise": summarise, "surfaces": surfaces}[args.what]()
