"""The monitor, read back with TensorBoard's own reader."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from reporting import PHI, PSI, header, info
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from msgen.orchestrator.base import Reporter, RoundInfo, StateEstimate, Status
from msgen.orchestrator.reporting import monitor as monitoring
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.progress import Progress
from msgen.orchestrator.reporting.results import read_result
from msgen.orchestrator.reporting.screens import screen_of
from msgen.orchestrator.reporting.tensorboard import PROMISED_TAGS, histogram

NAMES = {
    "{state}": ("C7ax", "rest"),
    "{move}": ("local", "steered"),
    "{cv}": ("phi", "psi"),
    "{limit}": ("energy_evaluations",),
    "{reading}": ("difference_kT",),
}


def expanded(tags: Iterable[str]) -> set[str]:
    """The promised tags with this campaign's names filled in."""
    out = set()
    for tag in tags:
        slot = next((s for s in NAMES if s in tag), None)
        out |= {tag} if slot is None else {tag.replace(slot, n) for n in NAMES[slot]}
    return out


def monitor(run_dir: Path, next_round: int = 0, show: Reporter | None = None) -> Monitor:
    return Monitor(run_dir, header(PHI, PSI), next_round=next_round, show=show)


def events(run_dir: Path) -> EventAccumulator:
    return EventAccumulator(
        str(run_dir / "tensorboard"), {"scalars": 0, "histograms": 0, "images": 0}
    ).Reload()


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.closed: list[tuple[Status, str]] = []

    def round(self, info: RoundInfo) -> None:
        self.rounds.append(info.round)

    def close(self, status: Status, reason: str) -> None:
        self.closed.append((status, reason))


def test_tensorboard_finds_the_promised_tags_and_no_others(tmp_path: Path) -> None:
    m = monitor(tmp_path)
    for rnd in range(3):
        m.round(info(rnd, ungrounded=() if rnd else ("phi: split R̂ 1.310, asked 1.05",)))
    m.close("converged", "all criteria hold")
    found = events(tmp_path)
    for category, tags in PROMISED_TAGS.items():
        assert set(found.Tags()[category]) == expanded(tags)
    scalars = found.Scalars("free_energy/rest")
    assert [(e.step, e.value) for e in scalars] == [(r, pytest.approx(-3.6)) for r in range(3)]
    assert [e.step for e in found.Scalars("model/loss")] == [1, 2]  # none before the first fit
    assert found.Scalars("diagnostics/r_hat")[0].value == pytest.approx(1.04)  # the worst CV
    forward = found.Histograms("work/forward")[0].histogram_value
    reverse = found.Histograms("work/reverse")[0].histogram_value
    assert (forward.num, forward.sum) == (2, 5.0)  # outside its state, or blown up: left out
    assert (reverse.num, reverse.sum) == (3, -6.0)
    assert found.Images("free_energy")[0].encoded_image_string.startswith(b"\x89PNG")


def test_a_resumed_run_shows_no_round_twice(tmp_path: Path) -> None:
    first = monitor(tmp_path)
    for rnd in range(5):
        first.round(info(rnd, sigma=0.5))
    # killed: never closed, and only rounds 0 to 2 were committed
    second = monitor(tmp_path, next_round=3)
    for rnd in range(3, 6):
        second.round(info(rnd, sigma=0.2))
    second.close("exhausted", "energy evaluations spent")
    series = events(tmp_path).Scalars("stderr/rest")
    assert [e.step for e in series] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose([e.value for e in series], [0.5] * 3 + [0.2] * 3, rtol=1e-6)
    history = read_history(tmp_path)
    assert [p.round for p in history] == [0, 1, 2, 3, 4, 5]
    assert [p.states["rest"].stderr_kT for p in history] == [0.5] * 3 + [0.2] * 3


