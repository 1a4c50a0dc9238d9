"""What a frozen flow's density is, beside the system's, where walkers are and at its own draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.configurations.coordinates import InCoordinates
from msgen.actors.configurations.independent_moves import IndependentMoves
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import Density
from msgen.models.defensive_mixture import draw
from msgen.systems.base import Array


class HeldAgainstFlow:
    """ln ρ* − ln q in the flow's variables, ρ* = e^{−U/kT}|∂x/∂y| of the system.

    Parameters
    ----------
    context : WorkerContext
    moves : IndependentMoves
        With the flow and its variables.
    oracle : Density
        The system's, asked for each draw; of walkers it knows the answer.
    """

    def __init__(self, context: WorkerContext, moves: IndependentMoves, oracle: Density) -> None:
        self._context, self._q = context, moves.proposal
        self._density = InCoordinates(oracle, moves.coordinates, moves.isomers)
        self._oracle, self._variables = oracle, moves.coordinates
        self._weights: list[Array] = []
        self._cvs: list[Array] = []

    def look(self, x: Array, xi: Array) -> None:
        """Walkers (n, D) and their CVs (n, C)."""
        y = self._variables.encode(x)
        log_density = self._oracle.log_density(x) + self._variables.log_det(y)
        with np.errstate(invalid="ignore"):
            weight = log_density - self._q.log_prob(y)
        # a walker without density, were there one, counts and adds nothing
        self._weights.append(np.where(np.isfinite(log_density), weight, np.inf))
        self._cvs.append(xi)

    def columns(
        self, replicas: NDArray[np.int64], draws: int, rng: np.random.Generator
    ) -> dict[str, Array]:
        """Of the walkers, and of so many draws for each look at each of them.

        'frame_log_weight' with 'frame_cvs' and 'frame_replica', replica after replica, and
        'draw_log_weight' with 'draw_cvs', −inf and NaN where a draw is no configuration.
        """
        weights, cvs = np.stack(self._weights, axis=1), np.stack(self._cvs, axis=1)
        y, log_q = draw(self._q, draws * weights.size, rng)
        log_density = self._density.log_density(y)
        inside = np.isfinite(log_density) & np.isfinite(log_q)
        drawn = np.full(len(y), -np.inf)
        drawn[inside] = log_density[inside] - log_q[inside]
        xi = np.full((len(y), cvs.shape[2]), np.nan)
        if inside.any():
            xi[inside] = self._context.cvs(self._density.placed(y[inside]))
        return {
            "frame_log_weight": weights.reshape(-1),
            "frame_cvs": cvs.reshape(-1, cvs.shape[2]),
            "frame_replica": np.repeat(replicas.astype(np.float64), weights.shape[1]),
            "draw_log_weight": drawn,
            "draw_cvs": xi,
        }
