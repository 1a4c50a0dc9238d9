"""A normalising flow as a generative model: standardisation, fitting, sampling, state.

ln q(y|c) = ln q₀(z) + ln|∂z/∂v| − Σ_linear ln σ_i,  v = (y − μ)/σ on linear columns, v = y on angles,
z = T(v|c), q₀ standard normal on linear columns and uniform on [−π, π) on angles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, ModelState
from msgen.models.fitting import Training, maximise_likelihood
from msgen.models.mixed_flow import angle_features
from msgen.models.splines import LINEAR_BOUND, wrap

SCHEMA_VERSION = 1
CHUNK = 16384
"""Most rows that go through a network at once: bounds memory, not results."""


@dataclass(frozen=True)
class FlowConfig:
    """What a flow is made of, without its weights."""

    kind: str
    dim: int
    periodic: tuple[bool, ...]
    context_periodic: tuple[bool, ...] = ()
    transforms: int = 4
    hidden: tuple[int, ...] = (64, 64)
    bins: int = 8
    training: Training = field(default_factory=Training)

    def to_json(self) -> dict[str, Any]:
        """As lists and scalars."""
        out = asdict(self)
        for key in ("periodic", "context_periodic", "hidden"):
            out[key] = list(out[key])
        return {"schema_version": SCHEMA_VERSION, **out}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> FlowConfig:
        """Inverse of `to_json`; keys that are not its own are left alone."""
        values = {key: config[key] for key in cls.__dataclass_fields__}
        for key in ("periodic", "context_periodic", "hidden"):
            values[key] = tuple(values[key])
        values["training"] = Training(**values["training"])
        return cls(**values)


class StandardisedDensity(nn.Module):
    """ln q(y|c) around a bijection of standardised variables.

    `bijection(v, c)` returns (z, ln|∂z/∂v|), `bijection.inverse(z, c)` returns v.
    """

    loc: Tensor
    scale: Tensor
    context_loc: Tensor
    context_scale: Tensor

    def __init__(
        self, bijection: nn.Module, periodic: Sequence[bool], context_periodic: Sequence[bool]
    ) -> None:
        super().__init__()
        self.bijection = bijection
        self.linear, self.angles = _columns(periodic)
        self.context_linear, self.context_angles = _columns(context_periodic)
        for name, n in (("", len(periodic)), ("context_", len(context_periodic))):
            self.register_buffer(f"{name}loc", torch.zeros(n))
            self.register_buffer(f"{name}scale", torch.ones(n))

    def standardise(self, y: Array, weights: Array | None, context: Array | None) -> None:
        """Set μ and σ from the data, weighted."""
        loc, scale = moments(y, weights, self.angles.numpy())
        self.loc.copy_(torch.as_tensor(loc))
        self.scale.copy_(torch.as_tensor(scale))
        if context is not None:
            loc, scale = moments(context, weights, self.context_angles.numpy())
            self.context_loc.copy_(torch.as_tensor(loc))
            self.context_scale.copy_(torch.as_tensor(scale))

    def forward(self, y: Tensor, context: Tensor | None) -> Tensor:
        """ln q(y|c), shape (n,)."""
        v = (y - self.loc) / self.scale
        z, log_det = self.bijection(v, self._context(context))
        normal = z[:, self.linear]
        log_base = -0.5 * (normal * normal).sum(dim=-1)
        constant = 0.5 * len(self.linear) + len(self.angles)
        out: Tensor = (
            log_base + log_det - torch.log(self.scale).sum() - constant * math.log(2 * math.pi)
        )
        return out

    def push(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Base draws z to samples y, shape (n, d); angles in [−π, π)."""
        v = self.bijection.inverse(z, self._context(context))  # type: ignore[operator]
        y: Tensor = v * self.scale + self.loc
        y[:, self.angles] = wrap(y[:, self.angles])
        return y

    def base(self, n: int, rng: np.random.Generator) -> Tensor:
        """n draws from the base, shape (n, d)."""
        z = np.empty((n, len(self.loc)))
        z[:, self.linear.numpy()] = rng.standard_normal((n, len(self.linear)))
        z[:, self.angles.numpy()] = rng.uniform(-np.pi, np.pi, (n, len(self.angles)))
        return torch.as_tensor(z)

    def _context(self, context: Tensor | None) -> Tensor | None:
        if context is None:
            return None
        scaled = (context - self.context_loc) / self.context_scale
        return angle_features(scaled, self.context_linear, self.context_angles)


def _columns(periodic: Sequence[bool]) -> tuple[Tensor, Tensor]:
    mask = torch.tensor(list(periodic), dtype=torch.bool)
    return (~mask).nonzero().squeeze(-1), mask.nonzero().squeeze(-1)


def moments(y: Array, weights: Array | None, angles: Array) -> tuple[Array, Array]:
    """μ and σ per column, shape (d,); 0 and 1 for angles.

    σ is the standard deviation, or more where that would leave 0.1 % of the samples beyond 4 σ:
    splines act on [−5, 5] only, and a small second state must fall inside.
    """
    w = np.full(len(y), 1 / len(y)) if weights is None else weights / weights.sum()
    loc = w @ y
    spread = np.sqrt(w @ (y - loc) ** 2)
    seen = np.abs(y - loc) if weights is None else np.abs(y - loc)[weights > 0]
    reach = np.quantile(seen, 0.999, axis=0) / (LINEAR_BOUND - 1)
    # a column that does not vary keeps a finite density
    scale = np.maximum(np.maximum(spread, reach), 1e-9 * (1 + np.abs(loc)))
    loc[angles], scale[angles] = 0.0, 1.0
    return loc, scale


