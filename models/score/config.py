"""What a score model is made of, and what a campaign may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from msgen.models.coupling.flow import SCHEMA_VERSION
from msgen.models.kinds import Space, training_of
from msgen.models.score.noise import KINDS as NOISES
from msgen.models.settings import AT_LEAST_0, SHARE, TRAINING, Choice, Setting, Whole
from msgen.models.training.fitting import Training
from msgen.systems.errors import SpecError

SCORE_TRAINING = Training(learning_rate=5e-3, batch=512, ema=0.995, updates=4000, most_epochs=4000)
"""How a score model is fitted by default: more, smaller steps than a flow, its loss being noisy."""
STEPS = {"ode": 16, "heun": 32, "sde": 256}


@dataclass(frozen=True)
class ScoreConfig:
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
    periodic: tuple[bool, ...]
    context_periodic: tuple[bool, ...] = ()
    noise: str = "edm"
    layers: int = 8
    width: int = 128
    sampler: str = "ode"
    steps: int | None = None
    churn: float = 0.0
    unconditional: float = 0.0
    training: Training = SCORE_TRAINING

    def to_json(self) -> dict[str, Any]:
        """As lists and scalars."""
        out = asdict(self)
        for key in ("periodic", "context_periodic"):
            out[key] = list(out[key])
        return {"schema_version": SCHEMA_VERSION, "kind": "score", **out}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> ScoreConfig:
        """Inverse of `to_json`; keys that are not its own are left alone."""
        values = {key: config[key] for key in cls.__dataclass_fields__}
        for key in ("periodic", "context_periodic"):
            values[key] = tuple(values[key])
        values["training"] = Training(**values["training"])
        return cls(**values)


SETTINGS: Mapping[str, Setting] = {
    "noise": Choice(NOISES, "noise process"),
    "layers": Whole(2),
    "width": Whole(),
    "sampler": Choice(tuple(STEPS), "sampler"),
    "steps": Whole(),
    "churn": AT_LEAST_0,
    "unconditional": SHARE,
    **TRAINING,
}
"""Keys of `model: {kind: score}`."""


def score_config(space: Space, given: dict[str, Any]) -> ScoreConfig:
    """The config of a score model on `space`; SpecError for settings that do not go together."""
    training = training_of(given, SCORE_TRAINING)
    config = ScoreConfig(
        space.dim, space.periodic, space.context_periodic, training=training, **given
    )
    if config.noise == "vp" and any(config.periodic):
        raise SpecError(
            ("model", "noise"),
            config.noise,
            "cannot noise a periodic variable: an angle has no scale to shrink",
            "Use edm or ve",
        )
    if config.unconditional and not config.context_periodic:
        raise SpecError(
            ("model", "unconditional"),
            config.unconditional,
            "has no meaning for a model without a context",
            "Leave it out",
        )
    if config.churn and config.sampler != "heun":
        raise SpecError(
            ("model", "churn"),
            config.churn,
            f"is noise that the sampler {config.sampler} does not add back",
            "Use sampler: heun",
        )
    return config
