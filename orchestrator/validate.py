"""From a campaign file to a campaign that can start, or to one message that says why not.

`load_campaign` reads and checks the text alone and is fast; `check` builds the system and the CVs
and looks at the run directory. Neither starts a worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from msgen.orchestrator.memory import memory_problems
from msgen.orchestrator.plugins_in_use import plugins_of
from msgen.orchestrator.run_directory import inputs as inputs_module
from msgen.orchestrator.run_directory.inputs import inputs_of
from msgen.orchestrator.run_directory.usable import Resume, directory_problems, run_beside
from msgen.orchestrator.schema import Campaign, CampaignError, Problem
from msgen.orchestrator.schema.dimensions import plain as plain_quantity
from msgen.orchestrator.schema.problems import MISSING
from msgen.orchestrator.schema.rules import cv_bounds, say
from msgen.orchestrator.schema.source import Source, apply_overrides, plain, read_file
from msgen.orchestrator.schema.translate import problems_of

if TYPE_CHECKING:
    from msgen.systems.base import CVSet, System
    from msgen.systems.description import Description

RESOLVED = inputs_module.RESOLVED


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
    beside : Path, optional
        A run of this campaign beside its file, where none is in `run_dir`.
    """

    campaign: Campaign
    base_dir: Path
    system: System
    cvs: CVSet
    run_dir: Path | None
    overrides: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    beside: Path | None = None

    @property
    def where(self) -> tuple[str, ...]:
        """Where it writes, and what else there is, in words; nothing without a run directory."""
        if self.run_dir is None:
            return ()
        begun = (self.run_dir / RESOLVED).exists()
        told = f"{self.run_dir.absolute()}, {'goes on there' if begun else 'begins there'}"
        if self.beside is None:
            return (told,)
        how = f"to go on with that one, say --output-dir {self.beside.parent}"
        return (told, f"a run of this campaign lies beside its file, in {self.beside}: {how}")


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
        campaign = Campaign.parse(source.tree)
    except ValidationError as error:
        raise CampaignError(source.name, problems_of(error), source.lines) from None
    try:
        campaign.strategy.first(campaign)
    except ValidationError as error:
        problems = campaign.strategy.placed(problems_of(error))
        raise CampaignError(source.name, problems, source.lines) from None
    strategy = campaign.strategy
    unreadable = strategy.unreadable(campaign).items()
    inside = [p for n, e in unreadable for p in strategy.placed_inside(n, problems_of(e))]
    if inside:
        raise CampaignError(source.name, inside, source.lines)
    return campaign, source


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
    beside = None if output_dir is not None else run_beside(campaign, base_dir, run_dir)
    checked = check(campaign, base_dir, run_dir=run_dir, resume=resume, source=source)
    return replace(checked, overrides=tuple(overrides), beside=beside)


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
    from msgen.orchestrator.finished_models import explorer_of
    from msgen.orchestrator.finished_runs import begun_with
    from msgen.systems.errors import SpecError  # torch and openmm come with the builders

    source = source or Source(campaign.name, {})
    inputs = inputs_of(campaign.to_dict(), base_dir, [p.module for p in plugins_of(campaign)])
    problems = [] if run_dir is None else directory_problems(campaign, run_dir, resume, inputs)
    try:
        system, cvs = _build(campaign, base_dir)
        problems += start_problems(campaign, system, cvs)
        problems += memory_problems(campaign, system.n_dof)
        problems += campaign.strategy.checks(campaign, base_dir, system, cvs)
        if (run := begun_with(campaign, base_dir)) is not None:
            campaign.strategy.admit(campaign, run, system)
        explorer_of(campaign, base_dir, system, cvs)
        problems += _beside_problems(campaign, base_dir, system)
    except SpecError as error:
        problems.append(Problem(error.field, error.value, error.problem, error.remedy))
        raise CampaignError(source.name, problems, source.lines) from error
    if problems:
        raise CampaignError(source.name, problems, source.lines)
    return Checked(campaign, base_dir, system, cvs, run_dir, inputs=inputs)


def described(checked: Checked) -> Description | None:
    """What is simulated, in words; None of a potential."""
    campaign = checked.campaign
    if campaign.system.kind == "ase":
        from msgen.systems.ase.description import describe as describe_calculated
        from msgen.systems.ase.system import ASESystem

        assert isinstance(checked.system, ASESystem)
        return describe_calculated(checked.system, int(campaign.spec_system()["charge"]))
    if not campaign.through_openmm:
        return None
    from msgen.systems.openmm.description import describe
    from msgen.systems.openmm.system import OpenMMSystem

    assert isinstance(checked.system, OpenMMSystem)
    return describe(checked.system, campaign.spec_system())


def _build(campaign: Campaign, base_dir: Path) -> tuple[System, CVSet]:
    from msgen.systems.build import build_cvs, build_system

    # auto would measure the platforms, and checking asks for one energy only
    spec = campaign.spec_system()
    platform = "any" if spec.get("platform") == "auto" else None
    system = build_system(spec, base_dir, platform=platform)
    return system, build_cvs(campaign.spec_cvs(), system, base_dir)


def _beside_problems(campaign: Campaign, base_dir: Path, system: System) -> list[Problem]:
    """What is wrong with systems whose orders go along, and with all of them together."""
    from msgen.orchestrator.finished_runs import begun_with
    from msgen.systems.errors import SpecError

    found, systems = list[Problem](), {"": system}
    for name, one in campaign.strategy.beside(campaign).items():
        try:
            systems[name], cvs = _build(one, base_dir)
            wrong = start_problems(one, systems[name], cvs)
            wrong += one.strategy.checks(one, base_dir, systems[name], cvs)
            if (run := begun_with(one, base_dir)) is not None:
                one.strategy.admit(one, run, systems[name])
        except SpecError as error:
            wrong = [Problem(error.field, error.value, error.problem, error.remedy)]
        found += campaign.strategy.placed_inside(name, wrong)
    return found or campaign.strategy.checks_together(campaign, systems)


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
    problems += _beyond_images(campaign, cvs)
    tried = complaints(system, cvs)
    return problems + [Problem(e.field, MISSING, e.problem, e.remedy) for e in tried]


def _beyond_images(campaign: Campaign, cvs: CVSet) -> list[Problem]:
    """Ranges that reach further than the nearest image is the only one."""
    from msgen.systems.cvs.centroids import CentroidDistance

    out = []
    for (name, section), cv in zip(campaign.cvs.items(), cvs.cvs, strict=True):
        if isinstance(cv, CentroidDistance) and cv_bounds(section)[1] > cv.reach:
            shown = [plain_quantity(q) for q in section.range or ()]
            half = math.floor(1000 * cv.reach) / 1000
            what = "reaches beyond half of the box's least width, where another image is as near"
            remedy = f"End it at {half:g} nm at most, or take a larger box"
            out.append(Problem(("cvs", name, "range"), shown, what, remedy))
    return out
