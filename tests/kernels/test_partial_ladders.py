"""Sampling flattened along a few CVs at a time keeps ρ*B, B summed over all ladders.

Walkers start from exact draws of ρ*B, so that a miss is the kernel's own; each is one independent
sample of its whole trajectory. Right is within 4.5 σ of all bins at once, wrong beyond 6 σ.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from alanine_molecule import molecule

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.expanded_ensemble import Ladder, Tempered
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.partial_ladders import PartialLadders
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.many_well import ManyWell

RIGHT, WRONG = 4.5, 6.0
N, CHUNKS, STEPS = 2_000, 12, 3
SYSTEM = ManyWell(4)
CVS = CVSet((Coordinate("a1", 0), Coordinate("b1", 1), Coordinate("a2", 2)))
LINEAR = np.zeros(3, dtype=bool)
G = Conditional(np.array([8.0, 6.0, 8.0]), LINEAR)
WHOLE = Partition.whole(LINEAR)
GRID = np.linspace(-2.8, 2.8, 141)
WELL = GRID**4 - 6 * GRID**2 - 0.5 * GRID
P = np.exp(WELL.min() - WELL)
P /= P.sum()
Q = np.exp(-0.5 * GRID**2)
Q /= Q.sum()
EDGES = np.array([-3.0, -1.9, -1.5, 0.0, 1.5, 1.9, 3.0])


def ladders() -> PartialLadders:
    """One ladder of a₁ that lifts its barrier, one of b₁ and a₂ that lifts another."""
    axis, few = np.linspace(-2.2, 2.2, 12), np.linspace(-2.0, 2.0, 5)
    lift = np.minimum(axis**4 - 6 * axis**2 - 0.5 * axis + 9.7, 7.0)
    one = Ladder((axis,), 0.9 * lift - 3.0, -np.inf, Conditional(G.kappa[:1], LINEAR[:1]))
    two = Ladder(
        (few, axis),
        0.8 * lift[None, :] + 0.3 * few[:, None] ** 2 - 4.5,
        -np.inf,
        Conditional(G.kappa[1:], LINEAR[1:]),
    )
    return PartialLadders((one, two), (np.array([0]), np.array([1, 2])), 0.2, G)


LADDERS = ladders()


@cache
def draws() -> Walkers:
    """Exact draws of ρ*B: of ρ* on a fine grid, some of them kept by B."""
    kept, rng = list[Array](), np.random.default_rng(30)
    step = GRID[1] - GRID[0]
    one, two = LADDERS.parts
    pairs = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
    highest = (LADDERS.log_h0, one.log_bias(GRID[:, None]).max(), two.log_bias(pairs).max())
    bound = float(np.exp(highest).sum())
    while sum(map(len, kept)) < N:
        x = np.stack([rng.choice(GRID, p=p, size=100_000) for p in (P, Q, P)], axis=1)
        keep = rng.random(len(x)) * bound < np.exp(LADDERS.log_bias(x))
        kept.append(x[keep] + step * (rng.random((int(keep.sum()), 3)) - 0.5))
    xi = np.concatenate(kept)[:N]
    return Walkers(np.column_stack([xi, rng.standard_normal(N)]))


def misses(xi: Array, weight: Array) -> float:
    """Worst deviation in σ of a₁'s and a₂'s weighted histograms, xi of shape (T, n, 3)."""
    exact = np.histogram(GRID, EDGES, weights=P)[0]
    off = []
    for c in (0, 2):
        bins = np.clip(np.searchsorted(EDGES, xi[:, :, c], side="right") - 1, 0, len(EDGES) - 2)
        for b, share in enumerate(exact):
            score = (weight * ((bins == b) - share)).sum(axis=0)
            off.append(score.mean() / (score.std() / np.sqrt(len(score))))
    return float(np.abs(off).max())


def readings(engine: ArrayEngine, bias: PartialLadders) -> tuple[float, float, float]:
    """How far off: weighted by 1/B; the samples without λ; all without a weight."""
    rng = np.random.default_rng(31)
    engine.begin(rng)
    engine.set_local_restraint(G)
    visits = Tempered(engine, draws(), bias, WHOLE, np.zeros(N, int), rng).run(CHUNKS, STEPS)
    assert 0.1 < visits.plain.mean() < 0.9
    weights = (np.exp(-visits.log_bias), visits.plain.astype(float), np.ones_like(visits.log_bias))
    weighted, plain, ignored = (misses(visits.xi, w) for w in weights)
    return weighted, plain, ignored


def test_both_readings_give_the_density() -> None:
    weighted, plain, ignored = readings(ArrayEngine(SYSTEM, CVS, Mala(0.03)), LADDERS)
    assert weighted < RIGHT
    assert plain < RIGHT
    assert ignored > WRONG  # the twin that leaves out 1/B


def test_twin_that_holds_free_cvs_at_nought_is_caught() -> None:
    class Holding(ArrayEngine):
        def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
            return super().chunk(np.nan_to_num(lam), on, n_steps)

    weighted, plain, _ = readings(Holding(SYSTEM, CVS, Mala(0.03)), LADDERS)
    assert max(weighted, plain) > WRONG


def test_twin_that_takes_any_ladder_alike_is_caught() -> None:
    class Alike(PartialLadders):
        """Draws the ladder without a look at where the walker is."""

        def draw(self, xi: Array, rng: np.random.Generator) -> tuple[Array, Mask]:
            return super().draw(np.roll(xi, 1, axis=0), rng)

    twin = Alike(LADDERS.parts, LADDERS.columns, LADDERS.log_h0, G)
    weighted, plain, _ = readings(ArrayEngine(SYSTEM, CVS, Mala(0.03)), twin)
    assert max(weighted, plain) > WRONG


def test_the_bias_is_the_sum_over_all_ladders() -> None:
    xi = np.random.default_rng(32).uniform(-2.5, 2.5, (40, 3))
    total = np.full(40, np.exp(LADDERS.log_h0))
    one, two = LADDERS.parts
    for h, at in zip(one.log_h, one.axes[0], strict=True):
        total += np.exp(h - 0.5 * 8.0 * (xi[:, 0] - at) ** 2)
    for (i, j), h in np.ndenumerate(two.log_h):
        apart = xi[:, 1:] - np.array([two.axes[0][i], two.axes[1][j]])
        total += np.exp(h - 0.5 * (np.array([6.0, 8.0]) * apart**2).sum(axis=1))
    np.testing.assert_allclose(LADDERS.log_bias(xi), np.log(total), rtol=1e-12)
    again = decode(PartialLadders, encode(LADDERS))
    assert np.array_equal(again.log_bias(xi), LADDERS.log_bias(xi))


def test_lambda_is_drawn_from_its_conditional_and_leaves_other_cvs_free() -> None:
    n = 40_000
    xi = np.tile([[0.1, 0.4, -1.2]], (n, 1))
    lam, on = LADDERS.draw(xi, np.random.default_rng(33))
    first = np.isfinite(lam[:, 0])
    assert np.isnan(lam[first][:, 1:]).all()
    second = np.isfinite(lam[:, 1])
    assert np.isnan(lam[second, 0]).all()
    assert np.isfinite(lam[second, 2]).all()
    assert np.array_equal(on, first | second)
    log_b = LADDERS.log_bias(xi[:1])[0]
    for part, columns, mine in zip(LADDERS.parts, ([0], [1, 2]), (first, second), strict=True):
        p = np.exp(part.log_bias(xi[:1][:, columns])[0] - log_b)
        assert abs(mine.mean() - p) < RIGHT * np.sqrt(p * (1 - p) / n)


def test_a_molecule_is_held_along_the_cvs_that_lambda_names() -> None:
    """Energy and restraint to rounding; and the next λ of all CVs holds all of them again."""
    system, cvs = molecule()
    engine = MoleculeEngine(system, cvs)
    g = Conditional(np.array([40.0, 90.0]), np.array([True, True]))
    engine.set_local_restraint(g)
    engine.begin(np.random.default_rng(34))
    xi = engine.load(system.initial())
    plain = engine.stepper(False).energy_and_forces()[0]
    on = np.ones(1, dtype=bool)
    for lam in (
        [np.nan, xi[0, 1] + 0.3],
        [xi[0, 0] - 0.2, xi[0, 1] + 0.3],
        [xi[0, 0] + 0.1, np.nan],
    ):
        engine.chunk(np.array([lam]), on, 0)
        held = engine.stepper(True).energy_and_forces()[0] - plain
        named = np.isfinite(lam)
        alone = replace(g, kappa=g.kappa[named], periodic=g.periodic[named])
        asked = alone.energy(np.array(lam)[named], xi[0, named]) * system.kT
        asked -= alone.kappa.sum() * system.kT  # the force leaves the constant out
        assert held == pytest.approx(float(asked), abs=2e-3)
        both = (g.energy(np.nan_to_num(np.array(lam)), xi[0]) - g.kappa.sum()) * system.kT
        assert named.all() or abs(held - both) > 1.0  # the twin that takes NaN for 0