class FlowModel:
    """A `GenerativeModel` made of a bijection; subclasses say which.

    Parameters
    ----------
    config : FlowConfig

    Notes
    -----
    Weights and arithmetic are float64. All randomness comes from `seed` and `rng`: torch's global
    generator is neither read nor moved.
    """

    def __init__(self, config: FlowConfig) -> None:
        self.config = config
        self.fitted = False
        with torch.random.fork_rng(devices=[]):
            bijection = self._bijection(config)
        self._density = StandardisedDensity(
            bijection, config.periodic, config.context_periodic
        ).double()
        self._density.requires_grad_(True)
        self._reset(0)

    def _bijection(self, config: FlowConfig) -> nn.Module:
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """d."""
        return self.config.dim

    @property
    def n_context(self) -> int:
        """Columns a context must have, 0 for none."""
        return len(self.config.context_periodic)

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Weighted maximum likelihood, see `msgen.models.fitting`.

        Parameters
        ----------
        data : Array, shape (n, d)
        weights : Array, shape (n,), or None
            Non-negative.
        context : Array, shape (n, n_context), or None
        seed : int
        fresh : bool
            Forget earlier fits. By default a fitted model goes on from where it is, unless the data
            have moved or spread so far that its standardisation no longer fits them.

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, negative or all-zero weights, or fewer
            than 10 samples.
        """
        y = check_rows("data", data, self.dim)
        c = self._checked_context(context, len(y))
        w = check_weights(weights, len(y))
        if fresh or not self.fitted or not self._still_standard(y, w):
            self._reset(seed)
            self._density.standardise(y, w, c)
        report = maximise_likelihood(
            self._density,
            torch.as_tensor(y),
            seed=seed,
            weights=None if w is None else torch.as_tensor(w),
            context=None if c is None else torch.as_tensor(c),
            training=self.config.training,
        )
        self.fitted = True
        return report

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d); angles in [−π, π). Context has one row, or n."""
        c = self._checked_context(context, n)
        z = self._density.base(n, rng)
        out = np.empty((n, self.dim))
        with torch.no_grad():
            for rows, part in _chunks(n, c):
                out[rows] = self._density.push(z[rows], part).numpy()
        return out

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y|c), shape (n,); angles may lie in any turn; −inf where y is not finite."""
        rows = np.atleast_2d(np.asarray(y, dtype=np.float64))
        if rows.shape[-1] != self.dim:
            raise ValueError(f"expected {self.dim} columns, got {rows.shape[-1]}")
        c = self._checked_context(context, len(rows))
        finite = np.isfinite(rows).all(axis=1)
        values = torch.as_tensor(np.where(finite[:, None], rows, 0.0))
        out = np.empty(len(rows))
        with torch.no_grad():
            for part_rows, part in _chunks(len(rows), c):
                out[part_rows] = self._density(values[part_rows], part).numpy()
        return np.where(finite & ~np.isnan(out), out, -np.inf)

    def state(self) -> ModelState:
        """Config and float64 weights; `msgen.models.load` is the inverse, bit for bit."""
        arrays = {
            name: np.array(tensor.detach().cpu().numpy())
            for name, tensor in self._density.state_dict().items()
        }
        return ModelState({**self.config.to_json(), "fitted": self.fitted}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> FlowModel:
        """The model `state` was taken from."""
        model = cls(FlowConfig.from_json(state.config))
        model._density.load_state_dict(
            {name: torch.tensor(np.asarray(value)) for name, value in state.arrays.items()}
        )
        model.fitted = bool(state.config["fitted"])
        return model

    def _reset(self, seed: int) -> None:
        # layers construct themselves from torch's global generator; this makes them a function of seed
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in self._density.modules():
                weight = getattr(module, "weight", None)
                bound = 0.1 if weight is None else 1 / math.sqrt(weight.shape[-1])
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-bound, bound, generator=generator)

    def _still_standard(self, y: Array, weights: Array | None) -> bool:
        loc, scale = moments(y, weights, self._density.angles.numpy())
        old_loc, old_scale = self._density.loc.numpy(), self._density.scale.numpy()
        moved = np.abs(loc - old_loc) / old_scale
        return bool(np.all(moved < 0.5) and np.all(np.abs(np.log(scale / old_scale)) < np.log(1.5)))

    def _checked_context(self, context: Array | None, n: int) -> Array | None:
        if (context is None) != (self.n_context == 0):
            raise ValueError(f"this model takes a context of {self.n_context} columns")
        if context is None:
            return None
        c = check_rows("context", np.atleast_2d(context), self.n_context)
        return np.broadcast_to(c, (n, self.n_context)).copy() if len(c) != n else c


def _chunks(n: int, context: Array | None) -> list[tuple[slice, Tensor | None]]:
    slices = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    return [(s, None if context is None else torch.as_tensor(context[s])) for s in slices]


def check_rows(name: str, values: Array, columns: int) -> Array:
    """`values` as float64 of shape (n, columns); ValueError for another shape, NaN or inf."""
    rows = np.array(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} must have shape (n, {columns}), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} holds values that are not finite")
    return rows


def check_weights(weights: Array | None, n: int) -> Array | None:
    """Weights as float64 of shape (n,), scaled to a mean of 1; ValueError if they cannot be."""
    if weights is None:
        return None
    w = np.array(weights, dtype=np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise ValueError(f"weights must be {n} finite, non-negative numbers, not all zero")
    return w / w.mean()
