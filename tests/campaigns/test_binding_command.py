"""``msgen binding``: two particles in a well bind as their integral says, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import TESTS
from reporting import DISTANCE, PHI, header, result
from small_campaigns import run_here
from well_in_a_sphere import standard_free_energy

from msgen.orchestrator.base import StateEstimate
from msgen.orchestrator.cli import main
from msgen.orchestrator.estimators.binding import shell_volume
from msgen.orchestrator.reporting.binding import NoBindingError, binding_lines, binding_of
from msgen.orchestrator.reporting.results import Result
from msgen.systems.constants import STANDARD_VOLUME

CAMPAIGN = """
name: pair
executor: inline
seed: 11
system: {kind: openmm, factory: "well_in_a_sphere:pair", temperature: 300 K, timestep: 4 fs,
         friction: 2 /ps, platform: Reference}
cvs: {r: {kind: distance, atoms: [0, 1], range: [0 nm, 1.3 nm], bins: 26}}
states: {free: {r: [0.7 nm, 1.1 nm]}, bound: {r: [0 nm, 0.5 nm]}}
strategy: {kind: local, local: {kind: langevin, steps: 250}}
replicas: 16
converge: {state_error: 0.0001 kT, unseen: null}
budget: {energy_evaluations: 1.0e+6}
output: {tensorboard: false}
"""
FREE = (0.6, 0.9)


def told(
    bound: tuple[float | None, float | None] = (-2.0, 0.2),
    free: tuple[float | None, float | None] = (0.0, 0.0),
) -> Result:
    """Along a distance that runs from 0.1 to 0.9 nm."""
    r = result((DISTANCE,), n=20)
    states = {"free": StateEstimate(*free), "bound": StateEstimate(*bound)}
    regions = {"free": {"d": FREE}, "bound": {"d": (0.1, 0.4)}}
    head = header(DISTANCE, regions=regions)
    return replace(r, header=head, estimate=replace(r.estimate, states=states))


def test_two_particles_bind_as_their_integral_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pair.yaml"
    file.write_text(CAMPAIGN)
    (tmp_path / "well_in_a_sphere.py").write_text(
        (TESTS / "support" / "well_in_a_sphere.py").read_text()
    )
    assert run_here(file, tmp_path / "runs") == 3
    run = tmp_path / "runs" / "pair"
    assert main(["binding", str(run)]) == 0
    said = capsys.readouterr().out
    found = json.loads((run / "results" / "binding.json").read_text())
    exact = standard_free_energy(0.5)
    error = found["stderr_kT"]
    assert 0.0 < error < 0.15
    assert abs(found["standard_kT"] - exact) < 4 * error
    assert abs(found["of_profile_kT"] - exact) < 4 * error
    assert abs(found["drift_kT"]) < 0.1 + 3 * found["drift_error_at_most_kT"]
    assert "warning" not in said
    # without the shell's Jacobian, a stretch of 0.4 nm in its place; and without any correction
    for wrong in (math.log(0.4), 0.0):
        assert abs(found["difference_kT"] - wrong - exact) > 4 * error
    assert (run / "results" / "binding.png").read_bytes().startswith(b"\x89PNG")


def test_the_correction_is_the_shell_over_that_of_a_mole_in_a_litre() -> None:
    b = binding_of(told(), "bound", "free")
    assert b.standard_kT == pytest.approx(-2.0 - math.log(shell_volume(FREE) / STANDARD_VOLUME))
    assert b.stderr_kT == 0.2
    # whichever of the two comes first
    r = told(bound=(0.0, 0.0), free=(2.0, 0.2))
    states = dict(reversed(r.estimate.states.items()))
    other = binding_of(replace(r, estimate=replace(r.estimate, states=states)), "bound", "free")
    assert (other.standard_kT, other.stderr_kT) == (pytest.approx(b.standard_kT), 0.2)


def test_a_shell_in_which_they_feel_each_other_is_told() -> None:
    r = told()
    (name,) = r.estimate.axes
    x = np.asarray(r.estimate.axes[name])
    error = np.full_like(x, 0.02)
    for slope, warned in ((0.0, False), (4.0, True)):
        f = -2 * np.log(x) + slope * x
        estimate = replace(r.estimate, f_kT=f, stderr_kT=error)
        b = binding_of(replace(r, estimate=estimate), "bound", "free")
        said = "\n".join(binding_lines(b, "bound", "free"))
        assert ("warning: w is not flat" in said) is warned


def test_an_error_without_ground_is_not_told() -> None:
    r = told(bound=(-2.0, None))
    estimate = replace(r.estimate, ungrounded=("replicas disagree",))
    said = binding_lines(binding_of(replace(r, estimate=estimate), "bound", "free"), "a", "b")
    assert "± not known" in said[0]
    assert "  no error is known: replicas disagree" in said


def test_what_it_does_not_follow_from() -> None:
    r = told()
    with pytest.raises(NoBindingError, match=r"is no state of it.*One of: free, bound"):
        binding_of(r, "bonud", "free")
    with pytest.raises(NoBindingError, match="no free energy between them"):
        binding_of(told(bound=(None, None)), "bound", "free")
    unit = replace(r, header=replace(r.header, regions={"free": {"phi": (0.0, 1.0)}}, cvs=(PHI,)))
    with pytest.raises(NoBindingError, match="is no range of one distance"):
        binding_of(unit, "bound", "free")
    rest = {"rest": StateEstimate(0.0, 0.0), **r.estimate.states}
    third = replace(r, estimate=replace(r.estimate, states=rest))
    with pytest.raises(NoBindingError, match="begin with one of them"):
        binding_of(third, "bound", "free")
