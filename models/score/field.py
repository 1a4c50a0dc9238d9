"""The velocity of a score model's probability-flow ODE.

Linear columns: D(x; σ) = c_skip x + c_out F and dx/dσ = (x − D)/σ. Angles diffuse on the circle,
score = n(σ) F and dθ/dσ = −σ n(σ) F.
"""

from __future__ import annotations

from torch import Tensor

from msgen.models.nets.dense_field import DenseField
from msgen.models.nets.score_net import ScoreNet


class ScoreField(DenseField):
    """dx/dσ of a frozen score network."""

    net: ScoreNet

    def __init__(self, net: ScoreNet) -> None:
        super().__init__(net)

    def denoise(self, x: Tensor, sigma: float, label: Tensor) -> Tensor:
        """D(x; σ) of the linear columns and x of the angles, shape (n, d)."""
        out: Tensor = x - sigma * self.velocity(x, sigma, label)
        out[:, self.net.angles] = x[:, self.net.angles]
        return out
