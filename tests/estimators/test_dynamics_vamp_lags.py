"""VAMP-2 against lag: a Markov chain passes, hidden slowness and velocities are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.memory import vamp2_in_words
from msgen.orchestrator.estimators.dynamics.slow_modes import Standard, vamp2
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.dynamics.vamp_lags import vamp_against_lag

Array = NDArray[np.float64]
N, LENGTH = 48, 120


def data_of(x: Array) -> Trajectories:
    """Trajectories (n, length, C)."""
    names = tuple(f"x{c}" for c in range(x.shape[2]))
    return Trajectories(tuple(x), names, (False,) * x.shape[2])


def ornstein_uhlenbeck(seed: int, decay: float, n: int = N) -> Array:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, LENGTH))
    for k in range(1, LENGTH):
        x[:, k] = decay * x[:, k - 1] + np.sqrt(1 - decay**2) * x[:, k]
    return x


def oscillator(seed: int, friction: float) -> Array:
    """Positions of a harmonic oscillator of frequency 1, exact at steps of 0.5, 6 of them first."""
    rng = np.random.default_rng(seed)
    small = 0.01
    x, v = rng.standard_normal((2, N))
    out = np.empty((N, LENGTH))
    for k in range(LENGTH):
        out[:, k] = x
        for _ in range(round(0.5 / small)):
            v = v - small * x
            x = x + 0.5 * small * v
            c = np.exp(-friction * small)
            v = c * v + np.sqrt(1 - c * c) * rng.standard_normal(N)
            x = x + 0.5 * small * v
    return out


def test_a_markov_chain_passes_and_shows_what_it_should() -> None:
    two = np.stack([ornstein_uhlenbeck(1, 0.9), ornstein_uhlenbeck(2, 0.6)], axis=2)
    data = data_of(two)
    told = vamp_against_lag(data)
    assert told is not None
    assert told.falls is None
    exact = [1 + 0.9 ** (2 * k) + 0.6 ** (2 * k) for k in told.steps]
    np.testing.assert_allclose(told.predicted, exact, atol=0.08)
    # the score is that of the table, which deeptime makes
    standard = Standard.of(data)
    scores = [vamp2(data, standard, k).value for k in told.steps]
    np.testing.assert_allclose(told.seen, scores, rtol=1e-6)
    assert vamp2_in_words(data) is None


def test_it_does_not_depend_on_how_features_are_mixed() -> None:
    two = np.stack([ornstein_uhlenbeck(3, 0.9), ornstein_uhlenbeck(4, 0.5)], axis=2)
    mixed = two @ np.array([[1.0, 0.7], [-0.4, 2.0]]) + 3.0
    one, other = vamp_against_lag(data_of(two)), vamp_against_lag(data_of(mixed))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.predicted, other.predicted, rtol=1e-8)
    np.testing.assert_allclose(one.difference, other.difference, atol=1e-8)


def test_velocities_make_it_fall_faster_and_what_is_hidden_slower() -> None:
    """The same oscillator at a friction that forgets them is a Markov chain."""
    hidden = (ornstein_uhlenbeck(5, 0.97) + ornstein_uhlenbeck(6, 0.2))[..., None]
    for x, falls in (
        (oscillator(7, 0.5)[..., None], "faster"),
        (oscillator(8, 40.0)[..., None], None),
        (hidden, "slower"),
    ):
        told = vamp_against_lag(data_of(x))
        assert told is not None
        assert told.falls == falls
        said = vamp2_in_words(data_of(x))
        assert (said is None) == (falls is None)
        assert said is None or f"falls {falls}" in said
    fast = vamp2_in_words(data_of(oscillator(7, 0.5)[..., None]), past=2)
    assert fast is not None
    assert "The model knows 2 frames" in fast


def test_chance_alone_seldom_says_anything() -> None:
    """Of 100 chains one should; five is the 99.9 % quantile of what that gives."""
    falls = []
    for seed in range(100):
        told = vamp_against_lag(data_of(ornstein_uhlenbeck(100 + seed, 0.8, 32)[..., None]))
        assert told is not None
        falls.append(told.falls)
    assert sum(f is not None for f in falls) <= 5


@pytest.mark.parametrize("shape", [(1, 120, 1), (40, 2, 1), (6, 12, 2)])
def test_where_there_is_no_ground_nothing_is_said(shape: tuple[int, int, int]) -> None:
    x = np.random.default_rng(9).standard_normal(shape)
    told = vamp_against_lag(data_of(x))
    assert told is None or told.falls is None


def test_few_trajectories_of_a_markov_chain_seem_neither_faster_nor_slower() -> None:
    """In the mean of 60 sets, 4 of its errors; noise alone raises what is seen (14 of them)."""
    seen = []
    for s in range(60):
        chains = [ornstein_uhlenbeck(100 * s + c, 0.5, 12) for c in range(4)]
        told = vamp_against_lag(data_of(np.stack(chains, axis=2)))
        assert told is not None
        seen.append((told.difference, told.seen - told.predicted))
    mean, error = np.mean(seen, axis=0), np.std(seen, axis=0, ddof=1) / np.sqrt(60)
    assert (np.abs(mean[0]) < 4 * error[0]).all()
    assert mean[1, -1] > 8 * error[1, -1]
