"""A model of steps: its data, its draws and what it learns of a process that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cut_fits import Cut, CutOffError
from frozen_models import through_a_checkpoint
from step_models import CHAIN, LENGTH, SPREAD, chains, step_model

from msgen.models.base import Array
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.steps.data import Pairs
from msgen.models.steps.loss import StepLoss, Steps
from msgen.models.steps.model import StepDiffusion
from msgen.models.training.kept_fit import KeptFit


def keys(n: int, step: int = 0, attempt: int = 0) -> list[DrawKey]:
    return [DrawKey(17, replica, step, attempt) for replica in range(n)]


def bonds(x: Array) -> Array:
    return np.asarray(np.linalg.norm(np.diff(x, axis=1), axis=2))


@pytest.fixture(scope="module")
def fitted() -> StepDiffusion:
    model = step_model()
    model.fit([chains(400, 1), chains(300, 2, species=("A", "B"))], seed=1)
    return model


def test_pairs_are_a_lag_apart_and_laid_on_each_other() -> None:
    rng = np.random.default_rng(0)
    shape = 0.2 * rng.standard_normal((30, 3, 3))
    turn = np.linalg.qr(rng.standard_normal((30, 3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))[:, None, None]
    moved = shape @ turn + rng.standard_normal((30, 1, 3))
    pairs = Pairs.of(
        CHAIN, [moved[:20], moved[20:]], lag=3, weights=np.array([1.0, 3.0]), conditions=np.eye(2)
    )
    assert len(pairs) == 17 + 7
    assert pairs.weights is not None
    assert pairs.weights.tolist() == [1.0] * 17 + [3.0] * 7
    np.testing.assert_array_equal(pairs.before[:17], moved[:17])
    np.testing.assert_allclose(bonds(pairs.after[:17]), bonds(moved[3:20]))
    np.testing.assert_allclose(pairs.after.mean(axis=1), pairs.before.mean(axis=1), atol=1e-12)
    free = Pairs.of(CHAIN, [moved[:20], moved[20:]], lag=3, turning="free")
    gap = [float(((p.after - p.before) ** 2).sum()) for p in (pairs, free)]
    assert gap[0] < 0.7 * gap[1]
    # what is turned alone does not move at all
    turned = Pairs.of(CHAIN, [np.stack((shape[0], shape[0] @ turn[0] + 1.0))])
    np.testing.assert_allclose(turned.after, turned.before, atol=1e-12)


@pytest.mark.parametrize(
    ("trajectories", "lag"),
    [([np.zeros((4, 2, 3))], 1), ([np.zeros((4, 3, 3))], 4), ([np.full((4, 3, 3), np.nan)], 1)],
)
def test_wrong_trajectories_are_refused(trajectories: list[Array], lag: int) -> None:
    with pytest.raises(ValueError, match=r"shape|apart"):
        Pairs.of(CHAIN, trajectories, lag=lag)


def test_a_net_that_makes_nothing_loses_one() -> None:
    """ε has unit variance but for the mean over atoms that is taken off: (N − 1)/N."""
    model = step_model(predicts="noise")
    data = [chains(2000, 3).checked(0), chains(1000, 4, species=("A", "B")).checked(0)]
    model._begin(data, ("A", "B"), 0)
    for p in model.net.decode.parameters():
        p.data.zero_()
    loss = StepLoss(Steps.of(data, ("A", "B"), None), model.config)
    for generator in (torch.Generator().manual_seed(1), None):
        values = loss(model.net, torch.arange(3000), generator).detach().numpy()
        for part, left in ((values[:2000], 2 / 3), (values[2000:], 1 / 2)):
            assert part.mean() == pytest.approx(left, abs=5 * part.std() / np.sqrt(len(part)))


def test_draws_are_functions_of_their_keys(fitted: StepDiffusion) -> None:
    x = chains(6, 5).before
    made = fitted.draw(keys(6), CHAIN, x)
    np.testing.assert_array_equal(made, fitted.draw(keys(6), CHAIN, x))
    few = fitted.draw(keys(6)[4:], CHAIN, x[4:])
    np.testing.assert_allclose(few, made[4:], atol=1e-5)
    np.testing.assert_array_equal(
        fitted.draw(keys(6), CHAIN, x, batch=2)[4:], fitted.draw(keys(6)[4:], CHAIN, x[4:])
    )
    for other in (keys(6, step=1), keys(6, attempt=1)):
        assert (np.abs(fitted.draw(other, CHAIN, x) - made).max(axis=(1, 2)) > 1e-4).all()
    np.testing.assert_allclose(made.mean(axis=1), x.mean(axis=1), atol=1e-9)


def test_a_frozen_model_draws_the_same(fitted: StepDiffusion, tmp_path: Path) -> None:
    again = StepDiffusion.from_state(through_a_checkpoint(fitted.state(), tmp_path))
    x = chains(4, 6).before
    np.testing.assert_array_equal(again.draw(keys(4), CHAIN, x), fitted.draw(keys(4), CHAIN, x))
    assert again.fitted
    assert again.config == fitted.config


def test_a_fit_is_a_function_of_its_seed_and_goes_on() -> None:
    data = [chains(200, 7)]
    x = data[0].before[:3]

    def made(seed: int) -> StepDiffusion:
        model = step_model(updates=6)
        model.fit(data, seed=seed)
        return model

    one, same, other = made(1), made(1), made(2)
    np.testing.assert_array_equal(one.draw(keys(3), CHAIN, x), same.draw(keys(3), CHAIN, x))
    assert np.abs(one.draw(keys(3), CHAIN, x) - other.draw(keys(3), CHAIN, x)).max() > 1e-6
    before = one.net
    one.fit(data, seed=3)
    assert one.net is before
    one.fit([chains(100, 8, species=("A", "C"))], seed=3)
    assert one.net is not before
    assert one.config.species == ("A", "C")
    with pytest.raises(ValueError, match="types it never saw: B"):
        one.draw(keys(3), CHAIN, x)


def test_a_fit_of_steps_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Its optimizer's moments, which RAdam corrects by their number, are kept as well."""
    data, path = [chains(200, 14)], tmp_path / "fit.npz"
    once, again = (step_model(updates=9) for _ in range(2))
    once.fit(data, seed=3)
    with pytest.raises(CutOffError):
        again.fit(data, seed=3, kept=Cut(path, 2))
    again.fit(data, seed=3, kept=KeptFit(path))
    mine, theirs = again.state().arrays, once.state().arrays
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)


