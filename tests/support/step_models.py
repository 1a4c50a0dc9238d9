"""Small models of steps, and molecules that they can learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.models.base import Array
from msgen.models.steps.config import StepConfig
from msgen.models.steps.data import Pairs
from msgen.models.steps.model import StepDiffusion
from msgen.models.training.settings import Training

CHAIN = ("A", "B", "A")
LENGTH, SPREAD = 0.15, 0.05
"""Of bonds: mean and standard deviation, nm."""


def step_model(**options: Any) -> StepDiffusion:
    """One that is small, fitted for as long as `updates` says."""
    updates = options.pop("updates", 40)
    settings: dict[str, Any] = {
        "periodic": (),
        "conditions": 0,
        "atoms": "all",
        "types": "element",
        "width": 16,
        "layers": 2,
        "cutoff": 0.4,
        "symmetry": "turned",
        "turning": "aligned",
        "scale": 2.0,
        "predicts": "velocity",
        "even": "log_snr",
        "steps": 4,
        "training": Training(
            learning_rate=2e-3,
            batch=64,
            ema=0.98,
            updates=updates,
            most_epochs=updates,
            measured=64,
            optimizer="radam",
        ),
    }
    return StepDiffusion(StepConfig(**{**settings, **options}))


def chains(n: int, seed: int, decay: float = 0.5, species: tuple[str, ...] = CHAIN) -> Pairs:
    """Chains in a plane whose bonds are AR(1) about `LENGTH`, at equilibrium, turned at random."""
    rng = np.random.default_rng(seed)
    bonds = len(species) - 1
    first = rng.standard_normal((n, bonds))
    second = decay * first + np.sqrt(1 - decay**2) * rng.standard_normal((n, bonds))
    before, after = (laid_out(LENGTH + SPREAD * z) for z in (first, second))
    turn = np.linalg.qr(rng.standard_normal((n, 3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))[:, None, None]
    return Pairs.of(species, list(np.stack((before @ turn, after @ turn), axis=1)))


def laid_out(lengths: Array) -> Array:
    """A zigzag of right angles with these bonds (n, bonds), shape (n, bonds + 1, 3)."""
    x = np.zeros((len(lengths), lengths.shape[1] + 1, 3))
    for k in range(lengths.shape[1]):
        x[:, k + 1] = x[:, k]
        x[:, k + 1, k % 2] += lengths[:, k]
    return x
