"""``msgen cv``: collective variables from data."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgen.orchestrator.command_line.campaigns import overrides_option
from msgen.orchestrator.command_line.command import Command


def _cv_options(sub: argparse.ArgumentParser) -> None:
    _diffusion_map(sub.add_subparsers(dest="cv", required=True, metavar="KIND"))


def _diffusion_map(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = kinds.add_parser("diffusion-map", help="leading coordinates of a diffusion map")
    sub.add_argument("data", type=Path, metavar="DATA", help="array, run directory or trajectory")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    sub.add_argument(
        "--campaign", type=Path, metavar="CAMPAIGN.yaml",
        help="whose system DATA is of and whose CVs are the features",
    )  # fmt: skip
    overrides_option(sub)
    sub.add_argument(
        "--features", type=lambda text: text.split(","), metavar="A,B",
        help="names of CVs (default: all that can be; of a bare array, its columns)",
    )  # fmt: skip
    sub.add_argument("--slow", metavar="A", help="CV or column known to be slow, to compare with")
    sub.add_argument(
        "--landmarks", type=int, metavar="N", help="default: 1000, of a molecule 400 / features"
    )
    sub.add_argument("--select", choices=("farthest", "random"), default="farthest")
    sub.add_argument(
        "--scale", choices=("none", "sd", "increments"), default="none",
        help="of the features; increments: of a trajectory, by how much they change in a frame",
    )  # fmt: skip
    sub.add_argument("--epsilon", type=float, help="default: found from the data")
    sub.add_argument("--alpha", type=float, default=1.0, help="default: 1")
    sub.add_argument("--components", type=int, default=4, metavar="N", help="default: 4")
    sub.add_argument("--seed", type=int, default=0, help="default: 0")


def _cv(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.cv_features import Settings
    from msgen.orchestrator.commands.make_cv import make_diffusion_map

    named = {k: v for k, v in vars(args).items() if k not in ("command", "cv")}
    print(make_diffusion_map(Settings(**named)))
    return 0


CV = Command("cv", "make a collective variable from data", _cv_options, _cv)
