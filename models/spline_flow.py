"""Neural spline flows: zuko's on R^d, the seamless mixed flow where a variable is periodic."""

from __future__ import annotations

import torch
import zuko
from torch import nn

from msgen.models.flow import FlowConfig, FlowModel
from msgen.models.mixed_flow import MixedBijection
from msgen.models.realnvp import n_features
from msgen.models.zuko_flow import ZukoBijection


class SplineFlow(FlowModel):
    """Rational-quadratic spline couplings (Durkan et al., Neural Spline Flows, 2019).

    On R^d, d > 1, this is ``zuko.flows.NSF`` with two passes (coupling). For one variable, and
    with a periodic one among them, it is `msgen.models.mixed_flow`: zuko's own circular flow gives
    its network raw angles, which leaves a jump of several nats in ln q across ±π.
    """

    def _bijection(self, config: FlowConfig) -> nn.Module:
        if any(config.periodic) or config.dim == 1:
            return MixedBijection(
                config.periodic,
                n_features(config.context_periodic),
                config.transforms,
                config.hidden,
                config.bins,
            )
        flow = zuko.flows.NSF(
            config.dim,
            n_features(config.context_periodic),
            bins=config.bins,
            transforms=config.transforms,
            passes=2,
            hidden_features=config.hidden,
            activation=torch.nn.SiLU,
        )
        return ZukoBijection(flow.transform)
