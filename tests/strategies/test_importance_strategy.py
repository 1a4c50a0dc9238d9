"""The importance strategy stepped by hand, and run as a campaign: exact, honest, frozen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driving import Drive, same
from places import CONFIGS

from msgen.actors.base import Segment, decode, encode, stream
from msgen.actors.configurations.coordinates import InCoordinates, exact_coordinates
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.orders.draw import DrawPayload
from msgen.actors.orders.walk import WalkRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.models import Broad, Defended, load
from msgen.orchestrator.cli import main
from msgen.orchestrator.estimators.importance import (
    effective_size,
    log_mean,
    shares,
    summed_shares,
    with_unseen,
)
from msgen.orchestrator.estimators.pareto import pareto_k, smoothed
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.importance.orders import _samples
from msgen.orchestrator.strategies.importance.production import Weighted
from msgen.orchestrator.strategies.importance.state import Drawn, ImportanceState, Learnt

PAIR = (
    "system={kind: gaussian_mixture, dim: 2, means: [-2.5, 2.5], scales: 0.4, weights: [0.3, 0.7]}",
    "model={kind: realnvp, transforms: 3, hidden: [24]}",
    "strategy.local={kind: mala, steps: 40}",
    "strategy.draws=1024",
)
TEACH = "papers/gabrie_mode_collapse_adaptive"
# far enough from each other that the broad draws do not meet the other mode by chance
FAR = (PAIR[0].replace("dim: 2", "dim: 8"), *PAIR[1:])
ALONE = "strategy.training={kind: reverse_kl, updates: 240, batch: 128, hot: 1, recall: 0}"
ANNEALED = "strategy.training={kind: reverse_kl, updates: 400, batch: 128}"


def drawn(log_w: np.ndarray, xi: np.ndarray, first: int, held: np.ndarray | None = None) -> Segment:
    """A round's draws, with held-out walkers at `xi` = −1 if given."""
    samples = {"log_weight": log_w, "cvs": xi, "draw": first + np.arange(len(xi), dtype=float)}
    if held is None:
        return Segment((0, "draw", 0), samples=samples)
    record = WalkRecord(
        WalkerRows(np.zeros((1, 1))),
        np.zeros((len(held), 1)),
        np.zeros(len(held), dtype=np.int64),
        held_cvs=np.full((len(held), 1), -1.0),
        held_log_weight=held,
    )
    return Segment((0, "watch", 0), samples=samples, carry=encode(record))


@pytest.fixture(scope="module")
def problem() -> Any:
    return Drive.of(TEACH, *PAIR).problem


def test_sums_are_the_estimators_over_all_draws(problem: Any) -> None:
    states: Partition = problem.states()
    rng = np.random.default_rng(0)
    n, rounds = 3000, 3
    log_w = rng.normal(0.0, 0.7, (rounds, n)) + np.array([0.0, 40.0, -3.0])[:, None]
    log_w[0, :5] = -np.inf
    xi = rng.uniform(-4.2, 4.2, (rounds, n, 1))
    got = Weighted.start(problem, len(states))
    for r in range(rounds):
        got = got.with_round(problem, states, [drawn(log_w[r], xi[r], r * n)])
        got = decode(Weighted, encode(got))
    flat, x = log_w.ravel(), xi.reshape(-1, 1)
    unit = np.arange(len(flat)) % 256
    found = got.estimate(problem, states, (), {}, False)
    value, error = log_mean(flat, unit)
    unseen = got.unseen(got.sums)
    error = np.hypot(error, unseen[0])
    assert found.log_z is not None
    assert (found.log_z.value, found.log_z.stderr) == pytest.approx((value, error), rel=1e-9)
    of_states = with_unseen(shares(flat, states.assign(x), unit, len(states)), unseen[1:])
    f, sigma = of_states.difference(0, 1)
    told = found.states["rest"]
    assert (told.f_kT, told.stderr_kT) == pytest.approx((f, sigma), rel=1e-9)
    # in bins F is against all weight, outside of the grid as well
    bins = shares(flat, problem.grid.index(x), unit, problem.grid.size)
    assert found.f_kT == pytest.approx(bins.f - np.nanmin(bins.f), nan_ok=True)
    wider = found.stderr_kT / bins.stderr
    assert np.nanmin(wider) >= 1.0
    assert len(np.unique(np.round(wider[np.isfinite(wider)], 9))) == len(states)
    assert found.diagnostics["ess"] == pytest.approx(effective_size(flat))
    assert found.diagnostics["pareto_k"] == pytest.approx(pareto_k(flat))
    smooth = got.estimate(problem, states, (), {}, True)
    assert smooth.log_z is not None
    assert smooth.log_z.value == pytest.approx(log_mean(smoothed(flat)[0], unit)[0])
    assert smooth.log_z.value != found.log_z.value


