"""What a run is worth: effective samples of the mode indicator, and what may belie them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msgen.orchestrator.estimators.diagnostics import effective_samples, split_r_hat


@dataclass(frozen=True)
class Reading:
    """One run.

    Attributes
    ----------
    ess : float
        Effective samples of production by the autocorrelation of the indicator.
    between : float
        The same by how much the means of the chains differ, p(1 − p)·chains/Var: what stuck
        chains, which fool the first, do not fool.
    positive : float
        Share of samples with a positive indicator.
    flips : float
        Changes of sign, per chain.
    r_hat : float
    accepted : float
        Of global proposals.
    cpu, evaluations : tuple of float
        Of training and production.
    compiling : float
        Seconds of training and production that went into compiling, part of `cpu`.
    """

    ess: float
    between: float
    positive: float
    flips: float
    r_hat: float
    accepted: float
    cpu: tuple[float, float]
    evaluations: tuple[float, float]
    compiling: float = 0.0

    @classmethod
    def of(cls, series: np.ndarray, **spent: object) -> Reading:
        """From the indicator of every chain, shape (chains, T)."""
        sign = (series > 0).astype(np.float64)
        p, means = sign.mean(), sign.mean(axis=1)
        chains = list(sign)
        spread = float(means.var(ddof=1))
        return cls(
            effective_samples([c[:, None] for c in chains], [False]),
            float(p * (1 - p) * len(chains) / spread) if spread > 0 else 0.0,
            float(p),
            float(np.abs(np.diff(sign, axis=1)).sum() / len(chains)),
            split_r_hat(chains, rank=False),
            **spent,  # type: ignore[arg-type]
        )

    @property
    def worth(self) -> float:
        """The smaller of the two effective sizes."""
        return min(self.ess, self.between)

    def per_second(self, training: bool) -> float:
        """Effective samples per CPU second, compiling left out."""
        spent = self.cpu[1] + (self.cpu[0] - self.compiling if training else 0.0)
        return self.worth / spent

    def per_thousand(self, training: bool) -> float:
        """Effective samples per 1,000 evaluations."""
        spent = self.evaluations[1] + (self.evaluations[0] if training else 0.0)
        return 1000.0 * self.worth / spent


def ours(path: Path) -> Reading:
    """A campaign's."""
    with np.load(path) as f:
        return Reading.of(
            f["production_series"],
            accepted=float(f["accepted"]),
            cpu=(float(f["training_cpu"]), float(f["production_cpu"])),
            evaluations=(float(f["training_evaluations"]), float(f["production_evaluations"])),
        )


def theirs(path: Path, loops: tuple[int, int]) -> Reading:
    """flowMC's; `loops` of training and production."""
    with np.load(path) as f:
        accepted = f["production_accepted"]
        local, steps = int(f["local_steps"]), int(f["steps_a_loop"])
        # the buffer holds local and global steps in turn
        turns = np.arange(accepted.shape[1]) % steps >= local
        one = float(f["evaluations_a_loop"])
        compiling = float(f["training_compiling"]), float(f["production_compiling"])
        return Reading.of(
            f["production_series"],
            accepted=float(np.nanmean(accepted[:, turns])),
            cpu=(float(f["training_cpu"]), float(f["production_cpu"]) - compiling[1]),
            evaluations=(loops[0] * one, loops[1] * one),
            compiling=compiling[0],
        )
