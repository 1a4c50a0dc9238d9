"""What a model of the double well's trajectories makes on request, against the simulator.

Arguments: parts of `PARTS` (by default all), a seed (below 100) and a number of updates (by default
5,000). temperatures: fig. 4, one model of five temperatures. steps: the error against the number
of sampling steps. between: inpainted crossings and variations of a true and of a drawn path,
their displacements beside those of the simulator's crossings (fig. 10). lengths: 32 to 326 frames
from one model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from double_well_paths import simulate, states, tell
from rows import Row

from dynamics_parts import trajectories
from dynamics_parts.fits import fitted, section
from msgen.models import Space
from msgen.models.base import Array
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.trajectories.config import Sampler
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.model import TrajectoryDiffusion
from msgen.orchestrator.estimators.dynamics.correlations import displacement
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

UPDATES, DRAWN = 5000, 1024
FRAMES, LENGTH = 320, 64
LEARNT, TOLD = (0.5, 0.75, 1.0, 1.25, 1.5), (0.5, 1.0, 1.5)
"""kT of the data, and of what is asked for."""
EACH = 256
"""Trajectories of each temperature."""
STEPS = (10, 20, 30, 50, 100, 300, 999)
STEPPED: tuple[Sampler, ...] = ("heun", "euler")
LENGTHS = (32, 64, 128, 256, 326)
CROSSINGS = 64
NOISE = 0.55
LAGS = np.array([1, 2, 4, 8, 16])


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    numbers = [int(a) for a in arguments if a.isdigit()]
    updates = next((n for n in numbers if n >= 100), UPDATES)
    seed = next((n for n in numbers if n < 100), 1)
    chosen = [a for a in arguments if not a.isdigit()] or list(PARTS)
    if unknown := [a for a in chosen if a not in PARTS]:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [row for part in chosen for row in PARTS[part](seed, updates)]


def temperatures(seed: int, updates: int) -> list[Row]:
    """F at temperatures asked for, of one conditional model."""

    def data() -> TrainingTrajectories:
        paths = [simulate(EACH, FRAMES, seed + 100 * i, kt) for i, kt in enumerate(LEARNT)]
        about = np.repeat(LEARNT, EACH)[:, None]
        return TrainingTrajectories(list(np.concatenate(paths)), conditions=about)

    about = f"{EACH} trajectories of {FRAMES} frames at each of {LEARNT}"
    space = Space((False, False), (False,))
    model = fitted("temperatures", section(), data, about, seed, updates, space).model
    rows = []
    for kt in TOLD:
        keys = [DrawKey(seed, i) for i in range(DRAWN)]
        made = tell(model.generate(keys, conditions=np.array([[kt]])), kt)
        floor = tell(simulate(DRAWN, LENGTH, 7_200, kt), kt)
        what, beside = f"kT = {kt}: F error", f"true snippets {floor.f_error:.2f}"
        rows.append(Row(what, made.f_error, "kT", beside, "≤ 0.4", made.f_error <= 0.4))
    return rows


def steps(seed: int, updates: int) -> list[Row]:
    """The error against the number of sampling steps, 256 snippets each."""
    model = _plain(seed, updates)
    rows = []
    for sampler in STEPPED:
        for number in STEPS:
            other = _as(model, sampler, number)
            made = tell(other.generate([DrawKey(seed, i) for i in range(DRAWN // 4)]))
            rows.append(Row(f"{number} steps of {sampler}: F error", made.f_error, "kT"))
    return rows


def between(seed: int, updates: int) -> list[Row]:
    """Crossings between given ends, and variations of a true path and of one drawn by hand."""
    model, true = _plain(seed, updates), crossings(LENGTH)
    rows = [Row("crossings of the simulator", float(len(true)))]
    rng, keys = np.random.default_rng(seed), [DrawKey(seed, i) for i in range(CROSSINGS)]
    given = np.full((CROSSINGS, LENGTH, 2), np.nan)
    given[:, 0], given[:, -1] = (
        true[rng.integers(len(true), size=CROSSINGS), end] for end in (0, -1)
    )
    rows += displaced("inpainted", model, model.inpaint(keys, given), true)
    drawn = np.stack([np.linspace(true[:, 0, 0].mean(), true[:, -1, 0].mean(), LENGTH),
                      np.zeros(LENGTH)], axis=1)  # fmt: skip
    for what, path in (("a true path varied", true[0]), ("one drawn by hand varied", drawn)):
        rows += displaced(what, model, model.vary(keys, path, NOISE), true)
    return rows


def lengths(seed: int, updates: int) -> list[Row]:
    """All from one model that has learnt a range."""
    data = TrainingTrajectories(list(simulate(1024, 2 * FRAMES, seed)))
    about = f"1024 trajectories of {2 * FRAMES} frames"
    spec = section(length=[LENGTHS[0], LENGTHS[-1]])
    model = fitted("lengths", spec, lambda: data, about, seed, updates).model
    rows = []
    for frames in LENGTHS:
        number = max(64, DRAWN * LENGTH // frames)
        made = tell(model.generate([DrawKey(seed, i) for i in range(number)], length=frames))
        true = tell(simulate(number, frames, 7_300))
        told = 3 if frames > 32 else 2  # of lags; 30 in 32 frames tells nothing
        off = float(np.abs(made.correlations - true.correlations)[:, :told].max())
        what, beside = f"{frames} frames", f"true {true.f_error:.2f}"
        rows += [
            Row(f"{what}: F error", made.f_error, "kT", beside, "≤ 0.5", made.f_error <= 0.5),
            Row(f"{what}: autocorrelation off", off, "", "", "≤ 0.05", off <= 0.05),
            Row(f"{what}: crossing", made.crossing, "", f"{true.crossing:.3f}"),
        ]
    return rows


PARTS: dict[str, Callable[[int, int], list[Row]]] = {
    "temperatures": temperatures,
    "steps": steps,
    "between": between,
    "lengths": lengths,
}


def crossings(length: int, number: int = 20_000) -> Array:
    """True paths that begin in the left well and end in the right one."""
    paths = simulate(number, length, 7_400)
    state = states(paths)
    return np.asarray(paths[(state[:, 0] == 0) & (state[:, -1] == 1)])


def displaced(what: str, model: TrajectoryDiffusion, paths: Array, true: Array) -> list[Row]:
    """Mean squared displacements that begin between the wells, in standard deviations of both."""
    whole = model.screen(paths, states).whole
    rows = [Row(f"{what}: broken", 1 - float(whole.mean()), "", "share of paths")]
    if whole.sum() < 2:
        return rows
    curves = []
    for some in (paths[whole], true):
        data = Trajectories(tuple(some), ("x", "y"), (False, False))
        outside = (states(some) < 0).ravel()
        curves.append(displacement(data, 0, LAGS, outside).arrays())
    (_, made, made_error), (_, told, told_error) = curves
    off = np.abs(made - told) / np.hypot(made_error, told_error)
    worst = float(np.nanmax(off))
    ratio = float(np.nanmax(np.abs(np.log(made / told))))
    return [
        *rows,
        Row(f"{what}: displacement off", worst, "σ", f"within {np.exp(ratio):.2f} times", "≤ 2",
            worst <= 2),
    ]  # fmt: skip


def _plain(seed: int, updates: int) -> TrajectoryDiffusion:
    """The model that part `trajectories` has as force."""
    spec, name = section(length=LENGTH, head="force"), "force"
    data = trajectories.data_of(name, seed)
    return fitted(name, spec, data, trajectories.about_data(name), seed, updates).model


def _as(model: TrajectoryDiffusion, sampler: Sampler, steps: int) -> TrajectoryDiffusion:
    """The same weights drawn from in another way."""
    other = TrajectoryDiffusion.from_state(model.state())
    other.config = replace(other.config, sampler=sampler, steps=steps)
    return other
