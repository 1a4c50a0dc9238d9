"""Making usable walkers of what a generative model proposes for a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.base import LINE_SEARCH, Engine
from msgen.actors.engines.molecule import molecule
from msgen.actors.engines.registry import engine_kind
from msgen.actors.roles.state_explorer import flips
from msgen.systems.base import Array, Walkers

TOO_FAR = 5.0
"""σ of the window that ξ may be off λ after relaxation; steep surfaces pull by 1 or 2."""
BASIN = 20.0
"""kT that another basin may lie above the one the campaign's start is in."""


@dataclass(frozen=True)
class Seeds:
    """What became of n proposals.

    Attributes
    ----------
    walkers : Walkers
        After relaxation, without velocities; as proposed, or as far as it came, where refused.
    reasons : tuple of str
        '' where the walker may be used; else 'nonfinite' (an energy or a path that is not finite),
        'energy' (too high for the temperature), 'isomer' (a peptide bond or a stereocentre is not
        as at the start) or 'astray' (the CVs are far from λ).
    """

    walkers: Walkers
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Judge:
    """Which walkers are fit to stand in a window.

    Attributes
    ----------
    g : Conditional
        The windows' own; `TOO_FAR` of its σ.
    ceiling : float
        Highest U, in the system's unit: of a molecule, 3N kT (twice equipartition's mean) and
        `BASIN` kT above the minimum under the campaign's start. inf for analytic systems.
    """

    g: Conditional
    ceiling: float = np.inf

    def of_rows(self, index: NDArray[np.int64]) -> Judge:
        """That of some windows, in this order."""
        return replace(self, g=self.g.of_rows(index))

    @classmethod
    def of(cls, context: WorkerContext, g: Conditional) -> Judge:
        """The judge of a campaign; the minimum under its start is found once per worker."""
        if not engine_kind(context).minimises:
            return cls(g)
        if "seed_ceiling" not in context.cache:
            system = molecule(context)
            start = system.initial()
            lowest = system.energy(
                _minimised(context, Walkers(start.positions, None, start.box), None, 0)
            )
            height = (system.n_dof + BASIN) * system.kT
            context.cache["seed_ceiling"] = float(lowest[0]) + height
        return cls(g, context.cache["seed_ceiling"])

    def reasons(self, context: WorkerContext, walkers: Walkers, lam: Array) -> tuple[str, ...]:
        """Why each walker may not stand at λ, shape (n, C); '' where it may. See `Seeds`."""
        energy = context.system.energy(walkers)
        off = self.g.energy(lam, context.cvs(walkers.positions))
        out = []
        for u, e, flipped in zip(energy, off, flips(context, walkers.positions), strict=True):
            if not (np.isfinite(u) and np.isfinite(e)):
                out.append("nonfinite")
            elif flipped:
                out.append("isomer")
            elif u > self.ceiling:
                out.append("energy")
            else:
                out.append("astray" if e > 0.5 * TOO_FAR**2 else "")
        return tuple(out)


def settle(
    context: WorkerContext,
    engine: Engine,
    proposed: Array,
    lam: Array,
    g: Conditional,
    judge: Judge,
    *,
    minimise: int,
    relax: int,
    steps: int,
    pace: Array | None = None,
) -> Seeds:
    """Minimise and relax proposed configurations in their windows, and judge what comes of them.

    Parameters
    ----------
    context : WorkerContext
    engine : Engine
        Begun.
    proposed : Array, shape (n, D)
    lam : Array, shape (n, C)
        Centres of the windows.
    g : Conditional
        The restraints of all windows, or each one's own.
    judge : Judge
    minimise : int
        Most iterations of L-BFGS on U and the restraint at λ; molecules only.
    relax, steps : int
        Chunks of local dynamics under the restraint, and steps of each.
    pace : Array, shape (n,), or None
        See `Engine.set_local_restraint`.
    """
    engines = engine_kind(context)
    start = context.system.initial().box
    box = None if start is None else np.repeat(start, len(proposed), axis=0)
    walkers = Walkers(np.array(proposed, dtype=np.float64), None, box)
    if engines.minimises and minimise:
        engine.set_local_restraint(g)
        walkers = _minimised(context, walkers, lam, minimise)
        engine.tally.evaluations += round(LINE_SEARCH * minimise) * len(walkers)
    verdict = np.array(judge.reasons(context, walkers, lam), dtype=object)
    # no dynamics mends these two
    fit = np.flatnonzero((verdict != "nonfinite") & (verdict != "isomer"))
    for row in [fit] if engines.batched or not len(fit) else np.split(fit, len(fit)):
        if len(row):
            engine.set_local_restraint(g.of_rows(row), None if pace is None else pace[row])
            part, broke = _relaxed(engine, walkers.take(row), lam[row], relax, steps)
            walkers.positions[row] = part.positions
            verdict[row] = judge.of_rows(row).reasons(context, part, lam[row])
            verdict[row[broke]] = "nonfinite"
    return Seeds(walkers, tuple(verdict.tolist()))


def _relaxed(
    engine: Engine, walkers: Walkers, lam: Array, chunks: int, steps: int
) -> tuple[Walkers, NDArray[np.bool_]]:
    """After `chunks` of the local kernel under the restraint, and which broke on the way."""
    engine.load(walkers)
    held, broke = np.ones(len(walkers), dtype=bool), np.zeros(len(walkers), dtype=bool)
    for _ in range(chunks):
        broken = np.asarray(~np.isfinite(engine.chunk(lam, held, steps)).all(axis=1))
        engine.revert(broken)
        broke |= broken
    return Walkers(engine.walkers().positions, None, walkers.box), broke


def _minimised(
    context: WorkerContext, walkers: Walkers, lam: Array | None, iterations: int
) -> Walkers:
    """After at most `iterations` of L-BFGS (0: to the minimum) of U, and of the restraint at λ.

    NaN where that breaks. The engine's own Contexts are used, with its restraint: to make another
    would disturb the random stream.
    """
    # here: an analytic system needs no OpenMM
    import openmm as mm

    from msgen.actors.engines.openmm import MoleculeEngine

    engine = engine_kind(context).build(context, None, None)
    assert isinstance(engine, MoleculeEngine)
    stepper = engine.stepper(lam is not None)
    x = np.array(walkers.positions)
    for i in range(len(x)):
        stepper.load(walkers, i)
        if lam is not None:
            engine.restrain(i, lam[i])
        try:
            mm.LocalEnergyMinimizer.minimize(stepper.context, maxIterations=iterations)
        except mm.OpenMMException:
            stepper.failed = True
        x[i] = stepper.positions().reshape(-1)
    return Walkers(x, None, walkers.box)
