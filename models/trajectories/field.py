"""The velocity of the probability-flow ODE of whole trajectories."""

from __future__ import annotations

import torch
from torch import Tensor

from msgen.models.nets.temporal_unet import TemporalUNet
from msgen.models.score.noise import Noise


class SnippetField:
    """dx/dσ of a net; x of shape (n, length, channels) in double precision, the net in single.

    Parameters
    ----------
    net : TemporalUNet
    noise : Noise
    """

    def __init__(self, net: TemporalUNet, noise: Noise) -> None:
        self.net, self.noise = net, noise

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        """dx/dσ, shape (n, length, channels); `context` are the conditions, standardised."""
        level = torch.tensor(sigma, dtype=torch.float64, device=x.device)
        of_x, of_net = self.noise.velocity_terms(level)
        seen = (self.noise.precondition(level)[2] * x).float()
        place = self.noise.place(level.expand(len(x))).float()
        with torch.no_grad():
            made = self.net(seen, place, context)
        out: Tensor = of_x * x + of_net * made.double()
        return out
