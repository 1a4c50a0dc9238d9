"""What a flow is made of: a map of standardised variables to those of the base, and back."""

from __future__ import annotations

from torch import Tensor, nn


class Bijection(nn.Module):
    """z = f(x; c), with its inverse and both log-determinants."""

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        raise NotImplementedError

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        raise NotImplementedError
