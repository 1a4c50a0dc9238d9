"""`import msgen`: a campaign from Python, and what can be asked of its result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import msgen
from msgen.orchestrator.cli import main
from msgen.orchestrator.run_directory.events import EventLog

CAMPAIGN: dict[str, Any] = {
    "name": "well",
    "seed": 3,
    "executor": "inline",
    "system": {"kind": "double_well", "kT": 1.0},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": (-2, 2), "bins": 16}},
    "states": {"left": {"x": [-2, 0]}},
    "strategy": {"kind": "local", "local": {"kind": "hmc", "steps": 5}},
    "replicas": np.int64(8),
    "converge": {"state_error": "0.0001 kT"},
    "output": {"tensorboard": False},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> msgen.Result:
    """A short campaign."""
    folder = tmp_path_factory.mktemp("runs")
    return msgen.run(CAMPAIGN, output_dir=folder, overrides={"budget.rounds": 14}, quiet=True)


def test_import_waits_for_nothing() -> None:
    code = (
        "import sys, msgen; dir(msgen); msgen.__version__\n"
        "heavy = {'ray', 'torch', 'openmm', 'mdtraj', 'numpy', 'pydantic', 'matplotlib', 'rich'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_all_that_is_promised_is_there() -> None:
    for name in msgen.__all__:
        assert getattr(msgen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        getattr(msgen, "rum")  # noqa: B009


def test_a_result_says_what_the_run_directory_holds(result: msgen.Result) -> None:
    told = json.loads((result.run_dir / "results" / "free_energy.json").read_text())
    assert (result.status, result.reason) == (told["status"], told["reason"])
    assert result.status == "exhausted"
    assert result.campaign == "well"
    assert [(cv.name, cv.periodic, cv.unit) for cv in result.cvs] == [("x", False, "1")]
    assert result.temperature_K is None
    assert result.kT_kJ_per_mol is None
    assert list(result.free_energies) == list(told["states"])
    for name, state in result.free_energies.items():
        assert state.f_kT == told["states"][name]["f_kT"]
        assert state.stderr_kT == told["states"][name]["stderr_kT"]
    assert result.surface.axes["x"].tolist() == told["surface"]["axes"]["x"]
    unseen = [f is None for f in told["surface"]["f_kT"]]
    assert np.isnan(result.surface.f_kT).tolist() == unseen
    assert result.surface.stderr_kT.shape == (16,)
    assert result.cost.rounds == 14
    assert result.unmet
    assert "well: exhausted" in repr(result)


def test_samples_are_what_export_writes(result: msgen.Result) -> None:
    samples = result.samples()
    assert main(["export", str(result.run_dir)]) == 0
    with np.load(result.run_dir / "results" / "samples.npz") as exported:
        assert set(exported) == {"round", "replica", "weight", "cvs"}
        for name in exported:
            assert np.array_equal(exported[name], getattr(samples, name))
    assert len(samples) == len(samples.cvs)
    assert samples.weight.sum() == pytest.approx(1.0)
    assert samples.weight[samples.round == 0].sum() == 0.0


def test_a_result_is_loaded_as_it_was_returned(result: msgen.Result) -> None:
    again = msgen.load(result.run_dir)
    assert (again.status, repr(again)) == (result.status, repr(result))
    assert np.array_equal(again.surface.f_kT, result.surface.f_kT, equal_nan=True)


def test_a_run_without_a_round_says_so(tmp_path: Path) -> None:
    (tmp_path / "campaign.resolved.yaml").write_text("name: new\n")
    early = msgen.load(tmp_path)
    assert (early.status, early.reason) == ("interrupted", "no round committed yet")
    assert "no round committed yet" in early._repr_html_()
    EventLog(early.run_dir / "events.jsonl").write("stop", status="exhausted", reason="why")
    spent = msgen.load(early.run_dir)
    assert (spent.status, spent.reason) == ("exhausted", "no round committed yet: why")
    with pytest.raises(msgen.CampaignError, match="the first comes after the first round"):
        early.free_energies  # noqa: B018
    with pytest.raises(msgen.CampaignError, match="holds no campaign"):
        msgen.load(tmp_path.parent)


def test_figures_and_tables(result: msgen.Result) -> None:
    figure = result.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    page = result._repr_html_()
    assert "<td>left</td>" in page
    assert "data:image/png;base64," in page


def test_xarray(result: msgen.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as NetCDF and as Zarr."""
    xarray = pytest.importorskip("xarray")
    data = result.to_xarray()
    assert data["f_kT"].dims == ("x",)
    assert np.array_equal(data["f_kT"].values, result.surface.f_kT, equal_nan=True)
    assert data["state_f_kT"].sel(state="left").item() == result.free_energies["left"].f_kT
    assert data.attrs["status"] == "exhausted"
    assert "temperature_K" not in data.attrs
    whole = result.to_xarray(samples=True)
    drawn = result.samples()
    assert np.array_equal(whole["sample_cvs"].sel(cv="x").values, drawn.cvs[:, 0])
    whole.to_netcdf(tmp_path / "all.nc", engine="scipy")
    whole.to_zarr(tmp_path / "all.zarr")
    for back in (xarray.open_dataset(tmp_path / "all.nc"), xarray.open_zarr(tmp_path / "all.zarr")):
        for name in whole.variables:
            np.testing.assert_array_equal(back[name].values, whole[name].values, name)
        assert "replicas are independent" in back["weight"].attrs["about"]
        back.close()
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'msgen\[xarray\]'"):
        result.to_xarray()


