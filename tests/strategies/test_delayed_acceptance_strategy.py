"""delayed_acceptance stepped by hand: versions, what is stored, and a density that is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driving import Drive, same
from silver import spec

from msgen.actors.base import Segment
from msgen.actors.kernels import delayed_acceptance
from msgen.actors.kernels.base import Mask
from msgen.actors.orders.delayed import DelayedPayload
from msgen.orchestrator.forecast import Least
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.schema.translate import problems_of
from msgen.orchestrator.strategies.delayed_acceptance.strategy import MOST_ADAPT
from msgen.systems.base import Array, Walkers

SECTION = (
    "strategy={kind: delayed_acceptance, moves: 2, local: {kind: hmc, steps: 3, leapfrog: 4},"
    " surrogate: {kind: coordinates, members: 2, width: 8, updates: 12}}"
)
"""Of so few updates that the surrogate is a bad one."""


def drive(*more: str) -> Drive:
    """A double well whose barrier is one kT high."""
    hot = "system={kind: double_well, kT: 6}"
    return Drive.of("double_well", SECTION, hot, "replicas=8", *more)


@pytest.fixture(scope="module")
def driven() -> Drive:
    return drive().produce(1)


def test_it_begins_without_a_surrogate_and_freezes_one(driven: Drive) -> None:
    versions = [step.plan.orders[0].model_version for step in driven.steps]
    assert versions[0] == -1
    assert versions == sorted(versions)
    produced = [s for s in driven.steps if s.plan.phase == "produce"]
    assert len(produced) == 1
    assert not produced[0].plan.fits
    assert driven.state.adapt <= MOST_ADAPT
    for step in driven.steps:
        assert {s.model_version for s in step.segments} == {step.plan.orders[0].model_version}
    # production adds nothing to what it would learn from, were it to begin again
    assert same(driven.state.known, produced[0].before.known)
    assert same(driven.stored(driven.state), driven.state)


def test_every_call_of_the_system_is_counted_stored_and_learnt_from(driven: Drive) -> None:
    for step in driven.steps:
        for segment in step.segments:
            x, energy = (segment.samples[f"oracle_{k}"] for k in ("positions", "energy"))
            watched = len(segment.samples["watched_replica"])
            assert segment.evaluations == len(x) + watched
            told = driven.system.energy(Walkers(x)) / driven.system.kT
            np.testing.assert_allclose(energy, told, rtol=1e-12)
            # a block begins where the last has ended, and does not ask for that again
            if step.before.round:
                assert len(np.unique(x, axis=0)) == len(x)
    first = driven.steps[0]
    known = first.after.known
    assert len(known) == sum(len(s.samples["oracle_energy"]) for s in first.segments)
    assert known.serial.tolist() == list(range(len(known)))
    # with a surrogate a walk of eight steps asks once
    late = driven.steps[-1].segments[0]
    order = driven.steps[-1].plan.orders[0].read(DelayedPayload)
    walks = order.blocks * order.walks * len(order.replicas)
    assert late.counts["global_proposed"] <= walks
    assert len(late.samples["oracle_energy"]) <= walks + len(order.replicas)


def test_what_came_while_a_fit_was_under_way_is_kept(driven: Drive) -> None:
    """With `keep: 50` what was looked at is thinned; what the fit has not seen is not."""
    small = drive(SECTION.replace("updates: 12", "updates: 2, keep: 50"))
    for _ in range(3):
        small.step()
    before, after = small.steps[1].after.known, small.state.known
    assert len(before) > 250
    new = before.serial[len(small.steps[0].after.known) :]
    assert np.isin(new, after.serial).all()
    old = after.serial < new[0]
    assert old.sum() == 50


def test_a_dry_run_expects_one_call_a_walk() -> None:
    tree = {"name": "a", "system": {"kind": "double_well"}, "replicas": 4,
            "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}},
            "strategy": {"kind": "delayed_acceptance", "surrogate": {"kind": "coordinates"},
                         "local": {"kind": "hmc", "steps": 5, "leapfrog": 100}}}  # fmt: skip
    campaign = Campaign.parse(tree)
    assert Least.of(campaign).stretch == 4 * 5
    assert "20 energy evaluations" in campaign.strategy.round_in_words(campaign)


def mean_of(drive: Drive, state: Any, rounds: int) -> tuple[float, float]:
    """⟨x⟩ over rounds of production from a state, and its error by replicas."""
    seen: dict[float, list[Array]] = {}
    for _ in range(rounds):
        plan = drive.strategy.decide(state)
        segments: list[Segment] = drive.run(plan, plan.orders)
        state = drive.strategy.absorb(state, segments)
        for segment in segments:
            for replica in np.unique(segment.samples["replica"]):
                rows = segment.samples["replica"] == replica
                seen.setdefault(float(replica), []).append(segment.samples["cvs"][rows, 0])
    means = np.array([np.concatenate(parts).mean() for parts in seen.values()])
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


@pytest.mark.slow
def test_production_has_the_density_of_the_system(
    driven: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """⟨x⟩ within 4 σ of quadrature; without the second test it is not."""
    x = np.linspace(-3.0, 3.0, 20_001)
    p = np.exp(-(-9.0 * x**2 + x**3 + 4.5 * x**4) / 6.0)
    exact = float((x * p).sum() / p.sum())
    state = driven.state
    value, error = mean_of(driven, state, 5)
    assert abs(value - exact) < 4.0 * error

    def everything(
        new: Array, old: Array, forward: Array, backward: Array, log_u: Array
    ) -> tuple[Mask, Array, Mask]:
        yes = np.ones(len(new), dtype=bool)
        return yes, np.zeros(len(new)), ~yes

    monkeypatch.setattr(delayed_acceptance, "metropolis", everything)
    value, error = mean_of(driven, state, 4)
    assert abs(value - exact) > 4.0 * error


@pytest.mark.parametrize(
    ("system", "strategy", "at"),
    [
        ({"kind": "double_well"}, {"surrogate": {"kind": "symmetry_functions"}},
         "strategy.surrogate.kind"),
        ({"kind": "double_well"}, {"surrogate": {"kind": "coordinates"},
                                   "local": {"kind": "mala"}}, "strategy.local.kind"),
        (spec(temperature="500 K"), {"surrogate": {"kind": "coordinates"}},
         "strategy.surrogate.kind"),
        ({"kind": "alkane", "carbons": 4, "temperature": "300 K"},
         {"surrogate": {"kind": "symmetry_functions"}}, "strategy.local.kind"),
    ],
)  # fmt: skip
def test_what_it_is_not_for_is_refused(
    system: dict[str, Any], strategy: dict[str, Any], at: str
) -> None:
    cv = {"kind": "coordinate", "index": 0, "range": [-2, 2]}
    if system["kind"] != "double_well":
        cv = {"kind": "distance", "atoms": [0, 1], "range": ["0 nm", "1 nm"]}
    tree = {"system": system, "cvs": {"x": cv},
            "strategy": {"kind": "delayed_acceptance", **strategy}}  # fmt: skip
    with pytest.raises(ValueError, match="inconsistent") as caught:
        Campaign.parse({"name": "a", **tree})
    assert at in [dotted(p.path) for p in problems_of(caught.value)]
