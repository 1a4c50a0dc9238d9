"""Clusters of identical particles: pair potentials, a trap, and a spring on the centre of mass.

A configuration is (x₁₁ … x₁d, x₂₁ …), D = n·d. Without the spring on the centre of mass the density
could not be normalised; with both at stiffness k = kT the D-dimensional density has, along the
centre of mass, the unit Gaussian that models of mean-free coordinates put there.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.potentials.two_dimensional import TorchSystem


class Particles(TorchSystem):
    """U = Σ_{i<j} u(r_ij) + (k_t/2) Σᵢ |xᵢ − x̄|² + (k_c/2) n |x̄|².

    A subclass gives u by `pair` and `torch_pair`. Invariant under permutations of the particles and
    rotations about the origin; all masses are 1.

    Parameters
    ----------
    n_particles, spatial_dim : int
        n and d.
    spacing : float
        Nearest distance of the start, the n points of a cubic lattice closest to its middle.
    trap, spring : float
        k_t and k_c, the stiffness of the trap about the centre of mass x̄ and of that centre's
        spring to the origin.
    kT : float
        Thermal energy.
    """

    def __init__(
        self,
        n_particles: int,
        spatial_dim: int,
        spacing: float,
        trap: float = 0.0,
        spring: float = 1.0,
        kT: float = 1.0,
    ) -> None:
        self.n_particles, self.spatial_dim = n_particles, spatial_dim
        self.trap, self.spring = trap, spring
        self._i, self._j = np.triu_indices(n_particles, k=1)
        # of +1 and −1: forces on pairs to forces on particles, as one matrix product
        pairs = np.arange(len(self._i))
        self._incidence = np.zeros((len(pairs), n_particles))
        self._incidence[pairs, self._i], self._incidence[pairs, self._j] = 1.0, -1.0
        super().__init__(spacing * _lattice(n_particles, spatial_dim), kT)

    def pair(self, r2: Array) -> tuple[Array, Array]:
        """u and (du/dr)/r at squared distances `r2`, each of its shape."""
        raise NotImplementedError

    def torch_pair(self, r2: torch.Tensor) -> torch.Tensor:
        """u at squared distances, differentiable."""
        raise NotImplementedError

    def torch_squared_distances(self, x: torch.Tensor) -> torch.Tensor:
        """r_ij² of all pairs i < j, shape (n, pairs), differentiable."""
        p = x.reshape(x.shape[0], self.n_particles, self.spatial_dim)
        return ((p[:, self._i] - p[:, self._j]) ** 2).sum(-1)

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        p = x.reshape(x.shape[0], self.n_particles, self.spatial_dim)
        u = self.torch_pair(self.torch_squared_distances(x)).sum(-1)
        total = (p**2).sum((1, 2))
        centre = self.n_particles * (p.mean(1) ** 2).sum(-1)
        energy: torch.Tensor = u + 0.5 * self.trap * (total - centre) + 0.5 * self.spring * centre
        return energy

    def _pairs(self, x: Array) -> tuple[Array, Array, Array]:
        """Positions (n, particles, d), and of all pairs r⃗ (n, pairs, d) and r²."""
        p = x.reshape(len(x), self.n_particles, self.spatial_dim)
        v = p[:, self._i] - p[:, self._j]
        return p, v, np.einsum("npd,npd->np", v, v)

    def _confined(self, p: Array, u: Array) -> tuple[Array, Array]:
        """Add trap and spring to energies (n,); also x̄, shape (n, 1, d)."""
        mean = p.mean(1, keepdims=True)
        centre = self.n_particles * np.einsum("nid,nid->n", mean, mean)
        total = np.einsum("nid,nid->n", p, p)
        return u + 0.5 * self.trap * (total - centre) + 0.5 * self.spring * centre, mean

    def value(self, x: Array) -> Array:
        """U, shape (n,)."""
        p, _, r2 = self._pairs(x)
        return self._confined(p, self.pair(r2)[0].sum(1))[0]

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U, shape (n,), and ∇U, shape (n, D)."""
        p, v, r2 = self._pairs(x)
        u, slope = self.pair(r2)
        energy, mean = self._confined(p, u.sum(1))
        g = self._incidence.T @ (v * slope[..., None])
        g += self.trap * (p - mean) + self.spring * mean
        return energy, g.reshape(len(x), -1)


