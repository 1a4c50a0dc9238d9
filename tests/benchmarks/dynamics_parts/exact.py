"""What samplers and RePaint do to a process whose denoiser is known, 16 frames of AR(1)."""

from __future__ import annotations

import numpy as np
import torch
from gaussian_paths import GaussianPaths
from rows import Row

from msgen.models.score.inpainting import inpaint
from msgen.models.score.noise import SIGMA_MAX, SIGMA_MIN, Noise
from msgen.models.score.samplers import descend, euler_step, heun_step

FRAMES = 16
ENDS = {0: 1.5, FRAMES - 1: -1.0}
LEVELS = 40
DRAWS = 2000
NOISE = Noise("edm", SIGMA_MIN, *[SIGMA_MAX * FRAMES**0.5] * 2)


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are numbers of repeats."""
    return [*sampled(), *[r for n in arguments or (1, 10, 50, 200) for r in inpainted(int(n))]]


def sampled() -> list[Row]:
    """The largest error of a covariance, free of sampling error: the samplers are linear here."""
    paths, rows = GaussianPaths(FRAMES), []
    begun = NOISE.start * torch.eye(FRAMES, dtype=torch.float64)[..., None]
    for name, step, counts in (("Euler", euler_step, (30, 50)), ("Heun", heun_step, (20, 30, 50))):
        for steps in counts:
            levels = NOISE.levels(steps)
            made = descend(step, paths, begun, None, levels, np.random.default_rng(0))[..., 0]
            off = np.abs((made.T @ made).numpy() - paths.covariance).max()
            rows.append(Row(f"covariance, {steps} steps of {name}'s", float(off), "", "of 1"))
    return rows


def inpainted(repeats: int) -> list[Row]:
    """Mean and variance of free frames between two ends, at the worst frame."""
    paths, rng = GaussianPaths(FRAMES), np.random.default_rng(repeats)
    given = torch.zeros(DRAWS, FRAMES, 1, dtype=torch.float64)
    fixed = torch.zeros(given.shape, dtype=torch.bool)
    for frame, value in ENDS.items():
        given[:, frame], fixed[:, frame] = value, True
    made = inpaint(
        heun_step,
        paths,
        NOISE.start * torch.as_tensor(rng.standard_normal(tuple(given.shape))),
        None,
        NOISE.levels(LEVELS),
        rng,
        given=given,
        fixed=fixed,
        jump=1,
        repeats=repeats,
    )[..., 0].numpy()
    free, mean, covariance = paths.between(ENDS)
    variance = np.diag(covariance)
    off = np.abs(made[:, free].mean(axis=0) - mean) / np.sqrt(variance)
    ratio = made[:, free].var(axis=0, ddof=1) / variance
    what = f"RePaint, {repeats} repeats"
    return [
        Row(f"{what}: mean", float(off.max()), "σ", f"± {DRAWS**-0.5:.2f}"),
        Row(f"{what}: variance", float(ratio.max()), "times", f"± {(2 / DRAWS) ** 0.5:.2f}"),
    ]
