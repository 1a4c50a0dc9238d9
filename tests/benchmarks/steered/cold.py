"""Cold starts: walkers, and so the proposals, know one state only when a campaign begins.

`explore: {pushes: 0}` leaves out the search; what finds the other state is the broad share of the
proposals, carried there by steered moves, and what the chain saw teaches the next version (after
Tamagnone, Laio and Gabrié, arXiv 2406.01524). Beside it the same campaigns with pushes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from rows import ROOT, Row

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
    exact, error : float
        F(other) − F(state), kT, and the error of that where it was measured.
    """

    campaign: str
    state: str
    other: str
    exact: float
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()
    error: float = 0.0


def measured(name: str) -> Cold:
    """A particle system, against its long runs in tests/references."""
    known = json.loads((ROOT / "tests" / "references" / f"{name}.json").read_text())
    exact, error = float(known["delta_f_kT"]), float(known["delta_f_stderr_kT"])
    return Cold(f"steered_{name}", "compact", "rest", exact, (1, 2), error=error)


CASES = {
    "tunnel": Cold("steered_tunnel", "ten", "rest", float(np.log(0.7 / 0.3)), (1, 2, 3, 4)),
    "phi4": Cold("steered_phi4", "positive", "rest", 0.0, (1, 2, 3)),
    "dimer": measured("dimer"),
    "polymer": measured("polymer"),
}


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are names of `CASES` and seeds."""
    out, seeds = [], tuple(int(a) for a in arguments if a.isdigit())
    for name in [a for a in arguments if not a.isdigit()] or CASES:
        case = CASES[name]
        for how, settings in (("cold", WITHOUT), ("with pushes", ())):
            found = runs(
                case.campaign,
                seeds or case.seeds,
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
    chi = chi_squared([(v, float(np.hypot(e, case.error))) for v, e in f], case.exact)
    bound = 4.0 * np.sqrt(2.0 * n)
    told = f"± {error:.3f}; known {case.exact:.3f}" + (f" ± {case.error:.3f}" * bool(case.error))
    z = (value - case.exact) / float(np.hypot(error, case.error))
    return [
        Row(f"{name}: converged", sum(r.status == "converged" for r in found), "", f"of {n}"),
        Row(f"{name}: F({case.other}) − F({case.state})", value, "kT", told),
        Row(f"{name}: z of that", z, "", "", "|z| < 4", bool(abs(z) < 4.0)),
        Row(f"{name}: χ² over seeds", chi, "", f"{n} expected", f"± 4·√{2 * n}",
            bool(abs(chi - n) < bound)),
        Row(f"{name}: rounds", mean([r.rounds for r in found])[0]),
        Row(f"{name}: evaluations", mean([r.evaluations for r in found])[0] / 1e6, "M"),
        Row(f"{name}: steps per crossing", mean([r.steps_per_crossing for r in found])[0]),
    ]  # fmt: skip
