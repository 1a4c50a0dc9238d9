"""Mode collapse: reverse KL alone on a 30:70 mixture, and three cures, as campaigns.

A case is the ending of configs/papers/gabrie_mode_collapse_*.yaml. Weights are P(low), exactly 0.3;
a model's own share is that of its draws before they are weighted.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rows import ROOT, Row

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory.store import Store
from msgen.systems.base import Array

CASES = {
    "alone": "reverse KL alone",
    "annealed": "reverse KL, annealed",
    "data": "reverse KL, with data",
    "adaptive": "adaptive loop",
}
SEEDS = (1, 2, 3)
TRUE_LOW = 0.3
MISSED, FOUND = 0.01, 0.02


@dataclass(frozen=True)
class Outcome:
    """One campaign.

    Attributes
    ----------
    status : str
    low, raw : float
        P(low) of the result, and the share of the draws.
    ess : float
        Effective over all draws.
    log_z, evaluations : float
    unmet : str
    draws, weights : Array
        CV and normalised weight of draws of production.
    """

    status: str
    low: float
    raw: float
    ess: float
    log_z: float
    evaluations: float
    unmet: str
    draws: Array
    weights: Array


def campaign(case: str, seed: int) -> Outcome:
    """Run a case with a seed."""
    with tempfile.TemporaryDirectory() as folder:
        config = ROOT / "configs" / "papers" / f"gabrie_mode_collapse_{case}.yaml"
        sets = (f"seed={seed}", "name=run", "output.tensorboard=false")
        words = [str(config), "--output-dir", folder, *(w for s in sets for w in ("--set", s))]
        with contextlib.redirect_stdout(io.StringIO()):
            main_run(words)
        run = Path(folder) / "run"
        result = json.loads((run / "results" / "free_energy.json").read_text())
        found = result["diagnostics"]
        store, n = Store(run / "store.zarr"), int(found["draws"])
        mean = store.read("draw/cvs")[-n:, 0]
        log_w = store.read("draw/log_weight")[-n:]
    f = result["states"]["rest"]["f_kT"]
    w = np.exp(log_w - log_w.max())
    return Outcome(
        result["status"],
        1.0 / (1.0 + np.exp(-f)) if f is not None else float("nan"),
        float(np.mean(mean < 0)),
        float(found["ess_per_draw"]),
        float(result["log_z"]["value"]),
        float(result["cost"]["energy_evaluations"]),
        "; ".join(found["unmet"]),
        mean,
        w / w.sum(),
    )


def rows(*cases: str) -> list[Row]:
    """P(low) of each case over the seeds, what its model drew, and what the campaign said."""
    out, shown = [], {}
    for case in cases or CASES:
        runs = [campaign(case, seed) for seed in SEEDS]
        shown[case] = runs[0]
        out += _rows(CASES[case], runs, alone=case == "alone")
    _draw(shown)
    return out


def _rows(name: str, runs: list[Outcome], alone: bool) -> list[Row]:
    n = len(runs)
    off = np.array([min(r.low, 1.0 - r.low) if alone else abs(r.low - TRUE_LOW) for r in runs])
    said = sum("mode collapse suspected" in r.unmet for r in runs)
    converged = sum(r.status == "converged" for r in runs)
    ess = float(np.mean([r.ess for r in runs]))
    cost = float(np.mean([r.evaluations for r in runs]))
    raw = ", ".join(f"{r.raw:.2f}" for r in runs)
    if alone:
        first = Row(
            f"{name}: P of the lesser mode, most of {n} seeds",
            float(off.max()),
            "",
            "0.3 exact",
            f"≤ {MISSED}",
            bool(off.max() <= MISSED),
        )
        told = Row(f"{name}: said", said, f"of {n}", f"{converged} converged", f"= {n}", said == n)
    else:
        low = ", ".join(f"{r.low:.3f}" for r in runs)
        first = Row(
            f"{name}: P(low) off by, most of {n} seeds",
            float(off.max()),
            "",
            low,
            f"≤ {FOUND}",
            bool(off.max() <= FOUND),
        )
        told = Row(f"{name}: converged", converged, f"of {n}", "", f"= {n}", converged == n)
    log_z = max(abs(r.log_z) for r in runs)
    return [
        first,
        told,
        Row(
            f"{name}: share of low among its draws", float(np.mean([r.raw for r in runs])), "", raw
        ),
        Row(f"{name}: effective over all draws", ess),
        Row(f"{name}: |ln Z|, most of {n} seeds", log_z, "", "0 exact"),
        Row(f"{name}: energy evaluations", cost),
    ]


def _draw(shown: dict[str, Outcome]) -> None:
    """The density of the mean coordinate: exact, of the model's draws, and weighted."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    edges = np.linspace(-4, 4, 81)
    middle = 0.5 * (edges[1:] + edges[:-1])
    width = 1.0 / np.sqrt(16)
    exact = sum(
        p * np.exp(-0.5 * ((middle - m) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        for m, p in ((-2.5, TRUE_LOW), (2.5, 1 - TRUE_LOW))
    )
    figure, axes = plt.subplots(1, len(shown), figsize=(3.2 * len(shown), 2.8), sharey=True)
    for ax, (case, run) in zip(np.atleast_1d(axes), shown.items(), strict=True):
        ax.fill_between(middle, exact, color="0.85", label="exact")
        for weights, style, label in ((None, "C1--", "drawn"), (run.weights, "C0-", "weighted")):
            density, _ = np.histogram(run.draws, edges, weights=weights, density=True)
            ax.plot(middle, density, style, label=label)
        ax.set_title(f"{CASES[case]}\nESS {100 * run.ess:.0f} % of draws, {run.status}", fontsize=9)
        ax.set_xlabel("mean coordinate")
    np.atleast_1d(axes)[0].set_ylabel("density")
    np.atleast_1d(axes)[0].legend(fontsize=8, frameon=False)
    path = ROOT / "runs" / "benchmarks" / "likelihood_collapse.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"written: {path.relative_to(ROOT)}")
