"""Steered paths of the double well that go where a learnt dynamics of x does, and anywhere.

Arguments: numbers of pairs of each lag that are learnt from (by default 10,000). The local moves
are MALA at a step of 0.002; lags are in its time. Beside them stand paths to independent places, of
the exact density of x. Nothing but paths moves the chains whose free energies are told.
"""

from __future__ import annotations

import numpy as np
from double_well_paths import LEFT, RIGHT, potential
from rows import Row
from steering import CVS, LINEAR, WELL

from dynamics_parts import propagator
from msgen.actors.cv_space.proposals import Proposals, StepProposals, StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.switching.steered import Paths, accept, steer
from msgen.models import Broad
from msgen.models.defended_steps import DefendedSteps
from msgen.models.propagator import Pairs, Propagator
from msgen.models.tabulated import Tabulated
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.systems.base import Walkers

LAGS = propagator.LAGS
EPSILON = 0.05
REPEATS, WALKERS, MOVES, LEFT_OUT = 100, 20, 160, 40
SECTION = {"kind": "spline_flow", "transforms": 2, "hidden": [32, 32], "epochs": 10}
WHOLE = Partition.whole(LINEAR)
WIDE = Broad([False], lower=np.array([-2.0]), upper=np.array([2.0]))


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    return [row for number in [int(a) for a in arguments] or [10_000] for row in learnt(number)]


def learnt(number: int) -> list[Row]:
    """Of a model of so many pairs of each lag."""
    rng, g = np.random.default_rng(number), WELL.schedule.g
    seen = propagator.pairs(number, rng)
    # λ at both ends, as paths begin and end there
    before, after = (g.sample(x[:, :1].copy(), rng) for x in (seen.before, seen.after))
    model = Propagator.of(model_spec(SECTION), [False], LAGS, np.ones(1, dtype=bool))
    model.fit(Pairs(before, after, seen.lag), seed=1)
    rows, start = [], Walkers(propagator.equilibrium(20_000, rng))
    for lag in LAGS:
        steps = StepProposals(DefendedSteps(model, (lag,), WIDE, EPSILON))
        rows += told(f"{number} pairs, lag {lag:g}", steps, start, rng)
    anywhere = StratumProposals(exact_density(), WIDE, EPSILON, WHOLE, np.zeros(1))
    rows += told("anywhere", anywhere, start, rng)
    mixed = StepProposals(DefendedSteps(model, LAGS, WIDE, EPSILON))
    return [*rows, *covered(f"{number} pairs, all lags", mixed, rng)]


def told(name: str, proposals: Proposals, start: Walkers, rng: np.random.Generator) -> list[Row]:
    """Acceptance, of all and of crossings, and what a path and an accepted crossing cost."""
    paths = steered(start, proposals, rng)
    chance = np.exp(-np.clip(paths.work, 0.0, None))
    begins, ends = (lam[:, 0] < 0 for lam in (paths.start, paths.stop))
    crosses = begins != ends
    each = paths.evaluations / len(chance)
    return [
        Row(f"{name}: accepted", float(chance.mean())),
        Row(f"{name}: of crossings", float(chance[crosses].mean()), "", f"of {crosses.sum()}"),
        Row(f"{name}: evaluations of a path", each),
        Row(f"{name}: of an accepted crossing", each / float((chance * crosses).mean())),
    ]


def steered(walkers: Walkers, proposals: Proposals, rng: np.random.Generator) -> Paths:
    """A path of each."""
    engine = ArrayEngine(WELL.system, CVS, Mala(0.01))
    engine.begin(rng)
    zero = np.zeros(len(walkers), dtype=np.int64)
    xi = CVS(walkers.positions)
    return steer(engine, walkers, xi, zero, zero, WHOLE, proposals, WELL.schedule, rng)


def exact_density() -> Tabulated:
    """Of x, as a model of independent places."""
    edges = np.linspace(-2.0, 2.0, 401)
    middle = 0.5 * (edges[1:] + edges[:-1])
    return Tabulated(-2.0, 2.0, np.exp(-(potential(middle) - potential(middle).min())))


def covered(name: str, proposals: Proposals, rng: np.random.Generator) -> list[Row]:
    """F of the wells, from counts along 100 times 20 chains that begin half in either."""
    x = np.zeros((REPEATS * WALKERS, 2))
    x[:, 0] = np.where(np.arange(len(x)) % 2, 0.92, -1.087)
    walkers, counts = Walkers(x), np.zeros((len(x), 2))
    for k in range(MOVES):
        paths = steered(walkers, proposals, rng)
        moved = accept(paths, rng)[:, None]
        walkers = Walkers(np.where(moved, paths.walkers.positions, walkers.positions))
        if k >= LEFT_OUT:
            at = walkers.positions[:, 0]
            counts += np.column_stack([at < LEFT, at >= RIGHT])
    return propagator.judged(name, counts.reshape(REPEATS, WALKERS, 2))
