"""The command line: ``msgen-run CAMPAIGN.yaml`` and its neighbours.

Exit status: 0 converged, 3 the budget was spent first, 2 the campaign file or the command is wrong,
1 it failed or was interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from msgen.orchestrator.causes import unforeseen
from msgen.orchestrator.printable import make_printable
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.version import __version__

EXIT = {"converged": 0, "exhausted": 3, "failed": 1, "interrupted": 1}


def parser() -> argparse.ArgumentParser:
    """All sub-commands."""
    top = argparse.ArgumentParser(
        prog="msgen", description="From a structure and collective variables to free energies."
    )
    _version(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run_options(
        commands.add_parser("run", help="run or resume a campaign (the same as msgen-run)")
    )
    _campaign(commands.add_parser("validate", help="check a campaign file"))
    for name, text in (
        ("status", "print how far a run is"),
        ("report", "write a run's report.html"),
        ("export", "write a run's tables and trajectories for other programs"),
        ("verify", "read all that a run has committed, and name what is damaged"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("directory", type=Path, metavar="DIR", help="run directory")
    _project(commands.add_parser("project", help="write another surface of a run, with its errors"))
    _dynamics(commands.add_parser("dynamics", help="tell of trajectories how they move"))
    cv = commands.add_parser("cv", help="make a collective variable from data")
    _diffusion_map(cv.add_subparsers(dest="cv", required=True, metavar="KIND"))
    imported = commands.add_parser("import", help="join windows that other programs have sampled")
    imported.add_argument("windows", type=Path, metavar="WINDOWS.yaml", help="says where they are")
    imported.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="for results/ (default: the file's name without its ending)",
    )  # fmt: skip
    _compare(commands.add_parser("compare", help="hold two results against each other"))
    commands.add_parser("schema", help="print the JSON Schema of campaign files")
    _init_options(commands.add_parser("init", help="write a campaign file for a molecule"))
    _doctor_options(commands.add_parser("doctor", help="try what campaigns need of this machine"))
    return top


def _project(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("directory", type=Path, metavar="DIR", help="run directory")
    sub.add_argument(
        "--along", required=True, metavar="A,B", help="CVs of the campaign, three at most"
    )


def _doctor_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--output-dir", type=Path, default=Path("runs"), metavar="DIR",
        help="where runs are to be written (default: runs)",
    )  # fmt: skip
    sub.add_argument("--address", default="local", help="of Ray, as msgen run takes it")
    sub.add_argument("--no-ray", action="store_true", help="leave Ray out, which takes seconds")


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


def _version(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--version", action="version", version=f"msgen {__version__}")


def _run_options(sub: argparse.ArgumentParser) -> None:
    _version(sub)
    _campaign(sub)
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


def _overrides(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--set", action="append", default=[], metavar="A.B=C", dest="overrides",
        help="put a YAML value into the campaign; can be given many times",
    )  # fmt: skip


def _dynamics(sub: argparse.ArgumentParser) -> None:
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


def _compare(sub: argparse.ArgumentParser) -> None:
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


def _diffusion_map(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = kinds.add_parser("diffusion-map", help="leading coordinates of a diffusion map")
    sub.add_argument("data", type=Path, metavar="DATA", help="array, run directory or trajectory")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    sub.add_argument(
        "--campaign", type=Path, metavar="CAMPAIGN.yaml",
        help="whose system DATA is of and whose CVs are the features",
    )  # fmt: skip
    _overrides(sub)
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


def _campaign(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("campaign", type=Path, metavar="CAMPAIGN.yaml")
    _overrides(sub)
    sub.add_argument(
        "--output-dir", type=Path, metavar="DIR",
        help="the run directory is DIR/<name> (default: output.directory, else runs)",
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """``msgen``; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        make_printable(stream)
    args = parser().parse_args(argv)
    try:
        return _COMMANDS[args.command](args)
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


def _status(args: argparse.Namespace) -> int:
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.reporting.status import status

    print(status(run_directory(args.directory)))
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


def _dynamics_told(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.dynamics.command import tell_dynamics
    from msgen.orchestrator.commands.dynamics.settings import Settings

    named = {k: v for k, v in vars(args).items() if k != "command"}
    print(tell_dynamics(Settings(**named)))
    return 0


def _import(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.importing.command import import_windows

    print(import_windows(args.windows, args.output))
    return 0


def _compared(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.compare import compare_runs

    print(compare_runs(args.one, args.other, args.output, args.error))
    return 0


def _cv(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.cv_features import Settings
    from msgen.orchestrator.commands.make_cv import make_diffusion_map

    named = {k: v for k, v in vars(args).items() if k not in ("command", "cv")}
    print(make_diffusion_map(Settings(**named)))
    return 0


def json_schema() -> str:
    """The JSON Schema of campaign files, as `configs/campaign.schema.json` holds it."""
    from msgen.orchestrator.schema import Campaign

    schema = Campaign.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=1, ensure_ascii=False)


def _projected(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.project import project

    along = [name.strip() for name in args.along.split(",") if name.strip()]
    for path in project(args.directory, along)[1]:
        print(path)
    return 0


def _schema(args: argparse.Namespace) -> int:
    print(json_schema())
    return 0


def _init(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.init.command import write_campaign

    path = write_campaign(
        args.files, Path.cwd(), args.temperature, args.solvent, args.add_hydrogens
    )
    print(f"wrote {path}; look it over, then: msgen-run {path.name}")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from msgen.orchestrator.commands.doctor.base import told
    from msgen.orchestrator.commands.doctor.command import examine

    found = list(examine(args.output_dir, args.address, not args.no_ray))
    print(told(found))
    return 1 if any(one.verdict == "wrong" for one in found) else 0


_COMMANDS = {
    "run": _run,
    "validate": _validate,
    "status": _status,
    "report": _report,
    "export": _export,
    "verify": _verify,
    "project": _projected,
    "dynamics": _dynamics_told,
    "import": _import,
    "compare": _compared,
    "cv": _cv,
    "schema": _schema,
    "init": _init,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
