"""How much may lie where nobody has been: Good and Turing's estimate, and its bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.stats import beta, norm

CHANCE = 0.05
"""That the bound does not hold."""


@dataclass(frozen=True)
class Unseen:
    """The share of probes that basins catch which nobody has seen.

    Attributes
    ----------
    probes : int
        Independent of each other.
    basins : int
        That they found, and who samples did not know.
    once, twice : int
        Those of them that exactly one probe found, and exactly two.
    """

    probes: int
    basins: int = 0
    once: int = 0
    twice: int = 0

    @classmethod
    def of(cls, probes: int, found: Sequence[int]) -> Unseen:
        """From the number of probes that each basin, unknown until then, has caught."""
        return cls(probes, len(found), sum(n == 1 for n in found), sum(n == 2 for n in found))

    @property
    def share(self) -> float:
        """Good and Turing's estimate (Good, Biometrika 40, 237, 1953): singletons over probes."""
        return self.once / self.probes if self.probes else 1.0

    @property
    def bound(self) -> float:
        """Upper 95 % bound.

        Without a find 1 − 0.05^(1/n), about 3/n. With finds the larger of Clopper and Pearson's
        (Biometrika 26, 404, 1934) of the singletons in n, for each probe in turn might have met
        what the others had not; and of the estimate with twice its error, whose square is
        (n₁ + 2 n₂)/n² (Esty, Ann. Statist. 11, 905, 1983), with one singleton more. Both for half
        the chance of an error: a test holds it to 95 % over masses of many kinds.
        """
        n, once = self.probes, self.once
        if n == 0 or once >= n:
            return 1.0
        if not self.basins:
            return float(1.0 - CHANCE ** (1.0 / n))
        exact = float(beta.ppf(1.0 - CHANCE / 2, once + 1, n - once))
        error = math.sqrt(once + 2 * self.twice + 1) / n
        return min(1.0, max(exact, self.share + float(norm.ppf(1.0 - CHANCE / 2)) * error))

    def needed(self, share: float) -> int:
        """Probes in all until the bound is `share`, if no basin more is found."""
        n = max(self.probes, self.once + 1)
        while replace(self, probes=n).bound > share:
            n += max(1, n // 100)
        return n
