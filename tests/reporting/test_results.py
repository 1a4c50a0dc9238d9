"""What a campaign leaves in results/, read back by others' readers where there are any."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reporting import DISTANCE, PHI, PSI, header, result

from msgen.orchestrator.base import LogZ, ProfileEstimate
from msgen.orchestrator.reporting.plots import marginals, minimum_of
from msgen.orchestrator.reporting.results import CVInfo, Result, read_result, to_json, write_result
from msgen.orchestrator.reporting.tables import write_tables
from msgen.systems.errors import SpecError

GRIDS = [(PHI,), (DISTANCE,), (PHI, PSI), (PHI, DISTANCE), (PHI, PSI, DISTANCE)]


def test_json_has_exactly_the_documented_layout(tmp_path: Path) -> None:
    content = json.loads(write_result(tmp_path, result()).read_text())
    assert list(content) == [
        "schema_version", "campaign", "status", "reason", "temperature_K", "kT_kJ_per_mol", "cvs",
        "surface", "states", "profile", "log_z", "diagnostics", "cost",
    ]  # fmt: skip
    assert content["profile"] is None
    assert content["log_z"] is None
    assert content["cvs"][0] == {"name": "phi", "periodic": True, "unit": "rad"}
    assert set(content["surface"]) == {"axes", "f_kT", "stderr_kT"}
    assert content["states"]["rest"] == {"f_kT": -3.6, "stderr_kT": 0.2}
    assert set(content["cost"]) == {
        "rounds", "energy_evaluations", "wall_s", "sampling_s", "training_s", "overhead_s",
        "probe_evaluations",
    }  # fmt: skip


def test_unknown_becomes_null_everywhere(tmp_path: Path) -> None:
    r = result()
    content = to_json(r)
    assert content["surface"]["f_kT"][0][3] is None
    assert content["surface"]["stderr_kT"][0][3] is None
    text = write_result(tmp_path, r).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


@pytest.mark.parametrize("cvs", GRIDS)
def test_reads_back_what_was_written(tmp_path: Path, cvs: tuple[CVInfo, ...]) -> None:
    r = result(cvs)
    write_result(tmp_path, r)
    back = read_result(tmp_path)
    np.testing.assert_array_equal(back.estimate.f_kT, r.estimate.f_kT)
    np.testing.assert_array_equal(back.estimate.stderr_kT, r.estimate.stderr_kT)
    for name, values in r.estimate.axes.items():
        np.testing.assert_array_equal(back.estimate.axes[name], values)
    assert (back.header, back.cost, back.status) == (r.header, r.cost, r.status)
    assert back.estimate.states == r.estimate.states
    assert back.estimate.diagnostics == r.estimate.diagnostics


def test_the_partition_function_is_kept_and_older_results_have_none(tmp_path: Path) -> None:
    r = result()
    r = replace(r, estimate=replace(r.estimate, log_z=LogZ(-3.25, 0.04, "BAR")))
    path = write_result(tmp_path, r)
    assert read_result(tmp_path).estimate.log_z == r.estimate.log_z
    content = json.loads(path.read_text())
    del content["log_z"]
    path.write_text(json.dumps(content))
    assert read_result(tmp_path).estimate.log_z is None


def test_the_profile_stands_beside_counting_and_older_results_have_none(tmp_path: Path) -> None:
    r = result((DISTANCE,))
    f, err = r.estimate.f_kT + 0.5, np.full_like(r.estimate.f_kT, 0.1)
    f[0] = err[0] = np.nan
    told = replace(r, estimate=replace(r.estimate, profile=ProfileEstimate(f, err, 80)))
    path = write_result(tmp_path, told)
    content = json.loads(path.read_text())
    profile = content["profile"]
    assert list(profile) == ["axes", "bidirectional", "counting", "paths"]
    assert profile["axes"] == content["surface"]["axes"]
    assert profile["counting"]["f_kT"] == content["surface"]["f_kT"]
    assert profile["bidirectional"]["f_kT"][0] is None
    back = read_result(tmp_path).estimate.profile
    assert back is not None
    np.testing.assert_array_equal(back.f_kT, f)
    np.testing.assert_array_equal(back.stderr_kT, err)
    assert back.paths == 80
    del content["profile"]
    path.write_text(json.dumps(content))
    assert read_result(tmp_path).estimate.profile is None


def test_no_result_and_another_layout_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no result yet"):
        read_result(tmp_path)
    path = write_result(tmp_path, result())
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(SpecError, match="schema_version: 99"):
        read_result(tmp_path)


def test_a_failed_rewrite_leaves_the_old_result(tmp_path: Path) -> None:
    path = write_result(tmp_path, result())
    before = path.read_bytes()
    r = result()
    broken = Result(r.header, r.status, {1, 2}, r.estimate, r.cost)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_result(tmp_path, broken)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_csv_is_empty_where_never_visited(tmp_path: Path) -> None:
    r = result((PHI, DISTANCE))
    with write_tables(tmp_path, r)[0].open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["phi_rad", "d_nm", "f_kT", "stderr_kT"]
    assert (rows[3]["f_kT"], rows[3]["stderr_kT"]) == ("", "")
    f = [float(row["f_kT"] or "nan") for row in rows]
    np.testing.assert_allclose(f, r.estimate.f_kT.ravel(), rtol=1e-8)


def test_states_are_marked_at_their_lowest_bin() -> None:
    r = result()
    regions = {"C7ax": {"phi": (3.0, -2.0)}}  # through the seam
    r = Result(header(PHI, PSI, regions=regions), r.status, r.reason, r.estimate, r.cost)
    phi, psi = r.estimate.axes["phi"], r.estimate.axes["psi"]
    f = r.estimate.f_kT
    inside = ((phi >= 3.0) | (phi < -2.0))[:, None] & np.isfinite(f)
    for name, mask in (("C7ax", inside), ("rest", ~inside & np.isfinite(f))):
        i, j = np.unravel_index(np.argmin(np.where(mask, f, np.inf)), f.shape)
        assert minimum_of(r, name) == (phi[i], psi[j])
    assert minimum_of(r, "nowhere") is None


def test_marginals_against_the_sum_and_the_error_of_a_common_shift() -> None:
    rng = np.random.default_rng(0)
    f = rng.uniform(0, 5, (4, 5, 6))
    line, bound = marginals(f, np.full(f.shape, 0.3), (1,))
    expected = -np.log(np.exp(-f).sum(axis=(0, 2)))
    np.testing.assert_allclose(line, expected - expected.min(), atol=1e-12)
    np.testing.assert_allclose(bound, 0.3, atol=1e-12)  # a shift of all bins moves it by as much
