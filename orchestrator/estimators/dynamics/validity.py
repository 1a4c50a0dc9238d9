"""Structures that cannot be: bonds out of the window that the data span, other isomers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MARGIN = 0.25
"""Of the width that the data span, on either side."""


@dataclass(frozen=True, eq=False)
class BondWindows:
    """Lengths that each bond may have.

    Attributes
    ----------
    bonds : int array, shape (B, 2)
    low, high : Array, shape (B,)
        nm.
    """

    bonds: Ints
    low: Array
    high: Array

    @classmethod
    def around(cls, bonds: Ints, low: Array, high: Array, margin: float = MARGIN) -> BondWindows:
        """From the shortest to the longest that was seen of each (B,), and a margin.

        Bonds that are rigid in the data get at least ± 1 % of their length.
        """
        extra = np.maximum(margin * (high - low), 0.01 * high)
        return cls(bonds, low - extra, high + extra)

    def outside(self, positions: Array) -> Bools:
        """Whether any bond is, by configuration; also where one is not finite."""
        length = lengths(positions, self.bonds)
        return np.asarray(~((length >= self.low) & (length <= self.high)).all(axis=1))


def lengths(positions: Array, bonds: Ints) -> Array:
    """Of bonds in configurations (n, 3N), shape (n, B)."""
    x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1, 3)
    return np.asarray(np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=2))


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
