"""Rates of butane's torsion from transition paths, against one long plain simulation.

Arguments: seeds of the campaign (below 1,000; by default 2) and steps of plain dynamics (by default
3e7). What was run is kept in runs/benchmarks/dynamics.
"""

from __future__ import annotations

import json

import numpy as np
import openmm as mm
from alanine_dipeptide import dihedral
from places import CONFIGS
from rows import Row

from dynamics_parts.kept_paths import KEPT, kept_paths
from msgen.orchestrator.validate import load_campaign
from msgen.systems.openmm.alkanes import Alkane

FILE = CONFIGS / "examples" / "transition_paths_butane.yaml"
CARBONS = 4
STEPS = 30_000_000
SETTLE = 100_000
"""Steps that are left out at the beginning."""


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    numbers = [int(float(a)) for a in arguments]
    seeds = [n for n in numbers if n < 1000] or [2]
    steps = next((n for n in numbers if n >= 1000), STEPS)
    passages, spent = plain(steps)
    return [row for seed in seeds for row in compared(seed, passages, spent, steps)]


def compared(seed: int, passages: list[int], spent: list[float], steps: int) -> list[Row]:
    """The rates both ways and what they cost."""
    told, evaluations = kept_paths(FILE, f"butane-{seed}", seed)
    rows = []
    for end, (way, reading) in enumerate(
        (("trans to gauche", told.rate), ("gauche to trans", told.rate_back))
    ):
        name = f"butane, seed {seed}, {way}"
        n, rate = passages[end], passages[end] / spent[end]
        seen = f"{rate:.4g} ± {rate / np.sqrt(n):.1g}, {n} passages"
        if reading.value is None or reading.stderr is None:
            rows.append(Row(name, float("nan"), f"/{told.unit}", f"{reading.why}; plain {seen}"))
            continue
        z = (reading.value - rate) / np.hypot(reading.stderr, rate / np.sqrt(n))
        error = reading.stderr / reading.value
        # of n passages the relative error is 1/√n
        share = evaluations / (steps / (n * error**2))
        rows += [
            Row(name, reading.value, f"/{told.unit}", f"plain {seen}"),
            Row(f"{name}: its error", error, "", "relative"),
            Row(f"{name}: off by", float(z), "sigma", "", "2", bool(abs(z) < 2)),
            Row(f"{name}: evaluations, over plain dynamics'", share, "", f"{evaluations:.3g}"),
        ]
    return rows


def plain(steps: int) -> tuple[list[int], list[float]]:
    """Passages from trans and from gauche, and the ps since either was visited last."""
    path = KEPT / f"butane-plain-{steps}.json"
    if not path.is_file():
        passages, spent = simulate(steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"passages": passages, "spent": spent}))
    kept = json.loads(path.read_text())
    return kept["passages"], kept["spent"]


def simulate(steps: int) -> tuple[list[int], list[float]]:
    """One trajectory by OpenMM alone, read as often as the campaign reads its paths."""
    campaign = load_campaign(FILE, ())
    spec, stride = campaign.spec_system(), campaign.output.stride
    alkane = Alkane(CARBONS)
    chain = (alkane.chain[0], alkane.chain[1], alkane.chain[2], alkane.chain[3])
    integrator = mm.LangevinMiddleIntegrator(
        spec["temperature"], spec["friction"], spec["timestep"]
    )
    integrator.setRandomNumberSeed(20)
    context = mm.Context(alkane.system(), integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(alkane.stretched().reshape(-1, 3))
    context.setVelocitiesToTemperature(spec["temperature"], 21)
    integrator.step(SETTLE)
    last, passages, spent = -1, [0, 0], [0.0, 0.0]
    for _ in range(steps // stride):
        integrator.step(stride)
        x = context.getState(getPositions=True).getPositions(asNumpy=True)._value
        torsion = abs(np.degrees(dihedral(x, chain)))
        here = 0 if torsion >= 150.0 else 1 if torsion < 95.0 else -1
        if here >= 0 and here != last:
            if last >= 0:
                passages[last] += 1
            last = here
        if last >= 0:
            spent[last] += stride * spec["timestep"]
    return passages, spent
