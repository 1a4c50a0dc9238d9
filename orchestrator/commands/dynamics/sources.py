"""Both sides of a comparison, each a run directory or files, brought to the same CVs and cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.commands.dynamics.files import Files, open_structure, read_files
from msgen.orchestrator.commands.dynamics.runs import Run, read_run
from msgen.orchestrator.commands.dynamics.sections import (
    Regions,
    read_cvs,
    read_states,
    regions,
)
from msgen.orchestrator.commands.dynamics.settings import Settings, time_of, wrong
from msgen.orchestrator.estimators.dynamics.judge import Labelled
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.dynamics.validity import Validity, invalid_share
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.problems import MISSING
from msgen.systems.topology.bond_windows import BondWindows

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sources:
    """What is to be judged.

    Attributes
    ----------
    here : Labelled
    reference : Labelled or None
    sections : Mapping of str to CVSection
        The CVs, in order.
    cores : Regions
    notes : tuple of str
    """

    here: Labelled
    reference: Labelled | None
    sections: Mapping[str, CVSection]
    cores: Regions
    notes: tuple[str, ...]


def read_sources(settings: Settings) -> Sources:
    """Read all that the command was given.

    Raises
    ------
    CampaignError
        With what cannot be used, and what to do.
    """
    sides = (settings.data, settings.reference)
    runs = [_run(side, what) for side, what in zip(sides, ("DATA", "--reference"), strict=True)]
    found = [run for run in runs if run is not None]
    sections, states, folder = _sections(settings, found)
    _same_cvs(found, sections)
    files = [bool(side) and run is None for side, run in zip(sides, runs, strict=True)]
    read = _files(settings, files, sections, folder) if any(files) else [None, None]
    if settings.states is not None:
        states = read_states(settings.states, sections)
    labelled: list[Labelled | None] = []
    for run, file in zip(runs, read, strict=True):
        data = run.data if run is not None else file.data if file is not None else None
        if data is None:
            labelled.append(None)
            continue
        data = data.cut(settings.pieces) if settings.pieces > 1 else data
        labelled.append(Labelled(data, _cores(data, states), _validity(data, file)))
    here, reference = labelled
    assert here is not None
    if reference is not None and reference.data.unit != here.data.unit:
        told = f"{here.data.unit} here, {reference.data.unit} there"
        remedy = "Say the time between frames of files: --stride '0.2 ps'"
        if all(run is not None for run in runs):
            remedy = "Give runs of one kernel, of a strategy that leaves replicas to it"
        raise wrong("--reference", told, "times are in different units", remedy)
    notes = [note for run in found for note in run.notes]
    return Sources(here, reference, sections, states, tuple(dict.fromkeys(notes)))


def _run(paths: Sequence[Path], what: str) -> Run | None:
    """The run directory among `paths`, None if there is none."""
    for path in paths:
        if not path.exists():
            raise wrong(what, str(path), "no such file", "Give a run directory or trajectories")
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        return None
    if len(paths) > 1:
        listed = ", ".join(str(path) for path in paths)
        raise wrong(what, listed, "is more than one run", "Give one run directory, or files only")
    return read_run(folders[0])


def _sections(
    settings: Settings, runs: Sequence[Run]
) -> tuple[Mapping[str, CVSection], Regions, Path]:
    """CVs and states: those given, else those of a run."""
    if settings.cvs is not None:
        given, folder = read_cvs(settings.cvs)
        return given.cvs, regions("--cvs", given), folder
    if not runs:
        remedy = "Give a campaign or a YAML file with a cvs: section, or the section itself"
        raise wrong("--cvs", MISSING, "is missing: files hold no CVs", remedy)
    run = runs[0]
    # a run has CVs that it does not report beside those of its surface
    sections = {name: run.sections[name] for name in run.data.names}
    kept = {n: s for n, s in run.states.items() if all(cv in sections for cv in s)}
    return sections, kept, Path.cwd()


def _same_cvs(runs: Sequence[Run], sections: Mapping[str, CVSection]) -> None:
    names = tuple(sections)
    for run in runs:
        if run.data.names != names:
            stored = ", ".join(run.data.names)
            remedy = f"Give these CVs, in this order: {stored}"
            raise wrong("--cvs", ", ".join(names), "are other CVs than the run stored", remedy)


def _files(
    settings: Settings, which: Sequence[bool], sections: Mapping[str, CVSection], folder: Path
) -> list[Files | None]:
    """Those of both sides that are files, the reference first: its bonds are the windows."""
    sides = (settings.data, settings.reference)
    first = sides[1] if which[1] else sides[0]
    structure = open_structure(first, settings.topology)
    strides = (settings.stride, settings.reference_stride or settings.stride)
    names = ("--stride", "--reference-stride")
    windows: BondWindows | None = None
    out: list[Files | None] = [None, None]
    for k in (1, 0):
        if not which[k]:
            continue
        text = strides[k]
        stride = None if text is None else time_of(names[k], text, "ps")
        read = read_files(sides[k], settings.topology, structure, sections, folder, stride, windows)
        out[k] = read
        if len(read.bonds):
            windows = BondWindows.around(read.bonds, read.low, read.high)
    return out


def _cores(data: Trajectories, states: Regions) -> Ints:
    """The core of every frame, −1 in none."""
    if not states:
        return np.full(len(data.owner), -1, dtype=np.int64)
    periodic = np.array(data.periodic)
    turns = np.where(periodic, 2 * np.pi * np.floor((data.xi + np.pi) / (2 * np.pi)), 0.0)
    boxes = Partition.from_boxes(states, data.names, periodic)
    found = boxes.assign(data.xi - turns)
    return np.where(found < len(states), found, -1)


def _validity(data: Trajectories, file: Files | None) -> Validity | None:
    if file is None or (file.bad_bonds is None and file.other_isomer is None):
        return None
    return invalid_share(data, file.bad_bonds, file.other_isomer)


def with_ranges(sources: Sources) -> tuple[tuple[float, float], ...]:
    """Of each CV: its period, else the range its section names, else what both sides span."""
    sides = [one.data for one in (sources.here, sources.reference) if one is not None]
    out = []
    for c, section in enumerate(sources.sections.values()):
        if section.is_periodic:
            out.append((-np.pi, np.pi))
        elif section.range is not None:
            low, high = section.range
            out.append((low.value, high.value))
        else:
            low_seen = min(float(one.xi[:, c].min()) for one in sides)
            high_seen = max(float(one.xi[:, c].max()) for one in sides)
            out.append((low_seen, high_seen if high_seen > low_seen else low_seen + 1.0))
    return tuple(out)
