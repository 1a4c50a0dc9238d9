"""What the candidates of a turn of the path tuner have done so far."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from msgen.systems.base import Array

FEWEST = 8
"""Paths a candidate must have sent before it can win."""
MOST_WORK = 1e6
"""kT; what a path that broke is taken for."""


@dataclass(frozen=True)
class PathTrials:
    """Sums over the paths of each candidate; each of shape (candidates,).

    Attributes
    ----------
    paths : Array
        How many.
    evaluations : Array
    crossings, crossings_squared : Array
        Of each path's chance to be a crossing, and of its square.
    tries : Array
        Paths that tried to cross.
    hardness, hardness_squared : Array
        Of ln(1 + w) of those, and of its square.
    """

    paths: Array
    evaluations: Array
    crossings: Array
    crossings_squared: Array
    tries: Array
    hardness: Array
    hardness_squared: Array

    @classmethod
    def of_paths(
        cls,
        candidates: int,
        schedule: Array,
        evaluations: Array,
        chance: Array,
        generalised_work: Array | None,
    ) -> PathTrials:
        """Of n paths; see `PathTuner.absorb`."""
        ones, w = np.ones_like(chance), generalised_work
        if w is None:
            w = np.full_like(chance, np.nan)
        hard = np.log1p(np.clip(w, 0.0, MOST_WORK))
        tries, hard = np.where(np.isnan(hard), 0.0, ones), np.nan_to_num(hard)
        number = schedule.astype(np.int64)

        def summed(of_path: Array) -> Array:
            return np.asarray(np.bincount(number, of_path, candidates), dtype=np.float64)

        return cls(
            paths=summed(ones),
            evaluations=summed(evaluations),
            crossings=summed(chance),
            crossings_squared=summed(chance**2),
            tries=summed(tries),
            hardness=summed(hard),
            hardness_squared=summed(hard**2),
        )

    def __add__(self, other: PathTrials) -> PathTrials:
        """Of both rounds."""
        names = [f.name for f in fields(self)]
        return PathTrials(**{n: getattr(self, n) + getattr(other, n) for n in names})

    def costs(self, bridging: bool) -> tuple[Array, Array]:
        """Cost of each candidate and its relative error; infinite where unknown.

        What it is a crossing, or where paths only bridge states what their error is, see
        `PathTuner`.
        """
        n, hits = self.paths, self.crossings
        known = (n >= FEWEST) & (hits > 0)
        a = np.where(known, hits, 1.0) / np.maximum(n, 1.0)
        per_crossing = 1.0 / a - (2.0 if bridging else 0.0)
        costs = self.evaluations / np.maximum(n, 1.0) * np.maximum(per_crossing, 0.05)
        variance = np.maximum(self.crossings_squared / np.maximum(n, 1.0) - a**2, 0.0)
        spread = np.sqrt(variance / np.maximum(n, 1.0)) / a
        return np.where(known, costs, np.inf), np.where(known, spread, np.inf)

    def scores(self, per_evaluation: bool) -> tuple[Array, Array]:
        """Mean of ln(1 + w) over the tries of each candidate, and its error.

        `per_evaluation` adds ln of the evaluations of a path: w goes as 1/length, so that what a
        shorter step spares has to be worth them.
        """
        score = self.hardness / self.tries
        variance = np.maximum(self.hardness_squared / self.tries - score**2, 0.0)
        error = np.sqrt(variance / self.tries)
        if per_evaluation:
            score = score + np.log(self.evaluations / self.paths)
        return score, error
