"""Something slow beside the CVs: replicas of one state that do not agree in what is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.hidden.findings import Findings
from msgen.orchestrator.estimators.hidden.undrawn import Undrawn

MOST_TOLD, MOST_SHOWN = 3, 12
"""Findings that are told one by one, and those that the diagnostics show."""
APART = {"replicas": "replicas of state {}", "descents": "replicas of state {} from other starts"}


@dataclass(frozen=True)
class HiddenSlowness:
    """Differences between replicas in what no bias touches, and in their works.

    Attributes
    ----------
    findings : Findings or None
        None where nothing was watched, as by a role that does not.
    may_be_cvs : set of str
        What of it could be a CV.
    """

    findings: Findings | None
    may_be_cvs: frozenset[str] = frozenset()

    def unmet(self, asked: Criteria) -> list[str]:
        """What differs, and what may still differ by more than is asked.

        A difference is unmet if it is more than chance and larger than asked. Where none is seen,
        few readings count against a campaign as far as they leave room for one of that size.
        """
        if asked.hidden is None or self.findings is None:
            return []
        return self.ungrounded(asked) or _told(list(_unknown(self.findings, asked.hidden).values()))

    def ungrounded(self, asked: Criteria) -> list[str]:
        """What differs; what may still do so does not yet take the ground from an error."""
        if asked.hidden is None or self.findings is None:
            return []
        return _told(list(_differ(self.findings, asked.hidden, asked.state_error).values()))

    def coordinates(self, asked: Criteria) -> tuple[str, ...]:
        """What differs between replicas of a state and could be a CV, the largest share first."""
        if asked.hidden is None or self.findings is None:
            return ()
        sure = [f for f in self.findings.watched if f.sure and f.share > asked.hidden]
        found = dict.fromkeys(f.what for f in sorted(sure, key=lambda f: -f.share))
        return tuple(what for what in found if what in self.may_be_cvs)

    def diagnostics(self, asked: Criteria) -> dict[str, Any]:
        """What differs, by name; the largest shares with their bounds, and the works."""
        if asked.hidden is None or self.findings is None:
            return {}
        order = sorted(self.findings.watched, key=lambda f: (not f.sure, -f.share))
        return {
            "differ": sorted(_differ(self.findings, asked.hidden, asked.state_error)),
            "coordinates": list(self.coordinates(asked)),
            "tests": self.findings.tests,
            "watched": {
                f"{f.what}, {APART[f.among].format(f.state)}": {
                    "share": f.share,
                    "bounds": [f.lower, f.upper],
                    "p": f.p,
                    "effective": f.effective,
                }
                for f in order[:MOST_SHOWN]
            },
            "works": {
                f"{f.source} to {f.target}, {f.among}": {"spread_kT": f.spread, "p": f.p}
                for f in self.findings.works
            },
        }


def _differ(findings: Findings, share: float, spread: float) -> dict[str, str]:
    """What is more than chance and larger than this, in words by name, the largest first."""
    out: dict[str, str] = {}
    for f in sorted(findings.watched, key=lambda f: -f.share):
        if f.sure and f.share > share:
            who = APART[f.among].format(f.state)
            lies = f"{f.share:.2f} of the variance lies between them"
            out.setdefault(f"{f.what} in {f.state}", f"{f.what}: {who} disagree, {lies}")
    for w in sorted(findings.works, key=lambda w: -w.spread):
        if w.sure and w.spread > spread:
            who = "replicas" if w.among == "replicas" else "replicas from other starts"
            what = f"works from {w.source} to {w.target}"
            said = f"{what}: {who} disagree by {w.spread:.2f} kT, asked {spread:.2f}"
            out.setdefault(what, said)
    return out


def _unknown(findings: Findings, share: float) -> dict[str, str]:
    """What may still differ by more than this, in words by name."""
    out: dict[str, str] = {}
    for state in findings.few:
        out[state] = f"state {state}: too few readings to see whether replicas differ"
    for f in sorted(findings.watched, key=lambda f: -f.upper):
        if f.among == "replicas" and f.upper > share:
            said = (
                f"{f.what}: not known yet whether replicas of state {f.state} differ, up to "
                f"{f.upper:.2f} of the variance may lie between them, asked {share:g}"
            )
            out.setdefault(f"{f.what} in {f.state}", said)
    return out


def _told(reasons: list[str]) -> list[str]:
    out = reasons[:MOST_TOLD]
    if len(reasons) > MOST_TOLD:
        out.append(f"and {len(reasons) - MOST_TOLD} more like this")
    return out


@dataclass(frozen=True)
class UndrawnWalkers:
    """Walkers of a state that stand where a model hardly draws.

    Attributes
    ----------
    found : sequence of Undrawn
    """

    found: Sequence[Undrawn]

    def unmet(self, asked: Criteria) -> list[str]:
        """Those that may stand for a share of their state that the error asked for could see."""
        if asked.hidden is None:
            return []
        return _told([in_words(u) for u in self.found if u.mass > asked.state_error])

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: what is not drawn is in no error."""
        return self.unmet(asked)


def in_words(u: Undrawn) -> str:
    """One reason, with what tells these walkers from the others."""
    where = f" ({u.what} is {u.there:.2f} there, {u.elsewhere:.2f} elsewhere)" if u.what else ""
    return (
        f"{u.walkers} of {u.of} walkers in {u.state} stand where hardly anything is drawn{where}: "
        f"the model misses a part of the state"
    )
