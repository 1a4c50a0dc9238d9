"""Markov models, slow directions and the test of Markovianity against chains that are known."""

from __future__ import annotations

import numpy as np
import pytest
from known_dynamics import LADDER, TWO, eigenvalues, ends, of_one_cv, run_chain, run_ou, stationary

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import chapman_kolmogorov
from msgen.orchestrator.estimators.dynamics.markov import Cells, Fit, counts, markov_model, shares
from msgen.orchestrator.estimators.dynamics.readings import Curve
from msgen.orchestrator.estimators.dynamics.slow_modes import Standard, Tica, vamp2
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

SIGMAS = 4.0


def far(curve: Curve, exact: np.ndarray) -> float:
    _, value, stderr = curve.arrays()
    return float(np.abs((value - exact) / stderr).max())


def indicators(rows: np.ndarray, n: int) -> Trajectories:
    """All functions on n states: the last follows from the others and the constant."""
    names = tuple(f"is{k}" for k in range(n - 1))
    return Trajectories(
        tuple(np.eye(n)[row][:, : n - 1] for row in rows), names, (False,) * (n - 1)
    )


def test_time_scales_and_populations_are_those_of_the_chain() -> None:
    data = of_one_cv(run_chain(LADDER, 40, 1000, np.random.default_rng(0)), stride=2.0, unit="ps")
    cells = Cells.of(data)
    assert cells is not None
    assert len(cells) == 4
    cell, core = cells.assign(data), ends(data, 3)
    states = shares(data, cell, 4, core, 2)
    model = markov_model(
        data, cells, 1, {"A": states[:, 0], "B": states[:, 1]}, np.array([1, 2, 5])
    )
    exact = -2.0 / np.log(eigenvalues(LADDER)[1:])
    assert (model.lag, model.connected) == (2.0, 1.0)
    assert far(model.time_scales, exact) < SIGMAS
    assert far(model.slowest, np.repeat(exact[0], 3)) < SIGMAS
    assert model.slowest.x == (2.0, 4.0, 10.0)
    pi = stationary(LADDER)
    for name, truth in (("A", pi[0]), ("B", pi[3])):
        told = model.populations[name]
        assert told.value is not None
        assert told.stderr is not None
        assert abs(told.value - truth) < SIGMAS * told.stderr
    # twin: a lag taken for one frame that is two
    assert far(model.time_scales, 2.0 * exact) > SIGMAS


def test_the_likeliest_reversible_chain_of_two_states_is_that_of_the_rows() -> None:
    """Any chain of two states is reversible, so that detailed balance changes nothing."""
    c = np.array([[90.0, 10.0], [20.0, 180.0]])
    fit = Fit.of(1e-6 * c)
    assert fit.transition == pytest.approx(c / c.sum(axis=1, keepdims=True), abs=1e-6)
    assert fit.stationary == pytest.approx([0.5, 0.5], abs=1e-6)
    assert fit.time_scales(3.0, 2)[0] == pytest.approx(-3.0 / np.log(0.8), rel=1e-5)
    assert np.isnan(fit.time_scales(3.0, 2)[1])
    apart = Fit.of(np.array([[5.0, 0, 0], [0, 3, 1], [0, 1, 3]]))
    assert (apart.inside.tolist(), apart.share) == ([1, 2], 8 / 13)


@pytest.mark.parametrize("transition", [TWO, LADDER])
def test_vamp2_of_all_functions_is_the_sum_of_squared_eigenvalues(transition: np.ndarray) -> None:
    n = len(transition)
    data = indicators(run_chain(transition, 40, 600, np.random.default_rng(7)), n)
    for lag in (1, 5):
        told = vamp2(data, Standard.of(data), lag)
        exact = float(np.sum(eigenvalues(transition) ** (2 * lag)))
        assert told.value is not None
        assert told.stderr is not None
        assert abs(told.value - exact) < SIGMAS * told.stderr
        # twin: VAMP-1
        assert abs(np.sum(eigenvalues(transition) ** lag) - exact) > 10 * told.stderr


