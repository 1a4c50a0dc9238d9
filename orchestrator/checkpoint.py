"""Checkpoints: the controller's whole state after a round, from which the next one follows.

``checkpoints/<round>/state.npz`` is written in a folder aside, flushed and renamed; ``COMPLETE``
(JSON with the content hash) comes last. A checkpoint without it, or whose content does not have
that hash, is none. The newest two are kept, so that one damaged file costs one round.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgen.actors.base import Tree
from msgen.orchestrator.files import fsync_path, write_atomic
from msgen.orchestrator.tree import TreeError, load_tree, save_tree, tree_hash

SCHEMA_VERSION = 1
_KEEP = 2


class CheckpointError(RuntimeError):
    """No checkpoint that is whole, where a committed round says there must be one."""


class Checkpoints:
    """The ``checkpoints/`` folder of a run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def rounds(self) -> list[int]:
        """Rounds with a checkpoint that calls itself complete, in order."""
        found = [p for p in self.folder.iterdir() if p.name.isdigit()]
        return sorted(int(p.name) for p in found if (p / "COMPLETE").exists())

    def save(self, rnd: int, state: Mapping[str, Any]) -> None:
        """Write the state after round `rnd`, durably, replacing an earlier attempt at it."""
        final = self.folder / str(rnd)
        aside = self.folder / f".{rnd}.tmp"
        for old in (final, aside):
            if old.exists():
                shutil.rmtree(old)
        aside.mkdir()
        save_tree(aside / "state.npz", state)
        fsync_path(aside)
        os.replace(aside, final)
        record = {"schema_version": SCHEMA_VERSION, "round": rnd, "sha256": tree_hash(state)}
        # flushes the folder, not its parent: the rename above is made durable after it
        write_atomic(final / "COMPLETE", json.dumps(record) + "\n")
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
        """
        damaged: list[str] = []
        candidates = sorted(
            (int(p.name) for p in self.folder.iterdir() if p.name.isdigit()), reverse=True
        )
        for rnd in candidates:
            if rnd > at_most:
                continue
            try:
                return rnd, self._load(rnd), damaged
            except (OSError, ValueError, KeyError) as error:
                damaged.append(f"checkpoint {rnd}: {error}")
        raise CheckpointError(
            f"{self.folder}: no whole checkpoint up to round {at_most}"
            + "".join(f"; {line}" for line in damaged)
        )

    def _load(self, rnd: int) -> Tree:
        folder = self.folder / str(rnd)
        record = json.loads((folder / "COMPLETE").read_text())
        state = load_tree(folder / "state.npz")
        if record["round"] != rnd or record["sha256"] != tree_hash(state):
            raise TreeError("its content does not have the hash that COMPLETE gives")
        return state

    def prune(self, newest: int) -> None:
        """Keep the newest two up to `newest`; what is older, newer or half-written goes."""
        kept = {str(rnd) for rnd in self.rounds() if newest - _KEEP < rnd <= newest}
        for path in self.folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