def test_a_run_started_anew_voids_all_earlier_rounds(tmp_path: Path) -> None:
    for k in range(4):  # the names of files made in one second do not follow each other
        last = monitor(tmp_path)
        last.round(info(0, sigma=0.5 - 0.1 * k))
    last.close("interrupted", "by a signal")
    files = sorted(p.name.split(".")[3] for p in (tmp_path / "tensorboard").glob("events*"))
    assert len(set(files)) == 4
    series = events(tmp_path).Scalars("stderr/rest")
    assert [(e.step, e.value) for e in series] == [(0, pytest.approx(0.2))]


def test_tensorboard_can_be_left_out(tmp_path: Path) -> None:
    m = Monitor(tmp_path, header(PHI, PSI), tensorboard=False)
    m.round(info(0))
    m.close("exhausted", "rounds spent")
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "results" / "free_energy.json").exists()


def test_histogram_holds_every_finite_value_once() -> None:
    x = np.array([[0.0, 1.0, np.nan], [2.0, 2.0, np.inf]])
    h = histogram(x)
    assert (h.num, sum(h.bucket), h.min, h.max) == (4, 4, 0, 2)
    assert (h.sum, h.sum_squares) == (5, 9)
    assert len(h.bucket) == len(h.bucket_limit)


def test_results_follow_every_round_and_the_end(tmp_path: Path) -> None:
    heard = Listener()
    m = monitor(tmp_path, show=heard)
    m.round(info(0))
    running = read_result(tmp_path)
    assert running.status == "running"
    assert "rest: error 0.20" in running.reason
    assert running.cost.rounds == 1
    m.round(info(1))
    m.close("exhausted", "energy evaluations spent")
    final = read_result(tmp_path)
    assert (final.status, final.reason) == ("exhausted", "energy evaluations spent")
    made = {p.name for p in (tmp_path / "results").iterdir()}
    assert made == {
        "free_energy.json", "free_energy.png", "convergence.png", "fes.csv", "fes.dat", "bias.dat",
        "report.html", "history.jsonl",
    }  # fmt: skip
    assert (heard.rounds, heard.closed) == ([0, 1], [("exhausted", "energy evaluations spent")])


def test_an_interrupted_run_is_still_running_on_disk(tmp_path: Path) -> None:
    m = monitor(tmp_path)
    m.round(info(0))
    m.close("interrupted", "SIGTERM after round 0")
    assert read_result(tmp_path).status == "running"


def test_closing_before_the_first_round_leaves_no_result(tmp_path: Path) -> None:
    heard = Listener()
    monitor(tmp_path, show=heard).close("failed", "no energy")
    assert not (tmp_path / "results" / "free_energy.json").exists()
    assert heard.closed == [("failed", "no energy")]


def test_nothing_seen_yet_is_no_error(tmp_path: Path) -> None:
    empty = info(0, phase="explore")
    blank = np.full_like(empty.estimate.f_kT, np.nan)
    nothing = replace(
        empty.estimate, f_kT=blank, stderr_kT=blank, states={"rest": StateEstimate(None, None)},
        diagnostics={},
    )  # fmt: skip
    out = io.StringIO()
    m = monitor(
        tmp_path, show=Progress("x", "r", "c", place=screen_of(Console(file=out, width=200)))
    )
    m.round(replace(empty, estimate=nothing, cvs=None, samples={}))
    m.close("failed", "x")
    assert "rest not known yet" in out.getvalue()
    content = json.loads((tmp_path / "results" / "free_energy.json").read_text())
    assert set(np.ravel(content["surface"]["f_kT"])) == {None}


def test_drawing_takes_its_share_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of the test: rounds of a second, figures of 0.3 s, on which 1 % may be spent."""
    now, image = 0.0, monitoring.png

    def draw(figure: Any, dpi: int) -> bytes:
        nonlocal now
        now += 0.3
        return image(figure, dpi)

    monkeypatch.setattr(monitoring, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(monitoring, "png", draw)
    m = monitor(tmp_path)
    for rnd, figures in ((0, 1), (1, 1), (29, 1), (31, 2), (59, 2), (61, 3)):
        now = float(rnd)
        m.round(info(rnd))
        assert len(events(tmp_path).Images("free_energy")) == figures
