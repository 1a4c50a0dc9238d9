"""RealNVP: affine coupling layers on R^d (Dinh et al., Density estimation using Real NVP, 2017)."""

from __future__ import annotations

from typing import Any

import torch
import zuko
from torch import nn

from msgen.models.coupling.flow import FlowConfig, FlowModel, flow_config
from msgen.models.coupling.zuko_flow import ZukoBijection
from msgen.models.kinds import Kind, Space
from msgen.models.settings import TRAINING, TRANSFORM, Whole, Widths


class RealNVP(FlowModel):
    """Affine coupling: cheap and smooth, for densities without far-apart modes.

    Raises
    ------
    ValueError
        If a variable is periodic: an affine map is none of the circle.
    """

    def _bijection(self, config: FlowConfig) -> nn.Module:
        if any(config.periodic):
            raise ValueError("RealNVP has no periodic variables; use kind spline_flow")
        flow = zuko.flows.RealNVP(
            config.dim,
            n_features(config.context_periodic),
            transforms=config.transforms,
            hidden_features=config.hidden,
            activation=torch.nn.SiLU,
        )
        return ZukoBijection(flow.transform)


def n_features(context_periodic: tuple[bool, ...]) -> int:
    """Columns of a context once its angles are written as sin and cos."""
    return len(context_periodic) + sum(context_periodic)


def _make(space: Space, given: dict[str, Any]) -> RealNVP:
    return RealNVP(flow_config("realnvp", space, given))


KIND = Kind(
    "realnvp",
    {"transforms": Whole(), "hidden": Widths(), "transform": TRANSFORM, **TRAINING},
    _make,
    RealNVP.from_state,
    angles=False,
)
