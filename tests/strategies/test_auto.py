"""Several strategies in one campaign: who has the next turn, and what the result rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from driving import Drive

from msgen.actors.base import Segment, Tree, WorkOrder, copy_tree, decode, encode
from msgen.orchestrator.base import Estimate, Extent, StateEstimate, StepPlan
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.convergence.errors import StateErrors
from msgen.orchestrator.convergence.looks import Look, Looks
from msgen.orchestrator.forecast import Least
from msgen.orchestrator.strategies.auto.choice import Standing, choose
from msgen.orchestrator.strategies.auto.combining import Combined, weighed
from msgen.orchestrator.strategies.auto.projection import planned, to_go
from msgen.orchestrator.strategies.auto.strategy import AutoStrategy, Candidate

AXIS = {"x": np.array([0.0, 1.0])}


def told(
    f: float,
    stderr: float,
    *,
    rounds: int = 1,
    standing: bool = True,
    unmet: tuple[str, ...] = (),
    **diagnostics: Any,
) -> Estimate:
    """Of two states, the second `f` above the first."""
    states = {"a": StateEstimate(0.0, 0.0), "b": StateEstimate(f, stderr)}
    error = np.array([0.0, stderr])
    return Estimate(
        AXIS,
        np.array([0.0, f]),
        error,
        states,
        diagnostics,
        not unmet,
        unmet,
        standing=standing,
        extent=Extent(rounds, 100.0),
    )


def looks(length: float, held: float | None = None) -> Looks:
    at = Look(length, np.zeros(2), np.zeros(2))
    return Looks(("a", "b"), 8, length, held, (at,))


# -- what is projected --------------------------------------------------------------------------


def test_production_is_projected_by_the_square_of_its_errors() -> None:
    asked = Criteria(state_error=0.1, surface_error=None)
    found = told(1.0, 0.2, rounds=40, unmet=("b: error",))
    left = to_go(found, looks(1000.0, 100.0), [StateErrors({"b": 0.2})], asked)
    assert left == pytest.approx(3000.0)
    # wrong: as though errors fell as 1/N
    assert left != pytest.approx(1000.0)
    assert to_go(replace(found, converged=True), looks(1000.0), [], asked) == 0.0


def test_an_unknown_error_is_farther_off_than_one_that_is_known() -> None:
    asked = Criteria(state_error=0.1, surface_error=None)
    found = told(1.0, 0.2, rounds=40, unmet=("b",), standing=False)
    known = to_go(found, looks(1000.0), [StateErrors({"b": 0.2})], asked)
    unknown = to_go(found, looks(1000.0), [StateErrors({"b": None})], asked)
    assert 0 < known < unknown < float("inf")


def test_learning_that_takes_longer_than_planned_promises_less_and_less() -> None:
    least = Least(100, 10, 4, 2, 4, 9)
    promised = [planned(least, spent) for spent in (0, 100, 140, 400, 1000)]
    assert promised[0] == least.converged
    assert promised[0] > promised[1] > promised[2]
    assert promised[2] < promised[3] < promised[4]


# -- who goes on --------------------------------------------------------------------------------


def test_the_one_with_the_fewest_evaluations_to_go_is_chosen() -> None:
    each = {"slow": Standing(100, 900.0, True, 1.0), "fast": Standing(100, 300.0, True, 1.0)}
    assert choose(each, "", 0.25).turn == "fast"
    assert choose(each, "slow", 0.25).turn == "fast"
    # about as good as the one that is at it: not changed for noise
    each["fast"] = Standing(100, 800.0, True, 1.0)
    assert choose(each, "slow", 0.25).turn == "slow"


def test_trials_are_made_of_what_promises_less_and_end_with_their_share() -> None:
    each = {
        "known": Standing(100, 900.0, True, 1.0),
        "new": Standing(0, 300.0, False, 200.0),
        "dear": Standing(0, 950.0, False, 10.0),
    }
    found = choose(each, "known", 0.25)
    assert (found.chosen, found.turn) == ("known", "new")
    assert choose(each, "known", 0.1).turn == "known"
    # what was spent on others counts towards the share
    each["dear"] = Standing(100, 950.0, True, 10.0)
    assert choose(each, "known", 0.25).turn == "known"


def test_the_first_is_the_one_that_may_converge_the_soonest() -> None:
    each = {"dear": Standing(0, 500.0, False, 1.0), "cheap": Standing(0, 50.0, False, 1.0)}
    assert choose(each, "", 0.25).turn == "cheap"


# -- what the result rests on -------------------------------------------------------------------


def test_independent_strategies_are_joined_with_an_error_that_covers() -> None:
    rng, truth, repeats = np.random.default_rng(11), 1.3, 20_000
    sigma = np.array([[0.2], [0.1]]) * np.ones(repeats)
    drawn = rng.normal(truth, sigma)
    right = weighed(drawn, sigma)
    # wrong: the same data twice, as though it were two strategies
    wrong = weighed(drawn[[0, 0]], sigma[[0, 0]])
    shares = [float(np.mean(np.abs(f - truth) < error)) for f, error in (right, wrong)]
    # 68.3 % within one σ; four σ of 20,000 repeats are 1.3 %
    assert abs(shares[0] - 0.683) < 0.013
    assert shares[1] < 0.55
    joined = Combined.of({"one": told(1.0, 0.2), "other": told(1.2, 0.1)}).estimate
    state = joined.states["b"]
    assert state.f_kT == pytest.approx((25 * 1.0 + 100 * 1.2) / 125)
    assert state.stderr_kT == pytest.approx(125**-0.5)
    # the surface, known up to a constant, says the same of the two bins
    np.testing.assert_allclose(joined.stderr_kT[1], state.stderr_kT)


def test_strategies_that_differ_are_told_and_not_joined() -> None:
    found = Combined.of({"one": told(1.0, 0.1), "other": told(2.0, 0.1)})
    assert found.names == ("one",)
    assert found.estimate.states["b"].f_kT == 1.0
    assert "1.00 kT by one, 2.00 by other" in found.differ[0]


# -- turns --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    """What a toy has absorbed: rounds, and the rounds in which its fits began."""

    round: int = 0
    fits: tuple[int, ...] = ()
    when: tuple[int, ...] = ()


class Toy:
    """Needs so many rounds of so many evaluations, and fits one model beside each.

    With a `search`, its first order is that.
    """

    def __init__(self, name: str, rounds: int, search: int | None = None) -> None:
        self.name, self._rounds, self._search = name, rounds, search

    def start(self) -> Sum:
        return Sum()

    def read(self, tree: Tree) -> Sum:
        return decode(Sum, tree)

    def decide(self, state: Sum) -> StepPlan:
        if self._search is not None and state.round == 0:
            payload = {"targets": np.full(3, self._search)}
            return StepPlan("explore", (WorkOrder(0, "explore", 0, payload),))
        order, fit = WorkOrder(state.round, "toil", 0), WorkOrder(state.round, "fit", 0)
        return StepPlan("produce", (order,), (fit,))

    def absorb(self, state: Sum, segments: Sequence[Segment]) -> Sum:
        came = tuple(s.key[0] for s in segments if s.is_fit)
        kind = "explore" if self._search is not None and state.round == 0 else "toil"
        assert [s.key for s in segments if not s.is_fit] == [(state.round, kind, 0)]
        when = (*state.when, *([state.round] * len(came)))
        return Sum(state.round + 1, (*state.fits, *came), when)

    def estimate(self, state: Sum) -> Estimate:
        error = (self._rounds / max(1, state.round)) ** 0.5 * 0.1
        unmet = () if error <= 0.1 else (f"b: error {error:.2f} kT, asked 0.10",)
        return told(1.0, error, rounds=state.round, unmet=unmet)

    def replicas(self, state: Sum) -> int:
        return 1

    def resize(self, state: Sum, replicas: int) -> Sum:
        return state


class Toys:
    """A campaign of toys, whose fits come back with the next round."""

    def __init__(self, needs: dict[str, int], search: dict[str, int] | None = None) -> None:
        problem: Any = Drive.of("double_well", "replicas=8").problem
        problem = replace(
            problem,
            strategy={"trials": 0.25},
            criteria=Criteria(state_error=0.1, surface_error=None, r_hat=None, ess=None),
        )
        where = search or {}
        least = Least(100 if where else 0, 10, 0, 1, 4, 4)
        made = {n: Candidate(Toy(n, rounds, where.get(n)), least, 1) for n, rounds in needs.items()}
        self.strategy = AutoStrategy(problem, made)
        self.state = self.strategy.start()
        self.late: list[Segment] = []
        self.turns: list[str] = []
        self.searches = 0

    def step(self) -> Estimate:
        plan = self.strategy.decide(self.state)
        cost = 100 if plan.phase == "explore" else 10
        now = [Segment(order.key, evaluations=cost) for order in plan.orders]
        self.turns.append(now[0].key[1].partition(".")[0])
        self.searches += plan.phase == "explore"
        after = self.strategy.absorb(self.state, sorted([*now, *self.late], key=lambda s: s.key))
        self.late = [Segment(fit.key) for fit in plan.fits]
        self.state = self.strategy.read(copy_tree(encode(after)))
        return self.strategy.estimate(self.state)


def test_fits_reach_the_strategy_that_asked_for_them_a_round_of_its_own_later() -> None:
    made = Toys({"first": 60, "second": 40})
    for _ in range(12):
        made.step()
    assert len(set(made.turns)) == 2
    for course in made.state.courses.values():
        own = decode(Sum, course.state)
        # a fit of each round but the last, absorbed with the round after it
        assert own.fits == tuple(range(own.round - 1))
        assert own.when == tuple(range(1, own.round))
    assert sum(c.round for c in made.state.courses.values()) == 12


@pytest.mark.parametrize(("search", "made_of_it"), [((7, 7), 1), ((7, 8), 2)])
def test_one_search_serves_all_that_would_make_the_same(
    search: tuple[int, int], made_of_it: int
) -> None:
    """Of other orders, wrong, nothing is handed on."""
    made = Toys({"one": 60, "two": 58}, dict(zip(("one", "two"), search, strict=True)))
    for _ in range(30):
        made.step()
    assert made.searches == made_of_it
    spent = {n: c.spent for n, c in made.state.courses.items()}
    given = {n: c.given for n, c in made.state.courses.items()}
    assert sum(given.values()) == (100 if made_of_it == 1 else 0)
    assert sum(spent.values()) == 100 * made_of_it + 10 * (30 - made_of_it)


def test_the_better_strategy_ends_it_and_trials_keep_to_their_share() -> None:
    made = Toys({"slow": 400, "good": 40, "slower": 900})
    for _ in range(100):
        found = made.step()
        if found.converged:
            break
    choice = found.diagnostics["choice"]
    assert choice["kind"] == "good"
    assert found.looked
    apart = sum(e for name, e in choice["evaluations"].items() if name != "good")
    assert apart <= 0.3 * choice["evaluations"]["good"]
    assert len(made.turns) <= 1.3 * 40
    # wrong: each in its turn would have taken three times as long
    assert len(made.turns) < 3 * 40


def test_what_others_estimate_counts_where_their_errors_are_known() -> None:
    made = Toys({"first": 60, "second": 62})
    while not (found := made.step()).converged:
        assert len(made.turns) < 200
    joined = found.diagnostics["choice"]["joined"]
    rounds = {n: c.round for n, c in made.state.courses.items()}
    alone = made.strategy._candidates[joined[0]].strategy.estimate(Sum(rounds[joined[0]]))
    mine, theirs = found.states["b"].stderr_kT, alone.states["b"].stderr_kT
    assert mine is not None
    assert theirs is not None
    assert mine <= 0.1
    if len(joined) > 1:
        assert mine < theirs
