"""Adaptive MCMC with a flow: what its weights tell, and the moves of molecules."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from alanine_molecule import AMBER99SB
from built_models import build
from coverage_cases.base import share
from coverage_cases.model_weights import gathered
from driving import Drive
from places import CONFIGS
from scipy.integrate import dblquad
from sections import build_system, filled, filled_cvs

from msgen.actors.base import Segment, WorkOrder, copy_tree, decode, encode
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.independence import Independence
from msgen.actors.orders.probe import ProbePayload, ProbeRecord
from msgen.actors.orders.proposals import BroadGaussian, DefendedSpec
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.worker import Worker
from msgen.models import Broad
from msgen.orchestrator.estimators.targeted import deep_bar
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.strategies.flow_mcmc.weights import MOST, Weights
from msgen.systems.base import Walkers
from msgen.systems.potentials.mixtures import GaussianMixture

SMALL = (
    "replicas=8",
    "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 5}}",
    "model={kind: realnvp, transforms: 3, hidden: [24], epochs: 20}",
)


@cache
def driven() -> Drive:
    """A campaign with four rounds of production; not to be stepped further."""
    return Drive.of("double_well", *SMALL).produce(4)


def test_weights_at_proposals_and_walkers_tell_the_partition_function() -> None:
    target = GaussianMixture(np.array([[-1.0, 0.0], [1.5, 0.5]]), 0.7, np.array([0.3, 0.7]))
    q = Broad([False, False], mean=np.array([0.3, 0.2]), std=np.array([1.6, 1.2]))
    rng = np.random.default_rng(3)
    walkers = Walkers(rng.standard_normal((200, 2)))
    burnt = Independence(q)(BoltzmannTarget(target), walkers, rng, n_steps=100)
    proposed, started = [], []
    now = burnt.walkers
    for _ in range(20):
        done = Independence(q)(BoltzmannTarget(target), now, rng, n_steps=10)
        proposed.append(done.proposed)
        started.append(done.started)
        now = done.walkers
    draws, chain = np.concatenate(proposed).ravel(), np.array(started)
    unit = np.tile(np.arange(200), (20, 1)).ravel()
    found = deep_bar(draws, chain.ravel(), None, unit)
    assert found.stderr < 0.02
    assert abs(found.value) < 4 * found.stderr  # the mixture is normalised
    # the wrong twin: walkers that are draws of the model
    wrong = deep_bar(draws, draws[: chain.size], None, None)
    assert abs(wrong.value) > 4 * wrong.stderr


def test_a_campaign_reports_ln_z_of_the_double_well() -> None:
    drive = driven()
    estimate = drive.strategy.estimate(drive.state)
    assert estimate.log_z is not None
    assert estimate.log_z.stderr is not None

    def density(y: float, x: float) -> float:
        u = drive.system.energy(Walkers(np.array([[x, y]])))[0]
        return float(np.exp(-u / drive.system.kT))

    exact = np.log(dblquad(density, -3, 3, -5, 5, epsabs=1e-3)[0])
    assert estimate.log_z.stderr < 0.1
    assert abs(estimate.log_z.value - exact) < 4 * estimate.log_z.stderr
    model = estimate.diagnostics["model"]
    assert 0.05 < model["ess_per_proposal"] <= 1.0
    assert model["overlap"] > 0.05
    assert estimate.diagnostics["warnings"] == []
    # draws by themselves, weighted, and the chains that accept some of them
    for name, state in estimate.states.items():
        alone = estimate.diagnostics["reweighted"][name]
        assert state.f_kT is not None
        assert state.stderr_kT is not None
        error = np.hypot(alone["stderr_kT"], state.stderr_kT)
        assert error < 0.5
        assert abs(alone["f_kT"] - state.f_kT) <= 4 * error


def test_nothing_is_told_before_production_and_adaptation_shows_its_acceptance() -> None:
    adapt = next(s for s in driven().steps if s.plan.phase == "adapt")
    estimate = driven().strategy.estimate(adapt.after)
    assert estimate.log_z is None
    assert "global" in estimate.diagnostics["acceptance"]


def test_weights_stay_bounded_and_survive_the_disk() -> None:
    rng = np.random.default_rng(5)
    weights, whole = Weights(), Partition.whole((False,))
    for rnd in range(12):
        samples = {
            "proposal_log_weight": rng.standard_normal(5000),
            "proposal_cvs": rng.standard_normal((5000, 1)),
            "proposal_replica": np.repeat(np.arange(10.0), 500),
            "walker_log_weight": rng.standard_normal(100),
            "walker_replica": np.repeat(np.arange(10.0), 10),
        }
        counted = np.arange(10) != 3
        ancestor = np.where(np.arange(10) == 9, 2, np.arange(10))
        segment = Segment((rnd, "walk", 0), samples=samples)
        weights = weights.with_round([segment], counted, whole, ancestor)
    assert len(weights.proposals) == len(weights.states) == len(weights.proposer) <= MOST
    assert weights.stride > 1
    for owner in (weights.replica, weights.proposer):
        assert 3 not in owner
        assert 9 not in owner  # a copy of 2
    back = decode(Weights, copy_tree(encode(weights)))
    np.testing.assert_array_equal(back.proposals, weights.proposals)
    assert back.stride == weights.stride


def test_ln_z_covers_where_walkers_stand_on_heavy_proposals() -> None:
    """Of a model too narrow; with proposals taken for independent of the walkers it does not.

    ⟨z²⟩ of 300 campaigns of 16 replicas is known to 8 %.
    """
    rng, right, wrong = np.random.default_rng(17), [], []
    for _ in range(300):
        weights = gathered(rng, 16, width=0.8, rounds=3)
        found = weights.difference()
        assert found is not None
        right.append(found.value / found.stderr)
        apart = deep_bar(weights.proposals, weights.walkers, None, weights.replica.astype(int))
        wrong.append(apart.value / apart.stderr)
    assert np.mean(np.square(right)) < 1.25
    assert np.mean(np.square(wrong)) > 1.25
    for z, holds in ((right, True), (wrong, False)):
        assert (share(np.array(z), 1.0) > 0.683 - 0.054) == holds


def test_a_model_that_misses_the_walkers_is_told() -> None:
    rng = np.random.default_rng(6)
    weights = Weights(
        proposals=-40 + rng.standard_normal(500),
        states=np.zeros(500, dtype=np.int64),
        walkers=40 + rng.standard_normal(200),
        replica=np.repeat(np.arange(10.0), 20),
        proposer=np.repeat(np.arange(10.0), 50),
    )
    found = weights.difference()
    assert "hardly reaches" in weights.warnings(found)[0]
    assert Weights().difference() is None


@pytest.fixture(scope="module")
def molecule() -> dict[str, Any]:
    """A worker's setup, and an order whose proposals are a narrow Gaussian about the start."""
    cvs = {"phi": {"kind": "dihedral", "atoms": [4, 6, 8, 14], "bins": 24}}
    local = {"kind": "langevin", "steps": 20, "timestep": 0.002, "friction": 1.0}
    strategy = {"kind": "flow_mcmc", "local": local, "coordinates": "auto"}
    setup = {
        "system": filled(AMBER99SB),
        "cvs": filled_cvs(cvs),
        "strategy": strategy,
        "model": model_spec({"kind": "spline_flow"}),
        "base_dir": str(CONFIGS),
        "platform": None,
        "seed": 1,
        "threads": 1,
    }
    built: Any = build_system(AMBER99SB, CONFIGS)
    exact = exact_coordinates("internal", built)
    start = built.initial().positions
    seen = exact.encode(start)
    rng = np.random.default_rng(2)
    near = seen + 0.002 * rng.standard_normal((400, exact.dim))
    model = build(
        {"kind": "spline_flow", "transforms": 1, "hidden": [8], "epochs": 30},
        exact.dim,
        exact.periodic,
    )
    model.fit(near, seed=1)
    payload = {
        "walkers": {"positions": np.repeat(start, 3, axis=0)},
        "replicas": np.array([4, 5, 6]),
        "blocks": 2,
        "local_steps": 20,
        "record": 10,
        "step_size": None,
        "global_steps": 30,
        "epsilon": 0.05,
        "recent": 5,
        "weights": 20,
        "broad": {"mean": seen[0], "std": np.full(exact.dim, 0.01)},
    }
    state = model.state()
    frozen = {"config": dict(state.config), "arrays": dict(state.arrays)}
    return {"setup": setup, "payload": payload, "model": frozen, "exact": exact}


