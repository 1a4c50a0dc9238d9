"""Training without data: the reverse Kullback–Leibler divergence to an energy.

Minimises KL(q_θ ‖ ρ*_τ) = ⟨ln q_θ(x) + u(x)/τ⟩_{x ~ q_θ} + ln Z_τ, with u = U/kT the reduced energy
and τ the temperature in units of the target's own (Noé et al., Science 365, eaaw1147, 2019).
By itself it is content with one mode of several, since x is drawn from q_θ. The cures here are
annealing (τ falls from `hot` to 1), samples (a forward term on data), and recalled draws: a forward
term on what the model itself drew of late, weighted to ρ*_τ. It costs no energies, and pulls at
what the model has come to draw too seldom (as the buffer of Midgley et al., Flow annealed
importance sampling bootstrap, 2023).

The gradient is that of the path alone, ∇_θ [ln q_θ̄ + u/τ](T_θ(z)) with θ̄ held fixed: the score
that is left out has mean zero, and without it the gradient has no variance where q_θ = ρ* (Roeder
et al., Sticking the landing, 2017; Vaitl et al., Path-gradient estimators for CNFs, 2022).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array, FitReport, Reparametrised
from msgen.models.training.descent import Descent, WarmCosine
from msgen.models.training.energy_draws import Drawn, Energy, Recalled
from msgen.models.validation import check_rows, check_weights
from msgen.systems.pause import pause

RECORDS = 50
"""Stretches of a training whose mean loss and clipped share are told."""


@dataclass(frozen=True)
class EnergyTraining:
    """How a density is trained on an energy.

    Attributes
    ----------
    updates : int
        Gradient steps of the whole training.
    batch : int
        Draws per step; each is one evaluation of energy and gradient.
    hot : float
        τ at the start, ≥ 1; 1 is no annealing.
    cooling : float
        Share of the steps over which ln τ falls evenly to 0; the rest is spent at τ = 1.
    clip : float or None
        Energies more than `clip` τ above the median of their batch grow as a logarithm from there
        on; None: 10 + 5 √(d/2), five times what a harmonic energy fluctuates by.
    data : float
        Weight of the forward term on data.
    recall : float
        Weight of the forward term on recalled draws; the reverse term has what the two leave.
    """

    updates: int = 2000
    batch: int = 256
    hot: float = 1.0
    cooling: float = 0.9
    clip: float | None = None
    data: float = 0.0
    recall: float = 0.0

    def __post_init__(self) -> None:
        if min(self.data, self.recall) < 0 or self.data + self.recall >= 1:
            raise ValueError(f"data={self.data} and recall={self.recall} leave no reverse term")

    def temperature(self, step: int) -> float:
        """τ at one of the `updates` steps."""
        fallen = min(1.0, step / max(1.0, self.cooling * self.updates))
        return float(self.hot ** (1.0 - fallen))


@dataclass(frozen=True)
class EnergyReport(FitReport):
    """What a training on an energy did.

    `train_loss` is ⟨ln q + u/τ⟩ of the last draws trained on, `held_out_loss` the same at τ = 1 of
    draws of the finished model, both with the tail of u clipped; it is −ln Z or more. `history`
    holds mean loss and τ of each stretch, `clipped` the share of energies beyond the clip there.
    """

    evaluations: int = 0
    nonfinite: int = 0
    clipped: tuple[float, ...] = ()


def reverse_kl(
    model: Reparametrised,
    energy: Energy,
    training: EnergyTraining,
    *,
    seed: int,
    part: tuple[float, float] = (0.0, 1.0),
    data: Array | None = None,
    weights: Array | None = None,
) -> EnergyReport:
    """Train `model` in place; it ends with the moving average of its weights.

    Parameters
    ----------
    model : Reparametrised
        Placed (`place`) where the energy is low, or fitted before; one without context.
    energy : Energy
        Where it is not finite the draw is left out and counted.
    training : EnergyTraining
        The rate and the moving average are those of the model's own `training`.
    seed : int
        Decides the draws and the batches of data; the same on the CPU gives the same bits.
    part : tuple of float
        Begin and end of the part of the training to do now, as shares of its `updates`. Rate and
        temperature go on where the part before left them; Adam's moments begin anew.
    data, weights : Array, shapes (n, d) and (n,), or None
        Samples of the forward term; needed where `training.data` > 0.

    Raises
    ------
    ValueError
        For a model with a context, an empty part, or a forward term without data.
    """
    began = time.perf_counter()
    if model.n_context:
        raise ValueError("training on an energy is for models without a context")
    first, last = (round(p * training.updates) for p in part)
    if not 0 <= first < last <= training.updates:
        raise ValueError(f"no update lies between {part[0]:g} and {part[1]:g} of the training")
    samples = None
    if training.data > 0:
        if data is None:
            raise ValueError("a forward term needs data")
        samples = _Batches(check_rows("data", data, model.dim), weights, training.batch, seed)
    net = model.network()
    descent, rate = Descent(net, model.training), WarmCosine(training.updates)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    objective, told = _Objective(model, energy, training, samples, rng), _Record(last - first)
    nonfinite = evaluations = 0
    for step in range(first, last):
        pause()
        tau = training.temperature(step)
        terms, done = objective.terms(tau, descent.device)
        descent.step(terms, model.training.learning_rate * rate(step) * _settle(step - first))
        told.add(done.loss, tau, done.clipped)
        evaluations += training.batch
        nonfinite += done.bad
    net.load_state_dict(descent.averaged.state_dict())
    net.to("cpu")
    history, shares = told.read()
    return EnergyReport(
        history[-1][0],
        objective.held_out(),
        1,
        time.perf_counter() - began,
        history,
        evaluations + training.batch,
        nonfinite,
        shares,
    )


class _Told(NamedTuple):
    """Of one batch of draws: mean loss, clipped share, and rows whose energy is not finite."""

    loss: float
    clipped: float
    bad: int


class _Objective:
    """What is minimised: the reverse term, and the forward terms on data and on recalled draws."""

    def __init__(
        self,
        model: Reparametrised,
        energy: Energy,
        training: EnergyTraining,
        samples: _Batches | None,
        rng: np.random.Generator,
    ) -> None:
        self._model, self._energy, self._training = model, energy, training
        self._samples, self._rng = samples, rng
        self._recalled = Recalled(training.batch, rng)
        self._tail = training.clip or 10.0 + 5.0 * math.sqrt(0.5 * model.dim)

    def terms(self, tau: float, device: torch.device) -> tuple[Tensor, _Told]:
        """A tensor with the gradient of a fresh batch at τ, and what there is to tell of it."""
        model, training = self._model, self._training
        y = model.push_noise(model.noise(training.batch, self._rng).to(device))
        drawn = Drawn.by(model, self._energy, y)
        loss, pull, clipped = drawn.pull(tau, self._tail)
        reverse = 1.0 - training.data - training.recall
        terms = reverse * (y * pull).sum()
        if self._samples is not None:
            given = self._samples.next().to(device)
            terms = terms - training.data * model.log_density(given).mean()
        if training.recall > 0:
            seen = self._recalled.next(drawn, tau).to(device)
            terms = terms - training.recall * model.log_density(seen).mean()
        return terms, _Told(loss, clipped, drawn.bad)

    def held_out(self) -> float:
        """Mean loss at τ = 1 of a batch that nothing is learned from."""
        with torch.no_grad():
            y = self._model.push_noise(self._model.noise(self._training.batch, self._rng))
        return Drawn.by(self._model, self._energy, y).pull(1.0, self._tail)[0]


def first_temperature(reduced: Array) -> float:
    """τ at which draws of reduced energies `reduced`, shape (n,), differ by about one; at least 1.

    τ = median u − min u: no barrier between such draws is then much higher than kT τ, and from
    there on cooling leads through densities that the model can follow.
    """
    u = reduced[np.isfinite(reduced)]
    return max(1.0, float(np.median(u) - u.min())) if len(u) else 1.0


def _settle(done: int) -> float:
    """Warm-up of a part: Adam's moments know nothing yet."""
    return min(1.0, (done + 1) / 20)


