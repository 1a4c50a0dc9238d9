"""``msgen project``: another surface of a run is the one that the campaign would have told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small_campaigns import run_here

import msgen
from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.project import project
from msgen.orchestrator.schema.problems import CampaignError

LOCAL = {
    "name": "saddle",
    "seed": 5,
    "executor": "inline",
    "system": {"kind": "mueller_brown", "kT": 60.0},
    "cvs": {
        "x": {"kind": "coordinate", "index": 0, "range": [-2, 1.5], "bins": 20},
        "y": {"kind": "coordinate", "index": 1, "range": [-0.8, 2.5], "bins": 20},
    },
    "states": {"left": {"x": [-2, -0.3]}},
    "surfaces": [["x", "y"], ["x"]],
    "strategy": {"kind": "local", "local": {"kind": "hmc", "steps": 4}},
    "replicas": 12,
    "converge": {"state_error": "0.0001 kT", "unseen": None},
    "output": {"tensorboard": False},
    "budget": {"rounds": 9},
}
TEMPERING = {
    "name": "ladder",
    "executor": "inline",
    "system": {"kind": "double_well"},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 20}},
    "states": {"left": {"x": [-2, 0]}},
    "strategy": {
        "kind": "parallel_tempering", "temperatures": 4, "highest": 8,
        "local": {"kind": "hmc", "steps": 3},
    },
    "replicas": 8,
    "converge": {"state_error": "0.0001 kT", "unseen": None},
    "output": {"tensorboard": False},
    "budget": {"rounds": 12},
}  # fmt: skip


def ran(tree: dict[str, Any], folder: Path) -> Path:
    file = folder / "campaign.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    assert run_here(file, folder / "runs") in (0, 3)
    return folder / "runs" / str(tree["name"])


def test_a_surface_that_was_asked_for_is_projected_with_its_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ran(LOCAL, tmp_path)
    result = msgen.load(run)
    both, x = result.surfaces
    told, files = project(run, ["x"])
    assert {"fes_x.csv", "fes_x.dat", "bias_x.dat"} <= {p.name for p in files}
    np.testing.assert_allclose(told.f_kT, x.f_kT, atol=1e-9)
    assert np.isfinite(x.stderr_kT).any()
    np.testing.assert_allclose(told.stderr_kT, x.stderr_kT, rtol=1e-9)
    # the CVs in another order are the same surface turned round
    turned, _ = project(run, ["y", "x"])
    np.testing.assert_allclose(turned.f_kT.T, both.f_kT, atol=1e-9)
    np.testing.assert_allclose(turned.stderr_kT.T, both.stderr_kT, rtol=1e-9)
    capsys.readouterr()
    for along, what in ((",", "names no CV"), ("x,x", "names a CV twice"), ("q", "no such CV")):
        assert main(["project", str(run), "--along", along]) == 2
        assert what in capsys.readouterr().err


@pytest.mark.slow
def test_sums_of_temperatures_are_none_of_replicas(tmp_path: Path) -> None:
    run = ran(TEMPERING, tmp_path)
    with pytest.raises(CampaignError, match="parallel_tempering keeps no sums by replica"):
        project(run, ["x"])