class DoubleWellCluster(Particles):
    """Particles in double wells of their distances, u(r) = a(r − d₀) + b(r − d₀)² + c(r − d₀)⁴.

    With four particles in the plane DW4, kT being the τ of J. Köhler, L. Klein and F. Noé, ICML
    2020, arXiv 2006.02425: each of the six pairs is short (2.5) or long (5.5).

    Parameters
    ----------
    a, b, c, d0 : float
        Of u.
    n_particles, spatial_dim, trap, spring, kT
        See `Particles`; the trap is off by default.
    """

    def __init__(
        self,
        n_particles: int = 4,
        spatial_dim: int = 2,
        a: float = 0.0,
        b: float = -4.0,
        c: float = 0.9,
        d0: float = 4.0,
        trap: float = 0.0,
        spring: float = 1.0,
        kT: float = 1.0,
    ) -> None:
        self.a, self.b, self.c, self.d0 = a, b, c, d0
        super().__init__(n_particles, spatial_dim, 0.75 * d0, trap, spring, kT)

    def pair(self, r2: Array) -> tuple[Array, Array]:
        """u and (du/dr)/r."""
        r = np.sqrt(r2)
        d = r - self.d0
        u = d * (self.a + d * (self.b + self.c * d * d))
        slope = self.a + d * (2.0 * self.b + 4.0 * self.c * d * d)
        # particles that coincide have no direction to be pushed in
        return u, np.divide(slope, r, out=np.zeros_like(r), where=r != 0)

    def torch_pair(self, r2: torch.Tensor) -> torch.Tensor:
        """u."""
        d = torch.sqrt(r2) - self.d0
        return self.a * d + self.b * d**2 + self.c * d**4


class LennardJonesCluster(Particles):
    """Particles with u(r) = ε[(r_m/r)¹² − 2(r_m/r)⁶] in a harmonic trap about their centre.

    With 13 particles in space LJ13, at kT = ε = r_m = k_t = 1 as J. Köhler, L. Klein and F. Noé,
    ICML 2020, arXiv 2006.02425, have it. The core is as hard as it is: energies beyond the range of
    float64 are inf, so that no model is spared the tail.

    Parameters
    ----------
    eps, rm : float
        ε, the depth, and r_m, the distance of the minimum.
    n_particles, spatial_dim, trap, spring, kT
        See `Particles`.
    """

    def __init__(
        self,
        n_particles: int = 13,
        spatial_dim: int = 3,
        eps: float = 1.0,
        rm: float = 1.0,
        trap: float = 1.0,
        spring: float = 1.0,
        kT: float = 1.0,
    ) -> None:
        self.eps, self.rm = eps, rm
        super().__init__(n_particles, spatial_dim, 1.02 * rm, trap, spring, kT)

    def pair(self, r2: Array) -> tuple[Array, Array]:
        """u and (du/dr)/r."""
        s = self.rm * self.rm / r2
        s6 = s * s * s
        # s6 (s6 − 2), not s6² − 2 s6: inf − inf would be NaN where particles all but coincide
        return self.eps * s6 * (s6 - 2.0), 12.0 * self.eps * s6 * (1.0 - s6) / r2

    def torch_pair(self, r2: torch.Tensor) -> torch.Tensor:
        """u."""
        s6 = (self.rm * self.rm / r2) ** 3
        return self.eps * s6 * (s6 - 2.0)


def _lattice(n: int, d: int) -> Array:
    """The n points of a cubic lattice closest to its middle, shape (n, d), their mean at 0."""
    side = int(np.ceil(n ** (1.0 / d))) + 2
    points = np.array(list(itertools.product(range(side), repeat=d)), dtype=np.float64)
    # a middle on a lattice point for odd n, between points for even
    middle = (side - 1) // 2 + (0.0 if n % 2 else 0.5)
    near = np.argsort(((points - middle) ** 2).sum(1), kind="stable")[:n]
    chosen = points[near]
    return np.asarray(chosen - chosen.mean(0))
