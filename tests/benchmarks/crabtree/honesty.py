"""Too few windows, and a hidden variable that is slow: what a campaign says of itself."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from exact_populations import exact_state_probability
from rows import ROOT, Row

from msgen.orchestrator.base import RoundInfo, Status
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.job import Job
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run import build_strategy
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system

CAMPAIGN = ROOT / "configs" / "papers" / "crabtree_evolving_double_well.yaml"
HIDDEN = (
    "system={kind: evolving_double_well, a3: 0.47, slow_mass: 1}",
    "cvs={z1: {kind: coordinate, index: 0, range: [0, 10], bins: 20}}",
    "states={near: {z1: [0, 4]}}",
    "converge={state_error: 0.15 kT, surface_error: 0.2 kT, below: 6 kT, ess: 100, r_hat: 1.1}",
    "replicas=4",
    "model={kind: score, layers: 3, width: 32, epochs: 60}",
)
"""Crabtree's first system with a hidden barrier of 9 kT in the middle, low at both ends of z₁."""
STUCK = "strategy={kind: umbrella, windows: {z1: 12}, seeds: neighbour, exchange: off, relax: 200}"
SEEDED = (
    "strategy={kind: umbrella, windows: {z1: 12}, relax: 100, training: {steps: 2000}, turns: 6}"
)
FEW = "strategy={kind: umbrella, windows: {z1: 4}, width: {z1: 0.2}, seeds: neighbour, relax: 200}"
AUTO = "strategy={kind: umbrella, windows: auto, width: {z1: 0.2}, seeds: neighbour, relax: 200}"
LOCAL = "strategy.local={kind: mala, steps: 100}"
SHORT, LONG = 1.0e6, 1.2e7


@dataclass
class Told:
    """F(rest) − F(near), its error and what is unmet, after each round of production."""

    f: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    unmet: list[tuple[str, ...]] = field(default_factory=list)
    windows: int = 0
    evaluations: int = 0
    status: str = ""

    def round(self, info: RoundInfo) -> None:
        """See `Reporter`."""
        value = info.estimate.states["rest"]
        if value.f_kT is None or value.stderr_kT is None:
            return
        self.f.append(value.f_kT)
        self.error.append(value.stderr_kT)
        self.unmet.append(info.unmet)
        self.windows = int(info.estimate.diagnostics["windows"])
        self.evaluations = info.cost.energy_evaluations

    def close(self, status: Status, reason: str) -> None:
        """Nothing is left to do."""


def run(evaluations: float, seed: int, *sets: str) -> tuple[Told, float]:
    """A campaign to its end, and the exact answer."""
    found = load_campaign(CAMPAIGN, [*HIDDEN, *sets, f"seed={seed}"])
    told = Told()
    system = build_system(found.spec_system(), CAMPAIGN.parent)
    near = exact_state_probability(
        system, build_cvs(found.spec_cvs(), system, CAMPAIGN.parent), {"z1": (0.0, 4.0)}
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            run_dir=Path(folder),
            setup={
                "campaign": found.to_dict(),
                "system": found.spec_system(),
                "cvs": found.spec_cvs(),
                "states": found.spec_states(),
                "strategy": found.spec_strategy(),
                "model": found.spec_model(),
                "base_dir": str(CAMPAIGN.parent),
                "platform": None,
                "seed": found.seed,
                "threads": 1,
            },
            build=build_strategy,
            limits=Limits(energy_evaluations=int(evaluations)),
        )
        told.status = job.run_inline(told, StopFlag()).status
    return told, float(np.log(near / (1.0 - near)))


def honesty_rows(seeds: tuple[int, ...]) -> list[Row]:
    """What is refused the word converged, and what earns it."""
    rows = []
    cases = (("neighbours, no exchange", STUCK, SHORT), ("model, exchange", SEEDED, LONG))
    for name, strategy, most in cases:
        for seed in seeds:
            told, exact = run(most, seed, strategy, LOCAL)
            off, error, what = told.f[-1] - exact, told.error[-1], f"hidden, {name}, seed {seed}"
            half = told.f[len(told.f) // 2 - 1]
            converged = told.status == "converged"
            said = told.status if converged else f"{told.status}: {told.unmet[-1][0]}"
            if strategy is STUCK:
                bound, holds = "not converged", not converged
            else:
                bound, holds = "converged, within 3 σ", converged and abs(off) < 3 * error
            rows += [
                Row(f"{what}: F off by", off, f"± {error:.2f} kT", said, bound, holds),
                Row(f"{what}: F at half of the run and at its end", abs(told.f[-1] - half), "kT"),
                Row(f"{what}: evaluations", float(told.evaluations)),
            ]
    few, _ = run(2e5, 1, FEW, LOCAL)
    gap = next((u for u in few.unmet[-1] if "overlap" in u), "")
    refused = few.status != "converged" and bool(gap)
    rows.append(Row("4 windows: called converged", float(not refused), "", gap, "0", refused))
    auto, _ = run(2e6, 1, AUTO, LOCAL)
    gaps = sum("overlap" in u for u in auto.unmet[-1])
    made = f"{auto.windows} windows"
    rows.append(Row("windows: auto: gaps left", float(gaps), made, "", "0", not gaps))
    return rows
