"""Systems whose free energy along a CV is known, and every scheme of exactly moved CVs for them."""

from __future__ import annotations

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate, Distance, PythonCV

N = 3000
A, B = (1.0, 2.0), (2.0, 3.2)
"""The two states along the CV."""


def well(s: Array) -> tuple[Array, Array]:
    """A double well with a barrier of 3 kT at 2, and its slope."""
    d = (s - 2.1) / 0.75
    return 3.0 * (1 - d * d) ** 2, -12.0 * (1 - d * d) * d / 0.75


class Base:
    """What both test systems share: kT = 1, masses and stiffness 2 (1 + s²) of what follows s."""

    kT, deterministic = 1.0, True

    def __init__(self, masses: Array) -> None:
        self.masses, self.n_dof = masses, len(masses)

    @staticmethod
    def stiffness(s: Array) -> tuple[Array, Array]:
        return 2.0 * (1 + s * s), 4.0 * s

    def initial(self) -> Walkers:
        return Walkers(np.ones((1, self.n_dof)))

    def energy(self, walkers: Walkers) -> Array:
        return self.energy_and_force(walkers)[0]

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        raise NotImplementedError

    def draw_s(self, state: tuple[float, float], rng: np.random.Generator, n: int) -> Array:
        s, density = self.curve(state)
        cdf = np.cumsum(density)
        return np.interp(rng.random(n), cdf / cdf[-1], s)

    def log_mass(self, state: tuple[float, float]) -> float:
        s, density = self.curve(state)
        return float(np.log(density.mean() * (s[-1] - s[0])))

    def curve(self, state: tuple[float, float]) -> tuple[Array, Array]:
        s = np.linspace(*state, 20_001)
        return s, np.exp(-well(s)[0]) * self.entropy(s)

    def entropy(self, s: Array) -> Array:
        raise NotImplementedError


class Line(Base):
    """U = u(x₀) + k(x₀) Σ (x_i − sin(2x₀)/3)²/2: F(x₀) = u + ln k for two followers."""

    cvs = CVSet((Coordinate("s", 0),))

    def __init__(self) -> None:
        super().__init__(np.array([1.0, 1.0, 2.5]))

    def entropy(self, s: Array) -> Array:
        return 1.0 / self.stiffness(s)[0]

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        x = walkers.positions
        s, d = x[:, 0], x[:, 1:] - np.sin(2 * x[:, :1]) / 3
        (u, du), (k, dk) = well(s), self.stiffness(s)
        r2 = (d * d).sum(1)
        ds = du + 0.5 * dk * r2 - 2 / 3 * k * np.cos(2 * s) * d.sum(1)
        return u + 0.5 * k * r2, -np.column_stack([ds, k[:, None] * d])

    def followers(self, x: Array) -> Array:
        d = x[:, 1:] - np.sin(2 * x[:, :1]) / 3
        return 0.5 * self.stiffness(x[:, 0])[0] * (d * d).sum(1)

    def draw(self, state: tuple[float, float], rng: np.random.Generator, n: int = N) -> Array:
        s = self.draw_s(state, rng, n)
        spread = 1 / np.sqrt(self.stiffness(s)[0])
        y = np.sin(2 * s)[:, None] / 3 + spread[:, None] * rng.standard_normal((n, 2))
        return np.column_stack([s, y])


class Trio(Base):
    """Two particles at a distance r with well u(r), a third one held to their middle by k(r).

    F(r) = u(r) − 2 ln r + 3/2 ln k(r) in space; unequal masses.
    """

    cvs = CVSet((Distance("r", (0, 1)),))

    def __init__(self) -> None:
        super().__init__(np.repeat([1.0, 3.0, 2.0], 3))

    def entropy(self, s: Array) -> Array:
        return s**2 * self.stiffness(s)[0] ** -1.5

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        a, b, c = walkers.positions.reshape(-1, 3, 3).swapaxes(0, 1)
        r = np.linalg.norm(b - a, axis=1)
        e, d, m = (b - a) / r[:, None], c - (a + b) / 2, (a + b) / 2
        (u, du), (k, dk) = well(r), self.stiffness(r)
        r2 = (d * d).sum(1)
        pull = (du + 0.5 * dk * r2)[:, None] * e
        kd, mid = k[:, None] * d, 0.5 * m
        force = [pull + kd / 2 - mid, -pull + kd / 2 - mid, -kd]
        return u + 0.5 * k * r2 + 0.5 * (m * m).sum(1), np.concatenate(force, axis=1)

    def followers(self, x: Array) -> Array:
        d = x[:, 6:] - (x[:, :3] + x[:, 3:6]) / 2
        return 0.5 * self.stiffness(self.cvs(x)[:, 0])[0] * (d * d).sum(1)

    def draw(self, state: tuple[float, float], rng: np.random.Generator, n: int = N) -> Array:
        r = self.draw_s(state, rng, n)
        e = rng.standard_normal((n, 3))
        e *= (r / np.linalg.norm(e, axis=1))[:, None] / 2
        m = rng.standard_normal((n, 3))
        z = rng.standard_normal((n, 3)) / np.sqrt(self.stiffness(r)[0])[:, None]
        return np.column_stack([m - e, m + e, m + z])


class Squared(Line):
    """The same with the CV ξ = x₀², whose gradient is not constant."""

    cvs = CVSet((PythonCV("s2", lambda x: x[:, 0] ** 2),))


SYSTEMS = {"line": Line(), "trio": Trio(), "squared": Squared()}
BASIC = Schedule(
    g=Conditional(np.ones(1), np.zeros(1, dtype=bool)),
    dt=0.12,
    steps_per_unit=0.0,
    scale=np.ones(1),
    friction=3.0,
    refresh=2,
    min_steps=12,
    scheme="moving",
)
VARIANTS = {
    "moving": {"scheme": "moving"},
    "moving, inertial, one speed": {"scheme": "moving", "friction": 0.0, "smooth": 0.0},
    "moving, overdamped": {"scheme": "moving", "overdamped": True},
    "symmetric": {"scheme": "symmetric"},
    "symmetric, metropolised": {"scheme": "symmetric", "metropolised": True, "stride": 2},
    "coin_flip": {"scheme": "coin_flip", "overdamped": True},
    "coin_flip, metropolised": {"scheme": "coin_flip", "metropolised": True},
    "asymmetric": {"scheme": "asymmetric"},
    "asymmetric, overdamped": {"scheme": "asymmetric", "overdamped": True},
}
CASES = [
    (name, variant)
    for name in ("line", "trio")
    for variant in VARIANTS
    # asymmetric paths are for linear CVs
    if name == "line" or not variant.startswith("asymmetric")
]
