"""Fitting a torch network by a weighted mean of losses, the same for every model.

Minimises Σ w_i ℓ_i / Σ w_i with Adam and a cosine learning rate; ℓ_i = −ln q(y_i|c_i) for a flow.
Clock time never decides anything: the result is a function of data, seed and settings.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from msgen.models.base import FitReport
from msgen.models.training.descent import Descent, WarmCosine
from msgen.models.training.kept_fit import KeptFit, Progress
from msgen.models.training.settings import Training
from msgen.systems.pause import pause


class Objective(Protocol):
    """The loss of single samples; it holds the data."""

    def to(self, device: torch.device) -> Self:
        """The same with its data on `device`."""
        ...

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the samples `index`, shape (len(index),).

        What noise it needs comes from `generator`; None asks for the same noise at every call, so
        that the loss on held-out data is a function of the network.
        """
        ...


@dataclass(frozen=True)
class NegativeLogLikelihood:
    """−ln q(y|c), where ``net(y, context)`` is ln q(y|c)."""

    y: Tensor
    context: Tensor | None

    def to(self, device: torch.device) -> NegativeLogLikelihood:
        """The same with its data on `device`."""
        context = None if self.context is None else self.context.to(device)
        return NegativeLogLikelihood(self.y.to(device), context)

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """−ln q of the samples `index`, in nats."""
        out: Tensor = -net(self.y[index], None if self.context is None else self.context[index])
        return out


def minimise(
    net: nn.Module,
    objective: Objective,
    n: int,
    *,
    seed: int,
    weights: Tensor | None,
    training: Training,
    kept: KeptFit | None = None,
) -> FitReport:
    """Fit `net` in place; it ends with the weights that were best on held-out data.

    Parameters
    ----------
    net : nn.Module
    objective : Objective
        The loss of each of the `n` samples.
    n : int
        Samples.
    seed : int
        Decides the held-out split, the batches and the objective's noise.
    weights : Tensor, shape (n,), or None
        Non-negative, not all zero. Batches are drawn in proportion to them.
    training : Training
    kept : KeptFit, optional
        Where it stands after every epoch, and goes on from.

    Raises
    ------
    ValueError
        For fewer than 10 samples.

    Notes
    -----
    The weights before the first update compete too, so that a warm start never ends worse on the
    held-out data than it began. The moving average warms up, decay min(ema, (1+t)/(10+t)), so that
    a short fit is not dominated by its first weights.
    """
    start = time.perf_counter()
    if n < 10:
        raise ValueError(f"a fit needs at least 10 samples, got {n}")
    generator = torch.Generator().manual_seed(seed)
    train, held = _split(n, weights, training, generator)
    probability = None if weights is None else weights[train] / weights[train].sum()
    per_epoch = math.ceil(len(train) / training.batch)
    epochs = training.epochs or min(training.most_epochs, math.ceil(training.updates / per_epoch))
    patience = training.patience or max(3, epochs // 4)
    descent = Descent(net, training)
    rate = WarmCosine(epochs * per_epoch)
    there, measured = objective.to(descent.device), training.measured
    at = None if kept is None else kept.restore(net, descent, generator)
    if at is None:
        first = copy.deepcopy(net.state_dict())
        at = Progress(first, _mean(there, net, held[:measured], weights))
    while at.epoch < epochs and at.epoch - at.best_epoch < patience:
        at.epoch += 1
        total = 0.0
        batches = _batches(train, probability, training.batch, per_epoch, generator)
        for update, batch in enumerate(batches, (at.epoch - 1) * per_epoch):
            pause()
            loss = there(net, batch, generator).mean()
            descent.step(loss, training.learning_rate * rate(update))
            total += float(loss.detach())
        held_loss = _mean(there, descent.averaged, held[:measured], weights)
        at.history.append((total / per_epoch, held_loss))
        if held_loss < at.best_loss or not math.isfinite(at.best_loss):
            at.best, at.best_epoch = copy.deepcopy(descent.averaged.state_dict()), at.epoch
            at.best_loss = held_loss
        if kept is not None:
            kept.keep(at, net, descent, generator)
    net.load_state_dict(at.best)
    net.to("cpu")
    here = objective.to(torch.device("cpu"))
    return FitReport(
        train_loss=_mean(here, net, train[:measured], weights),
        held_out_loss=at.best_loss,
        epochs=at.epoch,
        seconds=time.perf_counter() - start,
        history=tuple(at.history),
    )


@torch.no_grad()
def _mean(objective: Objective, net: nn.Module, index: Tensor, weights: Tensor | None) -> float:
    """The weighted mean loss of the samples `index`."""
    losses = objective(net, index, None)
    if weights is None:
        return float(losses.mean())
    w = weights[index]
    return float((losses * w.to(losses)).sum() / w.sum())


def _split(
    n: int, weights: Tensor | None, training: Training, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    order = torch.randperm(n, generator=generator)
    if 0 < training.stretches <= n:
        # whole stretches first, the rows of each in any order
        rank = torch.randperm(training.stretches, generator=generator)
        order = order[torch.argsort(rank[order * training.stretches // n], stable=True)]
    n_held = max(1, round(training.held_out * n))
    if weights is not None:
        # a sample without weight says nothing, on either side
        order = order[weights[order] > 0]
        n_held = max(1, round(training.held_out * len(order)))
    if len(order) < 10:
        raise ValueError(f"a fit needs at least 10 samples of positive weight, got {len(order)}")
    return order[n_held:], order[:n_held]


def _batches(
    train: Tensor,
    probability: Tensor | None,
    batch: int,
    per_epoch: int,
    generator: torch.Generator,
) -> Iterable[Tensor]:
    if probability is None:
        order = train[torch.randperm(len(train), generator=generator)]
        return order.tensor_split(per_epoch)
    # drawing in proportion to the weights gives the same expected gradient with far less noise;
    # by inversion, as torch.multinomial is limited to 2^24 entries
    u = torch.rand(len(train), generator=generator, dtype=torch.float64)
    index = torch.searchsorted(torch.cumsum(probability.double(), 0), u)
    return train[index.clamp(max=len(train) - 1)].tensor_split(per_epoch)
