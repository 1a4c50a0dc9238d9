"""The mean volume of a run at constant pressure, from the boxes of its stored frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.orchestrator.reporting.samples import Samples

FEWEST = 4
"""Replicas below which no error is told."""


@dataclass(frozen=True)
class Volume:
    """What frames that count say.

    Attributes
    ----------
    mean : float
        nm³, at equilibrium.
    stderr : float or None
        nm³; None of fewer than `FEWEST` replicas.
    frames : int
    """

    mean: float
    stderr: float | None
    frames: int

    def in_words(self) -> str:
        """A sentence for the report."""
        error = "an error that is not known" if self.stderr is None else f"{self.stderr:.2g}"
        return f"Volume: {self.mean:.5g} ± {error} nm³, from {self.frames:,} frames"


def mean_volume(samples: Samples) -> Volume | None:
    """⟨V⟩ of the frames' weights; None where no box was stored or no frame counts.

    The ratio Σ w V / Σ w has the error of its influence function, with replicas as the independent
    units: σ² = K/(K−1) Σ_k (Σ_{i∈k} w_i (V_i − ⟨V⟩))² / (Σ w)².
    """
    if samples.boxes is None or not len(samples.boxes):
        return None
    weight = samples.weight[samples.frame_rows]
    total = float(weight.sum())
    if not total > 0:
        return None
    volume = np.abs(np.linalg.det(samples.boxes))
    mean = float(weight @ volume) / total
    units, unit = np.unique(samples.replica[samples.frame_rows][weight > 0], return_inverse=True)
    stderr = None
    if len(units) >= FEWEST:
        off = np.bincount(unit, (weight * (volume - mean))[weight > 0])
        stderr = float(np.sqrt(len(units) / (len(units) - 1) * np.sum(off**2))) / total
    return Volume(mean, stderr, int((weight > 0).sum()))