def test_walkers_that_outweigh_all_draws_are_a_missed_state(problem: Any) -> None:
    states: Partition = problem.states()
    rng = np.random.default_rng(1)
    x = rng.choice([-1.0, 1.0], (4000, 1))
    light = rng.normal(0.0, 0.1, 4000)

    def judged(held: float) -> tuple[bool, tuple[str, ...]]:
        one = Weighted.start(problem, len(states))
        one = one.with_round(problem, states, [drawn(light, x, 0, np.full(50, held))])
        found = one.estimate(problem, states, (), {}, False)
        assert found.diagnostics["warnings"] == [u for u in found.unmet if "collapse" in u]
        return found.converged, found.unmet

    assert not any("collapse" in u for u in judged(0.1)[1])
    converged, unmet = judged(20.0)
    assert not converged
    assert unmet[0].startswith("mode collapse suspected: low is hardly drawn")
    assert "4,000 draws" in unmet[0]


def test_a_lucky_tail_does_not_end_a_campaign(problem: Any) -> None:
    """k̂ of one round below what is asked is not known well enough; that of many rounds is."""
    states: Partition = problem.states()
    rng = np.random.default_rng(2)
    lucky, done = 0, []
    for _ in range(20):
        got = Weighted.start(problem, len(states))
        for r in range(12):
            x = rng.choice([-1.0, 1.0], (4096, 1))
            heavy = -0.8 * np.log(rng.uniform(size=4096))  # weights u^{−0.8}: k = 0.8
            got = got.with_round(problem, states, [drawn(heavy, x, 4096 * r)])
            found = got.estimate(problem, states, (), {}, False)
            lucky += found.diagnostics["pareto_k"] < 0.7
            done.append(not any("tail" in u for u in found.unmet))
    # one of five rounds would have passed by k̂ alone
    assert lucky > 20
    assert sum(done) <= 3


def test_a_heavy_state_is_told_by_name_and_by_its_error(problem: Any) -> None:
    """All draws together look light; one state's weights are not."""
    states: Partition = problem.states()
    rng = np.random.default_rng(3)
    got = Weighted.start(problem, len(states))
    for r in range(4):
        x = rng.choice([-1.0, 1.0], (4096, 1))
        log_w = np.where(x[:, 0] > 0, -0.75 * np.log(rng.uniform(size=4096)), 0.0)
        got = got.with_round(problem, states, [drawn(log_w, x, 4096 * r)])
    found = got.estimate(problem, states, (), {}, False)
    assert any(u.startswith("tail of the weights, rest: k̂ 0.") for u in found.unmet)
    assert not any(u.startswith("tail of the weights, low") for u in found.unmet)
    plain = summed_shares(got.sums.states, got.sums.total).difference(0, 1)[1]
    told = found.states["rest"].stderr_kT
    assert told is None or told > 1.3 * plain


def test_what_the_adaptive_fit_learns_from() -> None:
    walked = np.zeros((40, 2))
    log_w = np.array([0.0] * 99 + [50.0])
    state = ImportanceState(
        round=0,
        phase="adapt",
        pool=None,
        walkers=WalkerRows(np.zeros((8, 2))),
        trail=np.zeros((0, 1)),
        moves=LocalMoves(),
        learnt=(Learnt(walked, np.arange(40) % 8),),
        drawn=(Drawn(np.ones((100, 2)), log_w),),
    )
    data, weights, unit = _samples(state)
    assert len(data) == len(weights) == 140
    assert len(np.unique(unit[:40])) == 8
    assert len(np.unique(unit)) == 108
    assert weights.sum() == pytest.approx(1.0)
    # one draw holds all the weight: it is as good as one of nine, whatever it weighs
    assert weights[:40].sum() == pytest.approx(8 / 9, abs=0.01)
    state = replace(state, drawn=(Drawn(np.ones((100, 2)), np.zeros(100)),))
    assert _samples(state)[1][:40].sum() == pytest.approx(0.1)


@pytest.fixture(scope="module")
def collapsed() -> Drive:
    return Drive.of(TEACH, *FAR, ALONE).produce(2)


def test_reverse_kl_alone_is_found_out(collapsed: Drive) -> None:
    found = collapsed.strategy.estimate(collapsed.state)
    assert found.diagnostics["ess_per_draw"] > 0.5, "the weights look fine"
    assert not found.converged
    assert found.unmet[0].startswith("mode collapse suspected")
    missed = max(found.diagnostics["held_out_log_weight"].items(), key=lambda i: i[1])
    assert missed[1] > 10.0
    assert missed[0] in found.unmet[0]
    # the wrong twin: walkers of the found mode only would have said nothing
    blind, states = collapsed.state.produced, collapsed.state.states
    seen = blind.held[:, 1] != states.names.index(missed[0])
    blind = replace(blind, held=blind.held[seen], held_by=blind.held_by[seen])
    said = blind.estimate(collapsed.problem, states, (), {}, False)
    assert not any("collapse" in u for u in said.unmet)


