"""What a run of a campaign tells a person: its monitor, and the command that goes on with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from msgen.orchestrator.base import Reporter
from msgen.orchestrator.run_directory.atomic_files import read_lines
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.strategies.registry import KINDS

if TYPE_CHECKING:
    from msgen.orchestrator.reporting.screens import Place
    from msgen.orchestrator.validate import Checked


def command_of(checked: Checked, run_dir: Path, source: Path | None) -> str:
    """What to repeat in order to go on."""
    if source is None:
        return "msgen.run with the same campaign"
    command = f"msgen-run {source}"
    if run_dir.parent != Path(checked.campaign.output.directory):
        command += f" --output-dir {run_dir.parent}"
    # without them it would be another campaign
    return command + "".join(f" --set {shlex.quote(text)}" for text in checked.overrides)


def raised(checked: Checked, command: str | None) -> dict[str, str]:
    """`command` with twice the budget, by the limit that was spent."""
    if command is None or not command.startswith("msgen-run"):
        return {}
    budget, out = checked.campaign.budget, {}
    twice = {
        "energy_evaluations": f"{2 * budget.energy_evaluations:g}",
        "rounds": "" if budget.rounds is None else str(2 * budget.rounds),
        "wall": "" if budget.wall is None else f"{2 * budget.wall:g} s",
    }
    for limit, value in twice.items():
        if value:
            plain = command
            for text in checked.overrides:
                if text.partition("=")[0].strip() == f"budget.{limit}":
                    plain = plain.replace(f" --set {shlex.quote(text)}", "")
            out[limit] = f"{plain} --set {shlex.quote(f'budget.{limit}={value}')}"
    return out


def reporter_of(
    checked: Checked, run_dir: Path, command: str | None, place: Place | None = None
) -> Reporter:
    """The monitor; it shows nothing where there is no command to tell."""
    from msgen.orchestrator.reporting.history import rewind_history
    from msgen.orchestrator.reporting.monitor import Monitor
    from msgen.orchestrator.reporting.progress import Progress
    from msgen.orchestrator.reporting.results import CVInfo, RunHeader

    campaign = checked.campaign
    sampled = tuple(CVInfo(cv.name, cv.periodic, cv.unit) for cv in checked.cvs.cvs)
    header = RunHeader(
        campaign=campaign.name,
        temperature_K=campaign.temperature_K,
        kT_kJ_per_mol=checked.system.kT if campaign.has_units else None,
        cvs=tuple(c for c in sampled if campaign.cvs[c.name].reported),
        regions=campaign.spec_states() or {},
        sampled=sampled,
    )
    first = _first_reported(run_dir)
    target = campaign.converge.state_error
    show = None
    if command is not None:
        show = Progress(
            campaign.name,
            str(run_dir / "results"),
            command,
            raised=raised(checked, command),
            target_kT=target,
            history=rewind_history(run_dir, first),
            place=place,
            overlap=KINDS[campaign.strategy.kind].overlap,
        )
    return Monitor(
        run_dir,
        header,
        next_round=first,
        target_kT=target,
        show=show,
        tensorboard=campaign.output.tensorboard,
    )


def _first_reported(run_dir: Path) -> int:
    """The round that a (resumed) controller will report first: the last one that is whole."""
    commits = read_lines(run_dir / "commits.jsonl")
    if not commits:
        return 0
    return Checkpoints(run_dir / "checkpoints").load(int(commits[-1]["round"]))[0]
