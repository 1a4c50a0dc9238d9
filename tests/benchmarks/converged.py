"""Intervals of campaigns at their own `converged`: where stopping may choose among estimates.

`make bench NAME=converged [ARGS=TRIAL[:REPEATS]…]`: campaigns of known answer with criteria loose
enough that many end early. What a campaign gave is kept (see trials.py).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from exact_populations import exact_state_probability
from places import CONFIGS, ROOT
from rows import Row, publish
from sections import build_cvs, build_system
from trials import Trial, coverage, named, run_all

SMALL = "model={kind: spline_flow, transforms: 1, hidden: [16], epochs: 4}"
X = {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 40}}
REPEATS = {"steered": 100}
"""Of each trial, where not 40."""


def double_well() -> float:
    """F(rest) − F(left), kT, by quadrature."""
    system = build_system({"kind": "double_well"}, ROOT)
    cvs = build_cvs({"x": {"kind": "coordinate", "index": 0}}, system, ROOT)
    p = exact_state_probability(system, cvs, {"x": (-np.inf, 0.0)})
    return float(np.log(p / (1.0 - p)))


def wells(strategy: dict[str, Any], replicas: int, error: float) -> dict[str, Any]:
    """A campaign of the double well."""
    return {
        "name": "double-well",
        "system": {"kind": "double_well"},
        "cvs": X,
        "states": {"left": {"x": [-2, 0]}},
        "strategy": strategy,
        "replicas": replicas,
        "converge": {"state_error": f"{error} kT", "surface_error": "1 kT", "below": "4 kT"},
        "budget": {"energy_evaluations": 5_000_000, "wall": "2 h"},
    }


def trials() -> list[Trial]:
    """Those of the table."""
    local = {"kind": "hmc", "steps": 5}
    truth = {"rest": double_well()}
    steered = {"kind": "steered", "local": local}
    # wide windows and short seeding, so that the error decides when a campaign ends
    windows = {"windows": {"x": 5}, "width": 0.5, "seeds": "neighbour", "relax": 50}
    umbrella = {"kind": "umbrella", **windows, "local": local}
    adaptive = CONFIGS / "papers" / "gabrie_mode_collapse_adaptive.yaml"
    return [
        Trial("steered", wells(steered, 32, 0.1), truth, (SMALL,)),
        *(Trial(f"steered_{n}", wells(steered, n, 0.2), truth, (SMALL,)) for n in (4, 8)),
        Trial("umbrella", wells(umbrella, 4, 0.2), truth),
        Trial(
            "importance",
            adaptive,
            {"rest": float(np.log(0.3 / 0.7))},
            ("system.dim=4", "model={kind: realnvp, transforms: 3, hidden: [16], epochs: 20}",
             "converge.state_error=0.05 kT"),
        ),
    ]  # fmt: skip


def main(asked: list[str]) -> None:
    """Run what is asked for, print the table."""
    names, repeats = named(asked)
    chosen = [t for t in trials() if not names or t.name in names]
    seeds = {t.name: range(1, 1 + repeats.get(t.name, REPEATS.get(t.name, 40))) for t in chosen}
    ended = list(run_all("converged", chosen, seeds))
    rows = []
    for trial in chosen:
        mine = [e for e in ended if e.trial == trial.name]
        said = [e for e in mine if e.converged]
        rows.append(Row(f"{trial.name}: converged", len(said), "", f"of {len(mine)}"))
        if said:
            z = [z for e in said for z in e.z(trial.truth)]
            rows += coverage(z, trial.name)
            rows.append(Row(f"{trial.name}: z, mean", float(np.mean(z))))
            rows.append(Row(f"{trial.name}: z, sd", float(np.std(z, ddof=1))))
            cost = float(np.median([e.evaluations for e in said]))
            rows.append(Row(f"{trial.name}: median evaluations", cost))
    publish("converged", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
