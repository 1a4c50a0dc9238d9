"""What is kept of a foreign system's campaign, and what is asked of it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rows import Row

from msgen import load
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.validate import prepare
from systems_parts.archives import Archives
from systems_parts.bare import seconds_a_step
from systems_parts.foreign import Foreign
from systems_parts.watched import AFTER_S, Watched, watch

SILENT_S = 10.0
"""Longer than this nobody is to wait for a sign of life."""


@dataclass(frozen=True)
class Seen:
    """How a campaign of a foreign system went.

    Attributes
    ----------
    name : str
    asked : str
        Digest of what was asked for.
    exit : int
    first_s, silence_s, took_s : float
    round_s : float or None
        See `Watched`.
    hung, traceback : bool
        Whether it had to be ended, and whether it printed a traceback.
    told : str
        Its last words.
    load : float
        Processes that wanted a core when it ended.
    atoms, evaluations, rounds : int
    status, platform : str
    share : float or None
        Of the evaluations a second that bare OpenMM makes.
    states : mapping
        [F, σ] of each, kT; null where not known.
    """

    name: str
    asked: str
    exit: int
    first_s: float
    silence_s: float
    took_s: float
    round_s: float | None
    hung: bool
    traceback: bool
    told: str
    load: float
    atoms: int = 0
    evaluations: int = 0
    rounds: int = 0
    status: str = "refused"
    platform: str = ""
    share: float | None = None
    states: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def see(
    foreign: Foreign,
    campaign: Mapping[str, Any],
    wall_s: float,
    asked: str,
    folder: Path,
    archives: Archives,
) -> Seen:
    """Run a campaign and look at it; its files and its run are left in `folder`."""
    foreign.lay(folder, archives)
    file = folder / "campaign.yaml"
    file.write_text(yaml.safe_dump(dict(campaign), sort_keys=False))
    run_dir = folder / "runs" / foreign.name
    command = [sys.executable, "-m", "msgen.orchestrator.cli", "run", str(file), "--executor"]
    command += ["inline", "--output-dir", str(folder / "runs"), "--resume", "never"]
    watched = watch(command, run_dir, wall_s + AFTER_S)
    base: dict[str, Any] = {
        "name": foreign.name,
        "asked": asked,
        **{k: getattr(watched, k) for k in ("exit", "first_s", "silence_s", "took_s", "round_s")},
        "hung": watched.hung,
        "traceback": "Traceback" in watched.text,
        "told": _last(watched),
        "load": os.getloadavg()[0],
    }
    if not (run_dir / "provenance.json").exists():
        return Seen(**base)
    result, checked = load(run_dir), prepare(file, ["system.platform=Reference"])
    base["atoms"] = checked.system.n_dof // 3
    platform = str(provenance.read(run_dir)["platform"])
    if watched.round_s is None:
        return Seen(**base, status=result.status, platform=platform)
    start = checked.system.initial()
    box = None if start.box is None else start.box[0]
    positions = start.positions[0].reshape(-1, 3)
    bare = seconds_a_step(checked.system.openmm_system, positions, box, platform)
    cost = result.cost
    return Seen(
        **base,
        status=result.status,
        platform=platform,
        evaluations=cost.energy_evaluations,
        rounds=cost.rounds,
        share=cost.energy_evaluations * bare / cost.sampling_s,
        states={k: (s.f_kT, s.stderr_kT) for k, s in result.free_energies.items()},
    )


def _last(watched: Watched) -> str:
    lines = [line.strip() for line in watched.text.splitlines() if line.strip()]
    return " ".join(lines[-3:])[:400]


def rows_of(foreign: Foreign, seen: Seen) -> list[Row]:
    """What is asked of every campaign, and what it came to."""

    def row(what: str, value: float, unit: str = "", **more: Any) -> Row:
        return Row(f"{seen.name}: {what}", value, unit, **more)

    load = f"load {seen.load:.1f}"
    quick, bound = {"reference": load}, f"≤ {SILENT_S:g}"
    out = [
        row("first sign of life", seen.first_s, "s", **quick, bound=bound,
            holds=seen.first_s <= SILENT_S),
        row("longest silence", seen.silence_s, "s", **quick, bound=bound,
            holds=seen.silence_s <= SILENT_S),
        row("ends as it should", float(seen.exit), "", reference=_ending(seen),
            bound=_expected(foreign), holds=ended_well(foreign, seen)),
    ]  # fmt: skip
    if seen.round_s is not None:
        out.append(row("first committed round", seen.round_s, "s", reference=load))
    if seen.share is not None and math.isfinite(seen.share):
        out.append(row("evaluations a second", seen.share, "", reference=f"bare, {seen.platform}"))
    for state, (f, stderr) in seen.states.items():
        if f is not None:
            error = "± unknown" if stderr is None else f"± {stderr:.2g}"
            out.append(row(f"F {state}", f, "kT", reference=error))
    return out


def ended_well(foreign: Foreign, seen: Seen) -> bool:
    """Neither crashed nor hung; refused in words where it is to be, else with a result."""
    if seen.hung or seen.traceback:
        return False
    if foreign.refused:
        return seen.exit == 2 and foreign.refused in seen.told
    return seen.exit in (0, 3)


def _expected(foreign: Foreign) -> str:
    return "2" if foreign.refused else "0 or 3"


def _ending(seen: Seen) -> str:
    wrong = "hung" if seen.hung else "traceback" if seen.traceback else ""
    return wrong or f"{seen.status}, {seen.evaluations:,} evaluations"
