"""Shipped campaigns made small, run as a user runs them, and what of them may not depend on how."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import CONFIGS

from msgen.orchestrator.cli import main
from msgen.orchestrator.loop.archive import Absorbed, Archive
from msgen.orchestrator.loop.signals import Signals
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.run import run_campaign
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import Checked

MAIN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
WINDOWS = "papers/crabtree_variable_barrier"
DRAWS = "papers/gabrie_mode_collapse_adaptive"
ANNEALED = "papers/gabrie_mode_collapse_annealed"
PAIR = "papers/gabrie_free_energy_pair"
FLOW = "papers/gabrie_mixture_16d"
TEMPERING = "examples/double_well_tempering"
HILLS = "examples/alanine_dipeptide_metadynamics"
POLYMER = "papers/steered_polymer"
SMALL = {
    "double_well": (
        "replicas=16",
        "strategy.local.steps=5",
        "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}",
        "converge.state_error=0.0001 kT",
        "output.tensorboard=false",
    ),
    "alanine_dipeptide": (
        "replicas=8",
        "strategy.local.steps=100",
        "model.hidden=[8]",
        "model.epochs=2",
        "output.tensorboard=false",
    ),
    WINDOWS: (
        "strategy.windows={z1: 8}",
        "strategy.local.steps=40",
        "strategy.training.steps=800",
        "strategy.turns=1",
        "model={kind: score, layers: 2, width: 16, epochs: 10}",
        "converge.state_error=0.0001 kT",
        "output.tensorboard=false",
    ),
}
_DRAWN = (
    "model={kind: realnvp, transforms: 2, hidden: [8], epochs: 3}",
    "strategy.draws=512",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[DRAWS] = (*_DRAWN, "strategy.training.rounds=3")
SMALL[ANNEALED] = (*_DRAWN, "strategy.training.updates=80")
SMALL[PAIR] = (
    "replicas=8",
    "strategy.local={kind: hmc, steps: 2, leapfrog: 3}",
    "model={kind: realnvp, transforms: 2, hidden: [8], epochs: 3}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[FLOW] = (
    "replicas=12",
    "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 2}, global_steps: 5}",
    "model={kind: copula_flow, transforms: 2, hidden: [8]}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[TEMPERING] = (
    "replicas=8",
    "strategy.local.steps=5",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
SMALL[HILLS] = (
    "replicas=3",
    "strategy={kind: metadynamics, height: 0.5 kT, bias_factor: 2, frequency: 20}",
    "strategy.local={kind: langevin, steps: 100}",
    "system.platform=Reference",
    "output.tensorboard=false",
)
# the distance held exactly at λ; a thin fluid, so that Reference is quick, and a low barrier, so
# that the adaptation ends
SMALL[POLYMER] = (
    "replicas=4",
    "system={kind: polymer, solvent: 8, box: 5.2, k: 0.5, platform: Reference}",
    "strategy.local.steps=20",
    "strategy.path.steps=100",
    "strategy.explore={pushes: 8, push_steps: 50, relax_steps: 20}",
    "model={kind: copula_flow, transforms: 2, hidden: [8]}",
    "converge.state_error=0.0001 kT",
    "output.tensorboard=false",
)
# the files' own 2 to 60 minutes would end a campaign where the machine is busy
SMALL = {name: (*sets, "budget.wall=10 h") for name, sets in SMALL.items()}
PRODUCES = {
    "double_well": "budget.rounds=30",
    "alanine_dipeptide": "budget.rounds=16",
    WINDOWS: "budget.rounds=16",
    DRAWS: "budget.rounds=10",
    ANNEALED: "budget.rounds=14",
    PAIR: "budget.rounds=13",
    FLOW: "budget.rounds=26",
    TEMPERING: "budget.rounds=12",
    HILLS: "budget.rounds=24",
    POLYMER: "budget.rounds=24",
}
"""Enough rounds to reach `produce`."""


def start(campaign: str, where: Path, *sets: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", MAIN, str(CONFIGS / f"{campaign}.yaml")]
    command += ["--output-dir", str(where)]
    for text in (*SMALL[campaign], *sets):
        command += ["--set", text]
    log = (where.parent / f"{where.name}.log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def run_here(file: Path, where: Path, *sets: str) -> int:
    """Run a campaign file in this process; the exit status."""
    words = [word for text in sets for word in ("--set", text)]
    return main(["run", str(file), "--output-dir", str(where), *words])


def run_checked(what: Checked, signals: Signals | None = None) -> str:
    """Run what `prepare` has looked at in this process; its status."""
    assert what.run_dir is not None
    return run_campaign(what, run_dir=what.run_dir, quiet=True, signals=signals)


def stop_at(what: Checked, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it until a stop is asked for at its commit number `at`, from 1."""
    commit, signals, seen = Archive.commit, Signals(), list[int]()

    def counted(self: Archive, absorbed: Absorbed) -> Any:
        seen.append(1)
        if len(seen) == at:
            signals.stop.request()
        return commit(self, absorbed)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "commit", counted)
        assert run_checked(what, signals) == "interrupted"


def run_name(campaign: str) -> str:
    """Its run directory."""
    return Path(campaign).name.replace("_", "-")


def content(campaign: str, where: Path) -> dict[str, Any]:
    """`outcome` of a campaign run below `where`."""
    return outcome(where / run_name(campaign))


def outcome(run: Path) -> dict[str, Any]:
    """What may not depend on how it was run: all samples, and the results but for the seconds."""
    results = json.loads((run / "results" / "free_energy.json").read_text())
    cost = results.pop("cost")
    store = Store(run / "store.zarr")
    spent = (cost["rounds"], cost["energy_evaluations"])
    phases = [p.phase for p in read_history(run)]
    samples = {"digest": store.digest, "index": store.index().tolist()}
    return {**samples, "cost": spent, "phases": phases, **results}


def whole(campaign: str, where: Path, *sets: str) -> dict[str, Any]:
    assert start(campaign, where, *sets).wait(240) in (0, 3)
    return content(campaign, where)
