"""Foreign systems from other packages' files, as somebody would run them for the first time.

`make bench NAME=systems [ARGS="[--evaluations N] [--wall S] [SYSTEM…]"]`: for each the time to the
first sign of life and to the first committed round, evaluations a second beside bare OpenMM, how it
ended and what it found. Nothing may crash, hang or be silent for more than 10 s. `list` tells the
systems. What was seen is kept in runs/benchmarks/systems and not run again unless what is asked
for has changed; remove a file to run its system once more. Budgets are small by default: a first
look, not a result. Times are of this machine under the load that is told beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rows import Row, publish
from systems_parts.archives import Archives
from systems_parts.foreign import FOREIGN, Foreign
from systems_parts.seen import Seen, rows_of, see
from trials import KEPT

EVALUATIONS = 60_000
WALL_S = 60.0


def options(argv: list[str]) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="systems")
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="all by default; or `list`")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, metavar="N")
    parser.add_argument("--wall", type=float, default=WALL_S, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def kept(foreign: Foreign, asked: argparse.Namespace, folder: Path, archives: Archives) -> Seen:
    """What was seen of a system, now or before."""
    campaign = foreign.campaign(asked.evaluations, asked.wall, asked.seed)
    text = json.dumps([campaign, dict(foreign.files)])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder / f"{foreign.name}.json"
    if path.exists() and (seen := Seen(**json.loads(path.read_text()))).asked == digest:
        return seen
    with tempfile.TemporaryDirectory() as scratch:
        seen = see(foreign, campaign, asked.wall, digest, Path(scratch), archives)
    path.write_text(json.dumps(asdict(seen), indent=1) + "\n")
    print(f"{foreign.name}: exit {seen.exit}, {seen.status}: {seen.told}", flush=True)
    return seen


def rows(asked: argparse.Namespace, archives: Archives, folder: Path) -> list[Row]:
    """Of all systems that are asked for, and of those that were seen before."""
    known = {foreign.name: foreign for foreign in FOREIGN}
    if unknown := set(asked.systems) - set(known):
        sys.exit(f"no such system: {', '.join(sorted(unknown))}; `list` tells them all")
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for foreign in FOREIGN:
        path = folder / f"{foreign.name}.json"
        if not asked.systems or foreign.name in asked.systems:
            out += rows_of(foreign, kept(foreign, asked, folder, archives))
        elif path.exists():
            out += rows_of(foreign, Seen(**json.loads(path.read_text())))
    return out


def main(argv: list[str]) -> None:
    """Run what is asked for, print the table."""
    asked = options(argv)
    if asked.systems == ["list"]:
        for foreign in FOREIGN:
            print(f"{foreign.name:<18} {foreign.about} ({foreign.package})")
        return
    publish("systems", rows(asked, Archives(), KEPT / "systems"))


if __name__ == "__main__":
    main(sys.argv[1:])
