"""Chains whose paths go where a learnt dynamics of the CVs does, stepped by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving import Drive, setup_of
from places import CONFIGS

from msgen.actors.base import Segment
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.actors.orders.proposals import ProposalSpec
from msgen.actors.orders.sample import SamplePayload
from msgen.actors.roles.sampler import proposals_of
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.learnt_steps import by_lag, tallied
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.steered.learnt_dynamics import KEEP, PAIRS, SeenSteps
from msgen.orchestrator.strategies.steered.switching import first_schedule, points
from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import Array

NAME = "examples/steered_dynamics_double_well"
QUICK = (
    "model={kind: realnvp, transforms: 2, hidden: [16], epochs: 3}",
    "strategy.local.steps=100",
    "strategy.proposal.lags=[10, 40]",
    "strategy.path={scheme: moving, steps: 8, timestep: 0.05, friction: 1}",
    "strategy.explore={pushes: 8, push_steps: 60, relax_steps: 60}",
    "replicas=8",
)
STRIDE, STRETCH = 10, 10
"""Of QUICK: steps between two readings, and readings of a stretch."""


def problem_of(config: str, *sets: str) -> Problem:
    made = vars(setup_of(config, *sets)[0])["problem"]
    assert isinstance(made, Problem)
    return made


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of(NAME, *QUICK)


def numbered(replicas: list[int], stretches: int, begin: int = 0) -> Segment:
    """Readings that count up within each replica, a thousand apart from the next."""
    count = np.arange(stretches * STRETCH, dtype=np.float64)
    xi = np.concatenate([begin + 1000.0 * r + count for r in replicas])
    owner = np.repeat(np.array(replicas, dtype=np.float64), len(count))
    return Segment((0, "sample", 0), samples={"cvs": xi[:, None], "replica": owner})


def test_pairs_are_a_lag_apart_and_have_no_path_between(problem: Problem) -> None:
    seen = SeenSteps().with_round(problem, [numbered([0, 3], 4), numbered([5], 4)])
    before, after, lag = np.concatenate(seen.pairs).T
    np.testing.assert_array_equal(after - before, lag / STRIDE)
    assert set(lag.tolist()) == {10.0, 40.0}
    replica = np.concatenate(seen.replica)
    np.testing.assert_array_equal(before // 1000, replica)
    # within one stretch: a path may stand between two
    np.testing.assert_array_equal(before % 1000 // STRETCH, after % 1000 // STRETCH)
    # all that there are, of so few
    assert len(seen) == 3 * 4 * (STRETCH - 1) + 3 * 4 * (STRETCH - 4)


def test_a_twin_that_pairs_across_stretches_would_be_seen(problem: Problem) -> None:
    whole = replace(problem, strategy={**problem.strategy, "local": {"steps": 40 * STRIDE}})
    seen = SeenSteps().with_round(whole, [numbered([0, 3], 4)])
    before, after, _ = np.concatenate(seen.pairs).T
    assert (before % 1000 // STRETCH != after % 1000 // STRETCH).any()


def test_rounds_are_thinned_and_forgotten(problem: Problem) -> None:
    seen = SeenSteps()
    for k in range(KEEP + 2):
        seen = seen.with_round(problem, [numbered(list(range(50)), 8, begin=100_000 * k)])
    assert len(seen) == KEEP * 2 * PAIRS
    rows = np.concatenate(seen.pairs)
    assert rows[:, 0].min() >= 200_000
    assert len(np.unique(np.concatenate(seen.replica))) == 50


def test_both_ends_are_told_as_a_path_begins_and_ends_there(problem: Problem) -> None:
    """λ ~ g(·|ξ) where restraints pull, ξ itself where the CVs are held at λ."""
    seen = SeenSteps().with_round(problem, [numbered([0, 1], 20)])
    held = first_schedule(problem, LocalMoves.first(problem))
    rng = np.random.default_rng(2)
    told = seen.lesson(problem, held, rng)
    np.testing.assert_array_equal(told.pairs, np.concatenate(seen.pairs))
    assert told.moves is not None
    assert told.moves.all()
    pulled = seen.lesson(problem, replace(held, scheme="extended"), rng)
    width = 1.0 / np.sqrt(held.g.kappa[0])
    off: Array = pulled.pairs[:, :2] - told.pairs[:, :2]
    # 4 σ of the spread of a normal
    assert (np.abs(off.std(axis=0) / width - 1.0) < 4.0 / np.sqrt(2 * len(off))).all()
    assert abs(np.corrcoef(off.T)[0, 1]) < 4.0 / np.sqrt(len(off))


def test_no_profile_is_read_of_steps(problem: Problem) -> None:
    assert points(problem) == 0
    assert points(problem_of("double_well")) > 0


def test_steps_are_tallied_by_lag_and_by_where_they_were_to_go() -> None:
    lag, chance = np.array([10.0, 10.0, 40.0, 40.0]), np.array([1.0, 0.5, 0.25, 0.0])
    told = by_lag(tallied((10, 40), lag, chance, np.array([False, True, True, False])), (10, 40))
    assert told["lag 10"] == {
        "acceptance": 0.75, "acceptance_of_crossings": 0.5, "crossings_tried": 1.0
    }  # fmt: skip
    assert told["lag 40"]["acceptance"] == 0.125
    assert told["lag 40"]["acceptance_of_crossings"] == 0.25


def test_steps_between_several_strata_are_refused(problem: Problem) -> None:
    spec = ProposalSpec(problem.broad(), 0.1, np.zeros(3), (10.0,))
    states = problem.states()
    assert states is not None
    with pytest.raises(ValueError, match="of one stratum"):
        proposals_of(WorkerContext({}), 0, spec, states)


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        ("strategy.stratify=true", "strategy.stratify", "keeps each replica in its state"),
        ("strategy.flatten=8 kT", "strategy.flatten", "biases the local moves"),
        ("strategy.path.profile=8", "strategy.path.profile", "lie near"),
        ("strategy.proposal.lags=[10, 60]", "strategy.proposal.lags.1", "more than half"),
        ("strategy.proposal.lags=[15]", "strategy.proposal.lags.0", "no multiple"),
        ("strategy.proposal.lags=[]", "strategy.proposal.lags", "at least 1"),
        ("model={kind: copula_flow}", "model.kind", "holds one density"),
    ],
)
def test_what_does_not_agree_with_steps_is_told(sets: str, where: str, what: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(CONFIGS / f"{NAME}.yaml", (*QUICK, sets))
    told = {".".join(map(str, p.path)): p.problem for p in caught.value.problems}
    assert what in told[where]


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive.of(NAME, *QUICK).produce(3)


@pytest.mark.slow
def test_a_frozen_version_proposes_and_tells_its_acceptance_by_lag(drive: Drive) -> None:
    fits = [order for step in drive.steps for order in step.plan.fits]
    assert fits
    assert {fit.kind for fit in fits} == {"fit_propagator"}
    told = fits[-1].read(FitPropagatorPayload)
    assert told.lags.tolist() == [10.0, 40.0]
    # MALA at a step of 0.002: freely x would have diffused so far, and the wells hold it back
    x, ahead, lag = told.pairs.T
    near, far = ((ahead - x)[lag == one].std() for one in (10, 40))
    assert 0.6 * np.sqrt(0.04) < near < 1.1 * np.sqrt(0.04)
    assert 1.2 * near < far < np.sqrt(0.16)
    last = drive.steps[-1]
    assert last.plan.phase == "produce"
    assert not last.plan.fits
    assert {s.model_version for s in last.segments} == {last.before.version}
    for order, segment in zip(last.plan.orders, last.segments, strict=True):
        paths = order.read(SamplePayload).paths
        assert paths is not None
        assert paths.proposals.lags == (10.0, 40.0)
        assert set(segment.samples["path_lag"].tolist()) == {10.0, 40.0}
    about = drive.strategy.estimate(drive.state).diagnostics["propagator"]
    counts = drive.state.totals
    assert counts["lag_10_proposed"] + counts["lag_40_proposed"] == counts["paths"]
    assert all(0.0 < one["acceptance"] <= 1.0 for one in about.values())
    # nothing that was learnt of is carried through production
    assert not drive.state.seen_steps
    assert Partition.whole(drive.problem.periodic).names == drive.state.strata.names


MOLECULE = (
    "system.platform=Reference",
    "replicas=2",
    "strategy.stratify=off",
    "strategy.flatten=0 kT",
    "strategy.local={kind: langevin, steps: 200}",
    "strategy.proposal={kind: dynamics, lags: [50, 100]}",
    "strategy.path={steps: 60, friction: 1 /ps, width: 10 deg}",
    "strategy.explore={pushes: 2, push_steps: 100, relax_steps: 50}",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 3}",
)


@pytest.mark.slow
def test_torsions_of_a_molecule_go_where_their_dynamics_does() -> None:
    """Two angles that go round; paths begin and end where local moves of 50 and 100 steps do."""
    drive = Drive.of("alanine_dipeptide", *MOLECULE)
    while drive.state.phase == "explore" or drive.state.version < 0:
        drive.step()
    step = drive.step()
    columns = {
        name: np.concatenate([s.samples[name] for s in step.segments])
        for name in ("lambda_start", "lambda_stop", "path_lag", "work")
    }
    assert set(columns["path_lag"].tolist()) == {50.0, 100.0}
    stop = columns["lambda_stop"]
    assert ((stop >= -np.pi) & (stop < np.pi)).all()
    assert np.isfinite(columns["work"]).mean() > 0.5
    told = next(o for s in drive.steps for o in s.plan.fits).read(FitPropagatorPayload)
    assert told.periodic.tolist() == [True, True]
    assert told.moves is not None
    assert told.moves.tolist() == [True, True]
    # what is learnt of is near, however the angles go round
    turn = told.pairs[:, 2:4] - told.pairs[:, :2]
    turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
    assert np.median(np.abs(turn)) < 0.7
