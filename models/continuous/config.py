"""What a continuous flow is made of, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from msgen.models.coupling.flow import SCHEMA_VERSION
from msgen.models.settings import TRAINING, TRANSFORM, Setting, Whole
from msgen.models.training.fitting import Training

STEPS = 16
"""Of the Runge–Kutta method, from noise to a sample."""
_TUPLES = ("periodic", "context_periodic")


@dataclass(frozen=True)
class ContinuousConfig:
    """What all kinds of continuous flow have in common.

    Attributes
    ----------
    layers, width : int
        Of the dense network.
    steps : int
        Of the map from noise to samples whose density `log_prob` is.
    transform : str
        'standardise' or 'whiten', see `msgen.models.coupling.density`.
    """

    kind: str
    dim: int
    periodic: tuple[bool, ...]
    context_periodic: tuple[bool, ...] = ()
    layers: int = 5
    width: int = 96
    steps: int = STEPS
    transform: str = "standardise"
    training: Training = field(default_factory=Training)

    def to_json(self) -> dict[str, Any]:
        """As lists and scalars."""
        out = asdict(self)
        for key in _TUPLES:
            out[key] = list(out[key])
        return {"schema_version": SCHEMA_VERSION, **out}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; keys that are not its own are left alone."""
        values = {key: config[key] for key in cls.__dataclass_fields__ if key in config}
        for key in _TUPLES:
            values[key] = tuple(values[key])
        values["training"] = Training(**values["training"])
        return cls(**values)


SETTINGS: Mapping[str, Setting] = {
    "layers": Whole(2),
    "width": Whole(),
    "steps": Whole(),
    "transform": TRANSFORM,
    **TRAINING,
}
"""Keys of `model:` that all kinds of continuous flow have."""
