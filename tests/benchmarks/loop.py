"""What the loop adds to sampling, and our stepping against bare OpenMM, side by side in one run."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rows import ROOT, Row, publish

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.expanded_ensemble import Ladder, Tempered
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.validate import load
from msgen.systems import build_cvs, build_system
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.system import OpenMMSystem

REPEATS, STEPS, CHUNK = 9, 4000, 50
CONFIG = ROOT / "configs" / "alanine_dipeptide.yaml"


def seconds(work: Callable[[], float]) -> float:
    """Seconds per step of `work`, which returns how many steps it took."""
    start = time.perf_counter()
    steps = work()
    return (time.perf_counter() - start) / steps


def stepping() -> list[Row]:
    """Microseconds a step of each way, interleaved, medians of ratios."""
    campaign, _ = load(CONFIG, [])
    system = build_system(campaign.spec_system(), CONFIG.parent)
    if not isinstance(system, OpenMMSystem) or system.platform_choice is None:
        raise TypeError(f"{CONFIG.name}: needs `platform: auto` and a molecule")
    platform = system.platform_choice
    cvs = build_cvs(campaign.spec_cvs(), system, CONFIG.parent)
    engine = MoleculeEngine(system, cvs)
    start, rng = system.initial(), np.random.default_rng(1)
    g = Conditional(np.full(2, 33.0), cvs.periodic)
    engine.begin(rng)
    engine.set_local_restraint(g)
    states = Partition.from_boxes({"C7ax": {"phi": (0.0, 2.27)}}, cvs.names, cvs.periodic)
    axis = np.linspace(-np.pi, np.pi, 36, endpoint=False)
    flat = Ladder((axis, axis), np.zeros((36, 36)), -np.inf, g)
    plain = Ladder.plain(g)
    xi = cvs(start.positions)
    path = Schedule(Conditional(np.full(2, 130.0), cvs.periodic), 0.002, 300.0, np.ones(2), 2)

    bare = system.context(False, cvs)
    held = system.context(True, cvs)
    leap = system.context(True, cvs, purpose="leapfrog")

    def bare_of(stepper: OpenMMContext, n: int) -> float:
        stepper.reseed(1)
        stepper.load(start)
        stepper.step(n)
        return float(n)

    def local(ladder: Ladder) -> float:
        walk = Tempered(engine, start, ladder, states, np.array([1]), rng)
        walk.run(STEPS // CHUNK, CHUNK)
        return float(STEPS)

    def steered() -> float:
        done = 0
        while done < STEPS:
            done += engine.switch(start, xi, xi + np.array([[2.4, -1.7]]), path).evaluations
        return float(done)

    ways: dict[str, Callable[[], float]] = {
        "bare, unbiased": lambda: bare_of(bare, STEPS),
        "bare, with restraints": lambda: bare_of(held, STEPS),
        "bare leapfrog, with restraints": lambda: bare_of(leap, STEPS),
        "local, plain": lambda: local(plain),
        "local, flattened": lambda: local(flat),
        "steered": steered,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        for name, work in ways.items():
            value = seconds(work)
            if repeat:  # the first is warm-up
                times[name].append(value)

    def ratio(ours: str, theirs: str) -> float:
        return statistics.median(b / a for a, b in zip(times[ours], times[theirs], strict=True))

    rows = [
        Row(
            f"platform {name}, 1 thread", value, "µs/step", "taken" if name == platform.name else ""
        )
        for name, value in sorted(platform.us_per_step.items(), key=lambda item: item[1])
    ]
    rows += [
        Row(f"step: {name}", 1e6 * statistics.median(v), "µs", f"on {platform.name}")
        for name, v in times.items()
    ]
    for ours, theirs in (
        ("local, plain", "bare, unbiased"),
        ("local, flattened", "bare, with restraints"),
        ("steered", "bare, with restraints"),
    ):
        r = ratio(ours, theirs)
        rows.append(Row(f"speed: {ours} / {theirs}", r, "", "the same forces", "≥ 0.90", r >= 0.9))
    for ours in ("bare, with restraints", "local, flattened", "steered"):
        r = ratio(ours, "bare, unbiased")
        rows.append(Row(f"speed: {ours} / bare, unbiased", r, "", "what the restraints cost"))
    return rows


def overhead() -> list[Row]:
    """What runs print of themselves: the demo, as shipped, through Ray, and the double well."""
    demo = cost(CONFIG)
    well = cost(ROOT / "configs" / "double_well.yaml")
    evaluations, share = demo["energy_evaluations"], demo["overhead_s"] / demo["wall_s"]
    other = well["overhead_s"] / well["wall_s"]
    return [
        Row("demo: energy evaluations", evaluations, "", "", "≤ 1.2e7", evaluations <= 1.2e7),
        Row("demo: wall", demo["wall_s"], "s", "two workers", "≤ 300", demo["wall_s"] <= 300),
        Row("demo: overhead / wall", share, "", "printed by the run", "< 0.05", share < 0.05),
        Row("double well: overhead / wall", other, "", "inline, steps of 2 µs"),
    ]


def cost(config: Path) -> dict[str, float]:
    """Run a campaign until it has converged; its `cost`."""
    with tempfile.TemporaryDirectory() as folder:
        code = main_run([str(config), "--output-dir", folder])
        if code != 0:
            raise RuntimeError(f"{config.name} ended with exit code {code}")
        (path,) = Path(folder).glob("*/results/free_energy.json")
        return dict(json.loads(path.read_text())["cost"])


if __name__ == "__main__":
    publish("loop", [*stepping(), *overhead()])
