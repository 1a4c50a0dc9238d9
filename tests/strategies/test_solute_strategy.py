"""Campaigns whose model proposes a solute: what they do, count, tell, and refuse."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from driving import Drive, same, setup_of
from places import CONFIGS
from sections import build_system
from solute_systems import distances, weighted_chains

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.solute.solute import SoluteCoordinates
from msgen.actors.worker import Worker
from msgen.models import Broad
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.flow_mcmc.rules import variable_problems
from msgen.orchestrator.strategies.flow_mcmc.schema import FlowMCMC
from msgen.orchestrator.validate import load_campaign
from msgen.systems import SpecError

SPRINGS = (
    "name=springs",
    "system={kind: python, factory: 'solute_systems:potential'}",
    "cvs={d: {kind: python, factory: 'solute_systems:ends', range: [0.8, 3.2], bins: 24}}",
    "states={short: {d: [0.8, 2.0]}}",
    "model={kind: spline_flow, transforms: 2, hidden: [24], epochs: 12}",
    "replicas=32",
)
LOCAL = "local: {kind: hmc, steps: 3, leapfrog: 5}"
STRATEGY = f"kind: flow_mcmc, solute: [0, 1, 2, 3], global_steps: 3, {LOCAL}"
PATH = "path: {steps: 20, timestep: 0.1, friction: 0.5}"


@cache
def driven() -> Drive:
    """Some rounds of production; not to be stepped further."""
    return Drive.of("double_well", *SPRINGS, f"strategy={{{STRATEGY}, {PATH}}}").produce(5)


@pytest.mark.slow
def test_both_states_come_out_at_their_right_weight() -> None:
    estimate = driven().strategy.estimate(driven().state)
    x, w = weighted_chains(400_000, 5)
    short = float(w[distances(x)[2] < 2].sum())
    exact = np.log(short / (1 - short))
    f = estimate.states["rest"].f_kT
    error = estimate.states["rest"].stderr_kT
    assert f is not None
    assert error is not None
    assert error < 0.2
    assert abs(f - exact) < 4 * error
    # ln Z is that of a density of whole configurations, which the model has not
    assert estimate.log_z is None


@pytest.mark.slow
def test_moves_are_told_by_direction_and_with_their_cost() -> None:
    drive = driven()
    about = drive.strategy.estimate(drive.state).diagnostics
    assert 0.05 < about["acceptance"]["between"] < 1
    assert 0.05 < about["acceptance"]["within"] < 1
    rounds = [step.segments for step in drive.steps if step.plan.phase == "produce"]
    # those on the way into equilibrium do not count
    produced = [s for segments in rounds[drive.state.left_out :] for s in segments]
    counts = {k: sum(s.counts[k] for s in produced) for k in produced[0].counts}
    ended = counts["within_proposed"] + counts["between_proposed"]
    assert ended + counts["refused"] + counts["broken"] == counts["global_proposed"]
    paths = counts["global_proposed"] - counts["refused"]
    assert about["paths"] == paths
    assert about["evaluations_per_path"] == 21
    assert about["path_evaluations_per_crossing"] == pytest.approx(21 * paths / about["crossings"])
    # the expected number of crossings, and that which happened
    assert abs(counts["between_accepted"] - about["crossings"]) < 4 * np.sqrt(about["crossings"])


@pytest.mark.slow
def test_an_order_repeats_itself_bit_for_bit() -> None:
    drive = driven()
    step = drive.steps[-1]
    again = drive.run(step.plan, step.plan.orders)
    for one, other in zip(step.segments, again, strict=True):
        assert same(dict(one.samples), dict(other.samples))
        assert same(one.carry, other.carry)


def polymer(*overrides: str) -> Campaign:
    return load_campaign(CONFIGS / "papers" / "steered_polymer_flow.yaml", overrides)


def test_a_solute_is_named_and_has_a_path() -> None:
    spec = polymer().spec_strategy()
    assert spec["solute_path"]["steps"] > 0
    assert "path" not in spec
    plain = polymer("strategy.path={}").spec_strategy()["solute_path"]
    assert (plain["timestep"], plain["friction"]) == (0.005, 1.0)  # those of the local moves
    system = build_system(
        {**polymer().spec_system(), "solvent": 30, "box": 8.0, "platform": "CPU"}, CONFIGS
    )
    for kind, angles in (("auto", 6), ("torsions", 6), ("distances", 0)):
        made = SoluteCoordinates.of({**spec, "coordinates": kind}, system)
        assert made.dim == 21
        assert sum(made.periodic) == angles
    section = polymer().strategy
    assert isinstance(section, FlowMCMC)
    assert variable_problems(polymer(), section, system) == []
    for wrong, says in (([0, 1], "no shape"), ([0, 1, 999], "no such atom"), ([1, 1, 2], "twice")):
        with pytest.raises(SpecError, match=says):
            SoluteCoordinates.of({**spec, "solute": wrong}, system)
    well = build_system({"kind": "double_well"}, CONFIGS)
    with pytest.raises(SpecError, match="three each"):
        SoluteCoordinates.of({"solute": [0, 1, 2]}, well)


def walked(**path: Any) -> Segment:
    """Two walkers of the polymer in little solvent, proposed narrow shapes about their own."""
    changes = [f"strategy.path.{k}={v}" for k, v in path.items()]
    changes += ["system.solvent=20", "system.box=8", "system.platform=Reference"]
    _, setup, system, _ = setup_of("papers/steered_polymer_flow", *changes)
    coordinates = SoluteCoordinates.of(setup["strategy"], system)
    start = system.initial()
    seen = coordinates.encode(start.positions)
    near = Broad(coordinates.periodic, mean=seen[0], std=np.full(21, 0.02)).state()
    assert start.box is not None
    payload = {
        "walkers": {
            "positions": np.repeat(start.positions, 2, axis=0),
            "box": np.repeat(start.box, 2, axis=0),
        },
        "replicas": np.array([4, 5]),
        "blocks": 2,
        "local_steps": 20,
        "record": 10,
        "step_size": None,
        "global_steps": 3,
        "epsilon": 0.05,
        "recent": 5,
        "weights": 20,
        "broad": {"mean": seen[0], "std": np.full(21, 0.02)},
        "states": encode(Partition.whole((False,))),
    }
    worker = Worker(setup)
    worker.publish(0, {"config": dict(near.config), "arrays": dict(near.arrays)})
    return worker.execute(WorkOrder(3, "walk", 0, payload, model_version=0))


def test_a_molecules_solute_moves_and_the_order_repeats() -> None:
    one, two = walked(steps=30), walked(steps=30)
    assert same(dict(one.samples), dict(two.samples))
    assert same(one.carry, two.carry)
    # 2 blocks of 2 readings of the local moves and 3 of the solute's, of 2 walkers
    assert one.samples["cvs"].shape == (2 * 2 * (2 + 3), 1)
    assert one.carry["recent"].shape[1] == 21
    assert one.counts["global_proposed"] == 12
    paths = 12 - one.counts["refused"]
    # the first force, one a step, and once more where each leg ends
    assert one.counts["global_evaluations"] == paths * (30 + 1 + 2)
    assert one.counts["between_proposed"] == 0  # there is one state
    assert one.counts["within_proposed"] == paths - one.counts["broken"] > 0
    # no path: two energies each
    still = walked(steps=0)
    assert still.counts["global_evaluations"] == 2 * (12 - still.counts["refused"])


def test_walkers_in_a_box_keep_it() -> None:
    """From the exploration on: without it they were moved as a whole where they drifted away."""
    drive = Drive.of(
        "papers/steered_polymer_flow",
        "replicas=4",
        "system={kind: polymer, solvent: 8, box: 5.2, k: 0.5, kT: 1.3, timestep: 0.005 ps, "
        "friction: 1 /ps, start: compact, platform: Reference}",
        "strategy.local={kind: langevin, steps: 20}",
        "strategy.path={steps: 40, timestep: 0.0125 ps, friction: 0.3 /ps}",
        "strategy.explore={pushes: 8, push_steps: 50, relax_steps: 20}",
        "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 2}",
    )
    box = drive.system.initial().box
    assert box is not None
    assert drive.state.pool.walkers.box is not None
    drive.until("adapt").step()
    assert np.array_equal(drive.state.walkers.box, np.repeat(box, 4, axis=0))
