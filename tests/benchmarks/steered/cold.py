"""Cold starts: walkers, and so the proposals, know one state only when a campaign begins.

`explore: {pushes: 0}` leaves out the search; what finds the other state is the broad share of the
proposals, carried there by steered moves, and what the chain saw teaches the next version (after
Tamagnone, Laio and Gabrié, arXiv 2406.01524). Beside it the same campaigns with pushes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rows import Row

from steered.campaigns import Run, chi_squared, mean, pooled, runs

WITHOUT = ("strategy.explore={pushes: 0}",)


@dataclass(frozen=True)
class Cold:
    """A campaign that starts in one state.

    Attributes
    ----------
    campaign : str
        Of configs/papers.
    state, other : str
    exact : float or None
        F(other) − F(state), kT, where it is known.
    """

    campaign: str
    state: str
    other: str
    exact: float | None
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()


CASES = {
    "tunnel": Cold("steered_tunnel", "ten", "rest", float(np.log(0.7 / 0.3)), (1, 2, 3, 4)),
    "phi4": Cold("steered_phi4", "positive", "rest", 0.0, (1, 2, 3)),
}


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are names of `CASES`."""
    out = []
    for name in arguments or CASES:
        case = CASES[name]
        for how, settings in (("cold", WITHOUT), ("with pushes", ())):
            found = runs(
                case.campaign,
                case.seeds,
                (*case.settings, *settings),
                label=f"{name}, {how}",
            )
            out += rows(case, f"{name}, {how}", found)
    return out


def rows(case: Cold, name: str, found: list[Run]) -> list[Row]:
    """Of one case over its seeds."""
    n = len(found)
    f = [r.free_energy(case.other, case.state) for r in found]
    value, error = pooled(f)
    reference = "" if case.exact is None else f"exact {case.exact:.3f}"
    out = [
        Row(f"{name}: converged", sum(r.status == "converged" for r in found), "", f"of {n}"),
        Row(
            f"{name}: F({case.other}) − F({case.state})", value, "kT", f"± {error:.3f}, {reference}"
        ),
        Row(f"{name}: rounds", mean([r.rounds for r in found])[0]),
        Row(f"{name}: evaluations", mean([r.evaluations for r in found])[0] / 1e6, "M"),
        Row(f"{name}: steps per crossing", mean([r.steps_per_crossing for r in found])[0]),
    ]
    if case.exact is not None:
        chi = chi_squared(f, case.exact)
        holds = bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))
        row = Row(f"{name}: χ² over seeds", chi, "", f"{n} expected", f"± 4·√{2 * n}", holds)
        out.insert(2, row)
    return out
