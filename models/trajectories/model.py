"""A diffusion model of whole trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, ModelState, Space
from msgen.models.nets.temporal_unet import Head, TemporalUNet
from msgen.models.score.discrete import Schedule
from msgen.models.score.keyed_noise import DrawKey, RowStreams
from msgen.models.score.samplers import Step
from msgen.models.training.descent import pick_device
from msgen.models.training.fitting import minimise
from msgen.models.training.kept_fit import KeptFit
from msgen.models.training.settings import Fit, Training
from msgen.models.trajectories.broken import Screened, States, screen
from msgen.models.trajectories.channels import Channels
from msgen.models.trajectories.config import STEPS, Sampler, TrajectoryConfig
from msgen.models.trajectories.data import TrainingTrajectories, conditions_of
from msgen.models.trajectories.field import SnippetField
from msgen.models.trajectories.generation import (
    ROWS,
    draw_between,
    draw_free,
    draw_near,
    in_batches,
)
from msgen.models.trajectories.snippets import SnippetLoss, Snippets
from msgen.systems.errors import SpecError

UPDATES = 5000
MEASURED = 256
"""Snippets that a held-out loss is taken on."""
FEWEST = 5
"""Trajectories from which on whole ones are held out."""


class TrajectoryDiffusion:
    """p(trajectory | conditions) by denoising; it is drawn from and tells no density.

    What it makes is never exact: tell it beside what the simulator makes.

    Parameters
    ----------
    config : TrajectoryConfig

    Notes
    -----
    The net works in single precision, what is around it in double. All randomness comes from seeds
    and keys: torch's global generator is neither read nor moved.
    """

    def __init__(self, config: TrajectoryConfig) -> None:
        self.config = config
        self.fitted = False
        self.channels = Channels(config.space)
        self.net = self._new(0)

    @property
    def dim(self) -> int:
        """Variables of a frame."""
        return self.config.space.dim

    def fit(
        self,
        data: TrainingTrajectories,
        *,
        seed: int,
        fresh: bool = False,
        kept: KeptFit | None = None,
    ) -> FitReport:
        """Fit to snippets of the data; deterministic in `seed` on the cpu.

        A fitted model goes on from its weights unless `fresh`, or unless the data have moved or
        spread so far that its standardisation no longer fits them. With `kept` it goes on from
        what the same call had done when it was cut off.

        Raises
        ------
        ValueError
            For data that are not of the model's space, or hold fewer than ten snippets.
        """
        known = data.checked(self.config.space)
        if fresh or not self.fitted or not self.channels.fits(known):
            self.begin(known, seed)
        else:
            self.channels.reach(known)
        snippets, training = self.prepared(known)
        # a compiler cannot follow the second derivatives of an energy
        compiles = pick_device(training.device).type == "cuda" and self.config.head == "force"
        report = minimise(
            self.net,
            SnippetLoss(snippets, self.config.process, self.config.lengths, compiles),
            len(snippets),
            seed=seed,
            weights=snippets.weights,
            training=training,
            kept=kept,
        )
        self.fitted = True
        return report

    def begin(self, data: TrainingTrajectories, seed: int) -> None:
        """Take the units of checked data and first weights of this seed."""
        self.net = self._new(seed)
        self.channels.learn(data)
        self.fitted = False

    def prepared(self, data: TrainingTrajectories) -> tuple[Snippets, Training]:
        """The snippets of checked data and how they are fitted: whole trajectories are held out."""
        snippets = Snippets.of(data, self.channels, self.config.lengths[1])
        apart = snippets.even and len(data.frames) >= FEWEST
        stretches = len(data.frames) if apart else 0
        return snippets, replace(self.config.training, stretches=stretches)

    def generate(
        self,
        keys: Sequence[DrawKey],
        *,
        length: int | None = None,
        conditions: Array | None = None,
        batch: int = ROWS,
    ) -> Array:
        """Free trajectories, shape (n, length, d); angles in [−π, π).

        Parameters
        ----------
        keys : sequence of DrawKey, length n
            Each row is a function of its key, its place in its batch, and the settings.
        length : int or None
            Frames; None: the longest that was learnt. Others than those learnt are possible, and
            are not the model's word for anything.
        conditions : Array, shape (1, k) or (n, k), or None
        batch : int
            Rows that go through the net at once. A matter of the order: other batches give other
            last bits.
        """
        about, frames = self._about(conditions, len(keys)), length or self.config.lengths[1]

        def draw(rows: NDArray[np.int64], streams: RowStreams) -> Tensor:
            shape = (batch, frames, self.channels.count)
            return draw_free(field, step, steps, shape, _rows(about, rows), streams)

        field, step, steps = self._tools()
        return self.channels.decode(in_batches(keys, batch, draw))

    def inpaint(
        self,
        keys: Sequence[DrawKey],
        given: Array,
        *,
        conditions: Array | None = None,
        repeats: int = 20,
        jump: int = 1,
        batch: int = ROWS,
    ) -> Array:
        """Trajectories through given frames, shape (n, length, d).

        Parameters
        ----------
        given : Array, shape (length, d) or (n, length, d)
            Frames, NaN where they are free; a frame is given in all of its columns or in none.
        repeats, jump : int
            See `msgen.models.score.inpainting.inpaint`; at 20 about eight times the price of free
            ones.

        Raises
        ------
        ValueError
            For a wrong shape, a frame given in part, nothing given, or no repeats.
        """
        if repeats < 1 or jump < 1:
            raise ValueError(f"needs one repeat and one level or more, got {repeats} and {jump}")
        known = np.broadcast_to(given, (len(keys), *np.shape(given)[-2:]))
        known, finite = np.asarray(known), np.asarray(np.isfinite(known))
        fixed = np.asarray(finite.all(axis=2))
        if known.shape[2] != self.dim or not np.asarray(fixed.any(axis=1)).all():
            raise ValueError(f"needs frames of {self.dim} columns, and one or more that are given")
        if not np.array_equal(fixed, finite.any(axis=2)):
            raise ValueError("a frame is given in all of its columns or in none")
        values = torch.as_tensor(self.channels.encode(np.where(fixed[..., None], known, 0.0)))
        held = torch.as_tensor(fixed)[..., None].expand(values.shape)
        about = self._about(conditions, len(keys))

        def draw(rows: NDArray[np.int64], streams: RowStreams) -> Tensor:
            there = (values[rows], held[rows], _rows(about, rows))
            return draw_between(field, step, steps, *there, streams, jump=jump, repeats=repeats)

        field, step, steps = self._tools()
        made = self.channels.decode(in_batches(keys, batch, draw))
        # to the bit, in the turn in which angles were given
        return np.where(fixed[..., None], known, made)

    def vary(
        self,
        keys: Sequence[DrawKey],
        paths: Array,
        noise: float,
        *,
        conditions: Array | None = None,
        batch: int = ROWS,
    ) -> Array:
        """Variations of paths, shape (n, length, d): noised a part of the way, and brought back.

        Parameters
        ----------
        paths : Array, shape (length, d) or (n, length, d)
        noise : float
            The part of the levels, in (0, 1]; at 1 hardly anything of the path is left. Processes
            differ: at 0.55 σ is 8.0 standard deviations for edm (64 frames), 4.5 for linear, 1.8
            for scaled_linear, 1.2 for cosine.

        Raises
        ------
        ValueError
            For a wrong shape, values that are not finite, or noise out of range.
        """
        known = np.broadcast_to(paths, (len(keys), *np.shape(paths)[-2:]))
        if known.shape[2] != self.dim or not np.isfinite(known).all():
            raise ValueError(f"needs finite frames of {self.dim} columns")
        if not 0 < noise <= 1:
            raise ValueError(f"noise is a part of the way, above 0 and at most 1, got {noise}")
        values = torch.as_tensor(self.channels.encode(known))
        about = self._about(conditions, len(keys))

        def draw(rows: NDArray[np.int64], streams: RowStreams) -> Tensor:
            return draw_near(field, step, steps, values[rows], noise, _rows(about, rows), streams)

        field, step, steps = self._tools()
        return self.channels.decode(in_batches(keys, batch, draw))

    def screen(self, paths: Array, states: States | None = None) -> Screened:
        """Which of the paths, shape (n, length, d), are whole; see `msgen.models.trajectories`."""
        return screen(paths, self.channels, states)

    def state(self) -> ModelState:
        """Config and weights; `from_state` is the inverse, bit for bit."""
        arrays = {
            f"{part}.{name}": np.array(tensor.detach().cpu().numpy())
            for part, module in self._parts().items()
            for name, tensor in module.state_dict().items()
        }
        return ModelState({**self.config.to_json(), "fitted": self.fitted}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> TrajectoryDiffusion:
        """The model `state` was taken from."""
        model = cls(TrajectoryConfig.from_json(state.config))
        for part, module in model._parts().items():
            prefix = f"{part}."
            own = {k: v for k, v in state.arrays.items() if k.startswith(prefix)}
            module.load_state_dict(
                {k[len(prefix) :]: torch.tensor(np.asarray(v)) for k, v in own.items()}
            )
        model.fitted = bool(state.config["fitted"])
        return model

    def _parts(self) -> dict[str, nn.Module]:
        return {"net": self.net, "channels": self.channels}

    def _tools(self) -> tuple[SnippetField, Step, int]:
        field = SnippetField(self.net, self.config.process)
        return field, STEPS[self.config.sampler], self.config.steps

    def _about(self, conditions: Array | None, n: int) -> Tensor | None:
        rows = conditions_of(conditions, n, self.config.space)
        return None if rows is None else torch.as_tensor(self.channels.about(rows)).float()

    def _new(self, seed: int) -> TemporalUNet:
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return TemporalUNet(
                self.channels.count,
                config.conditions,
                config.width,
                config.mults,
                config.head,
                attention=config.attention,
                encoder_only=config.encoder_only,
            )


def _rows(about: Tensor | None, rows: NDArray[np.int64]) -> Tensor | None:
    return None if about is None else about[rows]


def build(
    space: Space,
    *,
    width: int,
    mults: list[int],
    head: Head,
    attention: bool,
    encoder_only: bool,
    noise: Literal["edm"] | Schedule,
    length: tuple[int, int],
    sampler: Sampler,
    steps: int,
    **fit: Unpack[Fit],
) -> TrajectoryDiffusion:
    """One that is not yet fitted; SpecError for settings that do not go together."""
    if encoder_only and head == "force":
        what = "leaves out the way up, which a force head needs"
        raise SpecError(("model", "encoder_only"), encoder_only, what, "Take head: energy")
    if any(space.context_periodic):
        what = "takes numbers for conditions, no angles"
        raise SpecError(("model", "kind"), "trajectory_diffusion", what, "Give sine and cosine")
    return TrajectoryDiffusion(
        TrajectoryConfig(
            periodic=space.periodic,
            conditions=len(space.context_periodic),
            width=width,
            mults=tuple(mults),
            head=head,
            attention=attention,
            encoder_only=encoder_only,
            noise=noise,
            lengths=(length[0], length[1]),
            sampler=sampler,
            steps=steps,
            training=replace(
                Training.of(**fit), updates=UPDATES, most_epochs=UPDATES, measured=MEASURED
            ),
        )
    )
