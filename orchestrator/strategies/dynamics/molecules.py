"""Other molecules that a model of steps learns, or is tried on, beside the campaign's own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.schema.step_models import StepDiffusion

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.dynamics.schema import Dynamics
    from msgen.systems.base import System

FIELD = ("strategy", "molecules")
OWN = ("system", "cvs", "states")
"""Sections that each molecule has of its own, written as the campaign's."""


class Molecule(Section):
    """One of them: gathered, learnt, rolled out and judged like the campaign's own."""

    system: dict[str, Any]
    """As the campaign's `system:`; at the same temperature, with the same time step."""
    cvs: dict[str, Any]
    """As the campaign's `cvs:`, of this molecule."""
    states: dict[str, Any]
    """As the campaign's `states:`, of this molecule."""
    free_energies: str = Field(min_length=1)
    """Run directory of a finished campaign of it, relative to this file."""
    learn: bool = True
    """Whether the model learns it; else it is simulated and rolled out, and the model has not
    seen it."""


def campaigns(
    campaign: Campaign, strategy: Dynamics
) -> tuple[dict[str, Campaign], dict[str, ValidationError]]:
    """A campaign of each molecule, and what is wrong with those that cannot be, by their names."""
    found, wrong = dict[str, "Campaign"](), dict[str, ValidationError]()
    for name, one in strategy.molecules.items():
        try:
            found[name] = type(campaign).parse(_tree(campaign, name, one))
        except ValidationError as error:
            wrong[name] = error
    return found, wrong


def _tree(campaign: Campaign, name: str, one: Molecule) -> dict[str, Any]:
    """The campaign of one molecule, as a file would have it."""
    tree = campaign.to_dict()
    strategy = {**tree["strategy"], "free_energies": one.free_energies, "learn": True}
    strategy |= {"molecules": {}, "begin": None}
    return {
        **{key: value for key, value in tree.items() if key != "surfaces"},
        **{key: getattr(one, key) for key in OWN},
        "strategy": strategy,
        # of its own: no two molecules share their noise
        "seed": (campaign.seed + 1 + zlib.crc32(name.encode())) % 2**63,
    }


def placed(name: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a molecule's campaign, where they stand in the file."""
    for one in problems:
        path: Path = (*FIELD, name)
        if one.path[:1] in [(key,) for key in OWN]:
            path = (*path, *one.path)
        elif one.path[:2] == ("strategy", "free_energies"):
            path = (*path, *one.path[1:])
        elif one.path:
            # of what all share, but told of this molecule: its own file would be wrong
            yield replace(one, problem=f"{one.problem} (of the molecule {name})")
            continue
        yield replace(one, path=path)


def molecule_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Names that can be, a model of steps, one temperature and one stride, something to learn."""
    if not strategy.molecules:
        if not strategy.learn:
            what = "leaves nothing to learn: there is no other molecule"
            yield Problem(("strategy", "learn"), False, what, "Leave it out, or name molecules")
        return
    if not isinstance(campaign.model, StepDiffusion):
        what = f"are for models of steps, and the model is {campaign.model.kind}"
        remedy = "Leave them out, or take model: {kind: step_diffusion}"
        yield Problem(FIELD, list(strategy.molecules), what, remedy)
        return
    if not strategy.learn and not any(one.learn for one in strategy.molecules.values()):
        remedy = "Leave learn out of one"
        yield Problem(FIELD, list(strategy.molecules), "leave nothing to learn", remedy)
    for name in strategy.molecules:
        if not name.replace("_", "").replace("-", "").isalnum():
            what = "is no name that files can have"
            yield Problem((*FIELD, name), name, what, "Take letters, digits, - and _")
    for name, one in campaigns(campaign, strategy)[0].items():
        where = (*FIELD, name, "system")
        mine, own = one.frame_spacing, campaign.frame_spacing
        if mine != own:
            what = f"has frames {mine[0]:g} {mine[1]} apart, and the campaign's own {own[0]:g}"
            yield Problem(where, one.system.kind, what, "Give both one time step")
        at, its = (strategy.own_temperature(c) for c in (campaign, one))
        if at != its:
            what = f"is at {its:g}, and the campaign's own at {at:g}: a step knows no other"
            yield Problem((*where, "temperature"), its, what, "Give both one temperature")


def unknown_atoms(
    campaign: Campaign, strategy: Dynamics, systems: Mapping[str, System]
) -> Iterator[Problem]:
    """Atoms of what is not learnt are of types that something learnt has.

    Parameters
    ----------
    systems : Mapping of str to System
        Of each molecule, '' for the campaign's own.
    """
    model = campaign.model
    if not isinstance(model, StepDiffusion) or not strategy.molecules:
        return
    from msgen.systems.topology.modelled_atoms import modelled_atoms

    asked = (model.atoms, model.types, model.solute)
    types = {n: set(modelled_atoms(s.topology, *asked).species) for n, s in systems.items()}
    learnt = {name for name, one in strategy.molecules.items() if one.learn}
    known = set[str]().union(*(types[n] for n in learnt | ({""} if strategy.learn else set())))
    for name, mine in types.items():
        if missing := sorted(mine - known):
            where = (*FIELD, name, "learn") if name else ("strategy", "learn")
            what = f"leaves out what the model has to know: {', '.join(missing)}"
            yield Problem(where, False, what, "Learn a molecule that has them")
