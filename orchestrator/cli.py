"""The command line: ``msgen-run CAMPAIGN.yaml`` and its neighbours.

Exit status: 0 converged, 3 ended before that, 2 the campaign file or the command is wrong, 1 it
failed or was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from msgen.orchestrator.causes import unforeseen
from msgen.orchestrator.command_line.campaigns import RUN, VALIDATE, version_option
from msgen.orchestrator.command_line.collective_variables import CV
from msgen.orchestrator.command_line.from_elsewhere import DYNAMICS, IMPORT
from msgen.orchestrator.command_line.preparation import DOCTOR, INIT, SCHEMA
from msgen.orchestrator.command_line.run_directories import (
    BINDING,
    COMPARE,
    EXPORT,
    PROJECT,
    REPORT,
    STATUS,
    VERIFY,
)
from msgen.orchestrator.printable import make_printable
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.schema.problems import CampaignError

_COMMANDS = {
    one.name: one
    for one in (
        RUN, VALIDATE, STATUS, REPORT, EXPORT, VERIFY, PROJECT, BINDING, DYNAMICS, CV, IMPORT,
        COMPARE, SCHEMA, INIT, DOCTOR,
    )
}  # fmt: skip
"""In the order that ``msgen --help`` shows."""


def parser() -> argparse.ArgumentParser:
    """All sub-commands."""
    top = argparse.ArgumentParser(
        prog="msgen", description="From a structure and collective variables to free energies."
    )
    version_option(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for one in _COMMANDS.values():
        one.options(commands.add_parser(one.name, help=one.help))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """``msgen``; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        make_printable(stream)
    args = parser().parse_args(argv)
    try:
        return _COMMANDS[args.command].call(args)
    except CampaignError as error:
        print(error, file=sys.stderr)
        return 2
    except RunDirectoryError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing to tell it
        return 1
    except Exception as error:  # a traceback says nothing to who ran the command
        print(unforeseen(error, f"msgen {args.command}{_about(args)}"), file=sys.stderr)
        return 1


def _about(args: argparse.Namespace) -> str:
    """What a command was given, for messages."""
    given = (getattr(args, name, None) for name in ("campaign", "directory", "files"))
    what = next((one for one in given if one is not None), "")
    return " ".join(["", *map(str, what)]) if isinstance(what, list) else f" {what}".rstrip()


def main_run(argv: Sequence[str] | None = None) -> int:
    """``msgen-run``, the same as ``msgen run``."""
    return main(["run", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
