"""msgen's flow_mcmc beside flowMC: effective samples per CPU second and per evaluation.

`make bench NAME=flowmc [ARGS="seeds [target]"]`. Same densities, same machine, one process at a
time on one thread each; every run is cold, and what it spent before production counts. flowMC runs
in an environment of its own, which is made when it is missing. Both are also started in one mode.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from flowmc_parts.reading import Reading, ours, theirs
from flowmc_parts.targets import SETTINGS, TARGETS, Target, campaign
from rows import ROOT, Row, publish

HERE = Path(__file__).parent
ENVIRONMENT = Path(os.environ.get("FLOWMC", ROOT / "runs" / "benchmarks" / "flowmc-env"))
PEER = ("flowMC==0.6.4", "jax==0.10.2", "jaxlib==0.10.2")
EVALUATIONS = 9e5
"""Of our campaigns; about half of them before production."""
FASTER, CHEAPER = 3.0, 2.0


def environment() -> Path:
    """flowMC's interpreter; the environment is made where there is none."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "made").exists():
        quiet([sys.executable, "-m", "venv", str(ENVIRONMENT)])
        quiet([str(python), "-m", "pip", "install", "--quiet", *PEER])
        (ENVIRONMENT / "made").touch()
    return python


def quiet(command: list[str]) -> None:
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_thread)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-500:]}{done.stderr[-2000:]}")


def run_peer(target: Target, seed: int, folder: Path, one_mode: bool = False) -> Reading:
    start = (target.one_mode if one_mode else target.start)(np.random.default_rng(seed))
    spec: dict[str, Any] = {
        **target.peer,
        "start": start.tolist(),
        "indicator": target.indicator.tolist(),
        "seed": seed,
        "settings": SETTINGS,
    }
    given, out = folder / "spec.json", folder / "peer.npz"
    given.write_text(json.dumps(spec))
    quiet([str(environment()), str(HERE / "peers" / "flowmc.py"), str(given), str(out)])
    return theirs(out, (SETTINGS["n_training_loops"], SETTINGS["n_production_loops"]))


def run_ours(target: Target, seed: int, folder: Path) -> Reading:
    given, out = folder / "campaign.yaml", folder / "ours.npz"
    given.write_text(yaml.safe_dump(campaign(target, "flowmc", seed, EVALUATIONS)))
    quiet([sys.executable, str(HERE / "flowmc_parts" / "ours.py"), str(given), str(out), "0"])
    return ours(out)


def steered(target: Target, seed: int, folder: Path) -> tuple[float, float]:
    """Probability of the positive mode and its error, from a campaign that starts in the other."""
    spec = campaign(target, "steered", seed, 4e6)
    spec["strategy"] = {"kind": "steered", "local": {"kind": "hmc", "steps": 20}}
    spec["model"] = {"kind": "spline_flow"}
    spec["converge"] = {"state_error": "0.05 kT", "surface_error": "1 kT"}
    spec["replicas"] = 32
    given = folder / "steered.yaml"
    given.write_text(yaml.safe_dump(spec))
    script = "import sys; from msgen.orchestrator.cli import main_run; "
    script += "code = main_run(sys.argv[1:]); sys.exit(code if code not in (0, 3) else 0)"
    quiet([sys.executable, "-c", script, str(given), "--output-dir", str(folder)])
    found = json.loads((folder / "steered/results/free_energy.json").read_text())["states"]
    f, error = found["rest"]["f_kT"], found["rest"]["stderr_kT"]
    if f is None or error is None:
        return 0.0, np.nan
    p = 1.0 / (1.0 + np.exp(f))
    return float(p), float(p * (1 - p) * error)


def compared(name: str, target: Target, both: list[tuple[Reading, Reading]]) -> list[Row]:
    """Rows of one target: means over seeds, ours beside theirs."""
    out = []

    def mean(what: str, *args: bool) -> tuple[float, float]:
        pairs = [[getattr(r, what) for r in pair] for pair in both]
        values = [[v(*args) if callable(v) else v for v in pair] for pair in pairs]
        a, b = np.mean(values, axis=0)
        return float(a), float(b)

    for what, unit, bound in (
        ("per_second", "effective samples per CPU second", FASTER),
        ("per_thousand", "effective samples per 1,000 evaluations", CHEAPER),
    ):
        for training in (True, False):
            mine, peer = mean(what, training)
            judged = training if what == "per_second" else not training
            out.append(
                Row(
                    f"{name}: {unit}, {'with training' if training else 'production'}",
                    mine,
                    "",
                    f"flowMC {peer:.4g}",
                    f"≥ {bound:g}×" if judged else "",
                    bool(mine >= bound * peer) if judged else None,
                )
            )
    for what, label in (
        ("positive", f"share of the positive mode, exact {target.positive:.3f}"),
        ("flips", "flips per chain"),
        ("r_hat", "R̂ of the indicator"),
        ("accepted", "acceptance of global proposals"),
    ):
        mine, peer = mean(what)
        out.append(Row(f"{name}: {label}", mine, "", f"flowMC {peer:.4g}"))
    for k, phase in enumerate(("training", "production")):
        mine, peer = np.mean([[r.cpu[k] for r in pair] for pair in both], axis=0)
        out.append(Row(f"{name}: CPU seconds of {phase}", float(mine), "s", f"flowMC {peer:.4g}"))
    compiling = float(np.mean([pair[1].compiling for pair in both]))
    out.append(Row(f"{name}: of which flowMC compiled", compiling, "s"))
    return out


def one_mode(target: Target, folder: Path) -> list[Row]:
    """Both started in the lighter mode of the mixture."""
    peer = run_peer(target, 1, folder, one_mode=True)
    mine = run_ours(target, 1, folder)
    p, error = steered(target, 1, folder)
    exact = f"exact {target.positive:.2f}"
    return [
        Row("one mode: flowMC's share of the other", peer.positive, "", exact),
        Row("one mode: flowMC's R̂", peer.r_hat),
        Row("one mode: flow_mcmc's share of the other", mine.positive, "", exact, "± 0.02",
            abs(mine.positive - target.positive) < 0.02),
        Row("one mode: steered's share of the other", p, "", exact, f"± 4 × {error:.3f}",
            bool(abs(p - target.positive) < 4 * error)),
    ]  # fmt: skip


def main(seeds: int, only: str = "") -> None:
    environment()
    rows: list[Row] = []
    for name, make in TARGETS.items():
        if only not in name:
            continue
        target, both = make(), []
        for seed in range(1, seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                pair = run_ours(target, seed, Path(folder)), run_peer(target, seed, Path(folder))
            for who, r in zip(("msgen", "flowMC"), pair, strict=True):
                print(f"{name} seed {seed} {who}: {r}", flush=True)
            both.append(pair)
        rows += compared(name, target, both)
    if only in "16-D mixture":
        with tempfile.TemporaryDirectory() as folder:
            rows += one_mode(TARGETS["16-D mixture"](), Path(folder))
    publish("flowmc", rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, *sys.argv[2:3])
