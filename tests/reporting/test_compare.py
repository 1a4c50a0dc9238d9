"""``msgen compare``: what two runs differ by, whether by chance, and what each error costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reporting import DISTANCE, PHI, PSI, header, info, result

from msgen.orchestrator.base import Cost, StateEstimate, SurfaceEstimate
from msgen.orchestrator.cli import main
from msgen.orchestrator.reporting.comparison import (
    Compared,
    NotComparableError,
    compare,
    comparison_lines,
)
from msgen.orchestrator.reporting.history import HistoryPoint, append_history
from msgen.orchestrator.reporting.results import CVInfo, Result, write_result
from msgen.orchestrator.reporting.tables import write_tables


def points(evaluations: list[int], phases: list[str]) -> list[HistoryPoint]:
    out = []
    for k, (n, phase) in enumerate(zip(evaluations, phases, strict=True)):
        point = HistoryPoint.of(info(k))
        out.append(replace(point, energy_evaluations=n, phase=phase))
    return out


def run(
    name: str,
    f: float,
    error: float | None,
    cost: int,
    before: int,
    cvs: tuple[CVInfo, ...] = (PHI, PSI),
) -> Compared:
    """A run with states C7ax and rest, whose surface is lifted a little by `f`."""
    made = result(cvs)
    states = {"C7ax": StateEstimate(0.0, 0.0), "rest": StateEstimate(f, error)}
    estimate = replace(made.estimate, states=states)
    history = points([before // 2, before, cost], ["explore", "adapt", "produce"])
    return Compared(name, replace(made, estimate=estimate, cost=Cost(3, cost)), history)


def test_differences_are_told_in_their_errors() -> None:
    c = compare(run("a", -3.6, 0.3, 10_000, 2_000), run("b", -3.1, 0.4, 40_000, 4_000))
    (rest,) = c.states
    assert rest.difference == pytest.approx(0.5)
    assert rest.deviations == pytest.approx(1.0)
    said = "\n".join(comparison_lines(c))
    assert "ΔF(rest): -3.600 ± 0.300 and -3.100 ± 0.400, +0.500 kT apart, 1.0 σ" in said
    assert "they differ" not in said
    far = compare(run("a", -3.6, 0.05, 10_000, 0), run("b", -3.1, 0.05, 10_000, 0))
    assert "7.1 σ: they differ" in "\n".join(comparison_lines(far))


def test_evaluations_to_the_same_error_pay_adaptation_once() -> None:
    """σ ∝ 1/√N of production; twin: of all evaluations, which makes long adaptations look good."""
    a, b = run("a", -3.6, 0.4, 10_000, 2_000), run("b", -3.6, 0.2, 40_000, 20_000)
    c = compare(a, b)
    assert c.error == pytest.approx(0.4)
    assert a.evaluations_to(0.4) == pytest.approx(10_000)
    assert b.evaluations_to(0.4) == pytest.approx(20_000 + 20_000 / 4)
    assert a.evaluations_to(0.1) == pytest.approx(2_000 + 8_000 * 16)
    assert b.evaluations_to(0.1) == pytest.approx(20_000 + 20_000 * 4)
    said = "\n".join(comparison_lines(c, 0.1))
    assert "energy evaluations to ±0.100 kT" in said
    assert "b takes 1.30 times fewer" in said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"C7ax": {"phi": (0.0, 2.0)}}, {"C7ax": {"phi": (0.0, 2.0)}}, True),
        ({"C7ax": {"phi": (0.0, 2.0)}}, {"C7ax": {"phi": (0.0, 2.3)}}, False),
        ({"C7ax": {"phi": (0.0, 2.0)}}, {"C7ax": {"psi": (0.0, 2.0)}}, False),
        ({"C7ax": {"phi": (0.0, 2.0)}}, {}, False),
        ({"C7ax": {"psi": (-np.inf, 0.0)}}, {"C7ax": {"psi": (-np.inf, 0.0)}}, True),
    ],
)
def test_states_of_one_name_and_other_regions_are_not_said_to_differ(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    """Nor are they the same: ``rest`` is what the other states leave."""
    both = []
    for name, f, regions in (("a", -3.6, one), ("b", -3.1, other)):
        made = run(name, f, 0.05, 10_000, 0)
        head = header(PHI, PSI, regions=regions)
        both.append(replace(made, result=replace(made.result, header=head)))
    c = compare(*both)
    said = "\n".join(comparison_lines(c))
    assert c.states[0].same == same
    assert ("7.1 σ: they differ" in said) == same
    assert ("other regions in each" in said) != same


def test_surfaces_are_compared_up_to_a_constant() -> None:
    a, b = run("a", -3.6, 0.2, 10_000, 0), run("b", -3.6, 0.2, 10_000, 0)
    f = b.result.estimate.f_kT
    lifted = replace(b.result.estimate, f_kT=f + 2.0)
    same = compare(a, replace(b, result=replace(b.result, estimate=lifted)))
    assert same.surfaces[0].rms_kT == pytest.approx(0.0, abs=1e-12)
    waves = 0.3 * np.where(np.arange(f.size).reshape(f.shape) % 2, 1.0, -1.0)
    tilted = replace(b.result.estimate, f_kT=f + waves)
    other = compare(a, replace(b, result=replace(b.result, estimate=tilted)))
    assert other.surfaces[0].rms_kT == pytest.approx(0.3, rel=0.05)
    errors = a.result.estimate.stderr_kT
    low = np.isfinite(f) & (f < 7.7)
    assert other.surfaces[0].expected_kT == pytest.approx(
        np.sqrt(2 * np.mean(errors[low] ** 2)), rel=0.05
    )


def test_of_several_surfaces_each_that_both_have_is_compared(tmp_path: Path) -> None:
    a = run("a", -3.6, 0.2, 10_000, 0)
    f, err = a.result.estimate.f_kT, a.result.estimate.stderr_kT
    one, two = (SurfaceEstimate({n: x}, np.nanmin(f, axis=1 - k), np.nanmin(err, axis=1 - k))
                for k, (n, x) in enumerate(a.result.estimate.axes.items()))  # fmt: skip
    many = []
    for kept in ((one, two), (two,)):
        first = {"axes": kept[0].axes, "f_kT": kept[0].f_kT, "stderr_kT": kept[0].stderr_kT}
        estimate = replace(a.result.estimate, **first, surfaces=kept)
        many.append(replace(a, result=replace(a.result, estimate=estimate)))
    assert [s.cvs for s in compare(many[0], many[0]).surfaces] == [("phi",), ("psi",)]
    (shared,) = compare(many[0], many[1]).surfaces
    assert shared.cvs == ("psi",)
    assert shared.rms_kT == pytest.approx(0.0, abs=1e-12)
    files = {p.name for p in write_tables(tmp_path, many[0].result)}
    assert {"bias_phi.dat", "bias_psi.dat", "fes_phi.dat", "fes_psi.csv"} <= files


def test_an_error_without_ground_costs_nothing_that_is_known() -> None:
    c = compare(run("a", -3.6, None, 10_000, 0), run("b", -3.6, 0.2, 10_000, 0))
    said = "\n".join(comparison_lines(c))
    assert "a  converged: error not known" in said
    assert c.states[0].deviations is None
    assert "evaluations to" not in said
    assert "  a  not known" in "\n".join(comparison_lines(c, 0.1))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"cvs": (PHI, DISTANCE)}, "other CVs: phi, psi and phi, d"),
        ({"temperature_K": 300.0}, "320.0 K and 300.0 K"),
    ],
)
def test_what_is_of_another_kind_is_not_compared(changes: dict[str, Any], what: str) -> None:
    a = run("a", -3.6, 0.2, 10_000, 0)
    b = run("b", -3.6, 0.2, 10_000, 0, changes.get("cvs", (PHI, PSI)))
    head = header(*changes.get("cvs", (PHI, PSI)))
    head = replace(head, temperature_K=changes.get("temperature_K", head.temperature_K))
    with pytest.raises(NotComparableError, match=what):
        compare(a, replace(b, result=replace(b.result, header=head)))


def test_states_against_another_reference_are_refused() -> None:
    a, b = run("a", -3.6, 0.2, 10_000, 0), run("b", -3.6, 0.2, 10_000, 0)
    turned = dict(reversed(b.result.estimate.states.items()))
    other = replace(b.result, estimate=replace(b.result.estimate, states=turned))
    with pytest.raises(NotComparableError, match="other first states, C7ax and rest"):
        compare(a, replace(b, result=other))


@pytest.mark.parametrize("cvs", [(PHI,), (PHI, PSI), (PHI, PSI, DISTANCE)])
def test_the_command_draws_and_tells(
    cvs: tuple[CVInfo, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for name in ("one", "two"):
        folder = tmp_path / name / "dipeptide"
        made = run(name, -3.6, 0.2, 10_000, 2_000, cvs)
        write_result(folder, made.result)
        for point in made.history:
            append_history(folder, point)
        folders.append(str(folder))
    assert main(["compare", *folders, "-o", str(tmp_path / "out"), "--error", "0.05"]) == 0
    said = capsys.readouterr().out
    assert "one/dipeptide  converged: states to ±0.200 kT" in said
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [r["name"] for r in content["runs"]] == ["one/dipeptide", "two/dipeptide"]
    assert content["asked_kT"] == 0.05
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5_000


def test_a_folder_without_a_result_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "a", result())
    assert main(["compare", str(tmp_path / "a"), str(tmp_path)]) == 2
    assert "no result yet" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a"), "--error", "-1"]) == 2
    assert "--error" in capsys.readouterr().err
    assert isinstance(result(), Result)
