"""An error without ground is told as not known, with the reason, wherever results are told."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reporting import PHI, PSI, estimate, header, info
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from msgen.orchestrator.base import Estimate, LogZ, ProfileEstimate, WithError
from msgen.orchestrator.library.result import Result
from msgen.orchestrator.reporting.history import HistoryPoint, read_history, time_to_convergence
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.plots import marginals
from msgen.orchestrator.reporting.progress import live_block, plain_line
from msgen.orchestrator.reporting.status import status

WHY = "phi: split R̂ 1.310, asked 1.05"


def groundless() -> Estimate:
    """All that has an error."""
    f = np.linspace(0.0, 2.0, 12)
    return replace(
        estimate((PHI,)),
        ungrounded=(WHY,),
        diagnostics={
            "estimators": {"bar": {"rest": WithError(-3.5, 0.3)}},
            "reweighted": {"rest": {"f_kT": -3.4, "stderr_kT": 0.4}},
            "ess": 312.0,
        },
        log_z=LogZ(3.0, 0.1, "draws"),
        profile=ProfileEstimate(f, 0.1 + 0.0 * f, 100),
    )


def test_what_is_told_has_no_error_and_all_of_the_rest() -> None:
    before = groundless()
    told = before.told()
    assert np.isnan(told.stderr_kT).all()
    np.testing.assert_array_equal(told.f_kT, before.f_kT)
    assert (told.states["rest"].f_kT, told.states["rest"].stderr_kT) == (-3.6, None)
    # that which the others are measured against has 0 by definition
    assert told.states["C7ax"] == before.states["C7ax"]
    assert told.diagnostics == {
        "estimators": {"bar": {"rest": (-3.5, None)}},
        "reweighted": {"rest": {"f_kT": -3.4, "stderr_kT": None}},
        "ess": 312.0,
    }
    assert told.log_z == LogZ(3.0, None, "draws")
    assert told.profile is not None
    assert np.isnan(told.profile.stderr_kT).all()
    np.testing.assert_array_equal(told.profile.f_kT, np.linspace(0.0, 2.0, 12))
    grounded = replace(before, ungrounded=())
    assert grounded.told() is grounded


@pytest.mark.parametrize("why", [(WHY,), ()])
def test_every_output_says_so(tmp_path: Path, why: tuple[str, ...]) -> None:
    """Beside the same run with ground, in which each of them has its error."""
    run, known = tmp_path / "run", not why
    monitor = Monitor(run, header(PHI, PSI))
    for rnd in range(2):
        monitor.round(info(rnd, ungrounded=why))
    monitor.close("exhausted", "budget.rounds is spent")

    content = json.loads((run / "results" / "free_energy.json").read_text())
    assert content["states"]["rest"] == {"f_kT": -3.6, "stderr_kT": 0.2 if known else None}
    surface = [v for row in content["surface"]["stderr_kT"] for v in row]
    assert any(v is not None for v in surface) == known
    assert content["diagnostics"]["ungrounded"] == list(why)

    with (run / "results" / "fes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert any(row["stderr_kT"] for row in rows) == known
    assert sum(bool(row["f_kT"]) for row in rows) == len(rows) - 1

    text = (run / "results" / "fes.dat").read_text()
    data = np.loadtxt(run / "results" / "fes.dat", comments="#")
    assert np.isfinite(data[:, 5]).any() == known
    # a bin never visited is on one side of two borders along each angle
    assert np.isfinite(data[:, 2]).sum() == len(data) - 4
    assert (f"# errors are inf as none is known: {WHY}" in text) != known

    assert ("± not known" in status(run)) != known
    assert (f"no error is known: {WHY}" in status(run)) != known

    page = (run / "results" / "report.html").read_text()
    assert ('<td class="n">not known</td>' in page) != known
    assert ("<p>No error is known:</p>" in page) != known

    result = Result.read(run)
    assert result.ungrounded == why
    assert result.free_energies["rest"].stderr_kT == (0.2 if known else None)
    assert np.isfinite(result.surface.stderr_kT).any() == known
    assert (WHY in repr(result)) != known
    assert (WHY in result._repr_html_()) != known

    board = EventAccumulator(str(run / "tensorboard"), {"scalars": 0, "tensors": 0}).Reload()
    assert ("stderr/rest" in board.Tags()["scalars"]) == known
    assert ("no_error_is_known" in board.Tags()["tensors"]) != known
    if why:
        (said, _) = board.Tensors("no_error_is_known")
        assert WHY in said.tensor_proto.string_val[0].decode()
    assert [p.states["rest"].stderr_kT for p in read_history(run)] == [0.2 if known else None] * 2


def test_progress_says_so() -> None:
    line = plain_line(info(3, ungrounded=(WHY,)), 60.0, "overlap")
    assert "rest -3.60 ± not known" in line
    assert f"no error is known: {WHY}" in line
    assert "convergence not known yet" in line
    console = Console(width=100)
    with console.capture() as shown:
        console.print(live_block("dipeptide", info(3, ungrounded=(WHY,)), 60.0, "overlap"))
    assert f"no error is known: {WHY}" in shown.get()


def test_how_long_it_will_take_goes_by_the_estimators_own_error() -> None:
    """So that a campaign whose replicas still disagree is late, and gets more of them."""
    points = [HistoryPoint.of(info(n, phase, ungrounded=(WHY,))) for n, phase in
              enumerate(("adapt", "produce"))]  # fmt: skip
    assert points[-1].states["rest"].stderr_kT is None
    taken = points[1].wall_s - points[0].wall_s
    assert time_to_convergence(points, 0.1) == pytest.approx(taken * (2.0**2 - 1.0))


def test_no_band_of_width_0_where_no_error_is_known() -> None:
    f = np.arange(12.0).reshape(3, 4)
    assert np.isnan(marginals(f, np.full((3, 4), np.nan), (0,))[1]).all()
    assert np.isfinite(marginals(f, np.ones((3, 4)), (0,))[1]).all()
