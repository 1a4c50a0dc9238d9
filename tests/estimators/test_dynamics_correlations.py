"""Autocorrelations and displacements against an Ornstein–Uhlenbeck process."""

from __future__ import annotations

import numpy as np
import pytest
from known_dynamics import Array, of_one_cv, run_ou

from msgen.orchestrator.estimators.dynamics.correlations import autocorrelation, displacement
from msgen.orchestrator.estimators.dynamics.readings import Curve
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories, spaced

MEMORY = 10.0
LAGS = np.array([1, 3, 10, 25])
SIGMAS = 4.0


def off(curve: Curve, exact: Array) -> Array:
    """In standard errors."""
    _, value, stderr = curve.arrays()
    return np.asarray((value - exact) / stderr)


def test_an_ornstein_uhlenbeck_process_is_told_as_it_is() -> None:
    rows = run_ou(MEMORY, 60, 400, np.random.default_rng(1))
    data = of_one_cv(3.0 + 2.0 * rows, stride=0.1, unit="ps")
    exact = np.exp(-LAGS / MEMORY)
    told = autocorrelation(data, 0, LAGS)
    assert told.x == pytest.approx(tuple(0.1 * LAGS))
    assert np.abs(off(told, exact)).max() < SIGMAS
    assert told.arrays()[2].max() < 0.03
    moved = displacement(data, 0, LAGS)
    assert np.abs(off(moved, 8.0 * (1.0 - exact))).max() < SIGMAS


def test_short_trajectories_need_the_common_mean() -> None:
    """Twin: a mean for each trajectory of two memories takes the slow part out."""
    rows = run_ou(MEMORY, 2000, 20, np.random.default_rng(2))
    lags = np.array([1, 5, 10])
    exact = np.exp(-lags / MEMORY)
    assert np.abs(off(autocorrelation(of_one_cv(rows), 0, lags), exact)).max() < SIGMAS
    twin = autocorrelation(of_one_cv(rows - rows.mean(axis=1, keepdims=True)), 0, lags)
    assert off(twin, exact).max() < -20


def test_an_angle_does_not_know_where_the_circle_was_cut() -> None:
    rows = 2.0 * run_ou(MEMORY, 40, 200, np.random.default_rng(4))
    one, other = (
        autocorrelation(of_one_cv((rows + turn) % (2 * np.pi), periodic=True), 0, LAGS)
        for turn in (0.0, 2.5)
    )
    assert one.value == pytest.approx(other.value, abs=1e-10)
    # of z = exp(iφ) with φ Gaussian of variance 4: (e^{4(c − 1)} − e^{−4}) / (1 − e^{−4})
    exact = (np.exp(4 * (np.exp(-LAGS / MEMORY) - 1)) - np.exp(-4)) / (1 - np.exp(-4))
    assert np.abs(off(one, exact)).max() < SIGMAS


def test_angles_are_followed_round_the_circle() -> None:
    """Twin: the angles as they are written."""
    rows = np.linspace(0, 9 * np.pi, 91)[None] + np.array([[0.0], [0.3]])
    wrapped = (rows + np.pi) % (2 * np.pi) - np.pi
    lags = np.array([20])
    told = displacement(of_one_cv(wrapped, periodic=True), 0, lags)
    assert told.value[0] == pytest.approx((2 * np.pi) ** 2)
    twin = displacement(of_one_cv(wrapped), 0, lags)
    assert twin.value[0] == pytest.approx(0.0, abs=1e-12)


def test_displacements_begin_where_they_are_asked_to() -> None:
    rows = np.array([[0.0, 1.0, 3.0, 6.0], [0.0, 5.0, 5.0, 5.0]])
    data = of_one_cv(rows)
    inside = np.isin(data.xi[:, 0], [1.0, 3.0])
    told = displacement(data, 0, np.array([1, 2]), inside)
    assert told.value == pytest.approx(((4 + 9) / 2, 25))
    # pairs of one trajectory alone
    assert told.stderr == (None, None)
    nobody = displacement(data, 0, np.array([1]), np.zeros(8, dtype=bool))
    assert nobody.value == (None,)
    assert nobody.why


def test_pairs_weigh_what_the_earlier_frame_does() -> None:
    data = Trajectories(
        (np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]])), ("x",), (False,),
        weights=(np.array([3.0, 99.0]), np.array([1.0, 99.0])),
    )  # fmt: skip
    assert displacement(data, 0, np.array([1])).value == pytest.approx(((3 * 1 + 9) / 4,))


def test_lags_are_spaced_evenly_in_their_logarithm() -> None:
    assert spaced(100, 5).tolist() == [1, 3, 10, 32, 100]
    assert spaced(0, 5).tolist() == []
