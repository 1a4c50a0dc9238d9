"""Flows of identical particles, equivariant under all that the particles have in common.

ln q is invariant under permutations, and under rotations and reflections about the centre of mass;
moving all particles alike changes only the Gaussian factor of the centre of mass. So it suits
energies with these symmetries, and cannot tell a molecule from its mirror image.
Source: Klein, Krämer and Noé, Equivariant flow matching (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, Unpack

from torch import Tensor

from msgen.models.base import FitReport, ModelState, Space
from msgen.models.continuous.components import Coupling
from msgen.models.continuous.config import ContinuousConfig
from msgen.models.continuous.equivariant_coupling import equivariant_transport
from msgen.models.continuous.equivariant_units import ParticleUnits
from msgen.models.continuous.flow_matching import FlowMatching, MatchingConfig
from msgen.models.continuous.map_likelihood import MapLikelihood
from msgen.models.continuous.model import Flowing, times
from msgen.models.nets.equivariant_net import PairNet
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Fit, Training
from msgen.models.validation import no_angles, no_context
from msgen.systems.errors import SpecError

UPDATES = 1000
"""Of flow matching; few, as the fits of a campaign go on from one another."""
MEASURED = 256
"""Samples that its loss is reported on."""
REFINING = Training(learning_rate=3e-3, batch=128, ema=0.98, measured=512)
"""Of the likelihood afterwards: few updates, each some thirty times as dear."""


@dataclass(frozen=True, kw_only=True)
class EquivariantConfig(MatchingConfig):
    """Beside the rest the dimension of space, and what follows the matching.

    Attributes
    ----------
    refine : int
        Updates by maximum likelihood after those of flow matching.
    space : int
        Coordinates of one particle, those of each together; they divide `dim`.
    """

    refine: int
    space: int


class EquivariantFlow(FlowMatching):
    """Flow matching of a `PairNet` in units that keep the symmetries of the particles.

    Where it is refined, later fits go on by likelihood alone: matching would undo what was gained.
    """

    config: EquivariantConfig

    def _make(self, config: ContinuousConfig) -> Flowing:
        assert isinstance(config, EquivariantConfig)
        particles = config.dim // config.space
        return ParticleUnits(PairNet(particles, config.space, config.layers, config.width))

    def _reset(self, seed: int) -> None:
        super()._reset(seed)
        self._matched = False

    def _restore(self, state: ModelState) -> Self:
        super()._restore(state)
        self._matched = self.fitted
        return self

    def _coupling(self) -> Coupling:
        return equivariant_transport(self.config.space)

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        seconds = 0.0
        if not (self.config.refine and self._matched):
            matched = super()._train(y, seed, weights, context)
            self._matched = True
            if not self.config.refine:
                return matched
            seconds = matched.seconds
        density = self._density
        objective = MapLikelihood(
            density.to_unit(y).float(),
            density.base,
            float(density.log_unit),
            times(self.config.steps),
        )
        training = replace(REFINING, updates=self.config.refine, device=self.config.training.device)
        net = density.net.float()
        try:
            report = minimise(net, objective, len(y), seed=seed, weights=weights, training=training)
        finally:
            net.double()
        return replace(report, seconds=seconds + report.seconds)

    @classmethod
    def from_state(cls, state: ModelState) -> EquivariantFlow:
        """The model `state` was taken from."""
        return cls(EquivariantConfig.from_json(state.config))._restore(state)


def build(
    variables: Space,
    *,
    space: int,
    layers: int,
    width: int,
    steps: int,
    refine: int,
    **fit: Unpack[Fit],
) -> EquivariantFlow:
    """One that is not yet fitted; SpecError for variables that are no particles."""
    no_context("equivariant_flow", variables)
    no_angles("equivariant_flow", variables)
    if variables.dim % space or variables.dim < 2 * space:
        raise SpecError(
            ("model", "space"),
            space,
            f"does not make {variables.dim} coordinates into two particles or more",
            "Write the number of coordinates of one particle, 2 or 3",
        )
    training = replace(Training.of(**fit), updates=UPDATES, most_epochs=UPDATES, measured=MEASURED)
    return EquivariantFlow(
        EquivariantConfig(
            kind="equivariant_flow",
            dim=variables.dim,
            periodic=variables.periodic,
            layers=layers,
            width=width,
            steps=steps,
            transform="standardise",
            interpolant="linear",
            coupling="equivariant",
            refine=refine,
            space=space,
            training=training,
        )
    )
