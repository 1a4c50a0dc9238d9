"""Flattened sampling inside a state keeps ρ*B truncated to it, and so its two ways of reading.

Walkers start from exact draws of ρ*B in the state, so that a miss is the kernel's own; each walker
is one independent sample of its whole trajectory. Right is within 4.5 σ of all bins at once, wrong
beyond 6 σ for at least one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from steering import CVS, LINEAR, WELL

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.base import Kernel, Mask
from msgen.actors.kernels.expanded_ensemble import Ladder, Tempered
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc
from msgen.actors.kernels.mala import Mala
from msgen.systems.base import Array, Walkers

RIGHT, WRONG = 4.5, 6.0
N, CHUNKS, STEPS = 4_000, 24, 4
G = Conditional(np.array([12.0]), LINEAR)
# the second border lies on the barrier, so that the state is the flank of both wells
PARTITION = replace(WELL, border=-0.1).partition
UPPER = 0


def ladder(strength: float = 0.8) -> Ladder:
    """Weights that lift the barrier and the flanks; λ is absent about a third of the time."""
    axis = np.linspace(-1.6, 1.6, 17)
    u = -9 * axis**2 + axis**3 + 4.5 * axis**4
    return Ladder((axis,), strength * np.minimum(u + 5.6, 8.0), 5.0, G)


LADDER = ladder()
GRID = np.linspace(-0.1, 1.9, 2001)
MIDDLE = 0.5 * (GRID[1:] + GRID[:-1])
DENSITY = np.exp(-(-9 * MIDDLE**2 + MIDDLE**3 + 4.5 * MIDDLE**4))
DENSITY /= DENSITY.sum()
EDGES = np.array([-0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.9])
EXACT = np.histogram(MIDDLE, EDGES, weights=DENSITY)[0]

KERNELS = {
    "mala": Mala(0.03),
    "hmc": Hmc(0.15, 3, jitter=0.2),
    "ghmc": Ghmc(0.15, 1.0),
}


def begin(engine: ArrayEngine, seed: int) -> Tempered:
    rng = np.random.default_rng(seed)
    engine.begin(rng)
    engine.set_local_restraint(G)
    p = DENSITY * np.exp(LADDER.log_bias(MIDDLE[:, None]))
    x = rng.choice(MIDDLE, p=p / p.sum(), size=N) + (rng.random(N) - 0.5) * (GRID[1] - GRID[0])
    walkers = Walkers(np.column_stack([x, rng.standard_normal(N) / np.sqrt(6.0)]))
    return Tempered(engine, walkers, LADDER, PARTITION, np.full(N, UPPER), rng)


def miss(xi: Array, weight: Array) -> float:
    """Worst deviation in σ of the weighted histogram of xi, shape (T, n), from the exact one."""
    bins = np.clip(np.searchsorted(EDGES, xi, side="right") - 1, 0, len(EDGES) - 2)
    off = []
    for b, exact in enumerate(EXACT):
        score = (weight * ((bins == b) - exact)).sum(axis=0)
        off.append(score.mean() / (score.std() / np.sqrt(len(score))))
    return float(np.abs(off).max())


def readings(engine: ArrayEngine) -> tuple[float, float, float]:
    """How far off: weighted with 1/B; the samples without λ; all of them without a weight."""
    visits = begin(engine, 71).run(CHUNKS, STEPS)
    xi = visits.xi[:, :, 0]
    assert visits.reverted > 0
    assert 0.1 < visits.plain.mean() < 0.7
    return (
        miss(xi, np.exp(-visits.log_bias)),
        miss(xi, visits.plain.astype(float)),
        miss(xi, np.ones_like(xi)),
    )


@pytest.mark.parametrize("name", KERNELS)
def test_both_readings_give_the_density_inside_the_state(name: str) -> None:
    weighted, plain, ignored = readings(ArrayEngine(WELL.system, CVS, KERNELS[name]))
    assert weighted < RIGHT
    assert plain < RIGHT
    assert ignored > WRONG  # the twin that leaves out 1/B


def test_twin_that_does_not_go_back_is_caught() -> None:
    class Loose(ArrayEngine):
        def revert(self, which: Mask) -> None:
            """Stays where it is, outside the state."""

    weighted, plain, _ = readings(Loose(WELL.system, CVS, KERNELS["mala"]))
    assert max(weighted, plain) > WRONG


def test_twin_that_stops_at_the_border_is_caught() -> None:
    class Clamped(ArrayEngine):
        """Puts a walker that left just inside the border."""

        def revert(self, which: Mask) -> None:
            self._x[which, 0] = -0.1 + 1e-9
            self._before[which, 0] = -0.1 + 1e-9

        def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
            xi = super().chunk(lam, on, n_steps)
            left = PARTITION.assign(xi) != UPPER
            self.revert(left)
            return self.cvs(self._x)

    engine = Clamped(WELL.system, CVS, KERNELS["mala"])
    visits = begin(engine, 72).run(CHUNKS, STEPS)
    assert miss(visits.xi[:, :, 0], np.exp(-visits.log_bias)) > WRONG


def test_twin_whose_restraint_is_not_the_ladders_is_caught() -> None:
    class Stiffer(ArrayEngine):
        def set_local_restraint(self, g: Conditional) -> None:
            super().set_local_restraint(replace(g, kappa=2.0 * g.kappa))

    weighted, plain, _ = readings(Stiffer(WELL.system, CVS, KERNELS["mala"]))
    assert max(weighted, plain) > WRONG


def test_nobody_leaves_and_what_is_undone_stays_where_it_was() -> None:
    kernel: Kernel = KERNELS["hmc"]
    engine = ArrayEngine(WELL.system, CVS, kernel)
    local = begin(engine, 73)
    for _ in range(10):
        before = local.xi.copy()
        visits = local.run(1, 5)
        assert (PARTITION.assign(visits.xi[0]) == UPPER).all()
        assert np.array_equal(engine.cvs(engine.walkers().positions), visits.xi[0])
        assert (visits.xi[0] == before).all(axis=1).sum() >= visits.reverted


def test_a_walker_in_another_state_is_refused() -> None:
    engine = ArrayEngine(WELL.system, CVS, KERNELS["mala"])
    engine.begin(np.random.default_rng(74))
    outside = Walkers(np.array([[-1.0, 0.0]]))
    with pytest.raises(ValueError, match="stand in strata"):
        Tempered(engine, outside, LADDER, PARTITION, np.zeros(1, int), np.random.default_rng(74))


def test_without_a_ladder_every_sample_is_plain_and_counts_the_same() -> None:
    engine = ArrayEngine(WELL.system, CVS, KERNELS["mala"])
    engine.begin(np.random.default_rng(75))
    walkers = replace(WELL, border=-0.1).draws(N, np.random.default_rng(76), UPPER)
    plain = Ladder.plain(G)
    local = Tempered(
        engine, walkers, plain, PARTITION, np.full(N, UPPER), np.random.default_rng(77)
    )
    visits = local.run(CHUNKS, STEPS)
    assert visits.plain.all()
    assert (visits.log_bias == 0).all()
    assert miss(visits.xi[:, :, 0], np.ones((CHUNKS, N))) < RIGHT


# the ladder itself


def two_dimensional() -> Ladder:
    rng = np.random.default_rng(78)
    axes = (np.linspace(-np.pi, np.pi, 12, endpoint=False), np.linspace(-1, 1, 5))
    g = Conditional(np.array([4.0, 9.0]), np.array([True, False]))
    return Ladder(axes, rng.normal(size=(12, 5)), 0.5, g)


def test_the_bias_is_the_sum_over_the_ladder() -> None:
    lad = two_dimensional()
    xi = np.random.default_rng(79).uniform(-3.1, 3.1, (40, 2))
    total = np.full(40, np.exp(lad.log_h0))
    for i, a in enumerate(lad.axes[0]):
        for j, b in enumerate(lad.axes[1]):
            total += np.exp(lad.log_h[i, j] - lad.g.energy(np.array([a, b]), xi))
    assert np.allclose(lad.log_bias(xi), np.log(total), atol=1e-12)
    again = decode(Ladder, encode(lad))
    assert np.array_equal(again.log_bias(xi), lad.log_bias(xi))
    assert np.allclose(LADDER.log_bias(xi[:, :1]), ladder().log_bias(xi[:, :1]))


def test_lambda_is_drawn_from_its_conditional() -> None:
    lad, n = two_dimensional(), 60_000
    xi = np.tile([[3.0, 0.2]], (n, 1))
    lam, on = lad.draw(xi, np.random.default_rng(80))
    log_b = lad.log_bias(xi[:1])[0]
    p_off = np.exp(lad.log_h0 - log_b)
    assert abs(np.mean(~on) - p_off) < RIGHT * np.sqrt(p_off * (1 - p_off) / n)
    for i in (0, 1, 11):
        for j in (2, 3):
            point = np.array([lad.axes[0][i], lad.axes[1][j]])
            p = np.exp(lad.log_h[i, j] - lad.g.energy(point, xi[0]) - log_b)
            seen = np.mean(on & (lam == point).all(axis=1))
            assert abs(seen - p) < RIGHT * np.sqrt(p * (1 - p) / n) + 1e-5
