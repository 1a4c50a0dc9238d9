"""Models of trajectories for the benchmark: fitted once, kept, and gone on with where cut off.

Under runs/benchmarks/dynamics: NAME.json and NAME.npz of what is done, NAME.fit.npz of what is
under way. A command may be ended at any time; the same one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from places import ROOT

from msgen.models import Space
from msgen.models.base import ModelState
from msgen.models.training.kept_fit import KeptFit
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.model import TrajectoryDiffusion, build
from msgen.orchestrator.schema.model_alone import model_spec

KEPT = ROOT / "runs" / "benchmarks" / "dynamics"
PLANE = Space((False, False))
"""Frames of the double well."""
Asked = dict[str, Any]
"""What a model is of: its section, its data in words, seed and updates."""


@dataclass(frozen=True)
class Fitted:
    """A model, and the CPU seconds that it took to fit it, over all commands."""

    model: TrajectoryDiffusion
    training_s: float


def section(**settings: Any) -> dict[str, Any]:
    """Of a model, every default filled in."""
    return dict(model_spec({"kind": "trajectory_diffusion", "width": 32, "length": 64, **settings}))


def fitted(
    name: str,
    spec: dict[str, Any],
    data: Callable[[], TrainingTrajectories],
    about: str,
    seed: int,
    updates: int,
    space: Space = PLANE,
) -> Fitted:
    """The model of that name; another one where what is asked of it has changed.

    Parameters
    ----------
    name : str
        Of its files.
    spec : dict
    data : callable
        Makes the data, if they are needed.
    about : str
        What they are.
    seed, updates : int
    space : Space
    """
    asked = {"model": spec, "data": about, "seed": seed, "updates": updates}
    stem = KEPT / f"{name}-{updates}-{seed}"
    done, under_way = stem.with_suffix(".json"), stem.with_suffix(".fit.npz")
    if done.exists():
        kept = json.loads(done.read_text())
        if kept["asked"] == asked:
            return Fitted(TrajectoryDiffusion.from_state(_read(stem, kept)), kept["training_s"])
    begun = Path(f"{stem}.begun.json")
    if begun.exists() and json.loads(begun.read_text()) != asked:
        under_way.unlink(missing_ok=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    begun.write_text(json.dumps(asked) + "\n")
    settings = {key: value for key, value in spec.items() if key != "kind"}
    made: TrajectoryDiffusion = build(space, **settings)
    training = replace(made.config.training, updates=updates)
    model = TrajectoryDiffusion(replace(made.config, training=training))
    clock = Clock(under_way)
    model.fit(data(), seed=seed, kept=clock)
    state = model.state()
    np.savez(stem.with_suffix(".npz"), **dict(state.arrays), allow_pickle=False)
    content = {"asked": asked, "config": dict(state.config), "training_s": clock.spent}
    done.write_text(json.dumps(content, indent=1) + "\n")
    for path in (under_way, begun, clock.seconds):
        path.unlink(missing_ok=True)
    print(f"{done.stem}: fitted in {clock.spent:.0f} CPU s", flush=True)
    return Fitted(model, clock.spent)


class Clock(KeptFit):
    """Counts the CPU seconds of a fit over all commands that it took."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds = path.with_suffix(".seconds")
        self.before = float(self.seconds.read_text()) if path.exists() else 0.0
        self.began = process_time()

    @property
    def spent(self) -> float:
        return self.before + process_time() - self.began

    def keep(self, *about: Any) -> None:
        super().keep(*about)
        self.seconds.write_text(f"{self.spent:.1f}\n")


def _read(stem: Path, kept: dict[str, Any]) -> ModelState:
    with np.load(stem.with_suffix(".npz"), allow_pickle=False) as file:
        return ModelState(kept["config"], {name: file[name] for name in file.files})
