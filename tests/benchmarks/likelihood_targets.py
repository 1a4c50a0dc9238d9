"""φ⁴, DW4 and LJ13: each model's adaptive campaign beside MALA, HMC and parallel tempering.

`make bench NAME=likelihood_models ARGS=targets[:CASE…]`, a CASE being a target (phi4), a target and
a method (phi4-realnvp), or that and a seed (phi4-realnvp-2). Every run is a campaign of
configs/papers/gabrie_TARGET.yaml with the method in place of its own; it ends when it has converged
or spent its evaluations. What a run gave is kept in runs/benchmarks/likelihood_targets/ and is not
done again, so that the table can be made piece by piece; remove the folder for a fresh one.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from likelihood.campaigns import METHODS, STATES, TARGETS, Target, methods, settings
from likelihood.chains import Run, summary
from likelihood.table import markdown
from rows import ROOT, Row

from msgen.orchestrator.cli import main_run

SEEDS = (1, 2, 3)
KEPT = ROOT / "runs" / "benchmarks" / "likelihood_targets"


def campaign(target: str, method: str, seed: int) -> Run:
    """One campaign; what it gave."""
    kept = KEPT / f"{target}-{method}-{seed}.json"
    if kept.exists():
        return Run(**json.loads(kept.read_text()))
    file = ROOT / "configs" / "papers" / f"gabrie_{target}.yaml"
    given = [x for s in settings(target, method, seed) for x in ("--set", s)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        start = time.process_time()
        code = main_run([str(file), "--executor", "inline", "--output-dir", folder, *given])
        if code not in (0, 3):
            # stopped or failed: what it has so far is no result to keep
            raise SystemExit(f"{target}-{method}-{seed}: msgen-run ended with {code}")
        cpu = time.process_time() - start
        run = summary(Path(folder) / "run", STATES[target], cpu, target, method, seed)
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(asdict(run), indent=1) + "\n")
    return run


def chosen(cases: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Target, method and seed of every run asked for."""
    everything = [(t, m, s) for t in TARGETS for m in methods(t) for s in SEEDS[: METHODS[m].seeds]]
    if not cases:
        return everything
    names = {f"{t}-{m}-{s}": (t, m, s) for t, m, s in everything}
    wanted = [n for n in names if any((n + "-").startswith(c + "-") for c in cases)]
    if not wanted:
        known = f"{', '.join(TARGETS)}, each with -METHOD of {', '.join(METHODS)}"
        raise SystemExit(f"no such case: {', '.join(cases)}; there are {known}")
    return [names[n] for n in wanted]


def rows(*cases: str) -> list[Row]:
    """Run what is asked for, print the table, and hold what was found against what is known."""
    runs = [campaign(*what) for what in chosen(cases)]
    print(markdown(runs))
    out: list[Row] = []
    for target in TARGETS:
        for method in METHODS:
            mine = [r for r in runs if (r.target, r.method) == (target, method)]
            if mine:
                out += _rows(f"{target} {method}", mine, STATES[target])
    return out


def _rows(name: str, runs: list[Run], target: Target) -> list[Row]:
    exact = target.probability
    done = [r for r in runs if r.probability is not None]
    ends = f"{sum(r.converged for r in runs)} of {len(runs)} converged"
    if not done:
        return [Row(f"{name}: nothing produced", 0.0, "", ends)]
    each = f"{np.mean([r.per_sample for r in done]):.0f} a sample"
    out = [Row(f"{name}: ESS per 1,000", float(np.mean([r.rate for r in done])), "", each)]
    p = np.array([r.probability for r in done])
    error = np.array([r.probability_error or 0.0 for r in done])
    mean, own = float(p.mean()), float(np.sqrt((error**2).sum())) / len(done)
    slack = max(0.02, 4.0 * float(np.hypot(own, exact[1])))
    bound = f"{exact[0]:.3f}±{slack:.3f}"
    out.append(Row(f"{name}: P", mean, "", ends, bound, bool(abs(mean - exact[0]) < slack)))
    told = [r.log_z for r in done if r.log_z is not None]
    if told and target.log_z is not None:
        # of each run by its own error, so that one run that errs is not averaged away
        worst = max(abs(value - target.log_z) / error for value, error in told)
        mean = float(np.mean([value for value, _ in told]))
        known = f"exact {target.log_z:.3f}"
        out.append(Row(f"{name}: ln Z", mean, "", known, f"{worst:.1f} < 4 σ", bool(worst < 4)))
    return out
