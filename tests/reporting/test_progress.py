"""What a person is shown while a campaign runs and when it ends."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from reporting import info
from rich.console import Console

from msgen.orchestrator.base import NOTHING_LEFT, LogZ, RoundInfo, StateEstimate, Status
from msgen.orchestrator.convergence.base import Criteria, Criterion
from msgen.orchestrator.convergence.errors import StateErrors
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.works import WorkOverlaps
from msgen.orchestrator.estimators.left_out import Bounded
from msgen.orchestrator.reporting.history import HistoryPoint
from msgen.orchestrator.reporting.progress import (
    Progress,
    final_lines,
    plain_line,
    state_values,
    time_to_convergence,
)
from msgen.orchestrator.reporting.remedies import with_remedy
from msgen.orchestrator.reporting.screens import screen_of
from msgen.orchestrator.reporting.words import count, duration


def plain(rounds: Iterable[RoundInfo], status: Status, target: float | None = 0.1) -> str:
    out = io.StringIO()
    shown = Progress(
        "dipeptide",
        "runs/d/results",
        "msgen-run d.yaml",
        target,
        place=screen_of(Console(file=out)),
    )
    for one in rounds:
        shown.round(one)
    shown.close(status, "a reason")
    return out.getvalue()


def test_plain_output_has_a_line_a_round_with_all_that_matters() -> None:
    text = plain([info(0), info(1)], "exhausted")
    first, second, *last = text.splitlines()
    for part in (
        "round 0 produce", "ΔF/kT: C7ax 0 (reference); rest -3.60 ± 0.20", "replicas 4",
        "model none yet", "acceptance local 0.98, steered 0.21", "ESS 312", "round trips 7",
        "energy evaluations 50.0k", "convergence about 12 s", "unmet: rest: error 0.20 kT",
    ):  # fmt: skip
        assert part in first
    assert "model v0" in second
    end = "\n".join(last)
    for part in (
        "dipeptide: exhausted — a reason", "overhead 2.0 % of wall",
        "  F(C7ax)  = 0 (reference)\n  ΔF(rest) = -3.60 ± 0.20 kT\n",
        "results: runs/d/results", "raise the budget and repeat: msgen-run d.yaml", "unmet: rest",
    ):  # fmt: skip
        assert part in end
    assert "\x1b" not in text


def test_the_last_words_have_a_budget_to_go_on_with() -> None:
    """They repeated the one that was spent."""
    raised = {"rounds": "msgen-run d.yaml --set budget.rounds=6", "wall": "never"}
    one = replace(info(0), budget={"wall": 0.2, "rounds": 1.0})
    lines = final_lines("d", "exhausted", "a reason", one, "runs/d", "msgen-run d.yaml", raised)
    assert lines[-1] == f"  to go on, with twice the budget: {raised['rounds']}"


def test_where_a_strategy_has_nothing_left_no_budget_is_asked_for() -> None:
    """It said «with twice the budget»; the same command would end at once."""
    raised = {"rounds": "msgen-run d.yaml --set budget.rounds=6"}
    one = replace(info(0), budget={"rounds": 0.5})
    lines = final_lines("d", "exhausted", NOTHING_LEFT, one, "runs/d", "msgen-run d.yaml", raised)
    assert lines[-1] == "  to go on: other settings of `strategy`, in another directory"


@pytest.mark.parametrize(
    ("criterion", "helps"),
    [
        (RHat({"phi": Bounded(1.13, 1.2)}), "a CV for what is slow"),
        (EffectiveSamples(12.0), "more rounds"),
        (StateErrors({"a": 0.5}), "converge.state_error"),
        (WorkOverlaps(("a", "b"), {("a", "b"): Bounded(0.01, 0.005)}), "strategy.path.steps"),
    ],
)
def test_what_is_unmet_comes_with_a_remedy(criterion: Criterion, helps: str) -> None:
    (unmet,) = criterion.unmet(Criteria())
    said = with_remedy(unmet)
    assert said.startswith(f"{unmet}: ")
    assert helps in said


def test_small_errors_and_unmet_criteria_do_not_contradict_each_other() -> None:
    """It said «convergence errors are met · unmet: …»."""
    one = info(0, unmet=("round trips: 2 of 10",))
    assert "errors are met" not in plain_line(one, 0.0, "overlap")
    assert "convergence waits for what is unmet" in plain_line(one, 0.0, "overlap")
    assert "convergence reached" in plain_line(info(0, unmet=()), 0.0, "overlap")


def test_a_line_names_at_most_three_unmet_criteria() -> None:
    unmet = ("a: " + "x " * 80, "b: bad", "c: bad", "d: bad", "e: bad")
    line, *end = plain([info(0, unmet=unmet)], "exhausted").splitlines()
    said = line.split("unmet: ")[1].split("; ")
    assert said[1:] == ["b: bad", "c: bad", "and 2 more"]
    assert len(said[0]) <= 60
    assert said[0].endswith("…")
    assert sum("unmet: " in one for one in end) == 5  # the end names them all


def test_the_worst_overlap_stands_in_for_round_trips() -> None:
    one = info(0)
    found = {"round_trips": 0, "overlap": {"a–b": 0.34, "a–c": 0.21, "b–c": None}}
    line = plain([replace(one, estimate=replace(one.estimate, diagnostics=found))], "failed")
    assert "worst overlap of works 0.21" in line
    assert "round trips" not in line


def test_the_reference_says_nothing_before_another_state_is_known() -> None:
    none = StateEstimate(None, None)
    zero = StateEstimate(0.0, None)
    assert state_values({"a": zero, "b": none}) == {"a": "not known yet", "b": "not known yet"}
    assert state_values({"a": zero, "b": StateEstimate(1.2, None), "c": none}) == {
        "a": "0 (reference)", "b": "1.20 ± not known", "c": "not known yet",
    }  # fmt: skip
    assert state_values({"all": StateEstimate(0.0, 0.0)}) == {"all": "0 (reference)"}
    assert state_values({}) == {}
    unseen = {"a": none, "b": StateEstimate(0.3, 0.1)}
    assert state_values(unseen) == {"a": "not known yet", "b": "0.30 ± 0.10"}


def test_the_partition_function_is_told_where_it_is_known() -> None:
    one = info(0)
    known = replace(one, estimate=replace(one.estimate, log_z=LogZ(12.5, 0.031, "BAR")))
    text = plain([known], "failed")
    assert text.count("ln Z 12.50 ± 0.03 (BAR)") == 1
    assert text.count("ln Z = 12.50 ± 0.03 (BAR)") == 1
    assert "ln Z" not in plain([one], "failed")


def test_a_converged_run_is_not_told_how_to_go_on() -> None:
    text = plain([info(0, unmet=())], "converged")
    assert "convergence reached" in text
    assert "go on" not in text
    assert "unmet" not in text


def test_a_terminal_gets_one_block_that_is_redrawn() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40)
    shown = Progress("[b]dipeptide", "r", "msgen-run d.yaml", 0.1, place=screen_of(console))
    shown.round(info(0))
    once = out.getvalue()
    shown.round(info(1))
    shown.close("interrupted", "by Ctrl-C")
    text = out.getvalue()
    assert "[b]dipeptide" in once  # names are no markup
    assert "\x1b[2K" in text[len(once) :]  # the old block is wiped
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back
    assert "to go on where it stopped: msgen-run d.yaml" in text


def test_time_to_convergence_follows_the_square_root_law() -> None:
    def point(rnd: int, phase: str, wall: float, sigma: float | None) -> HistoryPoint:
        states = {"a": StateEstimate(0.0, 0.0), "b": StateEstimate(1.0, sigma)}
        return HistoryPoint(rnd, phase, 1, wall, states, sigma)

    history = [point(0, "explore", 100.0, None), point(1, "produce", 130.0, 0.4)]
    assert time_to_convergence(history, 0.1) == pytest.approx(30 * 15)
    # had it run those 450 s, σ would be 0.4 √(30/480) = 0.1
    assert 0.4 * math.sqrt(30 / (30 + 450)) == pytest.approx(0.1)
    assert time_to_convergence(history, 0.5) == 0.0
    assert time_to_convergence(history, None) is None
    assert time_to_convergence(history[:1], 0.1) is None
    assert time_to_convergence([point(0, "produce", 1.0, None)], 0.1) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (7.6, "8 s"),
        (59.7, "1 min 00 s"),
        (245, "4 min 05 s"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(950, "950"), (12_345, "12.3k"), (999_999, "1.00M"), (3_100_000, "3.10M"), (2e9, "2.00G")],
)
def test_counts(n: float, text: str) -> None:
    assert count(n) == text


def test_where_a_campaign_begins_anew_nobody_is_told_how_to_go_on() -> None:
    told = final_lines("wells", "renewed", "replicas disagree in y", info(3), "r", "msgen-run w")
    assert told == ["wells: replicas disagree in y"]
    assert any(
        "msgen-run w" in t
        for t in final_lines("wells", "interrupted", "", None, "r", "msgen-run w")
    )
