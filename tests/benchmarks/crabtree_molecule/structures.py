"""Structures of alanine dipeptide from score models conditional on ψ, held against the dynamics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from alanine_obc2 import CVS, MD, SYSTEM
from built_models import build
from numpy.typing import NDArray
from rows import ROOT, Row
from scipy.stats import ks_2samp

from msgen.actors.configurations.seed_relaxation import Judge, settle
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional, wrap
from msgen.actors.engines.molecule import molecule
from msgen.actors.engines.registry import build_engine
from msgen.actors.roles.state_explorer import flips
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.internal_coordinates import InternalCoordinates
from msgen.systems.coordinates.representation import build_representation

MINIMA = {"alpha": np.deg2rad(-15.0), "beta": np.deg2rad(155.0)}
"""ψ of the two minima of the dynamics' own free energy along ψ."""
SIGMA = np.deg2rad(10.0)
"""Width of a window along ψ, and of the label's noise: half the spacing of 18 windows."""
KINDS = ("internal", "aligned", "aligned_heavy")
NOISE = "0.09 by chance"
"""KS distance that two samples of `GENERATED` exceed once in twenty times if of one law."""
TRAINED_ON, GENERATED, ITERATIONS = 20_000, 500, 50


@dataclass(frozen=True)
class Ensemble:
    """Structures at one label.

    Attributes
    ----------
    positions : Array, shape (n, 66)
    bonds, angles : Array, shape (n, 21) and (n, 20)
        nm and rad.
    energy : Array, shape (n,)
        kJ/mol.
    torsions : Array, shape (n, 2)
        φ and ψ.
    same : bool array, shape (n,)
        Whether peptide bonds and the stereocentre are as in the dynamics.
    """

    positions: Array
    bonds: Array
    angles: Array
    energy: Array
    torsions: Array
    same: NDArray[np.bool_]

    @classmethod
    def of(cls, context: WorkerContext, positions: Array) -> Ensemble:
        """Measure structures."""
        system = molecule(context)
        internal = InternalCoordinates(system.topology, system.initial().positions[0])
        y = internal.encode(positions)
        return cls(
            positions,
            y[:, :21],
            y[:, 21:41],
            system.energy(Walkers(positions)),
            context.cvs(positions),
            np.array([not f for f in flips(context, positions)]),
        )


@dataclass(frozen=True)
class Generated:
    """What one model gave at one minimum, beside the dynamics in the same window."""

    kind: str
    minimum: str
    raw: Ensemble
    minimised: Ensemble
    md: Ensemble
    md_minimised: Ensemble
    usable: float


def worker() -> WorkerContext:
    """A worker of a campaign with these windows."""
    local = {"kind": "langevin", "timestep": None, "friction": None}
    return WorkerContext(
        {
            "system": SYSTEM,
            "cvs": CVS,
            "strategy": {"local": local},
            "base_dir": str(ROOT / "configs"),
        }
    )


def generate(seed: int = 1) -> tuple[list[Row], list[Generated]]:
    """Fit a model in each kind of coordinates, draw at both minima, minimise, compare."""
    context = worker()
    with np.load(MD) as file:
        x, xi = np.asarray(file["positions"], dtype=np.float64), file["cvs"]
    some = np.linspace(0, len(x) - 1, TRAINED_ON).astype(int)
    rng = np.random.default_rng(seed)
    label = wrap(xi[some, 1] + rng.vonmises(0.0, SIGMA**-2, len(some)))[:, None]
    start = molecule(context).initial().positions[0]
    rows, found = [], []
    for kind in KINDS:
        turn = build_representation(kind, x.shape[1], molecule(context).topology, start)
        model = build({"kind": "score", "width": 128}, turn.dim, turn.periodic, 1, [True])
        begun = time.perf_counter()
        model.fit(turn.encode(x[some]), seed=seed, context=label)
        seconds = time.perf_counter() - begun
        rows.append(Row(f"{kind}: fit on {TRAINED_ON} structures", seconds, "s"))
        for name, psi in MINIMA.items():
            begun = time.perf_counter()
            y = model.sample(GENERATED, rng, np.full((1, 1), psi))
            seconds = (time.perf_counter() - begun) / GENERATED
            rows.append(Row(f"{kind}, {name}: a draw", 1e3 * seconds, "ms"))
            drawn = turn.decode(y, rng)
            weight = np.exp((np.cos(xi[:, 1] - psi) - 1) * SIGMA**-2)
            near = rng.choice(len(x), GENERATED, p=weight / weight.sum())
            found.append(_compare(context, kind, name, drawn, x[near], rng))
            rows += _rows(found[-1])
    return rows, found


