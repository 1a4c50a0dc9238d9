"""The bidirectional profile of a whole campaign, against the integral and against counting."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from driving import Drive, setup_of
from exact_populations import exact_probabilities
from places import CONFIGS

from msgen.orchestrator.base import Estimate, ProfileEstimate
from msgen.orchestrator.estimators.works.network import solve_network
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.strategies.steered.profile import Profiling
from msgen.orchestrator.strategies.steered.switching import points
from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import Array

SIGMAS = 4.5
SMALL = (
    "replicas=24",
    "strategy.local.steps=3",
    "model={kind: spline_flow, transforms: 1, hidden: [16], epochs: 4}",
    "cvs.x.bins=40",
)
FIXED = "steps: 40, friction: 0.3, timestep: 0.15"
ROADS = {
    "strata": (f"strategy.path={{{FIXED}, width: 0.05}}",),
    "chain": (f"strategy.path={{{FIXED}, width: 0.05}}", "strategy.stratify=off"),
    "exact": (f"strategy.path={{{FIXED}, scheme: moving, profile: 8}}",),
}


@cache
def well(road: str) -> tuple[Drive, Estimate]:
    drive = Drive.of("double_well", *SMALL, *ROADS[road])
    drive.produce(7)
    return drive, drive.strategy.estimate(drive.state)


def misses(drive: Drive, estimate: Estimate) -> Array:
    """By how many σ the profile, normalised over the bins that it knows, misses the integral."""
    told = estimate.profile
    assert told is not None
    known = np.isfinite(told.stderr_kT)
    p = exact_probabilities(drive.system, drive.cvs, drive.problem.grid.edges)[known]
    f = told.f_kT[known] + np.log(np.exp(-told.f_kT[known]).sum())
    exact = -np.log(p / p.sum())
    low = exact - exact.min() < 8.0
    assert low.sum() >= 25
    return ((f - exact) / told.stderr_kT[known])[low]


@pytest.mark.parametrize("road", ["strata", pytest.param("chain", marks=pytest.mark.slow), "exact"])
def test_the_profile_is_the_integral(road: str) -> None:
    off = misses(*well(road))
    assert np.abs(off).max() < SIGMAS
    assert np.sqrt(np.mean(off**2)) < 1.8


def regathered(drive: Drive, made: Profiling) -> ProfileEstimate:
    """The profile from the same segments, ΔF known from all of them beforehand."""
    produced = drive.state.produced
    block, stratum = produced.block, produced.stratum
    network = produced.works.network(2, block)
    made = replace(made, bins=0.0 * made.bins, paths=0.0 * made.paths)
    counted = np.ones(len(stratum), dtype=bool)
    for step in drive.steps:
        if step.before.phase == "produce" and step.after.produced is not None:
            made = made.with_round(drive.problem, step.absorbed, network, block, counted)
    owner = np.zeros(len(made.bins), dtype=np.int64)
    owner[block] = stratum
    found = made.estimate(drive.problem, network, owner)
    assert found is not None
    return found


def test_twin_without_the_density_of_readings_is_caught() -> None:
    drive, estimate = well("exact")
    made = drive.state.profile
    flat = replace(made.reach, density=np.ones_like(made.reach.density))
    wrong = regathered(drive, replace(made, reach=flat))
    off = misses(drive, replace(estimate, profile=wrong))
    assert np.abs(off).max() > 1.5 * SIGMAS


def test_sums_as_they_come_are_those_of_all_paths_at_the_end() -> None:
    """ΔF known round by round instead of once from all: the same within a fraction of σ."""
    drive, estimate = well("strata")
    told = estimate.profile
    assert told is not None
    at_once = regathered(drive, drive.state.profile)
    assert at_once.paths == told.paths
    known = np.isfinite(told.stderr_kT) & np.isfinite(at_once.stderr_kT) & (told.f_kT < 8.0)
    off = (at_once.f_kT - told.f_kT)[known] / told.stderr_kT[known]
    assert 0.0 < np.abs(off).max() < 1.0


def test_replicas_that_do_not_count_are_left_out() -> None:
    drive, _ = well("strata")
    state = drive.state
    block = state.produced.block
    counted = np.arange(len(block)) % 2 == 0
    made = replace(state.profile, bins=0.0 * state.profile.bins, paths=0.0 * state.profile.paths)
    made = made.with_round(drive.problem, drive.steps[-1].absorbed, None, block, counted)
    assert made.paths[block[counted]].any()
    assert not made.paths[block[~counted]].any()
    assert not made.bins[block[~counted]].any()


def test_what_is_read_is_what_is_asked_for() -> None:
    drive, _ = well("exact")
    adapted, produced = (drive.steps[k].absorbed[0].samples for k in (-9, -1))
    assert not any(name.startswith("profile") for name in adapted)
    assert produced["profile_xi"].shape == (len(produced["work"]), 8)
    for wanted, more, n in (
        ("auto", (), 16),
        ("off", (), 0),
        ("auto", ("cvs.y={kind: coordinate, index: 1, range: [-3, 3]}",), 0),
    ):
        made = setup_of("double_well", f"strategy.path.profile={wanted}", *more)[0]
        assert points(vars(made)["problem"]) == n


def test_what_is_said_of_it_in_a_campaign() -> None:
    for wrong in ("3", "-2", "many", "true", "200"):
        with pytest.raises(CampaignError, match=r"strategy.path.profile"):
            load_campaign(CONFIGS / "double_well.yaml", (f"strategy.path.profile={wrong}",))


def test_a_network_without_works_joins_nothing() -> None:
    drive, _ = well("strata")
    made = drive.state.profile
    owner = np.zeros(len(made.bins), dtype=np.int64)
    owner[drive.state.produced.block] = drive.state.produced.stratum
    assert made.estimate(drive.problem, solve_network(2, []), owner) is None
