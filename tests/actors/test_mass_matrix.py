"""A mass matrix changes how fast walkers move, and nothing of where they are."""

from __future__ import annotations

import numpy as np
import pytest
from steering import LINEAR

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.mass_matrix import PreconditionedEngine, curvature, sheared
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.switching.level_sets import level_sets
from msgen.actors.kernels.switching.linear_level_sets import Planes
from msgen.actors.kernels.switching.steered import accept, steer
from msgen.models.defensive_mixture import Broad
from msgen.orchestrator.strategies.common.step_size import positive
from msgen.systems.base import Array, CVSet, System, Walkers
from msgen.systems.cvs.collective import MeanCoordinate
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.linear_transform import Sheared, ShearedCV
from msgen.systems.potentials.mixtures import GaussianMixture
from msgen.systems.potentials.phi4 import Phi4

MASSES = np.array([[2.0, 0.7], [0.7, 0.5]])
PAIR = GaussianMixture([[-1.5, 0.0], [1.5, 1.0]], [0.6, 0.9], [0.3, 0.7])
CVS = CVSet((Coordinate("x", 0),))


def kernel(system: System) -> Hmc:
    return Hmc(0.4, 4, system.masses, system.kT)


def test_curvature_is_that_of_the_energy() -> None:
    field = Phi4(n=6)
    x = np.random.default_rng(1).normal(size=(3, 6))
    found, spent = curvature(field, x)
    # the bonds are quadratic: aN·L; the sites add (3x² − 1)/(aN) on the diagonal
    bonds = field.a * field.n * (2 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1))
    sites = np.diag((3.0 * (x**2).mean(axis=0) - 1.0) / (field.a * field.n))
    np.testing.assert_allclose(found, bonds + sites, atol=1e-6)
    assert spent == 2 * 3 * 6


def test_no_direction_of_a_mass_matrix_is_next_to_nothing() -> None:
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    value = np.linalg.eigvalsh(positive(turn @ np.diag([4.0, 1.0, -0.5, 1e-9]) @ turn.T))
    np.testing.assert_allclose(value, [0.0075, 0.5, 1.0, 4.0], rtol=1e-8)


def test_a_sheared_system_is_the_same_system() -> None:
    moved, x = Sheared(PAIR, MASSES), np.random.default_rng(3).normal(size=(5, 2))
    y = moved.inside(x)
    np.testing.assert_allclose(moved.outside(y), x, rtol=1e-12)
    np.testing.assert_allclose(moved.energy(Walkers(y)), PAIR.value(x), rtol=1e-12)
    # ½ẏ² is ½ẋᵀMẋ
    np.testing.assert_allclose((y**2).sum(1), np.einsum("ni,ij,nj->n", x, MASSES, x), rtol=1e-12)
    h = 1e-6 * np.array([0.6, -0.8])
    slope = (moved.energy(Walkers(y + h)) - moved.energy(Walkers(y - h))) / 2.0
    np.testing.assert_allclose(-moved.energy_and_force(Walkers(y))[1] @ h, slope, rtol=1e-6)


def test_linear_cvs_stay_linear_and_others_what_they_are() -> None:
    moved, x = Sheared(PAIR, MASSES), np.random.default_rng(4).normal(size=(5, 2))

    class Radius(MeanCoordinate):
        def __call__(self, x: Array) -> Array:
            return (x**2).sum(-1)

    for cv, linear in (
        (MeanCoordinate("m", scale=2.0), True),
        (ShearedCV(Radius("r"), np.eye(2)), False),
    ):
        inside = sheared(cv, moved.matrix, 2)
        np.testing.assert_allclose(CVSet((inside,))(moved.inside(x)), CVSet((cv,))(x), rtol=1e-12)
        assert isinstance(level_sets(CVSet((inside,)), np.ones(2)), Planes) == linear


def chain(engine: ArrayEngine, scheme: str, wrong: bool = False) -> float:
    """By how many σ P(x > 0) is off after local and steered moves from exact draws."""
    rng, n = np.random.default_rng(5), 4000
    which = rng.choice(2, p=PAIR.weights, size=n)
    x = PAIR.means[which] + PAIR.scales[which] * rng.normal(size=(n, 2))
    engine.begin(rng)
    whole, zero = Partition.whole(LINEAR), np.zeros(n, dtype=np.int64)
    broad = Broad([False], lower=np.array([-4.0]), upper=np.array([4.5]))
    proposals = StratumProposals(broad, broad, 0.5, whole, np.zeros(1))
    g = Conditional(np.array([30.0]), LINEAR)
    path = Schedule(g, 0.2, 2.0, np.ones(1), friction=0.5, refresh=2, min_steps=6, scheme=scheme)
    none, free = np.zeros((n, 1)), np.zeros(n, dtype=bool)
    for _ in range(6):
        engine.load(Walkers(x))
        xi = engine.chunk(none, free, 2)
        start = engine.walkers()
        paths = steer(engine, start, xi, zero, zero, whole, proposals, path, rng)
        moved = paths.work < np.inf if wrong else accept(paths, rng)
        x = np.where(moved[:, None], paths.walkers.positions, start.positions)
        np.testing.assert_allclose(paths.xi[moved], CVS(x[moved]), atol=1e-9)
    p = PAIR.weights[0] * 0.00621 + PAIR.weights[1] * 0.95221  # Φ(−1.5/0.6), Φ(1.5/0.9)
    return float(abs((x[:, 0] > 0).mean() - p) / np.sqrt(p * (1.0 - p) / n))


@pytest.mark.parametrize("scheme", ["extended", "moving", "symmetric"])
def test_local_and_steered_moves_are_exact_with_any_mass_matrix(scheme: str) -> None:
    assert chain(PreconditionedEngine(PAIR, CVS, kernel, MASSES), scheme) < 4.0


def test_a_chain_without_its_test_is_caught() -> None:
    assert chain(PreconditionedEngine(PAIR, CVS, kernel, MASSES), "moving", wrong=True) > 6.0


def test_the_true_mass_matrix_makes_all_directions_equally_fast() -> None:
    field = Phi4(n=16)
    start = Walkers(np.tile(field.initial().positions, (64, 1)))
    matrix = positive(curvature(field, start.positions)[0])
    found = np.linalg.eigvalsh(
        curvature(Sheared(field, matrix), Sheared(field, matrix).inside(start.positions))[0]
    )
    np.testing.assert_allclose(found, 1.0, rtol=1e-5)
