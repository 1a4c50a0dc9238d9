"""What configurations are compared by: the CVs, and what is watched beside them but the energy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

PAIRED = 8
"""Features up to which all pairs are looked at, and not only those with the CVs."""


@dataclass(frozen=True)
class Features:
    """Names and make of the columns that come back from where something was seen.

    Attributes
    ----------
    names : tuple of str
        The CVs first.
    periodic : bool array
        Which of them are angles; they count through cos and sin.
    cvs : int
        How many are CVs.
    """

    names: tuple[str, ...]
    periodic: Bools
    cvs: int

    def flat(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Columns that can be compared: an angle is its cos and its sin."""
        parts = []
        for k, turning in enumerate(self.periodic.tolist()):
            one = values[..., k]
            parts += [np.cos(one), np.sin(one)] if turning else [one]
        return np.stack(parts, axis=-1).astype(np.float32)

    def value(self, flat: NDArray[np.floating], k: int) -> float:
        """Median of feature k over rows of `flat`; of an angle, the direction of its mean."""
        columns = self.columns[k]
        if len(columns) == 1:
            return float(np.median(flat[:, columns[0]]))
        c, s = flat[:, columns[0]].mean(), flat[:, columns[1]].mean()
        return float(np.arctan2(s, c))

    @property
    def columns(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each feature in `flat`."""
        out, at = [], 0
        for turning in self.periodic.tolist():
            width = 2 if turning else 1
            out.append(tuple(range(at, at + width)))
            at += width
        return tuple(out)

    @property
    def looks(self) -> tuple[tuple[int, ...], ...]:
        """Groups of features that are looked at together.

        All CVs, each feature beside them alone and with the CVs, and pairs of these where they are
        few. Not all at once: of many parts that go their own ways, hardly any combination comes
        twice, and each would be called unknown.
        """
        cvs = tuple(range(self.cvs))
        beside = range(self.cvs, len(self.names))
        pairs: Sequence[tuple[int, ...]] = ()
        if len(self.names) - self.cvs <= PAIRED:
            pairs = tuple(itertools.combinations(beside, 2))
        return (cvs, *((k,) for k in beside), *((*cvs, k) for k in beside), *pairs)
