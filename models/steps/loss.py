"""Pairs as a net sees them, and the denoising loss on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.nets.step_net import Atoms, centred, padded, turned
from msgen.models.score.loss import drawn_levels, noised
from msgen.models.steps.config import StepConfig
from msgen.models.steps.data import Pairs
from msgen.models.steps.turns import turns

REPEATS = 2
"""Noise draws per held-out pair."""
CHUNK = 256
"""Most pairs at once where nothing is learnt: bounds memory."""
ANGSTROM = 10.0
"""In a nanometre."""
_EVALUATION_SEED = 20231002


@dataclass(frozen=True)
class Steps:
    """Pairs of all molecules in Å, in single precision, smaller ones filled up.

    Attributes
    ----------
    base, move : Tensor, shape (n, N, 3)
        Where a step begins, about its centre, and the displacement.
    molecule : int Tensor, shape (n,)
    species, real : Tensor, shape (molecules, N)
    about : Tensor, shape (n, k), or None
    weights : Tensor, shape (n,), or None
    earlier : Tensor, shape (n, p, N, 3), or None
        Past frames about the same centre.
    """

    base: Tensor
    move: Tensor
    molecule: Tensor
    species: Tensor
    real: Tensor
    about: Tensor | None
    weights: Tensor | None
    earlier: Tensor | None = None

    @classmethod
    def of(cls, data: Sequence[Pairs], known: Sequence[str], about: Array | None) -> Steps:
        """Checked pairs of molecules whose atoms are all known; `about` is standardised."""
        most = max(len(pairs.species) for pairs in data)
        base, move, past = [], [], []
        for pairs in data:
            room = ((0, 0), (0, most - len(pairs.species)), (0, 0))
            own = pairs.before - pairs.before.mean(axis=1, keepdims=True)
            base.append(np.pad(ANGSTROM * own, room))
            move.append(np.pad(ANGSTROM * (pairs.after - pairs.before), room))
            if pairs.earlier is not None:
                old = pairs.earlier - pairs.before.mean(axis=1, keepdims=True)[:, None]
                past.append(np.pad(ANGSTROM * old, (room[0], *room)))
        number = torch.tensor([len(pairs) for pairs in data])
        kinds = [species_of(pairs.species, known) for pairs in data]
        weights = None
        if any(pairs.weights is not None for pairs in data):
            parts = [np.ones(len(p)) if p.weights is None else p.weights for p in data]
            weights = torch.as_tensor(np.concatenate(parts))
        return cls(
            torch.as_tensor(np.concatenate(base)).float(),
            torch.as_tensor(np.concatenate(move)).float(),
            torch.arange(len(data)).repeat_interleave(number),
            padded(kinds, most),
            padded([torch.ones(len(k), dtype=torch.bool) for k in kinds], most),
            None if about is None else torch.as_tensor(about).float(),
            weights,
            torch.as_tensor(np.concatenate(past)).float() if past else None,
        )

    def __len__(self) -> int:
        return len(self.base)

    def to(self, device: torch.device) -> Steps:
        """The same on `device`, but for the weights."""
        moved = {
            name: getattr(self, name).to(device)
            for name in ("base", "move", "molecule", "species", "real")
        }
        about = None if self.about is None else self.about.to(device)
        earlier = None if self.earlier is None else self.earlier.to(device)
        return replace(self, **moved, about=about, earlier=earlier)

    def atoms(self, index: Tensor) -> Atoms:
        """Where the steps `index` begin."""
        of = self.molecule[index]
        about = None if self.about is None else self.about[index]
        earlier = None if self.earlier is None else self.earlier[index]
        return Atoms(self.base[index], self.species[of], self.real[of], about, earlier)


def species_of(names: Sequence[str], known: Sequence[str]) -> Tensor:
    """The numbers of types of atoms, shape (N,).

    Raises
    ------
    ValueError
        For one that is not known.
    """
    number = {name: k for k, name in enumerate(known)}
    if unknown := sorted(set(names) - set(number)):
        raise ValueError(f"atoms of types it never saw: {', '.join(unknown)}")
    return torch.tensor([number[name] for name in names])


@dataclass(frozen=True)
class StepLoss:
    """|F − target|² per pair, the mean over atoms and directions, of the `Objective` of a fit.

    Attributes
    ----------
    steps : Steps
    config : StepConfig
    """

    steps: Steps
    config: StepConfig

    def to(self, device: torch.device) -> StepLoss:
        """The same with its data on `device`."""
        return replace(self, steps=self.steps.to(device))

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the pairs `index`, shape (len(index),)."""
        if generator is not None:
            return self._loss(net, index, generator)
        # the same noise at every call, so that fits can be compared
        fixed = torch.Generator().manual_seed(_EVALUATION_SEED)
        parts = [index[i : i + CHUNK] for i in range(0, len(index), CHUNK)]
        rounds = [
            torch.cat([self._loss(net, part, fixed) for part in parts]) for _ in range(REPEATS)
        ]
        return torch.stack(rounds).mean(dim=0)

    def _loss(self, net: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        config, noise = self.config, self.config.process
        device = self.steps.base.device
        atoms, move = self.steps.atoms(index.to(device)), self.steps.move[index.to(device)]
        if config.symmetry == "turned":
            turn = turns(torch.randn(len(index), 4, generator=generator)).to(device)
            atoms, move = turned(atoms, turn), move @ turn
        sigma = drawn_levels(noise, len(index), generator).to(device)
        eps = torch.randn(move.shape, generator=generator).to(device)
        x, target = noised(
            config.scale * move, sigma, centred(eps, atoms.real), noise, torch.arange(0)
        )
        seen = noise.precondition(sigma)[2][:, None, None] * x / config.scale
        off = (net(seen, atoms, noise.time(sigma)) - target) ** 2
        out: Tensor = off.sum(dim=(1, 2)) / (3 * atoms.real.sum(dim=1))
        return out
