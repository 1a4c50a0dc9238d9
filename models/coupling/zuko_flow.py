"""Zuko's transforms behind the interface of `msgen.models.coupling.flow`."""

from __future__ import annotations

from torch import Tensor, nn

from msgen.models.coupling.bijection import Bijection


class ZukoBijection(Bijection):
    """The transform of a zuko flow, data to base; its own base distribution is not used."""

    def __init__(self, transform: nn.Module) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        z, log_det = self.transform(context).call_and_ladj(x)
        # a transform that does not depend on x has one log-determinant for all rows
        return z, log_det.expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        x, log_det = self.transform(context).inv.call_and_ladj(z)
        return x, -log_det.expand(len(z))
