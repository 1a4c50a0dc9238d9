"""Campaigns of configs/papers, run inline with overrides, and what their steered moves cost.

Every part of `steered_systems` tells its figures from the `Run`s that this module returns. Of a
chain (`stratify: off`) a crossing is an accepted move between two states; it is counted by its
expectation min(1, e^{−w}), which has less noise than counting those that were accepted.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from rows import ROOT

PAPERS = ROOT / "configs" / "papers"
KEPT = ROOT / "runs" / "benchmarks" / "steered"
MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
QUIET = ("output.tensorboard=false", "name=run")
NAN = float("nan")
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One campaign; steps and evaluations per crossing are those of the paths in production.

    Attributes
    ----------
    states : dict of str to (F, σ)
        kT, against the first state; None where unknown.
    acceptance : float
        Of steered moves.
    crossings : float
        Accepted moves between states.
    steps_per_path, evaluations_per_path : float
    steps_per_crossing, evaluations_per_crossing : float
        Of all paths, whether they cross or not; NaN for what is no chain.
    failures : float
        Share of paths that broke: a constraint that failed, an energy that is not finite.
    evaluations : float
        Of the whole campaign: adaptation, training data and local moves too.
    path : dict
        The settings of the paths that were frozen.
    """

    campaign: str
    seed: int
    status: str
    unmet: list[str]
    states: dict[str, tuple[float | None, float | None]]
    acceptance: float
    paths: float
    crossings: float
    steps_per_path: float
    evaluations_per_path: float
    steps_per_crossing: float
    evaluations_per_crossing: float
    failures: float
    evaluations: float
    sampling_s: float
    training_s: float
    rounds: float
    path: dict[str, Any]
    diagnostics: dict[str, Any]

    def free_energy(self, state: str, against: str) -> tuple[float, float]:
        """F(state) − F(against) and its error, kT; NaN where unknown."""
        f, error = zip(*(self.states[name] for name in (state, against)), strict=True)
        if None in f:
            return NAN, NAN
        # the first state is told with an error of 0: None is unknown
        return float(f[0]) - float(f[1]), float(np.hypot(*(NAN if e is None else e for e in error)))

    def probability(self, state: str) -> tuple[float, float]:
        """P(state) and its error, by ΔF against the rest; of two states."""
        (other,) = set(self.states) - {state}
        f, error = self.free_energy(state, other)
        p = 1.0 / (1.0 + math.exp(f)) if np.isfinite(f) else NAN
        return p, p * (1.0 - p) * error

    def z(self, state: str, against: str, exact: float, error: float = 0.0) -> float:
        """By how many of its errors F(state) − F(against) misses `exact`."""
        f, told = self.free_energy(state, against)
        return (f - exact) / float(np.hypot(told, error)) if told > 0 else NAN


def run(
    campaign: str | Path, seed: int, settings: Sequence[str] = (), *, keep: Path | None = None
) -> Run:
    """Run a campaign to its end in a process of its own.

    Parameters
    ----------
    campaign : str or Path
        A file of configs/papers by its name without .yaml, or a path.
    seed : int
    settings : sequence of str
        `a.b=value`, as for `--set`.
    keep : Path, optional
        Where the run directory is to stay; by default it goes.

    Raises
    ------
    RuntimeError
        If the campaign fails.
    """
    file = campaign if isinstance(campaign, Path) else PAPERS / f"{campaign}.yaml"
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) if keep is None else keep
        command = [sys.executable, "-c", MAIN, str(file), "--executor", "inline"]
        command += ["--output-dir", str(where), "--resume", "never"]
        for text in (*QUIET, f"seed={seed}", *settings):
            command += ["--set", text]
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=alone)
        if done.returncode not in (0, 3):
            said = (done.stdout + done.stderr)[-2000:]
            raise RuntimeError(f"{file.name}, seed {seed}, {list(settings)}:\n{said}")
        found = json.loads((where / "run" / "results" / "free_energy.json").read_text())
    return of_result(found, file.stem, seed)


def of_result(found: Mapping[str, Any], campaign: str, seed: int) -> Run:
    """From what a campaign left in results/free_energy.json."""
    about, cost = found["diagnostics"], found["cost"]

    def told(name: str) -> float:
        value = about.get(name)
        return NAN if value is None else float(value)

    return Run(
        campaign,
        seed,
        found["status"],
        list(about.get("unmet", ())),
        {n: (s["f_kT"], s["stderr_kT"]) for n, s in found["states"].items()},
        float(about.get("acceptance", {}).get("steered", NAN)),
        told("paths"),
        told("crossings"),
        told("steps_per_path"),
        told("evaluations_per_path"),
        told("path_steps_per_crossing"),
        told("path_evaluations_per_crossing"),
        told("broken_paths") / max(told("paths"), 1.0),
        float(cost["energy_evaluations"]),
        float(cost["sampling_s"]),
        float(cost["training_s"]),
        float(cost["rounds"]),
        dict(about.get("path") or {}),
        dict(about),
    )


