"""A committee of small nets that has learnt an energy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, Json, ModelState
from msgen.models.surrogate.descriptors import Coordinates, Repulsion, SymmetryFunctions

KINDS = ("symmetry_functions", "coordinates")


@dataclass(frozen=True)
class Told:
    """What a committee says of n configurations.

    Attributes
    ----------
    energy : Array, shape (n,)
        Mean over its members, in kT.
    gradient : Array, shape (n, D)
    disagreement : Array, shape (n,)
        Standard deviation of its members' energies.
    """

    energy: Array
    gradient: Array
    disagreement: Array


class Committee(nn.Module):
    """U(x)/kT as the mean of `members` nets, each a sum over atoms of a net of their surroundings.

    Parameters
    ----------
    config : Mapping
        `kind` ('symmetry_functions' or 'coordinates'), `n_dof`, `kinds` (element of each atom),
        `cutoff`, `radial`, `width`, `members`: JSON-able, all that rebuilds it but its weights.
    """

    def __init__(self, config: Mapping[str, Json]) -> None:
        super().__init__()
        self.config = dict(config)
        kinds, n_dof = _ints(config["kinds"]), _int(config["n_dof"])
        self.atoms = config["kind"] == "symmetry_functions"
        self.seen: SymmetryFunctions | Coordinates = Coordinates(n_dof)
        self.core: Repulsion | None = None
        if self.atoms:
            self.seen = SymmetryFunctions(kinds, _float(config["cutoff"]), _int(config["radial"]))
            self.core = Repulsion(len(kinds))
        m, f, h = _int(config["members"]), self.seen.size, _int(config["width"])
        for name, shape in (
            ("w1", (m, f, h)), ("b1", (m, 1, h)), ("w2", (m, h, h)), ("b2", (m, 1, h)),
            ("w3", (m, h, 1)),
        ):  # fmt: skip
            self.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
        for name, length in (("mean", f), ("std", f)):
            self.register_buffer(name, torch.ones(length, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def begin(self, x: Array, energy: Array, seed: int) -> None:
        """Begin afresh, in the units of data: configurations (n, D) and U/kT, shape (n,)."""
        generator = torch.Generator().manual_seed(seed)
        t = torch.as_tensor(x)
        with torch.no_grad():
            if self.core is not None:
                self.core.place(t)
            seen = self.seen(t)
            flat = seen.reshape(-1, seen.shape[-1])
            self.get_buffer("mean").copy_(flat.mean(0))
            # what never changes stays next to nothing
            self.get_buffer("std").copy_(flat.std(0).clamp(min=1e-6) + 1e-3)
            self.get_buffer("offset").fill_(float(np.mean(energy)))
            spread = float(np.std(energy)) or 1.0
            self.get_buffer("scale").fill_(max(spread, 1e-3) / math.sqrt(seen.shape[1]))
            for name, weight in self.named_parameters():
                bound = 0.0 if name.startswith("b") else 1.0 / math.sqrt(weight.shape[1])
                weight.uniform_(-bound, bound, generator=generator)

    def energies(self, x: Tensor) -> Tensor:
        """U/kT of each member, shape (members, n), differentiable."""
        total = self.of_seen(self.seen(x)[None])
        return total if self.core is None else total + self.core(x)

    def of_seen(self, seen: Tensor) -> Tensor:
        """The nets alone, shape (members, n), of descriptors (members or 1, n, A, F)."""
        seen = (seen - self.get_buffer("mean")) / self.get_buffer("std")
        _, n, atoms, size = seen.shape
        flat = seen.reshape(len(seen), n * atoms, size)
        h = nn.functional.silu(flat @ self.get_parameter("w1") + self.get_parameter("b1"))
        h = nn.functional.silu(h @ self.get_parameter("w2") + self.get_parameter("b2"))
        each = (h @ self.get_parameter("w3")).reshape(-1, n, atoms).sum(-1)
        return self.get_buffer("offset") + self.get_buffer("scale") * each

    def tell(self, x: Array) -> Told:
        """Energy, its gradient and the disagreement; NaN where a configuration is not finite."""
        if not len(x):
            return Told(np.zeros(0), np.zeros(x.shape), np.zeros(0))
        t = torch.tensor(np.array(x, dtype=np.float64), requires_grad=True)
        with torch.enable_grad():
            each = self.energies(t)
            mean = each.mean(0)
            (gradient,) = torch.autograd.grad(mean.sum(), t)
        spread = each.detach().std(0) if len(each) > 1 else torch.zeros(len(x))
        return Told(
            mean.detach().numpy().astype(np.float64),
            gradient.numpy().astype(np.float64),
            spread.numpy().astype(np.float64),
        )

    def log_density(self, x: Array) -> Array:
        """−U/kT, shape (n,), as a target of moves; −inf where it is not finite."""
        with torch.no_grad():
            value = -self.energies(torch.as_tensor(np.asarray(x, dtype=np.float64))).mean(0)
        return _only_finite(value.numpy().astype(np.float64))

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """−U/kT, shape (n,), and its gradient, shape (n, D)."""
        told = self.tell(np.asarray(x, dtype=np.float64))
        return _only_finite(-told.energy), -told.gradient

    def state(self) -> ModelState:
        """Config and weights; `load_committee` is the inverse, bit for bit."""
        arrays = {name: value.numpy().copy() for name, value in self.state_dict().items()}
        return ModelState(self.config, arrays)


def load_committee(state: ModelState) -> Committee:
    """A frozen committee from what `Committee.state` gave."""
    made = Committee(state.config)
    made.load_state_dict({name: torch.tensor(value) for name, value in state.arrays.items()})
    for weight in made.parameters():
        weight.requires_grad_(False)
    return made


def _only_finite(value: Array) -> Array:
    return np.where(np.isfinite(value), value, -np.inf)


def _int(value: Json) -> int:
    assert isinstance(value, int)
    return value


def _float(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _ints(value: Json) -> list[int]:
    assert isinstance(value, list | tuple)
    return [_int(v) for v in value]
