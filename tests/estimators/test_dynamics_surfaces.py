"""Free energies of trajectories, how far they are from a reference, and errors by blocks."""

from __future__ import annotations

import numpy as np
import pytest
from known_dynamics import LADDER, Array, of_one_cv, run_chain, stationary
from scipy.spatial.distance import jensenshannon

from msgen.orchestrator.estimators.dynamics.divergences import divergence, jensen_shannon
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading
from msgen.orchestrator.estimators.dynamics.sums import ALONE, Sums
from msgen.orchestrator.estimators.dynamics.surfaces import (
    aligned,
    counts,
    difference,
    free_energy,
    surface,
)
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories, same_lag
from msgen.orchestrator.estimators.errors import inflation, jackknife
from msgen.orchestrator.estimators.histogram import Grid

NAN = float("nan")
STATES = Grid.regular(((-0.5, 3.5),), (4,), (False,))


def test_surfaces_are_aligned_by_least_squares_where_the_reference_is_low() -> None:
    """By hand: bins 0 to 2 count; 3 is too high, 4 was never visited, 5 not by the reference."""
    f = np.array([[1.0, 4.0, 6.0, 50.0, NAN, 2.0]])
    reference = np.array([[0.0, 2.0, 7.0, 12.0, 3.0, NAN]])
    rms, shift = aligned(f, reference)
    # differences 1, 2, −1: their mean 2/3, squares about it 1/9 + 16/9 + 25/9
    assert shift[0] == pytest.approx(2 / 3)
    assert rms[0] == pytest.approx(np.sqrt(42 / 27))
    # twins: aligned at the minimum; with all bins
    assert np.sqrt(np.mean((f - f[0, 0] - reference)[0, :3] ** 2)) != pytest.approx(rms[0])
    assert aligned(f, reference, below=99.0)[0][0] > 10
    assert np.isnan(aligned(np.full((1, 6), NAN), reference)[0])


def test_bins_that_are_empty_are_counted_apart() -> None:
    def sums(*rows: list[float]) -> Sums:
        return Sums(np.array(rows), np.zeros(len(rows), dtype=np.int64), np.sum(rows, axis=1))

    here = sums([40.0, 9.0, 0.0, 1.0], [40.0, 11.0, 0.0, 0.0], [40.0, 10.0, 0.0, 0.0])
    told = difference(here, sums([50.0, 10.0, 5.0, 0.0], [49.0, 12.0, 4.0, 0.0]))
    assert (told.bins, told.empty) == (2, 1)
    assert told.rms_kT.value is not None
    assert told.rms_kT.stderr is not None
    exact = np.log(np.array([120 / 99, 30 / 22]))
    assert told.rms_kT.value == pytest.approx(exact.std())
    nowhere = difference(here, sums([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]))
    assert nowhere.rms_kT.value == 0.0
    apart = difference(sums([1.0, 0.0], [1.0, 0.0]), sums([0.0, 1.0], [0.0, 1.0]))
    assert apart.rms_kT.value is None
    assert "no bin in common" in apart.rms_kT.why


def test_starts_spread_over_states_are_weighed_to_equilibrium() -> None:
    """As many starts in each state by design, 60 repeats. Twin: as they come."""
    rng, pi = np.random.default_rng(8), stationary(LADDER)
    pool = run_chain(LADDER, 60_000, 6, rng)
    by_start = [pool[pool[:, 0] == s][: 60 * 80].reshape(60, 80, 6) for s in range(4)]
    weights = tuple(np.full(6, pi[s]) for s in range(4) for _ in range(80))
    z, plain = [], []
    for repeat in zip(*by_start, strict=True):
        rows = np.concatenate(repeat)
        data = of_one_cv(rows, weights=weights, group=np.repeat(np.arange(4), 80))
        told = counts(data, (0,), STATES).estimate(free_energy)
        z.append((told.value + np.log(pi)) / told.stderr)
        plain.append(counts(of_one_cv(rows), (0,), STATES).estimate(free_energy).value)
    assert np.abs(np.mean(z, axis=0)).max() < 4 / np.sqrt(60)
    assert np.std(z, axis=0) == pytest.approx(np.ones(4), abs=0.3)
    assert np.abs(np.mean(plain, axis=0) + np.log(pi)).min() > 0.1
    f = surface(counts(data, (0,), STATES), STATES)
    assert f.f.min() == 0.0


