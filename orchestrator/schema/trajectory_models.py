"""The `model:` sections of models of whole trajectories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.models import Fitted, Learns
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import AutoSteps, plain_field, problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.base import ModelUse

SHORTEST = 4
"""Frames of a snippet."""
_WRITE = f"Write their number, {SHORTEST} or more, or [fewest, most], like 64 or [32, 326]"
_COUNT: dict[str, Any] = {"type": "integer", "minimum": SHORTEST}


def _read_frames(value: object) -> tuple[int, int]:
    pair = value if isinstance(value, list | tuple) else (value, value)
    if len(pair) != 2 or not all(type(n) is int for n in pair):
        raise problem("is no number of frames, and no two of them", _WRITE)
    fewest, most = pair
    if not SHORTEST <= fewest <= most:
        raise problem("is too few frames, or more before less", _WRITE)
    return fewest, most


Frames = Annotated[
    tuple[int, int],
    *plain_field(
        _read_frames,
        {"anyOf": [_COUNT, {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}]},
    ),
]
"""The fewest and the most frames."""


class TrajectoryDiffusion(Fitted):
    """Diffusion model of snippets of trajectories, by a temporal U-Net; it tells no density."""

    learns: ClassVar[Learns] = "trajectories"
    kind: Literal["trajectory_diffusion"]
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    """Channels of the first level of the network."""
    mults: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        default_factory=lambda: [1, 2]
    )
    """Channels of each level, in units of width; each level after the first halves the time."""
    head: Literal["energy", "force"] = "force"
    """energy: the score is a gradient, at about three times the price of force."""
    attention: bool = False
    """Linear self-attention along time at the end of each level."""
    encoder_only: bool = False
    """The energy is read at the last level, without a way up; for the head energy."""
    noise: Literal["edm", "linear", "scaled_linear", "cosine"] = "edm"
    """Karras' process, or a schedule of 1,000 steps whose network learns the noise itself."""
    length: Frames = (64, 64)
    """Frames of a snippet, or [fewest, most] for a model of several lengths."""
    sampler: Literal["heun", "euler"] = "heun"
    """From noise to a trajectory; heun is of second order and asks the network twice a step."""
    steps: int = Field(default=30, ge=1, le=999)
    """Of the sampler."""
    learning_rate: float = Field(default=2e-3, gt=0, lt=1)
    """Peak rate, warmed up and then lowered."""
    batch: int = Field(default=64, ge=1)
    """Snippets per update."""
    epochs: AutoSteps = "auto"
    """Most times that all snippets are seen in one fit; auto: 5,000 updates."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""

    def problems(self, campaign: Campaign, use: ModelUse) -> Iterator[Problem]:
        """Its head."""
        if self.encoder_only and self.head == "force":
            what = "leaves out the way up, which a force head needs"
            yield Problem(("model", "encoder_only"), True, what, "Take head: energy")
