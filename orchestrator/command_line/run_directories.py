"""What reads a run: status, report, export, verify, project, binding, compare."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from msgen.orchestrator.command_line.command import Command


def _directory(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("directory", type=Path, metavar="DIR", help="run directory")


def _status(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.reporting.status import status

    print(status(run_directory(args.directory)))
    return 0


def _report(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.reporting.html_report import write_report

    print(write_report(run_directory(args.directory)))
    return 0


def _export(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.reporting.export import export

    for path in export(run_directory(args.directory)):
        print(path)
    return 0


def _verify(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.run_directory.whole import verify

    run_dir = run_directory(args.directory)
    found = verify(run_dir)
    if found.damaged:
        print("\n".join(found.damaged), file=sys.stderr)
        return 1
    rounds = "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    print(f"{run_dir}: whole: {rounds} in {found.arrays} arrays, as they were committed")
    return 0


def _project_options(sub: argparse.ArgumentParser) -> None:
    _directory(sub)
    sub.add_argument(
        "--along", required=True, metavar="A,B", help="CVs of the campaign, three at most"
    )


def _project(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.project import project

    along = [name.strip() for name in args.along.split(",") if name.strip()]
    for path in project(args.directory, along)[1]:
        print(path)
    return 0


def _binding_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("directory", type=Path, metavar="DIR", help="a run, or what msgen import made")
    for name, what in (("bound", "in which they are bound"), ("free", "in which they are apart")):
        sub.add_argument(
            f"--{name}", default=name, metavar="STATE", help=f"state {what} (default: {name})"
        )


def _binding(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.binding import tell_binding

    print(tell_binding(args.directory, args.bound, args.free))
    return 0


def _compare_options(sub: argparse.ArgumentParser) -> None:
    for name in ("one", "other"):
        sub.add_argument(name, type=Path, metavar="DIR", help="a run, or what msgen import made")
    sub.add_argument(
        "--error", type=float, metavar="KT",
        help="error that energy evaluations are told to (default: what both have reached)",
    )  # fmt: skip
    sub.add_argument(
        "-o", "--output", type=Path, default=Path("."), metavar="DIR",
        help="for compare.png and compare.json (default: here)",
    )  # fmt: skip


def _compare(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.compare import compare_runs

    print(compare_runs(args.one, args.other, args.output, args.error))
    return 0


STATUS = Command("status", "print how far a run is", _directory, _status)
REPORT = Command("report", "write a run's report.html", _directory, _report)
EXPORT = Command(
    "export", "write a run's tables and trajectories for other programs", _directory, _export
)
VERIFY = Command(
    "verify", "read all that a run has committed, and name what is damaged", _directory, _verify
)
PROJECT = Command(
    "project", "write another surface of a run, with its errors", _project_options, _project
)
BINDING = Command(
    "binding",
    "tell the standard free energy of binding of a run along a distance",
    _binding_options,
    _binding,
)
COMPARE = Command("compare", "hold two results against each other", _compare_options, _compare)
