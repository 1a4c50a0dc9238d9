"""What is shown between two rounds: when nothing else is, and how far things are."""

from __future__ import annotations

import io

from reporting import info
from rich.console import Console

from msgen.orchestrator.base import Activity
from msgen.orchestrator.reporting.progress import Progress
from msgen.orchestrator.reporting.screens import Lines, Terminal
from msgen.orchestrator.reporting.signs_of_life import SignsOfLife


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_comes_when_nothing_was_said_for_long() -> None:
    out, clock = io.StringIO(), Clock()
    life = SignsOfLife(Lines(Console(file=out, width=200)), clock)
    shown = Progress("x", "r", "c", place=life)
    life(Activity("building the system"))
    for _ in range(20):
        clock.now += 1.0
        life.beat()
    assert out.getvalue().splitlines() == [
        "building the system · 1 s so far",  # the first sign, soon
        "building the system · 9 s so far",
        "building the system · 17 s so far",
    ]
    shown.round(info(0))
    clock.now += 7.0
    life.beat()
    assert out.getvalue().count("so far") == 3  # the round was said 7 s ago
    clock.now += 1.0
    life.beat()
    assert out.getvalue().count("so far") == 4
    shown.close("converged", "a reason")
    clock.now += 60.0
    life.beat()
    assert out.getvalue().count("so far") == 4  # nothing after the last words


def test_what_has_been_shown_already_needs_no_early_sign() -> None:
    out, clock = io.StringIO(), Clock()
    life = SignsOfLife(Lines(Console(file=out, width=200)), clock)
    Progress("x", "r", "c", place=life).round(info(0))
    life(Activity("sampling", 1))
    clock.now += 5.0
    life.beat()
    assert "so far" not in out.getvalue()


def test_a_round_has_a_predicted_end_by_what_was_done_here() -> None:
    out, clock = io.StringIO(), Clock()
    life = SignsOfLife(Lines(Console(file=out, width=200)), clock)
    # a third was kept by the process before: it took no time here
    for orders, share, evaluations in ((2, 1 / 3, 4000), (4, 2 / 3, 8000)):
        life(Activity("sampling", 5, "adapt", orders, 6, evaluations, share))
        clock.now += 10.0
    life.beat()
    parts = out.getvalue().strip().split(" · ")
    assert parts[:2] == ["round 5 adapt: sampling", "4 of 6 orders"]
    assert parts[2:] == ["8000 energy evaluations in this round", "20 s so far", "about 20 s to go"]
    life(Activity("absorbing", 5, "adapt", 6, 6, 12_000, 1.0))
    clock.now += 10.0
    life.beat()
    assert "round 5 adapt: absorbing · 6 of 6 orders" in out.getvalue()
    assert out.getvalue().count("to go") == 1


def test_a_terminal_keeps_the_block_above_the_line() -> None:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=True, width=100, height=40)
    life = SignsOfLife(Terminal(console), clock)
    shown = Progress("dipeptide", "r", "c", place=life)
    shown.round(info(0))
    life(Activity("sampling", 1, "produce", 1, 4, 10, 0.25))
    clock.now += 1.0
    before = len(out.getvalue())
    life.beat()
    assert "dipeptide" in out.getvalue()[before:]
    assert "1 of 4 orders" in out.getvalue()[before:]
    shown.close("interrupted", "by Ctrl-C")
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1


def test_the_thread_ends_with_it() -> None:
    with SignsOfLife(Lines(Console(file=io.StringIO()))) as life:
        assert life._thread is not None
        thread = life._thread
    assert not thread.is_alive()
