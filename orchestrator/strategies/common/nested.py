"""The exact strategy that a campaign of learned dynamics may begin with, as a campaign of its own.

It is of the same system, CVs and states and lies in a folder of the run directory; once it is done
its run directory is what `free_energies` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.quantities import plain_field, problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

FIELD = ("strategy", "free_energies")
SHARE = 0.5
"""Of the evaluations and rounds of the budget, at the most, that the exact strategy may take."""
OWN = ("replicas", "model")
"""Sections of the campaign that it has of its own."""
_SAME = ("name", "seed", "executor", "system", "cvs", "states", "resources", "converge")
_REMEDY = "Name a run directory, or write an exact strategy, like {kind: steered}"


def _read(value: object) -> object:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and isinstance(value.get("kind"), str):
        return value
    raise problem("is no run directory and no strategy", _REMEDY)


FreeEnergies = Annotated[
    str | dict[str, Any],
    *plain_field(
        _read,
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {"kind": {"type": "string"}},
                    "required": ["kind"],
                },
            ]
        },
    ),
]
"""A run directory, or the section of an exact strategy with `replicas` and `model` of its own."""


def nested_tree(campaign: Campaign, section: Mapping[str, Any]) -> dict[str, Any]:
    """The campaign of the exact strategy, as a file would have it."""
    tree, budget = campaign.to_dict(), campaign.budget
    kept = {key: tree[key] for key in _SAME}
    # with CVs that came it would be none of these CVs
    kept["cvs"] = {name: cv for name, cv in tree["cvs"].items() if not isinstance(cv, str)}
    rounds = None if budget.rounds is None else max(1, int(SHARE * budget.rounds))
    return {
        **kept,
        **{key: section[key] for key in OWN if key in section},
        "strategy": {key: value for key, value in section.items() if key not in OWN},
        "budget": {
            **tree["budget"],
            "energy_evaluations": max(1, int(SHARE * budget.energy_evaluations)),
            "rounds": rounds,
        },
        "output": {
            **tree["output"],
            "stride": "auto",
            # trajectories begin in what it keeps
            "trajectory": "dcd" if campaign.has_atoms else "none",
        },
    }


def placed(problems: Iterable[Problem]) -> list[Problem]:
    """Problems of the nested campaign, where they stand in the file.

    What is wrong with a section that both share is told of the strategy as a whole.
    """
    return [replace(one, path=_place(one.path)) for one in problems]


def _place(path: Path) -> Path:
    if path[:1] == ("strategy",):
        return (*FIELD, *path[1:])
    return (*FIELD, *path) if path[:1] in [(key,) for key in OWN] else FIELD
