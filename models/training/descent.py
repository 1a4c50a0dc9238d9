"""Updates of a network: an optimizer, a rate that is warmed up and lowered, an average beside."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from msgen.models.training.settings import Training


class Descent:
    """Adam or RAdam on the weights of `net`, moved to the device of `training`.

    Attributes
    ----------
    device : torch.device
    averaged : nn.Module
        The moving average of the weights; `net` itself where there is none.
    """

    def __init__(self, net: nn.Module, training: Training) -> None:
        self.device = pick_device(training.device)
        net.to(self.device)
        self._parameters, self._clip = list(net.parameters()), training.clip
        self._optimizer = _optimizer(net, training)
        self._average = Average(net, training.ema) if training.ema else None
        self.averaged: nn.Module = net if self._average is None else self._average.net

    def state(self) -> dict[str, Tensor]:
        """Moments of the optimizer, and the average with its count; `restore` is the inverse."""
        out: dict[str, Tensor] = {}
        for i, parameter in enumerate(self._parameters):
            for name, value in self._optimizer.state.get(parameter, {}).items():
                out[f"moment.{i}.{name}"] = torch.as_tensor(value)
        if self._average is not None:
            out |= {f"average.{k}": v for k, v in self._average.net.state_dict().items()}
            out["count"] = torch.tensor(self._average.count)
        return out

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        for name, value in state.items():
            kind, _, rest = name.partition(".")
            if kind == "moment":
                number, _, key = rest.partition(".")
                self._optimizer.state[self._parameters[int(number)]][key] = value.clone()
        if self._average is not None:
            own = {k.removeprefix("average."): v for k, v in state.items() if "average." in k}
            self._average.net.load_state_dict(own)
            self._average.count = int(state["count"])

    def step(self, loss: Tensor, rate: float) -> None:
        """One update down the gradient of `loss`, shape ()."""
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        # one wild batch must not ruin the weights
        if bool(torch.isfinite(norm)):
            self._optimizer.step()
        if self._average is not None:
            self._average.update()


def _optimizer(net: nn.Module, training: Training) -> torch.optim.Optimizer:
    if training.optimizer == "radam":
        return torch.optim.RAdam(net.parameters(), lr=training.learning_rate)
    return torch.optim.Adam(net.parameters(), lr=training.learning_rate, fused=True)


def pick_device(name: str) -> torch.device:
    """The device of `Training.device`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


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
        self._rule, self.count = _warm_ema(decay), 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in what the network is now."""
        if self.count == 0:
            torch._foreach_copy_(self._ours, self._theirs)
        else:
            self._rule(self._ours, self._theirs, self.count)
        self.count += 1


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
