"""What a campaign of learned dynamics must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import MISSING, Path, Problem, choose
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion
from msgen.orchestrator.strategies.common.exploration_schema import DYNAMICS
from msgen.orchestrator.strategies.dynamics.generate_schema import CROSSING

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.dynamics.schema import Dynamics

LEAST = 2
"""Trajectories from every state: one alone tells no error."""
THERMAL = ("temperature", "kT")
"""What a system's section calls its temperature."""


def dynamics_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Moves that are dynamics, states, replicas, in the order of the file."""
    if campaign.states is None:
        remedy = "Name those of the run that free_energies names, as {left: {x: [-2, 0]}}"
        yield Problem(("states",), MISSING, "are missing: starts are spread over them", remedy)
    if strategy.local.kind not in DYNAMICS:
        what, remedy = "are moves, and no dynamics in time", "Take langevin or overdamped"
        yield Problem(("strategy", "local", "kind"), strategy.local.kind, what, remedy)
    if not isinstance(campaign.replicas, int):
        what = "their number is fixed here: each is a trajectory, and all are of one length"
        yield Problem(("replicas",), campaign.first_replicas, what, "Write one number")
    elif campaign.state_names is not None:
        several = 1 + len(strategy.temperatures)
        least = 2 * LEAST * len(campaign.state_names) * several
        if campaign.replicas < least:
            what = f"too few for {len(campaign.state_names)} states (the rest is one)"
            what += f" at {several} temperatures" if several > 1 else ""
            remedy = f"Take at least {least}, {LEAST} of each half in every state"
            yield Problem(("replicas",), campaign.replicas, what, remedy)
    yield from _begin_problems(campaign, strategy)
    yield from _temperature_problems(campaign, strategy)
    yield from _generate_problems(campaign, strategy)


def _temperature_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Those to gather at are others than the system's, and all asked for lie between them."""
    where = ("strategy", "temperatures")
    others, asked = strategy.others, strategy.generate.temperature
    if others and not set(THERMAL) & set(campaign.spec_system()):
        what = f"{campaign.system.kind} has one temperature, which its section does not name"
        yield Problem(where, list(others), what, "Leave it out")
        return
    known = (strategy.own_temperature(campaign), *others)
    if len(set(known)) < len(known):
        what = f"come twice, or are the system's own ({known[0]:g}), which is gathered at anyway"
        yield Problem(where, list(others), what, "Name each once, and others than it")
    wanted = ("strategy", "generate", "temperature")
    if asked and not others:
        what = "needs a model that has learnt more than one"
        yield Problem(wanted, [q.value for q in asked], what, "Name strategy.temperatures as well")
    for i, one in enumerate(asked):
        if others and not min(known) <= one.value <= max(known):
            what = f"lies outside what is gathered, {min(known):g} to {max(known):g}"
            yield Problem((*wanted, i), one.value, what, "Ask inside, or gather beyond it")


def _begin_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """States that there are, the rest among them."""
    names = list(campaign.state_names or ())
    where = ("strategy", "begin")
    if strategy.begin is not None and not strategy.begin:
        yield Problem(where, [], "names no state", "Name one, or leave it out for all")
    for i, name in enumerate(strategy.begin or ()):
        if names and name not in names:
            yield Problem((*where, i), name, "is no state", choose(name, names))


def _generate_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """States that there are, and trajectories no longer than those they are told beside."""
    asked, where = strategy.generate, ("strategy", "generate")
    lengths: list[tuple[Path, int]] = [
        ((*where, "length", i), n) for i, n in enumerate(asked.length)
    ]
    if asked.inpaint is not None:
        lengths.append(((*where, "inpaint", "frames"), asked.inpaint.frames))
        names = list(campaign.states or {})
        for key, name in (("from", asked.inpaint.start), ("to", asked.inpaint.to)):
            if names and name not in names:
                yield Problem((*where, "inpaint", key), name, "is no state", choose(name, names))
        if asked.inpaint.start == asked.inpaint.to:
            what = "is where they begin as well"
            yield Problem((*where, "inpaint", "to"), asked.inpaint.to, what, "Name another state")
    for at, frames in lengths:
        if frames > strategy.frames:
            what = f"is more than the {strategy.frames} frames that are gathered (strategy.frames)"
            yield Problem(at, frames, what, "Gather longer trajectories, or ask for shorter ones")


def path_problems(strategy: Dynamics, base_dir: FilePath, n_cvs: int) -> list[Problem]:
    """A path that is to be varied can be read."""
    from msgen.models.trajectories.path_files import read_path  # numpy comes with it

    vary = strategy.generate.vary
    if vary is None or vary.path == CROSSING:
        return []
    try:
        read_path((base_dir / vary.path).expanduser(), n_cvs)
    except ValueError as error:
        remedy = f"Write a frame a line, a column for each CV; or path: {CROSSING}"
        return [Problem(("strategy", "generate", "vary", "path"), vary.path, str(error), remedy)]
    return []


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
