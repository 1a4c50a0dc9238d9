"""What samplers and RePaint do to AR(1) processes, whose denoiser is known."""

from __future__ import annotations

import numpy as np
import torch
from gaussian_paths import GaussianPaths
from rows import Row

from msgen.models.score.inpainting import inpaint
from msgen.models.score.noise import SIGMA_MAX, SIGMA_MIN, Noise
from msgen.models.score.samplers import descend, euler_step, heun_step

PROCESSES = ((16, 0.9), (64, 0.97))
"""Frames, and the correlation of neighbouring ones."""
LEVELS = 30
DRAWS = 2000


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are numbers of repeats."""
    repeats = [int(a) for a in arguments] or [1, 10, 20, 50, 200]
    rows = []
    for frames, decay in PROCESSES:
        rows += sampled(frames, decay)
        rows += [row for n in repeats for row in inpainted(frames, decay, n)]
    return rows


def process(frames: int) -> Noise:
    """As models of trajectories have it."""
    most = SIGMA_MAX * frames**0.5
    return Noise("edm", SIGMA_MIN, most, most)


def sampled(frames: int, decay: float) -> list[Row]:
    """The largest error of a covariance, free of sampling error: the samplers are linear here."""
    paths, noise, rows = GaussianPaths(frames, decay), process(frames), []
    begun = noise.start * torch.eye(frames, dtype=torch.float64)[..., None]
    for name, step, counts in (("Euler", euler_step, (30, 50)), ("Heun", heun_step, (20, 30, 50))):
        for steps in counts:
            levels = noise.levels(steps)
            made = descend(step, paths, begun, None, levels, np.random.default_rng(0))[..., 0]
            off = np.abs((made.T @ made).numpy() - paths.covariance).max()
            what = f"{frames} frames: covariance, {steps} steps of {name}'s"
            rows.append(Row(what, float(off), "", "of 1"))
    return rows


def inpainted(frames: int, decay: float, repeats: int) -> list[Row]:
    """Mean and variance of free frames between two ends, at the worst frame."""
    paths, noise = GaussianPaths(frames, decay), process(frames)
    rng = np.random.default_rng(repeats)
    ends = {0: 1.5, frames - 1: -1.0}
    given = torch.zeros(DRAWS, frames, 1, dtype=torch.float64)
    fixed = torch.zeros(given.shape, dtype=torch.bool)
    for frame, value in ends.items():
        given[:, frame], fixed[:, frame] = value, True
    made = inpaint(
        heun_step,
        paths,
        noise.start * torch.as_tensor(rng.standard_normal(tuple(given.shape))),
        None,
        noise.levels(LEVELS),
        rng,
        given=given,
        fixed=fixed,
        jump=1,
        repeats=repeats,
    )[..., 0].numpy()
    free, mean, covariance = paths.between(ends)
    variance = np.diag(covariance)
    off = np.abs(made[:, free].mean(axis=0) - mean) / np.sqrt(variance)
    ratio = made[:, free].var(axis=0, ddof=1) / variance
    what = f"{frames} frames: RePaint, {repeats} repeats"
    return [
        Row(f"{what}: evaluations", float(paths.calls)),
        Row(f"{what}: mean", float(off.max()), "σ", f"± {DRAWS**-0.5:.2f}"),
        Row(f"{what}: variance", float(ratio.max()), "times", f"± {(2 / DRAWS) ** 0.5:.2f}"),
    ]
