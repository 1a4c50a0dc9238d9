"""``msgen import`` and ``msgen dynamics``: what other programs have made, too."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgen.orchestrator.command_line.command import Command


def _import_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("windows", type=Path, metavar="WINDOWS.yaml", help="says where they are")
    sub.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="for results/ (default: the file's name without its ending)",
    )  # fmt: skip


def _import(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.importing.command import import_windows

    print(import_windows(args.windows, args.output))
    return 0


def _dynamics_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "data", type=Path, nargs="+", metavar="DATA", help="a run directory, or trajectory files"
    )
    sub.add_argument(
        "--reference", type=Path, nargs="+", default=[], metavar="DATA", help="to compare with"
    )
    sub.add_argument(
        "--topology", type=Path, metavar="FILE", help="the atoms of the files: PDB, prmtop, psf"
    )
    sub.add_argument(
        "--cvs", metavar="YAML",
        help="a campaign, a file with a cvs: section, or the section (default: those of the run)",
    )  # fmt: skip
    sub.add_argument(
        "--states", metavar="YAML",
        help="core sets, as a states: section (default: those beside the CVs)",
    )  # fmt: skip
    sub.add_argument(
        "--stride", metavar="T", help="time between frames of the files, if they do not say it"
    )
    sub.add_argument("--reference-stride", metavar="T", help="default: --stride")
    sub.add_argument("--lag", metavar="T", help="of VAMP-2, TICA and the Markov model")
    sub.add_argument(
        "--window", metavar="T",
        help="length that the share of crossings is of (default: 64 frames, or a whole trajectory)",
    )  # fmt: skip
    sub.add_argument(
        "--pieces", type=int, default=1, metavar="N",
        help="cut every trajectory into N that count as independent",
    )  # fmt: skip
    sub.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="for dynamics.json and dynamics.png (default: results/ of the run, else here)",
    )  # fmt: skip


def _dynamics(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.dynamics.command import tell_dynamics
    from msgen.orchestrator.commands.dynamics.settings import Settings

    named = {k: v for k, v in vars(args).items() if k != "command"}
    print(tell_dynamics(Settings(**named)))
    return 0


IMPORT = Command(
    "import", "join windows that other programs have sampled", _import_options, _import
)
DYNAMICS = Command("dynamics", "tell of trajectories how they move", _dynamics_options, _dynamics)
