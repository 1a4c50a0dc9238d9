"""Models of the full configuration, one for each state: weights of draws, and works of the maps.

ρ̃_k(y) = e^{−U(x)/kT} |∂x/∂y| inside state k and 0 outside, y the coordinates of the models. The map
from state a to state b goes y → z → y′ through the latent variables of both models, so that

    Φ = ln ρ̃_a(y) − ln ρ̃_b(y′) − ln|∂z/∂y| − ln|∂y′/∂z|

is a generalised work between the two (Hahn and Then, Phys. Rev. E 79, 011113, 2009). A transport
between the samples of the first state and those of another will do as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from msgen.actors.configurations.coordinates import IsomerWatch
from msgen.actors.configurations.model_slope import has_slope, log_prob_and_slope
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.kernels.annealing import Annealing, Slope
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.models.base import Bijective, GenerativeModel
from msgen.models.continuous.transport import Transport
from msgen.systems.base import Array, CVSet, System, Walkers
from msgen.systems.coordinates.representation import Cartesian, Exact

SPREAD = 512
"""Draws of a model that tell how long the steps of annealed paths are."""


class StateModels:
    """What the frozen models of the states say of configurations, with its cost.

    Parameters
    ----------
    system, cvs, coordinates, partition
    models : Mapping of state to GenerativeModel
        In the variables of `coordinates`.
    watch : IsomerWatch, optional
        Isomers, which belong to no state.
    transports : Mapping of state to Transport, optional
        From state 0 to each, instead of the maps through latent variables.
    steps : int
        Of the annealed paths between a state and its model; 1: the weights themselves.

    Attributes
    ----------
    evaluations : int
        Energies asked for so far; what lies outside a state asks for none.
    nonfinite : int
        Energies inside a state that were not finite: they count as infinite.
    """

    def __init__(
        self,
        system: System,
        cvs: CVSet,
        coordinates: Exact,
        partition: Partition,
        models: Mapping[int, GenerativeModel],
        watch: IsomerWatch | None = None,
        transports: Mapping[int, Transport] | None = None,
        steps: int = 1,
    ) -> None:
        self.system, self.cvs, self.coordinates = system, cvs, coordinates
        self.partition, self.models, self._watch = partition, models, watch
        self.transports, self._steps = transports, steps
        self._paths: dict[int, Annealing] = {}
        self.evaluations = self.nonfinite = 0

    def log_density(self, positions: Array, y: Array, state: Labels) -> Array:
        """ln ρ̃_k of configurations (n, D) that are y (n, d), k = `state` (n,); −inf outside."""
        out = np.full(len(y), -np.inf)
        whole = np.isfinite(positions).all(axis=1)
        inside = np.flatnonzero(whole)
        inside = inside[self.partition.assign(self.cvs(positions[inside])) == state[inside]]
        if self._watch is not None and len(inside):
            inside = inside[~self._watch(positions[inside])]
        if not len(inside):
            return out
        energy = self.system.energy(Walkers(positions[inside]))
        self.evaluations += len(inside)
        with np.errstate(over="ignore", invalid="ignore"):
            value = -energy / self.system.kT + self.coordinates.log_det(y[inside])
        # a NaN or +inf energy is infinite; so is one of −inf, which no potential has
        good = np.isfinite(value)
        self.nonfinite += int(np.count_nonzero(~good))
        out[inside[good]] = value[good]
        return out

    def draws(self, state: int, n: int, rng: np.random.Generator) -> Array:
        """ln ρ̃_k − ln q_k of n draws of the model of state k, shape (n,); −inf outside.

        Of annealed paths, the negative of their works.
        """
        model = self.models[state]
        y = model.sample(n, rng)
        if self._steps > 1:
            return -self._path(state).forward(y, *self._slopes(state, rng), rng)
        log_density = self.log_density(self.coordinates.decode(y, rng), y, np.full(n, state))
        return np.asarray(_less(log_density, model.log_prob(y)))

    def weights(self, state: int, y: Array, log_density: Array, rng: np.random.Generator) -> Array:
        """ln ρ̃_k − ln q_k of samples of state k, shape (n,); +inf where the model has none.

        A sample without density, as one that has turned into an isomer, counts and adds nothing. Of
        annealed paths, their works.
        """
        model = self.models[state]
        if self._steps > 1:
            return self._path(state).reverse(y, *self._slopes(state, rng), rng)
        log_q = model.log_prob(y)
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(log_density), log_density - log_q, np.inf)

    def _slopes(self, state: int, rng: np.random.Generator) -> tuple[Slope, Slope]:
        """Of a state and of its model; `rng` turns molecules, on which no energy depends."""
        model = self.models[state]

        def target(y: Array) -> tuple[Array, Array]:
            if self._knows_slope(state):
                return self._log_density_and_slope(y, state)
            positions = self.coordinates.decode(y, rng)
            return self.log_density(positions, y, np.full(len(y), state)), np.zeros_like(y)

        def of_model(y: Array) -> tuple[Array, Array]:
            if self._knows_slope(state):
                return log_prob_and_slope(model, y)
            return model.log_prob(y), np.zeros_like(y)

        return target, of_model

    def _knows_slope(self, state: int) -> bool:
        """Whether forces are gradients in the models' variables, and the model has one."""
        plain = isinstance(self.coordinates, Cartesian) and self._watch is None
        return plain and has_slope(self.models[state])

    def _log_density_and_slope(self, y: Array, state: int) -> tuple[Array, Array]:
        """ln ρ̃_k of configurations that are their own variables, and its gradient."""
        value, slope = np.full(len(y), -np.inf), np.zeros_like(y)
        inside = np.flatnonzero(np.isfinite(y).all(axis=1))
        inside = inside[self.partition.assign(self.cvs(y[inside])) == state]
        if not len(inside):
            return value, slope
        told = BoltzmannTarget(self.system).log_density_and_gradient(y[inside])
        self.evaluations += len(inside)
        good = np.isfinite(told[0])
        self.nonfinite += int(np.count_nonzero(~good))
        value[inside[good]], slope[inside[good]] = told[0][good], told[1][good]
        return value, slope

    def _path(self, state: int) -> Annealing:
        """The protocol of a state, from its frozen model alone: the same in any order."""
        if state not in self._paths:
            drawn = self.models[state].sample(SPREAD, np.random.default_rng(0))
            periodic = np.array(self.coordinates.periodic)
            slopes = self._knows_slope(state)
            self._paths[state] = Annealing.along(self._steps, drawn, periodic, slopes=slopes)
        return self._paths[state]

    def works(
        self, state: int, y: Array, log_density: Array, target: Labels, rng: np.random.Generator
    ) -> Array:
        """Φ in kT of the maps from samples y (n, d) of `state` to `target` (n,); +inf outside.

        Raises
        ------
        TypeError
            If a model is no bijection.
        """
        image, log_det = np.empty_like(y), np.empty(len(y))
        for k in np.unique(target):
            mine = target == k
            image[mine], log_det[mine] = self._mapped(state, int(k), y[mine])
        positions = np.full((len(y), self.system.n_dof), np.nan)
        whole = np.isfinite(image).all(axis=1)
        positions[whole] = self.coordinates.decode(image[whole], rng)
        end = self.log_density(positions, image, target)
        with np.errstate(invalid="ignore"):
            work = log_density - end - log_det
        return np.where(np.isfinite(work), work, np.inf)

    def reached(self, state: int) -> Labels:
        """The states that there are maps to, from this one."""
        others = np.array([k for k in sorted(self.models) if k != state], dtype=np.int64)
        if self.transports is None:
            return others
        if state == 0:
            return np.array([k for k in others if k in self.transports], dtype=np.int64)
        return others[others == 0] if state in self.transports else others[:0]

    def _mapped(self, state: int, target: int, y: Array) -> tuple[Array, Array]:
        """Images of y and ln|∂y′/∂y|."""
        if self.transports is None:
            z, there = _bijection(self.models[state]).to_latent(y)
            image, back = _bijection(self.models[target]).from_latent(z)
            return image, there + back
        if state == 0:
            return self.transports[target].forward(y)
        return self.transports[state].inverse(y)


def _less(log_density: Array, log_q: Array) -> Array:
    """ln ρ̃ − ln q; a draw that its own model gives no density (rounding) has no weight."""
    return np.where(np.isfinite(log_q), log_density - np.nan_to_num(log_q), -np.inf)


def _bijection(model: GenerativeModel) -> Bijective:
    if not isinstance(model, Bijective):
        raise TypeError(f"{type(model).__name__} is no bijection")
    return model
