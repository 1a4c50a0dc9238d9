"""Frozen models as campaigns keep them: in a checkpoint's tree, on disk."""

from __future__ import annotations

from pathlib import Path

from msgen.models.base import ModelState
from msgen.orchestrator.run_directory.tree_file import load_tree, save_tree


def through_a_checkpoint(state: ModelState, folder: Path) -> ModelState:
    """What is read back of `state` once it has been written to a file in `folder`."""
    path = folder / "model.npz"
    save_tree(path, {"config": dict(state.config), "arrays": dict(state.arrays)})
    tree = load_tree(path)
    return ModelState(tree["config"], tree["arrays"])
