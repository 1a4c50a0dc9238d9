"""Hot runs on a worker: thrown about, relaxed, and the same wherever they are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving import same
from steps_by_hand import StepsByHand

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.orders.hot import HotPayload, HotRecord, Way
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import hot as role
from msgen.models.base import Array


@pytest.fixture(scope="module")
def by() -> StepsByHand:
    return StepsByHand.of(np.zeros((1, 8, 1)))


def asked(by: StepsByHand, ways: tuple[Way, ...], **changes: int) -> HotPayload:
    """From trans butane."""
    assert by.strategy.stepping is not None
    x = np.repeat(by.strategy.exact.positions[30:31], len(ways), axis=0)
    atoms = by.strategy.stepping.atoms.index
    return replace(HotPayload(WalkerRows(x), ways, 4.0, 400, 200, 6, 20, atoms), **changes)


def torsions(segment: Segment) -> Array:
    return np.asarray(segment.samples["frames"][:, 0])


def bonds(segment: Segment) -> Array:
    x = segment.read(HotRecord).structures
    return np.asarray(np.linalg.norm(np.diff(x, axis=2), axis=3))


def test_a_run_is_a_function_of_its_order(by: StepsByHand) -> None:
    order = WorkOrder.of(3, asked(by, ("heat", "torsions")), 5)
    one = by.worker.execute(order)
    other = StepsByHand.of(np.zeros((1, 8, 1))).worker.execute(order)
    assert same(one.carry, other.carry)
    assert same(one.samples, other.samples)
    again = by.worker.execute(WorkOrder.of(3, asked(by, ("heat", "torsions")), 6))
    assert not same(one.carry, again.carry)
    assert one.read(HotRecord).structures.shape == (2, 6, 4, 3)
    assert one.samples["run"].tolist() == [0.0] * 6 + [1.0] * 6
    assert "cvs" not in one.samples
    assert one.evaluations >= 400 + 2 * (200 + 6 * 20)


def test_turned_torsions_lead_where_trajectories_do_not(by: StepsByHand) -> None:
    """Of butane that begins trans; those that are left alone stay there."""
    ways: tuple[Way, ...] = ("torsions",) * 12
    turned = torsions(by.worker.execute(WorkOrder.of(0, asked(by, ways), 0)))
    cold = asked(by, ("heat",) * 12, heat=1)
    left = torsions(by.worker.execute(WorkOrder.of(0, replace(cold, tau=1.0), 0)))
    assert (np.cos(left) < -0.5).all()
    assert (np.cos(turned) > -0.5).mean() > 0.3


def test_what_is_recorded_has_relaxed(by: StepsByHand) -> None:
    """Bonds of what was at 20 times the temperature, and the twin that was not let cool."""
    hot = replace(asked(by, ("heat",) * 8), tau=20.0, steps=1)
    relaxed, raw = (
        bonds(by.worker.execute(WorkOrder.of(1, replace(hot, relax=relax), 0)))
        for relax in (2000, 0)
    )
    # kT/k of an OPLS C-C bond at 300 K: 0.0031 nm
    assert np.abs(relaxed - 0.1529).max() < 6 * 0.0031
    assert np.abs(raw - 0.1529).max() > 6 * 0.0031


def test_other_isomers_and_broken_runs_are_left_out(
    by: StepsByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = asked(by, ("heat",) * 3, heat=5, relax=5)
    order = WorkOrder.of(2, payload, 0)
    whole = by.worker.execute(order).read(HotRecord).structures
    monkeypatch.setattr(role, "flips", lambda context, x: [[], ["chirality ALK:C2"], []])
    some = by.worker.execute(order)
    np.testing.assert_array_equal(some.read(HotRecord).structures, whole[[0, 2]])
    assert (some.counts["hot_runs"], some.counts["hot_lost"]) == (3, 1)
    assert some.samples["run"].tolist() == [0.0] * 6 + [2.0] * 6
