"""How a kind of model describes itself to the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgen.models.base import GenerativeModel, ModelState
from msgen.models.settings import TRAINING, Setting
from msgen.models.training.fitting import Training


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
class Kind:
    """One kind of model.

    Attributes
    ----------
    name : str
        The word after `kind:`.
    settings : Mapping of str to Setting
        Every key of its own, in the order in which a message lists them.
    make : callable
        A model, not yet fitted, on a `Space` from its checked settings; what is not given is not
        there. SpecError for settings that do not go together.
    restore : callable
        The inverse of the model's `state`.
    angles, context : bool
        Whether it can hold a periodic variable, and be conditioned on anything.
    """

    name: str
    settings: Mapping[str, Setting]
    make: Callable[[Space, dict[str, Any]], GenerativeModel]
    restore: Callable[[ModelState], GenerativeModel]
    angles: bool = True
    context: bool = True

    @property
    def trained(self) -> bool:
        """Whether a network is fitted, and so has a device."""
        return "device" in self.settings


def training_of(given: dict[str, Any], default: Training) -> Training:
    """`default` with what `given` says of the fit, which is taken out of `given`."""
    return replace(default, **{key: given.pop(key) for key in TRAINING if key in given})
