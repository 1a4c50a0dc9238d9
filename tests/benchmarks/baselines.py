"""The demo's task by other strategies of the same campaign file, evaluation for evaluation.

`make bench NAME=baselines [ARGS="seeds folder"]`: steered, metadynamics and parallel tempering
from the same structure, one campaign of 20 million evaluations each; what each reports on the way
is held against the reference of `tests/references/`. With a folder, campaigns that are there go on
or are read again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rows import ROOT, Row, publish

CONFIG = ROOT / "configs" / "alanine_dipeptide.yaml"
BUDGETS = (2.5e6, 5e6, 1e7, 2e7)
RUN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
NEVER = ("converge.state_error=0.01 kT", "converge.surface_error=0.02 kT")
"""Ten times finer than the demo asks: nothing stops before its budget."""
STRATEGIES = {
    "steered": (),
    "metadynamics": ("strategy={kind: metadynamics}",),
    # 16 ladders would have 600 ps a walker: no more than a ladder takes to forget its start
    "parallel_tempering": ("strategy={kind: parallel_tempering}", "replicas=8"),
}
REFERENCE = json.loads((ROOT / "tests/references/alanine_dipeptide.json").read_text())


@dataclass(frozen=True)
class Reading:
    """What a campaign reports of F(C7ax) − F(rest) at one budget, kT; NaN before it knows."""

    evaluations: float
    delta_f: float
    stderr: float

    @property
    def error(self) -> float:
        return self.delta_f - float(REFERENCE["delta_f_kT"])

    @property
    def z(self) -> float:
        return self.error / float(np.hypot(self.stderr, REFERENCE["stderr_kT"]))


def run(strategy: str, seed: int, folder: Path) -> Path:
    """The campaign's run directory, once its budget is spent."""
    name = f"{strategy}-{seed}"
    sets = (
        *STRATEGIES[strategy],
        *NEVER,
        f"name={name}",
        f"seed={seed}",
        f"budget.energy_evaluations={BUDGETS[-1]:.0f}",
        "budget.wall=6 h",
        "output={tensorboard: false, trajectory: none}",
    )
    command = [sys.executable, "-c", RUN, str(CONFIG), "--executor", "inline"]
    command += ["--output-dir", str(folder)]
    for text in sets:
        command += ["--set", text]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{name}\n{done.stderr[-2000:]}")
    return folder / name


def readings(where: Path) -> list[Reading]:
    """The last round within each budget."""
    lines = (where / "results" / "history.jsonl").read_text().splitlines()
    rounds = [json.loads(line) for line in lines]
    out = []
    for budget in BUDGETS:
        last = [r for r in rounds if r["energy_evaluations"] <= budget][-1]
        c7ax, rest = last["states"]["C7ax"], last["states"]["rest"]
        known = None not in (c7ax["stderr_kT"], rest["stderr_kT"])
        delta = c7ax["f_kT"] - rest["f_kT"] if known else np.nan
        error = float(np.hypot(c7ax["stderr_kT"], rest["stderr_kT"])) if known else np.nan
        out.append(Reading(last["energy_evaluations"], delta, error))
    return out


def rows(strategy: str, runs: list[list[Reading]]) -> list[Row]:
    """One strategy over its seeds, budget by budget; seeds that know nothing yet are counted."""
    out = []
    for k, budget in enumerate(BUDGETS):
        known = [r[k] for r in runs if np.isfinite(r[k].stderr)]
        at, n = f"{strategy} at {budget / 1e6:.1f} M", len(known)
        if not n:
            out.append(Row(f"{at}: seeds with an answer", 0.0, "", f"of {len(runs)}"))
            continue
        mean = float(np.mean([abs(r.error) for r in known]))
        said = float(np.sqrt(np.mean([r.stderr**2 for r in known])))
        chi = float(np.sum([r.z**2 for r in known]))
        holds = chi < n + 4.0 * np.sqrt(2.0 * n)
        out += [
            Row(f"{at}: mean |error|", mean, "kT", f"{n} of {len(runs)} seeds"),
            Row(f"{at}: reported error, RMS", said, "kT"),
            Row(f"{at}: χ²", chi, "", f"{n} expected", f"+ 4·√{2 * n}", bool(holds)),
        ]
    return out


def main(seeds: int, folder: Path) -> None:
    jobs = [(m, s) for s in range(7, 7 + seeds) for m in STRATEGIES]

    def one(job: tuple[str, int]) -> list[Reading]:
        found = readings(run(*job, folder))
        for r in found:
            print(f"{job[0]} seed {job[1]}: {r.evaluations / 1e6:.2f} M  "
                  f"ΔF {r.delta_f:.3f} ± {r.stderr:.3f}", flush=True)  # fmt: skip
        return found

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        done = dict(zip(jobs, pool.map(one, jobs), strict=True))
    publish("baselines", [
        row for m in STRATEGIES for row in rows(m, [done[m, s] for m2, s in jobs if m2 == m])
    ])  # fmt: skip


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as aside:
            main(number, Path(aside))
