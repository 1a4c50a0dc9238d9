"""Whether walkers of one umbrella window forget where they came from.

A window looks converged when each of its walkers is stuck, and even when a run's halves agree. What
shows it are walkers from independent seeds held against one another, in everything that is watched:
the CVs and what no window holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import chi2, rankdata

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_ROWS = 512
"""Readings of a walker that are kept; beyond, every second one is dropped."""
LEAST_ROWS = 8
"""Readings of a walker without which nothing is said."""
CHANCE = 0.01
"""Chance that any of all walkers that mix well is said to differ from the others."""


@dataclass(frozen=True)
class Verdict:
    """How the walkers of all windows mix.

    Attributes
    ----------
    r_hat : float
        Worst R̂ between walkers; 1 where nothing varies, NaN where unknown.
    ess : float
        Fewest effective samples of any window, by its slowest observable.
    stuck : tuple of str
        Windows and observables whose R̂ is above what is asked, in words, the worst first; and that
        nothing is known.
    differ : tuple of str
        What differs between walkers of a window beyond chance, by name, the worst first.
    """

    r_hat: float
    ess: float
    stuck: tuple[str, ...]
    differ: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixing:
    """Series of what is watched, of every walker in every window.

    Attributes
    ----------
    names : tuple of str, length H
    circular : bool array, shape (H,)
        Angles; they count through their cos and sin.
    series : Array, shape (L, K, T, H)
        Of walker (ladder) l in window k.
    stride : int
        Only every `stride`-th reading is kept.
    readings : int
        Of each walker so far, those dropped included.
    """

    names: tuple[str, ...]
    circular: NDArray[np.bool_]
    series: Array
    stride: int = 1
    readings: int = 0

    @classmethod
    def empty(
        cls, ladders: int, windows: int, names: Sequence[str], circular: NDArray[np.bool_]
    ) -> Mixing:
        """Nothing yet."""
        return cls(tuple(names), circular, np.zeros((ladders, windows, 0, len(names))))

    def with_readings(self, readings: Array) -> Mixing:
        """And readings more, in the order of time, shape (L, K, t, H)."""
        first, stride = -self.readings % self.stride, self.stride
        series = np.concatenate([self.series, readings[:, :, first::stride]], axis=2)
        while series.shape[2] > MOST_ROWS:
            series, stride = series[:, :, ::2], 2 * stride
        total = self.readings + readings.shape[2]
        return replace(self, series=series, stride=stride, readings=total)

    def _columns(self) -> tuple[Array, tuple[str, ...]]:
        """Scalars (K, L, T, H'): angles by cos and sin; and their names."""
        x = self.series.swapaxes(0, 1)
        plain, turning = x[..., ~self.circular], x[..., self.circular]
        names = [n for n, c in zip(self.names, self.circular, strict=True) if not c]
        angles = [n for n, c in zip(self.names, self.circular, strict=True) if c]
        parts = np.concatenate([plain, np.cos(turning), np.sin(turning)], axis=-1)
        return parts, (*names, *angles, *angles)

    def effective(self) -> Array:
        """Effective samples of each window by its slowest observable, shape (K,)."""
        return self._effective(self._columns()[0])

    def since(self, readings: int) -> Mixing:
        """Without the first `readings` of every walker."""
        rest = self.series[:, :, -(-readings // self.stride) :]
        return Mixing(self.names, self.circular, rest, self.stride, self.readings - readings)

    def _effective(self, x: Array) -> Array:
        k, ladders, t, _ = x.shape
        if t < LEAST_ROWS:
            return np.full(k, np.nan)
        g = _inefficiency(x - x.mean(axis=(1, 2), keepdims=True))
        # what never varies says nothing
        g = np.where(np.isfinite(g), g, 1.0)
        return np.asarray(ladders * t / g.max(axis=1))

    def judge(self, labels: Sequence[str], asked: float) -> Verdict:
        """Hold the walkers of every window against one another.

        Split R̂ (Vehtari et al., Bayesian Anal. 16, 667, 2021: rank-normalised, over halves of all
        walkers). With many windows and observables some are large by chance: walkers are said to
        differ only if the spread of the halves' means is beyond that of their own noise,
        V_b n/(W g) > χ²_{1−α}(2L − 1)/(2L − 1), g being the halves' own statistical inefficiency.
        What is above `asked` without is said to be of too few samples: it holds no more than they.

        Parameters
        ----------
        labels : sequence of str
            Of the windows.
        asked : float
            Largest R̂.
        """
        x, names = self._columns()
        k, ladders, t, h = x.shape
        if t < LEAST_ROWS:
            unknown = ("too few readings to hold walkers against one another",)
            return Verdict(float("nan"), float("nan"), unknown if np.isfinite(asked) else ())
        flat = rankdata(x.swapaxes(1, 3).reshape(k, h, -1), axis=2)
        z = ndtri((flat - 0.375) / (flat.shape[2] + 0.25))
        z = z.reshape(k, h, t, ladders).transpose(0, 3, 2, 1)
        half = t // 2
        halves = np.concatenate([z[:, :, :half], z[:, :, t - half :]], axis=1)
        means = halves.mean(axis=2, keepdims=True)
        within = halves.var(axis=2, ddof=1).mean(axis=1)
        between = means[:, :, 0].var(axis=1, ddof=1)
        varies = x.std(axis=(1, 2)) > 1e-10
        with np.errstate(divide="ignore", invalid="ignore"):
            r_hat = np.sqrt((half - 1) / half + between / within)
            # of chains about their own means: one that never moves on has a short memory there
            g = _inefficiency(z - z.mean(axis=2, keepdims=True))
            g = np.where(np.isfinite(g), g, 1.0)
            # means taken off a chain of n take g/n off its every correlation
            g /= np.maximum(1.0 - 3.0 * g / t, 0.5)
            noise = between * half / (within * g)
        dof = 2 * ladders - 1
        real = varies & (noise > chi2.ppf(1.0 - CHANCE / (k * h), dof) / dof)
        real |= varies & (within <= 1e-20)
        bad = varies & ~(r_hat <= asked)
        worst = sorted(zip(*np.nonzero(bad), strict=True), key=lambda at: -r_hat[at])
        stuck = tuple(
            f"window {labels[i]}: {names[j]} differs between walkers, R̂ {r_hat[i, j]:.2f}"
            if real[i, j]
            else f"window {labels[i]}: too few samples of {names[j]} to say that walkers agree, "
            f"R̂ {r_hat[i, j]:.3f}, asked {asked:g}"
            for i, j in worst
        )
        top = float(np.max(r_hat[varies], initial=1.0))
        differ = tuple(dict.fromkeys(names[j] for i, j in worst if real[i, j]))
        return Verdict(top, float(np.nanmin(self.effective())), stuck, differ)


def _inefficiency(x: Array) -> Array:
    """g = 1 + 2Σρ of deviations x (K, chains, T, H), pooled over chains → (K, H); NaN if constant.

    Summed over Geyer's initial monotone positive sequence (Stat. Sci. 7, 473, 1992).
    """
    t = x.shape[2]
    size = 1 << (2 * t - 1).bit_length()
    power = np.abs(np.fft.rfft(x, size, axis=2)) ** 2
    covariance = np.fft.irfft(power, size, axis=2)[:, :, :t].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = covariance / covariance[:, :1]
    pairs = rho[:, : t // 2 * 2].reshape(len(x), t // 2, 2, -1).sum(axis=2)
    going = np.logical_and.accumulate(pairs > 0, axis=1)
    pairs = np.where(going, np.minimum.accumulate(pairs, axis=1), 0.0)
    g = np.clip(2.0 * pairs.sum(axis=1) - 1.0, 1.0, t * x.shape[1])
    return np.where(covariance[:, 0] > 1e-20, g, np.nan)
