"""What a person sees while a campaign runs, in words and as a block."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from msgen.orchestrator.base import (
    NOTHING_LEFT,
    Cost,
    Estimate,
    RoundInfo,
    StateEstimate,
    Status,
)
from msgen.orchestrator.reporting.history import HistoryPoint, time_to_convergence
from msgen.orchestrator.reporting.remedies import with_remedy
from msgen.orchestrator.reporting.screens import Place, screen_of
from msgen.orchestrator.reporting.words import count, duration

UNKNOWN = "not known yet"
REFERENCE = "0 (reference)"


def free_energy(state: StateEstimate) -> str:
    """F ± error in kT, in words where it is not known."""
    if state.f_kT is None:
        return UNKNOWN
    if state.stderr_kT is None:
        return f"{state.f_kT:.2f} ± not known"
    digits = 2 if state.stderr_kT >= 0.02 or state.stderr_kT == 0 else 3
    return f"{state.f_kT:.{digits}f} ± {state.stderr_kT:.{digits}f}"


def state_values(states: Mapping[str, StateEstimate]) -> dict[str, str]:
    """Every state's ΔF ± error in kT, in words; the first is what the others are measured from.

    Its 0 holds by definition, so that it says nothing before another state is known.
    """
    out = {name: free_energy(state) for name, state in states.items()}
    reference, *others = states or (None,)
    if reference is not None and states[reference].f_kT == 0:
        known = any(states[name].f_kT is not None for name in others)
        sampled = states[reference].stderr_kT is not None
        out[reference] = REFERENCE if known or (sampled and not others) else UNKNOWN
    return out


def state_lines(states: Mapping[str, StateEstimate]) -> list[str]:
    """One aligned line for each state: F(first) = 0 (reference), ΔF(name) = ΔF ± error kT."""
    values = state_values(states)
    heads = [f"{'ΔF' if i else 'F'}({name})" for i, name in enumerate(values)]
    width = max((len(head) for head in heads), default=0)
    return [
        f"  {head:{width}} = {value}" + (" kT" if value not in (REFERENCE, UNKNOWN) else "")
        for head, value in zip(heads, values.values(), strict=True)
    ]


def log_z(estimate: Estimate) -> str | None:
    """ln Z ± error and how it was got, None where it is not known."""
    if estimate.log_z is None or not math.isfinite(estimate.log_z.value):
        return None
    shown = free_energy(StateEstimate(estimate.log_z.value, estimate.log_z.stderr))
    return f"{shown} ({estimate.log_z.method})"


def result_lines(estimate: Estimate) -> list[str]:
    """The free energy of every state, ln Z where known, what probes say, and why errors are not."""
    known, probes = log_z(estimate), estimate.diagnostics.get("probes", {}).get("said")
    choice = estimate.diagnostics.get("choice", {}).get("said")
    told = [f"  ln Z = {known}"] if known else []
    told += [f"  {choice}"] if choice else []
    told += [f"  {probes}"] if probes else []
    told += [f"  no error is known: {why}" for why in estimate.ungrounded]
    return state_lines(estimate.states) + told


def briefly(unmet: Sequence[str]) -> list[str]:
    """The first three of what is unmet, each cut to a few words, and how many more there are."""
    short = [textwrap.shorten(what, 60, placeholder=" …") for what in unmet[:3]]
    return short + ([f"and {len(unmet) - 3} more"] if len(unmet) > 3 else [])


def overhead(cost: Cost) -> str:
    """What the loop added, as a share of the wall time."""
    share = 100 * cost.overhead_s / cost.wall_s if cost.wall_s > 0 else 0.0
    return f"overhead {share:.1f} % of wall"


def _facts(info: RoundInfo, remaining_s: float | None, overlap: str) -> list[tuple[str, str]]:
    found = info.estimate.diagnostics
    rates = [
        f"{move} {rate:.2f}"
        for move, rate in dict(found.get("acceptance") or {}).items()
        if isinstance(rate, (int, float)) and math.isfinite(rate)
    ]
    ess = found.get("ess")
    known = isinstance(ess, (int, float)) and math.isfinite(ess)
    if info.estimate.converged:
        eta = "reached"
    elif remaining_s is None or info.estimate.ungrounded:
        eta = UNKNOWN
    else:
        eta = f"about {duration(remaining_s)}" if remaining_s else "waits for what is unmet"
    return [
        ("phase", info.phase),
        ("round", str(info.round)),
        *[("strategy", str(choice["kind"])) for choice in [found.get("choice")] if choice],
        ("replicas", str(info.replicas)),
        ("model", f"v{info.model_version}" if info.model_version >= 0 else "none yet"),
        ("acceptance", ", ".join(rates) or "–"),
        ("ESS", f"{ess:.0f}" if known else "–"),
        *_transitions(found, overlap),
        *[("ln Z", known) for known in [log_z(info.estimate)] if known],
        ("energy evaluations", count(info.cost.energy_evaluations)),
        ("wall", duration(info.cost.wall_s)),
        ("convergence", eta),
    ]


def _transitions(found: Mapping[str, Any], overlap: str) -> list[tuple[str, str]]:
    """Round trips, or how well works or windows overlap where no replica goes everywhere."""
    trips = found.get("round_trips")
    if isinstance(trips, int) and trips > 0:
        return [("round trips", str(trips))]
    overlaps = [
        value
        for value in dict(found.get("overlap") or {}).values()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
    return [(overlap, f"{min(overlaps):.2f}")] if overlaps else []


def plain_line(info: RoundInfo, remaining_s: float | None, overlap: str) -> str:
    """One round as one line, for logs."""
    facts = dict(_facts(info, remaining_s, overlap))
    states = "; ".join(f"{n} {v}" for n, v in state_values(info.estimate.states).items())
    parts = [
        f"round {facts.pop('round')} {facts.pop('phase')}",
        f"ΔF/kT: {states or 'no states yet'}",
        *(f"{name} {value}" for name, value in facts.items()),
    ]
    if info.estimate.ungrounded:
        parts.append("no error is known: " + "; ".join(briefly(info.estimate.ungrounded)))
    if info.unmet:
        parts.append("unmet: " + "; ".join(briefly(info.unmet)))
    return " · ".join(parts)


def live_block(campaign: str, info: RoundInfo, remaining_s: float | None, overlap: str) -> Panel:
    """One round as the block that a terminal shows."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(info, remaining_s, overlap):
        facts.add_row(Text(name, style="dim"), Text(value))
    states = Table(box=None, padding=(0, 2), show_edge=False)
    states.add_column("state")
    states.add_column("ΔF / kT", justify="right")
    for name, value in state_values(info.estimate.states).items():
        states.add_row(Text(name, style="bold"), Text(value))
    budget = ", ".join(f"{limit} {100 * spent:.0f} %" for limit, spent in info.budget.items())
    rows: list[Table | Text] = [facts, states] if info.estimate.states else [facts]
    if budget:
        rows.append(Text(f"budget spent: {budget}", style="dim"))
    ungrounded = briefly(info.estimate.ungrounded)
    rows += [Text(f"no error is known: {why}", style="yellow") for why in ungrounded]
    rows += [Text(f"unmet: {what}", style="yellow") for what in briefly(info.unmet)]
    return Panel(Group(*rows), title=Text(f"msgen · {campaign}"), title_align="left", expand=False)


