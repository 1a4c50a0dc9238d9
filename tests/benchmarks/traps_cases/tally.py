"""What many campaigns of one trial came to, and the rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rows import Row
from trials import Ended, Trial, coverage

from traps_cases.base import Trap

WRONG = 3.0
"""σ."""


@dataclass(frozen=True)
class Tally:
    """The campaigns of one trial that have ended.

    Attributes
    ----------
    trap : Trap
    trial : Trial
    ended : sequence of Ended
    """

    trap: Trap
    trial: Trial
    ended: Sequence[Ended]

    @property
    def said(self) -> list[Ended]:
        """Those that said `converged`."""
        return [e for e in self.ended if e.converged]

    @property
    def failed(self) -> list[Ended]:
        """Those without a result."""
        return [e for e in self.ended if e.status == "error"]

    @property
    def z(self) -> list[float]:
        """Of all that said `converged`."""
        return [z for e in self.said for z in self.trap.z(e, self.trial)]

    @property
    def z_alone(self) -> list[float]:
        """Of those among them whose random numbers no other trial has."""
        own = [e for e in self.said if e.drawn not in (None, e.seed)]
        return [z for e in own for z in self.trap.z(e, self.trial)]

    def _off(self, ended: Sequence[Ended]) -> dict[int, float]:
        worst = {e.seed: max(self.trap.z(e, self.trial), key=abs, default=0.0) for e in ended}
        return {seed: z for seed, z in worst.items() if abs(z) > WRONG}

    @property
    def wrong(self) -> dict[int, float]:
        """Seed and worst z of those that said `converged` and are off by more than 3 σ."""
        return self._off(self.said)

    @property
    def unfounded(self) -> dict[int, float]:
        """The same of those that went on to the end of the budget, and print a σ all the same."""
        rest = [e for e in self.ended if not e.converged and e.status != "error"]
        off = self._off(rest)
        return {seed: z for seed, z in off.items() if np.isfinite(z)}

    def named(self) -> str:
        """Wrong ones in words."""
        return ", ".join(f"{seed}: {z:+.1f}" for seed, z in self.wrong.items())


def lines(tallies: Sequence[Tally]) -> list[str]:
    """The table as text, a line a trial."""
    width = max(len(t.trial.name) for t in tallies)
    head = (f"{'trial':<{width}}  conv/of  wrong  z mean    sd  unfounded  failed  Mevals"
            "  wrong seeds: z")  # fmt: skip
    out = [head]
    for t in tallies:
        z = [v for v in t.z if np.isfinite(v)]
        mean = f"{np.mean(z):6.2f}" if z else "     –"
        sd = f"{np.std(z, ddof=1):5.2f}" if len(z) > 1 else "    –"
        cost = np.median([e.evaluations for e in t.ended]) / 1e6
        out.append(
            f"{t.trial.name:<{width}}  {len(t.said):>3}/{len(t.ended):<3}  {len(t.wrong):>5}  "
            f"{mean} {sd}  {len(t.unfounded):>9}  {len(t.failed):>6}  {cost:>6.2f}  {t.named()}"
        )
    return out


def trial_rows(tally: Tally) -> list[Row]:
    """One trial."""
    name, said = tally.trial.name, tally.said
    of = f"of {len(tally.ended)}"
    found = [
        Row(f"{name}: converged", len(said), "", of),
        Row(f"{name}: wrong by more than 3 sigma", len(tally.wrong), "", tally.named(), "0",
            not tally.wrong),
        Row(f"{name}: not converged, sigma printed, off by more than 3", len(tally.unfounded), "",
            of),
        Row(f"{name}: median evaluations", float(np.median([e.evaluations for e in tally.ended]))),
    ]  # fmt: skip
    if tally.failed:
        found.append(Row(f"{name}: failed", len(tally.failed), "", tally.failed[0].reason[:80]))
    z = [v for v in tally.z if np.isfinite(v)]
    if len(z) > 1:
        found.append(Row(f"{name}: z, mean", float(np.mean(z))))
        found.append(Row(f"{name}: z, sd", float(np.std(z, ddof=1))))
    return found


def summary(tallies: Sequence[Tally]) -> list[Row]:
    """All of them, as the table's last lines; z of those that share no random numbers, if any."""
    n, said = sum(len(t.ended) for t in tallies), sum(len(t.said) for t in tallies)
    wrong = sum(len(t.wrong) for t in tallies)
    found = [
        Row("all: campaigns", n),
        Row("all: converged", said, "", f"of {n}", "≥ 300", said >= 300),
    ]
    if said:
        share = 100.0 * wrong / said
        found.append(Row("all: wrong of those converged", share, "%", f"{wrong} of {said}",
                         "≤ 1 %", share <= 1.0))  # fmt: skip
    open_ = [t for t in tallies if not t.trap.hidden]
    asked = sum(len(t.ended) for t in open_)
    if asked:
        got = sum(len(t.said) for t in open_)
        found.append(Row("nothing hidden: converged", 100.0 * got / asked, "%", f"{got} of {asked}",
                         "≥ 80 %", got >= 0.8 * asked))  # fmt: skip
    z = [v for t in tallies for v in t.z_alone] or [v for t in tallies for v in t.z]
    known = [v for v in z if np.isfinite(v)]
    if len(known) > 1:
        mean, sd = float(np.mean(known)), float(np.std(known, ddof=1))
        found.append(Row("all: z of the converged, number", len(known)))
        found.append(Row("all: z of the converged, mean", mean, "", "", "± 0.15", abs(mean) < 0.15))
        found.append(Row("all: z of the converged, sd", sd, "", "", "0.9–1.15", 0.9 < sd < 1.15))
        found += coverage(z, "all")
    return found
