"""Equivariant flows of DW4 and LJ13: what one fit to samples buys, and what a draw costs.

`make bench NAME=likelihood_models ARGS=equivariant[:CASE…]`, a CASE being dw4 or lj13, or one with
a seed (dw4-2). The samples are those of HMC; the model is then a proposal of independence moves
from other samples, so that its acceptance is that of a chain in equilibrium. The flow that knows
no symmetry stands beside it, with the same samples.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from built_models import build
from likelihood.campaigns import STATES
from rows import Row

from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.independence import Independence
from msgen.orchestrator.estimators.diagnostics import autocorrelation_time, kish
from msgen.systems.base import Array, Walkers
from msgen.systems.cvs.collective import PairDistances
from msgen.systems.potentials.clusters import DoubleWellCluster, LennardJonesCluster, Particles

SEEDS = (1, 2, 3)
WALKERS, BURN, KEPT, EVERY = 64, 300, 100, 20
DRAWS, STEPS = 1000, 40
BOTH = ("equivariant_flow", "flow_matching")


@dataclass(frozen=True)
class Cluster:
    """A system, the CV whose state is counted, and the time step of its HMC."""

    system: Particles
    cv: PairDistances
    dt: float

    @classmethod
    def of(cls, name: str) -> Cluster:
        """'dw4' or 'lj13'."""
        system: Particles
        if name == "dw4":
            system = DoubleWellCluster()
            return cls(system, PairDistances("short", system, "short", 4.0), 0.12)
        system = LennardJonesCluster()
        return cls(system, PairDistances("rms", system, "rms"), 0.035)

    def samples(self, seed: int) -> tuple[Array, float]:
        """WALKERS × KEPT samples of HMC, shape (KEPT, WALKERS, D), and its acceptance."""
        rng, start = np.random.default_rng(seed), self.system.initial().positions
        x = start + 0.05 * rng.standard_normal((WALKERS, self.system.n_dof))
        kernel, target = Hmc(self.dt, 5, jitter=0.3), BoltzmannTarget(self.system)
        first = kernel(target, Walkers(x), rng, n_steps=BURN).walkers
        done = kernel(target, first, rng, n_steps=KEPT * EVERY, record_every=EVERY)
        assert done.trajectory is not None
        return done.trajectory, float(done.accepted.mean())


def one(name: str, kind: str, seed: int) -> list[Row]:
    """One fit, and what its draws are worth."""
    cluster, state = Cluster.of(name), STATES[name]
    system, rng = cluster.system, np.random.default_rng(1000 + seed)
    x, _ = cluster.samples(seed)
    space = {"space": system.spatial_dim} if kind == "equivariant_flow" else {}
    model = build({"kind": kind, **space}, system.n_dof, (False,) * system.n_dof)
    start = time.process_time()
    model.fit(x.reshape(-1, system.n_dof), seed=seed)
    fitting = time.process_time() - start
    start = time.process_time()
    y, log_q = model.sample_with_log_prob(DRAWS, rng)
    drawing = time.process_time() - start
    target = BoltzmannTarget(system)
    weights = np.where(np.isfinite(log_q), target.log_density(y) - log_q, -np.inf)
    other, _ = cluster.samples(seed + 100)
    start = time.process_time()
    model.log_prob(other[-1])
    telling = time.process_time() - start
    done = Independence(model)(target, Walkers(other[-1]), rng, n_steps=STEPS, record_every=1)
    assert done.trajectory is not None
    xi = np.stack([numbers(cluster.cv, frame) for frame in done.trajectory])
    inside = ((xi >= state.low) & (xi < state.high)).astype(np.float64)
    label = f"{name}, {kind}, seed {seed}:"
    return [
        Row(f"{label} samples learnt from", float(x.size // system.n_dof)),
        Row(f"{label} fit, CPU", fitting, "s"),
        Row(f"{label} effective draws", kish(weights) / DRAWS, reference=f"of {DRAWS}"),
        Row(f"{label} accepted in equilibrium", float(done.accepted.mean())),
        Row(f"{label} proposals per independent state", autocorrelation_time(list(inside.T))),
        Row(f"{label} a draw with its density, CPU", 1e3 * drawing / DRAWS, "ms"),
        Row(f"{label} density of a configuration, CPU", 1e3 * telling / WALKERS, "ms"),
    ]


def rows(*cases: str) -> list[Row]:
    """All cases, or those asked for."""
    everything = [(n, k, s) for n in ("dw4", "lj13") for k in BOTH for s in SEEDS]
    chosen = [
        (n, k, s)
        for n, k, s in everything
        # what knows no symmetry need not fail three times
        if (k == BOTH[0] or s == 1) and (not cases or n in cases or f"{n}-{s}" in cases)
    ]
    return [row for case in chosen for row in one(*case)]


def numbers(cv: PairDistances, x: Array) -> Array:
    """The CV of configurations (n, D), shape (n,)."""
    out: Array = cv(torch.as_tensor(x)).numpy()
    return out