def test_slow_directions_of_two_processes_are_told_apart() -> None:
    """x + y and x − y of a slow and a fast Ornstein–Uhlenbeck process."""
    rng = np.random.default_rng(3)
    slow, fast = run_ou(30.0, 40, 600, rng), run_ou(3.0, 40, 600, rng)
    mixed = np.stack([slow + fast, slow - fast], axis=2)
    data = Trajectories(tuple(mixed), ("u", "v"), (False, False))
    tica = Tica.fit(data, 2)
    assert tica is not None
    assert tica.eigenvalues == pytest.approx(np.exp([-2 / 30, -2 / 3]), abs=0.02)
    found = tica(data)
    assert abs(np.corrcoef(found[:, 0], slow.ravel())[0, 1]) > 0.995
    assert found.std(axis=0) == pytest.approx([1, 1], abs=0.02)
    # linear functions of a Gaussian process: 1 + Σ e^{−2τ/t}
    told = vamp2(data, Standard.of(data), 2)
    exact = 1.0 + np.exp(-4 / 30) + np.exp(-4 / 3)
    assert told.value is not None
    assert told.stderr is not None
    assert abs(told.value - exact) < SIGMAS * told.stderr


def test_what_does_not_vary_has_no_slow_direction() -> None:
    still = of_one_cv(np.ones((3, 50)))
    assert Tica.fit(still, 1) is None
    assert Cells.of(still) is None
    assert vamp2(still, Standard.of(still), 1).value is None
    short = of_one_cv(np.random.default_rng(0).normal(size=(3, 5)))
    assert vamp2(short, Standard.of(short), 9).value is None


def test_a_chain_passes_and_one_with_memory_does_not() -> None:
    """Twin: the same chain with its two middle states taken for those at its ends."""
    rows = run_chain(LADDER, 60, 1000, np.random.default_rng(1))
    data = of_one_cv(rows)
    cells = Cells.of(data)
    assert cells is not None
    told = chapman_kolmogorov(data, cells, 2, {})
    assert told is not None
    assert told.markov is True
    assert told.predicted[0].x == (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    assert told.predicted[0].value[1] == pytest.approx(told.observed[0].value[1])
    lumped = of_one_cv(rows // 2)
    two = Cells.of(lumped)
    assert two is not None
    told = chapman_kolmogorov(lumped, two, 2, {})
    assert told is not None
    assert told.markov is False
    assert told.gap is not None
    assert told.gap > 0.02
    # the longer the lag, the less is remembered
    later = chapman_kolmogorov(lumped, two, 20, {})
    assert later is not None
    assert later.markov is True
    assert chapman_kolmogorov(data, cells, 600, {}) is None


@pytest.mark.slow
def test_posterior_of_overlapping_counts_is_too_narrow() -> None:
    """Why deeptime's errors are not told: at a lag of ten they are a third of the spread."""
    from deeptime.markov.msm import BayesianMSM

    rows = run_chain(LADDER, 40 * 20, 200, np.random.default_rng(5)).reshape(40, 20, 200)
    value, posterior, ours = [], [], []
    for repeat in rows:
        data = of_one_cv(repeat)
        cell = data.xi[:, 0].astype(np.int64)
        c = counts(data, cell, 4, 10)
        total = c.values.sum(axis=0).reshape(4, 4)
        bayes = BayesianMSM(n_samples=100, reversible=True).fit(total).fetch_model()
        posterior.append(np.std([10 / -np.log(m.eigenvalues(2)[1]) for m in bayes.samples]))
        told = c.estimate(
            lambda rows: np.array([Fit.of(r.reshape(4, 4)).time_scales(10.0, 1) for r in rows])
        )
        value.append(told.value[0])
        ours.append(told.stderr[0])
    spread = np.std(value)
    assert np.mean(posterior) < 0.6 * spread
    assert 0.75 * spread < np.mean(ours) < 1.4 * spread
