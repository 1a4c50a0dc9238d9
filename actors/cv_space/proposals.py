"""Where steered paths go to: a defended density of each stratum, or a step of a learnt dynamics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from msgen.actors.cv_space.strata import Labels, Partition
from msgen.models.base import GenerativeModel
from msgen.models.defended_steps import DefendedSteps
from msgen.systems.base import Array

DRAWS = 200_000
"""Of each proposal, by which its mass in its stratum is known."""
MAX_ROUNDS = 1000
"""Redraws before a stratum is held to have no mass under its proposal."""


def one_hot(stratum: Labels, n: int) -> Array | None:
    """Context of the model: which stratum; None where there is one only."""
    return None if n == 1 else np.eye(n)[stratum]


class Aim(NamedTuple):
    """Where n paths are to go, and how likely that is both ways.

    Attributes
    ----------
    stop : Array, shape (n, C)
        λ_N.
    log_there, log_back : Array, shape (n,)
        ln of the density with which λ_N was proposed from λ₀, and λ₀ would be from λ_N; −∞ outside
        the support.
    lag : Array, shape (n,), or None
        Of the learnt dynamics whose step it is.
    """

    stop: Array
    log_there: Array
    log_back: Array
    lag: Array | None = None


class Proposals(Protocol):
    """Densities over λ, normalised and frozen."""

    def propose(
        self, start: Array, source: Labels, target: Labels, rng: np.random.Generator
    ) -> Aim:
        """One λ_N in `target` for each λ₀, shape (n, C), of `source`."""
        ...


class Independent(ABC):
    """Proposals that do not depend on where a path begins: q_k(λ) of every stratum."""

    @abstractmethod
    def sample(self, stratum: Labels, rng: np.random.Generator) -> Array:
        """One λ for every entry of `stratum`, shape (n, C)."""

    @abstractmethod
    def log_prob(self, lam: Array, stratum: Labels) -> Array:
        """ln q_k(λ), shape (n,); −∞ outside the stratum."""

    def propose(
        self, start: Array, source: Labels, target: Labels, rng: np.random.Generator
    ) -> Aim:
        """See `Proposals`."""
        stop = self.sample(target, rng)
        return Aim(stop, self.log_prob(stop, target), self.log_prob(start, source))


@dataclass(frozen=True)
class StepProposals:
    """p(λ′|λ, τ): steps of a learnt dynamics of the CVs, in one stratum that is all of CV space.

    Truncated to one of several strata their mass would depend on where they begin.
    """

    steps: DefendedSteps

    def propose(
        self, start: Array, source: Labels, target: Labels, rng: np.random.Generator
    ) -> Aim:
        """See `Proposals`; the way back is a step of the same lag."""
        stop, which = self.steps.draw(start, rng)
        lag = self.steps.lag(which)
        there = self.steps.log_proposal(stop, start, lag)
        back = self.steps.log_proposal(start, stop, lag)
        return Aim(stop, there, back, lag)


@dataclass(frozen=True)
class StratumProposals(Independent):
    """q_k(λ) = [(1−ε) m(λ|k) + ε b(λ)] 1_k(λ) / Q_k, frozen for a segment.

    Attributes
    ----------
    model : GenerativeModel
        m(λ|k), with the one-hot stratum as context where there is more than one.
    broad : GenerativeModel
        b(λ): uniform on angles, wide elsewhere.
    epsilon : float
    partition : Partition
    log_mass : Array, shape (K,)
        ln Q_k, by Monte Carlo when the version was made; see `log_masses`.
    """

    model: GenerativeModel
    broad: GenerativeModel
    epsilon: float
    partition: Partition
    log_mass: Array

    def _draw(self, stratum: Labels, rng: np.random.Generator) -> Array:
        wide = rng.random(len(stratum)) < self.epsilon
        out = np.empty((len(stratum), self.model.dim))
        if wide.any():
            out[wide] = self.broad.sample(int(wide.sum()), rng)
        if not wide.all():
            context = one_hot(stratum[~wide], len(self.partition))
            out[~wide] = self.model.sample(int((~wide).sum()), rng, context)
        return out

    def sample(self, stratum: Labels, rng: np.random.Generator) -> Array:
        """One λ for every entry of `stratum`, by rejection; shape (n, C).

        Raises
        ------
        RuntimeError
            If a proposal has practically no mass in its own stratum.
        """
        out = self._draw(stratum, rng)
        wrong = np.flatnonzero(self.partition.assign(out) != stratum)
        for _ in range(MAX_ROUNDS):
            if not len(wrong):
                return out
            out[wrong] = self._draw(stratum[wrong], rng)
            wrong = wrong[self.partition.assign(out[wrong]) != stratum[wrong]]
        name = self.partition.names[int(stratum[wrong[0]])]
        raise RuntimeError(f"the proposal of state {name!r} has no mass inside it")

    def log_prob(self, lam: Array, stratum: Labels) -> Array:
        """ln q_k(λ), shape (n,); −∞ outside the stratum."""
        inside = self.partition.assign(lam) == stratum
        value = self._log_defended(lam, stratum) - self.log_mass[stratum]
        return np.where(inside, value, -np.inf)

    def _log_defended(self, lam: Array, stratum: Labels) -> Array:
        context = one_hot(stratum, len(self.partition))
        with np.errstate(divide="ignore"):
            return np.asarray(
                np.logaddexp(
                    np.log1p(-self.epsilon) + self.model.log_prob(lam, context),
                    np.log(self.epsilon) + self.broad.log_prob(lam),
                )
            )


def log_masses(
    model: GenerativeModel,
    broad: GenerativeModel,
    epsilon: float,
    partition: Partition,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> tuple[Array, Array]:
    """ln Q_k, the mass of each defended proposal inside its stratum, and its standard error.

    By counting `draws` draws. Q is close to one, so that the error √((1−Q)/(Q·draws)) is of order
    1e-3 kT; it enters the free-energy difference as it stands.
    """
    k = len(partition)
    if k == 1:
        return np.zeros(1), np.zeros(1)
    free = StratumProposals(model, broad, epsilon, partition, np.zeros(k))
    inside = np.array(
        [np.mean(partition.assign(free._draw(np.full(draws, j), rng)) == j) for j in range(k)]
    )
    with np.errstate(divide="ignore"):
        return np.log(inside), np.sqrt((1.0 - inside) / (inside * draws))
