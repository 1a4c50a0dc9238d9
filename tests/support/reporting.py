"""A small campaign's rounds, for the tests of what is written and shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.orchestrator.base import Array, Cost, Estimate, Phase, RoundInfo, StateEstimate
from msgen.orchestrator.reporting.results import CVInfo, Result, RunHeader

PHI, PSI = CVInfo("phi", True, "rad"), CVInfo("psi", True, "rad")
DISTANCE = CVInfo("d", False, "nm")
KT = 2.66


def header(
    *cvs: CVInfo, regions: dict[str, dict[str, tuple[float, float]]] | None = None
) -> RunHeader:
    return RunHeader("dipeptide", 320.0, KT, cvs, regions or {})


def axis(cv: CVInfo, n: int) -> Array:
    if cv.periodic:
        return -np.pi + (np.arange(n) + 0.5) * 2 * np.pi / n
    return np.linspace(0.1, 0.9, n)


def surface(cvs: tuple[CVInfo, ...], n: int = 12) -> tuple[dict[str, Array], Array, Array]:
    """Axes, F with its lowest bin at 0 and one bin never visited, and errors; all different."""
    axes = {cv.name: axis(cv, n - i) for i, cv in enumerate(cvs)}
    f = np.zeros([len(a) for a in axes.values()])
    for i, a in enumerate(axes.values()):
        f = f + ((2 + i) * np.sin(a + 0.3 * i)).reshape(
            [-1 if d == i else 1 for d in range(len(axes))]
        )
    f -= f.min()
    err = 0.05 + 0.01 * f
    f.flat[3] = err.flat[3] = np.nan
    return axes, f, err


def estimate(
    cvs: tuple[CVInfo, ...] = (PHI, PSI),
    sigma: float = 0.2,
    n: int = 12,
    unmet: tuple[str, ...] = (),
) -> Estimate:
    axes, f, err = surface(cvs, n)
    return Estimate(
        axes,
        f,
        err,
        {"C7ax": StateEstimate(0.0, 0.0), "rest": StateEstimate(-3.6, sigma)},
        {
            "ess": 312.0,
            "r_hat": {"phi": 1.02, "psi": 1.04},
            "acceptance": {"local": 0.98, "steered": 0.21},
            "round_trips": 7,
            "dynamics": {"difference_kT": 0.4},
        },
        not unmet,
        unmet,
    )


def result(cvs: tuple[CVInfo, ...] = (PHI, PSI), n: int = 12) -> Result:
    cost = Cost(3, 120_000, 10.0, 18.0, 1.0, 0.3)
    return Result(header(*cvs), "converged", "all criteria hold", estimate(cvs, n=n), cost)


def info(
    rnd: int,
    phase: Phase = "produce",
    sigma: float = 0.2,
    unmet: tuple[str, ...] = ("rest: error 0.20 kT, asked 0.10",),
    ungrounded: tuple[str, ...] = (),
) -> RoundInfo:
    rng = np.random.default_rng(rnd)
    n = rnd + 1
    return RoundInfo(
        round=rnd,
        phase=phase,
        estimate=replace(estimate(sigma=sigma, unmet=unmet), ungrounded=ungrounded).told(),
        projected_kT=sigma,
        counts={"steered/proposed": 10.0},
        evaluations=50_000,
        cost=Cost(n, 50_000 * n, 4.0 * n, 7.0 * n, 0.5, 0.08 * n),
        replicas=4,
        model_version=rnd - 1,
        model_loss=1.5 if rnd else None,
        budget={"energy_evaluations": 0.1 * (rnd + 1)},
        cvs=rng.uniform(-np.pi, np.pi, (40, 2)),
        samples={
            "sample/work": np.array([3.0, 2.0, -3.0, -2.0, -1.0, np.inf, 7.0, 1e200]),
            "sample/source": np.array([0.0, 0, 1, 1, 1, 0, 0, 0]),
            "sample/target": np.array([1.0, 1, 0, 0, 0, 1, 0, 1]),
        },
    )
