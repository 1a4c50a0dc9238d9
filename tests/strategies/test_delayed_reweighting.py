"""Walkers of the surrogate alone, weighed for the system, beside those that the system tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from coverage_cases.chains import HALVES
from driving import Drive, same
from quartic_well import DENSITY, GRID, Well, exact_draws

from msgen.actors.base import Segment
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.orders.delayed import DelayedPayload, DelayedRecord
from msgen.actors.roles.surrogate_alone import SurrogateAlone
from msgen.models.surrogate.committee import load_committee
from msgen.orchestrator.estimates import StateEstimate
from msgen.orchestrator.strategies.delayed_acceptance import comparison
from msgen.orchestrator.strategies.delayed_acceptance.comparison import Compared
from msgen.systems.base import Array, Walkers

N = 2000
HMC = Hmc(0.15, 4, jitter=0.2)
TRUE = float(np.log(DENSITY[GRID < 0].sum()) - np.log(DENSITY[GRID > 0].sum()))
"""F of the right well against the left."""


class Tilted:
    """The well with a tilt more, which may leave next to nothing in one of its halves."""

    def __init__(self, tilt: float) -> None:
        self.tilt = tilt

    def log_density(self, x: Array) -> Array:
        return BoltzmannTarget(Well()).log_density(x) - self.tilt * x[:, 0]

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        value, slope = BoltzmannTarget(Well()).log_density_and_gradient(x)
        return value - self.tilt * x[:, 0], slope - self.tilt


class Weighted(SurrogateAlone):
    """A wrong twin: weights of the system over nothing."""

    def __call__(self, *args: Any) -> tuple[Array, dict[str, Array]]:
        x, told = super().__call__(*args)
        return x, {**told, "alone_log_weight": np.zeros_like(told["alone_log_weight"])}


def told(tilt: float, kind: type[SurrogateAlone] = SurrogateAlone) -> Any:
    """Diagnostics of walkers from exact draws of the tilted well."""
    density = DENSITY * np.exp(-tilt * GRID)
    oracle = BoltzmannTarget(Well())
    alone = kind(Tilted(tilt), ((HMC, 4),), oracle, lambda x: x)
    start = exact_draws(N, 7, density / density.sum()).positions
    _, columns = alone(start, np.arange(N), 5, np.random.default_rng(8))
    made = Compared().with_round(
        [Segment((0, "delayed", 0), samples=columns)], HALVES, np.ones(N, dtype=bool)
    )
    blocks: Any = SimpleNamespace(block=np.arange(N))
    found: Any = SimpleNamespace(
        states={"left": StateEstimate(0.0, 0.0), "right": StateEstimate(TRUE, 0.1)}, diagnostics={}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "replace", lambda _, **values: values["diagnostics"])
        return made.beside(found, blocks, ("left", "right"), 0.03)


def test_weighted_samples_of_a_good_surrogate_tell_the_systems_free_energy() -> None:
    found = told(0.3)
    value, error = found["estimators"]["reweighting"]["right"]
    assert error is not None
    assert abs(value - TRUE) < 4 * error < 0.4
    assert found["reweighting"]["effective_share"] > 0.8
    assert found["reweighting"]["samples"] == 5 * N
    # where the weights are left out it is the surrogate's own
    value, error = told(0.3, Weighted)["estimators"]["reweighting"]["right"]
    assert error is not None
    assert abs(value - TRUE) > 4 * error


def test_of_a_surrogate_that_knows_one_state_few_samples_are_effective() -> None:
    found = told(5.0)
    assert found["reweighting"]["effective_share"] < 0.04
    (value, error) = found["estimators"]["reweighting"]["right"]
    assert error is None or not abs(value - TRUE) < 0.1


SECTION = (
    "strategy={kind: delayed_acceptance, moves: 2, local: {kind: hmc, steps: 3, leapfrog: 4},"
    " surrogate: {kind: coordinates, members: 2, width: 8, updates: 12}}"
)


def drive(*more: str) -> Drive:
    hot = "system={kind: double_well, kT: 6}"
    return Drive.of("double_well", SECTION, hot, "replicas=4", *more)


@pytest.fixture(scope="module")
def driven() -> Drive:
    return drive("strategy.reweight=true").produce(2)


def test_they_go_on_from_where_they_were_and_each_stretch_asks_once(driven: Drive) -> None:
    first, second = driven.steps[-2:]
    payloads = [s.plan.orders[0].read(DelayedPayload) for s in (first, second)]
    ends = first.segments[0].read(DelayedRecord).alone
    assert payloads[0].alone is not None
    assert np.isnan(payloads[0].alone).all()
    assert payloads[1].alone is not None
    np.testing.assert_array_equal(payloads[1].alone, ends)
    assert all(s.plan.orders[0].read(DelayedPayload).alone is None for s in driven.steps[:-2])
    found = second.segments[0]
    n = len(payloads[1].replicas) * payloads[1].blocks
    assert len(found.samples["alone_log_weight"]) == n
    x = found.samples["oracle_positions"][-n:]
    surrogate = load_committee(second.plan.models[second.plan.orders[0].model_version])
    weight = -driven.system.energy(Walkers(x)) / driven.system.kT - surrogate.log_density(x)
    by_replica = weight.reshape(payloads[1].blocks, -1).T.reshape(-1)
    np.testing.assert_allclose(found.samples["alone_log_weight"], by_replica, atol=1e-10)
    assert same(driven.stored(driven.state), driven.state)


def test_the_chain_is_the_same_without_them(driven: Drive) -> None:
    plain = drive().produce(1)
    mine, theirs = (d.steps[len(plain.steps) - 1].segments[0] for d in (driven, plain))
    assert np.array_equal(mine.samples["cvs"], theirs.samples["cvs"])
    assert "alone_log_weight" not in theirs.samples
    n = len(mine.samples["alone_log_weight"])
    assert mine.evaluations == theirs.evaluations + n


def test_replicas_that_come_later_begin_where_they_are(driven: Drive) -> None:
    state = driven.strategy.resize(driven.state, 6)
    plan = driven.strategy.decide(state)
    alone = np.concatenate([o.read(DelayedPayload).alone for o in plan.orders])
    assert np.isfinite(alone).all(axis=1).tolist() == [True] * 4 + [False] * 2
    grown = driven.strategy.absorb(state, driven.run(plan, plan.orders))
    assert np.isfinite(grown.alone).all()
    assert grown.alone.shape == (6, 2)
