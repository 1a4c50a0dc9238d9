"""A propagator tells the density of its own steps, and comes back from its state as it was."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.actors.codec import copy_tree, decode, encode
from msgen.models.base import Array, ModelState
from msgen.models.propagator import Pairs, Propagator, load_propagator

SPEC = {
    "kind": "spline_flow", "transforms": 2, "hidden": [16], "bins": 4, "transform": "standardise",
    "learning_rate": 2e-2, "batch": 256, "epochs": 8, "patience": "auto", "ema": 0.9,
    "device": "cpu",
}  # fmt: skip


def rotor(n: int, seed: int) -> Pairs:
    """An angle that drifts and diffuses, and a bond that is longer where the angle is small."""
    rng = np.random.default_rng(seed)
    lag = rng.choice([1.0, 4.0], size=n)
    before = rng.uniform(-np.pi, np.pi, n)
    after = before + 0.3 + 0.4 * np.sqrt(lag) * rng.standard_normal(n)
    after -= 2 * np.pi * np.floor((after + np.pi) / (2 * np.pi))

    def bond(angle: Array) -> Array:
        return np.asarray(1.0 + 0.3 * np.cos(angle) + 0.05 * rng.standard_normal(n))

    return Pairs(
        np.column_stack([before, bond(before)]), np.column_stack([after, bond(after)]), lag
    )


@pytest.fixture(scope="module")
def fitted() -> Propagator:
    model = Propagator.of(SPEC, [True, False], [1.0, 4.0])
    model.fit(rotor(3000, 1), seed=3)
    return model


def test_a_step_follows_what_was_learnt(fitted: Propagator) -> None:
    """Longer lags turn further, and the bond is drawn for where the angle has come to."""
    assert fitted.moving.tolist() == [True, False]
    pairs, rng = rotor(4000, 2), np.random.default_rng(5)
    new = fitted.sample(pairs.before, pairs.lag, rng)
    turn = new[:, 0] - pairs.before[:, 0]
    turn -= 2 * np.pi * np.floor((turn + np.pi) / (2 * np.pi))
    short, long = (turn[pairs.lag == lag].std() for lag in (1.0, 4.0))
    assert long > 1.3 * short
    assert short < 0.7
    off = new[:, 1] - 1.0 - 0.3 * np.cos(new[:, 0])
    assert np.abs(off).mean() < 0.15
    assert turn.mean() > 0.15
    # it knows better than a step of the other lag, than the way back
    # and than another's bond
    told = fitted.log_prob(pairs.after, pairs.before, pairs.lag).mean()
    assert told > fitted.log_prob(pairs.after, pairs.before, 5.0 - pairs.lag).mean() + 0.1
    back = fitted.log_prob(pairs.before, pairs.after, pairs.lag).mean()
    assert told > back + 0.2
    mixed = np.column_stack([pairs.after[:, 0], pairs.after[::-1, 1]])
    assert told > fitted.log_prob(mixed, pairs.before, pairs.lag).mean() + 0.1


def test_its_density_is_normalised(fitted: Propagator) -> None:
    angle, bond = np.linspace(-np.pi, np.pi, 121)[:-1], np.linspace(0.0, 2.2, 111)
    grid = np.array([[a, b] for a in angle for b in bond])
    for here, lag in (([3.0, 0.8], 1.0), ([-1.0, 1.2], 4.0)):
        before, lags = np.tile(here, (len(grid), 1)), np.full(len(grid), lag)
        mass = np.exp(fitted.log_prob(grid, before, lags)).sum()
        assert mass * (angle[1] - angle[0]) * (bond[1] - bond[0]) == pytest.approx(1.0, abs=0.03)


def test_where_a_column_goes_round_nothing_jumps(fitted: Propagator) -> None:
    before = np.array([[np.pi - 1e-9, 0.7], [-np.pi, 0.7]])
    after = np.array([[-3.0, 0.7], [-3.0, 0.7]])
    told = fitted.log_prob(after, before, np.ones(2))
    assert told[0] == pytest.approx(told[1], abs=1e-5)
    assert fitted.log_prob(np.full((1, 2), np.nan), before[:1], np.ones(1))[0] == -np.inf


def test_it_comes_back_from_its_state(fitted: Propagator) -> None:
    state = decode(ModelState, copy_tree(encode(fitted.state())))
    back, pairs = load_propagator(state), rotor(50, 9)
    assert back.lags == (1.0, 4.0)
    asked = (pairs.after, pairs.before, pairs.lag)
    np.testing.assert_array_equal(back.log_prob(*asked), fitted.log_prob(*asked))
    draws = [m.sample(pairs.before, pairs.lag, np.random.default_rng(1)) for m in (back, fitted)]
    np.testing.assert_array_equal(*draws)
    with pytest.raises(ValueError, match="no propagator's"):
        load_propagator(ModelState({"kind": "kde"}, {}))


def test_of_cvs_all_columns_move() -> None:
    """A distance beside an angle goes on from where it is, where a bond is drawn anew."""
    rng, n = np.random.default_rng(11), 1500
    before = np.column_stack([rng.uniform(-np.pi, np.pi, n), rng.normal(0.0, 1.0, n)])
    after = before + 0.2 * rng.standard_normal((n, 2))
    moves = np.ones(2, dtype=bool)
    pairs = Pairs(before, after, np.ones(n))
    model = Propagator.of({**SPEC, "epochs": 6}, [True, False], [1.0], moves)
    model.fit(pairs, seed=2)
    far = np.array([[0.0, -1.5], [0.0, 1.5]])
    new = model.sample(np.repeat(far, 400, axis=0), np.ones(800), rng)[:, 1].reshape(2, 400)
    assert (np.abs(new.mean(axis=1) - far[:, 1]) < 0.4).all()
    back = load_propagator(decode(ModelState, copy_tree(encode(model.state()))))
    assert back.moving.all()
    asked = (after[:50], before[:50], np.ones(50))
    np.testing.assert_array_equal(back.log_prob(*asked), model.log_prob(*asked))
    # the twin that takes it for a bond forgets where it was
    twin = Propagator.of({**SPEC, "epochs": 6}, [True, False], [1.0])
    twin.fit(pairs, seed=2)
    forgot = twin.sample(np.repeat(far, 400, axis=0), np.ones(800), rng)[:, 1].reshape(2, 400)
    assert (np.abs(forgot.mean(axis=1) - far[:, 1]) > 0.8).all()
