"""Steps of 1 ps of alkanes' carbons: butane from ethane, propane and pentane, and from itself.

Arguments: settings of `SETTINGS` (by default transfer and own), seeds (numbers below 100), a number
of updates (from 100 on, by default 20,000), ``ps=N``, the picoseconds of each teacher (20,000), and
``frames=N``, the steps of each of the 64 roll-outs (400). Teachers, fits and roll-outs are kept as
they go on, a fit after every epoch, and go on from there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from rows import Row
from torch import nn

from dynamics_parts.alkane_teacher import (
    CORES,
    FRAME,
    KEPT,
    Array,
    carbons_of,
    measured,
    seen,
)
from msgen.actors.roles.rolling import Sound, roll_out
from msgen.models import Space
from msgen.models.base import ModelState
from msgen.models.steps.data import Pairs
from msgen.models.steps.model import StepDiffusion, build
from msgen.models.training.descent import Descent
from msgen.models.training.kept_fit import KeptFit, Progress
from msgen.orchestrator.estimators.dynamics.divergences import divergence
from msgen.orchestrator.estimators.dynamics.passages import passages
from msgen.orchestrator.estimators.dynamics.surfaces import counts
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.run_directory.tree_file import load_tree, save_tree
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.stereochemistry import StereoWatch

BUTANE = 4
MODEL: dict[str, Any] = {
    "kind": "step_diffusion",
    "atoms": "heavy",
    "width": 64,
    "layers": 4,
    # without hydrogens between them the ends of stretched butane are beyond the published 4 Å
    "cutoff": "0.6 nm",
}
SETTINGS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "transfer": ((2, 3, 5), {}),
    "own": ((4,), {}),
    "noise": ((4,), {"predicts": "noise"}),
    "turned": ((4,), {"symmetry": "turned"}),
}
"""Carbons of the molecules that are learnt from, and settings of the model."""
UPDATES, PS = 20_000, 20_000
PATHS, FRAMES = 64, 400
BINS = 100
FREE, TIME, SHAPE, UNPHYSICAL = 0.15, 0.25, 0.02, 1e-3
RANGES = ((0.12, 0.19), (1.4, 2.6), (-np.pi, np.pi))
"""Of bonds, angles and torsions."""


@dataclass(frozen=True)
class Told:
    """What roll-outs of butane are beside its simulator's trajectories."""

    gauche_kT: float
    leaving: float
    returning: float
    bonds: float
    angles: float
    torsion: float
    redrawn: float
    given_up: float
    training_s: float
    rolling_s: float
    teacher_evaluations: float


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    words = dict(a.split("=") for a in arguments if "=" in a)
    ps, frames = int(words.get("ps", PS)), int(words.get("frames", FRAMES))
    numbers = [int(a) for a in arguments if a.isdigit()]
    updates = next((n for n in numbers if n >= 100), UPDATES)
    seeds = [n for n in numbers if n < 100] or [1]
    chosen = [a for a in arguments if a in SETTINGS] or ["transfer", "own"]
    rows = []
    for name in chosen:
        for seed in seeds:
            what = f"butane, {name}, {updates} updates, {ps} ps, seed {seed}"
            rows += told(what, learnt(name, seed, updates, ps, frames), frames)
    return rows


LATER: dict[str, Any] = {"solute": "auto", "past": 1}
"""What models had before there were such settings: fits that were kept then are still known."""


def told(what: str, found: Told, frames: int) -> list[Row]:
    """Rows of one fit."""
    ratios = (("trans to gauche", found.leaving), ("gauche to trans", found.returning))
    shapes = (("bonds", found.bonds), ("angles", found.angles))
    return [
        Row(f"{what}: F(gauche) − F(trans) off", found.gauche_kT, "kT", "", f"≤ {FREE}",
            abs(found.gauche_kT) <= FREE),
        *(Row(f"{what}: passage {name}, model/MD", value, "times", "", f"± {TIME}",
              abs(value - 1) <= TIME) for name, value in ratios),
        *(Row(f"{what}: {name}, JSD", value, "nats", "", f"≤ {SHAPE}", value <= SHAPE)
          for name, value in shapes),
        Row(f"{what}: torsion, JSD", found.torsion, "nats"),
        Row(f"{what}: steps drawn again", found.redrawn, "share", "", f"< {UNPHYSICAL}",
            found.redrawn < UNPHYSICAL),
        Row(f"{what}: paths given up", found.given_up, "share"),
        Row(f"{what}: teachers", found.teacher_evaluations, "evals"),
        Row(f"{what}: training", found.training_s, "CPU s"),
        Row(f"{what}: roll-outs", found.rolling_s, "CPU s", f"{PATHS * frames} steps"),
    ]  # fmt: skip


def learnt(name: str, seed: int, updates: int, ps: int, rolled: int) -> Told:
    """One fit and what it makes; from the disk where it is done."""
    folder = KEPT / f"steps-{name}-{ps}-{seed}"
    whole = model_spec({**MODEL, **SETTINGS[name][1]})
    spec = {key: value for key, value in whole.items() if (key, value) not in LATER.items()}
    path = folder / f"{updates}-{rolled}.json"
    if path.exists():
        kept = json.loads(path.read_text())
        if kept.pop("asked") == spec:
            return Told(**kept)
    frames = round(ps / FRAME)
    model, seconds = fitted(name, seed, updates, frames, spec)
    reference = carbons_of(BUTANE, frames, seed=77)
    made = beside(model, reference, seed, rolled)
    carbons = SETTINGS[name][0]
    steps = 1000.0 * frames * len(carbons)
    found = replace(made, training_s=seconds, teacher_evaluations=steps)
    path.write_text(json.dumps({"asked": spec, **asdict(found)}, indent=1) + "\n")
    print(f"{folder.name}, {updates} updates: F off by {found.gauche_kT:.3f} kT", flush=True)
    return found


