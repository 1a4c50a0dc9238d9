"""What R̂ and the effective sample size are told of chains whose rounds lengthen."""

from __future__ import annotations

import numpy as np
import pytest
from coverage_cases.chains import HALVES, Chains, problem
from coverage_cases.replicas import segments

from msgen.actors.base import decode, encode
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.diagnostics import effective_samples, split_r_hat
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.readings import RECORDS

REPLICAS, TAU, ROUNDS, FIRST = 4, 20.0, 32, 100
Array = np.ndarray


def rounds(seed: int, drift: float = 0.0) -> list[Array]:
    """AR(1) chains in rounds of 1, 1, 1, 1, 2, … times the first's length.

    One chain moves by `drift` for the last quarter of the time.
    """
    chains = Chains(np.random.default_rng(seed), (REPLICAS,), TAU)
    out = [chains.more(FIRST * (1 + r // 4)) for r in range(ROUNDS)]
    lengths = [x.shape[1] for x in out]
    begin = np.cumsum([0, *lengths])
    for x, first in zip(out, begin, strict=False):
        x[0] += drift * (first + np.arange(x.shape[1]) > 0.75 * begin[-1])
    return out


def gathered(parts: list[Array]) -> Production:
    made = problem(Criteria(), REPLICAS)
    produced = Production.start(made, np.zeros(REPLICAS, dtype=np.int64), len(HALVES))
    for x in parts:
        produced = produced.with_round(made, HALVES, segments(x))
    return produced


def by_round(parts: list[Array]) -> list[Array]:
    """The twin: as many readings of every round, however long it is."""
    at = [np.linspace(0, x.shape[1] - 1, RECORDS).astype(int) for x in parts]
    return list(np.concatenate([x[:, i] for x, i in zip(parts, at, strict=True)], axis=1))


def test_effective_samples_are_those_of_the_time() -> None:
    """T/2τ of all chains to 15 %, in the mean of 12 campaigns; by round they are a third fewer."""
    right, wrong = [], []
    for seed in range(12):
        parts = rounds(seed)
        expected = sum(x.size for x in parts) / (2 * TAU)
        series = gathered(parts).series
        right.append(effective_samples(list(series), [False]) / expected)
        wrong.append(effective_samples([x[:, None] for x in by_round(parts)], [False]) / expected)
    assert np.mean(right) == pytest.approx(1.0, abs=0.15)
    assert np.mean(wrong) < 0.75


def test_a_late_drift_weighs_as_long_as_it_lasted() -> None:
    right, wrong = [], []
    for seed in range(12):
        parts = rounds(seed, drift=2.0)
        right.append(split_r_hat([x[:, 0] for x in gathered(parts).series]) - 1)
        wrong.append(split_r_hat(by_round(parts)) - 1)
    assert np.median(right) > 1.5 * np.median(wrong)


def test_readings_are_evenly_spaced_also_where_a_run_goes_on() -> None:
    """Time itself as the CV: differences are all alike, but where rounds meet."""
    time = np.arange(FIRST * sum(1 + r // 4 for r in range(8)), dtype=float)
    ends = np.cumsum([FIRST * (1 + r // 4) for r in range(8)])[:-1]
    parts = [np.tile(x, (REPLICAS, 1)) for x in np.split(time, ends)]
    made = problem(Criteria(), REPLICAS)
    produced = gathered(parts[:5])
    produced = decode(Production, encode(produced))
    for x in parts[5:]:
        produced = produced.with_round(made, HALVES, segments(x))
    steps = np.diff(produced.series[0, :, 0])
    assert np.all(steps == FIRST // RECORDS)
    older = dict(encode(gathered(parts[:5])))
    del older["spacing"]  # as a run begun before has it
    went_on = decode(Production, older).with_round(made, HALVES, segments(parts[5]))
    assert went_on.spacing == parts[5].shape[1] // RECORDS
