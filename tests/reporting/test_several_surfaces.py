"""Results with a surface for each of some groups of CVs: JSON, tables, figure and Dataset."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reporting import DISTANCE, PHI, PSI, axis, result

from msgen.orchestrator.base import StateEstimate, SurfaceEstimate
from msgen.orchestrator.library.result import Result as Read
from msgen.orchestrator.reporting.plots import surface_figure
from msgen.orchestrator.reporting.results import Result, read_result, write_result
from msgen.orchestrator.reporting.tables import csv_lines, write_tables
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, by_cells

BOXES = {
    "a": {"phi": (2.0, 0.0)},
    "b": {"phi": (0.0, 2.0), "d": (-math.inf, 0.5)},
    "c": {"phi": (0.0, 2.0), "d": (0.5, math.inf)},
}
F = {"a": 0.0, "b": 1.0, "c": 2.5}


def surface(*cvs: str) -> SurfaceEstimate:
    axes = {cv.name: axis(cv, 9) for cv in (PHI, PSI, DISTANCE) if cv.name in cvs}
    f = sum(np.meshgrid(*[a - a.min() for a in axes.values()], indexing="ij"), np.zeros(1))
    f = np.where(f > 5.0, np.nan, f)
    return SurfaceEstimate(axes, f, 0.1 + 0.0 * f)


def several() -> Result:
    shown = (surface("phi"), surface("d"), surface("phi", "psi"))
    made, first = result((PHI, PSI, DISTANCE)), shown[0]
    estimate = replace(
        made.estimate,
        axes=first.axes,
        f_kT=first.f_kT,
        stderr_kT=first.stderr_kT,
        surfaces=shown,
        regions=BOXES,
        states={name: StateEstimate(f, 0.1) for name, f in F.items()},
        profile=None,
    )
    return replace(made, estimate=estimate)


def test_each_is_in_the_result_and_comes_back(tmp_path: Path) -> None:
    made = several()
    content = json.loads(write_result(tmp_path, made).read_text())
    assert [list(s["axes"]) for s in content["surfaces"]] == [["phi"], ["d"], ["phi", "psi"]]
    assert content["surface"] == content["surfaces"][0]
    assert content["states"]["b"]["region"] == {"phi": [0.0, 2.0], "d": [None, 0.5]}
    back = read_result(tmp_path)
    for one, other in zip(back.estimate.surfaces, made.estimate.surfaces, strict=True):
        np.testing.assert_array_equal(one.f_kT, other.f_kT)
        assert one.axes.keys() == other.axes.keys()
    assert back.header.regions == BOXES


def test_each_has_tables_of_its_own(tmp_path: Path) -> None:
    written = {path.name for path in write_tables(tmp_path, several())}
    forms = ("fes{}.csv", "fes{}.dat", "bias{}.dat")
    assert written == {form.format(end) for end in ("_phi", "_d", "_phi-psi") for form in forms}
    lines = (tmp_path / "results" / "fes_phi-psi.csv").read_text().splitlines()
    assert lines[0] == "phi_rad,psi_rad,f_kT,stderr_kT"
    assert len(lines) == 82
    alone = {path.name for path in write_tables(tmp_path, result())}
    assert alone == {form.format("") for form in forms}


def test_a_surface_alone_knows_the_states_that_its_cvs_tell_apart(tmp_path: Path) -> None:
    write_result(tmp_path, several())
    each = read_result(tmp_path).each_surface
    assert [list(one.header.regions) for one in each] == [["a"], [], ["a"]]
    assert [len(one.header.cvs) for one in each] == [1, 1, 2]
    assert next(csv_lines(each[1])) == "d_nm,f_kT,stderr_kT"


def test_each_has_a_panel(tmp_path: Path) -> None:
    write_result(tmp_path, several())
    figure = surface_figure(read_result(tmp_path))
    # a bar beside the map
    assert len(figure.axes) == 4


def test_each_is_a_variable_of_the_dataset(tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    write_result(tmp_path, several())
    read = Read(tmp_path, "exhausted", "", read_result(tmp_path))
    assert [tuple(s.axes) for s in read.surfaces] == [("phi",), ("d",), ("phi", "psi")]
    made = read.to_xarray()
    assert made["f_kT_phi-psi"].dims == ("phi", "psi")
    assert made["stderr_kT_d"].dims == ("d",)
    assert "f_kT" not in made


def test_samples_are_weighed_by_the_states_that_were_found(tmp_path: Path) -> None:
    """Of each state as much as it weighs, however many samples it was given."""
    write_result(tmp_path, several())
    back = read_result(tmp_path)
    xi = np.array([[-1.0, 0.0, 0.1]] * 5 + [[1.0, 3.0, 0.2]] * 3 + [[1.0, 0.0, 0.7]] * 2)
    n = len(xi)
    samples = StoredSamples(
        kind="sample",
        xi=xi,
        rounds=np.zeros(n, dtype=np.int64),
        replicas=np.zeros(n, dtype=np.int64),
        produced=(0,),
        names=("phi", "psi", "d"),
        periodic=np.array([True, True, False]),
        regions=back.header.regions,
        estimate=back.estimate,
        columns=frozenset(),
        read=lambda _: np.zeros(n),
    )
    weights = by_cells(samples)
    shares = [weights[:5].sum(), weights[5:8].sum(), weights[8:].sum()]
    wanted = np.exp(-np.array(list(F.values())))
    np.testing.assert_allclose(shares, wanted / wanted.sum(), rtol=1e-12)
    # where all of space is one state, all samples are alike
    alone = by_cells(replace(samples, regions={}))
    np.testing.assert_allclose(alone, 1.0 / n)
