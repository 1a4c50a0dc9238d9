"""Snippets of trajectories and the denoising loss on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.score.loss import drawn_levels, noised
from msgen.models.score.noise import Noise
from msgen.models.trajectories.channels import Channels
from msgen.models.trajectories.data import TrainingTrajectories

REPEATS = 2
"""Noise draws per held-out snippet."""
CHUNK = 128
"""Most snippets at once where nothing is learnt: bounds memory."""
_EVALUATION_SEED = 20231101


@dataclass(frozen=True)
class Snippets:
    """All snippets of some trajectories, by the slots that they may begin in.

    A slot is one of as many equal stretches of the starts of a trajectory as the trajectory holds
    whole snippets: an epoch sees each frame about once, and the starts are uniform.

    Attributes
    ----------
    frames : Tensor, shape (n_frames, channels)
        Of one trajectory after the other.
    begin, length : Tensor, shape (n_slots,)
        Where the slot's trajectory begins in `frames`, and its frames.
    rank, slots : Tensor, shape (n_slots,)
        Which slot of its trajectory it is, of how many.
    about : Tensor, shape (n_slots, k), or None
        Conditions.
    weights : Tensor, shape (n_slots,), or None
    even : bool
        Whether every trajectory has as many slots.
    """

    frames: Tensor
    begin: Tensor
    length: Tensor
    rank: Tensor
    slots: Tensor
    about: Tensor | None
    weights: Tensor | None
    even: bool

    @classmethod
    def of(cls, data: TrainingTrajectories, channels: Channels, longest: int) -> Snippets:
        """Snippets of up to `longest` frames; a trajectory that is shorter is one snippet."""
        lengths = np.array([len(y) for y in data.frames])
        slots = np.maximum(1, lengths // longest)
        begin = np.concatenate(([0], np.cumsum(lengths)[:-1]))

        def of_slots(values: np.typing.NDArray[np.generic]) -> Tensor:
            return torch.as_tensor(np.repeat(values, slots, axis=0))

        about = None if data.conditions is None else channels.about(data.conditions)
        return cls(
            frames=torch.as_tensor(channels.encode(np.concatenate(data.frames))).float(),
            begin=of_slots(begin),
            length=of_slots(lengths),
            rank=torch.as_tensor(np.concatenate([np.arange(n) for n in slots])),
            slots=of_slots(slots),
            about=None if about is None else of_slots(about).float(),
            weights=None if data.weights is None else of_slots(data.weights),
            even=bool((slots == slots[0]).all()),
        )

    def __len__(self) -> int:
        return len(self.rank)

    def to(self, device: torch.device) -> Snippets:
        """The same with its frames on `device`; where slots are is told on the cpu."""
        about = None if self.about is None else self.about.to(device)
        return replace(self, frames=self.frames.to(device), about=about)

    def drawn(
        self, index: Tensor, length: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """A snippet from each of the slots `index`, shape (n, length, channels), and its mask.

        Frames past the end of a trajectory repeat its last, and have mask 0; the mask, of shape
        (n, length), is None where there are none.
        """
        rank, slots, of = self.rank[index], self.slots[index], self.length[index]
        u = torch.rand(len(index), generator=generator, dtype=torch.float64)
        starts = ((rank + u) / slots * (of - length + 1).clamp(min=1)).long()
        time = starts[:, None] + torch.arange(length)
        rows = self.begin[index][:, None] + torch.minimum(time, of[:, None] - 1)
        mask = None if bool((of >= length).all()) else (time < of[:, None]).float()
        device = self.frames.device
        return self.frames[rows.to(device)], None if mask is None else mask.to(device)


@dataclass(frozen=True)
class SnippetLoss:
    """|F − target|² per snippet, the mean over frames and channels, of the `Objective` of a fit.

    See `msgen.models.score.loss.DenoisingLoss`, of which this is the one of snippets. Every batch
    has one length, drawn evenly from `lengths`.

    Attributes
    ----------
    snippets : Snippets
    noise : Noise
    lengths : tuple of int
        The shortest and the longest snippet.
    compiles : bool
        Whether the net that learns is compiled; for GPUs.
    """

    snippets: Snippets
    noise: Noise
    lengths: tuple[int, int]
    compiles: bool = False
    _compiled: dict[int, nn.Module] = field(default_factory=dict, init=False, repr=False)

    def to(self, device: torch.device) -> SnippetLoss:
        """The same with its data on `device`."""
        return replace(self, snippets=self.snippets.to(device))

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of a snippet from each of the slots `index`, shape (len(index),)."""
        if generator is not None:
            shortest, longest = self.lengths
            length = int(torch.randint(shortest, longest + 1, (1,), generator=generator))
            return self._loss(self._quick(net), index, length, generator)
        # the same noise, starts and lengths at every call, so that fits can be compared
        fixed = torch.Generator().manual_seed(_EVALUATION_SEED)
        parts = [index[i : i + CHUNK] for i in range(0, len(index), CHUNK)]
        rounds = [
            torch.cat([self._loss(net, part, length, fixed) for part in parts])
            for length in np.linspace(*self.lengths, REPEATS).astype(int).tolist()
        ]
        return torch.stack(rounds).mean(dim=0)

    def _quick(self, net: nn.Module) -> nn.Module:
        """The net, compiled where it is to be."""
        if self.compiles and id(net) not in self._compiled:
            self._compiled[id(net)] = cast(nn.Module, torch.compile(net))
        return self._compiled.get(id(net), net)

    def _loss(
        self, net: nn.Module, index: Tensor, length: int, generator: torch.Generator
    ) -> Tensor:
        y, mask = self.snippets.drawn(index, length, generator)
        sigma = drawn_levels(self.noise, len(index), generator)
        eps = torch.randn(y.shape, generator=generator).to(y.device)
        about = None if self.snippets.about is None else self.snippets.about[index.to(y.device)]
        sigma = sigma.to(y.device)
        x, target = noised(y, sigma, eps, self.noise, torch.arange(0))
        seen = self.noise.precondition(sigma)[2][:, None, None] * x
        # half precision is for GPUs alone, where it doubles the speed
        gpu = y.device.type == "cuda"
        with torch.autocast(y.device.type, torch.bfloat16, enabled=gpu):
            made: Tensor = net(seen, self.noise.place(sigma), about, mask)
        off = (made.float() - target) ** 2
        if mask is None:
            return off.mean(dim=(1, 2))
        return (off.mean(dim=2) * mask).sum(dim=1) / mask.sum(dim=1)
