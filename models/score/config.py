"""What a score model is made of, without its weights."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.models.base import Json
from msgen.models.config import ModelConfig
from msgen.models.training.settings import Training

STEPS = {"ode": 16, "heun": 32, "sde": 256}


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(ModelConfig):
    """What a score model is made of, without its weights.

    Attributes
    ----------
    noise : str
        'edm', 'vp' or 've', see `msgen.models.score.noise`.
    layers, width : int
        Of the dense network.
    sampler : str
        'ode', 'heun' or 'sde'. Only the first draws from the density that `log_prob` tells.
    steps : int or None
        Of the sampler; None: what `STEPS` says. `log_prob` takes those of 'ode' in any case.
    churn : float
        Noise that 'heun' adds back on its way, Karras' S_churn.
    unconditional : float
        Fraction of the training samples whose context is left out; above 0 the model also knows the
        density without a context.
    """

    dim: int
    context_periodic: tuple[bool, ...] = ()
    noise: str
    layers: int
    width: int
    sampler: str
    steps: int | None
    churn: float
    unconditional: float
    training: Training

    def to_json(self) -> dict[str, Json]:
        """As lists and scalars."""
        return {**super().to_json(), "kind": "score"}
