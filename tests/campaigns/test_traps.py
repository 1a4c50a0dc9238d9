"""Some campaigns of the traps benchmark, run to their own end: `converged` is not said wrongly.

`make bench NAME=traps` runs all of them; here are the cheapest of each kind, and what is expected
of every one: not to say `converged` of what is off by more than three of its own σ, and to print no
σ that has no ground.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import traps
from traps_cases.tally import Tally
from trials import run

from msgen.orchestrator.strategies.common import free_replicas

pytestmark = pytest.mark.slow


@cache
def ended(name: str, seed: int) -> Tally:
    """One campaign of a trial."""
    ((trap, trial, _),) = traps.chosen([name])
    found = run(trial, seed)
    if found.status == "error":
        raise RuntimeError(found.reason)  # no failure that a mark may excuse
    return Tally(trap, trial, [found])


WRONG_ONCE = (
    "narrow_third-importance",
    "narrow_third-flow_mcmc",
    "narrow_third_others-targeted",
    "narrow_third_others-local",
    "hidden_y-importance",
    "hidden_y_4-local",
    "nine_unnamed-importance",
)
"""Said `converged` of what was off by 8 to 30 σ, or printed a σ, before anything looked for it."""


@pytest.mark.parametrize("name", WRONG_ONCE)
def test_what_is_said_is_right(name: str) -> None:
    found = ended(name, 1)
    assert not found.wrong
    assert not found.unfounded


def mean_z(name: str, seeds: range) -> float:
    """Of campaigns that nobody keeps, with random numbers that other trials have as well."""
    ((trap, kept, _),) = traps.chosen([name])
    trial = replace(kept, apart=False)
    return float(np.mean([z for seed in seeds for z in trap.z(run(trial, seed), trial)]))


def test_replicas_that_all_begin_in_the_lesser_state_leave_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They fill the other together, so that they agree; z of eight campaigns, 4 of its errors."""
    assert abs(mean_z("start_in_minor-local", range(61, 69))) < 4 / np.sqrt(8)
    monkeypatch.setattr(free_replicas, "SETTLED", np.inf)  # their way there counts
    assert mean_z("start_in_minor-local", range(61, 69)) < -4 / np.sqrt(8)


@pytest.mark.parametrize(("name", "seed"), [("nine_unnamed-importance", 1)])
def test_where_nothing_is_hidden_it_converges(name: str, seed: int) -> None:
    found = ended(name, seed)
    assert not found.trap.hidden
    assert found.said
