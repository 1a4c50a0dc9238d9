"""The benchmark of coverage, in small: its rows hold, and the rules from before fail it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import coverage
import numpy as np
import pytest
from coverage_cases import joins, paths, replicas, strata, umbrella
from coverage_cases.base import Case, Outcomes
from coverage_cases.registry import all_cases

from msgen.orchestrator.estimators import stratified, units
from msgen.orchestrator.estimators.errors import inflations
from msgen.orchestrator.estimators.importance import few
from msgen.orchestrator.estimators.units import Units, Whole
from msgen.orchestrator.strategies.common.replica_stretches import ReplicaStretches

SEED = 20
GROUPS = (joins, paths, replicas, strata, umbrella)
CASES = {case.name: case for group in GROUPS for case in group.CASES}


def holds(name: str, repeats: int) -> bool:
    case = CASES[name]
    found = coverage.rows_of(case, case.run(case.stream(SEED), repeats))
    return all(row.holds is not False for row in found)


def outcomes(z: np.ndarray, stop: bool = True) -> Outcomes:
    """Errors of 1 about a truth of 0."""
    return Outcomes(z, np.ones(len(z)), 0.0, np.full(len(z), stop))


def test_errors_too_small_too_large_or_never_told_are_caught() -> None:
    rng = np.random.default_rng(1)
    case = Case("some: thing", 4, lambda rng, n: outcomes(rng.standard_normal(n)))

    def verdicts(z: np.ndarray) -> set[bool | None]:
        return {row.holds for row in coverage.rows_of(case, outcomes(z))}

    z = rng.standard_normal(300)
    assert False not in verdicts(z)
    for twin in (1.5 * z, 0.3 * z):
        assert False in verdicts(twin)
    never = coverage.rows_of(case, outcomes(z, stop=False))
    assert [row.holds for row in never] == [False, False, None]
    # and where none should, the share of those that do is what is asked
    one = replace(case, never=True)
    assert [r.holds for r in coverage.rows_of(one, outcomes(z, stop=False))] == [True]
    assert [r.holds for r in coverage.rows_of(one, outcomes(z))] == [False]
    # of two units the narrow interval is not asked for
    case = replace(case, units=2)
    assert False not in verdicts(0.6 * z)
    assert False in verdicts(2.0 * z)


def test_rows_that_are_there_are_kept_and_named_ones_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []

    def case(name: str) -> Case:
        def run(rng: np.random.Generator, n: int) -> Outcomes:
            made.append(name)
            return outcomes(rng.standard_normal(n))

        return Case(name, 4, run)

    monkeypatch.setattr("rows.ROOT", tmp_path)
    monkeypatch.setattr(coverage, "ROOT", tmp_path)
    monkeypatch.setattr(coverage, "all_cases", lambda: (case("a: b"), case("c: d, e")))
    coverage.main(["repeats=50"])
    coverage.main(["repeats=50"])
    assert made == ["a: b", "c: d, e"]
    coverage.main(["repeats=50", "d, e"])
    assert made[2:] == ["c: d, e"]
    coverage.main(["repeats=60"])
    assert len(made) == 5
    assert len(coverage.kept(60)) == 2


def test_every_case_has_a_name_and_a_stream_of_its_own() -> None:
    cases = all_cases()
    assert len(cases) > 20
    draws = {float(case.stream(0).random()) for case in cases}
    assert len(draws) == len(cases)
    assert not math.isclose(cases[0].stream(0).random(), cases[0].stream(1).random())


def test_a_case_of_every_group_runs() -> None:
    first = {case.name.partition(":")[0]: case for case in reversed(all_cases())}
    assert len(first) >= 8
    for case in first.values():
        found = case.run(case.stream(0), 1)
        assert np.isfinite(found.estimate).all(), case.name


def whole_replicas(
    state: ReplicaStretches, owner: np.ndarray, effective: Mapping[int, float]
) -> tuple[Units, np.ndarray]:
    """The rule from before: a replica is a unit, however few there are."""
    stretches, blocks = state.sums.shape[:2]
    return Units.whole(owner), np.tile(np.arange(blocks), (stretches, 1))


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3, 4, 8])
def test_free_replicas_cover_at_their_stop(number: int) -> None:
    assert holds(f"free replicas: {number}, at the stop", 150)


@pytest.mark.slow
def test_twin_whole_replicas_stop_at_lucky_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReplicaStretches, "units", whole_replicas)
    assert not holds("free replicas: 2, at the stop", 150)


@pytest.mark.slow
@pytest.mark.parametrize("replicas_of", ["2 + 2", "4 + 4"])
def test_replicas_of_strata_cover_at_their_stop(replicas_of: str) -> None:
    assert holds(f"strata: {replicas_of} replicas, at the stop", 150)


@pytest.mark.slow
def test_twin_whole_replicas_of_strata_have_errors_that_are_too_wide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES["strata: 2 + 2 replicas, fixed length"]

    def width() -> float:
        found = case.run(case.stream(SEED), 60)
        return float(np.median(found.error) / np.sqrt(np.mean((found.estimate - found.truth) ** 2)))

    assert width() < 1.5
    monkeypatch.setattr(ReplicaStretches, "units", whole_replicas)
    assert width() > 1.5


@pytest.mark.slow
def test_draws_of_models_do_not_cost_what_two_replicas_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twin: the state with fewest replicas decides for the draws as well."""
    name = "targeted: ln Z, 2 + 2 replicas, fixed length"
    assert holds(name, 150)

    def fewest(self: Units, influence: np.ndarray, whole: Whole | None = None) -> np.ndarray:
        return np.asarray(few(2) * np.sqrt(np.sum(influence**2, axis=0)))

    monkeypatch.setattr(Units, "standard_error", fewest)
    assert not holds(name, 150)


@pytest.mark.slow
@pytest.mark.parametrize("ladders", [4, 16])
def test_umbrella_covers_at_its_stop(ladders: int) -> None:
    assert holds(f"umbrella: {ladders} ladders, at the stop", 100)


@pytest.mark.slow
def test_twin_short_stretches_of_ladders_are_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    assert holds("umbrella: 64 ladders, fixed length", 100)
    monkeypatch.setattr(units, "ENOUGH", 10_000)
    monkeypatch.setattr(units, "LEAST_EFFECTIVE", 0.01)
    monkeypatch.setattr(units, "CHANCE", 0.0)
    # and taken for independent of their neighbours
    whole = Units.stretched
    monkeypatch.setattr(Units, "stretched", lambda n, shares, _: whole(n, shares, math.inf))
    assert not holds("umbrella: 64 ladders, fixed length", 100)


@pytest.mark.slow
@pytest.mark.parametrize("replicas_of", ["2 + 2", "14 + 2"])
def test_two_replicas_of_paths_cover_and_are_not_drowned(
    replicas_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twin: the state with fewest replicas decides for all, as if they were as few."""
    name = f"paths: {replicas_of} replicas, free works"
    assert holds(name, 150)

    def fewest(self: Units, influence: np.ndarray, whole: Whole | None = None) -> np.ndarray:
        assert whole is not None
        units, x = whole
        counts = np.bincount(units.group[units.group >= 0])
        few = np.sqrt(2.0) * inflations(np.array([counts[counts > 0].min() - 1.0]))[0]
        return np.asarray(few * np.sqrt(np.sum(x**2, axis=0)))

    monkeypatch.setattr(stratified.Units, "standard_error", fewest)
    assert not holds(name, 150)
