"""An E(n)-equivariant velocity of identical particles whose Jacobian is cheap.

With r_ij = x_i − x_j, d_ij = |r_ij|, radial functions g_k(d) and A_ij = W g(d_ij) of m channels,

    h_i = Σ_k A_ik,   p_ij = Σ_k A_ik A_jk,
    v_i = Σ_j r_ij φ(g(d_ij), h_i + h_j, (h_i − h_j)², p_ij, t)

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
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from msgen.models.continuous.components import Velocity
from msgen.models.nets.dense_field import silu_slope

REACH = 5.0
"""Distance of the outermost radial function, in units of the data's width."""
TINY = 1e-12
"""Added to squared distances: the direction of no distance is arbitrary, not NaN."""
_TIMES = 6


class PairNet(Velocity):
    """The velocity as a network that can be fitted.

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

    @property
    def _inner(self) -> list[nn.Linear]:
        return [cast(nn.Linear, layer) for layer in self.dense]

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights anew; the velocity begins small."""
        with torch.no_grad():
            for layer in (self.embed, *self.dense, self.last):
                bound = 1 / math.sqrt(layer.in_features) * (0.1 if layer is self.last else 1.0)
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)

    def field(self) -> PairField:
        """The same with its Jacobian."""
        return PairField(self)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """v, shape (n, N·d), of x of that shape at times t (n,) or (1,); there is no context."""
        r, _, g = self._pairs(x)
        pre = self._early(self._seen(g)[0], t)
        for layer in self._inner[1:]:
            pre = layer(functional.silu(pre))
        return self._push(r, self.last(functional.silu(pre)))

    def velocity_and_jacobian(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """v, shape (n, N·d), and ∂v_a/∂x_b, shape (n, N·d, N·d); both differentiable."""
        n, big, small, radial = len(x), self.particles, self.space, len(self.centres)
        r, d, g = self._pairs(x)
        seen, a, h = self._seen(g)
        pre = [self._early(seen, t)]
        for layer in self._inner[1:]:
            pre.append(layer(functional.silu(pre[-1])))
        phi = self.last(functional.silu(pre[-1]))
        slope = self.last.weight.expand(n, r.shape[1], -1)
        for layer, value in zip(reversed(self._inner), reversed(pre), strict=True):
            slope = (slope * silu_slope(value)) @ layer.weight
        slope = slope[..., : radial + 3 * self.features]
        by_g, by_sum, by_gap, by_p = torch.split(slope, [radial, *[self.features] * 3], dim=-1)
        dg = g * (self.centres - d) / self._width**2
        by_gap = 2 * by_gap * (h[:, self.first] - h[:, self.second])
        to_own, to_p = self._square(by_sum + by_gap, by_sum - by_gap), self._square(by_p)
        bend = self._bend(to_own, to_p, a, self._square(dg @ self.embed.weight.T))
        arm, u = self._square(r, -r), self._square(r / d, -r / d).movedim(1, -1)
        lever = arm.movedim(1, 2).flatten(0, 1)
        # what i feels of k by its own b_ijk, and by the b_jik of all others
        own = (lever @ bend.flatten(0, 1)).view(n, big, small, big).movedim(2, 3)
        cross = bend.transpose(1, 2)[..., None] * u[:, None]
        others = (lever @ cross.flatten(3).flatten(0, 1)).view(n, big, small, big, small)
        along = (
            cross.sum(dim=3) - self._square((dg * by_g).sum(-1, keepdim=True))[:, 0, ..., None] * u
        )
        out = (
            arm.permute(0, 2, 3, 1)[..., None] * along[..., None, :]
            - own[..., None] * u[..., None, :]
        )
        out = out - self._square(phi)[:, 0, ..., None, None] * torch.eye(small).to(x)
        out = out.transpose(2, 3) - others
        # nothing changes where all particles move alike
        out.diagonal(dim1=1, dim2=3).sub_(out.sum(dim=3).permute(0, 2, 3, 1))
        return self._push(r, phi), out.reshape(n, big * small, big * small)

    def _bend(self, to_own: Tensor, to_p: Tensor, a: Tensor, a_slope: Tensor) -> Tensor:
        """b_ijk = ∂φ_ij/∂d_ik, through h_i and through the triangle i, j, k; (n, N, N, N)."""
        bend = a.new_zeros(len(a), *[self.particles] * 3)
        for m in range(self.features):
            weight = to_own[:, m, :, :, None] + to_p[:, m, :, :, None] * a[:, m, None]
            bend = torch.addcmul(bend, weight, a_slope[:, m, :, None])
        return bend

    def _pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r_ij, d_ij and g(d_ij) of the pairs i < j, shapes (n, P, d), (n, P, 1), (n, P, K)."""
        x = x.view(len(x), self.particles, self.space)
        r = x[:, self.first] - x[:, self.second]
        d = torch.sqrt((r * r).sum(dim=-1, keepdim=True) + TINY)
        return r, d, torch.exp(-0.5 * ((d - self.centres) / self._width) ** 2)

    def _seen(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What φ sees of the pairs, (n, P, ·), A as squares (n, m, N, N), and h, (n, N, m)."""
        a = self._square(self.embed(g))
        h, p = a.sum(dim=2).transpose(1, 2), a @ a
        one, other = h[:, self.first], h[:, self.second]
        triangle = p[:, :, self.first, self.second].transpose(1, 2)
        return torch.cat([g, one + other, (one - other) ** 2, triangle], dim=-1), a, h

    def _early(self, seen: Tensor, t: Tensor) -> Tensor:
        """The first layer before its nonlinearity; time enters as a shift of all pairs."""
        weight, bias = self._inner[0].weight, self._inner[0].bias
        k = seen.shape[-1]
        shift = times(t) @ weight[:, k:].T + bias
        return seen @ weight[:, :k].T + shift[:, None]

    def _push(self, r: Tensor, phi: Tensor) -> Tensor:
        force = phi * r
        v = force.new_zeros(len(r), self.particles, self.space)
        v = v.index_add(1, self.first, force).index_add(1, self.second, -force)
        return v.flatten(1)

    def _square(self, upper: Tensor, lower: Tensor | None = None) -> Tensor:
        """Values of pairs (n, P, c) at [i, j] and [j, i] of squares (n, c, N, N), 0 at [i, i]."""
        n, _, c = upper.shape
        out = upper.new_zeros(n, c, self.particles, self.particles)
        out[:, :, self.first, self.second] = upper.transpose(1, 2)
        out[:, :, self.second, self.first] = (upper if lower is None else lower).transpose(1, 2)
        return out


class PairField:
    """A `PairNet` at one time for all rows."""

    def __init__(self, net: PairNet) -> None:
        self.net = net

    def embed(self, features: Tensor | None, n: int) -> None:
        """There is no context."""

    def velocity(self, x: Tensor, t: float, context: Tensor | None) -> Tensor:
        """v, shape (n, N·d)."""
        out: Tensor = self.net(x, x.new_tensor([t]))
        return out

    def velocity_and_jacobian(
        self, x: Tensor, t: float, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """v and ∂v_a/∂x_b, shapes (n, N·d) and (n, N·d, N·d)."""
        return self.net.velocity_and_jacobian(x, x.new_tensor([t]))


def times(t: Tensor) -> Tensor:
    """Features of the time, shape (n, 6)."""
    a = math.pi * t
    late = torch.exp(-8 * (1 - t))
    return torch.stack(
        [t, late, torch.sin(a), torch.cos(a), torch.sin(2 * a), torch.cos(2 * a)], dim=-1
    )
