"""Coverage of the reported errors over repeats of an analytic campaign.

`make bench NAME=intervals [ARGS=repeats]`: double_well, steered and stratified, with as many
rounds in every repeat, so that stopping does not choose among estimates.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from exact_populations import exact_state_probability
from rows import ROOT, Row, publish
from sections import build_cvs, build_system

from msgen.orchestrator.cli import main_run

SETTINGS = (
    "strategy.local.steps=5",
    "model={kind: spline_flow, transforms: 1, hidden: [16], epochs: 4}",
    # what R̂ is after so many rounds is not asked here: all errors are told
    "converge={state_error: 0.0001 kT, r_hat: 100, overlap: 1.0e-9, hidden: null}",
    "budget.rounds=28",
    "output.tensorboard=false",
)


def exact() -> float:
    """F(rest) − F(left), kT, by quadrature."""
    system = build_system({"kind": "double_well"}, ROOT)
    cvs = build_cvs({"x": {"kind": "coordinate", "index": 0}}, system, ROOT)
    p = exact_state_probability(system, cvs, {"x": (-np.inf, 0.0)})
    return float(np.log(p / (1.0 - p)))


def z_of(seed: int) -> float:
    """(estimate − exact)/reported error of one campaign."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        settings = [x for s in (*SETTINGS, f"seed={seed}") for x in ("--set", s)]
        main_run([str(ROOT / "configs/double_well.yaml"), "--executor", "inline",
                  "--output-dir", folder, *settings])  # fmt: skip
        path = Path(folder) / "double-well/results/free_energy.json"
        rest = json.loads(path.read_text())["states"]["rest"]
    return float((rest["f_kT"] - exact()) / rest["stderr_kT"])


def repeats(n: int, first_seed: int = 0) -> list[float]:
    """z of n campaigns, one process a core."""
    seeds = range(first_seed, first_seed + n)
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=spawn) as pool:
        return list(pool.map(z_of, seeds))


def within(z: list[float], scale: float = 1.0) -> list[Row]:
    """Coverage of both intervals and the mean, against 4 σ; `scale` multiplies the errors."""
    rows, n = [], len(z)
    for level, limit in ((0.683, 1.0), (0.95, 1.96)):
        seen = float(np.mean(np.abs(np.array(z) / scale) < limit))
        slack = 4.0 * np.sqrt(level * (1.0 - level) / n)
        holds = abs(seen - level) < slack
        rows.append(Row(f"coverage of {level:.0%}", seen, "", f"{n} repeats",
                        f"± {slack:.2f}", bool(holds)))  # fmt: skip
    mean, slack = float(np.mean(z)) / scale, 4.0 / np.sqrt(n)
    return [*rows, Row("mean of z", mean, "", "0", f"± {slack:.2f}", bool(abs(mean) < slack))]


if __name__ == "__main__":
    z = repeats(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print("z by seed:", " ".join(f"{v:.2f}" for v in z))
    publish("intervals", [*within(z), Row("sd of z", float(np.std(z)), "", "1")])
