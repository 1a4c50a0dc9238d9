"""Coordinates of potentials that repeat, or that nothing confines, are known as such."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from coverage_cases.chains import problem as of_one
from torch import Tensor

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.step_size import HMC_ACCEPTANCE, StepSize
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.strategies.common.step_size import PRIOR, LocalMoves
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate, PythonCV
from msgen.systems.potentials.python import PythonSystem, TorchPotential
from msgen.systems.unbounded_coordinates import Unbounded, unbounded
from msgen.systems.watched import watched

L = 3.7


def potential(wall: float = 0.0, start: tuple[float, float] = (0.4, -0.2)) -> PythonSystem:
    """Two wells a period along x, unless there is a wall, and a valley in y."""

    def energy(q: Tensor) -> Tensor:
        turn = 2.0 * math.pi * q[:, 0] / L
        lattice = -2.5 * torch.cos(2.0 * turn) - 0.5 * torch.cos(turn)
        return lattice + 0.5 * q[:, 1] ** 2 + wall * q[:, 0] ** 2

    return PythonSystem(TorchPotential(energy, start=list(start)))


def phase(turns: float = 1.0, of_y: float = 0.0) -> CVSet:
    def turn(q: Tensor) -> Tensor:
        return 2.0 * math.pi * turns * q[:, 0] / L + of_y * q[:, 1]

    return CVSet((PythonCV("phase", turn, periodic=True, unit="rad"),))


Y = CVSet((Coordinate("y", 1),))


def test_a_period_is_that_of_the_energy_and_of_all_cvs() -> None:
    found = unbounded(potential(), phase())
    assert found.periods == pytest.approx([L, np.inf], rel=1e-12)
    assert found.seen.tolist() == [True, False]
    # two turns of the CV are one of the energy: it does not tell all of x
    twice = unbounded(potential(), phase(2.0))
    assert twice.periods == pytest.approx([L, np.inf], rel=1e-12)
    assert not twice.seen.any()
    # nor does one in which y has a part
    both = unbounded(potential(), phase(1.0, 0.3))
    assert both.periods == pytest.approx([L, np.inf], rel=1e-12)
    assert not both.seen.any()


@pytest.mark.parametrize("cvs", [phase(), Y])
def test_what_is_confined_neither_repeats_nor_is_free(cvs: CVSet) -> None:
    """Weakly: ± 700 at kT = 1."""
    found = unbounded(potential(wall=1e-6), cvs)
    assert np.isinf(found.periods).all()
    assert not found.free.any()


def test_a_phase_of_another_period_is_none() -> None:
    assert unbounded(potential(), phase(1.1)).periods[0] == pytest.approx(10 * L)  # 11 turns
    found = unbounded(potential(), phase(math.sqrt(2.0)))
    assert np.isinf(found.periods).all()
    assert found.free.tolist() == [True, False]


@pytest.mark.parametrize("period", [0.8, 3.7, 61.0])
def test_a_period_that_no_cv_knows(period: float) -> None:
    """Nor is a place of the same force and another energy taken for one."""

    def energy(q: Tensor) -> Tensor:
        turn = 2.0 * math.pi * q[:, 0] / period
        return 2.0 * torch.cos(2.0 * turn) + 0.7 * torch.sin(turn) + 0.5 * q[:, 1] ** 2

    found = unbounded(PythonSystem(TorchPotential(energy, start=[0.0, 0.0])), Y)
    assert found.periods == pytest.approx([period, np.inf], rel=1e-9)
    assert not found.free.any()


def test_what_goes_on_evenly_is_free() -> None:
    def energy(q: Tensor) -> Tensor:
        return 0.5 * (q[:, 1] - torch.tanh(q[:, 0])) ** 2

    made = PythonSystem(TorchPotential(energy, start=[0.0, 0.0]))
    assert unbounded(made, Y).free.tolist() == [True, False]
    assert watched(made, Y).left_out == ("x",)
    assert watched(made, Y).names == ("energy",)


@pytest.mark.parametrize("edge", [np.inf, np.nan])
def test_walls_of_no_finite_energy_confine(edge: float) -> None:
    def energy(q: Tensor) -> Tensor:
        return torch.where(q[:, 0].abs() < 2.0, 0.0, edge) + 0.5 * q[:, 1] ** 2

    assert not unbounded(PythonSystem(TorchPotential(energy, start=[0.0, 0.0])), Y).free.any()


def test_one_side_without_a_wall_is_enough() -> None:
    def energy(q: Tensor) -> Tensor:
        return torch.relu(-q[:, 0]) ** 2 + 0.5 * q[:, 1] ** 2

    assert unbounded(PythonSystem(TorchPotential(energy, start=[0.0, 0.0])), Y).free.tolist() == [
        True,
        False,
    ]


def names_of(cvs: CVSet) -> tuple[tuple[str, ...], tuple[bool, ...], tuple[str, ...]]:
    made = watched(potential(), cvs)
    return made.names, tuple(made.periodic.tolist()), made.left_out


def test_what_is_watched_has_an_equilibrium() -> None:
    assert names_of(phase()) == (("y", "energy"), (False, False), ())
    assert names_of(Y) == (("x", "energy"), (True, False), ())
    assert names_of(phase(2.0)) == (("x", "y", "energy"), (True, False, False), ())


def test_a_turning_coordinate_reads_the_same_in_every_turn() -> None:
    made = watched(potential(), phase(2.0))
    x = np.random.default_rng(1).normal(0.0, 2.0, (20, 2))
    there = x + np.array([37 * L, 0.0])
    np.testing.assert_allclose(made(Walkers(x)), made(Walkers(there)), atol=1e-9)
    angle = made(Walkers(x))[:, 0]
    np.testing.assert_allclose(np.cos(angle), np.cos(2 * np.pi * x[:, 0] / L), atol=1e-12)
    assert np.abs(angle).max() <= np.pi


def test_probes_are_set_down_within_a_period_or_a_few_thermal_lengths() -> None:
    """Walkers at ± 1,000 turns; forgetting that sends them as far."""
    rng = np.random.default_rng(6)
    rows = WalkerRows(np.column_stack([L * rng.integers(-1000, 1000, 50) + 0.4, rng.random(50)]))
    made = replace(of_one(Criteria(), 1), kT=1.0, masses=np.ones(2))
    free = Unbounded(np.full(2, np.inf), np.array([True, False]), np.zeros(2, dtype=bool))
    for ends, width in ((unbounded(potential(), phase()), 0.0), (free, 4.0)):
        low, high = replace(made, ends=ends).seen_range(rows)
        assert high[0] - low[0] == pytest.approx(width, abs=1e-9)
        assert 0.9 < high[1] - low[1] <= 1.0
    low, high = made.seen_range(rows)
    assert high[0] - low[0] > 1000


def masses(cvs: CVSet, knows: Callable[[Unbounded], Unbounded | None]) -> Array:
    """After walkers that spread .2 within a state have gone round up to 1,000 times."""
    rng, made = np.random.default_rng(2), of_one(Criteria(), 1)
    y = rng.normal(0.0, 1.0, (400, 2)) * [0.2, 1.0]
    y[:, 0] += 1.8 + L * rng.integers(-1000, 1000, 400)
    problem = replace(
        made, batched=True, has_atoms=False, kT=1.0, masses=np.ones(2),
        strategy={"local": {"kind": "hmc", "step_size": "auto"}},
        ends=knows(unbounded(potential(), cvs)),
    )  # fmt: skip
    segment = Segment((0, 0), samples={"cvs": np.zeros((400, 1))}, counts={})
    moves = LocalMoves(StepSize(0.1, HMC_ACCEPTANCE))
    whole = Partition.whole(np.zeros(1, dtype=bool))
    out = moves.with_masses(problem, 0, whole, [segment], [WalkerRows(y)]).masses
    assert out is not None
    return out


def test_masses_are_those_of_the_spread_within_a_period() -> None:
    """Within 4 σ of ln variance; without knowing of the period, moves would be longer than it."""
    found = masses(phase(), lambda ends: ends)
    expected = (400 * np.array([0.2**2, 1.0]) + PRIOR) / (400 + PRIOR)
    assert (np.abs(np.log(found * expected)) < 4 * np.sqrt(2 / 400)).all()
    assert masses(phase(), lambda ends: None)[0] < 1e-6
    # and the system's own where there is none
    free = Unbounded(np.full(2, np.inf), np.array([True, False]), np.zeros(2, dtype=bool))
    assert masses(Y, lambda ends: free)[0] == 1.0