class _Batches:
    """Samples in proportion to their weights, for ever."""

    def __init__(self, y: Array, weights: Array | None, batch: int, seed: int) -> None:
        w = check_weights(weights, len(y))
        self._y, self._batch = torch.as_tensor(y), batch
        self._cumulated = None if w is None else np.cumsum(w / w.sum())
        self._rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))

    def next(self) -> Tensor:
        n = len(self._y)
        if self._cumulated is None:
            return self._y[self._rng.integers(n, size=self._batch)]
        at = np.searchsorted(self._cumulated, self._rng.random(self._batch))
        return self._y[np.minimum(at, n - 1)]


class _Record:
    """Means over stretches of a training."""

    def __init__(self, steps: int) -> None:
        self._every = max(1, math.ceil(steps / RECORDS))
        self._rows: list[tuple[float, float, float]] = []

    def add(self, loss: float, tau: float, clipped: float) -> None:
        self._rows.append((loss, tau, clipped))

    def read(self) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
        """(loss, τ) and clipped share of each stretch."""
        rows = np.array(self._rows)
        parts = [rows[i : i + self._every].mean(axis=0) for i in range(0, len(rows), self._every)]
        return tuple((float(p[0]), float(p[1])) for p in parts), tuple(float(p[2]) for p in parts)
