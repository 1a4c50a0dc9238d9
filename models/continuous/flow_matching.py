"""Continuous flows fitted by flow matching: no ODE is solved during the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from msgen.models.base import FitReport, ModelState
from msgen.models.continuous.components import Coupling
from msgen.models.continuous.config import SETTINGS, ContinuousConfig
from msgen.models.continuous.interpolants import (
    COUPLINGS,
    PATHS,
    Interpolant,
    independent,
    optimal_transport,
)
from msgen.models.continuous.matching import MatchingLoss
from msgen.models.continuous.model import ContinuousModel
from msgen.models.kinds import Kind, Space, training_of
from msgen.models.settings import Choice
from msgen.models.training.fitting import Training, minimise
from msgen.systems.errors import SpecError

MATCHING_TRAINING = Training(
    learning_rate=5e-3, batch=512, ema=0.995, updates=3000, most_epochs=3000
)
"""More, smaller steps than a likelihood's, the loss being noisy."""


@dataclass(frozen=True)
class MatchingConfig(ContinuousConfig):
    """Beside the rest which paths join noise and data.

    Attributes
    ----------
    interpolant : str
        'linear' or 'trigonometric', see `msgen.models.continuous.interpolants`.
    coupling : str
        'independent' or 'optimal_transport' within each batch.
    """

    interpolant: str = "linear"
    coupling: str = "independent"
    training: Training = MATCHING_TRAINING


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


def _make(space: Space, given: dict[str, Any]) -> FlowMatching:
    if given.get("coupling") == "optimal_transport" and space.context_periodic:
        raise SpecError(
            ("model", "coupling"),
            given["coupling"],
            "would let the noise depend on the label, which its base density does not",
            "Use independent",
        )
    training = training_of(given, MATCHING_TRAINING)
    return FlowMatching(
        MatchingConfig(
            "flow_matching",
            space.dim,
            space.periodic,
            space.context_periodic,
            training=training,
            **given,
        )
    )


KIND = Kind(
    "flow_matching",
    {
        "interpolant": Choice(PATHS, "path between two samples"),
        "coupling": Choice(COUPLINGS, "coupling"),
        **SETTINGS,
    },
    _make,
    FlowMatching.from_state,
)
