"""Flattened sampling inside a state keeps ρ*B truncated to it, and so its two ways of reading.

Walkers start from exact draws of ρ*B in the state, so that a miss is the kernel's own; each walker
is one independent sample of its whole trajectory. Right is within 4.5 σ of all bins at once, wrong
beyond 6 σ for at least one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from steering import CVS, LINEAR, WELL

from msgen.actors.array_engine import ArrayEngine
from msgen.actors.conditional import Conditional
from msgen.actors.engine import Mask
from msgen.actors.kernels.base import Kernel
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Ghmc
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.tempered import Ladder, Tempered
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
    again = Ladder.from_tree(lad.tree())
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


# molecules

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.fixture(scope="module")
def system() -> Any:
    from msgen.systems.build import build_system
    from msgen.systems.build_cvs import build_cvs

    spec = {
        "kind": "openmm",
        "structure": "alanine_dipeptide.pdb",
        "forcefield": ["amber99sb.xml"],
        "temperature": 320.0,
        "timestep": 0.002,
        "friction": 1.0,
        "constraints": "HBonds",
        "platform": "Reference",
    }
    cvs = {
        "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
        "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
    }
    made = build_system(spec, CONFIGS)
    return made, build_cvs(cvs, made, CONFIGS)


def walk_back(engine: Any) -> float:
    """Two chunks of two walkers, one restrained; the second is undone and reversed: a third one
    then leads back to the start. How far it misses, in nm."""
    engine.set_local_restraint(Conditional(np.array([60.0, 60.0]), np.array([True, True])))
    engine.begin(np.random.default_rng(81))
    start = engine.system.initial()
    both = Walkers(np.repeat(start.positions, 2, axis=0))
    xi = engine.load(both)
    lam, on = xi + np.array([0.4, -0.3]), np.array([True, False])
    engine.chunk(lam, on, 20)
    middle = engine.walkers().positions
    engine.chunk(lam, on, 20)
    assert np.abs(engine.walkers().positions - middle).max() > 1e-3
    engine.revert(np.array([True, True]))
    assert np.array_equal(engine.walkers().positions, middle)
    engine.chunk(lam, on, 20)
    return float(np.abs(engine.walkers().positions - both.positions).max())


def test_an_undone_chunk_of_a_molecule_is_reversed(system: Any) -> None:
    """Without friction LFMiddle is reversible, if velocities are reversed for its own half kick."""
    from msgen.actors.molecule_engine import MoleculeEngine

    assert walk_back(MoleculeEngine(*system, friction=0.0)) < 1e-5

    class Negated(MoleculeEngine):
        """Wrong twin: as if the velocities belonged to the positions."""

        def revert(self, which: Mask) -> None:
            kind, self.kind = self.kind, "ghmc"
            super().revert(which)
            self.kind = kind

    assert walk_back(Negated(*system, friction=0.0)) > 1e-4


@pytest.mark.parametrize("kind", ["langevin", "ghmc"])
def test_a_molecule_stays_in_its_state(system: Any, kind: Any) -> None:
    from msgen.actors.molecule_engine import MoleculeEngine
    from msgen.actors.partition import Partition

    engine = MoleculeEngine(*system, kind=kind)
    start = system[0].initial()
    phi = float(engine.cvs(start.positions)[0, 0])
    part = Partition.from_boxes({"near": {"phi": (phi - 0.15, phi + 0.15)}}, ["phi", "psi"], G2)
    rng = np.random.default_rng(82)
    engine.begin(rng)
    plain = Ladder.plain(Conditional(np.array([60.0, 60.0]), G2))
    walkers = Walkers(np.repeat(start.positions, 2, axis=0))
    local = Tempered(engine, walkers, plain, part, np.zeros(2, int), rng)
    visits = local.run(30, 25)
    assert 2 < visits.reverted < 55
    assert (np.abs(visits.xi[:, :, 0] - phi) <= 0.15).all()
    assert np.allclose(engine.cvs(engine.walkers().positions), visits.xi[-1], atol=1e-6)
    assert not (visits.xi[1:] == visits.xi[:-1]).all()


def test_drawn_velocities_belong_to_the_positions(system: Any) -> None:
    """LFMiddle's stand half a kick behind: with the kick they have the mean of a drawn velocity."""
    from msgen.actors.molecule_engine import MoleculeEngine

    molecule, cvs = system
    engine = MoleculeEngine(molecule, cvs, timestep=0.004)
    engine.begin(np.random.default_rng(83))
    start = molecule.initial()
    n = 400
    engine.load(Walkers(np.repeat(start.positions, n, axis=0)))
    v = engine.walkers().velocities
    assert v is not None
    kick = 0.5 * 0.004 * molecule.energy_and_force(start)[1][0] / molecule.masses
    # work of the half kick on the velocities: zero on average once it is added, not before
    unit = kick * molecule.masses / np.sqrt((kick**2 * molecule.masses).sum() * molecule.kT)
    assert abs(((v + kick) @ unit).mean()) < RIGHT / np.sqrt(n)
    assert abs((v @ unit).mean()) > WRONG / np.sqrt(n)


G2 = np.array([True, True])
