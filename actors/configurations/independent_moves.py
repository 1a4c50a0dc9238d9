"""Independence moves of positions, proposed in the variables of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.configurations.coordinates import InCoordinates, IsomerWatch
from msgen.actors.kernels.base import KernelResult, Target
from msgen.actors.kernels.independence import Independence
from msgen.models.base import Drawn
from msgen.systems.base import Walkers
from msgen.systems.coordinates.representation import Exact


@dataclass(frozen=True)
class IndependentMoves:
    """Independence Metropolis–Hastings in y(x), reversible under the target of positions.

    .. math:: a = \\min\\left(1, \\frac{ρ(x′)|∂x/∂y|_{y′}\\,q(y)}{ρ(x)|∂x/∂y|_y\\,q(y′)}\\right)

    (Tierney, Ann. Stat. 22, 1701, 1994); where a molecule is and how it lies changes with it. Who
    accepts nothing keeps its positions to the bit.

    Parameters
    ----------
    proposal : Drawn
        q, frozen, of the variables.
    coordinates : Exact
    isomers : IsomerWatch, optional
        What is never accepted, since it is another molecule.
    """

    proposal: Drawn
    coordinates: Exact
    isomers: IsomerWatch | None = None

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` proposals; one evaluation each and one for the start."""
        density = InCoordinates(target, self.coordinates, self.isomers)
        y = self.coordinates.encode(walkers.positions)
        done = Independence(self.proposal)(
            density, Walkers(y), rng, n_steps=n_steps, record_every=record_every
        )
        moved = (done.walkers.positions != y).any(axis=1)
        x = np.array(walkers.positions, dtype=np.float64)
        x[moved] = density.placed(done.walkers.positions[moved])
        frames = done.trajectory
        if frames is not None:
            flat = density.placed(frames.reshape(-1, y.shape[1]))
            frames = flat.reshape(len(frames), *x.shape)
        return KernelResult(
            walkers.with_positions(x),
            done.accepted,
            done.probability,
            done.log_ratio,
            done.evaluations,
            done.nonfinite,
            frames,
        )