def test_annealed_it_finds_both_and_is_frozen_while_it_counts() -> None:
    drive = Drive.of(TEACH, *PAIR, ANNEALED).produce(3)
    found = drive.strategy.estimate(drive.state)
    f, error = found.states["rest"].f_kT, found.states["rest"].stderr_kT
    assert f is not None
    assert error is not None
    assert f == pytest.approx(-np.log(0.7 / 0.3), abs=4 * error)
    assert found.log_z is not None
    assert found.log_z.value == pytest.approx(0.0, abs=4 * (found.log_z.stderr or 0.0))
    assert not any("collapse" in u for u in found.unmet)
    counted = [step for step in drive.steps if step.plan.phase == "produce"]
    versions = {o.model_version for s in counted for o in s.plan.orders}
    assert len(versions) == 1
    assert not any(o.is_fit for s in counted for o in s.plan.orders)
    draws = np.concatenate(
        [s.samples["draw"] for step in counted for s in step.segments if s.key[1] == "draw"]
    )
    assert sorted(draws) == list(range(found.diagnostics["draws"]))
    # all that the training spent is counted
    fits = [s for step in drive.steps for s in step.segments if s.key[1] == "fit_energy"]
    assert sum(s.evaluations for s in fits) == 8 * 51 * 128 + 512
    assert len(found.diagnostics["training"]["clipped_by_part"]) == 8


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    few = ("strategy.training={kind: adaptive, rounds: 2}", "model.epochs=3")
    one, two = (Drive.of(TEACH, *PAIR, *few).produce(1) for _ in range(2))
    assert same(one.state, two.state)
    other = Drive.of(TEACH, *PAIR, *few, "seed=2").produce(1)
    assert not same(one.state.produced, other.state.produced)


def test_as_a_campaign_that_says_so(tmp_path: Path) -> None:
    config = CONFIGS / f"{TEACH}.yaml"
    brief = ALONE.replace("240", "80")
    sets = [*FAR, brief, "name=alone", "budget.rounds=14", "output.tensorboard=false"]
    words = [w for s in sets for w in ("--set", s)]
    assert main(["run", str(config), "--output-dir", str(tmp_path), *words]) == 3
    run = tmp_path / "alone"
    result = json.loads((run / "results" / "free_energy.json").read_text())
    assert result["status"] == "exhausted"
    assert any("mode collapse" in u for u in result["diagnostics"]["unmet"])
    assert any("mode collapse" in w for w in result["diagnostics"]["warnings"])
    assert result["log_z"]["value"] is not None
    page = (run / "results" / "report.html").read_text()
    assert "mode collapse suspected" in page.split("Criteria not met")[0]
    assert main(["export", str(run)]) == 0
    with np.load(run / "results" / "samples.npz") as samples:
        x, weight = samples["cvs"][:, 0], samples["weight"]
    assert weight.sum() == pytest.approx(1.0)
    f = float(np.log(weight[x < 0].sum() / weight[x >= 0].sum()))
    assert f == pytest.approx(result["states"]["rest"]["f_kT"], abs=1e-6)


def test_a_molecule_is_drawn_in_internal_coordinates() -> None:
    """ln w is that of the density in the model's coordinates, and isomers have no weight."""
    drive = Drive.of(
        "alanine_dipeptide",
        "strategy={kind: importance, draws: 256, training: {kind: data, rounds: 1}}",
        "strategy.local={kind: langevin, steps: 20}",
        "strategy.explore={pushes: 2, push_steps: 20, relax_steps: 20}",
        "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 1}",
        "replicas=2",
    )
    drive.produce(1)
    step = drive.steps[-1]
    (order,) = [o for o in step.plan.orders if o.kind == "draw"]
    (segment,) = [s for s in step.segments if s.key[1] == "draw"]
    coordinates = exact_coordinates("internal", drive.system)
    asked = order.read(DrawPayload)
    model = load(step.plan.models[order.model_version])
    broad = Broad(coordinates.periodic, mean=asked.broad.mean, std=asked.broad.std)
    q = Defended(model, broad, asked.epsilon)
    seed = drive.problem.seed
    y, log_q = q.sample_with_log_prob(256, stream(seed, order.key))
    log_p = InCoordinates(BoltzmannTarget(drive.system), coordinates).log_density(y)
    counted = np.isfinite(segment.samples["log_weight"])
    assert 0 < counted.sum() < 256, "a hardly trained model draws isomers too"
    told = segment.samples["log_weight"][counted]
    # OpenMM's own rounding at energies of hundreds of kT
    assert told == pytest.approx((log_p - log_q)[counted], rel=1e-5)
    # the wrong twin: without the volume that belongs to internal coordinates
    volume = coordinates.log_det(y)[counted]
    assert np.ptp(volume) > 1.0
    x = coordinates.decode(y[counted], np.random.default_rng(0))
    assert segment.samples["cvs"][counted] == pytest.approx(drive.cvs(x), abs=1e-6)
