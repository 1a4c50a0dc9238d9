"""F(φ > 0) of alanine dipeptide in OBC2 by two means of OpenMM's own, for two force fields.

300 K, bonds to hydrogen rigid, LFMiddle Langevin at 2 fs and 1/ps, one thread::

    python tests/references/alanine_implicit.py flat ff96 --seed 1      # runs/alanine_implicit/
    python tests/references/alanine_implicit.py windows ff96 --seed 1
    python tests/references/alanine_implicit.py summarise               # alanine_implicit.json

``flat``: well-tempered metadynamics on (φ, ψ) builds a bias, which is then frozen; what is sampled
under it is reweighted with exp(+βV), errors from blocks. ``windows``: 36 harmonic windows along φ,
whose walkers neighbours exchange, joined by pymbar's MBAR, the first third left out, errors from
stretches of time. A run in which a peptide bond turns ends there. `amber14` is
configs/alanine_dipeptide.pdb with amber14-all.xml and implicit/obc2.xml; `ff96` the prmtop of
openmmtools' test data (MIT) in ff96/. A state is 0 ≤ φ < 130°, the other all else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
from alanine_dipeptide import dihedral, positions
from numpy.typing import NDArray
from openmm import app, unit
from pymbar import MBAR
from pymbar.timeseries import statistical_inefficiency

from msgen.systems.topology.stereochemistry import StereoWatch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ROOT / "runs" / "alanine_implicit"
FIELDS = ("amber14", "ff96")
TEMPERATURE = 300.0 * unit.kelvin
KT = (unit.MOLAR_GAS_CONSTANT_R * TEMPERATURE).value_in_unit(unit.kilojoules_per_mole)
LEFT = (0.0, np.radians(130.0))
PLATFORMS = {"amber14": "CPU", "ff96": "Reference"}
"""The faster one: amber14's file writes OBC2 as formulas, which Reference interprets."""
STRIDE, BLOCKS = 50, 20
BUILDING, SAMPLING = 2_000_000, 10_000_000
WINDOWS, STIFFNESS, EACH, SETTLE = 36, 200.0, 900_000, 20_000
"""Windows, their k of ½k(φ − φ₀)² in kJ/mol, steps in each, and before walkers are exchanged."""
EXCHANGE, PARTS, LEFT_OUT = 500, 10, 1 / 3
"""Steps between exchanges, stretches of time, and how much is not counted: ψ begins where the
window before had left it, and 0.6 kT of F went away in the first 3e5 steps of two other runs."""