def test_a_wrong_campaign_is_told_as_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**CAMPAIGN, "seed": "x", "replicas": -1, "cvs": {"x": {"kind": "coordinat"}}}
    wrong["output"] = {"directory": str(tmp_path)}
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(wrong))
    assert main(["run", str(file)]) == 2
    shown = capsys.readouterr().err
    for call in (msgen.run, msgen.validate, msgen.plan):
        with pytest.raises(msgen.CampaignError) as caught:
            call(file)
        assert f"{caught.value}\n" == shown
    with pytest.raises(msgen.CampaignError) as caught:
        msgen.run(wrong)
    assert [p.problem for p in caught.value.problems]
    assert len(caught.value.problems) == 3
    with pytest.raises(msgen.CampaignError, match="a set cannot stand in a campaign"):
        msgen.run({"cvs": {1, 2}})


def test_a_file_and_its_content_are_the_same_campaign(tmp_path: Path) -> None:
    file = tmp_path / "well.yaml"
    file.write_text(yaml.safe_dump({**CAMPAIGN, "replicas": 8, "cvs": {"x": {
        "kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 16}}}))  # fmt: skip
    content = msgen.validate(CAMPAIGN, output_dir=tmp_path)
    assert msgen.validate(file, output_dir=tmp_path) == content
    assert content["budget"]["rounds"] is None
    changed = msgen.validate(str(file), overrides=["replicas=4"], output_dir=tmp_path)
    assert changed["replicas"] == 4
    assert "run directory" in msgen.plan(file, overrides={"name": "7"}, output_dir=tmp_path)


def test_a_failure_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("msgen.orchestrator.run.run_campaign", fail)
    with pytest.raises(msgen.RunError, match="msgen failed: ZeroDivisionError: of all") as caught:
        msgen.run(CAMPAIGN, output_dir=tmp_path)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.log == tmp_path / "well" / "logs" / "error.log"
    assert "in fail" in caught.value.log.read_text()


def test_quiet_is_quiet_and_otherwise_it_is_told(
    result: msgen.Result, capfd: pytest.CaptureFixture[str]
) -> None:
    again = {"output_dir": result.run_dir.parent, "overrides": {"budget.rounds": 14}}
    msgen.run(CAMPAIGN, **again, quiet=True)
    assert capfd.readouterr() == ("", "")
    assert msgen.run(CAMPAIGN, **again, resume="must").status == "exhausted"
    assert "msgen.run with the same campaign" in capfd.readouterr().out
