"""Defended proposals: q = (1−ε)·model + ε·broad.

The broad part bounds the weights ρ*/q and reaches states that nobody has seen
(Hesterberg, Weighted average importance sampling and defensive mixture distributions, 1995).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array, Drawn, FitReport, GenerativeModel, Json, ModelState, Telling
from msgen.models.config import flags
from msgen.models.validation import check_rows, check_weights


class Broad:
    """A product density: uniform on angles, and on linear columns uniform on a box or Gaussian.

    Parameters
    ----------
    periodic : sequence of bool, length d
    lower, upper : Array, shape (d,), or None
        The box of the linear columns; entries of angles are ignored.
    mean, std : Array, shape (d,), or None
        The Gaussian of the linear columns, instead of a box.

    Raises
    ------
    ValueError
        If linear columns have neither a box nor a Gaussian, or both, or an empty one.
    """

    def __init__(
        self,
        periodic: Sequence[bool],
        *,
        lower: Array | None = None,
        upper: Array | None = None,
        mean: Array | None = None,
        std: Array | None = None,
    ) -> None:
        self.periodic = tuple(bool(p) for p in periodic)
        self._angles = np.array(self.periodic, dtype=bool)
        d = len(self.periodic)
        box = lower is not None and upper is not None
        gaussian = mean is not None and std is not None
        if not self._angles.all() and box == gaussian:
            raise ValueError("linear columns need either lower and upper, or mean and std")
        self.gaussian = gaussian
        # one pair of arrays for both: (lower, width) of a box, (mean, std) of a Gaussian
        first, second = np.zeros(d), np.ones(d)
        if lower is not None and upper is not None:
            first, second = np.array(lower, dtype=np.float64), np.subtract(upper, lower)
        if mean is not None and std is not None:
            first, second = np.array(mean, dtype=np.float64), np.array(std, dtype=np.float64)
        self._first = np.where(self._angles, -np.pi, first)
        self._second = np.where(self._angles, 2 * np.pi, second)
        if self._second.shape != (d,) or not (np.isfinite(self._second) & (self._second > 0)).all():
            raise ValueError(f"the box or Gaussian must have {d} positive, finite widths")

    @property
    def dim(self) -> int:
        """d."""
        return len(self.periodic)

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Has no parameters: leaves the density as it is and reports its loss on the data."""
        start = time.perf_counter()
        y = check_rows("data", data, self.dim)
        w = check_weights(weights, len(y))
        loss = float(-np.average(self.log_prob(y), weights=w))
        return FitReport(loss, loss, 0, time.perf_counter() - start)

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d)."""
        u = rng.random((n, self.dim))
        g = rng.standard_normal((n, self.dim))
        out: Array = self._first + self._second * np.where(self._uniform, u, g)
        return out

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y), shape (n,); −inf outside the box; angles may lie in any turn."""
        rows = np.atleast_2d(np.asarray(y, dtype=np.float64))
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        t = (np.where(finite[:, None], rows, 0.0) - self._first) / self._second
        inside = self._angles | ~self._uniform | ((t >= 0) & (t <= 1))
        normal = -0.5 * t * t - 0.5 * np.log(2 * np.pi)
        terms = np.where(self._uniform, 0.0, normal) - np.log(self._second)
        return np.where(finite & inside.all(axis=1), terms.sum(axis=1), -np.inf)

    def state(self) -> ModelState:
        """Config and bounds."""
        config: dict[str, Json] = {
            "schema_version": 1,
            "kind": "broad",
            "dim": self.dim,
            "periodic": list(self.periodic),
            "gaussian": self.gaussian,
        }
        return ModelState(config, {"first": self._first.copy(), "second": self._second.copy()})

    @classmethod
    def from_state(cls, state: ModelState) -> Broad:
        """The density `state` was taken from."""
        first, second = state.arrays["first"], state.arrays["second"]
        periodic = flags(state.config, "periodic")
        if state.config["gaussian"]:
            return cls(periodic, mean=first, std=second)
        out = cls(periodic, lower=first, upper=first + second)
        # lower + width − lower need not round to width
        out._second = np.array(second, dtype=np.float64)
        return out

    @property
    def _uniform(self) -> NDArray[np.bool_]:
        return self._angles | (not self.gaussian)


