"""Atoms held by a field, whose distribution is known: every kernel of OpenMM, on its platforms.

What is sampled is sampled by many short orders, as in a campaign, so that what an order's noise
should depend on is tested too.
"""

from __future__ import annotations

import numpy as np
import pytest
from keyed_orders import Kind
from tethered_molecule import BOND, CVS, HOME, KT, PLATFORMS, K, draw, tethered

from msgen.actors.base import stream
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.seeds import RandomStream

SIGMAS = 4.5
ORDERS, CHUNKS, STEPS = 150, 4, 40


def energy(x: Array) -> Array:
    """U/kT by its definition, of configurations (n, 9)."""
    p = x.reshape(-1, 3, 3)
    tethers = K * ((p - HOME) ** 2).sum(axis=(1, 2))
    return np.asarray((tethers + BOND * ((p[:, 0] - p[:, 1]) ** 2).sum(axis=1)) / (2 * KT))


def block_z(values: Array, exact: float, blocks: int = 25) -> float:
    """How many standard errors the mean of a series is off."""
    means = values[: len(values) // blocks * blocks].reshape(blocks, -1).mean(axis=1)
    return float((means.mean() - exact) / (means.std(ddof=1) / np.sqrt(blocks)))


def by_orders(platform: str, kind: Kind, timestep: float) -> Array:
    """U/kT along the chain of one replica, order after order, the walker handed on."""
    engine = MoleculeEngine(tethered(platform, 3.0, timestep), CVS, kind)
    walkers, free = engine.system.initial(), np.array([False])
    seen = []
    for rnd in range(ORDERS):
        engine.begin(stream(17, (rnd, "sample", 0)))
        xi = engine.load(walkers)
        for _ in range(CHUNKS):
            engine.chunk(xi, free, STEPS)
            walkers = engine.walkers()
            seen.append(walkers.positions[0])
    return energy(np.array(seen[20:]))


def off(u: Array) -> float:
    """Of the mean and of the variance, nine degrees of freedom having 9/2 for both."""
    return max(abs(block_z(u, 4.5)), abs(block_z((u - 4.5) ** 2, 4.5)))


@pytest.mark.parametrize(("kind", "timestep"), [("langevin", 0.01), ("ghmc", 0.02)])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_local_kernels_sample_the_known_distribution(
    platform: str, kind: Kind, timestep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ωΔt is up to 0.28; LFMiddle's positions are exact in a harmonic field (Zhang et al. 2019)."""
    assert off(by_orders(platform, kind, timestep)) < SIGMAS
    begin = RandomStream.begin
    monkeypatch.setattr(RandomStream, "begin", lambda self, _seed: begin(self, 1))
    assert off(by_orders(platform, kind, timestep)) > 2 * SIGMAS


def switched(platform: str, n: int) -> tuple[Array, Array]:
    """Work and last CVs of paths from exact draws, λ taken 0.12 nm further."""
    engine = MoleculeEngine(tethered(platform), CVS)
    engine.begin(stream(17, (0, "steer", 0)))
    rng = np.random.default_rng(18)
    x = draw(n, rng)
    g = Conditional(np.array([400.0]), CVS.periodic)
    lam = CVS(x) + rng.standard_normal((n, 1)) / 20.0
    schedule = Schedule(g, 0.005, 1.0, np.ones(1), friction=5.0, min_steps=30)
    done = engine.switch(Walkers(x), lam, lam + 0.12, schedule)
    return done.work, done.xi[:, 0]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_works_of_steered_paths_weigh_their_ends(platform: str) -> None:
    """⟨e^{−W}⟩ = 1, as g is normalised in λ, and ⟨e^{−W} ξ⟩ = ⟨ξ⟩ (Jarzynski, PRL 78, 2690)."""
    n = 800
    work, xi = switched(platform, n)
    weight, off = np.exp(-work), xi - CVS(draw(400_000, np.random.default_rng(19))).mean()
    assert np.std(work) > 0.3
    assert abs(weight.mean() - 1) < SIGMAS * weight.std() / np.sqrt(n)
    assert abs((weight * off).mean()) < SIGMAS * (weight * off).std() / np.sqrt(n)
    # the twin: ends that are not weighed
    assert abs(off.mean()) > 2 * SIGMAS * off.std() / np.sqrt(n)
