"""ΔF of two states by counting, by BAR over all paths and by umbrella windows, at equal cost.

Every method is a campaign of the same file, run inline with the same number of energy evaluations,
exploration and tuning included, and criteria that it cannot meet. ΔF = F(state) − F(rest) in kT.
Beside the error that a campaign reports stands the true one, against a reference.

`make bench NAME=steered_systems ARGS=equal_cost`: an analytic double well, whose ΔF is known. The
parts of dimer and polymer call `compare` with cases of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rows import ROOT, Row

from msgen.orchestrator.history import read_history
from msgen.systems.analytic import DoubleWell
from msgen.systems.base import CVSet
from msgen.systems.cvs import Coordinate
from msgen.systems.exact import exact_state_probability

RUN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
NEVER = ("converge={state_error: 1.0e-6 kT, surface_error: 1.0e-6 kT}", "output.tensorboard=false")
"""Nothing stops before its budget."""
METHODS = {
    "MD": "counting, local moves alone",
    "chain": "counting, chain of steered moves",
    "BAR": "BAR over all paths",
    "umbrella": "umbrella windows",
}


@dataclass(frozen=True)
class Case:
    """A campaign with two states, `state` and the rest, and how each method runs it.

    Attributes
    ----------
    name : str
        Of the run directories and rows.
    config : Path
        The campaign file; its strategy is `steered`.
    state : str
        The state that the campaign names.
    reference : tuple of float
        ΔF = F(state) − F(rest) in kT, and its standard error.
    budget : float
        Energy evaluations of every campaign.
    settings : Mapping of method to settings
        `key=value` of each method of `METHODS`, on top of the file; 'MD' and 'umbrella' have to set
        a strategy. Where a method is not there it is not run.
    wall : str
        Most wall time of a campaign; one that reached it is said to have spent less.
    """

    name: str
    config: Path
    state: str
    reference: tuple[float, float]
    budget: float
    settings: Mapping[str, tuple[str, ...]]
    wall: str = "30 min"


@dataclass(frozen=True)
class Reading:
    """What one campaign reports when its budget is spent; NaN for what it does not know."""

    method: str
    seed: int
    delta_f: float
    stderr: float
    evaluations: float
    wall_s: float
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def acceptance(self) -> float:
        """Of the global moves: steered paths, or exchanges of windows."""
        of = self.diagnostics.get("acceptance", {})
        return float(of.get("steered", of.get("exchange", np.nan)))

    @property
    def per_crossing(self) -> float:
        """Steps of paths an accepted crossing; NaN where no chain crosses by paths."""
        return float(self.diagnostics.get("path_steps_per_crossing", np.nan))


def campaign(config: Path, folder: Path, name: str, settings: Sequence[str]) -> Path:
    """Run one inline until it ends; one that is there goes on, or is left as it is.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    RuntimeError
        If it neither converged nor spent its budget.
    """
    command = [sys.executable, "-c", RUN, str(config), "--executor", "inline"]
    command += ["--output-dir", str(folder)]
    for text in (f"name={name}", *settings):
        command += ["--set", text]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{name}\n{(done.stdout + done.stderr)[-2000:]}")
    return folder / name


def measure(case: Case, method: str, seed: int, folder: Path) -> Reading:
    """One method, one seed."""
    settings = (
        *NEVER,
        f"seed={seed}",
        f"budget={{energy_evaluations: {case.budget:.0f}, wall: {case.wall}}}",
        *case.settings[method],
    )
    where = campaign(case.config, folder, f"{case.name}-{method}-{seed}", settings)
    return read(where, case.state, method, seed)


def read(where: Path, state: str, method: str, seed: int) -> Reading:
    """What a campaign that has ended reports."""
    result = json.loads((where / "results" / "free_energy.json").read_text())
    last = read_history(where)[-1]
    here, rest = result["states"][state], result["states"]["rest"]
    values = [here["f_kT"], rest["f_kT"]]
    delta = float("nan") if None in values else values[0] - values[1]
    # F is told against the first state, whose own error is 0
    errors = [here["stderr_kT"], rest["stderr_kT"]]
    stderr = float("nan") if None in errors else float(np.hypot(*errors))
    cost, told = result["cost"], result["diagnostics"]
    return Reading(method, seed, delta, stderr, last.energy_evaluations, cost["wall_s"], told)


def judged(case: Case, readings: Sequence[Reading]) -> list[Row]:
    """One method over its seeds: reported error, true error, and whether they agree.

    An error is also told at the full budget, scaled by √(spent/budget), since a campaign begins no
    round that would pass it.
    """
    method = readings[0].method
    at = f"{case.name}, ΔF by {METHODS[method]}"
    value, error = case.reference
    known = [r for r in readings if np.isfinite(r.delta_f) and np.isfinite(r.stderr)]
    spent = float(np.mean([r.evaluations for r in readings]))
    if not known:
        told = f"{len(readings)} seeds, {spent:.3g} evaluations"
        return [Row(f"{at}: seeds that know it", 0.0, "", told)]
    n = len(known)
    miss = np.array([r.delta_f - value for r in known])
    said = np.array([r.stderr for r in known])
    scale = np.sqrt(np.array([r.evaluations for r in known]) / case.budget)
    chi = float(np.sum(miss**2 / (said**2 + error**2)))
    true = float(np.sqrt(np.mean(miss**2)))
    about = f"{n} of {len(readings)} seeds, {spent:.3g} evaluations"
    most = n + 4.0 * np.sqrt(2.0 * n)
    rows = [
        Row(f"{at}: mean", float(miss.mean() + value), "kT", f"{value:.3f} ± {error:.3f}"),
        Row(f"{at}: reported error", float(np.sqrt(np.mean(said**2))), "kT", about),
        Row(f"{at}: true error, RMS", true, "kT", about),
        Row(f"{at}: reported, at the whole budget", float(np.mean(said * scale)), "kT"),
        Row(f"{at}: χ²", chi, "", f"{n} expected", f"< {most:.1f}", bool(chi < most)),
    ]
    for what, unit, values in (
        ("acceptance of paths or exchanges", "", [r.acceptance for r in known]),
        ("steps of paths per crossing", "", [r.per_crossing for r in known]),
        ("wall", "s", [r.wall_s for r in known]),
    ):
        if np.isfinite(values).all():
            rows.append(Row(f"{at}: {what}", float(np.mean(values)), unit))
    return rows


def table(case: Case, readings: Mapping[str, Sequence[Reading]]) -> str:
    """The methods side by side, as a Markdown table."""
    lines = [
        "| ΔF of "
        + case.name
        + " by | kT | reported error | true error, RMS | evaluations | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for method, runs in readings.items():
        known = [r for r in runs if np.isfinite(r.delta_f) and np.isfinite(r.stderr)]
        n = f"{len(known)} of {len(runs)}"
        spent = f"{np.mean([r.evaluations for r in runs]) / 1e6:.2f} M"
        figures = "– | – | –"
        if known:
            miss = [r.delta_f - case.reference[0] for r in known]
            said = np.sqrt(np.mean([r.stderr**2 for r in known]))
            true = np.sqrt(np.mean(np.square(miss)))
            mean = np.mean([r.delta_f for r in known])
            figures = f"{mean:.3f} | {said:.3f} | {true:.3f}"
        lines.append(f"| {METHODS[method]} | {figures} | {spent} | {n} |")
    return "\n".join(lines)


def compare(
    case: Case, seeds: Sequence[int], folder: Path, methods: Sequence[str] = tuple(METHODS)
) -> list[Row]:
    """All methods over all seeds; each reading is printed and kept in `folder` as it comes."""
    found: dict[str, list[Reading]] = {}
    for seed in seeds:
        for method in methods:
            if method not in case.settings:
                continue
            r = measure(case, method, seed, folder)
            found.setdefault(method, []).append(r)
            print(
                f"{case.name} {method} seed {seed}: ΔF {r.delta_f:.3f} ± {r.stderr:.3f} "
                f"(reference {case.reference[0]:.3f}), {r.evaluations / 1e6:.2f} M evaluations, "
                f"acceptance {r.acceptance:.3f}, {r.wall_s:.0f} s",
                flush=True,
            )
    text = table(case, found)
    print(text, flush=True)
    (folder / f"{case.name}.md").write_text(text + "\n")
    return [row for readings in found.values() for row in judged(case, readings)]


CONFIG = ROOT / "configs" / "double_well.yaml"
MD = "strategy={kind: local, local: {kind: hmc, steps: 20}}"
WINDOWS = (
    "strategy={kind: umbrella, seeds: neighbour, windows: {x: 12}, local: {kind: hmc, steps: 20}}"
)


def double_well(budget: float = 4e6) -> Case:
    """The analytic case."""
    cvs = CVSet((Coordinate("x", 0),))
    p = exact_state_probability(DoubleWell(), cvs, {"x": (-2.0, 0.0)})
    settings = {
        "MD": (MD,),
        "chain": ("strategy.stratify=off", "strategy.flatten=0 kT"),
        "BAR": (),
        "umbrella": (WINDOWS, "replicas=4"),
    }
    reference = (float(-np.log(p / (1 - p))), 0.0)
    return Case("double-well", CONFIG, "left", reference, budget, settings)


def run(arguments: list[str]) -> list[Row]:
    """The analytic case over some seeds, three by default."""
    seeds = range(1, 1 + (int(arguments[0]) if arguments else 3))
    with tempfile.TemporaryDirectory() as folder:
        return compare(double_well(), seeds, Path(folder))
