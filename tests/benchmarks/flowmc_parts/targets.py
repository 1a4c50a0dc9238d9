"""The three targets, as campaigns for msgen and as specs for flowMC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from msgen.systems.potentials.many_well import LINEAR, QUADRATIC, WELLS, ManyWell
from msgen.systems.potentials.phi4 import Phi4

WALKERS = 100
SETTINGS: dict[str, Any] = {
    "n_local_steps": 20,
    "n_global_steps": 80,
    "n_training_loops": 10,
    "n_production_loops": 20,
    "n_epochs": 20,
    "batch_size": 1000,
    "learning_rate": 1e-3,
    "rq_spline_hidden_units": [64, 64],
    "rq_spline_n_layers": 4,
}
"""flowMC's: a careful user's, in float32 on one thread."""


@dataclass(frozen=True)
class Target:
    """One density, and the sign of what says which mode a walker is in.

    Attributes
    ----------
    positive : float
        Its exact probability to be positive.
    indicator : Array, shape (D,)
        Its coefficients.
    campaign : dict
        Sections 'system', 'cvs' (the first one is the indicator) and 'states'.
    peer : dict
        flowMC's target.
    start : callable
        Of a random generator: flowMC's walkers, as many in every mode; shape (n, D).
    one_mode : callable
        The same, all in one mode.
    """

    positive: float
    indicator: np.ndarray
    campaign: dict[str, Any]
    peer: dict[str, Any]
    start: Callable[[np.random.Generator], np.ndarray]
    one_mode: Callable[[np.random.Generator], np.ndarray]


def mixture() -> Target:
    """Two Gaussians 20 σ apart in 16 dimensions, 30:70."""
    d, mean = 16, {"kind": "mean_coordinate", "range": [-4.5, 4.5], "bins": 36}

    def around(sign: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return 2.5 * sign[:, None] + rng.standard_normal((WALKERS, d))

    return Target(
        0.7,
        np.full(d, 1 / d),
        {
            "system": {"kind": "gaussian_mixture", "dim": d, "means": [-2.5, 2.5],
                       "scales": 1.0, "weights": [0.3, 0.7]},
            "cvs": {"mean": mean},
            "states": {"low": {"mean": [-4.5, 0]}},
        },
        {"kind": "gaussian_mixture", "means": [[-2.5] * d, [2.5] * d], "weights": [0.3, 0.7]},
        lambda rng: around(rng.choice([-1.0, 1.0], WALKERS), rng),
        lambda rng: around(np.full(WALKERS, -1.0), rng),
    )  # fmt: skip


def wells() -> Target:
    """Sixteen double wells; the indicator is the first of them."""
    d = 32

    def at(right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal((WALKERS, d))
        x[:, 0::2] = np.where(right, WELLS[1], WELLS[0]) + 0.1 * x[:, 0::2]
        return x

    return Target(
        ManyWell(d).right_probability(),
        np.eye(d)[0],
        {
            "system": {"kind": "many_well", "dim": d},
            "cvs": {
                "a": {"kind": "coordinate", "index": 0, "range": [-2.6, 2.6], "bins": 26},
                "all": {"kind": "mean_coordinate", "indices": list(range(0, d, 2)),
                        "range": [-2.2, 2.2], "bins": 22},
            },
            "states": {"left": {"a": [-2.6, 0]}},
        },
        {"kind": "many_well", "coefficients": [1.0, QUADRATIC, LINEAR, 1.0]},
        lambda rng: at(rng.random((WALKERS, d // 2)) < 0.5, rng),
        lambda rng: at(np.zeros((WALKERS, d // 2), dtype=bool), rng),
    )  # fmt: skip


def lattice() -> Target:
    """φ⁴ without a field; for flowMC in variables that its Gaussian part leaves white."""
    field = Phi4()
    n, wall = field.n, field.initial().positions[0]
    # −βU is quadratic plus quartic: the quadratic part is the Gaussian one less 3/2 of its mass
    quadratic = field.gaussian_precision(-1.0)

    def near(sign: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return sign[:, None] * wall + 0.05 * rng.standard_normal((WALKERS, n))

    return Target(
        0.5,
        np.full(n, 1 / n),
        {
            "system": {"kind": "phi4", "n": n, "a": field.a, "beta": field.beta},
            "cvs": {"mean": {"kind": "mean_coordinate", "range": [-1.4, 1.4], "bins": 28}},
            "states": {"negative": {"mean": [-1.4, 0]}},
        },
        {
            "kind": "phi4",
            "precision": field.gaussian_precision().tolist(),
            "quadratic": quadratic.tolist(),
            "quartic": field.beta / (4 * field.a * n),
        },
        lambda rng: near(rng.choice([-1.0, 1.0], WALKERS), rng),
        lambda rng: near(np.ones(WALKERS), rng),
    )


TARGETS: dict[str, Callable[[], Target]] = {
    "16-D mixture": mixture,
    "many-well 32-D": wells,
    "φ⁴, N = 64": lattice,
}


def campaign(target: Target, name: str, seed: int, evaluations: float) -> dict[str, Any]:
    """A campaign that spends `evaluations` and nothing else ends."""
    return {
        "name": name,
        "seed": seed,
        "executor": "inline",
        **target.campaign,
        "strategy": {"kind": "flow_mcmc", "local": {"kind": "mala", "steps": 20},
                     "global_steps": 80, "broad": 0.02},
        "model": {"kind": "copula_flow"},
        "replicas": WALKERS,
        "converge": {"state_error": "0.0001 kT", "surface_error": "0.0002 kT"},
        "budget": {"energy_evaluations": evaluations},
        "output": {"tensorboard": False},
    }  # fmt: skip
