"""Weighted maximum likelihood for a torch density, the same for every flow.

Minimises −Σ w_i ln q(y_i|c_i) / Σ w_i with Adam and a cosine learning rate. Clock time never
decides anything: the result is a function of data, seed and settings.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from msgen.models.base import FitReport

AUTO_UPDATES = 600
"""Gradient steps that `epochs=None` aims at."""

MAX_AUTO_EPOCHS = 200
MAX_HELD_OUT = 4096


@dataclass(frozen=True)
class Training:
    """How a density is fitted.

    Attributes
    ----------
    learning_rate : float
        Peak rate; warmed up over the first 5 % of the updates, then a cosine down to 1 % of it.
    batch : int
        Samples per update.
    epochs : int or None
        Most passes over the data; None: as many as make `AUTO_UPDATES` updates.
    patience : int or None
        Epochs without a better held-out loss before stopping; None: a quarter of `epochs`.
    ema : float
        Decay of the exponential moving average of the weights, in [0, 1); 0 switches it off.
    held_out : float
        Fraction of the data that is never trained on.
    clip : float
        Bound on the norm of the gradient.
    device : str
        'cpu', 'cuda' or 'auto' (cuda where there is one). Repeats are bit-exact on the cpu only.
    """

    learning_rate: float = 5e-3
    batch: int = 256
    epochs: int | None = None
    patience: int | None = None
    ema: float = 0.98
    held_out: float = 0.1
    clip: float = 5.0
    device: str = "cpu"


def maximise_likelihood(
    density: nn.Module,
    y: Tensor,
    *,
    seed: int,
    weights: Tensor | None,
    context: Tensor | None,
    training: Training,
) -> FitReport:
    """Fit `density` in place; it ends with the weights that were best on held-out data.

    Parameters
    ----------
    density : nn.Module
        ``density(y, context)`` is ln q(y|c), shape (n,), for y of shape (n, d).
    y : Tensor, shape (n, d)
    weights : Tensor, shape (n,), or None
        Non-negative, not all zero. Batches are drawn in proportion to them.
    context : Tensor, shape (n, k), or None
    seed : int
        Decides the held-out split and the batches.

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
    if len(y) < 10:
        raise ValueError(f"a fit needs at least 10 samples, got {len(y)}")
    device = _device(training.device)
    density.to(device)
    generator = torch.Generator().manual_seed(seed)
    train, held = _split(len(y), weights, training, generator)
    y, context = y.to(device), None if context is None else context.to(device)
    probability = None if weights is None else weights[train] / weights[train].sum()

    def loss(net: nn.Module, index: Tensor, w: Tensor | None = None) -> Tensor:
        nll: Tensor = -net(y[index], None if context is None else context[index])
        return nll.mean() if w is None else (nll * w.to(device)).sum() / w.sum()

    @torch.no_grad()
    def evaluate(net: nn.Module, index: Tensor) -> float:
        w = None if weights is None else weights[index]
        return float(loss(net, index[:MAX_HELD_OUT], None if w is None else w[:MAX_HELD_OUT]))

    per_epoch = math.ceil(len(train) / training.batch)
    epochs = training.epochs or min(MAX_AUTO_EPOCHS, math.ceil(AUTO_UPDATES / per_epoch))
    patience = training.patience or max(3, epochs // 4)
    optimizer = torch.optim.Adam(density.parameters(), lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_cosine(epochs * per_epoch))
    averaged = (
        AveragedModel(density, multi_avg_fn=_warm_ema(training.ema)) if training.ema else None
    )
    candidate: nn.Module = density if averaged is None else averaged.module
    best, best_loss, best_epoch = copy.deepcopy(density.state_dict()), evaluate(density, held), 0
    history: list[tuple[float, float]] = []
    parameters = list(density.parameters())
    epoch = 0
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in _batches(train, probability, training.batch, per_epoch, generator):
            optimizer.zero_grad(set_to_none=True)
            value = loss(density, batch)
            value.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(parameters, training.clip)
            # one wild batch must not ruin the weights
            if bool(torch.isfinite(norm)):
                optimizer.step()
            schedule.step()
            if averaged is not None:
                averaged.update_parameters(density)
            total += float(value.detach())
        held_loss = evaluate(candidate, held)
        history.append((total / per_epoch, held_loss))
        if held_loss < best_loss or not math.isfinite(best_loss):
            best, best_loss, best_epoch = copy.deepcopy(candidate.state_dict()), held_loss, epoch
        elif epoch - best_epoch >= patience:
            break
    density.load_state_dict(best)
    density.to("cpu")
    y, context, device = y.cpu(), None if context is None else context.cpu(), torch.device("cpu")
    return FitReport(
        train_loss=evaluate(density, train),
        held_out_loss=best_loss,
        epochs=epoch,
        seconds=time.perf_counter() - start,
        history=tuple(history),
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _split(
    n: int, weights: Tensor | None, training: Training, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    order = torch.randperm(n, generator=generator)
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


class _warm_cosine:
    def __init__(self, total: int) -> None:
        self.total, self.warm = total, max(1, total // 20)

    def __call__(self, step: int) -> float:
        if step < self.warm:
            return (step + 1) / self.warm
        progress = min(1.0, (step - self.warm) / max(1, self.total - self.warm))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


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
