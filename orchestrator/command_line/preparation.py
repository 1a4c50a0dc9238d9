"""What stands before a campaign: init, doctor, and the schema of its file."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgen.orchestrator.command_line.command import Command


def _init_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "files", type=Path, nargs="+", metavar="FILE",
        help="PDB or mmCIF; prmtop and inpcrd or rst7; top and gro; psf, crd or pdb, and prm; "
        "or a System (xml) and a PDB",
    )  # fmt: skip
    sub.add_argument("--temperature", default="300 K", metavar="T", help="default: 300 K")
    sub.add_argument(
        "--solvent", choices=("auto", "vacuum", "implicit", "water"), default="auto",
        help="what the molecule is in: OBC2, or a box of water (default: as the files have it)",
    )  # fmt: skip
    sub.add_argument(
        "--add-hydrogens", action="store_true",
        help="write the structure with its hydrogens, at pH 7, as NAME_H.pdb and take that",
    )  # fmt: skip


def _init(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.init.command import write_campaign

    path = write_campaign(
        args.files, Path.cwd(), args.temperature, args.solvent, args.add_hydrogens
    )
    print(f"wrote {path}; look it over, then: msgen-run {path.name}")
    return 0


def _doctor_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--output-dir", type=Path, default=Path("runs"), metavar="DIR",
        help="where runs are to be written (default: runs)",
    )  # fmt: skip
    sub.add_argument("--address", default="local", help="of Ray, as msgen run takes it")
    sub.add_argument("--no-ray", action="store_true", help="leave Ray out, which takes seconds")


def _doctor(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.doctor.base import told
    from msgen.orchestrator.commands.doctor.command import examine

    found = list(examine(args.output_dir, args.address, not args.no_ray))
    print(told(found))
    return 1 if any(one.verdict == "wrong" for one in found) else 0


def _no_options(sub: argparse.ArgumentParser) -> None:
    """It takes none."""


def _schema(args: argparse.Namespace) -> int:
    from msgen.orchestrator.schema.json_schema import json_schema

    print(json_schema())
    return 0


INIT = Command("init", "write a campaign file for a molecule", _init_options, _init)
DOCTOR = Command("doctor", "try what campaigns need of this machine", _doctor_options, _doctor)
SCHEMA = Command("schema", "print the JSON Schema of campaign files", _no_options, _schema)
