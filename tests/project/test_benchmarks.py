"""The benchmarks run, and their verdicts can come out either way."""

from __future__ import annotations

import json
from pathlib import Path

import ag6
import alanine
import baselines
import intervals
import loop
import numpy as np
import pytest
import rows
import score
from dynamics_parts import explorers, steps, trajectories
from trials import Ended

from msgen.orchestrator.schema import Campaign


def test_rows_are_printed_and_kept(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(rows, "ROOT", tmp_path)
    found = [rows.Row("a", 0.5, "µs", "beside", "≥ 0.9", False), rows.Row("b", 2.0)]
    path = rows.publish("some", found)
    assert path == tmp_path / "runs" / "benchmarks" / "some.json"
    assert [set(r) for r in json.loads(path.read_text())] == [
        {"what", "value", "unit", "reference", "bound", "holds"}
    ] * 2
    assert "DOES NOT HOLD" in capsys.readouterr().out


def test_stepping_is_measured_on_the_platform_that_was_taken(monkeypatch) -> None:
    monkeypatch.setattr(loop, "REPEATS", 1)
    monkeypatch.setattr(loop, "STEPS", 200)
    found = {r.what: r for r in loop.stepping()}
    assert sum(r.reference == "taken" for r in found.values()) == 1
    assert all(r.value > 0 for r in found.values())
    assert sum(r.bound == "≥ 0.90" for r in found.values()) == 3


def test_intervals_catch_errors_that_are_too_small_and_estimates_that_are_off() -> None:
    z = list(np.random.default_rng(1).standard_normal(400))
    assert all(r.holds is True for r in intervals.within(z))  # a numpy bool is no JSON
    assert not all(r.holds for r in intervals.within(z, scale=0.5))
    assert not all(r.holds for r in intervals.within([v + 0.5 for v in z]))


def reading(error: float, stderr: float, ruffle: float) -> alanine.Reading:
    rng = np.random.default_rng(3)
    surface = alanine.SURFACE + 5.0 + ruffle * rng.standard_normal(alanine.SURFACE.shape)
    return alanine.Reading(1e6, alanine.REFERENCE["delta_f_kT"] + error, surface, stderr)


def test_a_surface_is_compared_up_to_its_constant() -> None:
    assert reading(0.0, 0.1, 0.0).rms == pytest.approx(0.0, abs=1e-12)
    assert reading(0.0, 0.1, 0.2).rms == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize(("stderr", "holds"), [(0.1, True), (0.02, False)])
def test_chi_squared_judges_the_reported_errors(stderr: float, holds: bool) -> None:
    runs = [[reading(e, stderr, 0.1)] * 3 for e in (0.1, -0.12, 0.09)]
    found = [r for r in alanine.rows("msgen", runs) if "χ²" in r.what]
    assert [r.holds for r in found] == [holds] * 3
    assert all("χ²" not in r.what for r in alanine.rows("opes", runs))


def test_the_acceptance_is_off_where_the_density_is_of_other_steps(monkeypatch) -> None:
    """The map's own density passes the score benchmark, that of other steps does not."""
    monkeypatch.setattr(score, "SAMPLES", 2000)
    monkeypatch.setattr(score, "UPDATES", 60)
    model, seconds = score.fitted(1, width=16, layers=3)
    assert seconds > 0
    at = np.array([[0.4]])
    assert score.mismatch(model, 16, at).holds
    other = score.ProbabilityFlow.pull
    monkeypatch.setattr(
        score.ProbabilityFlow,
        "pull",
        lambda flow, y, label: other(
            score.ProbabilityFlow(flow.field, flow.field.net.noise.levels(12)), y, label
        ),
    )
    assert not score.mismatch(model, 16, at).holds


@pytest.mark.parametrize(("stderr", "holds"), [(0.1, True), (0.02, False)])
def test_baselines_are_judged_by_the_errors_they_report(stderr: float, holds: bool) -> None:
    def read(error: float) -> baselines.Reading:
        return baselines.Reading(1e6, baselines.REFERENCE["delta_f_kT"] + error, stderr)

    unknown = baselines.Reading(1e6, np.nan, np.nan)
    runs = [[unknown, *[read(error)] * 3] for error in (0.15, -0.1)]
    found = baselines.rows("some", runs)
    assert found[0].value == 0.0  # of two seeds none has an answer at the first budget
    verdicts = {row.holds for row in found if row.holds is not None}
    assert verdicts == {holds}
    assert found[1].value == pytest.approx(0.125)


def test_learnt_steps_hold_or_do_not() -> None:
    """Every bound of butane's roll-outs can be kept and be missed."""
    cost = {"given_up": 0.0, "training_s": 900.0, "rolling_s": 60.0, "teacher_evaluations": 2e7}
    good = steps.Told(-0.1, 1.1, 0.8, 0.01, 0.015, 0.02, 2e-4, **cost)
    bad = steps.Told(0.3, 1.9, 0.5, 0.2, 0.3, 0.2, 0.1, **cost)
    for run, holds in ((good, True), (bad, False)):
        verdicts = [r.holds for r in steps.told("butane", run, 400) if r.bound]
        assert verdicts == [holds] * 6


def test_shapes_of_butane_are_measured_along_its_chain() -> None:
    x = np.array([[[0, 1, 0], [0, 0, 0], [2, 0, 0], [2, 0, 3.0]]])
    found = steps.as_trajectories([x, x]).xi[0]
    np.testing.assert_allclose(found[:5], [1, 2, 3, np.pi / 2, np.pi / 2])
    assert abs(abs(found[5]) - np.pi / 2) < 1e-12
    turned = np.repeat(x, 3, axis=0)
    turned[1, 3], turned[2, 3] = (2, -3.0, 0), (2, 3.0, 0.1)
    assert steps.core_of(steps.as_trajectories([turned])).tolist() == [1, 0, -1]


def test_learnt_trajectories_hold_or_do_not() -> None:
    good = trajectories.Learnt(0.3, 0, 0.02, 0.012, 0.01, 1500.0, 60.0)
    bad = trajectories.Learnt(0.8, 3, 0.09, 0.02, 0.3, 1500.0, 60.0)
    for run, holds in ((good, True), (bad, False)):
        verdicts = [r.holds for r in trajectories.told("force", [run, run]) if r.bound]
        assert verdicts == [holds] * 3


def ended(name: str, seed: int, f: float, stderr: float, calls: int) -> Ended:
    states = {"octahedron": (0.0, 0.0), "rest": (f, stderr)}
    return Ended(name, seed, "exhausted", "", states=states, evaluations=calls)


@pytest.mark.parametrize(("stderr", "off", "holds"), [(0.1, 0.0, True), (0.3, 2.0, False)])
def test_calls_that_a_learnt_energy_saves_are_judged_at_one_error(
    stderr: float, off: float, holds: bool
) -> None:
    own = [ended("emt-local", s, 1.0 + 0.1 * s, 0.3, 100_000) for s in (1, 2, 3)]
    learnt = [ended("emt-delayed", s, 1.1 + 0.1 * s + off, stderr, 90_000) for s in (1, 2, 3)]
    rows_ = ag6.compared("emt", {"emt-local": own, "emt-delayed": learnt})
    assert [r.holds for r in rows_ if r.bound] == [holds, holds]
    assert [r.holds for r in ag6.compared("emt", {"emt-local": [], "emt-delayed": []})] == [
        None
    ] * 4


def test_a_search_counts_up_to_the_walker_that_shows_the_last_basin() -> None:
    walkers = [(0, 10.0), (-1, 10.0), (2, 20.0), (0, 20.0), (1, 20.0), (1, 20.0)]
    assert explorers.until_all(3, walkers) == 80.0
    assert explorers.until_all(3, walkers[:4]) is None
    assert explorers.until_all(1, walkers) == 10.0


@pytest.mark.parametrize("toy", [True, False])
def test_what_leads_explorers_can_be_learnt(toy: bool) -> None:
    """The sections of each campaign are those of one that can be."""
    for case in (explorers.nine(toy), *(explorers.alanine(n, toy) for n in ("vacuum", "obc2"))):
        base = {"system": case.hot, "cvs": case.cvs, "states": case.states}
        Campaign.parse({**base, **case.exact})
        for sections in case.models.values():
            strategy = {**sections["strategy"], "free_energies": "exact"}
            Campaign.parse({**base, **sections, "strategy": strategy})
