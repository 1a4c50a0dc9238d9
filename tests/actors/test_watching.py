"""What is watched travels with the samples, and leaves them as they are."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from driving import Drive, same

from msgen.actors.base import Segment
from msgen.actors.context import WorkerContext
from msgen.actors.roles.watching import READINGS, Watch
from msgen.systems.base import Walkers
from msgen.systems.watched import watched

LOCAL = "local: {kind: hmc, steps: 2}"
STRATEGIES = {
    "local": f"strategy={{kind: local, {LOCAL}}}",
    "steered": f"strategy={{kind: steered, {LOCAL}}}",
    "flow_mcmc": f"strategy={{kind: flow_mcmc, {LOCAL}, global_steps: 3}}",
    "targeted": f"strategy={{kind: targeted, {LOCAL}}}",
    "importance": f"strategy={{kind: importance, {LOCAL}, draws: 256}}",
    "parallel_tempering": f"strategy={{kind: parallel_tempering, temperatures: 3, {LOCAL}}}",
}
SMALL = ("replicas=4", "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 1}")


def sampled(kind: str) -> tuple[Drive, list[Segment]]:
    """Two rounds from the start that sample, and what came of the orders."""
    drive = Drive.of("double_well", STRATEGIES[kind], *SMALL)
    while drive.state.phase == "explore":
        drive.step()
    return drive, [s for _ in range(2) for s in drive.step().segments if not s.is_fit]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_samples_are_the_same_whatever_is_watched(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive, seen = sampled(kind)
    monkeypatch.setattr(Watch, "look", lambda *given: None)
    _, blind = sampled(kind)
    names = drive.problem.watched_names
    assert names == ("y", "energy")
    told = 0
    for one, other in zip(seen, blind, strict=True):
        assert not any(name.startswith("watched") for name in other.samples)
        assert all(same(one.samples[name], values) for name, values in other.samples.items())
        assert same(one.carry, other.carry)
        readings = len(one.samples.get("watched", ()))
        assert one.evaluations == other.evaluations + readings
        told += readings
        if not readings:
            continue
        assert one.samples["watched"].dtype == np.float32
        assert one.samples["watched"].shape[1] == len(names)
        # of frames that are samples, in the order of the replicas
        xi = one.samples["cvs"].astype(np.float32)
        assert np.isin(one.samples["watched_cvs"], xi).all()
        assert (np.diff(one.samples["watched_replica"]) >= 0).all()
    assert told


def test_values_are_those_of_the_frame() -> None:
    """The last reading of a replica is of the walker that goes on."""
    drive, seen = sampled("local")
    columns = seen[-1].samples
    x = drive.state.walkers.positions
    beside = watched(drive.system, drive.cvs)(Walkers(x))
    last = np.append(np.flatnonzero(np.diff(columns["watched_replica"])), -1)
    np.testing.assert_array_equal(columns["watched"][last], beside.astype(np.float32))
    np.testing.assert_array_equal(columns["watched_cvs"][last, 0], x[:, 0].astype(np.float32))


class _Counted:
    """What a context gives, for configurations of one coordinate."""

    watched: Any = staticmethod(lambda walkers: walkers.positions)


def test_a_long_order_is_read_no_more_often_than_a_short_one() -> None:
    for blocks in (1, 7, READINGS, READINGS + 1, 1000):
        watch = Watch(cast(WorkerContext, _Counted()), blocks)
        for i in range(blocks):
            watch.look(Walkers(np.array([[float(i)], [100.0 + i]])), np.zeros((2, 1)))
        columns = watch.columns(np.array([3, 5]))
        each = len(columns["watched"]) // 2
        if blocks < READINGS:
            assert each == blocks
        assert min(blocks, READINGS // 2) <= each <= READINGS
        assert columns["watched_replica"].tolist() == [3] * each + [5] * each
        assert watch.evaluations == 2 * each
        steps = np.diff(columns["watched"][:each, 0])
        assert len(set(steps.tolist())) <= 1