def runs(
    campaign: str | Path,
    seeds: Sequence[int],
    settings: Sequence[str] = (),
    *,
    label: str = "",
) -> list[Run]:
    """One campaign over seeds, told as they come and kept as runs/benchmarks/steered/*.json.

    `label` tells runs of one campaign with other settings apart. See `spared`.
    """
    name = label or Path(campaign).stem
    return together([partial(_told, campaign, seed, settings, name) for seed in seeds])


def _told(campaign: str | Path, seed: int, settings: Sequence[str], name: str) -> Run:
    if again := spared(name, seed, settings):
        return again
    began = time.perf_counter()
    one = run(campaign, seed, settings)
    print(f"{name} {describe(one)}, {time.perf_counter() - began:.0f} s", flush=True)
    note(one, name, settings)
    return one


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What they return, in order; as many at once as there are cores.

    For campaigns, each a process of one thread whose figures are counts and not times.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda job: job(), jobs))


def note(one: Run, label: str, settings: Sequence[str]) -> None:
    """Keep what a campaign gave: long tables are not to be lost with the last of their rows."""
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"label": label, "settings": list(settings), **asdict(one)}, indent=1)
    (KEPT / f"{_plain(label)}-{one.seed}.json").write_text(text + "\n")


def kept(label: str, seed: int) -> Run | None:
    """What `note` has kept under a label, None if nothing."""
    path = KEPT / f"{_plain(label)}-{seed}.json"
    if not path.is_file():
        return None
    tree = json.loads(path.read_text())
    states = {name: tuple(pair) for name, pair in tree["states"].items()}
    about = {k: v for k, v in tree.items() if k not in ("label", "settings", "states")}
    return Run(**about, states=states)


def spared(label: str, seed: int, settings: Sequence[str]) -> Run | None:
    """What need not be run again: with STEERED=kept, what is kept if it had the same settings."""
    path = KEPT / f"{_plain(label)}-{seed}.json"
    if os.environ.get("STEERED") != "kept" or not path.is_file():
        return None
    same = json.loads(path.read_text())["settings"] == list(settings)
    return kept(label, seed) if same else None


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label)


def describe(one: Run) -> str:
    """One line."""
    states = ", ".join(
        f"{name} {f:.3f} ± {error or 0.0:.3f}" if f is not None else f"{name} unknown"
        for name, (f, error) in one.states.items()
    )
    of_paths = (
        (one.acceptance, f"acceptance {one.acceptance:.3f}"),
        (one.steps_per_path, f"{one.steps_per_path:.0f} steps a path"),
        (one.steps_per_crossing, f"{one.steps_per_crossing:.0f} steps a crossing"),
        (
            one.evaluations_per_crossing,
            f"{one.evaluations_per_crossing:.0f} evaluations a crossing",
        ),
        (one.crossings, f"{one.crossings:.0f} crossings"),
        (one.failures, f"{one.failures:.2%} broke"),
    )
    known = ", ".join(text for value, text in of_paths if math.isfinite(value))
    told = (
        f"seed {one.seed}: {one.status}",
        states,
        known,
        f"{one.evaluations / 1e6:.2f} M evaluations",
    )
    return "; ".join(part for part in told if part)


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean over seeds and its standard error; NaN for one seed alone."""
    some = np.asarray(values, dtype=np.float64)
    spread = float(some.std(ddof=1) / np.sqrt(len(some))) if len(some) > 1 else NAN
    return float(some.mean()), spread


def pooled(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of estimates with errors, weighted by them, and its error."""
    x, error = np.array(values, dtype=np.float64).T
    weight = 1.0 / error**2
    return float((weight * x).sum() / weight.sum()), float(weight.sum() ** -0.5)


def chi_squared(values: Sequence[tuple[float, float]], exact: float) -> float:
    """Σ z² of estimates with errors against what is exact."""
    x, error = np.array(values, dtype=np.float64).T
    return float((((x - exact) / error) ** 2).sum())


def settings_of(campaign: str) -> dict[str, Any]:
    """A campaign file of configs/papers as it stands."""
    loaded: dict[str, Any] = yaml.safe_load((PAPERS / f"{campaign}.yaml").read_text())
    return loaded