def build(field: str) -> tuple[Any, mm.System, NDArray[Any], list[tuple[int, ...]]]:
    """Topology, System, positions in nm, and the atoms of φ, ψ."""
    rigid = {"constraints": app.HBonds, "nonbondedMethod": app.NoCutoff}
    if field == "ff96":
        at = HERE / "ff96" / "alanine-dipeptide"
        made = app.AmberPrmtopFile(f"{at}.prmtop")
        system = made.createSystem(implicitSolvent=app.OBC2, **rigid)
        topology, x = made.topology, app.AmberInpcrdFile(f"{at}.inpcrd").positions
    else:
        pdb = app.PDBFile(str(ROOT / "configs" / "alanine_dipeptide.pdb"))
        topology, x = pdb.topology, pdb.positions
        system = app.ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(
            topology, **rigid
        )
    name = {(a.residue.name, a.name): a.index for a in topology.atoms()}
    phi = [name[k] for k in (("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "C"))]
    psi = [name[k] for k in (("ALA", "N"), ("ALA", "CA"), ("ALA", "C"), ("NME", "N"))]
    return topology, system, np.array(x.value_in_unit(unit.nanometer)), [tuple(phi), tuple(psi)]


def simulation_of(
    field: str, topology: Any, system: mm.System, x: NDArray[Any], seed: int
) -> app.Simulation:
    """At rest in the nearest minimum, with velocities."""
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 1 / unit.picosecond, 2 * unit.femtosecond)
    integrator.setRandomNumberSeed(seed)
    name = PLATFORMS[field]
    platform = mm.Platform.getPlatformByName(name)
    threads = {"Threads": "1"} if name == "CPU" else {}
    made = app.Simulation(topology, system, integrator, platform, threads)
    made.context.setPositions(x)
    made.minimizeEnergy()
    made.context.setVelocitiesToTemperature(TEMPERATURE, seed)
    return made


def flat(field: str, seed: int) -> None:
    """Weight of the left state and of the other, by block."""
    topology, system, x, atoms = build(field)
    forces = [mm.CustomTorsionForce("theta") for _ in atoms]
    for force, quartet in zip(forces, atoms, strict=True):
        force.addTorsion(*quartet, [])
    variables = [app.metadynamics.BiasVariable(f, -np.pi, np.pi, 0.3, True, 73) for f in forces]
    biased = mm.XmlSerializer.clone(system)
    meta = app.Metadynamics(biased, variables, TEMPERATURE, 8.0, 1.0, 500)
    simulation = simulation_of(field, topology, biased, x, seed)
    meta.step(simulation, BUILDING)
    free = meta.getFreeEnergy().value_in_unit(unit.kilojoules_per_mole)  # [psi, phi]
    bias = -np.minimum(free - free.min(), 14 * KT)
    force = mm.CustomCompoundBondForce(5, "bias(dihedral(p1,p2,p3,p4), dihedral(p2,p3,p4,p5))")
    n = len(bias)
    table = mm.Continuous2DFunction(n, n, bias.ravel(), -np.pi, np.pi, -np.pi, np.pi, True)
    force.addTabulatedFunction("bias", table)
    force.addBond([*atoms[0], atoms[1][3]], [])
    force.setForceGroup(1)
    system.addForce(force)
    simulation = simulation_of(field, topology, system, positions(simulation.context), seed + 1000)
    weight, readings = np.zeros((BLOCKS, 2)), SAMPLING // STRIDE
    watch = StereoWatch(mdtraj.Topology.from_openmm(topology), x)
    for k in range(readings):
        simulation.step(STRIDE)
        phi = dihedral(positions(simulation.context), atoms[0])
        v = simulation.context.getState(energy=True, groups={1}).getPotentialEnergy()._value
        weight[k * BLOCKS // readings, 0 if LEFT[0] <= phi < LEFT[1] else 1] += np.exp(v / KT)
        if k % 100 == 0:
            same_isomer(watch, positions(simulation.context))
    keep(f"flat-{field}-{seed}", weight=weight)


def windows(field: str, seed: int) -> None:
    """φ in every window, shape (WINDOWS, readings), of walkers that are exchanged between them."""
    topology, system, x, atoms = build(field)
    centres = -np.pi + 2 * np.pi * (np.arange(WINDOWS) + 0.5) / WINDOWS
    begin = int(np.argmin(np.abs(np.angle(np.exp(1j * (centres - dihedral(x, atoms[0])))))))
    turn = "d=min(dt, 6.283185307179586-dt); dt=abs(theta-centre)"
    held = mm.CustomTorsionForce(f"0.5*{STIFFNESS}*d^2; {turn}")
    held.addGlobalParameter("centre", centres[begin])  # thrown half a turn, peptide bonds go cis
    held.addTorsion(*atoms[0], [])
    system.addForce(held)
    simulation = simulation_of(field, topology, system, x, seed)
    context, rng = simulation.context, np.random.default_rng(seed)
    watch = StereoWatch(mdtraj.Topology.from_openmm(topology), x)
    walkers: list[Any] = [None] * WINDOWS
    for w in np.roll(np.arange(WINDOWS), -begin).tolist():  # each begins where its neighbour is
        context.setParameter("centre", centres[w])
        simulation.step(SETTLE)
        walkers[w] = context.getState(positions=True, velocities=True)
    phi = np.empty((WINDOWS, EACH // STRIDE))
    swapped = np.zeros(2)
    for sweep in range(EACH // EXCHANGE):
        for w in range(WINDOWS):
            context.setPositions(walkers[w].getPositions())
            context.setVelocities(walkers[w].getVelocities())
            context.setParameter("centre", centres[w])
            for k in range(EXCHANGE // STRIDE):
                simulation.step(STRIDE)
                phi[w, sweep * (EXCHANGE // STRIDE) + k] = dihedral(positions(context), atoms[0])
            walkers[w] = context.getState(positions=True, velocities=True)
            same_isomer(watch, positions(context))
        now = phi[:, (sweep + 1) * (EXCHANGE // STRIDE) - 1]
        for i in range(sweep % 2, WINDOWS, 2):
            j = (i + 1) % WINDOWS
            there = restraint(now[[i, j]], centres[[j, i]]).sum()
            gain = there - restraint(now[[i, j]], centres[[i, j]]).sum()
            swapped += (taken := rng.random() < np.exp(-gain)), 1
            if taken:
                walkers[i], walkers[j] = walkers[j], walkers[i]
    print(f"exchanges taken: {swapped[0] / swapped[1]:.2f}")
    keep(f"windows-{field}-{seed}", phi=phi, centres=centres)


def same_isomer(watch: StereoWatch, x: NDArray[Any]) -> None:
    """Ends the run where a peptide bond has turned or a centre is inverted."""
    if changed := watch.names_flipped(x[None])[0]:
        raise SystemExit(f"no longer the molecule of the start: {', '.join(changed)}")


def restraint(phi: NDArray[Any], centre: NDArray[Any]) -> NDArray[Any]:
    """½k(φ − φ₀)² by the nearer way round, in kT."""
    return np.asarray(0.5 * STIFFNESS * np.angle(np.exp(1j * (phi - centre))) ** 2 / KT)


def keep(name: str, **arrays: NDArray[Any]) -> None:
    """In runs/, to be summarised."""
    KEPT.mkdir(parents=True, exist_ok=True)
    np.savez(KEPT / f"{name}.npz", **arrays)


def of_flat(weight: NDArray[Any]) -> tuple[float, float]:
    """F(left) − F(rest) in kT; error by leaving blocks out."""
    left, rest = weight.T
    total = np.log(rest.sum() / left.sum())
    without = np.log((rest.sum() - rest) / (left.sum() - left))
    return leave_out([float(total), *without.tolist()])


def of_windows(phi: NDArray[Any], centres: NDArray[Any]) -> tuple[float, float]:
    """The same by MBAR; error by leaving stretches of time out, of all windows at once."""
    phi = phi[:, round(LEFT_OUT * phi.shape[1]) :]
    series = (np.cos(one) for one in phi)
    thin = max(1, round(float(np.median([statistical_inefficiency(one) for one in series]))))
    stretches = np.array_split(phi[:, ::thin], PARTS, axis=1)
    return leave_out(
        [of_stretches(stretches, centres, without) for without in [None, *range(PARTS)]]
    )


def of_stretches(
    stretches: list[NDArray[Any]], centres: NDArray[Any], without: int | None
) -> float:
    """F(left) − F(rest) in kT of all stretches but one."""
    kept = np.concatenate([s for k, s in enumerate(stretches) if k != without], axis=1)
    x = kept.ravel()
    mbar = MBAR(restraint(x[None], centres[:, None]), np.full(len(centres), kept.shape[1]))
    inside = ((x >= LEFT[0]) & (x < LEFT[1])).astype(float)
    told = mbar.compute_expectations(inside, u_kn=np.zeros((1, len(x))))  # without restraint
    p = float(told["mu"][0])
    return float(np.log((1 - p) / p))


def leave_out(told: list[float]) -> tuple[float, float]:
    """A value, and its error by the jackknife from those without a part each."""
    value, without = told[0], np.array(told[1:])
    n = len(without)
    return value, float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))


def summarise() -> None:
    """Both means of each force field, and their weighted mean."""
    out: dict[str, Any] = {"schema_version": 1, "delta_f": "F(0 <= phi < 130 deg) - F(rest), kT"}
    for field in FIELDS:
        told: dict[str, list[tuple[float, float]]] = {}
        for way, read in (("flat", of_flat), ("windows", of_windows)):
            for path in sorted(KEPT.glob(f"{way}-{field}-*.npz")):
                with np.load(path) as file:
                    told.setdefault(way, []).append(read(*(file[name] for name in file.files)))
        if not told:
            continue
        both = np.array([one for ways in told.values() for one in ways])
        weight = both[:, 1] ** -2.0
        mean = float(np.average(both[:, 0], weights=weight))
        chi = float(np.sum(weight * (both[:, 0] - mean) ** 2))
        out[field] = {
            **{way: [[round(v, 4) for v in one] for one in ones] for way, ones in told.items()},
            "delta_f_kT": round(mean, 4),
            "stderr_kT": round(float(weight.sum() ** -0.5), 4),
            "chi_squared": round(chi, 2),
        }
    (HERE / "alanine_implicit.json").write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("flat", "windows", "summarise"))
    parser.add_argument("field", choices=FIELDS, nargs="?", default="amber14")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.what == "summarise":
        summarise()
    else:
        {"flat": flat, "windows": windows}[args.what](args.field, args.seed)
