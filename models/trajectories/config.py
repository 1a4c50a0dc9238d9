"""What a model of trajectories is made of, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgen.models.base import Json, Space
from msgen.models.config import ModelConfig
from msgen.models.nets.temporal_unet import Head
from msgen.models.score.discrete import DiscreteNoise, Schedule
from msgen.models.score.noise import SIGMA_MAX, SIGMA_MIN, Noise
from msgen.models.score.samplers import Step, euler_step, heun_step
from msgen.models.training.settings import Training

Sampler = Literal["heun", "euler"]
STEPS: dict[Sampler, Step] = {"heun": heun_step, "euler": euler_step}

MIDDLE, SPREAD = 0.0, 1.6
"""ln σ of EDM's training levels: beside the noise of frames the slow modes of whole snippets, whose
standard deviation grows as the root of their length, have to be told."""


@dataclass(frozen=True, kw_only=True)
class TrajectoryConfig(ModelConfig):
    """What a model of trajectories is made of, without its weights.

    Attributes
    ----------
    conditions : int
        Numbers that a trajectory is conditional on.
    width, mults, head, attention, encoder_only
        Of the net, see `msgen.models.nets.temporal_unet`.
    noise : str
        'edm', or the schedule of a process of 1,000 steps.
    lengths : tuple of int
        Frames of the shortest and the longest snippet that is learnt.
    sampler : {'heun', 'euler'}
    steps : int
        From noise to a trajectory.
    """

    conditions: int
    width: int
    mults: tuple[int, ...]
    head: Head
    attention: bool
    encoder_only: bool
    noise: Literal["edm"] | Schedule
    lengths: tuple[int, int]
    sampler: Sampler
    steps: int
    training: Training

    @property
    def space(self) -> Space:
        """Of a frame; its context are the conditions."""
        return Space(self.periodic, (False,) * self.conditions)

    @property
    def process(self) -> Noise:
        """The noise process.

        It ends where noise drowns the slowest mode of a snippet, whose variance is at most that of
        a frame times their number.
        """
        start = SIGMA_MAX * self.lengths[1] ** 0.5
        if self.noise == "edm":
            return Noise("edm", SIGMA_MIN, start, start, MIDDLE, SPREAD)
        return DiscreteNoise.scheduled(self.noise, start)

    def to_json(self) -> dict[str, Json]:
        """As lists and scalars."""
        return {**super().to_json(), "kind": "trajectory_diffusion"}