def _compare(
    context: WorkerContext,
    kind: str,
    minimum: str,
    drawn: Array,
    dynamics: Array,
    rng: np.random.Generator,
) -> Generated:
    engine = build_engine(context, None)
    g = Conditional(np.array([0.0, SIGMA**-2]), context.cvs.periodic)
    engine.begin(rng)
    engine.set_local_restraint(g)
    judge = Judge.of(context, g)

    def treated(x: Array, relax: int) -> tuple[Array, tuple[str, ...]]:
        lam = np.tile([0.0, MINIMA[minimum]], (len(x), 1))
        how: Mapping[str, int] = {"minimise": ITERATIONS, "relax": relax, "steps": 100}
        seeds = settle(context, engine, x, lam, g, judge, **how)
        return seeds.walkers.positions, seeds.reasons

    minimised, _ = treated(drawn, 0)
    _, reasons = treated(drawn, 10)
    return Generated(
        kind,
        minimum,
        Ensemble.of(context, drawn),
        Ensemble.of(context, minimised),
        Ensemble.of(context, dynamics),
        Ensemble.of(context, treated(dynamics, 0)[0]),
        float(np.mean([not r for r in reasons])),
    )


def _rows(g: Generated) -> list[Row]:
    """Before minimisation against the dynamics; after it against the dynamics minimised alike."""
    rows = []
    for when, a, b in (("drawn", g.raw, g.md), ("minimised", g.minimised, g.md_minimised)):
        here = f"{g.kind}, {g.minimum}, {when}"
        for what in ("energy", "bonds", "angles"):
            p, q = getattr(a, what), getattr(b, what)
            # every bond on its own scale, all of them together
            middle, spread = q.mean(axis=0), q.std(axis=0)
            p, q = (np.ravel((v - middle) / spread) for v in (p, q))
            low, high = np.quantile(q, [0.005, 0.995])
            inside = 100 * float(np.mean((p >= low) & (p <= high)))
            distance = float(ks_2samp(p, q).statistic)
            rows.append(Row(f"{here}: {what}, KS distance", distance, "", NOISE))
            rows.append(Row(f"{here}: {what}, in the dynamics' 99 %", inside, "%"))
        above = float(np.median(a.energy) - np.median(b.energy))
        rows.append(Row(f"{here}: median energy above the dynamics'", above, "kJ/mol"))
        # cut where there is nothing, at φ = 0
        p, q = (np.mod(e.torsions[:, 0], 2 * np.pi) for e in (a, b))
        rows.append(Row(f"{here}: φ, KS distance", float(ks_2samp(p, q).statistic), "", NOISE))
        mean, other = (
            float(np.rad2deg(np.abs(wrap(e.torsions[:, 1] - MINIMA[g.minimum])).mean()))
            for e in (a, b)
        )
        rows.append(Row(f"{here}: ψ, off the label by", mean, "deg", f"dynamics {other:.2f}"))
        rows.append(Row(f"{here}: right isomer", 100 * float(a.same.mean()), "%"))
    usable = 100 * g.usable
    rows.append(Row(f"{g.kind}, {g.minimum}: usable after 1,000 steps", usable, "%"))
    return rows
