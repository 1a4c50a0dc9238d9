"""Counts of many segments, added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgen.actors.base import Segment


def with_counts(totals: Mapping[str, float], segments: Sequence[Segment]) -> dict[str, float]:
    """`totals` and the counts of some segments more."""
    out = dict(totals)
    for segment in segments:
        for name, value in segment.counts.items():
            out[name] = out.get(name, 0.0) + value
    return out
