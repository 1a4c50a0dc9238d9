"""RealNVP: affine coupling layers on R^d (Dinh et al., Density estimation using Real NVP, 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
import zuko

from msgen.models.base import Space
from msgen.models.coupling.bijection import Bijection
from msgen.models.coupling.flow import FlowConfig, FlowModel
from msgen.models.coupling.zuko_flow import ZukoBijection
from msgen.models.training.settings import Auto, Fit, Training
from msgen.models.validation import no_angles


class RealNVP(FlowModel):
    """Affine coupling: cheap and smooth, for densities without far-apart modes."""

    def _bijection(self, config: FlowConfig) -> Bijection:
        flow = zuko.flows.RealNVP(
            config.dim,
            n_features(config.context_periodic),
            transforms=config.transforms,
            hidden_features=config.hidden,
            activation=torch.nn.SiLU,
        )
        return ZukoBijection(flow.transform)


def build(
    space: Space,
    *,
    transforms: Auto,
    hidden: Sequence[int],
    transform: str,
    **fit: Unpack[Fit],
) -> RealNVP:
    """One that is not yet fitted; SpecError for angles: an affine map is none of the circle."""
    no_angles("realnvp", space)
    return RealNVP(
        FlowConfig(
            kind="realnvp",
            dim=space.dim,
            periodic=space.periodic,
            context_periodic=space.context_periodic,
            transforms=4 if transforms == "auto" else transforms,
            hidden=tuple(hidden),
            bins=8,  # there are none, but states have always told so many
            transform=transform,
            training=Training.of(**fit),
        )
    )


def n_features(context_periodic: tuple[bool, ...]) -> int:
    """Columns of a context once its angles are written as sin and cos."""
    return len(context_periodic) + sum(context_periodic)
