"""Step sizes tuned towards a wanted acceptance, between segments of the adaptation phases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MALA_ACCEPTANCE = 0.574
"""Best acceptance of MALA in many dimensions (Roberts & Rosenthal, JRSS B 60, 255, 1998)."""
HMC_ACCEPTANCE = 0.651
"""Best acceptance of HMC in many dimensions (Beskos et al., Bernoulli 19, 1501, 2013)."""


@dataclass(frozen=True)
class StepSize:
    """A step size that follows the acceptance of whole segments.

    .. math:: \\ln s_{t+1} = \\ln s_t + g\\,t^{-0.6}\\,(\\bar a_t - a^*)

    (Robbins & Monro, Ann. Math. Stat. 22, 400, 1951; Andrieu & Thoms, Stat. Comput. 18, 343, 2008).
    Kernels are frozen, so adaptation can only happen between segments:
    ``tuner = tuner.update(result.probability.mean())``, then a new kernel with ``tuner.step``. A
    chain whose kernel depends on its own past leaves nothing invariant; call `freeze` where
    production begins, after which `update` refuses.

    Attributes
    ----------
    step : float
        The step size s to use next, in the kernel's unit.
    acceptance : float
        Acceptance wanted, a*, in (0, 1).
    updates : int
        How often it has been updated.
    frozen : bool
    gain : float
        g; what the acceptance loses per e-fold of s, inverted, is best.
    """

    step: float
    acceptance: float
    updates: int = 0
    frozen: bool = False
    gain: float = 2.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step) and self.step > 0.0 and 0.0 < self.acceptance < 1.0):
            raise ValueError(
                f"step {self.step} must be positive and acceptance {self.acceptance} in (0, 1)"
            )

    def update(self, seen: float) -> StepSize:
        """The tuner after a segment with mean acceptance probability `seen`.

        Raises
        ------
        RuntimeError
            Once frozen.
        """
        if self.frozen:
            raise RuntimeError("the step size is frozen: adaptation ended where production began")
        t = self.updates + 1
        change = self.gain * t**-0.6 * (float(seen) - self.acceptance)
        return replace(self, step=self.step * float(np.exp(change)), updates=t)

    def freeze(self) -> StepSize:
        """The same step, closed to further updates."""
        return replace(self, frozen=True)
