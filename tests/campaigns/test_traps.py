"""Some campaigns of the traps benchmark, run to their own end: `converged` is not said wrongly.

`make bench NAME=traps` runs all of them; here are the cheapest of each kind, and what is expected
of every one: not to say `converged` of what is off by more than three of its own σ, and to print no
σ that has no ground.
"""

from __future__ import annotations

from functools import cache

import pytest
import traps
from traps_cases.tally import Tally
from trials import run

pytestmark = pytest.mark.slow


@cache
def ended(name: str, seed: int) -> Tally:
    """One campaign of a trial."""
    ((trap, trial, _),) = traps.chosen([name])
    found = run(trial, seed)
    assert found.status != "error", found.reason
    return Tally(trap, trial, [found])


def wrong(name: str, seed: int, seen: str) -> object:
    """A campaign that says `converged` wrongly today."""
    reason = f"said to have converged: {seen}"
    return pytest.param(name, seed, marks=pytest.mark.xfail(strict=True, reason=reason))


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        wrong("narrow_third-importance", 1, "0.55 ± 0.04 for -0.62, a state of 45 % is not seen"),
    ],
)
def test_what_is_said_to_have_converged_is_right(name: str, seed: int) -> None:
    assert not ended(name, seed).wrong
