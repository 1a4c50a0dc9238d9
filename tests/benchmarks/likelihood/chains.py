"""What the stored samples of a campaign say about mixing between two states."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from likelihood.campaigns import Target
from msgen.orchestrator.estimators.diagnostics import autocorrelation_time, split_r_hat
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.run_directory.store import Store


@dataclass(frozen=True)
class Run:
    """One campaign.

    Attributes
    ----------
    ess, g, flips, r_hat : float
        Of the indicator of the state, over all replicas of production (of parallel tempering: the
        walkers at the lowest temperature): effective samples, statistical inefficiency in
        recorded samples, changes of state, split R̂.
    evaluations, produced : int
        All, and those of production alone.
    rate : float
        Effective samples per 1,000 evaluations of production.
    per_sample, per_sample_all : float
        Evaluations per effective sample, in production and with all that came before.
    probability, probability_error : float or None
        P(state) as the campaign reports it.
    """

    target: str
    method: str
    seed: int
    converged: bool
    acceptance: dict[str, float]
    ess: float
    g: float
    flips: int
    r_hat: float
    evaluations: int
    produced: int
    rate: float
    per_sample: float
    per_sample_all: float
    probability: float | None
    probability_error: float | None
    log_z: list[float] | None
    cpu_s: float
    training_s: float


def series(run_dir: Path, first: int) -> list[np.ndarray]:
    """The CV of every replica in time order, rounds from `first` on."""
    store = Store(run_dir / "store.zarr")
    kinds = [n.split("/")[0] for n in store.names() if n.endswith("/cvs")]
    kind = next(k for k in ("walk", "temper", "sample") if k in kinds)
    xi = np.asarray(store.read(f"{kind}/cvs", first)).reshape(-1)
    replica = np.asarray(store.read(f"{kind}/replica", first)).astype(np.int64)
    levels = 1
    if kind == "temper":
        ladders = int(yaml.safe_load((run_dir / "campaign.resolved.yaml").read_text())["replicas"])
        levels = (int(replica.max()) + 1) // ladders
    return [xi[replica == r] for r in np.unique(replica) if r % levels == 0]


def summary(run_dir: Path, state: Target, cpu: float, target: str, method: str, seed: int) -> Run:
    """What the campaign in `run_dir` gave."""
    result = json.loads((run_dir / "results" / "free_energy.json").read_text())
    history = read_history(run_dir)
    before = [h for h in history if h.phase != "produce"]
    total = int(result["cost"]["energy_evaluations"])
    produced = total - (before[-1].energy_evaluations if before else 0)
    common: dict[str, Any] = {
        "target": target,
        "method": method,
        "seed": seed,
        "converged": bool(result["diagnostics"]["converged"]),
        "acceptance": result["diagnostics"]["acceptance"],
        "evaluations": total,
        "produced": produced,
        "cpu_s": cpu,
        "training_s": float(result["cost"]["training_s"]),
        "log_z": _log_z(result),
    }
    if len(before) == len(history):
        none: dict[str, Any] = dict.fromkeys(("ess", "rate", "flips"), 0)
        none |= dict.fromkeys(("g", "r_hat", "per_sample", "per_sample_all"), math.inf)
        return Run(**common, **none, probability=None, probability_error=None)
    chains = series(run_dir, len(before))
    inside = [((c >= state.low) & (c < state.high)).astype(np.float64) for c in chains]
    g = autocorrelation_time(inside)
    ess = sum(len(c) for c in inside) / g
    p, error = _probability(result)
    return Run(
        **common,
        ess=ess,
        g=g,
        flips=sum(int(np.abs(np.diff(c)).sum()) for c in inside),
        r_hat=split_r_hat(inside, rank=False),
        rate=1000.0 * ess / produced,
        per_sample=produced / ess,
        per_sample_all=total / ess,
        probability=p,
        probability_error=error,
    )


def _log_z(result: dict[str, Any]) -> list[float] | None:
    found = result.get("log_z")
    if not found:
        return None
    return [float(found["value"]), math.nan if found["stderr"] is None else float(found["stderr"])]


def _probability(result: dict[str, Any]) -> tuple[float | None, float | None]:
    """P of the first state and its error, from ΔF of the two."""
    first, rest = list(result["states"].values())[:2]
    if first["f_kT"] is None or rest["f_kT"] is None:
        # never left, or never found
        return (1.0 if rest["f_kT"] is None else 0.0), None
    delta, error = rest["f_kT"] - first["f_kT"], rest["stderr_kT"] or first["stderr_kT"]
    p = 1.0 / (1.0 + math.exp(-delta))
    return p, p * (1.0 - p) * error if error is not None else None