def test_conditions_have_to_be_there() -> None:
    with pytest.raises(ValueError, match="conditions"):
        step_model(conditions=1, updates=2).fit([chains(50, 9)], seed=0)
    with pytest.raises(ValueError, match="10 samples"):
        step_model(updates=2).fit([chains(5, 9)], seed=0)


def pulled(n: int, seed: int) -> Pairs:
    """Pairs of two atoms whose bond is `LENGTH` long later, longer by 0.05 nm a unit of c."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1, 1, (n, 1))
    frames = np.zeros((n, 2, 2, 3))
    frames[:, 0, 1, 0] = LENGTH + 0.02 * rng.standard_normal(n)
    frames[:, 1, 1, 0] = LENGTH + 0.05 * c[:, 0] + 0.005 * rng.standard_normal(n)
    return Pairs.of(("A", "A"), list(frames), conditions=c)


@pytest.mark.slow
@pytest.mark.parametrize(("symmetry", "updates"), [("turned", 1500), ("equivariant", 700)])
def test_it_learns_an_autoregression(symmetry: str, updates: int) -> None:
    """Mean, spread and memory of bonds that are AR(1), from structures turned in any way."""
    model = step_model(width=32, updates=updates, symmetry=symmetry, steps=6)
    model.fit([chains(4000, 10)], seed=2)
    x = chains(1500, 11)
    made = model.draw(keys(1500), CHAIN, x.before)
    first, second = bonds(x.before), bonds(made)
    # 5 sigma of 1,500 draws, and a tenth of the spread for the fit
    assert np.abs(second.mean(axis=0) - LENGTH).max() < (5 / np.sqrt(1500) + 0.1) * SPREAD
    assert np.abs(second.std(axis=0) / SPREAD - 1).max() < 5 / np.sqrt(3000) + 0.1
    memory = [np.corrcoef(first[:, k], second[:, k])[0, 1] for k in (0, 1)]
    assert np.abs(np.array(memory) - 0.5).max() < 5 * 0.75 / np.sqrt(1500) + 0.1
    # twin: of the other bond nothing is remembered
    assert abs(np.corrcoef(first[:, 0], second[:, 1])[0, 1]) < 0.2


@pytest.mark.slow
def test_it_learns_what_a_condition_does() -> None:
    model = step_model(conditions=1, width=32, updates=1200)
    model.fit([pulled(3000, 12)], seed=2)
    x = pulled(400, 13).before
    for c in (-0.8, 0.8):
        made = model.draw(keys(400), ("A", "A"), x, conditions=np.array([[c]]))
        assert bonds(made).mean() == pytest.approx(LENGTH + 0.05 * c, abs=0.008)
