"""An E(n)-equivariant velocity of identical particles whose Jacobian is cheap.

With r_ij = x_i − x_j, d_ij = |r_ij|, radial functions g_k(d) and A_ij = W g(d_ij) of m channels,

    h_i = Σ_k A_ik,   p_ij = Σ_k A_ik A_jk,   v_i = Σ_j r_ij φ(g(d_ij), h_i + h_j, (h_i − h_j)², p_ij, t)

with φ a dense network of one output for each unordered pair. v commutes with rotations, reflections
and permutations, does not see translations, and Σ_i v_i = 0: the centre of mass does not move.
This is the update of the coordinates of Satorras, Hoogeboom and Welling, E(n) equivariant graph
neural networks (2021), eq. 4, made symmetric in i and j, after one layer of messages that tells
triangles apart; with W = 0 it is the radial flow of Köhler, Klein and Noé (2020).
φ is one number for each pair: a single pass backwards through the network gives every derivative
that ∂v/∂x is made of.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

REACH = 5.0
"""Distance of the outermost radial function, in units of the data's width."""
TINY = 1e-12
"""Added to squared distances: the direction of no distance is arbitrary, not NaN."""
_TIMES = 6


class PairNet(nn.Module):
    """The velocity as a torch module.

    Parameters
    ----------
    particles, space : int
        N and d; configurations are rows of N·d coordinates, those of a particle together.
    layers, hidden : int
        Hidden layers of φ and their width.
    radial, features : int
        Radial functions, and channels of A.
    """

    first: Tensor
    second: Tensor
    centres: Tensor

    def __init__(
        self,
        particles: int,
        space: int,
        layers: int,
        hidden: int,
        radial: int = 24,
        features: int = 8,
    ) -> None:
        super().__init__()
        self.particles, self.space, self.features = particles, space, features
        first, second = torch.triu_indices(particles, particles, 1)
        centres = torch.linspace(0, REACH, radial)
        for name, value in (("first", first), ("second", second), ("centres", centres)):
            self.register_buffer(name, value, persistent=False)
        self._width = REACH / (radial - 1)
        self.embed = nn.Linear(radial, features, bias=False)
        widths = (radial + 3 * features + _TIMES, *[hidden] * layers)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(hidden, 1)

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights anew; the velocity begins small."""
        with torch.no_grad():
            for layer in (self.embed, *self.dense, self.last):
                bound = 1 / math.sqrt(layer.in_features) * (0.1 if layer is self.last else 1.0)
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t), shape (n, N·d), for x of that shape and t of shape (n,) or (1,)."""
        r, _, g = self._pairs(x)
        pre = self._early(self._seen(g)[0], t)
        for layer in self.dense[1:]:
            pre = layer(functional.silu(pre))
        return self._push(r, self.last(functional.silu(pre)))

    def velocity_and_jacobian(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """v, shape (n, N·d), and ∂v_a/∂x_b, shape (n, N·d, N·d)."""
        n, big, small, radial = len(x), self.particles, self.space, len(self.centres)
        r, d, g = self._pairs(x)
        seen, a, h = self._seen(g)
        pre = [self._early(seen, t)]
        for layer in self.dense[1:]:
            pre.append(layer(functional.silu(pre[-1])))
        phi = self.last(functional.silu(pre[-1]))
        slope = self.last.weight.expand(n, r.shape[1], -1)
        for layer, value in zip(reversed(self.dense), reversed(pre), strict=True):
            slope = (slope * silu_slope(value)) @ layer.weight
        by_g, by_sum, by_gap, by_p = slope[..., : radial + 3 * self.features].split(
            [radial, *[self.features] * 3], dim=-1
        )
        dg = g * (self.centres - d) / self._width**2
        by_gap = 2 * by_gap * (h[:, self.first] - h[:, self.second])
        # ∂φ_ij/∂d_ik at [i, j, k]: through h_i, and through the triangle i, j, k
        to_own = self._square(by_sum + by_gap, by_sum - by_gap)
        slope_a = self._square(dg @ self.embed.weight.T)
        weight = to_own[:, :, :, None] + self._square(by_p)[:, :, :, None] * a[:, None]
        bend = (weight * slope_a[:, :, None]).sum(dim=-1)
        u = self._square(r / d, -r / d)
        bend = bend[..., None] * u[:, :, None]
        by_d = self._square((dg * by_g).sum(dim=-1, keepdim=True))
        # dφ_ij/dx_k at [i, j, k]: the half in which i moves against k, then the other
        half = -bend
        half.diagonal(dim1=1, dim2=3).add_((bend.sum(dim=3) + by_d * u).permute(0, 2, 3, 1))
        dphi = (half + half.transpose(1, 2)).flatten(3)
        out = self._square(r, -r).flatten(0, 1).transpose(1, 2) @ dphi.flatten(0, 1)
        out = out.view(n, big, small, big, small)
        square = self._square(phi)[..., 0]
        along = out.diagonal(dim1=2, dim2=4)
        along.sub_(square[..., None])
        along.diagonal(dim1=1, dim2=2).add_(square.sum(dim=2)[:, None])
        return self._push(r, phi), out.reshape(n, big * small, big * small)

    def _pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r_ij, d_ij and g(d_ij) of the pairs i < j, shapes (n, P, d), (n, P, 1), (n, P, K)."""
        x = x.view(len(x), self.particles, self.space)
        r = x[:, self.first] - x[:, self.second]
        d = torch.sqrt((r * r).sum(dim=-1, keepdim=True) + TINY)
        return r, d, torch.exp(-0.5 * ((d - self.centres) / self._width) ** 2)

    def _seen(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What φ sees of the pairs, (n, P, ·), A as squares (n, N, N, m), and h, (n, N, m)."""
        a = self._square(self.embed(g))
        h = a.sum(dim=2)
        channels = a.movedim(-1, 1)
        p = (channels @ channels)[:, :, self.first, self.second].transpose(1, 2)
        one, other = h[:, self.first], h[:, self.second]
        return torch.cat([g, one + other, (one - other) ** 2, p], dim=-1), a, h

    def _early(self, seen: Tensor, t: Tensor) -> Tensor:
        """The first layer before its nonlinearity; time enters as a shift of all pairs."""
        weight, bias = self.dense[0].weight, self.dense[0].bias
        k = seen.shape[-1]
        shift = times(t) @ weight[:, k:].T + bias
        return seen @ weight[:, :k].T + shift[:, None]

    def _push(self, r: Tensor, phi: Tensor) -> Tensor:
        force = phi * r
        v = force.new_zeros(len(r), self.particles, self.space)
        v = v.index_add(1, self.first, force).index_add(1, self.second, -force)
        return v.flatten(1)

    def _square(self, upper: Tensor, lower: Tensor | None = None) -> Tensor:
        """Values of pairs (n, P, …) at [i, j] and [j, i] of a square (n, N, N, …), 0 at [i, i]."""
        n, big = len(upper), self.particles
        out = upper.new_zeros(n, big, big, *upper.shape[2:])
        out[:, self.first, self.second] = upper
        out[:, self.second, self.first] = upper if lower is None else lower
        return out


def times(t: Tensor) -> Tensor:
    """Features of the time, shape (n, 6)."""
    a = math.pi * t
    late = torch.exp(-8 * (1 - t))
    return torch.stack(
        [t, late, torch.sin(a), torch.cos(a), torch.sin(2 * a), torch.cos(2 * a)], dim=-1
    )


def silu_slope(pre: Tensor) -> Tensor:
    """Derivative of SiLU."""
    gate = torch.sigmoid(pre)
    return gate * (1 + pre * (1 - gate))