def fitted(
    name: str, seed: int, updates: int, frames: int, spec: dict[str, Any]
) -> tuple[StepDiffusion, float]:
    """The model and its CPU seconds; a fit that was cut off goes on where it stood."""
    folder = KEPT / f"steps-{name}-{round(frames * FRAME)}-{seed}"
    path = folder / f"model-{updates}.npz"
    if path.exists():
        tree = load_tree(path)
        if tree["asked"] == spec:
            state = ModelState(tree["config"], tree["arrays"])
            return StepDiffusion.from_state(state), float(tree["seconds"])
    settings = {**LATER, **{key: value for key, value in spec.items() if key != "kind"}}
    begun: StepDiffusion = build(Space(()), **settings)
    training = replace(begun.config.training, updates=updates, most_epochs=updates)
    model = StepDiffusion(replace(begun.config, training=training))
    data = [Pairs.of(seen(c).species, carbons_of(c, frames, seed)) for c in SETTINGS[name][0]]
    # named by what is asked, so that what was kept is of this very fit
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:12]
    clock = Clocked(folder / f"fit-{updates}-{digest}.npz")
    model.fit(data, seed=seed, kept=clock)
    state = model.state()
    told = {"config": dict(state.config), "arrays": dict(state.arrays), "asked": spec}
    save_tree(path, {**told, "seconds": clock.seconds})
    return model, clock.seconds


class Clocked(KeptFit):
    """Keeps the CPU seconds of a fit beside it, those before it was cut off among them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._beside = path.with_suffix(".seconds")
        earlier = self._beside.exists() and path.exists()
        self._before = float(self._beside.read_text()) if earlier else 0.0
        self._begun = process_time()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + process_time() - self._begun

    def keep(
        self, progress: Progress, net: nn.Module, descent: Descent, generator: torch.Generator
    ) -> None:
        """See `KeptFit`."""
        super().keep(progress, net, descent, generator)
        self._beside.write_text(repr(self.seconds))


def beside(model: StepDiffusion, reference: list[Array], seed: int, rolled: int) -> Told:
    """Roll-outs of butane that begin in frames of its simulator, beside all of those."""
    atoms, frames = seen(BUTANE), np.concatenate(reference)
    windows = BondWindows.of(atoms.bonds, frames.reshape(len(frames), -1))
    begin = frames[np.random.default_rng(seed).choice(len(frames), PATHS)]
    begun = process_time()
    made = roll_out(
        model, atoms.species, begin, rolled, Sound(windows, _nothing_watched()), seed, range(PATHS)
    )
    seconds = process_time() - begun
    whole = made.paths[made.whole]
    steps = int(made.whole.sum()) * rolled
    pair = [as_trajectories(paths) for paths in (list(whole), reference)]
    cores = [core_of(one) for one in pair]
    names = ("trans", "gauche")
    populations = [np.array([(core == k).mean() for k in (0, 1)]) for core in cores]
    f = [-np.log(p[1] / p[0]) for p in populations]
    times = [
        [p.mean_time.value for p in passages(one, core, names)]
        for one, core in zip(pair, cores, strict=True)
    ]
    ratio = [_ratio(a, b) for a, b in zip(*times, strict=True)]
    shape = [
        max(divergence_of(pair, c, RANGES[kind]) for c in columns)
        for kind, columns in enumerate(((0, 1, 2), (3, 4), (5,)))
    ]
    return Told(
        float(f[0] - f[1]),
        ratio[0],
        ratio[1],
        shape[0],
        shape[1],
        shape[2],
        made.redrawn / max(1, made.redrawn + steps),
        1 - float(made.whole.mean()),
        0.0,
        seconds,
        0.0,
    )


def as_trajectories(paths: list[Array]) -> Trajectories:
    """Bonds, angles and the torsion of butane."""
    names = ("b1", "b2", "b3", "a1", "a2", "torsion")
    periodic = (False,) * 5 + (True,)
    return Trajectories(tuple(measured(x) for x in paths), names, periodic, FRAME, "ps")


def core_of(data: Trajectories) -> np.ndarray[Any, np.dtype[np.int64]]:
    """0 trans, 1 gauche of either sign, −1 between."""
    degrees = np.degrees(np.abs(data.xi[:, 5]))
    low, high = CORES["gauche"]
    gauche = (degrees >= low) & (degrees <= high)
    return np.where(degrees >= CORES["trans"][0], 0, np.where(gauche, 1, -1))


def divergence_of(pair: list[Trajectories], column: int, bounds: tuple[float, float]) -> float:
    """Jensen–Shannon divergence of one column, nats."""
    grid = Grid.regular((bounds,), (BINS,), (pair[0].periodic[column],))
    sums = [counts(one, (column,), grid) for one in pair]
    value = divergence((pair[0].names[column],), BINS, *sums).nats.value
    return float("nan") if value is None else value


def _ratio(a: float | None, b: float | None) -> float:
    return float("nan") if a is None or b is None else a / b


def _nothing_watched() -> StereoWatch:
    """Butane's carbons have no handedness."""
    import mdtraj

    return StereoWatch(mdtraj.Topology(), np.zeros((1, 0)))
