"""Reference free-energy surface of alanine dipeptide, by two independent means.

amber99sb, vacuum, 320 K, LFMiddle Langevin at 2 fs and 1/ps, H-bond constraints, Reference.

1. ``flat``: OpenMM's well-tempered metadynamics on (φ, ψ) builds a bias, which is then frozen;
   sampling under the frozen bias is reweighted with exp(+βV).
2. ``remd``: temperature replica exchange without any bias or collective variable (6 temperatures,
   320–750 K, even/odd neighbour exchanges); only what is at 320 K is counted.

Run the parts, then ``combine``, which writes ``alanine_dipeptide.json`` and prints how far they
agree (flat: 3.513 ± 0.019 kT; remd: 3.593 ± 0.076 kT; surfaces 0.06 kT RMS below 6 kT)::

    python tests/references/alanine_dipeptide.py flat --steps 5e7 --seed 1    # and --seed 11
    python tests/references/alanine_dipeptide.py remd --steps 1.5e8 --seed 2  # and --seed 23
    python tests/references/alanine_dipeptide.py combine

Configurations with a cis peptide bond or an inverted Cα are other molecules: they are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PHI, PSI = (4, 6, 8, 14), (6, 8, 14, 16)
OMEGAS = ((1, 4, 6, 8), (8, 14, 16, 18))
TEMPERATURE, N_BINS, N_BLOCKS = 320.0, 36, 20
KT = 0.00831446261815324 * TEMPERATURE


def build() -> tuple[app.PDBFile, mm.System]:
    pdb = app.PDBFile(str(ROOT / "configs" / "alanine_dipeptide.pdb"))
    field = app.ForceField("amber99sb.xml")
    return pdb, field.createSystem(pdb.topology, constraints=app.HBonds)


def dihedral(x: np.ndarray, atoms: tuple[int, int, int, int]) -> float:
    p = x[list(atoms)]
    b1, b2, b3 = p[1] - p[0], p[2] - p[1], p[3] - p[2]
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    return float(np.arctan2(np.dot(np.cross(n1, n2), b2) / np.linalg.norm(b2), np.dot(n1, n2)))


def same_molecule(x: np.ndarray) -> bool:
    """Both peptide bonds trans, and Cα as it was: (N, C, Cβ) seen from it is right-handed."""
    chirality = np.dot(np.cross(x[6] - x[8], x[14] - x[8]), x[10] - x[8])
    return chirality > 0 and all(np.cos(dihedral(x, w)) < 0 for w in OMEGAS)


def positions(context: mm.Context) -> np.ndarray:
    state = context.getState(positions=True)
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def integrator(temperature: float, seed: int) -> mm.LangevinMiddleIntegrator:
    it = mm.LangevinMiddleIntegrator(temperature, 1.0, 0.002)
    it.setRandomNumberSeed(seed)
    return it


def torsion_force(atoms: tuple[int, int, int, int]) -> mm.CustomTorsionForce:
    force = mm.CustomTorsionForce("theta")
    force.addTorsion(*atoms, [])
    return force


def run_flat(n_steps: int, seed: int) -> None:
    """Well-tempered metadynamics, then a static bias on a tabulated surface."""
    pdb, system = build()
    variables = [
        app.metadynamics.BiasVariable(torsion_force(a), -np.pi, np.pi, 0.3, True, 73)
        for a in (PHI, PSI)
    ]
    meta = app.Metadynamics(system, variables, TEMPERATURE, 8.0, 1.0, 250)
    simulation = app.Simulation(
        pdb.topology,
        system,
        integrator(TEMPERATURE, seed),
        mm.Platform.getPlatformByName("Reference"),
    )
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE, seed)
    meta.step(simulation, 3_000_000)
    free = meta.getFreeEnergy().value_in_unit(unit.kilojoules_per_mole)  # [psi, phi]
    bias = -np.minimum(free - free.min(), 14 * KT)

    pdb, system = build()
    force = mm.CustomCompoundBondForce(5, "bias(dihedral(p1,p2,p3,p4), dihedral(p2,p3,p4,p5))")
    n = bias.shape[0]
    force.addTabulatedFunction(
        "bias",
        mm.Continuous2DFunction(n, n, bias.ravel(), -np.pi, np.pi, -np.pi, np.pi, True),
    )
    force.addBond([*PHI, PSI[3]], [])
    force.setForceGroup(1)
    system.addForce(force)
    it = integrator(TEMPERATURE, seed + 1)
    context = mm.Context(system, it, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(simulation.context.getState(positions=True).getPositions())
    context.setVelocitiesToTemperature(TEMPERATURE, seed + 1)
    record(f"flat-{seed}", n_steps, [context], [it], weighted=True)


def run_remd(n_steps: int, seed: int) -> None:
    """Temperature replica exchange, `n_steps` summed over all replicas."""
    temperatures = np.geomspace(TEMPERATURE, 750.0, 6)
    contexts, integrators = [], []
    for k, temperature in enumerate(temperatures):
        pdb, system = build()
        it = integrator(float(temperature), seed + k)
        context = mm.Context(system, it, mm.Platform.getPlatformByName("Reference"))
        context.setPositions(pdb.positions)
        context.setVelocitiesToTemperature(float(temperature), seed + k)
        contexts.append(context)
        integrators.append(it)
    rng = np.random.default_rng(seed)
    betas = 1.0 / (0.00831446261815324 * temperatures)

    def exchange(cycle: int) -> None:
        energy = [c.getState(energy=True).getPotentialEnergy()._value for c in contexts]
        for i in range(cycle % 2, len(contexts) - 1, 2):
            if np.log(rng.random()) < (betas[i] - betas[i + 1]) * (energy[i] - energy[i + 1]):
                states = [contexts[j].getState(positions=True, velocities=True) for j in (i, i + 1)]
                ratio = np.sqrt(temperatures[i] / temperatures[i + 1])
                for j, state, scale in ((i, states[1], ratio), (i + 1, states[0], 1 / ratio)):
                    contexts[j].setPositions(state.getPositions())
                    contexts[j].setVelocities(state.getVelocities(asNumpy=True) * scale)
                energy[i], energy[i + 1] = energy[i + 1], energy[i]

    record(f"remd-{seed}", n_steps, contexts, integrators, weighted=False, between=exchange)


def record(name, n_steps, contexts, integrators, *, weighted, between=None, stride=50) -> None:
    """Histogram of the first context, in N_BLOCKS blocks, with the weight exp(+βV) where biased."""
    cycles = int(n_steps) // (stride * len(contexts))
    weight = np.zeros((N_BLOCKS, N_BINS, N_BINS))
    axial = np.zeros(N_BLOCKS)
    left_out = 0
    for cycle in range(cycles):
        for it in integrators:
            it.step(stride)
        if between is not None:
            between(cycle)
        x = positions(contexts[0])
        if not same_molecule(x):
            left_out += 1
            continue
        phi, psi = dihedral(x, PHI), dihedral(x, PSI)
        w = 1.0
        if weighted:
            v = contexts[0].getState(energy=True, groups={1}).getPotentialEnergy()._value
            w = float(np.exp(v / KT))
        b = cycle * N_BLOCKS // cycles
        i, j = (int((a + np.pi) / (2 * np.pi) * N_BINS) % N_BINS for a in (phi, psi))
        weight[b, i, j] += w
        axial[b] += w * (0 <= phi < np.deg2rad(130))
        if cycle % (cycles // 50) == 0:
            total, ax = weight.sum(), axial.sum()
            print(cycle / cycles, "dF", np.log((total - ax) / ax) if ax else None, flush=True)
    np.savez(HERE / f"{name}.npz", weight=weight, axial=axial, left_out=left_out, steps=n_steps)


def surface(weight: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        f = -np.log(weight)
    return f - f[np.isfinite(f)].min()


def delta_f(weight: np.ndarray, axial: np.ndarray) -> tuple[float, float]:
    """F(C7ax) − F(rest) in kT, with its standard error from a jackknife over blocks."""
    total, ax = weight.sum((1, 2)), axial
    full = np.log((total.sum() - ax.sum()) / ax.sum())
    left = [
        np.log(((total.sum() - t) - (ax.sum() - a)) / (ax.sum() - a))
        for t, a in zip(total, ax, strict=True)
    ]
    n = len(left)
    return float(full), float(np.sqrt((n - 1) / n * np.sum((np.array(left) - np.mean(left)) ** 2)))


def combine() -> None:
    parts = {}
    for kind in ("flat", "remd"):
        runs = [np.load(p) for p in sorted(HERE.glob(f"{kind}-*.npz"))]
        # a frozen bias has an arbitrary constant: runs are put on one scale by total weight
        blocks = [r["weight"] / r["weight"].sum() * float(r["steps"]) for r in runs]
        axial = [r["axial"] / r["weight"].sum() * float(r["steps"]) for r in runs]
        parts[kind] = (
            np.concatenate(blocks),
            np.concatenate(axial),
            sum(int(r["steps"]) for r in runs),
        )
    report = {}
    for kind, (weight, axial, steps) in parts.items():
        value, error = delta_f(weight, axial)
        report[kind] = {"delta_f_kT": value, "stderr_kT": error, "steps": steps}
        print(f"{kind}: F(C7ax) - F(rest) = {value:.3f} +- {error:.3f} kT from {steps:.3g} steps")
    flat, remd = (surface(parts[k][0].sum(0)) for k in ("flat", "remd"))
    for below in (4.0, 6.0, 8.0):
        both = (flat < below) & np.isfinite(remd)
        gap = remd[both] - flat[both]
        rms = float(np.std(gap))
        report[f"rms_below_{below:g}_kT"] = rms
        print(f"surfaces below {below:g} kT: RMS difference {rms:.3f} kT over {both.sum()} bins")
    centres = (np.arange(N_BINS) + 0.5) * 2 * np.pi / N_BINS - np.pi
    blocks = parts["flat"][0]
    total = blocks.sum(0)
    spread = np.sqrt(((blocks - total / len(blocks)) ** 2).sum(0)) / np.maximum(total, 1e-300)
    out = {
        "schema_version": 1,
        "delta_f_kT": report["flat"]["delta_f_kT"],
        "stderr_kT": report["flat"]["stderr_kT"],
        "means": report,
        "phi": centres.tolist(),
        "psi": centres.tolist(),
        "f_kT": [[round(v, 4) if np.isfinite(v) else None for v in row] for row in flat.tolist()],
        "stderr_surface_kT": [[round(float(v), 4) for v in row] for row in spread],
    }
    (HERE / "alanine_dipeptide.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("flat", "remd", "combine"))
    parser.add_argument("--steps", type=float, default=8e7)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.what == "combine":
        combine()
    elif args.what == "flat":
        run_flat(int(args.steps), args.seed)
    else:
        run_remd(int(args.steps), args.seed)
