"""Running a campaign, or looking at it: what Python and the command line both call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgen.orchestrator.base import Activity
from msgen.orchestrator.library.result import Result, load
from msgen.orchestrator.loop.signals import answered
from msgen.orchestrator.reporting.screens import screen_of
from msgen.orchestrator.reporting.signs_of_life import SignsOfLife
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.schema.source import plain

if TYPE_CHECKING:
    from msgen.orchestrator.validate import Checked

__all__ = ["Campaign", "Overrides", "Resume", "load", "plan", "run", "validate"]

Campaign = str | PathLike[str] | Mapping[str, object]
"""A campaign file's path, or its content: the same keys, and values as YAML would give them."""
Overrides = Mapping[str, object] | Sequence[str]
"""``{"replicas": 8, "converge.state_error": "0.1 kT"}``, or texts ``"a.b=value"`` as ``--set``."""
Resume = Literal["auto", "must", "never"]


def run(
    campaign: Campaign,
    *,
    output_dir: str | PathLike[str] | None = None,
    overrides: Overrides = (),
    resume: Resume = "auto",
    executor: Literal["ray", "inline"] | None = None,
    address: str = "local",
    quiet: bool = False,
) -> Result:
    """Run a campaign to its end, or go on with the one in its run directory.

    Ctrl-C (in a notebook: interrupt the kernel) ends it within seconds and keeps what was done;
    the result's status then is 'interrupted', and the same call goes on.

    Parameters
    ----------
    campaign : path or mapping
        The campaign file, or its content. Files named in it are found relative to the campaign
        file; of a mapping, to the working directory.
    output_dir : path, optional
        The run directory is output_dir/<name>; by default ``output.directory``, else ``runs``.
    overrides : mapping or sequence of str, optional
        Values put into the campaign, by dotted key.
    resume : {'auto', 'must', 'never'}
        Whether a run in the run directory is gone on with: if there is one, always, or never.
    executor : {'ray', 'inline'}, optional
        Instead of the campaign's own.
    address : str
        Ray cluster: 'local' starts one here, 'auto' finds a running one, else host:port.
    quiet : bool
        Show nothing while it runs.

    Returns
    -------
    Result
        Its status is 'converged', 'exhausted' (ended before that) or 'interrupted'.

    Raises
    ------
    CampaignError
        If the campaign cannot be run as written; the text is what the command line prints.
    RunDirectoryError
        If the run directory is in use, damaged, or of another version of msgen.
    RunError
        If it failed; the traceback is in ``logs/error.log`` of the run directory.
    """
    asked = [*_assignments(overrides), *([f"executor={executor}"] if executor else [])]
    with answered() as signals, _shown(quiet) as life:
        if life is not None:
            life(Activity("building the system"))
        checked = _checked(campaign, output_dir, asked, resume)
        assert checked.run_dir is not None
        # torch comes with it, and a wrong campaign is told without
        from msgen.orchestrator.library.errors import RunError
        from msgen.orchestrator.run import run_campaign
        from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError

        try:
            status = run_campaign(
                checked,
                run_dir=checked.run_dir,
                resume=resume,
                address=address,
                source=None if isinstance(campaign, Mapping) else Path(campaign),
                quiet=quiet,
                signals=signals,
                life=life,
            )
        except (RunDirectoryError, CampaignError):
            raise
        except Exception as error:
            raise RunError.of(error, checked.run_dir) from error
    return Result.read(checked.run_dir, status)


@contextmanager
def _shown(quiet: bool) -> Iterator[SignsOfLife | None]:
    """What shows how things go while it is open."""
    if quiet:
        yield None
        return
    with SignsOfLife(screen_of()) as life:
        yield life


def validate(
    campaign: Campaign,
    *,
    output_dir: str | PathLike[str] | None = None,
    overrides: Overrides = (),
    resume: Resume = "auto",
) -> dict[str, Any]:
    """Check a campaign without running it: its text, files, atoms, energies and run directory.

    Parameters are those of `run`.

    Returns
    -------
    dict
        The campaign with every default filled in, as ``campaign.resolved.yaml`` holds it.

    Raises
    ------
    CampaignError
        With every problem found.
    """
    checked = _checked(campaign, output_dir, _assignments(overrides), resume)
    return checked.campaign.to_dict()


def plan(
    campaign: Campaign,
    *,
    output_dir: str | PathLike[str] | None = None,
    overrides: Overrides = (),
    resume: Resume = "auto",
) -> str:
    """What a campaign would do, as ``--dry-run`` prints it: states, resources, cost of a round.

    Parameters are those of `run`.

    Raises
    ------
    CampaignError
        With every problem found.
    """
    from msgen.orchestrator import dry_run

    return dry_run.plan(_checked(campaign, output_dir, _assignments(overrides), resume))


def _checked(
    campaign: Campaign,
    output_dir: str | PathLike[str] | None,
    overrides: Sequence[str],
    resume: Resume,
) -> Checked:
    from msgen.orchestrator.validate import prepare

    return prepare(
        campaign if isinstance(campaign, Mapping) else Path(campaign),
        overrides,
        output_dir=None if output_dir is None else Path(output_dir),
        resume=resume,
    )


def _assignments(overrides: Overrides) -> list[str]:
    """Overrides as ``--set`` takes them; JSON is YAML in which text stays text."""
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [
        f"{key}={json.dumps(plain(value, tuple(key.split('.'))), ensure_ascii=False)}"
        for key, value in overrides.items()
    ]
