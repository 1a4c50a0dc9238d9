"""Six CVs: a sum of double wells whose profiles, pairs and states are known by quadrature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from driving import Drive
from small_campaigns import run_here

import msgen
from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.project import project
from msgen.orchestrator.estimates import Estimate, StateEstimate
from msgen.orchestrator.schema import Campaign

CVS = 6
FINE = np.linspace(-3.0, 3.0, 6001)[:-1] + 0.0005
SIGMAS = 4.5


def wells(kT: float, **sections: Any) -> dict[str, Any]:
    """A campaign over the six coordinates a_k of Σ_k a_k⁴ − 6a_k² − ½a_k, and six that are free."""
    along = {
        f"a_{k}": {"kind": "coordinate", "index": 2 * k, "range": [-3, 3], "bins": 24}
        for k in range(CVS)
    }
    system = {"kind": "many_well", "dim": 2 * CVS, "kT": kT}
    return {"name": "wells", "seed": 5, "system": system, "cvs": along, **sections}


def exact(kT: float, bins: int = 24) -> np.ndarray:
    """−ln P of each bin of one CV, to the ends of its range."""
    p = np.exp(-(FINE**4 - 6 * FINE**2 - 0.5 * FINE) / kT)
    return np.asarray(-np.log(p.reshape(bins, -1).sum(axis=1) / p.sum()))


def off(f: np.ndarray, stderr: np.ndarray, truth: np.ndarray, below: float) -> np.ndarray:
    """Deviations in σ of bins below a height, f shifted to the truth by what both hold."""
    low = truth - truth.min() < below
    assert np.isfinite(f[low]).all()
    shift = np.log(np.exp(-truth[low]).sum() / np.exp(-f[low]).sum())
    return np.asarray((f - shift - truth)[low] / stderr[low])


def misses(estimate: Estimate, kT: float, below: float) -> np.ndarray:
    """Of all six profiles and the five pairs, whose bins are independent."""
    one, out = exact(kT), []
    for surface in estimate.surfaces:
        truth = one if len(surface.axes) == 1 else one[:, None] + one[None, :]
        out.append(off(surface.f_kT, surface.stderr_kT, truth, below).ravel())
    return np.concatenate(out)


def test_profiles_and_pairs_of_six_cvs_are_those_of_the_quadrature() -> None:
    """In replicas that cross by themselves; errors as large as the deviations say.

    Of some 1,500 bins the largest is to be below 5.5 σ, and their χ² near one.
    """
    kT = 4.0
    named = {"up": {"a_*": [0, 3]}, "down": {"a_*": [-3, 0]}}
    local = {"kind": "local", "local": {"kind": "hmc", "steps": 12}}
    drive = Drive.along(Campaign.parse(wells(kT, states=named, strategy=local, replicas=32)))
    drive.produce(5)
    told = drive.strategy.estimate(drive.state)
    titles = [s.title for s in told.surfaces]
    assert titles[5:8] == ["a_5", "a_0-a_1", "a_1-a_2"]
    z = misses(told, kT, 3.0)
    assert np.abs(z).max() < SIGMAS + 1.0
    assert 0.5 < np.mean(z**2) < 1.7
    # the twin at another temperature
    assert np.mean(misses(told, 0.7 * kT, 3.0) ** 2) > 3.0
    p = np.exp(-exact(kT))
    right, left = p[12:].sum(), p[:12].sum()
    assert set(told.states) == {"up", "down", "rest"}
    assert _off(told.states["down"], CVS * np.log(right / left)) < SIGMAS


def _off(state: StateEstimate, truth: float) -> float:
    assert state.f_kT is not None
    # where no error is told, half a kT stands for it
    return abs(state.f_kT - truth) / (state.stderr_kT or 0.5 / SIGMAS)


@pytest.mark.slow
def test_barriers_of_nine_kt_are_crossed_along_a_few_cvs_at_a_time(tmp_path: Path) -> None:
    """Paths join two named states; along the other CVs only the bias along each carries over."""
    moves = {"kind": "hmc", "steps": 5}
    tree = wells(
        1.0,
        states={"right": {"a_0": [0, 3]}},
        surfaces=[["a_0", "a_1"], *([f"a_{k}"] for k in range(2, CVS))],
        strategy={"kind": "steered", "local": moves, "explore": {"pushes": 64}},
        model={"kind": "spline_flow", "transforms": 1, "hidden": [16], "epochs": 8},
        replicas=24,
        converge={"unseen": None},
        executor="inline",
        output={"tensorboard": False},
        budget={"rounds": 26},
    )
    campaign = tmp_path / "wells.yaml"
    campaign.write_text(yaml.safe_dump(tree, sort_keys=False))
    assert run_here(campaign, tmp_path / "runs") in (0, 3)
    result = msgen.load(tmp_path / "runs" / "wells")
    files = {path.name for path in (tmp_path / "runs" / "wells" / "results").glob("fes*.csv")}
    assert files == {"fes_a_0-a_1.csv", *(f"fes_a_{k}.csv" for k in range(2, CVS))}
    one = exact(1.0)
    for surface in result.surfaces[1:]:
        low = one - one.min() < 8.0
        f = surface.f_kT[low]
        f = f + np.log(np.exp(-f).sum() / np.exp(-one[low]).sum())
        # every bin up to the pass was seen, and within 0.3 kT RMS
        assert np.sqrt(np.mean((f - one[low]) ** 2)) < 0.45
    truth = np.log(np.exp(-one[12:]).sum() / np.exp(-one[:12]).sum())
    state = result.free_energies["rest"]
    assert state.f_kT == pytest.approx(truth, abs=0.6)
    # any other surface comes from the same samples; one that was asked for comes out the same
    told, _ = project(tmp_path / "runs" / "wells", ["a_3"])
    np.testing.assert_allclose(told.f_kT, result.surfaces[2].f_kT, atol=1e-9)
    assert main(["project", str(tmp_path / "runs" / "wells"), "--along", "a_5,a_2"]) == 0
    assert (tmp_path / "runs" / "wells" / "results" / "fes_a_5-a_2.dat").is_file()
    # weights that are exported are those of the estimate
    samples = result.samples()
    right = samples.weight[samples.cvs[:, 0] > 0].sum() / samples.weight.sum()
    assert np.log(right / (1 - right)) == pytest.approx(state.f_kT, abs=0.15)
