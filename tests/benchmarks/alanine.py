"""The demo's task at three budgets: our error beside the peers', and whether ours is what we say.

`make bench NAME=alanine [ARGS=seeds]`. Every method starts cold from the same structure and is
charged its force evaluations; what each reports at 2.5, 5 and 10 million of them is held against
the reference of `tests/references/`.
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

CONFIG, PEERS = ROOT / "configs" / "alanine_dipeptide.yaml", ROOT / "tests" / "benchmarks" / "peers"
PEER_PYTHON = Path(os.environ.get("PEERS", ROOT / ".venv-peers")).absolute() / "bin" / "python"
BUDGETS = (2.5e6, 5e6, 1e7)
RUN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
NEVER = ("converge.state_error=0.01 kT", "converge.surface_error=0.02 kT")
"""Ten times finer than the demo asks, both alike: effort is shared as there, but nothing stops."""
REFERENCE = json.loads((ROOT / "tests/references/alanine_dipeptide.json").read_text())
SURFACE = np.array([[np.nan if v is None else v for v in row] for row in REFERENCE["f_kT"]])
PUBLISHED = {  # mean |error| of ΔF and RMS of the surface, by the authors of the task
    "opes": ((0.17, 0.23), (0.08, 0.16), (0.03, 0.12)),
    "metadynamics": ((0.25, 0.20), (0.11, 0.14), (0.11, 0.11)),
}


@dataclass(frozen=True)
class Reading:
    """What one run reports at one budget: kT, and its own error where it gives one."""

    evaluations: float
    delta_f: float
    surface: np.ndarray
    stderr: float = np.nan

    @property
    def error(self) -> float:
        return self.delta_f - float(REFERENCE["delta_f_kT"])

    @property
    def z(self) -> float:
        return self.error / float(np.hypot(self.stderr, REFERENCE["stderr_kT"]))

    @property
    def rms(self) -> float:
        """Of the surface below 8 kT, the best constant taken off."""
        gap = (self.surface - SURFACE)[(SURFACE < 8.0) & np.isfinite(self.surface)]
        return float(np.std(gap))


def msgen(seed: int, folder: Path) -> list[Reading]:
    """One campaign, its budget raised twice: a resume goes on where it stopped."""
    readings = []
    for budget in BUDGETS:
        command = [sys.executable, "-c", RUN, str(CONFIG), "--executor", "inline"]
        command += ["--output-dir", str(folder), "--set", f"seed={seed}"]
        for text in (f"budget.energy_evaluations={budget:.0f}", *NEVER, "output.tensorboard=false"):
            command += ["--set", text]
        quiet(command, allowed=(0, 3))
        found = json.loads((folder / "alanine-dipeptide/results/free_energy.json").read_text())
        states, spent = found["states"], found["cost"]["energy_evaluations"]
        f = [[np.nan if v is None else v for v in row] for row in found["surface"]["f_kT"]]
        c7ax, rest = states["C7ax"], states["rest"]
        errors = np.array([c7ax["stderr_kT"], rest["stderr_kT"]], dtype=float)
        error = float(np.hypot(*errors))
        readings.append(Reading(spent, c7ax["f_kT"] - rest["f_kT"], np.array(f), error))
    return readings


def peer(kind: str, seed: int, folder: Path) -> list[Reading]:
    """One simulation by a peer; ΔF from its surface, bin by bin."""
    out = folder / "peer.npz"
    budgets = [f"{b:.0f}" for b in BUDGETS]
    quiet([str(PEER_PYTHON), str(PEERS / "alanine.py"), kind, str(seed), str(out), *budgets])
    inside = (np.array(REFERENCE["phi"]) > 0) & (np.array(REFERENCE["phi"]) < np.deg2rad(130))
    with np.load(out) as kept:
        readings = []
        for spent, f in zip(kept["evaluations"], kept["surfaces"], strict=True):
            p = np.exp(-(f - np.nanmin(f)))
            c7ax = np.nansum(p[inside])
            value = float(np.log((np.nansum(p) - c7ax) / c7ax)) if c7ax > 0 else np.nan
            readings.append(Reading(float(spent), value, np.asarray(f)))
    return readings


def quiet(command: list[str], allowed: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")


def rows(method: str, runs: list[list[Reading]]) -> list[Row]:
    """One method over its seeds, budget by budget."""
    out = []
    for k in range(len(BUDGETS)):
        here = [run[k] for run in runs]
        spent = np.mean([r.evaluations for r in here]) / 1e6
        at = f"{method} at {spent:.1f} M"
        known = PUBLISHED.get(method)
        beside = ("", "") if known is None else (f"published {v}" for v in known[k])
        for what, value, note in zip(
            ("mean |error| of F(C7ax) − F(rest)", "RMS of the surface below 8 kT"),
            (np.mean([abs(r.error) for r in here]), np.mean([r.rms for r in here])),
            beside,
            strict=True,
        ):
            out.append(Row(f"{at}: {what}", float(value), "kT", note))
        if method == "msgen":
            chi = float(np.sum([r.z**2 for r in here]))
            n = len(here)
            holds = abs(chi - n) < 4.0 * np.sqrt(2.0 * n)
            out.append(Row(f"{at}: reported error", float(np.mean([r.stderr for r in here])), "kT"))
            out.append(Row(f"{at}: χ² of {n} seeds", chi, "", f"{n} expected",
                           f"± 4·√{2 * n}", bool(holds)))  # fmt: skip
    return out


def main(seeds: int) -> None:
    if not PEER_PYTHON.exists():
        raise SystemExit(f"{PEER_PYTHON}: run this by `make bench NAME=alanine`, which makes it")
    jobs = [(m, s) for s in range(1, seeds + 1) for m in ("msgen", "opes", "metadynamics")]

    def one(job: tuple[str, int]) -> list[Reading]:
        method, seed = job
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder)
            found = msgen(seed, where) if method == "msgen" else peer(method, seed, where)
        for r in found:
            print(f"{method} seed {seed}: {r.evaluations / 1e6:.2f} M  ΔF {r.delta_f:.3f} "
                  f"± {r.stderr:.3f}  surface {r.rms:.3f}", flush=True)  # fmt: skip
        return found

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        done = dict(zip(jobs, pool.map(one, jobs), strict=True))
    methods = ("msgen", "opes", "metadynamics")
    publish("alanine", [
        row for m in methods for row in rows(m, [done[m, s] for s in range(1, seeds + 1)])
    ])  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
