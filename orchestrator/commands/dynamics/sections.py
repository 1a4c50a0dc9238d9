"""CVs and states for ``msgen dynamics``: sections of a campaign, from a file or as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from msgen.orchestrator.commands.dynamics.settings import wrong
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.cvs import CVSpec
from msgen.orchestrator.schema.dimensions import wrong_dimension
from msgen.orchestrator.schema.problems import MISSING, CampaignError, Problem, choose
from msgen.orchestrator.schema.quantities import Interval
from msgen.orchestrator.schema.source import read_file, read_text
from msgen.orchestrator.schema.translate import problems_of

Regions = Mapping[str, Mapping[str, tuple[float, float]]]


class Sections(BaseModel):
    """CVs, and regions of them that are core sets."""

    model_config = ConfigDict(extra="forbid")

    cvs: dict[str, CVSpec]
    states: dict[str, dict[str, Interval]] = {}


def tree_of(what: str, text: str, key: str) -> tuple[dict[str, Any], Path]:
    """The section `key` in a file or in YAML, with others beside it; and the folder of the file.

    Raises
    ------
    CampaignError
    """
    path = Path(text).expanduser()
    inline = text.lstrip().startswith("{") or (":" in text and not path.suffix)
    if not inline and not path.is_file():
        remedy = f"Give a YAML file with a {key}: section, or the section itself, as '{{…}}'"
        raise wrong(what, text, "no such file", remedy)
    tree = read_text(text, what).tree if inline else read_file(path).tree
    folder = Path.cwd() if inline else path.resolve().parent
    return (tree if key in tree else {key: tree}), folder


def read_cvs(text: str) -> tuple[Sections, Path]:
    """The CVs, with the states where the file has some too.

    Raises
    ------
    CampaignError
    """
    tree, folder = tree_of("--cvs", text, "cvs")
    found = tree["cvs"]
    if isinstance(found, dict) and not isinstance(found.get("extend"), dict):
        found = {name: section for name, section in found.items() if name != "extend"}
    if not found:
        raise wrong("--cvs", text, "names no CV", "Give one, as {phi: {kind: dihedral, atoms: …}}")
    return parsed("--cvs", {"cvs": found, "states": tree.get("states") or {}}), folder


def read_states(text: str, cvs: Mapping[str, CVSection]) -> Regions:
    """The core sets, regions of `cvs`.

    Raises
    ------
    CampaignError
    """
    tree, _ = tree_of("--states", text, "states")
    told = {name: section.model_dump(context={"units": True}) for name, section in cvs.items()}
    return regions("--states", parsed("--states", {"cvs": told, "states": tree["states"]}))


def parsed(what: str, tree: dict[str, Any]) -> Sections:
    """The sections, checked.

    Raises
    ------
    CampaignError
    """
    try:
        return Sections.model_validate(tree)
    except ValidationError as error:
        raise CampaignError(what, problems_of(error)) from None


def regions(what: str, sections: Sections) -> Regions:
    """States in internal units; low > high wraps round an angle.

    Raises
    ------
    CampaignError
        For a CV that is not there, or a bound of another dimension.
    """
    problems, out = [], {}
    for state, region in sections.states.items():
        for cv, bounds in region.items():
            here = ("states", state, cv)
            if cv not in sections.cvs:
                problems.append(Problem(here, MISSING, "no such CV", choose(cv, sections.cvs)))
                continue
            section = sections.cvs[cv]
            found = [wrong_dimension(here, one, section.dimension) for one in bounds]
            problems += [one for one in found if one is not None]
            low, high = (one.value for one in bounds)
            if low >= high and not section.is_periodic:
                problems.append(
                    Problem(here, [low, high], "is empty", "Write the lower bound first")
                )
        out[state] = {cv: (low.value, high.value) for cv, (low, high) in region.items()}
    if problems:
        raise CampaignError(what, problems)
    return out
