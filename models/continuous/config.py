"""What a continuous flow is made of, without its weights."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.models.config import ModelConfig
from msgen.models.training.settings import Training


@dataclass(frozen=True, kw_only=True)
class ContinuousConfig(ModelConfig):
    """What all kinds of continuous flow have in common.

    Attributes
    ----------
    layers, width : int
        Of the dense network.
    steps : int
        Of the map from noise to samples whose density `log_prob` is.
    transform : str
        Of the linear columns first, see `msgen.models.training.whitening`.
    """

    kind: str
    dim: int
    context_periodic: tuple[bool, ...] = ()
    layers: int
    width: int
    steps: int
    # states from before there was a choice do not tell
    transform: str = "standardise"
    training: Training
