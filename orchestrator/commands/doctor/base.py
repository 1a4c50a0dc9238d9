"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["fine", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Attributes
    ----------
    what : str
        A word or two.
    verdict : {'fine', 'note', 'wrong'}
        A note asks for thought; with what is wrong campaigns fail.
    said : str
        What was found.
    remedy : str
        What to do, where it is not fine.
    """

    what: str
    verdict: Verdict
    said: str
    remedy: str = ""


def told(findings: Sequence[Finding]) -> str:
    """A line for each, its remedy below."""
    marks = {"fine": "ok   ", "note": "note ", "wrong": "WRONG"}
    width = max(len(one.what) for one in findings)
    lines = []
    for one in findings:
        lines.append(f"{marks[one.verdict]}  {one.what:<{width}}  {one.said}")
        if one.remedy:
            lines.append(f"{'':7}{'':{width}}  → {one.remedy}")
    return "\n".join(lines)
