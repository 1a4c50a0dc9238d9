"""Fits that differ in their seed alone, all at once: what an ablation is judged by.

The nets lie side by side in one of stacked weights, so that a GPU is as busy with small ones as
with a large one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from msgen.models.base import FitReport
from msgen.models.nets.temporal_unet import TemporalUNet
from msgen.models.training.fitting import minimise
from msgen.models.trajectories.config import TrajectoryConfig
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.model import TrajectoryDiffusion
from msgen.models.trajectories.snippets import CHUNK, SnippetLoss


def fit_seeds(
    config: TrajectoryConfig, data: TrainingTrajectories, seeds: Sequence[int]
) -> tuple[list[TrajectoryDiffusion], FitReport]:
    """One model a seed, each with its own first weights, starts of snippets and noise.

    They share what is held out, the order of the data, the clipping of gradients and the update at
    which they are best, which is that of their mean held-out loss; the report's losses are means.

    Raises
    ------
    ValueError
        As `TrajectoryDiffusion.fit`.
    """
    known, models = data.checked(config.space), [TrajectoryDiffusion(config) for _ in seeds]
    for model, seed in zip(models, seeds, strict=True):
        model.begin(known, seed)
    snippets, training = models[0].prepared(known)
    stacked = StackedNets([model.net for model in models])
    loss = SeedsLoss(SnippetLoss(snippets, config.process, config.lengths), len(seeds))
    report = minimise(
        stacked,
        loss,
        len(snippets),
        seed=seeds[0],
        weights=snippets.weights,
        training=training,
    )
    for i, model in enumerate(models):
        model.net.load_state_dict(stacked.state_of(i))
        model.fitted = True
    return models, report


class StackedNets(nn.Module):
    """Nets of one kind side by side.

    Parameters
    ----------
    nets : sequence of TemporalUNet
        Of the same settings; their weights are copied.
    """

    def __init__(self, nets: Sequence[TemporalUNet]) -> None:
        super().__init__()
        stacked, _ = torch.func.stack_module_state(list(nets))
        self.names = list(stacked)
        self.weights = nn.ParameterList(nn.Parameter(w.detach()) for w in stacked.values())
        self._head = nets[0].head
        # kept from being a part of this module: it lends its shape alone
        self._shape = [_Made(copy.deepcopy(nets[0]).to("meta"))]

    def forward(
        self, x: Tensor, level: Tensor, about: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """F, shape (nets, batch, time, channels); every input has the nets in front."""
        if self._head == "force":
            out = self._made(x, level, about, mask)
            return out if mask is None else out * mask[..., None]
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            seen = x.detach().requires_grad_()
            total = self._made(seen, level, about, mask).sum()
            (slope,) = torch.autograd.grad(total, seen, create_graph=learning)
        return slope

    def state_of(self, i: int) -> dict[str, Tensor]:
        """The weights of one of them, by name."""
        return {name: w[i].detach() for name, w in zip(self.names, self.weights, strict=True)}

    def _made(self, x: Tensor, level: Tensor, about: Tensor | None, mask: Tensor | None) -> Tensor:
        weights = {f"net.{n}": w for n, w in zip(self.names, self.weights, strict=True)}

        def one(own: dict[str, Tensor], *inputs: Tensor | None) -> Tensor:
            made: Tensor = torch.func.functional_call(self._shape[0], own, inputs)
            return made

        given = (x, level, about, mask)
        axes = (0, *(None if value is None else 0 for value in given))
        out: Tensor = torch.func.vmap(one, in_dims=axes)(weights, *given)
        return out


class _Made(nn.Module):
    """What the last convolution of a net makes, as a module."""

    def __init__(self, net: TemporalUNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, x: Tensor, level: Tensor, about: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        return self.net.made(x, level, about, mask)


@dataclass(frozen=True)
class SeedsLoss:
    """The mean over stacked nets of a loss for which each draws its own starts and noise.

    Attributes
    ----------
    loss : SnippetLoss
    n : int
        Nets.
    """

    loss: SnippetLoss
    n: int

    def to(self, device: torch.device) -> SeedsLoss:
        """The same with its data on `device`."""
        return replace(self, loss=self.loss.to(device))

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the slots `index`, shape (len(index),)."""
        folded, size = Folded(net, self.n), max(1, CHUNK // self.n)
        if generator is not None:
            size = len(index)
        parts = [index[i : i + size] for i in range(0, len(index), size)]
        # as long batches, which the net folds again
        losses = [self.loss(folded, p.repeat_interleave(self.n), generator) for p in parts]
        return torch.cat(losses).reshape(-1, self.n).mean(dim=1)


class Folded(nn.Module):
    """Stacked nets that take rows of nets in turn: row r is of the net r mod n."""

    def __init__(self, stacked: nn.Module, n: int) -> None:
        super().__init__()
        self.stacked, self.n = stacked, n

    def forward(
        self, x: Tensor, level: Tensor, about: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        def fold(value: Tensor | None) -> Tensor | None:
            if value is None:
                return None
            return value.reshape(-1, self.n, *value.shape[1:]).transpose(0, 1)

        out: Tensor = self.stacked(fold(x), fold(level), fold(about), fold(mask))
        return out.transpose(0, 1).reshape(x.shape)
