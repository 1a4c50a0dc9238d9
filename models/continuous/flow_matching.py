"""Continuous flows fitted by flow matching: no ODE is solved during the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

from torch import Tensor

from msgen.models.base import FitReport, ModelState, Space
from msgen.models.continuous.components import Coupling
from msgen.models.continuous.config import ContinuousConfig
from msgen.models.continuous.interpolants import Interpolant, independent, optimal_transport
from msgen.models.continuous.matching import MatchingLoss
from msgen.models.continuous.model import ContinuousModel
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Fit, Training
from msgen.systems.errors import SpecError

UPDATES = 3000
"""More, smaller steps than a likelihood's, the loss being noisy."""


@dataclass(frozen=True, kw_only=True)
class MatchingConfig(ContinuousConfig):
    """Beside the rest which paths join noise and data.

    Attributes
    ----------
    interpolant : str
        'linear' or 'trigonometric', see `msgen.models.continuous.interpolants`.
    coupling : str
        'independent' or 'optimal_transport' within each batch.
    """

    interpolant: str
    coupling: str


class FlowMatching(ContinuousModel):
    """v(x, t, c) = E[ẋ_t | x_t = x] of paths between noise and data, by least squares.

    Source: Lipman et al., Flow matching for generative modeling (2023).
    """

    config: MatchingConfig

    def _coupling(self) -> Coupling:
        if self.config.coupling == "independent":
            return independent
        return optimal_transport(self._density.angles.numpy())

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        density = self._density
        features = density.context_features(context)
        objective = MatchingLoss(
            density.to_unit(y).float(),
            None if features is None else features.float(),
            density.base.sample,
            Interpolant(self.config.interpolant),
            self._coupling(),
            density.angles,
        )
        # single precision halves the time of a fit; what comes out is used in double
        net = density.net.float()
        try:
            return minimise(
                net, objective, len(y), seed=seed, weights=weights, training=self.config.training
            )
        finally:
            net.double()

    @classmethod
    def from_state(cls, state: ModelState) -> FlowMatching:
        """The model `state` was taken from."""
        return cls(MatchingConfig.from_json(state.config))._restore(state)


def build(
    space: Space,
    *,
    layers: int,
    width: int,
    steps: int,
    transform: str,
    interpolant: str,
    coupling: str,
    **fit: Unpack[Fit],
) -> FlowMatching:
    """One that is not yet fitted; SpecError for optimal transport with a context."""
    if coupling == "optimal_transport" and space.context_periodic:
        what = "would let the noise depend on the label, which its base density does not"
        raise SpecError(("model", "coupling"), coupling, what, "Use independent")
    training = replace(Training.of(**fit), updates=UPDATES, most_epochs=UPDATES)
    return FlowMatching(
        MatchingConfig(
            kind="flow_matching",
            dim=space.dim,
            periodic=space.periodic,
            context_periodic=space.context_periodic,
            layers=layers,
            width=width,
            steps=steps,
            transform=transform,
            interpolant=interpolant,
            coupling=coupling,
            training=training,
        )
    )
