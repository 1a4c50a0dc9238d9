"""What a campaign of transition paths must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import MISSING, Problem, choose
from msgen.orchestrator.strategies.common.configuration_rules import (
    angular_coordinate,
    coordinate_problems,
    too_large,
)
from msgen.orchestrator.strategies.common.local_schema import MALA

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.transition_paths.schema import TransitionPaths
    from msgen.systems.base import System

FEWEST_FRAMES = 5
"""Of a path."""
_DYNAMICS, _OF_MOLECULES = ("overdamped", "mala", "langevin"), ("langevin",)


def path_problems(campaign: Campaign, strategy: TransitionPaths) -> Iterator[Problem]:
    """Dynamics, states, length and replicas, in the order of the file."""
    if campaign.states is None:
        remedy = "Name two, as {left: {x: [-2, -0.6]}, right: {x: [0.5, 2]}}"
        yield Problem(("states",), MISSING, "are missing: paths go from one to another", remedy)
    else:
        for key, name in (("from", strategy.start), ("to", strategy.to)):
            if name not in campaign.states:
                what = "is no state that is named"
                yield Problem(("strategy", key), name, what, choose(name, list(campaign.states)))
    if strategy.start == strategy.to:
        what = "is where they begin as well"
        yield Problem(("strategy", "to"), strategy.to, what, "Name another state")
    local, here = strategy.local, ("strategy", "local")
    known = _OF_MOLECULES if campaign.through_openmm else _DYNAMICS
    if local.kind not in known:
        what = "are no dynamics in time whose way back is known"
        yield Problem((*here, "kind"), local.kind, what, f"Take {', '.join(known)}")
    if isinstance(local, MALA) and local.step_size == "auto":
        what = "would be tuned, and is what time is measured in"
        yield Problem((*here, "step_size"), "auto", what, "Give a number, like 0.001")
    if (frames := strategy.frames(campaign)) < FEWEST_FRAMES:
        what = f"are {frames} frames, {campaign.stride} steps apart (output.stride)"
        remedy = f"Take at least {FEWEST_FRAMES - 1} times the stride"
        yield Problem((*here, "steps"), local.steps, what, remedy)
    if not isinstance(campaign.replicas, int):
        what = "their number is fixed here: each is a chain of paths"
        yield Problem(("replicas",), campaign.first_replicas, what, "Write one number")
    yield from coordinate_problems(campaign, "auto")
    if not campaign.has_atoms and (angle := angular_coordinate(campaign)) is not None:
        what = "goes round, and a path knows its coordinates on the line"
        yield Problem(("cvs", angle), "periodic", what, "Take a system whose coordinates are none")


def variable_problems(campaign: Campaign, system: System) -> list[Problem]:
    """Whether whole configurations can be modelled, and steps of theirs run backwards.

    Raises
    ------
    SpecError
        For a molecule whose internal coordinates leave open what its energy depends on.
    """
    from msgen.actors.configurations.coordinates import check_alone  # torch comes with it

    if too_large(system):
        what = f"draws whole configurations, and {system.n_dof:,} coordinates are too many"
        return [Problem(("strategy", "kind"), "transition_paths", what, "Take a smaller system")]
    check_alone("auto", system)
    return _step_problems(system) if campaign.through_openmm else []


def _step_problems(system: System) -> list[Problem]:
    """What OpenMM moves otherwise than atom by atom: its shadow work is not booked."""
    from msgen.systems.openmm.system import OpenMMSystem  # OpenMM is there, which steps it

    assert isinstance(system, OpenMMSystem)
    if rigid := system.openmm_system.getNumConstraints():
        what = f"holds {rigid} bonds rigid, and each atom of a path is stepped by itself"
        remedy = "Write None, with a time step of 1 fs or less"
        return [Problem(("system", "constraints"), "rigid bonds", what, remedy)]
    if system.has_sites or system.free is not None:
        what = "steps every atom of a path, and some here have no steps of their own"
        return [Problem(("strategy", "kind"), "transition_paths", what, "Take another system")]
    return []
