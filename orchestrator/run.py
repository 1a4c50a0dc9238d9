"""From a checked campaign to a finished one: wires all that takes part in it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from msgen.actors.base import Tree
from msgen.actors.context import WorkerContext
from msgen.orchestrator.base import Activity, Cost, Ended, Reporter, Strategy
from msgen.orchestrator.campaign_reporter import command_of, reporter_of
from msgen.orchestrator.extended_campaign import along_more, candidates, readings
from msgen.orchestrator.first_phase import Done, first_phase
from msgen.orchestrator.forecast import Forecast
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Outcome
from msgen.orchestrator.loop.extension import Extension
from msgen.orchestrator.loop.job import Job, Resources
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.loop.round_watch import Tell, say_nothing
from msgen.orchestrator.loop.signals import Signals, answered
from msgen.orchestrator.plugins_in_use import plugins_of
from msgen.orchestrator.reporting.status import other_plugin
from msgen.orchestrator.reporting.trajectories import TOPOLOGY, write_topology
from msgen.orchestrator.run_directory import provenance, sampling_rules
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.lock import RunLock
from msgen.orchestrator.run_directory.set_aside import set_aside
from msgen.orchestrator.run_directory.whole import refuse_damaged
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.validate import RESOLVED, Checked, described
from msgen.systems.plugins import Plugin

if TYPE_CHECKING:
    from msgen.orchestrator.reporting.signs_of_life import SignsOfLife
    from msgen.systems.openmm.system import OpenMMSystem

_GPU_PLATFORMS = ("CUDA", "OpenCL", "HIP")


def run_campaign(
    checked: Checked,
    *,
    run_dir: Path,
    resume: str = "auto",
    address: str = "local",
    source: Path | None = None,
    quiet: bool = False,
    signals: Signals | None = None,
    life: SignsOfLife | None = None,
    command: str | None = None,
) -> Ended:
    """Run a campaign to its end, or go on with the one in `run_dir`.

    Parameters
    ----------
    checked : Checked
    run_dir : Path
    resume : {'auto', 'must', 'never'}
        Whether a run in `run_dir` is gone on with; 'must' and 'never' refuse the other case.
    address : str
        Ray cluster: 'local' starts one here, 'auto' finds a running one, else its address. Not
        looked at with ``executor: inline``.
    source : Path, optional
        The campaign file, kept as ``campaign.yaml`` and named in what is said about resuming.
    quiet : bool
        Whether nothing is shown while it runs.
    signals : Signals, optional
        Where the caller listens to them already.
    life : SignsOfLife, optional
        Shows what goes on between rounds.
    command : str, optional
        What to repeat in order to go on, where that is not this campaign alone.

    Returns
    -------
    Ended
        'converged', 'exhausted', 'interrupted' or 'failed'.

    Raises
    ------
    LockedError
        If another process works in `run_dir`.
    FileExistsError, FileNotFoundError
        If `resume` does not allow what is there.
    RunDirectoryError
        If samples that were committed are damaged or missing.
    OtherRulesError
        If how its samples are drawn was mended since the run began.
    """
    campaign = checked.campaign
    with RunLock(run_dir):
        begun = (run_dir / RESOLVED).exists()
        if resume == "never" and begun:
            raise FileExistsError(f"{run_dir} holds a run already; --resume auto goes on with it")
        if resume == "must" and not begun:
            raise FileNotFoundError(f"{run_dir} holds no run to resume")
        if not quiet:
            _say_where(checked)
        tell = life or say_nothing
        tell(Activity("measuring platforms"))
        platform = _platform(checked, run_dir)
        tell(Activity("setting up"))
        if begun:
            set_aside(run_dir, len(Extension.read(run_dir)))
            refuse_damaged(run_dir)
            sampling_rules.admit(provenance.read(run_dir), campaign, platform, run_dir)
        plugins = plugins_of(campaign)
        _tell_changes(run_dir, plugins, quiet=quiet)
        if begun and "inputs" not in provenance.read(run_dir):
            _tell_unknown_inputs(run_dir, quiet=quiet)
        about = described(checked)
        if about is not None and not begun:
            _tell_warnings(run_dir, about.warnings, quiet=quiet)
        if not begun:
            _tell_warnings(run_dir, Forecast.of(checked).warnings(), quiet=quiet)
        provenance.write(
            run_dir,
            simulated=None if about is None else about.facts,
            campaign=campaign.name,
            seed=campaign.seed,
            platform=platform,
            deterministic=platform == "Reference" if platform else checked.system.deterministic,
            rules=sampling_rules.known(campaign),
            inputs=checked.inputs,
            plugins=plugins,
        )
        resolved = yaml.safe_dump(campaign.to_dict(), sort_keys=False, allow_unicode=True)
        given = resolved if source is None else source.read_text(encoding="utf-8")
        write_atomic(run_dir / "campaign.yaml", given)
        write_atomic(run_dir / RESOLVED, resolved)  # last: with it the run exists
        if campaign.output.trajectory == "dcd" and campaign.system.kind == "openmm":
            folder = run_dir / "trajectories"
            if not (folder / TOPOLOGY).exists():
                write_topology(folder, _molecule(checked))
        command = None if quiet else command or command_of(checked, run_dir, source)
        how = {"executor": campaign.executor, "address": address}
        began = time.perf_counter()

        def before(first: Checked, folder: Path) -> Ended:
            return run_campaign(
                first,
                run_dir=folder,
                address=address,
                quiet=quiet,
                signals=signals,
                life=life,
                command=command,
            )

        done = first_phase(checked, run_dir, before)
        if not isinstance(done, Done):
            return done
        checked = done.checked
        while True:
            came = Extension.read(run_dir)
            set_aside(run_dir, len(came))
            now = along_more(checked, came)
            spent = came[-1].cost if came else done.cost
            job = _job(now, run_dir, platform, spent, time.perf_counter() - began)
            reporter = reporter_of(now, run_dir, command, life)
            ended = run_job(job, reporter, **how, signals=signals, tell=tell)
            if ended.status != "renewed":
                return ended.status
            assert ended.extend is not None
            seen = readings(run_dir, now, ended.extend)
            section = job.candidates[ended.extend]
            one = Extension.of(ended.extend, section, seen, ended.cost, now.campaign.cvs)
            one.write(EventLog(run_dir / "events.jsonl"))
            if not quiet:
                sys.stderr.write(f"{one.in_words}\n")


def _say_where(checked: Checked) -> None:
    """The run directory in full: whose run it is depends on where the command was given."""
    for key, text in zip(("run directory", "warning"), checked.where, strict=False):
        sys.stderr.write(f"{key}: {text}\n")


def _tell_changes(run_dir: Path, plugins: Sequence[Plugin], *, quiet: bool) -> None:
    """Say where a plug-in is no longer the one that this run began with; the run goes on."""
    for plugin, was in provenance.changes(provenance.read(run_dir), plugins):
        told = {"group": plugin.group, "name": plugin.name, "now": plugin.brought_by, "was": was}
        EventLog(run_dir / "events.jsonl").write("plugin", **told)
        if not quiet:
            sys.stderr.write(f"warning: {other_plugin(told)}\n")


def _tell_warnings(run_dir: Path, warnings: Sequence[str], *, quiet: bool) -> None:
    """Say what is allowed and seldom meant; status and report say it again."""
    for what in warnings:
        EventLog(run_dir / "events.jsonl").write("warning", what=what)
        if not quiet:
            sys.stderr.write(f"warning: {what}\n")


def _tell_unknown_inputs(run_dir: Path, *, quiet: bool) -> None:
    """Say that nobody knows whether the files are those that this run began with."""
    what = "this run recorded no digests of its input files; from now on it is known by today's"
    EventLog(run_dir / "events.jsonl").write("inputs", what=what)
    if not quiet:
        sys.stderr.write(f"warning: {what}\n")


def run_job(
    job: Job,
    reporter: Reporter,
    *,
    executor: str,
    address: str = "local",
    signals: Signals | None = None,
    tell: Tell = say_nothing,
) -> Outcome:
    """Run a job 'inline' or with 'ray'.

    After SIGINT or SIGTERM no order begins, and those in hand end with their slice; a second one
    drops them, a third ends it at once. What came back is kept in each case.
    """
    if signals is None:
        with answered() as heard:
            return run_job(
                job, reporter, executor=executor, address=address, signals=heard, tell=tell
            )
    try:
        if executor == "inline":
            with signals.loop():
                return job.run_inline(reporter, signals.stop, tell)
        # here: inline campaigns need no ray
        from msgen.orchestrator.executors.ray import connection
        from msgen.orchestrator.executors.ray import controller as ray_controller

        tell(Activity("starting Ray"))
        with connection.cluster(address), signals.loop():
            return ray_controller.run(job, reporter, signals.stop, tell)
    except KeyboardInterrupt:
        reason = "stopped at once; the same command goes on from what was kept"
        reporter.close("interrupted", reason)
        return Outcome("interrupted", reason, Cost())


def build_strategy(setup: Tree, context: WorkerContext | None = None) -> Strategy[Any]:
    """The strategy of the campaign that a worker's setup belongs to.

    Parameters
    ----------
    setup : Tree
    context : WorkerContext, optional
        Of the same setup, where this process has one already.
    """
    from msgen.orchestrator import strategies

    built = context or WorkerContext(setup)
    walkers = built.shelf.folder if setup.get("shelf") else None
    campaign = Campaign.parse(setup["campaign"])
    return strategies.build_probed(campaign, built.system, built.cvs, walkers, built.base_dir)


def _platform(checked: Checked, run_dir: Path) -> str | None:
    """The OpenMM platform: the one this run began with, else as asked, else measured now."""
    if not checked.campaign.through_openmm:
        return None
    kept = provenance.read(run_dir).get("platform")
    if kept:
        return str(kept)
    system = _molecule(checked)
    auto = checked.campaign.spec_system().get("platform") == "auto"
    return system.fastest_platform().name if auto else system.platform_name


def _molecule(checked: Checked) -> OpenMMSystem:
    from msgen.systems.openmm.system import OpenMMSystem  # which an analytic system needs not

    assert isinstance(checked.system, OpenMMSystem)
    return checked.system


def _job(
    checked: Checked,
    run_dir: Path,
    platform: str | None,
    spent: Cost,
    earlier_s: float,
) -> Job:
    from msgen.orchestrator.strategies import workers_settings

    given = checked.campaign
    campaign = given.strategy.settled(given, checked.base_dir, checked.system, checked.cvs)
    asked = campaign.resources
    shelved = campaign.shelved(checked.system.n_dof)
    setup: Tree = {
        "campaign": campaign.to_dict(),
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "states": campaign.spec_states(),
        **workers_settings(campaign),
        "base_dir": str(checked.base_dir),
        "platform": platform,
        "threads": asked.threads,
        "trajectory": campaign.output.trajectory == "dcd",
        "shelf": str(run_dir.absolute() / "walkers") if shelved else None,
    }
    context = None
    if campaign.executor == "inline":
        # what was built for the check serves the loop and its worker as well
        system = checked.system if platform is None else _molecule(checked).on(platform)
        context = WorkerContext(setup, system, checked.cvs)
    return Job(
        run_dir=run_dir.absolute(),
        setup=setup,
        build=build_strategy if context is None else partial(build_strategy, context=context),
        context=context,
        lag=int(campaign.spec_strategy().get("lag", 1)),
        limits=Limits(
            energy_evaluations=campaign.budget.energy_evaluations,
            wall_s=campaign.budget.wall,
            rounds=campaign.budget.rounds,
        ),
        elastic=_elastic(campaign),
        resources=Resources(
            workers=asked.workers if isinstance(asked.workers, int) else None,
            cpus_per_worker=asked.cpus_per_worker,
            threads=asked.threads,
            trainer_gpus=asked.trainer_gpus if asked.trainer_gpus != "auto" else None,
            gpu_workers=platform in _GPU_PLATFORMS,
            deadline_s=asked.deadline if asked.deadline != "auto" else None,
        ),
        spent=spent,
        earlier_s=earlier_s,
        candidates=candidates(checked),
    )


def _elastic(campaign: Campaign) -> Elastic | None:
    asked = campaign.replicas
    if isinstance(asked, int):
        return None
    within = campaign.budget.wall if asked.within is None else asked.within
    return Elastic(asked.min, asked.max, campaign.converge.state_error, within)
