"""What exploring and the first rounds of the adaptation leave: seeds, isomers and masses."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from driving import setup_of

from msgen.actors.base import Segment, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.step_size import StepSize
from msgen.actors.orders.explore import ExploreRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common import exploration as explore
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.rounds import MASS_ROUNDS
from msgen.orchestrator.strategies.common.step_size import PRIOR, LocalMoves

SIGMAS = 4.5
HALVES = Partition.from_boxes({"left": {"x": (-np.inf, 0.0)}}, ("x",), np.array([False]))


@cache
def double_well() -> Problem:
    strategy, *_ = setup_of("double_well", "replicas=8")
    return vars(strategy)["problem"]


def test_masses_make_every_period_the_same() -> None:
    problem = double_well()
    rng = np.random.default_rng(7)
    spread = np.array([0.2, 3.0])
    first = moves = LocalMoves(StepSize(0.1, 0.65))
    n = 4000
    for rnd in range(MASS_ROUNDS + 1):
        segments, walkers = [], []
        for side in (-1.0, 1.0):
            x = np.array([side, 0.0]) + spread * rng.standard_normal((n, 2)) * [0.5, 1.0]
            xi = np.full((n, 1), side)  # the CV of each walker's last record: which state it is in
            segments.append(Segment((rnd, "sample", 0), {"cvs": xi}))
            walkers.append(WalkerRows(x))
        before = moves.masses
        moves = moves.with_masses(problem, rnd, HALVES, segments, walkers)
        if rnd == MASS_ROUNDS:
            assert moves.masses is before  # fixed by then
    variance = (spread * [0.5, 1.0]) ** 2  # inside the states, not between them
    wanted = problem.kT / variance
    error = np.sqrt(2.0 / (2 * n * MASS_ROUNDS)) + PRIOR / n  # of a variance, and the prior
    assert (np.abs(np.log(moves.masses / wanted)) < SIGMAS * error).all()
    one, where = Segment((0, "sample", 0), {"cvs": np.zeros((1, 1))}), WalkerRows(np.zeros((1, 2)))
    few = first.with_masses(problem, 0, HALVES, [one], [where])
    assert np.allclose(few.masses, problem.masses)


# exploring


def test_targets_fill_the_range_and_differ_between_attempts() -> None:
    problem = double_well()
    first, again, second = (explore.targets(problem, a) for a in (0, 0, 1))
    n = int(problem.strategy["explore"]["pushes"])
    assert first.shape == (n, 1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    for goal in (first, second):
        assert ((goal >= problem.lower) & (goal <= problem.upper)).all()
        per_quarter = np.histogram(goal[:, 0], np.linspace(-2, 2, 5))[0]
        assert (np.abs(per_quarter - n / 4) <= 3).all()  # even: binomial would be ±3.5 at 1 σ


@pytest.mark.parametrize("isomers", ["exclude", "include"])
def test_isomers_are_named_and_left_out_unless_asked_for(isomers: str) -> None:
    known = double_well()
    spec = {**known.strategy, "explore": {**known.strategy["explore"], "isomers": isomers}}
    problem = replace(known, strategy=spec)
    pool = explore.Seeds(WalkerRows(np.zeros((1, 2))), np.zeros((1, 1)))
    walkers = np.array([[1.0, 0], [2.0, 0], [3.0, 0], [4.0, 0]])
    xi = np.array([[1.0], [2.0], [np.nan], [4.0]])
    flipped = np.array([0.0, 0, 1, 1, 0, 0, 0, 0])
    segment = Segment(
        (0, "explore", 0),
        samples={"cvs": np.arange(8.0)[:, None], "flipped": flipped},
        carry=encode(ExploreRecord(WalkerRows(walkers), xi, ("", "ω of ALA2", "", ""))),
    )
    found = explore.absorb(problem, pool, [segment])
    kept = [0.0, 1.0, 4.0] if isomers == "exclude" else [0.0, 1.0, 2.0, 4.0]
    assert found.seeds.xi[:, 0].tolist() == kept
    assert found.seeds.walkers.positions[:, 0].tolist() == kept  # a broken one never
    assert found.isomers == {"ω of ALA2": 1}
    assert len(found.runs) == (3 if isomers == "exclude" else 4)
