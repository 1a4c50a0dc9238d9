"""Whether gathering where the model is worst takes fewer frames than gathering everywhere alike.

Arguments: seeds (numbers below 100; by default 1, 2, 3) and the updates of the first fit (by
default 600; later ones have as many more as there are more data). Campaigns of the double well,
two a seed: one begins in the left well alone and sends half of the next trajectories where its
judgement is worst, the other sends as many to every state. Told are the frames gathered by the
first cycle after which the F of what the model makes is within 0.5 kT of the exact one. What is
done is kept, and a campaign that was ended goes on.
"""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
from double_well_paths import tell
from rows import Row

import msgen
from dynamics_parts.fits import KEPT
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.strategies.dynamics import strategy
from msgen.orchestrator.strategies.dynamics.allotment import allotted

FILES = Path(__file__).parents[3] / "configs" / "papers"
UPDATES, REPLICAS, FRAMES, LENGTH, PATHS, CYCLES = 600, 32, 128, 64, 256, 6
WITHIN = 0.5
"""kT."""
SMALL = ("output.tensorboard=false", "executor=inline")


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    numbers = [int(a) for a in arguments]
    updates = next((n for n in numbers if n >= 100), UPDATES)
    seeds = [n for n in numbers if n < 100] or [1, 2, 3]
    rows, ratios = [], []
    for seed in seeds:
        taken = {way: frames_taken(way, seed, updates) for way in ("worst", "even")}
        for way, found in taken.items():
            told = np.nan if found is None else float(found)
            rows.append(Row(f"seed {seed}, {way}: frames to {WITHIN} kT", told, "frames"))
        worst, even = taken["worst"], taken["even"]
        if worst is not None and even is not None:
            ratios.append(worst / even)
    mean = float(np.mean(ratios)) if ratios else float("nan")
    held = bool(mean <= 0.5) and len(ratios) == len(seeds)
    return [*rows, Row("frames, where it is worst over even", mean, "times", "", "≤ 0.5", held)]


def frames_taken(way: str, seed: int, updates: int) -> int | None:
    """Frames gathered when F is right for the first time; None where it never is."""
    errors = errors_of(way, seed, updates)
    right = np.flatnonzero(np.array(errors) <= WITHIN)
    return None if not len(right) else int((right[0] + 1) * REPLICAS * FRAMES)


def errors_of(way: str, seed: int, updates: int) -> list[float]:
    """F error after each cycle, kT."""
    path = KEPT / f"loop-{way}-{updates}-{seed}.json"
    if path.exists():
        return [float(e) for e in json.loads(path.read_text())]
    folder = KEPT / f"loop-{way}-{updates}-{seed}"
    exact = _exact(seed)
    # slots of a trajectory, a tenth of them held out
    epochs = max(1, updates * 64 // (REPLICAS * FRAMES // LENGTH))
    sets = (
        *SMALL,
        f"strategy.free_energies={exact.resolve()}",
        f"strategy.frames={FRAMES}",
        f"strategy.generate={{free: {PATHS}}}",
        f"strategy.cycles={CYCLES}",
        *(("strategy.begin=[left]",) if way == "worst" else ()),
        f"model={{kind: trajectory_diffusion, width: 16, length: {LENGTH}, epochs: {epochs}}}",
        f"replicas={REPLICAS}",
        f"seed={seed}",
    )
    number = allotted if way == "worst" else _even
    with patch.object(strategy, "allotted", number):
        msgen.run(
            FILES / "dynamics_diffusion_double_well.yaml",
            output_dir=folder,
            overrides=sets,
            quiet=True,
        )
    made = np.asarray(
        Store(folder / "dynamics-diffusion-double-well" / "store.zarr").read("generate/frames")
    )
    cycles = made.reshape(-1, PATHS, LENGTH, 2)
    errors = [tell(paths).f_error for paths in cycles]
    path.write_text(json.dumps(errors) + "\n")
    print(f"{path.stem}: {', '.join(f'{e:.2f}' for e in errors)} kT", flush=True)
    return errors


def _exact(seed: int) -> Path:
    """The exact run that both begin with."""
    folder = KEPT / f"loop-exact-{seed}"
    sets = (
        *SMALL,
        "strategy={kind: local, local: {kind: hmc, steps: 10}}",
        "converge.unseen=null",
        "budget.rounds=24",
        f"seed={seed}",
    )
    file = FILES / "dynamics_diffusion_exact.yaml"
    msgen.run(file, output_dir=folder, overrides=sets, quiet=True)
    return folder / "dynamics-diffusion-exact"


def _even(
    replicas: int, there: np.typing.NDArray[np.bool_], worst: object
) -> np.typing.NDArray[np.int64]:
    """As many in every state, whatever was judged."""
    return allotted(replicas, there, None)