def final_lines(
    campaign: str,
    status: Status,
    reason: str,
    info: RoundInfo | None,
    results: str,
    resume_command: str,
    raised: Mapping[str, str] | None = None,
) -> list[str]:
    """The last words: status, result, cost, where things are, and how to go on if it must.

    `raised` has commands with a larger budget, by the limit that was spent.
    """
    if status == "renewed":
        return [f"{campaign}: {reason}"]
    lines = [f"{campaign}: {status} — {reason}"]
    if info is not None:
        lines += result_lines(info.estimate)
        cost = info.cost
        lines.append(
            f"  {cost.rounds} rounds · {count(cost.energy_evaluations)} energy evaluations · "
            f"wall {duration(cost.wall_s)} · sampling {duration(cost.sampling_s)} · "
            f"training {duration(cost.training_s)} (worker time) · {overhead(cost)}"
        )
        lines.append(f"  results: {results}")
        if status != "converged":
            lines += [f"  unmet: {with_remedy(what)}" for what in info.unmet]
    if status == "exhausted" and reason == NOTHING_LEFT:
        lines.append("  to go on: other settings of `strategy`, in another directory")
    elif status == "exhausted":
        spent = {} if info is None else info.budget
        larger = (raised or {}).get(max(spent, key=lambda limit: spent[limit], default=""))
        how = f"raise the budget and repeat: {resume_command}"
        lines.append(f"  to go on, {how if larger is None else f'with twice the budget: {larger}'}")
    elif status != "converged":
        lines.append(f"  to go on where it stopped: {resume_command}")
    return lines


class Progress:
    """A `Reporter` that only shows.

    Where the controller lives in another process than the terminal, feed this one from the
    terminal's side; it needs no file of the run.

    Parameters
    ----------
    campaign : str
        Its name.
    results : str
        Path to tell at the end.
    resume_command : str
        Command to tell when there is something left to do.
    target_kT : float or None
        ``converge.state_error``, for the time to convergence.
    history : sequence of HistoryPoint
        Rounds before this process, of a resumed run.
    place : Place, optional
        Standard output by default.
    overlap : str
        What the overlaps in the diagnostics are of, see `StrategyKind`.
    raised : Mapping of str to str, optional
        `resume_command` with a larger budget, by the limit that was spent.
    """

    def __init__(
        self,
        campaign: str,
        results: str,
        resume_command: str,
        target_kT: float | None = None,
        history: Sequence[HistoryPoint] = (),
        place: Place | None = None,
        overlap: str = "worst overlap of works",
        raised: Mapping[str, str] | None = None,
    ) -> None:
        self._campaign, self._results, self._resume = campaign, results, resume_command
        self._raised, self._target = raised, target_kT
        self._history = list(history)
        self._place = place or screen_of()
        self._overlap = overlap
        self._last: RoundInfo | None = None

    def round(self, info: RoundInfo) -> None:
        """Show a round."""
        self._history.append(HistoryPoint.of(info))
        self._last = info
        remaining = time_to_convergence(self._history, self._target)
        self._place.show(
            live_block(self._campaign, info, remaining, self._overlap),
            plain_line(info, remaining, self._overlap),
        )

    def close(self, status: Status, reason: str) -> None:
        """Show how it ended; the terminal is left as it was found."""
        self._place.end(
            final_lines(
                self._campaign,
                status,
                reason,
                self._last,
                self._results,
                self._resume,
                self._raised,
            )
        )
