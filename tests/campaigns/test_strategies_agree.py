"""One answer by several roads: strata or a chain, flattened or plain, all against the integral."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from driving import Drive
from exact_populations import exact_probabilities, exact_state_probability

from msgen.orchestrator.base import Estimate

SIGMAS = 4.0
"""Of the reported errors, combined where two estimates are held against each other."""
WELL = (
    "replicas=24",
    "strategy.local.steps=10",
    "model={kind: spline_flow, transforms: 1, hidden: [16], epochs: 15}",
)
ROADS = {
    "strata": (),
    "chain": ("strategy.stratify=off",),
    "strata, plain": ("strategy.flatten=0 kT",),
    "chain, plain": ("strategy.stratify=off", "strategy.flatten=0 kT"),
}


@cache
def well(road: str) -> tuple[Drive, Estimate]:
    drive = Drive.of("double_well", *WELL, *ROADS[road])
    drive.produce(7)
    return drive, drive.strategy.estimate(drive.state)


def rest(estimate: Estimate) -> tuple[float, float]:
    value = list(estimate.states.values())[1]
    assert value.f_kT is not None
    assert value.stderr_kT is not None
    return value.f_kT, value.stderr_kT


def exact(drive: Drive) -> float:
    ((_, box),) = drive.problem.boxes.items()
    p = exact_state_probability(drive.system, drive.cvs, box)
    return float(np.log(p / (1.0 - p)))


ALL = [pytest.param(r, marks=pytest.mark.slow if "plain" in r else ()) for r in ROADS]


@pytest.mark.parametrize("road", ALL)
def test_every_road_leads_to_the_integral(road: str) -> None:
    drive, estimate = well(road)
    f, error = rest(estimate)
    assert 0.0 < error < 0.25
    assert abs(f - exact(drive)) < SIGMAS * error


@pytest.mark.parametrize("road", ALL)
def test_the_surface_is_the_integral_too(road: str) -> None:
    drive, estimate = well(road)
    p = exact_probabilities(drive.system, drive.cvs, drive.problem.grid.edges)
    true = -np.log(p)
    low = true - true.min() < 5.0
    f = estimate.f_kT + np.log(np.nansum(np.exp(-estimate.f_kT)))
    assert np.isfinite(f[low]).all()
    ratio = (f - true)[low] / estimate.stderr_kT[low]
    # bins share their errors and have few blocks: the mean square is 1 ± 1 or so
    assert np.mean(ratio**2) < SIGMAS
    assert np.mean(ratio**2) > 0.1  # nor are errors made up


def test_strata_and_chain_agree() -> None:
    (f, a), (g, b) = (rest(well(road)[1]) for road in ("strata", "chain"))
    assert abs(f - g) < SIGMAS * np.hypot(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("road", ["strata", "chain"])
def test_flattened_and_plain_agree(road: str) -> None:
    (f, a), (g, b) = (rest(well(r)[1]) for r in (road, f"{road}, plain"))
    assert abs(f - g) < SIGMAS * np.hypot(a, b)


@pytest.mark.slow
def test_strata_and_chain_agree_on_the_tunnel() -> None:
    found = {}
    for road, more in {
        "chain": (),
        "strata": ("strategy.stratify=on",),
        "strata, flat": ("strategy.stratify=on", "strategy.flatten=5 kT"),
    }.items():
        drive = Drive.of("gaussian_tunnel", *more).produce(8)
        found[road] = rest(drive.strategy.estimate(drive.state))
        f, error = found[road]
        assert 0.0 < error < 0.15, road
        assert abs(f - exact(drive)) < SIGMAS * error, road
    (f, a), (g, b) = found["chain"], found["strata"]
    assert abs(f - g) < SIGMAS * np.hypot(a, b)
