"""Checkpoints: the controller's whole state after a round, from which the next one follows.

``checkpoints/<round>/state.npz`` is written in a folder aside, flushed and renamed; ``COMPLETE``
(JSON with the content hash) comes last. A checkpoint without it, or whose content does not have
that hash, is none. The newest two are kept, so that one damaged file costs one round.

Layouts of COMPLETE and of the state: 1 had no 'msgen' and 'check' in COMPLETE, and no 'orders' in
the state's record of the last round; 2 had k̂ of the last rounds where importance now has the tails
of all its rounds by state, and proposals of flow_mcmc without the replica; 3 is today's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.actors.base import Tree
from msgen.orchestrator.run_directory.atomic_files import (
    RunDirectoryError,
    fsync_path,
    write_atomic,
    writing,
)
from msgen.orchestrator.run_directory.layout_versions import admit, this_msgen, upgraded
from msgen.orchestrator.run_directory.tree_file import TreeError, load_tree, save_tree, tree_hash

SCHEMA_VERSION = 4
_KEEP = 2


class CheckpointError(RunDirectoryError):
    """No checkpoint that is whole, where a committed round says there must be one."""


def _count_orders(state: Tree) -> Tree:
    """1 → 2. Orders were not counted apart from replicas: a replica had one of its own."""
    last = state["last"]
    return {**state, "last": {"orders": last["replicas"], **last}}


def _weights_by_unit(state: Tree) -> Tree:
    """2 → 3. Tails of weights were of all draws together, proposals of no replica.

    Neither follows from what was kept: tails, and ln Z of flow_mcmc, begin with the next round.
    """
    strategy = dict(state["strategy"])
    produced, weights = strategy.get("produced") or {}, strategy.get("weights") or {}
    if "tails" in produced:
        rest = {name: value for name, value in produced.items() if name != "tails"}
        fits = np.zeros((0, 1 + produced["states"].shape[1], 5))
        strategy["produced"] = {**rest, "fits": fits}
    if "proposals" in weights:
        strategy["weights"] = {}
    return {**state, "strategy": strategy}


def _probes_beside(state: Tree) -> Tree:
    """3 → 4. A strategy stood alone, without probes: it is read as it is, and they begin anew."""
    return state


_STEPS = {1: _count_orders, 2: _weights_by_unit, 3: _probes_beside}


class Checkpoints:
    """The ``checkpoints/`` folder of a run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def rounds(self) -> list[int]:
        """Rounds with a checkpoint that calls itself complete, in order."""
        found = [p for p in self._inside() if p.name.isdigit()]
        return sorted(int(p.name) for p in found if (p / "COMPLETE").exists())

    def save(self, rnd: int, state: Mapping[str, Any]) -> None:
        """Write the state after round `rnd`, durably, replacing an earlier attempt at it."""
        final = self.folder / str(rnd)
        aside = self.folder / f".{rnd}.tmp"
        for old in (final, aside):
            if old.exists():
                shutil.rmtree(old)
        record = {
            "schema_version": SCHEMA_VERSION,
            "msgen": this_msgen(),
            "round": rnd,
            "sha256": tree_hash(state),
        }
        with writing(aside):
            aside.mkdir()
            save_tree(aside / "state.npz", state)
            fsync_path(aside)
            os.replace(aside, final)
            # flushes the folder, not its parent: the rename above is made durable after it
            sealed = {**record, "check": _check(record)}
            write_atomic(final / "COMPLETE", json.dumps(sealed) + "\n")
            fsync_path(self.folder)

    def load(self, at_most: int) -> tuple[int, Tree, list[str]]:
        """The newest whole checkpoint of a round up to `at_most`.

        Returns
        -------
        round, state, damaged : int, Tree, list of str
            `damaged` says why newer checkpoints were passed over, one line each.

        Raises
        ------
        CheckpointError
            If none is whole.
        FormatError
            If the newest whole one has a layout that this msgen cannot read.
        """
        damaged: list[str] = []
        candidates = sorted((int(p.name) for p in self._inside() if p.name.isdigit()), reverse=True)
        for rnd in candidates:
            if rnd > at_most:
                continue
            try:
                return rnd, self._load(rnd), damaged
            except (OSError, ValueError, KeyError, TypeError) as error:
                damaged.append(f"checkpoint {rnd}: {error}")
        raise CheckpointError(
            f"{self.folder}: no whole checkpoint up to round {at_most}"
            + "".join(f"; {line}" for line in damaged)
            + ". Restore the folder from a copy of the run, or begin anew under another "
            "--output-dir; results and samples can still be read"
        )

    def _inside(self) -> Iterator[Path]:
        """What is in the folder; nothing where somebody removed it."""
        return self.folder.iterdir() if self.folder.is_dir() else iter(())

    def _load(self, rnd: int) -> Tree:
        folder = self.folder / str(rnd)
        record = json.loads((folder / "COMPLETE").read_text())
        # a flipped bit must not pass for another version's layout
        if record["schema_version"] != 1 and record.pop("check") != _check(record):
            raise TreeError("COMPLETE is damaged")
        layout = admit(record, SCHEMA_VERSION, _STEPS, folder)
        state = load_tree(folder / "state.npz")
        if record["round"] != rnd or record["sha256"] != tree_hash(state):
            raise TreeError("its content does not have the hash that COMPLETE gives")
        return upgraded(state, layout, SCHEMA_VERSION, _STEPS)

    def prune(self, newest: int) -> None:
        """Keep the newest two up to `newest`; what is older, newer or half-written goes."""
        kept = {str(rnd) for rnd in self.rounds() if newest - _KEEP < rnd <= newest}
        for path in self.folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


def _check(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
