"""What every model made of a torch network does alike: checks, standardisation, state."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, Json, ModelState
from msgen.models.coupling.density import Standardised
from msgen.models.training.settings import Training
from msgen.models.validation import check_length, check_rows, check_weights

CHUNK = 16384
"""Most rows that go through a network at once: bounds memory, not results."""


class TorchConfig(Protocol):
    """What a model is made of, without its weights."""

    @property
    def dim(self) -> int: ...

    @property
    def context_periodic(self) -> tuple[bool, ...]: ...

    @property
    def training(self) -> Training: ...

    def to_json(self) -> dict[str, Json]: ...


class TorchModel:
    """A `GenerativeModel` around a standardised network; subclasses supply the mathematics.

    Notes
    -----
    Weights and arithmetic are float64. All randomness comes from `seed` and `rng`: torch's global
    generator is neither read nor moved.
    """

    config: TorchConfig
    fitted: bool
    _density: Standardised

    @property
    def dim(self) -> int:
        """d."""
        return self.config.dim

    @property
    def n_context(self) -> int:
        """Columns a context must have, 0 for none."""
        return len(self.config.context_periodic)

    @property
    def training(self) -> Training:
        """How it is fitted."""
        return self.config.training

    def network(self) -> nn.Module:
        """What holds the weights."""
        return self._density

    def place(self, mean: Array, std: Array, seed: int) -> None:
        """Begin afresh, unfitted, in units of `std` about `mean`, shapes (d,)."""
        self._reset(seed)
        self._density.place(mean, std)
        self.fitted = False

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Fit to weighted samples, see `msgen.models.training.fitting`.

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
        if c is None and self.n_context:
            raise ValueError(f"a fit of this model needs a context of {self.n_context} columns")
        w = check_weights(weights, len(y))
        if fresh or not self.fitted or not self._density.fits(y, w):
            self._reset(seed)
            self._density.standardise(y, w, c)
        report = self._train(
            torch.as_tensor(y),
            seed,
            None if w is None else torch.as_tensor(w),
            None if c is None else torch.as_tensor(c),
        )
        self.fitted = True
        return report

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
            for part_rows, part in chunks(len(rows), c, self._chunk):
                out[part_rows] = self._log_density(values[part_rows], part).numpy()
        return np.where(finite & (out < np.inf), out, -np.inf)

    def state(self) -> ModelState:
        """Config and float64 weights; `msgen.models.load` is the inverse, bit for bit."""
        arrays = {
            name: np.array(tensor.detach().cpu().numpy())
            for name, tensor in self._density.state_dict().items()
        }
        return ModelState({**self.config.to_json(), "fitted": self.fitted}, arrays)

    def _restore(self, state: ModelState) -> Self:
        self._density.load_state_dict(
            {name: torch.tensor(np.asarray(value)) for name, value in state.arrays.items()}
        )
        self.fitted = bool(state.config["fitted"])
        return self

    @property
    def _chunk(self) -> int:
        return CHUNK

    def _reset(self, seed: int) -> None:
        raise NotImplementedError

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        raise NotImplementedError

    def _log_density(self, y: Tensor, context: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _checked_context(self, context: Array | None, n: int) -> Array | None:
        if (context is None) != (self.n_context == 0):
            raise ValueError(f"this model takes a context of {self.n_context} columns")
        if context is None:
            return None
        c = check_rows("context", np.atleast_2d(context), self.n_context)
        return np.repeat(c, n, axis=0) if len(c) == 1 and n != 1 else check_length(c, n)


def chunks(n: int, context: Array | None, size: int = CHUNK) -> list[tuple[slice, Tensor | None]]:
    """Slices of at most `size` of n rows, each with its part of the context."""
    slices = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    return [(s, None if context is None else torch.as_tensor(context[s])) for s in slices]
