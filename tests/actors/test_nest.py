"""Orders of strategies inside a campaign's own: kinds, versions and settings that do not meet."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from msgen.actors.base import Segment, Tree, WorkOrder, stream
from msgen.actors.context import WorkerContext
from msgen.actors.nest import Nest
from msgen.actors.worker import Worker

NEST = Nest(("left", "right"))


def mark(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """A role that tells what it was given."""
    counts = {
        "setting": float(context.setup["strategy"]["setting"]),
        "model": float(context.models.state(order.model_version).arrays["x"][0])
        if order.model_version >= 0
        else -1.0,
        "drawn": float(rng.random()),
    }
    return Segment(order.key, counts=counts, evaluations=1)


def settings(value: float) -> Tree:
    return {"strategy": {"setting": value}, "model": {}, "seed": 5, "roles": {"mark": ROLE}}


ROLE = f"{__name__}:mark"
SETUP: Tree = {
    "system": {"kind": "double_well"},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2.0, 2.0], "bins": 10}},
    **settings(0.0),
    "nested": {"left": settings(1.0), "right": settings(2.0)},
}


def test_no_two_strategies_share_a_version() -> None:
    versions = {NEST.version(name, v) for name, v in product(NEST.names, range(20))}
    assert len(versions) == 40
    assert all(
        NEST.inner(NEST.version(name, v)) == (name, v) for name, v in product(NEST.names, range(20))
    )
    # wrong: numbers as they are
    assert len({v for _, v in product(NEST.names, range(20))}) == 20


def test_an_order_comes_back_as_its_strategy_knows_it() -> None:
    order = WorkOrder(3, "fit_windows", 7, model_version=4)
    out = NEST.handed_on("right", order, 30)
    assert out.key == (30, "right.fit_windows", 7)
    assert out.is_fit
    assert not NEST.handed_on("right", replace(order, kind="sample"), 30).is_fit
    back = NEST.taken_back(Segment(out.key, model_version=out.model_version), 3)
    assert back.key == order.key
    assert back.model_version == 4


def test_a_worker_does_each_with_the_settings_and_models_of_its_own_strategy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Worker(SETUP)
    told = {}
    for name, plain in (("left", -1), ("right", -1)):
        order = NEST.handed_on(name, WorkOrder(0, "mark", 0, model_version=plain), 2)
        done = made.execute(order)
        assert isinstance(done, Segment)
        assert done.key == (2, f"{name}.mark", 0)
        told[name] = done.counts
    assert [told[n]["setting"] for n in NEST.names] == [1.0, 2.0]
    # random numbers are keyed by the strategy, too
    assert told["left"]["drawn"] == stream(5, (2, "left.mark", 0)).random()
    assert told["left"]["drawn"] != told["right"]["drawn"]
    # wrong: an order that does not say whose it is, is the campaign's own
    alone = made.execute(WorkOrder(2, "mark", 0))
    assert isinstance(alone, Segment)
    assert alone.counts["setting"] == 0.0
