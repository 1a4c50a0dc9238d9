"""What the candidates of a turn of the path tuner have done so far, and what each of them costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.errors import inflation
from msgen.systems.base import Array

FEWEST = 8
"""Paths a candidate must have sent before it can win."""
FEWEST_BLOCKS = 8
"""Blocks that errors come from; the paths of each of fewer replicas are dealt out to several."""
MOST_WORK = 1e6
"""kT; what a path that broke is taken for."""
REVERSIBLE = 0.05
"""1/a − 2 below which a path loses next to nothing: from there on a longer one is a dearer one."""

Price = Callable[[Array, Array], Array]
"""What counts, of the evaluations of a path and of `PathTrials.per_crossing`."""


def evaluations_per_crossing(length: Array, per_crossing: Array) -> Array:
    """The price where there is no other."""
    return length * per_crossing


@dataclass(frozen=True)
class PathRound:
    """The paths of a round of tuning; each of shape (n,).

    Attributes
    ----------
    schedule : Array
        Number of the candidate.
    evaluations : Array
    chance : Array
        Of each path to be a crossing, in [0, 1].
    replica : Array
        Number of the replica that sent it.
    generalised_work : Array or None
        w of the paths that tried to cross, kT; NaN for the others. None where it is not known.
    broken : float
        Share of all paths whose energies were no numbers any more.
    """

    schedule: Array
    evaluations: Array
    chance: Array
    replica: Array
    generalised_work: Array | None = None
    broken: float = 0.0


@dataclass(frozen=True)
class PathTrials:
    """Sums over the paths of each candidate in each block; each of shape (candidates, blocks).

    A block is a replica: its paths begin near each other.

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
    def of_round(cls, candidates: int, replicas: int, paths: PathRound) -> PathTrials:
        """Of one round of so many replicas."""
        chance, w = paths.chance, paths.generalised_work
        if w is None:
            w = np.full_like(chance, np.nan)
        hard = np.log1p(np.clip(w, 0.0, MOST_WORK))
        tries, hard = np.where(np.isnan(hard), 0.0, 1.0), np.nan_to_num(hard)
        number = paths.schedule.astype(np.int64)
        block, blocks = _blocks(number, paths.replica.astype(np.int64), replicas)

        def summed(of_path: Array) -> Array:
            sums = np.bincount(number * blocks + block, of_path, candidates * blocks)
            return np.asarray(sums, dtype=np.float64).reshape(candidates, blocks)

        return cls(
            paths=summed(np.ones_like(chance)),
            evaluations=summed(paths.evaluations),
            crossings=summed(chance),
            crossings_squared=summed(chance**2),
            tries=summed(tries),
            hardness=summed(hard),
            hardness_squared=summed(hard**2),
        )

    def __add__(self, other: PathTrials) -> PathTrials:
        """Of both rounds."""
        return self._each(lambda name: getattr(self, name) + getattr(other, name))

    def _each(self, sums: Callable[[str], Array]) -> PathTrials:
        """With other sums, by name."""
        return PathTrials(**{f.name: sums(f.name) for f in fields(self)})

    @property
    def total(self) -> PathTrials:
        """Of all blocks together, shape (candidates, 1)."""
        return self._each(lambda name: getattr(self, name).sum(axis=1, keepdims=True))

    @property
    def lengths(self) -> Array:
        """Evaluations of a path of each candidate, shape (candidates,); 0 where there is none."""
        return _length(self.total)[:, 0]

    @property
    def chance(self) -> float:
        """Of a path of the first candidate to be a crossing."""
        return float(self.crossings[0].sum() / max(self.paths[0].sum(), 1.0))

    @property
    def spread(self) -> Array:
        """Relative error of the crossings, were all paths independent, shape (candidates,)."""
        all_ = self.total
        known = (all_.paths >= FEWEST) & (all_.crossings > 0)
        error = np.sqrt(np.maximum(_relative_variance(all_), 0.0) / np.maximum(all_.paths, 1.0))
        return np.asarray(np.where(known, error, np.inf)[:, 0])

    def per_crossing(self, bridging: bool) -> Array:
        """1/a, or where paths only bridge states 1/a − 2, shape (candidates,); see `PathTuner`.

        Infinite where nothing crossed.
        """
        return np.asarray(_per_crossing(self.total, bridging)[:, 0])

    def compared(self, bridging: bool, price: Price) -> tuple[Array, Array]:
        """What each candidate would save of what the first one costs, and the error of that.

        Of two candidates' worth, one over their price, the difference against the greater: the
        share of the price that the better one saves, negative where that is the first. Unlike
        their ratio it has an error where one of them hardly crosses. Errors are those of the
        delete-one jackknife over blocks, of both together: the paths of a replica begin in one
        place, whatever the candidate.
        """
        all_, n = self.total, self.paths.shape[1]
        rest = self._each(lambda name: getattr(all_, name) - getattr(self, name))
        worth, without = (
            1.0 / price(np.maximum(_length(t), 1e-300), _per_crossing(t, bridging))
            for t in (all_, rest)
        )
        others = without - without[0]
        apart = ((others - others.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        noise = np.sqrt((n - 1) / n * apart) * inflation(n - 1)
        unit = np.maximum(np.maximum(worth, worth[0])[:, 0], 1e-300)
        return (worth - worth[0])[:, 0] / unit, noise / unit

    def scores(self, per_evaluation: bool) -> tuple[Array, Array]:
        """Mean of ln(1 + w) over the tries of each candidate, and its error.

        `per_evaluation` adds ln of the evaluations of a path: w goes as 1/length, so that what a
        shorter step spares has to be worth them.
        """
        all_ = self.total
        score = all_.hardness / all_.tries
        variance = np.maximum(all_.hardness_squared / all_.tries - score**2, 0.0)
        error = np.sqrt(variance / all_.tries)
        if per_evaluation:
            score = score + np.log(all_.evaluations / all_.paths)
        return score[:, 0], error[:, 0]


def _relative_variance(t: PathTrials) -> Array:
    """Var(a)/⟨a⟩² of the chance a of one path; 0 where nothing crossed or there is one path."""
    n, hits = t.paths, np.where(t.crossings > 0, t.crossings, 1.0)
    variance = t.crossings_squared / hits * n / hits - 1.0
    told = (t.crossings > 0) & (n > 1)
    return np.where(told, variance * n / np.maximum(n - 1.0, 1.0), 0.0)


def _length(t: PathTrials) -> Array:
    """Evaluations of a path; of sums of any shape."""
    return np.asarray(t.evaluations / np.maximum(t.paths, 1.0))


def _per_crossing(t: PathTrials, bridging: bool) -> Array:
    """See `PathTrials.per_crossing`; of sums of any shape.

    With BAR's chance ⟨a²⟩ = ⟨a⟩/2, so that 1/⟨a⟩ − 2 = 2 Var(a)/⟨a⟩². The right side is known well
    near a = 1/2, where the left one is the small difference of two numbers, and less well than that
    where few paths cross: they are mixed accordingly.
    """
    crosses = t.crossings > 0
    per_crossing = t.paths / np.where(crosses, t.crossings, 1.0)
    if bridging:
        often = np.minimum(2.0 / per_crossing, 1.0)
        by_variance = 2.0 * _relative_variance(t)
        per_crossing = (1.0 - often) * (per_crossing - 2.0) + often * by_variance
        per_crossing = np.maximum(per_crossing, REVERSIBLE)
    return np.where(crosses, per_crossing, np.inf)


def _blocks(
    number: NDArray[np.int64], replica: NDArray[np.int64], replicas: int
) -> tuple[NDArray[np.int64], int]:
    """The block of each path, and how many there are; `number`: of the candidate."""
    shares = -(-FEWEST_BLOCKS // replicas)
    if shares == 1:
        return replica, replicas
    turn = np.zeros(len(number), dtype=np.int64)
    for one in np.unique(number * replicas + replica):
        mine = number * replicas + replica == one
        turn[mine] = np.arange(mine.sum())
    return replica * shares + turn % shares, replicas * shares
