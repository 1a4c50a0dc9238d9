"""A chain of atoms from its internal coordinates, and the density that this placing has.

Atom k of the chain is placed from its predecessors, which makes the volume of configurations that
belongs to a volume of internal coordinates a product with one factor for each atom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Kind = Literal["distances", "torsions"]
KINDS: tuple[Kind, ...] = ("torsions", "distances")


@dataclass(frozen=True)
class Placement:
    r"""Shapes of n ≥ 3 atoms in space as 3n − 6 internal coordinates y.

    In this order: the n − 1 distances d(k−1, k), the n − 2 distances d(k−2, k), and of the n − 3
    atoms from the fourth on either the distance d(k−3, k) or the torsion of the four atoms that end
    with it. With the middle of the atoms in its place and the orientation uniform, the density
    of positions is

    .. math:: q(x) = \frac{q(y)}{8π^2\, d_{01} d_{12} d_{02}} \prod_{k≥3} J_k

    (the first atom's partner: d²·4π; its second neighbour: r s/d · 2π, in bipolar coordinates),

    - distances: J_k = ½ |det(u₁, u₂, u₃)|, u the unit vectors from the three predecessors, which is
      ∂(distances)/∂x; atom k lies on either side of their plane with probability ½;
    - torsions: J_k = d(k−2, k−1)/(d(k−1, k) d(k−2, k)), from the same bipolar coordinates.

    Parameters
    ----------
    n : int
        Atoms.
    kind : 'distances' or 'torsions'
        The former leave the side of each atom open, 2ⁿ⁻³ configurations of the same distances.

    Raises
    ------
    ValueError
        For fewer than three atoms, or a kind that is not known.
    """

    n: int
    kind: Kind = "torsions"

    def __post_init__(self) -> None:
        if self.n < 3 or self.kind not in KINDS:
            raise ValueError(f"no placement of {self.n} atoms by {self.kind}")

    @property
    def dim(self) -> int:
        """3n − 6."""
        return 3 * self.n - 6

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Torsions are angles in [−π, π)."""
        angles = self.kind == "torsions"
        return (False,) * (2 * self.n - 3) + (angles,) * (self.n - 3)

    def encode(self, x: Array) -> Array:
        """Positions (m, n, 3) → y, shape (m, dim)."""
        one, two = (np.linalg.norm(x[:, k:] - x[:, :-k], axis=2) for k in (1, 2))
        if self.kind == "distances":
            last = np.linalg.norm(x[:, 3:] - x[:, :-3], axis=2)
        else:
            a, b, c = x[:, 1:-2] - x[:, :-3], x[:, 2:-1] - x[:, 1:-2], x[:, 3:] - x[:, 2:-1]
            p, q = np.cross(a, b), np.cross(b, c)
            sine = np.einsum("mki,mki->mk", a, q) * np.linalg.norm(b, axis=2)
            last = np.arctan2(sine, np.einsum("mki,mki->mk", p, q))
        return np.concatenate([one, two, last], axis=1)

    def draw_sides(self, m: int, rng: np.random.Generator) -> Array:
        """The side, ±1, of every atom from the fourth on, shape (m, n − 3); torsions need none."""
        return rng.choice([-1.0, 1.0], (m, self.n - 3))

    def place(self, y: Array, sides: Array) -> Array:
        """Positions (m, n, 3) of y, the first atom at 0; NaN where no atoms have such y.

        Parameters
        ----------
        y : Array, shape (m, dim)
        sides : Array, shape (m, n − 3)
            As `draw_sides` gives them.
        """
        one, two, last = self._parts(y)
        x = np.zeros((len(y), self.n, 3))
        with np.errstate(invalid="ignore", divide="ignore"):
            x[:, 1, 2] = one[:, 0]
            # atom 2: at `along` the bond, `away` from it
            along, away = _foot(one[:, 0], two[:, 0], one[:, 1])
            x[:, 2, 2], x[:, 2, 0] = along, away
            for k in range(3, self.n):
                base, b, c = x[:, k - 3], x[:, k - 2], x[:, k - 1]
                if self.kind == "torsions":
                    reach = _foot(one[:, k - 2], two[:, k - 2], one[:, k - 1])
                    x[:, k] = _turned(base, b, c, reach, last[:, k - 3])
                else:
                    radii = (last[:, k - 3], two[:, k - 2], one[:, k - 1])
                    x[:, k] = _trilaterated(base, b, c, radii, sides[:, k - 3])
        x[~(self.sound(y) & np.isfinite(x).all(axis=(1, 2)))] = np.nan
        return x

    def sound(self, y: Array) -> NDArray[np.bool_]:
        """Whether atoms with such y exist, shape (m,): positive distances, no triangle broken."""
        volume = self.log_volume(y)
        return np.asarray(np.isfinite(volume))

    def log_volume(self, y: Array) -> Array:
        """ln |∂x/∂y| of positions about a fixed middle, shape (m,); −inf where no atoms have y.

        The orientations (8π²) and the sides are counted in, so that ln q(x) = ln q(y) − log_volume.
        """
        y = np.asarray(y, dtype=np.float64)
        one, two, last = self._parts(y)
        possible = np.isfinite(y).all(axis=1) & (y[:, : 2 * self.n - 3] > 0).all(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            # twice the area of each triangle of three in a row, squared
            area2 = (
                4 * one[:, :-1] ** 2 * one[:, 1:] ** 2
                - (one[:, :-1] ** 2 + one[:, 1:] ** 2 - two**2) ** 2
            )
            possible &= (area2 > 0).all(axis=1)
            value = np.log(8 * np.pi**2 * one[:, 0] * one[:, 1] * two[:, 0])
            for k in range(3, self.n):
                r, s, d = one[:, k - 1], two[:, k - 2], one[:, k - 2]
                if self.kind == "torsions":
                    value += np.log(r * s / d)
                else:
                    t = last[:, k - 3]
                    six = _six_volumes(one[:, k - 3], two[:, k - 3], d, t, s, r)
                    possible &= (t > 0) & (six > 0)
                    value += np.log(2 * r * s * t / six)
        return np.where(possible, value, -np.inf)

    def _parts(self, y: Array) -> tuple[Array, Array, Array]:
        n = self.n
        return y[:, : n - 1], y[:, n - 1 : 2 * n - 3], y[:, 2 * n - 3 :]


def _foot(d: Array, s: Array, r: Array) -> tuple[Array, Array]:
    """Of a point at s from the first and r from the second of two points at distance d.

    How far along the line from the first to the second it stands, and how far from that line.
    """
    along = (d * d + s * s - r * r) / (2 * d)
    return along, np.sqrt(s * s - along * along)


def _unit(v: Array) -> Array:
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))