def walked(molecule: dict[str, Any], **changes: Any) -> Segment:
    worker = Worker(molecule["setup"])
    worker.publish(0, molecule["model"])
    return worker.execute(
        WorkOrder(3, "walk", 0, {**molecule["payload"], **changes}, model_version=0)
    )


def test_a_molecules_moves_repeat_and_are_of_its_own_coordinates(molecule: dict[str, Any]) -> None:
    one, two = walked(molecule), walked(molecule)
    for name, value in one.samples.items():
        np.testing.assert_array_equal(value, two.samples[name])
    frames = 2 * (2 + 30)
    assert one.samples["cvs"].shape == (3 * frames, 1)
    assert one.samples["walker_log_weight"].shape == (3 * 2,)
    assert one.samples["proposal_log_weight"].shape == (3 * 20,)
    assert one.carry["recent"].shape[1] == molecule["exact"].dim
    # 2 blocks of 3 walkers: 20 steps and a force for drawn velocities; 30 proposals and a start;
    # the energy that is watched
    assert one.evaluations == 2 * 3 * (20 + 1) + 2 * 3 * 31 + 2 * 3
    assert one.counts["global_proposed"] == 2 * 3 * 30


def test_a_walker_whose_proposals_are_refused_stays_where_it_is(molecule: dict[str, Any]) -> None:
    """Where every proposal tears the molecule apart, only local steps move the walkers."""
    torn = {"mean": molecule["payload"]["broad"]["mean"] + 0.4, "std": np.full(48, 0.2)}
    before = walked(molecule, global_steps=0, blocks=1)
    after = walked(molecule, epsilon=1.0, broad=torn, blocks=1)
    assert after.counts["global_accepted"] == 0
    np.testing.assert_array_equal(
        after.carry["walkers"]["positions"], before.carry["walkers"]["positions"]
    )
    # velocities are drawn anew all the same
    assert "velocities" not in after.carry["walkers"]


