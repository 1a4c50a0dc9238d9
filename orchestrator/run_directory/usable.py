"""Whether a run directory can be used, and whether what is in one is of the same campaign."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.inputs import RESOLVED, changed
from msgen.orchestrator.schema import Campaign, CampaignError, Problem
from msgen.orchestrator.schema.differences import tree_differences
from msgen.orchestrator.schema.source import read_file

Resume = Literal["auto", "must", "never"]

MAY_DIFFER = ("budget", "converge", "resources", "output", "executor")
"""What a resumed campaign may change, as no sample depends on it; of output, not all."""
_OUTPUT = ("stride", "walkers")
_NONE = "Start it with --resume auto, or say with --output-dir below which folder it lies"
_OURS = ("campaign.yaml", "provenance.json", "events.jsonl", "logs", "lock", "writer.lock")


def run_beside(campaign: Campaign, base_dir: Path, run_dir: Path) -> Path | None:
    """A run of this campaign beside its file, where none is in `run_dir`; None if there is none.

    A relative ``output.directory`` is below the working directory, so that who starts a campaign
    beside its file and goes on with it from elsewhere would begin another run without a word.

    Parameters
    ----------
    campaign : Campaign
    base_dir : Path
        The campaign file's folder.
    run_dir : Path
        Where this call would write.
    """
    other = base_dir / campaign.output.directory / campaign.name
    if (run_dir / RESOLVED).exists() or not (other / RESOLVED).exists():
        return None
    try:
        old = _filled_in(read_file(other / RESOLVED).tree)
    except CampaignError:
        return None
    return None if differences(old, campaign.to_dict()) else other.absolute()


def directory_problems(
    campaign: Campaign, run_dir: Path, resume: Resume, inputs: Mapping[str, str]
) -> list[Problem]:
    """Why `run_dir` cannot be written to, holds something else, or does not suit `resume`."""

    def problem(what: str, remedy: str = "Give another directory with --output-dir") -> Problem:
        return Problem(("output", "directory"), str(run_dir), what, remedy)

    existing = next(p for p in (run_dir, *run_dir.absolute().parents) if p.exists())
    if not existing.is_dir():
        return [problem(f"{existing} is a file")]
    if not os.access(existing, os.W_OK | os.X_OK):
        return [problem(f"{existing} is not writable")]
    resolved = run_dir / RESOLVED
    if not resolved.exists():
        if resume == "must":
            return [problem("there is no run to resume", _NONE)]
        strange = existing == run_dir and any(
            p.name not in _OURS and not p.name.startswith(".") for p in run_dir.iterdir()
        )
        return [problem("is not empty and holds no campaign")] if strange else []
    if resume == "never":
        remedy = "Take --resume auto to go on with it, or another name (--set name=…)"
        return [problem("holds a run already", remedy)]
    try:
        old = _filled_in(read_file(resolved).tree)
    except CampaignError as error:
        return [problem(f"its {RESOLVED} cannot be read: {error.problems[0].problem}")]
    different = differences(old, campaign.to_dict())
    known = provenance.read(run_dir).get("inputs")
    if known is not None:
        different += changed(known, inputs)
    if not different:
        return []
    what = "holds another campaign: " + "; ".join(different[:8])
    if len(different) > 8:
        what += f"; and {len(different) - 8} more"
    remedy = "Take another name (--set name=…) or --output-dir, or change these back"
    return [problem(what, remedy)]


def _filled_in(tree: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of keys that came since it was written; as it is if it is no campaign."""
    try:
        return Campaign.parse(tree).to_dict()
    except ValidationError:
        return tree


def _first(replicas: object) -> object:
    # how many more there may be is for the cluster to decide
    return replicas.get("min") if isinstance(replicas, Mapping) else replicas


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two resolved campaigns differ in what a sample depends on, in words.

    Parameters
    ----------
    old, new : Mapping
        As `Campaign.to_dict` gives them. `MAY_DIFFER` lists the sections that are left out; with
        `cvs.extend` a campaign may begin anew later, but for that it changes nothing.

    Returns
    -------
    list of str
        Like ``"system.temperature was 300.0 K, is 320.0 K"``; empty where a run can be resumed.
    """
    ignored = set(MAY_DIFFER)
    a, b = (
        {
            **{k: v for k, v in tree.items() if k not in ignored},
            "cvs": {k: v for k, v in (tree.get("cvs") or {}).items() if not isinstance(v, str)},
            "output": {key: (tree.get("output") or {}).get(key, "auto") for key in _OUTPUT},
            "replicas": _first(tree.get("replicas")),
        }
        for tree in (old, new)
    )
    found = tree_differences(a, b)
    for key in ("cvs", "states"):
        one, two = a.get(key), b.get(key)
        # the order of the axes and of the states is part of the result
        if not isinstance(one, Mapping) or not isinstance(two, Mapping):
            continue
        if set(one) == set(two) and list(one) != list(two):
            found.append(f"{key} was in the order {list(one)}, is {list(two)}")
    return found
