"""Chains that go by a cheap density and are tested by a dear one, which they leave invariant."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from msgen.actors.kernels.base import (
    Kernel,
    KernelResult,
    Recorder,
    Target,
    log_uniform,
    metropolis,
)
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Calculated:
    """What the dear density was asked for.

    Attributes
    ----------
    x : Array, shape (m, D)
    log_density : Array, shape (m,)
        −inf where it could not be told.
    gradient : Array, shape (m, D)
    """

    x: Array
    log_density: Array
    gradient: Array


@dataclass(frozen=True)
class DelayedResult(KernelResult):
    """And what came of the first test.

    Attributes
    ----------
    tested : int
        Walks that went anywhere, and so were tested by the dear density. `accepted` and
        `probability` are shares of those of a walker; NaN where it has none.
    passed : int
        Of them, those that were accepted.
    inner : float
        Share of the moves inside that the cheap density accepted.
    calculated : Calculated
        Every call of the dear density, that at the start first.
    """

    tested: int = 0
    passed: int = 0
    inner: float = 0.0
    calculated: Calculated = field(
        default_factory=lambda: Calculated(np.zeros((0, 0)), np.zeros(0), np.zeros((0, 0)))
    )


@dataclass(frozen=True)
class DelayedAcceptance:
    """Moves of a kernel that is reversible under ρ̃, tested as a whole by ρ*. Exact for any ρ̃.

    .. math:: a = \\min\\left(1, \\frac{ρ^*(x′)\\,ρ̃(x)}{ρ^*(x)\\,ρ̃(x′)}\\right)

    for x′ after `moves` steps of the kernel (J. S. Liu, Monte Carlo Strategies in Scientific
    Computing, 9.4.3, 2001, the surrogate transition; J. A. Christen and C. Fox, J. Comput. Graph.
    Stat. 14, 795, 2005). One call of ρ* tests a whole walk; one that ends where it began asks for
    none. ρ̃ is frozen in a call, and its version belongs to the record of what came of it.

    Parameters
    ----------
    surrogate : Target
        ρ̃, of one version.
    kernel : Kernel
        Reversible under the target that it is given, as `Hmc` and `Mala` are, whose velocities and
        noise are drawn anew in each step; no rejection of theirs may depend on the past.
    moves : int
        Its steps between two tests.
    """

    surrogate: Target
    kernel: Kernel
    moves: int = 1

    def __post_init__(self) -> None:
        if self.moves < 1:
            raise ValueError(f"moves={self.moves} must be at least 1")

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> DelayedResult:
        """Take `n_steps` walks, each tested; `evaluations` are those of `target` alone."""
        x = np.array(walkers.positions, dtype=np.float64)
        n = len(x)
        recorder = Recorder(n_steps, record_every, x.shape)
        log_here, gradient = target.log_density_and_gradient(x)
        asked = [Calculated(x.copy(), log_here, gradient)]
        cheap_here = self.surrogate.log_density(x)
        tested, accepted, probability = np.zeros(n), np.zeros(n), np.zeros(n)
        ratio, inner, nonfinite = np.full(n, -np.inf), 0.0, 0
        for k in range(n_steps):
            walk = self.kernel(self.surrogate, Walkers(x), rng, n_steps=self.moves)
            inner += float(walk.accepted.mean())
            new = walk.walkers.positions
            # drawn for all, so that no stream depends on who moved
            log_u = log_uniform(rng, n)
            at = np.flatnonzero((new != x).any(axis=1))
            if len(at):
                log_new, gradient = target.log_density_and_gradient(new[at])
                asked.append(Calculated(new[at].copy(), log_new, gradient))
                cheap_new = self.surrogate.log_density(new[at])
                yes, r, broken = metropolis(
                    log_new, log_here[at], cheap_new, cheap_here[at], log_u[at]
                )
                tested[at] += 1.0
                accepted[at] += yes
                probability[at] += np.exp(np.minimum(r, 0.0))
                ratio[at] = r
                nonfinite += int(broken.sum())
                there = at[yes]
                x[there] = new[there]
                log_here[there], cheap_here[there] = log_new[yes], cheap_new[yes]
            recorder.note(k, x)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = accepted / tested, probability / tested
        return DelayedResult(
            walkers.with_positions(x),
            *shares,
            ratio,
            sum(len(part.x) for part in asked),
            nonfinite,
            recorder.frames,
            int(tested.sum()),
            int(accepted.sum()),
            inner / n_steps,
            Calculated(
                np.concatenate([part.x for part in asked]),
                np.concatenate([part.log_density for part in asked]),
                np.concatenate([part.gradient for part in asked]),
            ),
        )