def test_the_error_is_the_jackknife_of_blocks_alike() -> None:
    rng = np.random.default_rng(0)
    data = of_one_cv(rng.normal(size=(12, 50)) + rng.normal(size=(12, 1)))
    x = data.xi[:, 0]
    sums = data.blocks.sum(np.stack([np.ones(600), x, x**2], axis=1), np.arange(600))

    def variance(s: Array) -> Array:
        return np.asarray((s[:, 2] / s[:, 0] - (s[:, 1] / s[:, 0]) ** 2)[:, None])

    told = sums.estimate(variance)
    plain = jackknife(lambda rows: variance(np.sum(rows, axis=0)[None])[0], list(sums.values))
    assert told.value == pytest.approx(plain.value)
    assert told.stderr == pytest.approx(plain.stderr * inflation(11))
    assert told.bias == pytest.approx(plain.bias)


def test_pieces_of_one_trajectory_are_no_ground() -> None:
    rows = run_chain(LADDER, 6, 40, np.random.default_rng(1))
    of_one = of_one_cv(rows, member=np.zeros(6, dtype=np.int64))
    told = counts(of_one, (0,), STATES).estimate(free_energy)
    assert np.isnan(told.stderr).all()
    assert told.why == ALONE
    whole = of_one_cv(rows.reshape(1, -1))
    pieces = whole.cut(6)
    assert [len(p) for p in pieces.paths] == [40] * 6
    assert np.isfinite(counts(pieces, (0,), STATES).estimate(free_energy).stderr).all()


def test_trajectories_are_dealt_to_blocks_of_about_one_weight() -> None:
    rng = np.random.default_rng(2)
    paths = tuple(np.zeros((int(n), 1)) for n in rng.integers(5, 60, size=500))
    data = Trajectories(paths, ("x",), (False,))
    blocks = data.blocks
    assert len(blocks.weight) == 32
    assert blocks.weight.sum() == data.lengths.sum()
    assert np.ptp(blocks.weight) < 0.06 * blocks.weight.mean()
    # whole trajectories
    for k in range(500):
        assert len(np.unique(blocks.of_frame[data.owner == k])) == 1


def test_the_divergence_is_that_in_nats_and_no_distance() -> None:
    p, q = np.array([1.0, 3.0, 0.0, 4.0]), np.array([2.0, 2.0, 1.0, 0.0])
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
    assert jensen_shannon(p, q) != pytest.approx(jensenshannon(p, q))
    assert jensen_shannon(p, 3 * p) == pytest.approx(0.0, abs=1e-15)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(np.log(2))
    assert np.isnan(jensen_shannon(np.zeros(4), q))


def test_samples_of_one_distribution_differ_by_chance_alone() -> None:
    """The mean of 30 repeats, each with its own estimate of the chance in it."""
    rng, told = np.random.default_rng(6), []
    for _ in range(30):
        a, b = (of_one_cv(rng.integers(4, size=(40, 20))) for _ in range(2))
        told.append(divergence(("x",), 4, *(counts(one, (0,), STATES) for one in (a, b))))
    value = np.array([d.nats.value for d in told], dtype=np.float64)
    chance = np.array([d.by_chance for d in told], dtype=np.float64)
    # (4 − 1)/8 · (1/800 + 1/800)
    assert value.mean() == pytest.approx(3 / 8 * 2 / 800, rel=0.4)
    assert chance.mean() == pytest.approx(value.mean(), rel=0.25)


def test_lags_are_whole_strides_of_all() -> None:
    a, b = of_one_cv(np.zeros((1, 9)), stride=0.2), of_one_cv(np.zeros((1, 9)), stride=0.5)
    assert same_lag(1.0, a, b) == [5, 2]
    assert same_lag(0.5, a, b) is None


def test_what_is_not_known_is_none() -> None:
    assert Reading.of(NAN, 1.0, "why") == Reading(None, None, "why")
    assert Reading.of(1.0, 0.5, "why") == Reading(1.0, 0.5)
    curve = Curve.of(np.array([1.0, 2.0]), np.array([NAN, 3.0]), np.array([1.0, NAN]), "why")
    assert curve == Curve((1.0, 2.0), (None, 3.0), (None, None), "why")


@pytest.mark.parametrize(
    "wrong",
    [
        {"paths": ()},
        {"paths": (np.zeros((3, 2)),)},
        {"paths": (np.zeros((0, 1)),)},
        {"stride": 0.0},
        {"weights": (np.ones(2),)},
        {"member": np.arange(2)},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    given = {"paths": (np.zeros((3, 1)),), "names": ("x",), "periodic": (False,), **wrong}
    with pytest.raises(ValueError, match=r"path|stride|weights|member"):
        Trajectories(**given)
