"""A one-dimensional density as a table, so that a costly model proposes for nothing.

At one value of its context a model of one variable is a curve. Tabulated once, it is sampled and
evaluated in nanoseconds, and the two agree exactly: the table itself, not the model it was read
from, is the density q of a Metropolis test. It is normalised by a sum, whatever the model's own
normalisation, or an ODE solver's tolerance, is worth.
"""

from __future__ import annotations

import time

import numpy as np

from msgen.models.base import Array, FitReport, GenerativeModel, Json, ModelState
from msgen.models.config import number
from msgen.models.validation import check_rows, check_weights


class Tabulated:
    """Piecewise constant on equal cells of [lower, upper], zero outside; d = 1.

    .. math:: q(y) = \\frac{(1−ε) m_i + ε/n}{∆}, \\quad y ∈ \\text{cell } i, \\quad Σ_i m_i = 1

    Parameters
    ----------
    lower, upper : float
        The box.
    mass : Array, shape (n,)
        Anything not negative, proportional to the cells' probabilities m.
    eps : float
        Share ε in [0, 1] of a uniform density, the defence: above 0 every point of the box can be
        proposed and 1/q is bounded.

    Raises
    ------
    ValueError
        For an empty box, masses without a finite positive sum, or ε outside [0, 1].
    """

    def __init__(self, lower: float, upper: float, mass: Array, eps: float = 0.0) -> None:
        m = np.array(mass, dtype=np.float64)
        if not (np.isfinite([lower, upper]).all() and lower < upper):
            raise ValueError(f"[{lower}, {upper}] is no box")
        if m.ndim != 1 or not np.isfinite(m).all() or (m < 0).any() or not m.sum() > 0:
            raise ValueError("mass must be a row of finite, non-negative numbers, not all zero")
        if not 0 <= eps <= 1:
            raise ValueError(f"eps must be in [0, 1], got {eps}")
        self.lower, self.upper, self.eps = float(lower), float(upper), float(eps)
        self._set(m)

    @classmethod
    def of(
        cls,
        model: GenerativeModel,
        lower: float,
        upper: float,
        cells: int,
        context: Array | None = None,
        eps: float = 0.0,
    ) -> Tabulated:
        """The density of a model at one context, read at the cells' midpoints.

        Parameters
        ----------
        model : GenerativeModel
            Of one variable.
        lower, upper : float
            The box; what the model has outside of it is left out.
        cells : int
        context : Array, shape (C,), or None
            The one value the table is of.
        eps : float
            See the class.

        Raises
        ------
        ValueError
            For a model of several variables, or one whose density is nowhere finite and positive
            in the box.
        """
        if model.dim != 1:
            raise ValueError(f"the model has {model.dim} variables; a table has one")
        width = (upper - lower) / cells
        middle: Array = lower + width * (np.arange(cells, dtype=np.float64) + 0.5)
        about = None if context is None else np.tile(np.asarray(context, np.float64), (cells, 1))
        log_q = np.asarray(model.log_prob(middle[:, None], about), dtype=np.float64)
        log_q = np.where(np.isfinite(log_q), log_q, -np.inf)
        top = log_q.max()
        return cls(lower, upper, np.exp(log_q - (top if top > -np.inf else 0.0)), eps)

    @property
    def dim(self) -> int:
        """1."""
        return 1

    @property
    def edges(self) -> Array:
        """Edges of the cells, shape (n + 1,)."""
        return self._edges.copy()

    @property
    def probabilities(self) -> Array:
        """Probability of every cell, defence included, shape (n,)."""
        return np.diff(self._cdf)

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Maximum likelihood: the masses become the weighted histogram of the data (m, 1).

        Raises
        ------
        ValueError
            For data outside of the box, or with a context.
        """
        start = time.perf_counter()
        _no_context(context)
        y = check_rows("data", data, 1)[:, 0]
        if ((y < self.lower) | (y > self.upper)).any():
            raise ValueError(f"data outside of the box [{self.lower:g}, {self.upper:g}]")
        w = check_weights(weights, len(y))
        counts = np.bincount(self._cell(y), weights=w, minlength=len(self._mass))
        self._set(np.asarray(counts, dtype=np.float64))
        loss = float(-np.average(self.log_prob(y[:, None]), weights=w))
        return FitReport(loss, loss, 0, time.perf_counter() - start)

    def quantile(self, u: Array) -> Array:
        """The inverse of the distribution function: q-distributed where u is uniform on [0, 1)."""
        return np.asarray(np.interp(u, self._cdf, self._edges))

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, 1)."""
        _no_context(context)
        return self.quantile(rng.random(n))[:, None]

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y), shape (n,); −inf outside the box."""
        _no_context(context)
        x = np.asarray(y, dtype=np.float64).reshape(-1)
        inside = (x >= self.lower) & (x <= self.upper)
        return np.where(inside, self._log_q[self._cell(np.where(inside, x, self.lower))], -np.inf)

    def state(self) -> ModelState:
        """The box, the defence and the masses."""
        config: dict[str, Json] = {
            "schema_version": 1,
            "kind": "tabulated",
            "lower": self.lower,
            "upper": self.upper,
            "eps": self.eps,
        }
        return ModelState(config, {"mass": self._mass.copy()})

    @classmethod
    def from_state(cls, state: ModelState) -> Tabulated:
        """The table `state` was taken from."""
        c = state.config
        return cls(number(c, "lower"), number(c, "upper"), state.arrays["mass"], number(c, "eps"))

    def _set(self, mass: Array) -> None:
        n = len(mass)
        self._mass = mass
        p = (1.0 - self.eps) * mass / mass.sum() + self.eps / n
        cdf = np.concatenate([[0.0], np.cumsum(p)])
        self._cdf = cdf / cdf[-1]
        self._edges = np.linspace(self.lower, self.upper, n + 1)
        self._scale = n / (self.upper - self.lower)
        with np.errstate(divide="ignore"):
            self._log_q = np.log(np.diff(self._cdf) * self._scale)

    def _cell(self, y: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        i = ((y - self.lower) * self._scale).astype(np.intp)
        return np.minimum(i, len(self._mass) - 1)


def _no_context(context: Array | None) -> None:
    if context is not None:
        raise ValueError("a table is of one context; tabulate the model again at another")
