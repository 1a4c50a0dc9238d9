"""Sections of a campaign as tests write them: values in internal units, defaults left out.

Lower floors take what a section resolves to, with every default in it. `build_system` and
`build_cvs` of this module go through the section first, as a campaign does, and `refused` says what
is wrong with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from msgen import systems
from msgen.orchestrator.schema.campaign import Campaign
from msgen.orchestrator.schema.cvs import SECTIONS as CVS
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.schema.systems import SECTIONS as SYSTEMS
from msgen.orchestrator.schema.translate import problems_of
from msgen.orchestrator.validate import check
from msgen.systems import CVSet, System

Spec = Mapping[str, Any]


def with_units(spec: Spec, sections: Mapping[str, type[Section]]) -> dict[str, Any]:
    """A section as a campaign file has it, of one whose numbers are in internal units."""
    section = sections.get(spec.get("kind", ""))
    if section is None:
        return dict(spec)
    given = section.model_construct(**spec)
    text = given.model_dump(context={"units": True}, exclude_unset=True, warnings=False)
    if "terms" in text:
        text["terms"] = [{**t, "cv": with_units(t["cv"], sections)} for t in spec["terms"]]
    if "of" in text:
        text["of"] = {name: with_units(part, sections) for name, part in spec["of"].items()}
    return {**spec, **text}


def filled(spec: Spec) -> dict[str, Any]:
    """A ``system:`` section with its defaults, as `msgen.systems.build_system` takes it."""
    read = SYSTEMS[spec["kind"]].model_validate(with_units(spec, SYSTEMS))
    return read.model_dump(exclude_none=True)


def filled_cvs(specs: Mapping[str, Spec]) -> dict[str, dict[str, Any]]:
    """A ``cvs:`` section with its defaults, as `msgen.systems.build_cvs` takes it."""
    return {
        name: CVS[spec["kind"]].model_validate(with_units(spec, CVS)).model_dump()
        for name, spec in specs.items()
    }


_RANGES: dict[str, list[object]] = {
    "distance": ["0 nm", "9 nm"],
    "rmsd": ["0 nm", "9 nm"],
    "coordination": [0, 99],
    "coordinate": [-1e9, 1e9],
    "function": [-1e9, 1e9],
    "path": [1, 99],
}


def _ranged(cv: Spec) -> dict[str, Any]:
    """A CV of a campaign file, with a range where it needs one."""
    text = with_units(cv, CVS)
    kind = cv.get("kind")
    return {"range": _RANGES[kind], **text} if kind in _RANGES else text


def build_system(spec: Spec, base_dir: Path, platform: str | None = None) -> System:
    """As `msgen.systems.build_system`, with the section's defaults."""
    return systems.build_system(filled(spec), base_dir, platform)


def build_cvs(specs: Mapping[str, Spec], system: System, base_dir: Path) -> CVSet:
    """As `msgen.systems.build_cvs`, with the sections' defaults."""
    return systems.build_cvs(filled_cvs(specs), system, base_dir)


def refused(system: Spec, folder: Path, cvs: Mapping[str, Any] | None = None) -> Problem:
    """The first problem of a campaign with this system, and with these CVs; it must have one."""
    if cvs is None:
        atoms = system["kind"] in ("openmm", "alkane", "ase", "dimer", "polymer")
        one = {"kind": "distance", "atoms": [0, 1]} if atoms else {"kind": "coordinate", "index": 0}
        cvs = {"x": one}
    tree = {
        "system": with_units(system, SYSTEMS),
        "cvs": {n: _ranged(c) if isinstance(c, dict) else c for n, c in cvs.items()},
        "strategy": {"kind": "local"},
    }
    try:
        campaign = Campaign.parse(tree)
    except ValidationError as error:
        return problems_of(error)[0]
    with pytest.raises(CampaignError) as caught:
        check(campaign, folder)
    return caught.value.problems[0]
