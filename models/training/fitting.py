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
from msgen.models.training.settings import Training


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
    device = pick_device(training.device)
    net.to(device)
    generator = torch.Generator().manual_seed(seed)
    train, held = _split(n, weights, training, generator)
    objective = objective.to(device)
    probability = None if weights is None else weights[train] / weights[train].sum()

    @torch.no_grad()
    def evaluate(candidate: nn.Module, index: Tensor) -> float:
        index = index[: training.measured]
        losses = objective(candidate, index, None)
        if weights is None:
            return float(losses.mean())
        w = weights[index]
        return float((losses * w.to(losses)).sum() / w.sum())

    per_epoch = math.ceil(len(train) / training.batch)
    epochs = training.epochs or min(training.most_epochs, math.ceil(training.updates / per_epoch))
    patience = training.patience or max(3, epochs // 4)
    optimizer = torch.optim.Adam(net.parameters(), lr=training.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmCosine(epochs * per_epoch))
    averaged = Average(net, training.ema) if training.ema else None
    candidate: nn.Module = net if averaged is None else averaged.net
    best, best_loss, best_epoch = copy.deepcopy(net.state_dict()), evaluate(net, held), 0
    history: list[tuple[float, float]] = []
    parameters = list(net.parameters())
    epoch = 0
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in _batches(train, probability, training.batch, per_epoch, generator):
            optimizer.zero_grad(set_to_none=True)
            value = objective(net, batch, generator).mean()
            value.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(parameters, training.clip)
            # one wild batch must not ruin the weights
            if bool(torch.isfinite(norm)):
                optimizer.step()
            schedule.step()
            if averaged is not None:
                averaged.update()
            total += float(value.detach())
        held_loss = evaluate(candidate, held)
        history.append((total / per_epoch, held_loss))
        if held_loss < best_loss or not math.isfinite(best_loss):
            best, best_loss, best_epoch = copy.deepcopy(candidate.state_dict()), held_loss, epoch
        elif epoch - best_epoch >= patience:
            break
    net.load_state_dict(best)
    net.to("cpu")
    objective = objective.to(torch.device("cpu"))
    return FitReport(
        train_loss=evaluate(net, train),
        held_out_loss=best_loss,
        epochs=epoch,
        seconds=time.perf_counter() - start,
        history=tuple(history),
    )


def pick_device(name: str) -> torch.device:
    """The device of `Training.device`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


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


class WarmCosine:
    """Factor of the learning rate at each of `total` updates: 5 % warm-up, then a cosine to 1 %."""

    def __init__(self, total: int) -> None:
        self.total, self.warm = total, max(1, total // 20)

    def __call__(self, step: int) -> float:
        if step < self.warm:
            return (step + 1) / self.warm
        progress = min(1.0, (step - self.warm) / max(1, self.total - self.warm))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


class Average:
    """What torch's AveragedModel does, without its walk over all modules at every update."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net)
        self._ours: list[Tensor] = list(self.net.parameters())
        self._theirs: list[Tensor] = list(net.parameters())
        self._rule, self._count = _warm_ema(decay), 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in what the network is now."""
        if self._count == 0:
            torch._foreach_copy_(self._ours, self._theirs)
        else:
            self._rule(self._ours, self._theirs, self._count)
        self._count += 1


class _warm_ema:
    def __init__(self, decay: float) -> None:
        self.decay = decay

    @torch.no_grad()
    def __call__(
        self,
        averaged: tuple[Tensor, ...] | list[Tensor],
        current: tuple[Tensor, ...] | list[Tensor],
        n_averaged: Tensor | int,
    ) -> None:
        t = int(n_averaged)
        decay = min(self.decay, (1 + t) / (10 + t))
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)
