"""From a campaign file to a campaign that can start, or to one message that says why not.

`load_campaign` reads and checks the text alone and is fast; `check` builds the system and the CVs
and looks at the run directory. Neither starts a worker.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from msgen.orchestrator.plugins_in_use import plugins_of
from msgen.orchestrator.run_directory import inputs as inputs_module
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.inputs import changed, inputs_of
from msgen.orchestrator.schema import Campaign, CampaignError, Problem
from msgen.orchestrator.schema.differences import tree_differences
from msgen.orchestrator.schema.dimensions import plain as plain_quantity
from msgen.orchestrator.schema.problems import MISSING
from msgen.orchestrator.schema.rules import cv_bounds, say
from msgen.orchestrator.schema.source import Source, apply_overrides, plain, read_file
from msgen.orchestrator.schema.translate import problems_of

if TYPE_CHECKING:
    from msgen.systems.base import CVSet, System
    from msgen.systems.openmm.description import Description

Resume = Literal["auto", "must", "never"]

RESOLVED = inputs_module.RESOLVED
MAY_DIFFER = ("budget", "converge", "resources", "output", "executor")
"""What a resumed campaign may change, as no sample depends on it; of output, not all."""
_OUTPUT = ("stride", "walkers")
_OURS = ("campaign.yaml", "provenance.json", "events.jsonl", "logs", "lock", "writer.lock")


@dataclass(frozen=True)
class Checked:
    """A campaign that can start.

    Attributes
    ----------
    campaign : Campaign
    base_dir : Path
        The campaign file's folder; files are found relative to it.
    system : System
        For looking at; on whatever platform begins quickly where ``platform: auto``.
    cvs : CVSet
    run_dir : Path or None
        Where it will write.
    overrides : tuple of str
        What ``--set`` changed, so that the command can be said again.
    inputs : mapping
        Digests of the files that decide its samples, see `run_directory.inputs`.
    """

    campaign: Campaign
    base_dir: Path
    system: System
    cvs: CVSet
    run_dir: Path | None
    overrides: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def load(
    given: Path | Mapping[str, object], overrides: Sequence[str] = ()
) -> tuple[Campaign, Source]:
    """Read a campaign file, or take its content, with every ``a.b=value`` of `overrides` put in.

    Raises
    ------
    CampaignError
        With all problems of the text at once.
    """
    text = Source("campaign", plain(given)) if isinstance(given, Mapping) else read_file(given)
    source = apply_overrides(text, overrides)
    if "name" not in source.tree:
        word = "campaign" if isinstance(given, Mapping) else given.stem
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", word).lstrip("._-")
        source.tree["name"] = stem or "campaign"
    try:
        return Campaign.parse(source.tree), source
    except ValidationError as error:
        raise CampaignError(source.name, problems_of(error), source.lines) from None


def load_campaign(path: Path, overrides: Sequence[str] = ()) -> Campaign:
    """As `load`, without the text."""
    return load(path, overrides)[0]


def prepare(
    given: Path | Mapping[str, object],
    overrides: Sequence[str] = (),
    *,
    output_dir: Path | None = None,
    resume: Resume = "auto",
) -> Checked:
    """`load` and `check` with the run directory: a campaign that can start.

    Parameters
    ----------
    given : Path or mapping
        The campaign file, or its content; files named in that are relative to the working
        directory.
    overrides : sequence of str
    output_dir : Path, optional
        Instead of the campaign's ``output.directory``.
    resume : {"auto", "must", "never"}

    Raises
    ------
    CampaignError
    """
    campaign, source = load(given, overrides)
    run_dir = (output_dir or Path(campaign.output.directory)) / campaign.name
    base_dir = Path.cwd() if isinstance(given, Mapping) else given.resolve().parent
    checked = check(campaign, base_dir, run_dir=run_dir, resume=resume, source=source)
    return replace(checked, overrides=tuple(overrides))


def check(
    campaign: Campaign,
    base_dir: Path,
    *,
    run_dir: Path | None = None,
    resume: Resume = "auto",
    source: Source | None = None,
) -> Checked:
    """Build the system and the CVs, and see that the run directory can be used.

    Parameters
    ----------
    campaign : Campaign
    base_dir : Path
        The campaign file's folder.
    run_dir : Path, optional
        Where the campaign would write; not looked at if None.
    resume : {"auto", "must", "never"}
        Whether a run in there is continued.
    source : Source, optional
        The text, so that messages can name its lines.

    Raises
    ------
    CampaignError
        With every problem found: in files, atoms, energies, ranges and the run directory.
    """
    from msgen.orchestrator.finished_runs import begun_with
    from msgen.systems.errors import SpecError  # torch and openmm come with the builders

    source = source or Source(campaign.name, {})
    inputs = inputs_of(campaign.to_dict(), base_dir, [p.module for p in plugins_of(campaign)])
    problems = [] if run_dir is None else directory_problems(campaign, run_dir, resume, inputs)
    try:
        system, cvs = _build(campaign, base_dir)
        problems += start_problems(campaign, system, cvs)
        problems += campaign.strategy.checks(campaign, base_dir, system, cvs)
        if (run := begun_with(campaign, base_dir)) is not None:
            campaign.strategy.admit(campaign, run, system)
    except SpecError as error:
        problems.append(Problem(error.field, error.value, error.problem, error.remedy))
        raise CampaignError(source.name, problems, source.lines) from error
    if problems:
        raise CampaignError(source.name, problems, source.lines)
    return Checked(campaign, base_dir, system, cvs, run_dir, inputs=inputs)


def described(checked: Checked) -> Description | None:
    """What is simulated, in words; None of a system that is not OpenMM's."""
    if not checked.campaign.through_openmm:
        return None
    from msgen.systems.openmm.description import describe
    from msgen.systems.openmm.system import OpenMMSystem

    assert isinstance(checked.system, OpenMMSystem)
    return describe(checked.system, checked.campaign.spec_system())


