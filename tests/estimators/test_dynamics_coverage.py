"""Errors of what is told of dynamics hold the truth as often as they say."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from known_dynamics import (
    LADDER,
    TWO,
    Array,
    eigenvalues,
    ends,
    first_passage_time,
    of_one_cv,
    run_chain,
    run_ou,
    stationary,
)

from msgen.orchestrator.estimators.dynamics.correlations import autocorrelation, displacement
from msgen.orchestrator.estimators.dynamics.divergences import divergence, jensen_shannon
from msgen.orchestrator.estimators.dynamics.markov import Cells, markov_model, shares
from msgen.orchestrator.estimators.dynamics.passages import crossing, passages
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading
from msgen.orchestrator.estimators.dynamics.slow_modes import Standard, vamp2
from msgen.orchestrator.estimators.dynamics.surfaces import (
    aligned,
    counts,
    difference,
    free_energy,
)
from msgen.orchestrator.estimators.histogram import Grid

REPEATS = 200


def z_of(told: Reading | Curve, exact: float) -> float:
    value, stderr = told.value, told.stderr
    if isinstance(value, tuple) and isinstance(stderr, tuple):
        value, stderr = value[0], stderr[0]
    assert isinstance(value, float)
    assert isinstance(stderr, float)
    return (value - exact) / stderr


def covers(z: Array, scale: float = 1.0) -> bool:
    """Whether 68 and 95 % hold, within 4 binomial standard deviations, and the mean is 0."""
    z, n = np.asarray(z) * scale, len(z)
    inside = [np.mean(np.abs(z) < k) - p for k, p in ((1.0, 0.683), (1.96, 0.95))]
    slack = [4 * np.sqrt(p * (1 - p) / n) for p in (0.683, 0.95)]
    fine = all(abs(i) < s for i, s in zip(inside, slack, strict=True))
    return fine and bool(abs(z.mean()) < 5 * z.std() / np.sqrt(n))


def test_errors_of_passages_and_populations_cover() -> None:
    """24 trajectories of 150 frames each; twin: errors halved."""
    pi = stationary(TWO)
    exact = first_passage_time(TWO, 0, 1)
    rows = run_chain(TWO, REPEATS * 24, 150, np.random.default_rng(20))
    grid = Grid.regular(((-0.5, 1.5),), (2,), (False,))
    z = defaultdict(list)
    for repeat in rows.reshape(REPEATS, 24, 150):
        data = of_one_cv(repeat)
        z["passage"].append(z_of(passages(data, ends(data, 1), ("A", "B"))[0].mean_time, exact))
        f = counts(data, (0,), grid).estimate(free_energy)
        z["f"].append(float((f.value[1] + np.log(pi[1])) / f.stderr[1]))
    for name, values in z.items():
        assert covers(np.array(values)), name
        assert not covers(np.array(values), 2.0), name


def test_errors_of_correlations_cover() -> None:
    """As many trajectories of an Ornstein–Uhlenbeck process, of 12 memories each."""
    rows = run_ou(10.0, REPEATS * 24, 120, np.random.default_rng(21)).reshape(REPEATS, 24, 120)
    lag, keep = np.array([5]), float(np.exp(-0.5))
    z = defaultdict(list)
    for repeat in rows:
        data = of_one_cv(repeat)
        z["autocorrelation"].append(z_of(autocorrelation(data, 0, lag), keep))
        z["displacement"].append(z_of(displacement(data, 0, lag), 2.0 * (1.0 - keep)))
    for name, values in z.items():
        assert covers(np.array(values)), name
        assert not covers(np.array(values), 2.0), name


def test_errors_of_distances_from_a_reference_cover() -> None:
    """Two chains of other populations, 24 trajectories each; the chance in a divergence is off."""
    other = LADDER.copy()
    other[0, :2] = 0.8, 0.2
    p, q = stationary(LADDER), stationary(other)
    exact = float(aligned(-np.log(p)[None], -np.log(q)[None])[0][0]), float(jensen_shannon(p, q))
    rng, grid = np.random.default_rng(23), Grid.regular(((-0.5, 3.5),), (4,), (False,))
    rows = [run_chain(one, REPEATS * 24, 150, rng) for one in (LADDER, other)]
    z = defaultdict(list)
    for pair in zip(*(one.reshape(REPEATS, 24, 150) for one in rows), strict=True):
        here, reference = (counts(of_one_cv(one), (0,), grid) for one in pair)
        z["rms"].append(z_of(difference(here, reference).rms_kT, exact[0]))
        told = divergence(("x",), 4, here, reference)
        assert told.by_chance is not None
        z["divergence"].append(z_of(told.nats, exact[1] + told.by_chance))
    for name, values in z.items():
        assert covers(np.array(values)), name
        assert not covers(np.array(values), 2.0), name


@pytest.mark.slow
@pytest.mark.parametrize(("paths", "frames"), [(24, 300), (200, 64)])
def test_errors_of_markov_models_cover(paths: int, frames: int) -> None:
    """And of passages over states between, of few long and of many short trajectories."""
    rows = run_chain(LADDER, REPEATS * paths, frames, np.random.default_rng(22 + paths))
    pi, values = stationary(LADDER), eigenvalues(LADDER)
    many = of_one_cv(run_chain(LADDER, 20_000, 20, np.random.default_rng(1)))
    share = crossing(many, ends(many, 3), 20).share.value
    assert share is not None
    z = defaultdict(list)
    for repeat in rows.reshape(REPEATS, paths, frames):
        data = of_one_cv(repeat)
        cells = Cells.of(data)
        assert cells is not None
        cell, core = cells.assign(data), ends(data, 3)
        states = {"A": shares(data, cell, len(cells), core, 2)[:, 0]}
        model = markov_model(data, cells, 1, states, np.zeros(0, dtype=np.int64))
        z["time scale"].append(z_of(model.time_scales, -1.0 / np.log(values[1])))
        z["population"].append(z_of(model.populations["A"], pi[0]))
        exact = first_passage_time(LADDER, 0, 3), first_passage_time(LADDER, 3, 0)
        for one, truth in zip(passages(data, core, ("A", "B")), exact, strict=True):
            z[f"from {one.start}"].append(z_of(one.mean_time, truth))
        z["crossing"].append(z_of(crossing(data, core, 20).share, share))
        z["vamp2"].append(z_of(vamp2(data, Standard.of(data), 3), 1.0 + _linear(3)))
    for name, found in z.items():
        assert covers(np.array(found)), (name, np.mean(found), np.std(found))


def _linear(lag: int) -> float:
    """Squared autocorrelation of the number of the state."""
    pi, x = stationary(LADDER), np.arange(4.0)
    x = x - pi @ x
    return float((pi * x) @ np.linalg.matrix_power(LADDER, lag) @ x / (pi @ x**2)) ** 2
