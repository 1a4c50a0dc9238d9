"""What a campaign of learned dynamics must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import MISSING, Problem
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.dynamics.schema import Dynamics

LEAST = 2
"""Trajectories from every state: one alone tells no error."""
_DYNAMICS = ("langevin", "overdamped")


def dynamics_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Moves that are dynamics, states, replicas, in the order of the file."""
    if campaign.states is None:
        remedy = "Name those of the run that free_energies names, as {left: {x: [-2, 0]}}"
        yield Problem(("states",), MISSING, "are missing: starts are spread over them", remedy)
    if strategy.local.kind not in _DYNAMICS:
        what, remedy = "are moves, and no dynamics in time", "Take langevin or overdamped"
        yield Problem(("strategy", "local", "kind"), strategy.local.kind, what, remedy)
    if not isinstance(campaign.replicas, int):
        what = "their number is fixed here: each is a trajectory, and all are of one length"
        yield Problem(("replicas",), campaign.first_replicas, what, "Write one number")
    elif campaign.state_names is not None:
        least = 2 * LEAST * len(campaign.state_names)
        if campaign.replicas < least:
            what = f"too few for {len(campaign.state_names)} states (the rest is one)"
            remedy = f"Take at least {least}, {LEAST} of each half in every state"
            yield Problem(("replicas",), campaign.replicas, what, remedy)


def length_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """A snippet is a part of a trajectory."""
    model = campaign.model
    if isinstance(model, TrajectoryDiffusion) and strategy.frames < model.length[1]:
        what = f"is less than the {model.length[1]} frames of a snippet (model.length)"
        remedy = "Gather longer trajectories, or learn shorter snippets"
        yield Problem(("strategy", "frames"), strategy.frames, what, remedy)


def shelf_problems(campaign: Campaign, n_dof: int) -> list[Problem]:
    """Starts travel with their orders."""
    if not campaign.shelved(n_dof):
        return []
    what = "walkers that lie in files cannot begin at samples of another run yet"
    return [Problem(("output", "walkers"), campaign.output.walkers, what, "Take walkers: orders")]
