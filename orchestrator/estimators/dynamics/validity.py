"""Share of structures that cannot be: bonds out of their windows, other isomers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Validity:
    """Share of structures that cannot be.

    Attributes
    ----------
    share : Reading
        Of invalid frames, by weight.
    frames, bad_bonds, other_isomers : int
        Frames looked at, and those with a bond outside its window, with another handedness or
        isomer of a peptide bond; a frame that is not finite counts as both.
    judged : str
        What was looked at, in words.
    """

    share: Reading
    frames: int
    bad_bonds: int
    other_isomers: int
    judged: str


def invalid_share(
    data: Trajectories, bad_bonds: Bools | None, other_isomer: Bools | None
) -> Validity:
    """Of all frames, from what is wrong with each (N,); what is None was not looked at."""
    n = len(data.owner)
    looked = {"bond lengths": bad_bonds, "handedness and peptide bonds": other_isomer}
    judged = [name for name, found in looked.items() if found is not None]
    bonds = np.zeros(n, dtype=bool) if bad_bonds is None else bad_bonds
    flipped = np.zeros(n, dtype=bool) if other_isomer is None else other_isomer
    w = data.weight
    sums = data.blocks.sum(np.stack([w, w * (bonds | flipped)], axis=1), np.arange(n))
    told = sums.estimate(lambda s: np.asarray(s[:, 1:] / s[:, :1]))
    share = Reading.of(float(told.value[0]), float(told.stderr[0]), told.why)
    if not judged:
        share = Reading.unknown("neither bonds nor isomers are known")
    elif not (bonds | flipped).any() and share.value is not None:
        share = share.without_error(f"none of {n} frames")
    return Validity(share, n, int(bonds.sum()), int(flipped.sum()), " and ".join(judged))
