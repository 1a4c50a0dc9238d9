"""``msgen run`` and ``msgen validate``: what takes a campaign file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from msgen.orchestrator.command_line.command import Command
from msgen.orchestrator.version import __version__

EXIT = {"converged": 0, "exhausted": 3, "failed": 1, "interrupted": 1}
"""Of the status that a campaign ends with."""


def version_option(sub: argparse.ArgumentParser) -> None:
    """Add ``--version``."""
    sub.add_argument("--version", action="version", version=f"msgen {__version__}")


def _campaign_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("campaign", type=Path, metavar="CAMPAIGN.yaml")
    overrides_option(sub)
    sub.add_argument(
        "--output-dir", type=Path, metavar="DIR",
        help="the run directory is DIR/<name> (default: output.directory, else runs)",
    )  # fmt: skip


def overrides_option(sub: argparse.ArgumentParser) -> None:
    """Add ``--set``."""
    sub.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", dest="overrides",
        help="put a YAML value into the campaign; can be given many times",
    )  # fmt: skip


def _run_options(sub: argparse.ArgumentParser) -> None:
    version_option(sub)
    _campaign_options(sub)
    sub.add_argument(
        "--resume",
        choices=("auto", "must", "never"),
        default="auto",
        help="continue the run in the run directory: if there is one, always, or never",
    )
    sub.add_argument(
        "--address",
        default="local",
        help="Ray: local starts one here (default), auto finds a running one, else host:port",
    )
    sub.add_argument("--executor", choices=("ray", "inline"), help="instead of the file's")
    sub.add_argument("--dry-run", action="store_true", help="check, print the plan, and stop")


def _run(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library import campaigns
    from msgen.orchestrator.library.errors import RunError

    where = {"output_dir": args.output_dir, "resume": args.resume}
    if args.dry_run:
        chosen = [f"executor={args.executor}"] if args.executor else []
        print(campaigns.plan(args.campaign, overrides=[*args.overrides, *chosen], **where))
        return 0
    try:
        result = campaigns.run(
            args.campaign,
            overrides=args.overrides,
            executor=args.executor,
            address=args.address,
            **where,
        )
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    return EXIT[result.status]


def _validate(args: argparse.Namespace) -> int:
    from msgen.orchestrator.memory import Memory
    from msgen.orchestrator.validate import described, prepare

    checked = prepare(args.campaign, args.overrides, output_dir=args.output_dir)
    print(f"{args.campaign}: campaign {checked.campaign.name!r} is ready to run")
    needed = Memory.of(checked.campaign, checked.system.n_dof)
    print(f"memory: {needed.in_words}")
    about = described(checked)
    for warning in () if about is None else about.warnings:
        print(f"  warning: {warning}")
    return 0


RUN = Command("run", "run or resume a campaign (the same as msgen-run)", _run_options, _run)
VALIDATE = Command("validate", "check a campaign file", _campaign_options, _validate)
