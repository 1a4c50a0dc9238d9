"""Steps that are drawn by more than one frame: what two frames tell that one does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from frozen_models import through_a_checkpoint
from step_models import CHAIN, LENGTH, SPREAD, chains, laid_out, step_model

from msgen.models.base import Array
from msgen.models.nets.step_net import Atoms, StepNet, turned
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.steps.data import Pairs
from msgen.models.steps.model import StepDiffusion
from msgen.models.steps.turns import turns

MEMORY = 0.85
TWO = ("A", "A")


def keys(n: int) -> list[DrawKey]:
    return [DrawKey(17, replica, 0, 0) for replica in range(n)]


def bond(x: Array) -> Array:
    return np.asarray(np.linalg.norm(x[..., 1, :] - x[..., 0, :], axis=-1))


def turned_at_random(x: Array, seed: int) -> Array:
    """Structures (…, N, 3), each in a way of its own."""
    normal = torch.as_tensor(np.random.default_rng(seed).standard_normal((x[..., 0, 0].size, 4)))
    return np.asarray((x.reshape(-1, *x.shape[-2:]) @ turns(normal).numpy()).reshape(x.shape))


def second_order(n: int, length: int, seed: int) -> Array:
    """Bonds z_t = a z_{t−2} + noise: of the frame before nothing is remembered, of two a."""
    z = np.random.default_rng(seed).standard_normal((n, length))
    for t in range(2, length):
        z[:, t] = MEMORY * z[:, t - 2] + np.sqrt(1 - MEMORY**2) * z[:, t]
    x = laid_out((LENGTH + SPREAD * z).reshape(-1, 1)).reshape(n, length, 2, 3)
    return turned_at_random(x, seed + 100)


@pytest.fixture(scope="module")
def fitted() -> dict[int, StepDiffusion]:
    models = {}
    for past in (1, 2):
        model = step_model(past=past, updates=250, symmetry="equivariant", layers=1)
        model.fit([Pairs.of(TWO, list(second_order(60, 40, 1)), past=past)], seed=2)
        models[past] = model
    return models


def test_two_frames_tell_what_one_cannot(fitted: dict[int, StepDiffusion]) -> None:
    """The twin that knows one frame has forgotten the other."""
    x = second_order(400, 2, 3)
    told = {}
    for past, model in fitted.items():
        earlier = x[:, :1] if past == 2 else None
        made = model.draw(keys(400), TWO, x[:, 1], earlier=earlier)
        told[past] = float(np.corrcoef(bond(made), bond(x[:, 0]))[0, 1])
        assert bond(made).mean() == pytest.approx(LENGTH, abs=0.4 * SPREAD)
    assert told[2] > 0.6
    # 4 sigma of nothing
    assert abs(told[1]) < 4 / np.sqrt(400)


def test_how_earlier_frames_are_turned_says_nothing(fitted: dict[int, StepDiffusion]) -> None:
    """They are laid on the present as in the fit; their bonds count, not where they lie."""
    x = second_order(30, 2, 4)
    made = fitted[2].draw(keys(30), TWO, x[:, 1], earlier=x[:, :1])
    elsewhere = turned_at_random(x[:, :1], 8) + 3.0
    again = fitted[2].draw(keys(30), TWO, x[:, 1], earlier=elsewhere)
    np.testing.assert_allclose(again, made, atol=1e-6)
    longer = x[:, :1] * 1.3
    other = fitted[2].draw(keys(30), TWO, x[:, 1], earlier=longer)
    assert np.abs(other - made).max() > 1e-3


def test_rows_of_frames_are_the_nearest_first_and_laid_on_the_present() -> None:
    x = turned_at_random(chains(40, 2).before.reshape(4, 10, 3, 3), 5) + 1.0
    pairs = Pairs.of(CHAIN, list(x), lag=2, past=3, weights=np.arange(1.0, 5.0))
    assert len(pairs) == 4 * (10 - 6)
    assert pairs.earlier is not None
    assert pairs.earlier.shape == (16, 2, 3, 3)
    np.testing.assert_array_equal(pairs.before[:4], x[0, 4:8])

    def sides(y: Array) -> Array:
        return np.asarray(np.linalg.norm(np.diff(y, axis=-2), axis=-1))

    np.testing.assert_allclose(sides(pairs.after[:4]), sides(x[0, 6:10]))
    np.testing.assert_allclose(sides(pairs.earlier[:4, 0]), sides(x[0, 2:6]))
    np.testing.assert_allclose(sides(pairs.earlier[:4, 1]), sides(x[0, 0:4]))
    for part in (pairs.after, *np.moveaxis(pairs.earlier, 1, 0)):
        np.testing.assert_allclose(part.mean(axis=1), pairs.before.mean(axis=1), atol=1e-12)
    assert pairs.weights is not None
    assert pairs.weights.tolist() == [1.0] * 4 + [2.0] * 4 + [3.0] * 4 + [4.0] * 4
    # with one frame they are what they always were
    one = Pairs.of(CHAIN, list(x))
    assert one.earlier is None
    with pytest.raises(ValueError, match="4 frames are each 4 apart"):
        Pairs.of(CHAIN, list(x), lag=4, past=3)


@pytest.mark.parametrize("equivariant", [True, False])
def test_the_net_turns_with_all_frames(equivariant: bool) -> None:
    """An equivariant one; the other has to learn it."""
    torch.manual_seed(3)
    net = StepNet(2, 0, 16, 2, 9.0, equivariant=equivariant, earlier=2)
    x, base, old = torch.randn(5, 4, 3), torch.randn(5, 4, 3), torch.randn(5, 2, 4, 3)
    kinds = torch.randint(0, 2, (5, 4))
    real = torch.ones(5, 4, dtype=torch.bool)
    real[2, 3] = False
    atoms, time = Atoms(base, kinds, real, None, old), torch.rand(5)
    turn = turns(torch.randn(5, 4))
    made = net(x, atoms, time)
    again = net(x @ turn, turned(atoms, turn), time)
    assert torch.allclose(again, made @ turn, atol=1e-5) == equivariant
    # each earlier frame counts
    for k in (0, 1):
        moved = old.clone()
        moved[:, k] += torch.randn(5, 4, 3)
        assert (net(x, atoms._replace(earlier=moved), time) - made).abs().max() > 1e-4


def test_as_many_frames_have_to_be_given_as_it_knows(
    fitted: dict[int, StepDiffusion], tmp_path: Path
) -> None:
    x = second_order(4, 3, 6)
    with pytest.raises(ValueError, match="give 1 earlier"):
        fitted[2].draw(keys(4), TWO, x[:, 2])
    with pytest.raises(ValueError, match="give 0 earlier"):
        fitted[1].draw(keys(4), TWO, x[:, 2], earlier=x[:, :1])
    with pytest.raises(ValueError, match="needs 2 past frames"):
        fitted[2].fit([Pairs.of(TWO, list(x))], seed=0)
    again = StepDiffusion.from_state(through_a_checkpoint(fitted[2].state(), tmp_path))
    asked = {"earlier": x[:, 1:2]}
    np.testing.assert_array_equal(
        again.draw(keys(4), TWO, x[:, 2], **asked), fitted[2].draw(keys(4), TWO, x[:, 2], **asked)
    )


def test_molecules_of_different_sizes_have_their_own_past() -> None:
    """A small one beside a larger is filled up, and loses as it does alone."""
    from msgen.models.steps.loss import StepLoss, Steps

    data = [
        Pairs.of(TWO, list(second_order(5, 6, 7)), past=2).checked(0, 2),
        Pairs.of(CHAIN, [np.concatenate([chains(6, 9, species=CHAIN).before])], past=2).checked(
            0, 2
        ),
    ]
    model = step_model(past=2, symmetry="equivariant")
    model._begin(data, ("A", "B"), 0)
    steps = Steps.of(data, ("A", "B"), None)
    assert steps.earlier is not None
    assert steps.earlier.shape == (20 + 4, 1, 3, 3)
    assert not steps.earlier[:20, :, 2].any()
    centre = steps.earlier[20:].mean(dim=2)
    assert centre.abs().max() < 1e-5
    together = StepLoss(steps, model.config)(model.net, torch.arange(20), None)
    assert torch.isfinite(together).all()
