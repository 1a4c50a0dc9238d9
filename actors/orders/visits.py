"""Where the samples that count have been, as records tell it beside what the store keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment

VISITED = "visited"
"""Field of a record: CVs and what is watched but the energy, a row a configuration; see
`ProbeRecord.readings`."""


def visits_of(segment: Segment) -> NDArray[np.float32] | None:
    """Rows as those of `VISITED`; from what is watched where the record has none; None: unknown."""
    told = segment.carry.get(VISITED)
    if told is not None:
        return np.asarray(told, dtype=np.float32)
    if "watched" in segment.samples and "watched_cvs" in segment.samples:
        watched, xi = segment.samples["watched"], segment.samples["watched_cvs"]
        return np.asarray(np.hstack([xi, watched[:, :-1]]), dtype=np.float32)
    return None


def log_weights_of(segment: Segment) -> NDArray[np.float32]:
    """ln ρ* − ln q of a frozen q at walkers, shape (n,); none where it is not told."""
    told = segment.samples.get("walker_log_weight", np.zeros(0))
    return np.asarray(told[np.isfinite(told)], dtype=np.float32)


def proposals_of(segment: Segment) -> float:
    """Whole configurations that were proposed."""
    return float(segment.counts.get("global_proposed", 0.0))


def energies_of(segment: Segment) -> NDArray[np.float32]:
    """U/kT of what is watched, shape (n,); none where it is not told."""
    if "watched" in segment.samples and "watched_cvs" in segment.samples:
        return np.asarray(segment.samples["watched"][:, -1], dtype=np.float32)
    return np.zeros(0, dtype=np.float32)
