"""Something slow beside the CVs: replicas of one state that do not agree in what is watched."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.hidden.findings import Findings

MOST_TOLD = 3
"""Findings that are told one by one."""
APART = {"replicas": "replicas of state {}", "descents": "replicas of state {} from other starts"}


@dataclass(frozen=True)
class HiddenSlowness:
    """Differences between replicas in what no bias touches, and in their works.

    Attributes
    ----------
    findings : Findings
    """

    findings: Findings

    def unmet(self, asked: Criteria) -> list[str]:
        """What differs, and what may still differ by more than is asked.

        A difference is unmet if it is more than chance and larger than asked. Where none is seen,
        few readings count against a campaign as far as they leave room for one of that size.
        """
        if asked.hidden is None:
            return []
        differ = self._differ(asked.hidden) + self._works(asked.state_error)
        return _told(differ or self._unknown(asked.hidden))

    def _differ(self, most: float) -> list[str]:
        out: dict[tuple[str, str], str] = {}
        for f in sorted(self.findings.watched, key=lambda f: -f.share):
            if f.sure and f.share > most:
                who = APART[f.among].format(f.state)
                lies = f"{f.share:.2f} of the variance lies between them"
                out.setdefault((f.what, f.state), f"{f.what}: {who} disagree, {lies}")
        return list(out.values())

    def _works(self, most: float) -> list[str]:
        out: dict[tuple[str, str], str] = {}
        for f in sorted(self.findings.works, key=lambda f: -f.spread):
            if f.sure and f.spread > most:
                who = "replicas" if f.among == "replicas" else "replicas from other starts"
                what = f"works from {f.source} to {f.target}"
                said = f"{what}: {who} disagree by {f.spread:.2f} kT, asked {most:.2f}"
                out.setdefault((f.source, f.target), said)
        return list(out.values())

    def _unknown(self, most: float) -> list[str]:
        out: dict[tuple[str, str], str] = {}
        for state in self.findings.few:
            out[state, ""] = f"state {state}: too few readings to see whether replicas differ"
        for f in sorted(self.findings.watched, key=lambda f: -f.upper):
            if f.among == "replicas" and f.upper > most:
                said = (
                    f"{f.what}: not known yet whether replicas of state {f.state} differ, up to "
                    f"{f.upper:.2f} of the variance may lie between them, asked {most:g}"
                )
                out.setdefault((f.what, f.state), said)
        return list(out.values())


def _told(reasons: list[str]) -> list[str]:
    out = reasons[:MOST_TOLD]
    if len(reasons) > MOST_TOLD:
        out.append(f"and {len(reasons) - MOST_TOLD} more like this")
    return out