def _build(campaign: Campaign, base_dir: Path) -> tuple[System, CVSet]:
    from msgen.systems.build import build_cvs, build_system

    # auto would measure the platforms, and checking asks for one energy only
    spec = campaign.spec_system()
    platform = "any" if spec.get("platform") == "auto" else None
    system = build_system(spec, base_dir, platform=platform)
    return system, build_cvs(campaign.spec_cvs(), system, base_dir)


def start_problems(campaign: Campaign, system: System, cvs: CVSet) -> list[Problem]:
    """What is wrong with where the campaign starts: its energy, or a CV outside its range."""
    import numpy as np

    from msgen.systems.cvs.trial import complaints

    start = system.initial()
    energy = float(system.energy(start)[0])
    if not np.isfinite(energy):
        remedy = "Minimise the structure first, and check that no atoms overlap"
        path = ("system", "structure" if campaign.has_atoms else "start")
        return [Problem(path, energy, "the starting energy is not finite", remedy)]
    problems = []
    for (name, cv), value in zip(campaign.cvs.items(), cvs(start.positions)[0], strict=True):
        low, high = cv_bounds(cv)
        if not low <= value <= high and not cv.is_periodic:
            what = f"the campaign starts outside it, at {say(value, cv.dimension)}"
            shown = [plain_quantity(q) for q in cv.range or ()] or [
                say(edge, cv.dimension) for edge in (low, high)
            ]
            problems.append(Problem(("cvs", name, "range"), shown, what, "Widen the range"))
    tried = complaints(system, cvs)
    return problems + [Problem(e.field, MISSING, e.problem, e.remedy) for e in tried]


def directory_problems(
    campaign: Campaign, run_dir: Path, resume: Resume, inputs: Mapping[str, str]
) -> list[Problem]:
    """Why `run_dir` cannot be written to, holds something else, or does not suit `resume`."""

    def problem(what: str, remedy: str = "Give another directory with --output-dir") -> Problem:
        return Problem(("output", "directory"), str(run_dir), what, remedy)

    existing = next(p for p in (run_dir, *run_dir.absolute().parents) if p.exists())
    if not existing.is_dir():
        return [problem(f"{existing} is a file")]
    if not os.access(existing, os.W_OK | os.X_OK):
        return [problem(f"{existing} is not writable")]
    resolved = run_dir / RESOLVED
    if not resolved.exists():
        if resume == "must":
            return [problem("there is no run to resume", "Start it with --resume auto")]
        strange = existing == run_dir and any(
            p.name not in _OURS and not p.name.startswith(".") for p in run_dir.iterdir()
        )
        return [problem("is not empty and holds no campaign")] if strange else []
    if resume == "never":
        remedy = "Take --resume auto to go on with it, or another name (--set name=…)"
        return [problem("holds a run already", remedy)]
    try:
        old = _filled_in(read_file(resolved).tree)
    except CampaignError as error:
        return [problem(f"its {RESOLVED} cannot be read: {error.problems[0].problem}")]
    different = differences(old, campaign.to_dict())
    known = provenance.read(run_dir).get("inputs")
    if known is not None:
        different += changed(known, inputs)
    if not different:
        return []
    what = "holds another campaign: " + "; ".join(different[:8])
    if len(different) > 8:
        what += f"; and {len(different) - 8} more"
    remedy = "Take another name (--set name=…) or --output-dir, or change these back"
    return [problem(what, remedy)]


def _filled_in(tree: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of keys that came since it was written; as it is if it is no campaign."""
    try:
        return Campaign.parse(tree).to_dict()
    except ValidationError:
        return tree


def _first(replicas: object) -> object:
    # how many more there may be is for the cluster to decide
    return replicas.get("min") if isinstance(replicas, Mapping) else replicas


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two resolved campaigns differ in what a sample depends on, in words.

    Parameters
    ----------
    old, new : Mapping
        As `Campaign.to_dict` gives them. `MAY_DIFFER` lists the sections that are left out; with
        `cvs.extend` a campaign may begin anew later, but for that it changes nothing.

    Returns
    -------
    list of str
        Like ``"system.temperature was 300.0 K, is 320.0 K"``; empty where a run can be resumed.
    """
    ignored = set(MAY_DIFFER)
    a, b = (
        {
            **{k: v for k, v in tree.items() if k not in ignored},
            "cvs": {k: v for k, v in (tree.get("cvs") or {}).items() if not isinstance(v, str)},
            "output": {key: (tree.get("output") or {}).get(key, "auto") for key in _OUTPUT},
            "replicas": _first(tree.get("replicas")),
        }
        for tree in (old, new)
    )
    found = tree_differences(a, b)
    for key in ("cvs", "states"):
        one, two = a.get(key), b.get(key)
        # the order of the axes and of the states is part of the result
        if not isinstance(one, Mapping) or not isinstance(two, Mapping):
            continue
        if set(one) == set(two) and list(one) != list(two):
            found.append(f"{key} was in the order {list(one)}, is {list(two)}")
    return found