def _turned(a: Array, b: Array, c: Array, reach: tuple[Array, Array], torsion: Array) -> Array:
    """The fourth atom at `reach` along b → c and from that line, by its torsion."""
    axis = _unit(c - b)
    side = _unit(np.cross(b - a, axis))
    flat = np.cross(side, axis)
    along, away = (v[:, None] for v in reach)
    turn = torsion[:, None]
    return np.asarray(b + along * axis + away * (np.cos(turn) * flat + np.sin(turn) * side))


def _trilaterated(a: Array, b: Array, c: Array, radii: tuple[Array, ...], side: Array) -> Array:
    """The point at `radii` from a, b and c, on this side of their plane; NaN if there is none."""
    ra, rb, rc = radii
    d = np.linalg.norm(b - a, axis=1)
    ex = (b - a) / d[:, None]
    i = np.einsum("mi,mi->m", ex, c - a)
    ey = _unit(c - a - i[:, None] * ex)
    j = np.einsum("mi,mi->m", ey, c - a)
    x = (ra**2 - rb**2 + d**2) / (2 * d)
    y = (ra**2 - rc**2 + i**2 + j**2 - 2 * i * x) / (2 * j)
    z = side * np.sqrt(ra**2 - x**2 - y**2)
    return np.asarray(a + x[:, None] * ex + y[:, None] * ey + z[:, None] * np.cross(ex, ey))


def _six_volumes(ab: Array, ac: Array, bc: Array, a: Array, b: Array, c: Array) -> Array:
    """Six times the volume of the tetrahedron with these edges; NaN where there is none.

    ab, ac, bc are the edges of the base, a, b and c those to its apex. With ra, rb, rc the edges
    from c it is √det of their Gram matrix (the Cayley–Menger determinant).
    """
    p, q = (ac**2 + bc**2 - ab**2) / 2, (ac**2 + c**2 - a**2) / 2
    r = (bc**2 + c**2 - b**2) / 2
    x, y, z = ac**2, bc**2, c**2
    return np.asarray(np.sqrt(x * (y * z - r * r) - p * (p * z - q * r) + q * (p * r - q * y)))
