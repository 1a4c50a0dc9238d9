"""The protocol every generative model meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from msgen.models.score.keyed_noise import DrawKey
    from msgen.models.steps.data import Pairs
    from msgen.models.training.settings import Training
    from msgen.models.trajectories.broken import Screened, States
    from msgen.models.trajectories.data import TrainingTrajectories

Array = NDArray[np.float64]
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Spec = Mapping[str, Json]
"""A model as the campaign's `model:` section asks for it: its ``kind``, and every setting of it."""


@dataclass(frozen=True)
class Space:
    """What a density lives on, and what it is conditioned on.

    Attributes
    ----------
    periodic : tuple of bool, length d
        Which variables are angles, in [−π, π).
    context_periodic : tuple of bool
        The same of the columns of the context; empty without one.
    """

    periodic: tuple[bool, ...]
    context_periodic: tuple[bool, ...] = ()

    @property
    def dim(self) -> int:
        """d."""
        return len(self.periodic)


@dataclass(frozen=True)
class ModelState:
    """A frozen model: everything that is needed to rebuild it elsewhere, bit for bit.

    Attributes
    ----------
    config : Mapping
        JSON-able; holds ``kind`` and the architecture.
    arrays : Mapping of str to numpy array
        Weights and buffers.
    """

    config: Mapping[str, Json]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FitReport:
    """What a fit did. Losses are mean −log q per sample in nats, of score models mean denoising
    losses per column."""

    train_loss: float
    held_out_loss: float
    epochs: int
    seconds: float
    history: tuple[tuple[float, float], ...] = ()


@runtime_checkable
class Bounded(Protocol):
    """A model whose ln q is dear to evaluate and which can tell a cheap lower bound of it."""

    def log_bound(self, y: Array, context: Array | None = None) -> Array:
        """ln q(y|c) or less, shape (n,), up to a constant that versions of one kind share."""
        ...


class Drawn(Protocol):
    """The part of a `GenerativeModel` that proposes."""

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d)."""
        ...

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """Normalised ln q(y), shape (n,), of the very distribution `sample` draws from."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A model that tells ln q of what it draws in the same pass, for half the price of asking."""

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """The draws of `sample`, shape (n, d), and what `log_prob` says of them to round-off."""
        ...


@runtime_checkable
class GenerativeModel(Protocol):
    """A normalised density q(y|c) that can be sampled, y ∈ R^d (or a torus, or mixed)."""

    @property
    def dim(self) -> int: ...

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Fit by (weighted) maximum likelihood; deterministic in `seed`.

        A fitted model goes on from its weights unless `fresh`.
        """
        ...

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d)."""
        ...

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """log q(y|c), shape (n,); −inf outside the support, never an exception."""
        ...

    def state(self) -> ModelState:
        """Config and weights; `msgen.models.load` is the inverse."""
        ...


class Stated(Protocol):
    """Any model: what it has learnt can be written down."""

    def state(self) -> ModelState:
        """Config and weights."""
        ...


@runtime_checkable
class TrajectoryModel(Protocol):
    """A model of whole trajectories; it is drawn from and tells no density.

    What it makes stands beside what a simulator makes, and enters no exact estimate.
    """

    @property
    def dim(self) -> int: ...

    def fit(self, data: TrainingTrajectories, *, seed: int, fresh: bool = False) -> FitReport:
        """Fit to snippets; deterministic in `seed`. A fitted model goes on unless `fresh`."""
        ...

    def generate(
        self,
        keys: Sequence[DrawKey],
        *,
        length: int | None = None,
        conditions: Array | None = None,
        batch: int = ...,
    ) -> Array:
        """Free trajectories, one a key, shape (n, length, d)."""
        ...

    def inpaint(
        self,
        keys: Sequence[DrawKey],
        given: Array,
        *,
        conditions: Array | None = None,
        repeats: int = ...,
        jump: int = ...,
        batch: int = ...,
    ) -> Array:
        """Trajectories through given frames, which are NaN where they are free."""
        ...

    def vary(
        self,
        keys: Sequence[DrawKey],
        paths: Array,
        noise: float,
        *,
        conditions: Array | None = None,
        batch: int = ...,
    ) -> Array:
        """Variations of paths, noised a part of the way and brought back."""
        ...

    def screen(self, paths: Array, states: States | None = None) -> Screened:
        """Which of the paths, shape (n, length, d), are whole."""
        ...

    def state(self) -> ModelState:
        """Config and weights; `msgen.models.load_trajectory_model` is the inverse."""
        ...


@runtime_checkable
class StepModel(Protocol):
    """A model of the step that a molecule takes in a lag; it tells no density.

    What it makes stands beside what a simulator makes, and enters no exact estimate.
    """

    def fit(self, data: Sequence[Pairs], *, seed: int, fresh: bool = False) -> FitReport:
        """Fit to pairs of molecules; deterministic in `seed`. A fitted model goes on unless
        `fresh`, or where it does not know an atom."""
        ...

    def draw(
        self,
        keys: Sequence[DrawKey],
        species: Sequence[str],
        before: Array,
        *,
        conditions: Array | None = None,
        earlier: Array | None = None,
        batch: int = ...,
    ) -> Array:
        """Where structures (n, N, 3), nm, are a lag later; their centres stay.

        `earlier`, shape (n, p, N, 3), are frames before them, for models that know more than one.
        """
        ...

    def state(self) -> ModelState:
        """Config and weights; `msgen.models.load_step_model` is the inverse."""
        ...


@runtime_checkable
class Reparametrised(Protocol):
    """A model whose draws are a differentiable function x = T_θ(z) of base noise.

    What `msgen.models.training.reverse_kl` needs to train it on an energy instead of on samples.
    """

    @property
    def dim(self) -> int: ...

    @property
    def n_context(self) -> int: ...

    @property
    def training(self) -> Training: ...

    def place(self, mean: Array, std: Array, seed: int) -> None:
        """Begin afresh, unfitted, in units of `std` about `mean`, shapes (d,)."""
        ...

    def network(self) -> nn.Module:
        """What holds θ."""
        ...

    def noise(self, n: int, rng: np.random.Generator) -> Tensor:
        """n draws z of the base, shape (n, d)."""
        ...

    def push_noise(self, z: Tensor) -> Tensor:
        """T_θ(z), shape (n, d), differentiable in θ."""
        ...

    def log_density(self, y: Tensor) -> Tensor:
        """ln q_θ(y), shape (n,), differentiable in y and θ."""
        ...


@runtime_checkable
class Bijective(Protocol):
    """A model that is a bijection y = T(z) of a base density that all of its kind share.

    The base is standard normal on linear columns and uniform on angles, so that two models of the
    same variables make a bijection between what each of them describes.
    """

    def to_latent(self, y: Array) -> tuple[Array, Array]:
        """z and ln|∂z/∂y|, shapes (n, d) and (n,); NaN where y is not finite."""
        ...

    def from_latent(self, z: Array) -> tuple[Array, Array]:
        """y and ln|∂y/∂z|, the inverse of `to_latent`."""
        ...
