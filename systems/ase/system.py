"""A cluster or a molecule in vacuum whose energy a calculator of ASE's gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from msgen.systems.ase.units import FORCE, KJ_PER_MOL, NM
from msgen.systems.base import Array, Walkers
from msgen.systems.constants import GAS_CONSTANT
from msgen.systems.errors import SpecError
from msgen.systems.kinds import Field
from msgen.systems.pause import pause

WALL = 1.0e4
"""Stiffness of the wall of a confined cluster, kJ/(mol nm²)."""
BESIDE = 0.01
"""nm by which atoms are moved to see whether a calculator remembers what it did before."""


class ASESystem:
    """U(x) = E(x) − E(start) + ½ k Σᵢ (|xᵢ − x̄| − R)₊².

    E is what the calculator gives, one calculation with forces for one configuration, each begun
    anew. One that fails, whatever it raises, has the energy NaN: proposals that meet it are
    refused, and counted. E is the free energy of the electrons where the calculator tells one, as
    its gradient are the forces. x̄ is the centre of geometry; without R there is no wall.

    Parameters
    ----------
    atoms : ase.Atoms
        The start, with its calculator.
    topology : mdtraj.Topology
    temperature, timestep, friction : float
        K, ps, 1/ps.
    confine : float, optional
        R, nm.
    calculator : str
        What it is called, for the description.

    Attributes
    ----------
    failures : int
        Calculations that have failed.
    timestep, friction : float
        Where dynamics, and the tuning of steps, begin.

    Raises
    ------
    SpecError
        If the calculation of the start fails.
    """

    def __init__(
        self,
        atoms: Any,
        topology: Any,
        temperature: float,
        timestep: float,
        friction: float,
        confine: float | None = None,
        calculator: str = "",
    ) -> None:
        self._atoms, self._topology = atoms, topology
        self.temperature, self.timestep, self.friction = temperature, timestep, friction
        self.confine, self.calculator = confine, calculator
        self.failures = 0
        self._start = NM * np.array(atoms.get_positions(), dtype=np.float64).reshape(-1)
        self._masses = np.repeat(np.array(atoms.get_masses(), dtype=np.float64), 3)
        self._energy_of = _consistent_energy(atoms)
        self._reference = 0.0
        try:
            self._reference = self._calculated(self._start)[0]
        except Exception as error:  # calculators raise anything
            raise _of_start(calculator, f"{type(error).__name__}: {error}") from error
        if not np.isfinite(self._reference):
            raise _of_start(calculator, f"its energy is {self._reference}")

    @property
    def n_dof(self) -> int:
        """3N."""
        return self._start.size

    @property
    def kT(self) -> float:
        """kJ/mol."""
        return GAS_CONSTANT * self.temperature

    @property
    def masses(self) -> Array:
        """Of every degree of freedom, shape (3N,), g/mol."""
        return self._masses

    @cached_property
    def deterministic(self) -> bool:
        """Whether the start has the same energy and forces, bit for bit, after another one."""
        beside = self._start + BESIDE * np.random.default_rng(0).standard_normal(self.n_dof)
        u, f = self.energy_and_force(Walkers(np.array([self._start, beside, self._start])))
        return bool(u[0] == u[2] and np.array_equal(f[0], f[2]))

    @property
    def topology(self) -> Any:
        """The mdtraj.Topology."""
        return self._topology

    @property
    def constraints(self) -> None:
        """None: no bond is held."""
        return None

    @property
    def engine(self) -> str:
        """'batched': our own kernels propagate it."""
        return "batched"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Elements, in the atoms' order."""
        return tuple(self._atoms.get_chemical_symbols())

    def initial(self) -> Walkers:
        """The start, n = 1."""
        return Walkers(self._start[None].copy())

    def energy(self, walkers: Walkers) -> Array:
        """U(x), kJ/mol, shape (n,); NaN where the calculation fails."""
        return self.energy_and_force(walkers)[0]

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        """U(x), kJ/mol, shape (n,), and −∇U(x), kJ/(mol nm), shape (n, 3N)."""
        x = np.asarray(walkers.positions, dtype=np.float64)
        u, f = np.full(len(x), np.nan), np.full(x.shape, np.nan)
        for i, one in enumerate(x):
            if np.isfinite(one).all():
                self._one(one, u[i : i + 1], f[i])
            pause()
        if self.confine is not None:
            wall, push = _wall(x, self.confine)
            u, f = u + wall, f + push
        return u, f

    def _one(self, x: Array, u: Array, f: Array) -> None:
        try:
            energy, force = self._calculated(x)
        except Exception:  # whatever it was, this configuration has no energy
            self.failures += 1
            return
        u[:], f[:] = energy - self._reference, force

    def _calculated(self, x: Array) -> tuple[float, Array]:
        """E, kJ/mol, and forces of one configuration, from a fresh start."""
        self._atoms.calc.reset()
        self._atoms.set_positions(x.reshape(-1, 3) / NM)
        # forces first: who computes what it is asked for has the energy then too
        force = FORCE * np.array(self._atoms.get_forces(), dtype=np.float64).reshape(-1)
        return KJ_PER_MOL * float(self._energy_of(self._atoms)), force


def _of_start(calculator: str, why: str) -> SpecError:
    field: Field = ("system", "calculator")
    remedy = "Check the structure, and the arguments of the calculator"
    return SpecError(field, calculator, f"cannot calculate the start ({why})", remedy)


def _consistent_energy(atoms: Any) -> Callable[[Any], Any]:
    """The energy whose gradient the forces are, as far as the calculator tells one."""
    if "free_energy" in getattr(atoms.calc, "implemented_properties", ()):
        return lambda a: a.get_potential_energy(force_consistent=True)
    return lambda a: a.get_potential_energy()


def _wall(x: Array, radius: float) -> tuple[Array, Array]:
    """Energy of the wall, shape (n,), and its forces, shape (n, 3N)."""
    p = x.reshape(len(x), -1, 3)
    d = p - p.mean(axis=1, keepdims=True)
    r = np.linalg.norm(d, axis=2)
    out = np.maximum(r - radius, 0.0)
    pull = np.divide(-WALL * out, r, out=np.zeros_like(r), where=r > 0)[..., None] * d
    # the centre moves with the atoms
    force = pull - pull.mean(axis=1, keepdims=True)
    return 0.5 * WALL * (out**2).sum(axis=1), force.reshape(x.shape)