def test_where_a_probe_ends_is_held_against_what_proposes(molecule: dict[str, Any]) -> None:
    """The weight that the walker's moves would be tested by there, the volume with it."""
    broad = molecule["payload"]["broad"]
    spec = DefendedSpec(0, BroadGaussian(broad["mean"], broad["std"]), 1.0)
    start = molecule["payload"]["walkers"]["positions"][:2]
    zeros, ends = np.zeros((2, 1)), np.full(1, np.pi)
    payload = ProbePayload(
        WalkerRows(start), ("stay",) * 2, zeros, -ends, ends, readings=2, proposal=spec
    )
    worker = Worker(molecule["setup"])
    worker.publish(0, molecule["model"])
    record = worker.execute(WorkOrder.of(3, payload, model_version=0)).read(ProbeRecord)
    x = record.walkers.positions
    assert x is not None
    system: Any = build_system(AMBER99SB, CONFIGS)
    y, exact = molecule["exact"].encode(x), molecule["exact"]
    q = Broad(exact.periodic, mean=broad["mean"], std=broad["std"])
    energy = system.energy(Walkers(x)) / system.kT
    expected = -energy + exact.log_det(y) - q.log_prob(y)
    np.testing.assert_allclose(record.log_weight, expected, atol=0.02)  # the CPU's single precision
    assert np.abs(exact.log_det(y)).min() > 1.0  # left out, it would be seen
