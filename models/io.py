"""Model states on disk: ``config.json`` and ``weights.safetensors`` in one folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from msgen.models.base import ModelState


def save_state(path: str | Path, state: ModelState) -> None:
    """Write `state` into the folder `path`, made if need be.

    Each file is written aside, flushed to disk and renamed; the config comes last, so that a folder
    with a config is whole.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: np.ascontiguousarray(v).reshape(np.shape(v)) for k, v in state.arrays.items()}
    save_file(arrays, folder / "weights.safetensors.part")
    with (folder / "config.json.part").open("w", encoding="utf-8") as file:
        json.dump(state.config, file, indent=1)
    for name in ("weights.safetensors", "config.json"):
        part = folder / f"{name}.part"
        descriptor = os.open(part, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        part.replace(folder / name)


def load_state(path: str | Path) -> ModelState:
    """Read what `save_state` wrote; FileNotFoundError if it is not there."""
    folder = Path(path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return ModelState(config, load_file(folder / "weights.safetensors"))
