"""What the benchmark of traps rests on: exact answers by two means, and verdicts both ways."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traps
import trials
from measured import keep_campaigns
from places import ROOT
from sections import build_system
from traps_cases import axes, mixtures, molecules, surfaces, wells
from traps_cases.base import Trap
from traps_cases.quadrature import quadrature
from traps_cases.tally import Tally, lines, summary, trial_rows
from trials import Ended, Trial, run_all

import msgen

ALL = {trap.name: trap for trap in traps.traps()}
ON_GRIDS = {name: t.truth for name, t in ALL.items()
            if isinstance(t.truth, partial) and t.truth.func is quadrature}  # fmt: skip
TRUTH = {"rest": 1.0}
TRAP = Trap("some", "nothing", {}, {}, lambda: TRUTH, None)
TRIAL = Trial("some-steered", {}, TRUTH)


@pytest.mark.parametrize("name", ON_GRIDS)
def test_an_integral_is_the_same_on_a_finer_grid(name: str) -> None:
    coarse, fine = (ON_GRIDS[name](n=n) for n in (600, 1000))
    assert coarse == pytest.approx(fine, abs=2e-3)


@pytest.mark.parametrize("name", ["stiff_beside_soft", "three_cvs", "seam"])
def test_one_integral_in_closed_form_is_that_over_all_axes(name: str) -> None:
    one, all_axes = axes.quadratures()[name]
    assert one == pytest.approx(all_axes, abs=2e-3)


def test_nine_wells_are_two_factors() -> None:
    found, coarse = wells.nine(), wells.nine(600)
    assert found == pytest.approx(coarse, abs=2e-3)
    assert found["bb"] == pytest.approx(found["ab"] + found["ba"], abs=1e-6)


def test_wells_of_one_shape_differ_by_their_offsets() -> None:
    for name in ("two_named", "two_named_aside"):
        assert ALL[name].truth() == pytest.approx({"middle": 0.5, "rest": 0.3}, abs=3e-3)
    third = 2.0 * np.pi / 3.0
    ring = quadrature("degenerate", {}, [(-2.6, 2.6)] * 2, {"right": [(0.0, 9.0)]}, 1000)
    angle = (np.arange(90_000) + 0.5) * third / 30_000 - np.pi
    p = np.exp(3.0 * np.cos(3.0 * angle))
    right = np.cos(angle) > 0
    assert ring["rest"] == pytest.approx(np.log(p[right].sum() / p[~right].sum()), abs=2e-3)


@pytest.mark.parametrize("spread", [0.15, 0.5])
def test_a_mixture_in_closed_form_is_its_integral(spread: float) -> None:
    system = build_system(mixtures.narrow_system(spread), ROOT)
    x = np.stack(np.meshgrid(*(np.linspace(-6.0, 9.0, 1501),) * 2, indexing="ij"), -1)
    p = np.exp(-system.value(x.reshape(-1, 2)))
    left = x.reshape(-1, 2)[:, 0] < 0
    exact = mixtures.narrow_truth(spread)["rest"]
    assert exact == pytest.approx(np.log(p[left].sum() / p[~left].sum()), abs=0.01)
    # what is left without the third state, the wrong answer
    assert abs(np.log(0.35 / 0.2) - exact) > 1.0


@pytest.mark.parametrize(("dim", "mean"), [(50, 0.5), (200, 0.3)])
def test_many_dimensions_in_closed_form_are_as_drawn(dim: int, mean: float) -> None:
    rng, n = np.random.default_rng(dim), 20_000
    centre = np.where(rng.random(n) < 0.3, -mean, mean)
    p = float(np.mean((centre[:, None] + rng.standard_normal((n, dim))).mean(1) < 0))
    error = np.sqrt(1.0 / (n * p * (1.0 - p)))
    assert mixtures.many_truth(0.3, mean, dim)["rest"] == pytest.approx(
        np.log(p / (1.0 - p)), abs=4 * error
    )


@pytest.mark.parametrize("kind", ["double_well", "mueller_brown"])
def test_a_built_in_surface_is_the_same_on_a_finer_grid(kind: str) -> None:
    cv, edges = ({"index": 0}, (-np.inf, 0.0)) if kind == "double_well" else (
        {"index": 1}, (0.9, np.inf))  # fmt: skip
    coarse, fine = (surfaces.built_in(kind, cv, *edges, n) for n in (900, 1500))
    assert coarse == pytest.approx(fine, abs=2e-3)


def test_the_turn_of_alanine_dipeptide_lies_where_phi_is_positive() -> None:
    f = np.array([[np.inf if v is None else v for v in row]
                  for row in molecules.REFERENCE["f_kT"]])  # fmt: skip
    p, phi, psi = np.exp(-f), np.degrees(molecules.REFERENCE["phi"]), molecules.REFERENCE["psi"]
    inside = (np.degrees(psi) > -100) & (np.degrees(psi) < -30)
    positive = (phi > 0) & (phi < 130)
    assert p[positive][:, inside].sum() / p[:, inside].sum() > 0.98
    # the surface and the counts of which the reference's ΔF is made are one simulation
    rest = np.log(p[~positive].sum() / p[positive].sum())
    assert rest == pytest.approx(molecules.REFERENCE["delta_f_kT"], abs=0.01)
    missed = np.log(p[~positive][:, inside].sum() / p[~positive][:, ~inside].sum())
    assert missed < molecules.turn()["rest"] - 4.0


@pytest.mark.parametrize("name", ALL)
def test_every_strategy_of_a_trap_has_a_campaign_that_is_whole(name: str, tmp_path: Path) -> None:
    for trial in ALL[name].trials().values():
        checked = msgen.validate(trial.campaign, output_dir=tmp_path, overrides=("seed=1",))
        states = [*(checked.get("states") or {}), "rest"]
        if ALL[name].states is not None:
            assert list(trial.truth) == states[1:]
        assert np.isfinite(list(trial.truth.values())).all()


def test_there_are_traps_enough() -> None:
    named = [t for t in ALL.values() if t.name not in
             {i.name for family in traps.ISSUE for i in family.issue_rows()}]  # fmt: skip
    assert len(named) >= 10
    assert sum(t.seeds * len(t.strategies) for t in ALL.values()) >= 400


def ended(seed: int, f: float | None, error: float | None, status: str = "converged") -> Ended:
    return Ended("some-steered", seed, status, "", {"a": (0.0, 0.0), "rest": (f, error)})


def test_what_is_off_by_more_than_three_sigma_is_named() -> None:
    found = Tally(TRAP, TRIAL, [ended(1, 1.1, 0.1), ended(2, 1.5, 0.1), ended(3, 1.0, None)])
    assert found.wrong == {2: pytest.approx(5.0), 3: np.inf}
    assert found.named() == "2: +5.0, 3: +inf"
    row = next(r for r in trial_rows(found) if "wrong" in r.what)
    assert (row.value, row.holds) == (2, False)
    right = Tally(TRAP, TRIAL, [ended(1, 1.1, 0.1), ended(2, 1.29, 0.1)])
    assert next(r for r in trial_rows(right) if "wrong" in r.what).holds
    assert "2: +5.0" in lines([found, right])[1]


def test_an_error_without_ground_is_counted_apart() -> None:
    last = [ended(1, 9.0, 0.1, "exhausted"), ended(2, 9.0, None, "exhausted"),
            ended(3, None, None, "error"), ended(4, 1.0, 0.1, "exhausted")]  # fmt: skip
    found = Tally(TRAP, TRIAL, last)
    assert (found.wrong, list(found.unfounded), len(found.failed)) == ({}, [1], 1)


def test_the_summary_can_come_out_either_way() -> None:
    z = np.random.default_rng(2).standard_normal(400)
    good = Tally(TRAP, TRIAL, [ended(s, 1.0 + 0.1 * v, 0.1) for s, v in enumerate(z)])
    verdicts = {r.what: r.holds for r in summary([good])}
    assert all(v is not False for v in verdicts.values())
    small = Tally(TRAP, TRIAL, [ended(s, 1.0 + 0.1 * v, 0.05) for s, v in enumerate(z)])
    verdicts = {r.what: r.holds for r in summary([small])}
    assert not verdicts["all: wrong of those converged"]
    assert not verdicts["all: z of the converged, sd"]
    never = Tally(TRAP, TRIAL, [ended(s, 1.0, 0.1, "exhausted") for s in range(10)])
    assert not {r.what: r.holds for r in summary([never])}["nothing hidden: converged"]


def test_z_is_told_of_those_that_share_no_random_numbers() -> None:
    shared = [replace(ended(s, 1.2, 0.1), drawn=s) for s in range(4)] + [ended(9, 1.2, 0.1)]
    own = [replace(ended(s, 1.0 + 0.1 * z, 0.1), drawn=1000 + s) for s, z in ((5, 1.0), (6, -1.0))]
    told = {r.what: r.value for r in summary([Tally(TRAP, TRIAL, [*shared, *own])])}
    assert told["all: z of the converged, number"] == 2
    assert told["all: z of the converged, mean"] == pytest.approx(0.0)
    # all of them where none has its own
    told = {r.what: r.value for r in summary([Tally(TRAP, TRIAL, shared)])}
    assert told["all: z of the converged, mean"] == pytest.approx(2.0)


def test_merged_wells_are_wrong_and_nine_are_compared() -> None:
    exact, place = {"aa": 0.0, **wells.nine()}, dict(zip("abc", (-2, 0, 2), strict=True))
    states = {
        f"x={place[a]},y={place[b]}": (f - exact["bb"] + (0.5 if a + b == "cc" else 0.0), 0.1)
        for (a, b), f in sorted(exact.items(), key=lambda one: one[0] != "bb")
    }
    nine = Ended("nine_unnamed-steered", 1, "converged", "", states)
    assert sorted(wells.nine_found(nine), key=abs)[-2:] == [
        pytest.approx(0.0, abs=1e-6), pytest.approx(5.0)]  # fmt: skip
    five = Ended("nine_unnamed-steered", 1, "converged", "", dict(list(states.items())[:5]))
    assert wells.nine_found(five) == [np.inf]


def test_a_cis_start_has_to_be_said() -> None:
    silent = Ended("alanine_cis-steered", 1, "converged", "")
    said = Ended("alanine_cis-steered", 1, "converged", "", told=["ACE1-ALA2 is cis"])
    assert (molecules.isomer_named(silent), molecules.isomer_named(said)) == ([np.inf], [])


def test_no_trap_has_the_random_numbers_of_another() -> None:
    every = [trial for trap in ALL.values() for trial in trap.trials().values()]
    drawn = [trial.drawn(seed) for trial in every for seed in range(1, 11)]
    assert len(set(drawn)) >= 0.999 * len(drawn)  # of 1.7e7
    assert TRIAL.drawn(3) == 3
    one = trials.run(replace(TRIAL, apart=True), 3)  # of an empty campaign
    assert (one.status, one.seed, one.drawn) == ("error", 3, replace(TRIAL, apart=True).drawn(3))


def test_finished_campaigns_are_kept_until_they_are_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "KEPT", tmp_path)
    monkeypatch.setenv("TRIALS_KEPT", "only")
    monkeypatch.setattr(trials.Trial, "asked", property(lambda self: str(self.settings)))

    def keep(**more: Any) -> None:
        (tmp_path / "b").mkdir(exist_ok=True)
        one = Ended("some-steered", 3, "converged", "", **more)
        (tmp_path / "b" / "some-steered-3.json").write_text(json.dumps(asdict(one)))

    asked = {TRIAL.name: [3, 4]}
    keep(asked="()")
    assert [e.seed for e in trials.run_all("b", [TRIAL], asked)] == [3]
    keep(asked="('x=1',)")
    assert list(trials.run_all("b", [TRIAL], asked)) == []


def test_a_benchmark_goes_on_from_what_is_kept_beside_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "KEPT", tmp_path / "runs")
    monkeypatch.setattr("measured.MEASURED", tmp_path)
    monkeypatch.setenv("TRIALS_KEPT", "only")
    row = Ended("some-steered", 3, "converged", states={"rest": (1.0, 0.1)}, asked=TRIAL.asked)
    keep_campaigns("some", [asdict(row), asdict(replace(row, seed=4, asked="otherwise"))])
    found = list(run_all("some", [TRIAL], {TRIAL.name: range(1, 6)}))
    assert [(e.seed, e.status, e.states) for e in found] == [(3, "converged", {"rest": [1.0, 0.1]})]


def test_what_is_asked_does_not_depend_on_where_the_repository_lies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests = set()
    for root in (Path("/here"), Path("/elsewhere/msgen")):
        monkeypatch.setattr(trials, "ROOT", root)
        digests.add(Trial("some", {"structure": f"{root}/configs/a.pdb"}, TRUTH).asked)
    assert len(digests) == 1


def test_a_campaign_asked_otherwise_is_another() -> None:
    same, other = Trial("a", {"x": 1}, {}), Trial("a", {"x": 2}, {})
    assert same.asked == Trial("b", {"x": 1}, {"rest": 1.0}).asked
    assert len({same.asked, other.asked, Trial("a", {"x": 1}, {}, ("y=1",)).asked}) == 3


def test_arguments_choose_trials_and_seeds() -> None:
    found = traps.chosen(["deep_12:2", "deep_12-local:5", "narrow_third-importance"])
    counts = {trial.name: len(seeds) for _, trial, seeds in found}
    assert (counts["deep_12-local"], counts["deep_12-steered"]) == (5, 2)
    assert counts["narrow_third-importance"] == 10
    assert len(counts) == 8
    with pytest.raises(SystemExit, match="no such trial: deep_13"):
        traps.chosen(["deep_13"])
