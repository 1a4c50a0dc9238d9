"""F along the whole CV three ways at equal evaluations: paths both ways, counting, exact.

Every campaign gives both estimates from the same run, so that their cost is the same. A chain
(`stratify: off`) counts the histogram of its own walkers; with strata, counting inside them is
joined by BAR over all paths. The bidirectional estimate takes nothing but paths.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row

from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import Array
from msgen.systems.potentials.mixtures import GaussianTunnel
from msgen.systems.potentials.phi4 import Phi4
from steered import campaigns
from steered.campaigns import KEPT, PAPERS, together

SEEDS = (1, 2, 3)
BELOW = 6.0
"""kT above the lowest bin: what is higher is not looked at."""
REFERENCE = Path(__file__).resolve().parents[2] / "references" / "dimer.json"
ENDLESS = ("converge.state_error=0.0001 kT", "budget.wall=60 min")


@dataclass(frozen=True)
class Case:
    """A campaign of configs/papers with so many evaluations, its paths fixed: nothing is tuned."""

    campaign: str
    evaluations: float
    path: str
    width: str = "auto"
    ways: tuple[str, ...] = ("chain",)
    schemes: tuple[str, ...] = ("moving",)
    replicas: int = 16


CASES = {
    "tunnel": Case(
        "steered_tunnel",
        3e6,
        "steps: 100, friction: 0.003, timestep: 0.7",
        "0.1",
        ("chain", "strata"),
        ("moving", "extended"),
    ),
    "phi4": Case("steered_phi4", 4e6, "steps: 200, friction: 0.001, timestep: 0.5"),
    "dimer": Case(
        "steered_dimer",
        7e5,
        "steps: 400, friction: 0.05 /ps, timestep: 0.01 ps",
        ways=("strata",),
        replicas=8,
    ),
}
WAYS = {"chain": ("strategy.stratify=off",), "strata": ("strategy.stratify=on",)}


def run_one(name: str, scheme: str, way: str, seed: int) -> dict[str, Any]:
    """The profile of one campaign and what it cost; kept, see `campaigns.spared`."""
    case = CASES[name]
    path = KEPT / f"profile_{name}_{scheme}_{way}-{seed}.json"
    width = f", width: {case.width}" if scheme == "extended" else ""
    settings = (
        *ENDLESS,
        f"replicas={case.replicas}",
        "model={kind: spline_flow, transforms: 2, hidden: [16], epochs: 10}",
        f"budget.energy_evaluations={case.evaluations}",
        f"strategy.path={{scheme: {scheme}, {case.path}{width}}}",
        *WAYS[way],
    )
    if os.environ.get("STEERED") == "kept" and path.is_file():
        old: dict[str, Any] = json.loads(path.read_text())
        if old.get("settings") == list(settings):
            return old
    with tempfile.TemporaryDirectory() as folder:
        one = campaigns.run(case.campaign, seed, settings, keep=Path(folder))
        told = json.loads((Path(folder) / "run" / "results" / "free_energy.json").read_text())
    found = {
        "settings": list(settings),
        "profile": told["profile"],
        "evaluations": one.evaluations,
        "paths": one.paths,
        "acceptance": one.acceptance,
        "path": one.path,
    }
    if found["profile"] is None:
        raise RuntimeError(f"{name}, {scheme}, {way}, seed {seed}: too few evaluations to produce")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found) + "\n")
    return found


def exact(name: str, centres: Array) -> Array:
    """−ln P of equal bins with these centres; of the dimer by long plain dynamics."""
    width = centres[1] - centres[0]
    fine = centres[:, None] + width * (np.arange(40) + 0.5 - 20.0) / 40.0
    if name == "tunnel":
        t = GaussianTunnel()
        each = np.exp(-0.5 * (fine[..., None] - t.centres) ** 2) @ np.asarray(t.weights)
    elif name == "phi4":
        spec = load_campaign(PAPERS / "steered_phi4.yaml").spec_system()
        s = Phi4(n=spec["n"], a=spec["a"], beta=spec["beta"])
        each = s.mean_density(fine.reshape(-1) / np.sqrt(s.n)).reshape(fine.shape)
    else:
        known = json.loads(REFERENCE.read_text())["flat"]
        at = json.loads(REFERENCE.read_text())["centres"]
        each = np.exp(-np.interp(fine, at, known["f_kT"], left=np.inf, right=np.inf))
    p = np.maximum(each.mean(axis=1), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(p / p.sum()))


def misses(told: dict[str, Any], way: str, truth: Array) -> tuple[Array, Array]:
    """F − exact, kT, and σ of F, in the bins below `BELOW`; NaN where F is not known."""
    f, error = (np.array(told[way][key], dtype=np.float64) for key in ("f_kT", "stderr_kT"))
    low = truth - truth.min() < BELOW
    both = low & np.isfinite(f) & np.isfinite(error)
    # the level is a convention: the population of the bins that are looked at
    f = f + np.log(np.exp(-f[both]).sum()) - np.log(np.exp(-truth[both]).sum())
    return np.where(both, f - truth, np.nan)[low], np.where(both, error, np.nan)[low]


def run_part(name: str, scheme: str, way: str, seeds: tuple[int, ...]) -> list[Row]:
    """Rows of one system."""
    found = together([partial(run_one, name, scheme, way, seed) for seed in seeds])
    label = f"{name}, {scheme}, {way}"
    out = []
    (axis,) = found[0]["profile"]["axes"].values()
    truth = exact(name, np.asarray(axis))
    for kind in ("bidirectional", "counting"):
        off, error = (
            np.array(x)
            for x in zip(*(misses(f["profile"], kind, truth) for f in found), strict=True)
        )
        known = np.isfinite(off)
        rms = np.sqrt(np.mean(off[known] ** 2))
        told = np.sqrt(np.mean(error[known] ** 2))
        z = np.abs(off[known] / error[known])
        out += [
            Row(f"{label}: {kind}, RMS error of F", float(rms), "kT", f"σ told {told:.3f}"),
            Row(f"{label}: {kind}, bins known", float(known.mean()), "", f"below {BELOW:.0f} kT"),
            Row(
                f"{label}: {kind}, bins within σ", float(np.mean(z < 1)), "",
                f"1.96 σ: {np.mean(z < 1.96):.2f}",
            ),
        ]  # fmt: skip
    evaluations = np.mean([f["evaluations"] for f in found]) / 1e6
    paths = np.mean([f["paths"] for f in found])
    out.append(Row(f"{label}: evaluations", float(evaluations), "M", f"{paths:.0f} paths"))
    return out


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are systems and seeds."""
    seeds = tuple(int(a) for a in arguments if a.isdigit()) or SEEDS
    names = [a for a in arguments if not a.isdigit()] or list(CASES)
    return [
        row
        for name in names
        for scheme in CASES[name].schemes
        for way in CASES[name].ways
        for row in run_part(name, scheme, way, seeds)
    ]
