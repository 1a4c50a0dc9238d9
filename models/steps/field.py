"""The velocity of the probability-flow ODE of displacements."""

from __future__ import annotations

import torch
from torch import Tensor

from msgen.models.nets.step_net import Atoms, StepNet
from msgen.models.steps.noise import StepNoise


class StepField:
    """dx/dσ of a net; x of shape (n, N, 3) in double precision, the net in single.

    Parameters
    ----------
    net : StepNet
    noise : StepNoise
    scale : float
        Of x, which are displacements in Å times it.
    atoms : Atoms
        Where the steps begin.
    """

    def __init__(self, net: StepNet, noise: StepNoise, scale: float, atoms: Atoms) -> None:
        self.net, self.noise, self.scale, self.atoms = net, noise, scale, atoms

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        """dx/dσ, shape (n, N, 3); what it is conditional on are the atoms."""
        level = torch.tensor(sigma, dtype=torch.float64, device=x.device)
        of_x, of_net = self.noise.velocity_terms(level)
        seen = (self.noise.precondition(level)[2] * x / self.scale).float()
        time = self.noise.time(level).float().expand(len(x))
        with torch.no_grad():
            made = self.net(seen, self.atoms, time)
        out: Tensor = of_x * x + of_net * made.double()
        return out