class Defended:
    """q = (1−ε)·model + ε·broad, itself a `GenerativeModel`.

    Parameters
    ----------
    model : GenerativeModel
    broad : Broad
        Of the same dimension.
    eps : float
        In (0, 1]; then ρ*/q ≤ ρ*/(ε·broad).

    Raises
    ------
    ValueError
        For ε outside (0, 1] or densities of different dimension.
    """

    def __init__(self, model: GenerativeModel, broad: Broad, eps: float) -> None:
        if not 0 < eps <= 1:
            raise ValueError(f"eps must be in (0, 1], got {eps}")
        if model.dim != broad.dim:
            raise ValueError(f"model has dimension {model.dim}, broad has {broad.dim}")
        self.model, self.broad, self.eps = model, broad, float(eps)

    @property
    def dim(self) -> int:
        """d."""
        return self.model.dim

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Fit the model; the broad part stays."""
        return self.model.fit(data, seed=seed, weights=weights, context=context, fresh=fresh)

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d)."""
        broad = rng.random(n) < self.eps
        y = np.empty((n, self.dim))
        y[~broad] = self.model.sample(int((~broad).sum()), rng, _rows(context, ~broad))
        y[broad] = self.broad.sample(int(broad.sum()), rng)
        return y

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """The draws of `sample`, and ln q of them, shapes (n, d) and (n,)."""
        broad = rng.random(n) < self.eps
        y, model = np.empty((n, self.dim)), np.empty(n)
        y[~broad], model[~broad] = draw(
            self.model, int((~broad).sum()), rng, _rows(context, ~broad)
        )
        y[broad] = self.broad.sample(int(broad.sum()), rng)
        if broad.any():
            model[broad] = self.model.log_prob(y[broad], _rows(context, broad))
        return y, self._mixed(model, self.broad.log_prob(y))

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln[(1−ε) model(y|c) + ε broad(y)], shape (n,)."""
        broad = self.broad.log_prob(y)
        return self._mixed(broad if self.eps == 1 else self.model.log_prob(y, context), broad)

    def _mixed(self, model: Array, broad: Array) -> Array:
        """ln q from ln of both densities."""
        broad = np.log(self.eps) + broad
        if self.eps == 1:
            return broad
        return np.asarray(np.logaddexp(np.log1p(-self.eps) + model, broad), dtype=np.float64)

    def state(self) -> ModelState:
        """Both parts, arrays prefixed with ``model.`` and ``broad.``."""
        model, broad = self.model.state(), self.broad.state()
        arrays = {f"model.{k}": v for k, v in model.arrays.items()}
        arrays |= {f"broad.{k}": v for k, v in broad.arrays.items()}
        config: dict[str, Json] = {
            "schema_version": 1,
            "kind": "defended",
            "eps": self.eps,
            "model": dict(model.config),
            "broad": dict(broad.config),
        }
        return ModelState(config, arrays)


def draw(
    model: Drawn, n: int, rng: np.random.Generator, context: Array | None = None
) -> tuple[Array, Array]:
    """n draws and ln q of them, in one pass where the model can, shapes (n, d) and (n,)."""
    if isinstance(model, Telling):
        return model.sample_with_log_prob(n, rng, context)
    y = model.sample(n, rng, context)
    return y, model.log_prob(y, context)


def _rows(context: Array | None, rows: NDArray[np.bool_]) -> Array | None:
    """The rows of a context that has one for each draw, or one for all."""
    return context if context is None or len(context) == 1 else context[rows]
