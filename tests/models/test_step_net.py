"""The net of a step: its size, its edges, and what it does not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from msgen.models.nets.step_net import Atoms, StepNet, centred, near
from msgen.models.steps.turns import turns


def structures(n: int, sizes: list[int], seed: int = 0) -> tuple[Tensor, Atoms]:
    """Noisy displacements and structures of so many atoms, in single precision."""
    g = torch.Generator().manual_seed(seed)
    most = max(sizes)
    real = torch.arange(most) < torch.tensor(sizes)[:, None]
    base = centred(2 * torch.randn(n, most, 3, generator=g), real)
    x = centred(torch.randn(n, most, 3, generator=g), real)
    species = torch.randint(0, 3, (n, most), generator=g) * real
    return x, Atoms(base, species, real, None)


def net(*, equivariant: bool = False, conditions: int = 0) -> StepNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return StepNet(3, conditions, 16, 2, 4.0, equivariant=equivariant)


def test_the_published_net_has_the_published_size() -> None:
    published = StepNet(6, 0, 200, 5, 4.0)
    assert sum(p.numel() for p in published.parameters()) == 2_016_003
    # twin: MLPs of one hidden layer throughout
    assert 5 * 2 * (200 * 200 + 200) == 2_016_003 - 1_614_003


def test_edges_join_neighbours_of_one_structure() -> None:
    base = torch.zeros(2, 4, 3)
    base[0, :, 0] = torch.tensor([0.0, 3.9, 7.0, 0.0])
    base[1, :, 0] = torch.tensor([0.0, 3.9, 8.0, 11.9])
    real = torch.tensor([[True, True, True, False], [True] * 4])
    at, of = near(base, real, 4.0)
    pairs = set(zip(at.tolist(), of.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1), (4, 5), (5, 4), (6, 7), (7, 6)}


def test_filled_up_atoms_say_nothing() -> None:
    """A small molecule beside a large one is told as it is alone; nothing moves the centre."""
    x, atoms = structures(2, [3, 5])
    time = torch.tensor([0.2, 0.7])
    both = net()(x, atoms, time)
    alone = net()(
        x[:1, :3],
        Atoms(atoms.base[:1, :3], atoms.species[:1, :3], atoms.real[:1, :3], None),
        time[:1],
    )
    torch.testing.assert_close(both[:1, :3], alone, rtol=1e-4, atol=1e-5)
    assert (both[0, 3:] == 0).all()
    torch.testing.assert_close(both.sum(dim=1), torch.zeros(2, 3), rtol=0, atol=1e-5)
    # twin: taken for atoms, they are heard
    twin = net()(x, atoms._replace(real=torch.ones_like(atoms.real)), time)
    assert (twin[:1, :3] - alone).abs().max() > 1e-3


@pytest.mark.parametrize("equivariant", [True, False])
def test_it_turns_with_the_structure_if_it_is_to(equivariant: bool) -> None:
    x, atoms = structures(6, [4, 5, 5, 3, 5, 4], seed=1)
    time = torch.linspace(0.05, 0.95, 6)
    one = net(equivariant=equivariant).double()
    x, atoms = x.double(), atoms._replace(base=atoms.base.double())
    turn = turns(torch.randn(6, 4, generator=torch.Generator().manual_seed(5)).double())
    turned = one(x @ turn, atoms._replace(base=atoms.base @ turn), time.double())
    off = (turned - one(x, atoms, time.double()) @ turn).abs().max()
    assert off < 1e-10 if equivariant else off > 1e-2
    mirrored = one(-x, atoms._replace(base=-atoms.base), time.double())
    off = (mirrored + one(x, atoms, time.double())).abs().max()
    assert off < 1e-10 if equivariant else off > 1e-2


@pytest.mark.parametrize("equivariant", [True, False])
def test_atoms_of_one_type_are_alike(equivariant: bool) -> None:
    x, atoms = structures(1, [5], seed=2)
    order = torch.tensor([3, 0, 4, 1, 2])
    one, time = net(equivariant=equivariant), torch.tensor([0.4])
    shuffled = Atoms(atoms.base[:, order], atoms.species[:, order], atoms.real, None)
    torch.testing.assert_close(
        one(x[:, order], shuffled, time), one(x, atoms, time)[:, order], rtol=1e-4, atol=1e-5
    )


def test_conditions_are_heard() -> None:
    x, atoms = structures(1, [4], seed=4)
    one, time = net(conditions=2), torch.tensor([0.4])
    made = [one(x, atoms._replace(about=torch.tensor([[1.0, v]])), time) for v in (0.0, 0.5)]
    assert (made[0] - made[1]).abs().max() > 1e-4


def test_rotations_are_uniform() -> None:
    turn = turns(torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1)).double())
    unit = turn @ turn.transpose(1, 2)
    torch.testing.assert_close(unit, torch.eye(3).double().expand_as(unit))
    assert torch.allclose(torch.linalg.det(turn), torch.ones(20_000).double())
    # every entry has mean 0 and variance 1/3; 5 sigma
    assert np.abs(turn.mean(dim=0).numpy()).max() < 5 / np.sqrt(3 * 20_000)
    assert np.abs((turn**2).mean(dim=0).numpy() - 1 / 3).max() < 5 * np.sqrt(4 / 45 / 20_000)
