"""A normalising flow as a generative model: fitting, sampling, state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, ModelState
from msgen.models.checks import check_length, check_rows, check_weights
from msgen.models.density import StandardisedDensity, moments
from msgen.models.fitting import Training, maximise_likelihood

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
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        values = torch.as_tensor(np.where(finite[:, None], rows, 0.0))
        out = np.empty(len(rows))
        with torch.no_grad():
            for part_rows, part in _chunks(len(rows), c):
                out[part_rows] = self._density(values[part_rows], part).numpy()
        return np.where(finite & (out < np.inf), out, -np.inf)

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
        # layers construct themselves from torch's global generator: draw them again from seed
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in self._density.modules():
                weight = getattr(module, "weight", None)
                bound = 0.01 if weight is None else 1 / math.sqrt(weight.shape[-1])
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
        return np.repeat(c, n, axis=0) if len(c) == 1 and n != 1 else check_length(c, n)


def _chunks(n: int, context: Array | None) -> list[tuple[slice, Tensor | None]]:
    slices = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    return [(s, None if context is None else torch.as_tensor(context[s])) for s in slices]
