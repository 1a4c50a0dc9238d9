"""The bias along a few CVs at a time: what it learns from biased samples, and what it lifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from coverage_cases.chains import problem as of_one
from driving import Drive

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.sample import SamplePayload
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.steered.adaptation import areas
from msgen.orchestrator.strategies.steered.flattening import KEEP, PLAIN_SHARE
from msgen.orchestrator.strategies.steered.sightings import Sightings, flattened, partial_ladders

SIGMAS = 4.5
X = np.linspace(-2.6, 2.6, 521)
F = 1.2 * (X**2 - 1.5) ** 2
P = np.exp(-F) / np.exp(-F).sum()
WHOLE = Partition.whole(np.zeros(4, dtype=bool))
HALVES = Partition.from_boxes({"l": {"a": (-9.0, 0.0)}}, tuple("abcd"), np.zeros(4, dtype=bool))
"""Two strata, neither of which limits the last CV."""


def problem() -> Problem:
    """Four CVs, of which two surfaces are asked for, one of them twice over."""
    grid = Grid.regular(((-2.6, 2.6),) * 4, (26,) * 4, (False,) * 4)
    made = of_one(Criteria(), 4)
    return replace(made, names=tuple("abcd"), grid=grid, surfaces=((0,), (0, 1), (3,)))


def samples(rng: np.random.Generator, n: int, log_bias: np.ndarray) -> np.ndarray:
    """Of a under a bias; the others are alike without."""
    q = P * np.exp(log_bias)
    others = rng.choice(X, p=P, size=(n, 3))
    return np.column_stack([rng.choice(X, p=q / q.sum(), size=n), others])


def seen(rng: np.random.Generator) -> Sightings:
    """None, flat, and tilted; a constant in the bias must not matter."""
    out = Sightings.empty(4)
    for bias in (np.zeros(len(X)), np.minimum(F, 6.0) + 5.0, 1.5 * X - 2.0):
        xi = samples(rng, 4000, bias)
        out = out.with_round(xi, np.interp(xi[:, 0], X, bias))
    return out


def test_biased_rounds_give_the_density_they_were_drawn_from() -> None:
    made = seen(np.random.default_rng(1))
    for marginal in flattened(problem()):
        p = made.populations(marginal)
        assert p.sum() == pytest.approx(1.0)
    last = flattened(problem())[1]
    exact = np.histogram(X, last.grid.edges[0], weights=P)[0]
    p = made.populations(last)
    low = exact > 2e-3
    # of some 12,000 samples, a third of which weighs hardly less than all
    error = np.sqrt(1.0 / (4000 * exact[low]))
    assert np.abs(np.log(p[low] / exact[low]) / error).max() < SIGMAS
    pair = made.populations(flattened(problem())[0]).reshape(26, 26).sum(axis=1)
    assert np.abs(np.log(pair[low] / exact[low]) / error).max() < SIGMAS
    # forgetting the weights is seen
    plain = replace(made, weight=np.ones(len(made.xi)))
    twin = plain.populations(flattened(problem())[0]).reshape(26, 26).sum(axis=1)
    assert np.abs(np.log(twin[low] / exact[low]) / error).max() > 3 * SIGMAS


def test_the_oldest_round_is_forgotten() -> None:
    out = Sightings.empty(1)
    for n in range(KEEP + 3):
        out = out.with_round(np.full((10 + n, 1), float(n)), np.zeros(10 + n))
    assert len(out.number) == KEEP
    assert np.unique(out.xi).tolist() == list(range(3, KEEP + 3))
    assert out.number.sum() == len(out.xi) == len(out.weight)
    again = decode(Sightings, encode(out))
    assert np.array_equal(again.weight, out.weight)


def test_rounds_of_nothing_are_forgotten_as_well() -> None:
    out = Sightings.empty(1)
    for n in (0, *[3] * (KEEP + 2)):
        out = out.with_round(np.zeros((n, 1)), np.zeros(n))
    assert out.number.tolist() == [3] * KEEP
    assert len(out.xi) == len(out.weight) == 3 * KEEP


def test_a_round_weighs_as_much_as_it_says() -> None:
    """Its effective number, whatever the constant of the bias."""
    bias = np.linspace(4.0, 7.0, 50)
    w = np.exp(-bias)
    out = Sightings.empty(1).with_round(np.zeros((50, 1)), bias)
    assert out.weight.sum() == pytest.approx(w.sum() ** 2 / (w @ w))


def test_a_stratum_that_lies_high_is_flattened_less() -> None:
    """As high above the lowest bottom of all, and not above its own."""
    made = seen(np.random.default_rng(5))
    high = []
    for f in (0.0, 2.5):
        both = partial_ladders(problem(), {0: made, 1: made}, HALVES, np.array([0.0, f]), 4.0, 1.0)
        high.append([float(np.ptp(both[k].parts[1].log_h)) for k in (0, 1)])
    low, less = high[0][0], high[1][1]
    assert high[0][1] == high[1][0] == low
    assert low - less == pytest.approx(2.5)


def test_each_ladder_lifts_its_pass_and_all_are_on_as_often() -> None:
    made = seen(np.random.default_rng(2))
    ladders = partial_ladders(problem(), {0: made}, WHOLE, np.zeros(1), 6.0, 2.0)[0]
    assert [c.tolist() for c in ladders.columns] == [[0, 1], [3]]
    middle, bottom = np.zeros((1, 4)), np.full((1, 4), np.sqrt(1.5))
    height = 1.2 * 1.5**2
    for part, c in zip(ladders.parts, (0, 3), strict=True):
        at_pass = bottom.copy()
        at_pass[0, c] = 0.0
        own = [part.log_bias(xi[:, [0, 1] if c == 0 else [3]])[0] for xi in (at_pass, bottom)]
        assert 0.6 * height < own[0] - own[1] < 1.2 * height
        # the others are on for the rest of the time, and lift nothing there
        assert ladders.log_bias(at_pass)[0] > ladders.log_bias(bottom)[0] + 0.2
    assert ladders.log_bias(middle)[0] > ladders.log_bias(bottom)[0]
    # at what the plain density gives, λ is absent for its share of the time
    xi = samples(np.random.default_rng(3), 20_000, np.zeros(len(X)))
    odds = [
        np.exp(part.log_bias(xi[:, c])).mean()
        for part, c in zip(ladders.parts, ladders.columns, strict=True)
    ]
    assert sum(odds) == pytest.approx(1.0 / PLAIN_SHARE - 1.0, rel=0.25)
    assert odds[0] == pytest.approx(odds[1], rel=0.25)


def test_nothing_is_flattened_that_a_stratum_does_not_hold() -> None:
    left = Partition.from_boxes({"l": {"a": (-9.0, 0.0)}}, tuple("abcd"), np.zeros(4, dtype=bool))
    made = seen(np.random.default_rng(4))
    inside = Sightings(*(v[made.xi[:, 0] < 0] for v in (made.xi, made.weight)), made.number)
    (ladder, _) = partial_ladders(problem(), {0: inside}, left, np.zeros(2), 6.0, 2.0)[0].parts
    on = np.isfinite(ladder.log_h).any(axis=1)
    assert on[ladder.axes[0] < 0].all()
    assert not on[ladder.axes[0] > 0.5].any()
    # whatever b is: the stratum does not limit it
    assert np.isfinite(ladder.log_h[on]).all()


def test_a_campaign_along_four_cvs_samples_under_them() -> None:
    """Explored and adapted for three rounds, by way of checkpoints."""
    along = {
        f"a_{k}": {"kind": "coordinate", "index": 2 * k, "range": [-3, 3], "bins": 24}
        for k in range(4)
    }
    campaign = Campaign.parse(
        {
            "system": {"kind": "many_well", "dim": 8},
            "cvs": along,
            "states": {"right": {"a_0": [0, 3]}},
            "strategy": {
                "kind": "steered",
                "local": {"kind": "hmc", "steps": 3},
                "explore": {"pushes": 32, "push_steps": 60, "relax_steps": 20},
            },
            "replicas": 8,
        }
    )
    drive = Drive.along(campaign)
    drive.until("adapt", 4)
    for _ in range(3):
        step = drive.step()
    state = drive.state
    assert set(state.partial) == set(state.sightings) == {0, 1}
    assert not state.flatteners
    payload = step.plan.orders[0].read(SamplePayload)
    assert payload.partial is not None
    # each CV with the next; those alone are held by the pairs
    assert [c.tolist() for c in payload.partial.columns] == [[0, 1], [1, 2], [2, 3]]
    assert (areas(drive.problem, state, 8.0) > 1.0).all()
    held = sum(a.nbytes for a in _arrays(encode(state)))
    assert held < 40e6
    assert 24**4 * 8 * 2 > 5e6  # one number a bin of a grid for each stratum


def _arrays(tree: object) -> list[np.ndarray]:
    if isinstance(tree, np.ndarray):
        return [tree]
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [array for one in inside for array in _arrays(one)]
