"""Independence moves stay with the molecule that the campaign is about."""

from __future__ import annotations

from typing import Any

import numpy as np
from alanine_molecule import molecule

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import exact_coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walk import WalkPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.independence_sampler import walk
from msgen.actors.roles.state_explorer import flips
from msgen.models.base import Space
from msgen.models.kde import build

SYSTEM, CVS = molecule(constraints="None")
SEEN = exact_coordinates("internal", SYSTEM)
START = SEEN.encode(SYSTEM.initial().positions)


def narrow(rng: np.random.Generator) -> Any:
    """Beside the start, and half of it with the first peptide bond turned: cis for trans."""
    omega = _omega()
    centres = np.repeat(START, 400, axis=0) + 1e-3 * rng.standard_normal((400, SEEN.dim))
    centres[::2, omega] += np.pi
    centres[:, omega] = (centres[:, omega] + np.pi) % (2 * np.pi) - np.pi
    model = build(Space(tuple(SEEN.periodic)), kernels=40)
    model.fit(centres, seed=1)
    return model


def _omega() -> int:
    """The variable that turns a peptide bond over."""
    for k in np.flatnonzero(SEEN.periodic):
        y = START.copy()
        y[0, k] += np.pi
        x = SEEN.decode(y, np.random.default_rng(0))
        context = WorkerContext({}, SYSTEM, CVS)
        if any("omega" in name for name in flips(context, x)[0]):
            return int(k)
    raise AssertionError("no peptide bond is a variable")


def moved(isomers: str) -> tuple[Segment, WorkerContext]:
    strategy = {"local": {"kind": "langevin", "timestep": 0.001, "friction": 1.0}}
    setup: dict[str, Any] = {"strategy": {**strategy, "explore": {"isomers": isomers}}}
    context = WorkerContext(setup, SYSTEM, CVS)
    context.models.publish(0, encode(narrow(np.random.default_rng(2)).state()))
    payload = WalkPayload(
        walkers=WalkerRows(np.repeat(SYSTEM.initial().positions, 4, axis=0)),
        replicas=np.arange(4),
        blocks=2,
        local_steps=2,
        record=2,
        global_steps=25,
        step_size=None,
        epsilon=0.01,
        recent=4,
        weights=50,
        broad=BroadGaussian(START[0], np.full(SEEN.dim, 0.01)),
        states=None,
    )
    order = WorkOrder.of(0, payload, model_version=0)
    return walk(context, order, np.random.default_rng(3)), context


def test_moves_to_another_isomer_are_refused_and_told() -> None:
    done, context = moved("leave_out")
    # about half of 2 blocks of 25 proposals of 4 walkers: 100 ± 7
    assert 70 < done.counts["isomers"] < 130
    assert done.counts["nonfinite"] < 20
    weight = done.samples["proposal_log_weight"]
    assert np.isneginf(weight).sum() >= done.counts["isomers"]
    ends = done.carry["walkers"]["positions"]
    assert not any(flips(context, ends))


def test_where_isomers_are_wanted_they_are_not() -> None:
    """Twin: the target without the watch gives them a density."""
    done, _ = moved("include")
    assert "isomers" not in done.counts
    assert np.isfinite(done.samples["proposal_log_weight"]).mean() > 0.9
