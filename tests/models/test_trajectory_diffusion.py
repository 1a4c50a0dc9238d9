"""A diffusion model of trajectories: its data, its draws and what is screened of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cut_fits import Cut, CutOffError
from double_well_paths import simulate, tell
from frozen_models import through_a_checkpoint
from torch import Tensor, nn

from msgen.models import Space, load_trajectory_model
from msgen.models.base import Array
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.training.kept_fit import KeptFit
from msgen.models.trajectories import model as model_module
from msgen.models.trajectories.channels import Channels
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.model import TrajectoryDiffusion
from msgen.models.trajectories.seeds import Folded, StackedNets, fit_seeds
from msgen.models.trajectories.snippets import SnippetLoss, Snippets
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.systems.errors import SpecError

TINY: dict[str, Any] = {"width": 8, "length": [6, 8], "steps": 3, "batch": 8, "epochs": 2}
MIXED = Space((True, False), (False,))


def made(space: Space, **options: Any) -> TrajectoryDiffusion:
    spec = model_spec({"kind": "trajectory_diffusion", **TINY, **options})
    settings: dict[str, Any] = {k: v for k, v in spec.items() if k != "kind"}
    return model_module.build(space, **settings)


def walks(n: int, length: int, seed: int = 0) -> TrainingTrajectories:
    """An angle that goes round and a length that follows, hotter from one to the next."""
    rng = np.random.default_rng(seed)
    kt = np.linspace(0.5, 1.5, n)
    steps = rng.standard_normal((n, length, 2)) * np.sqrt(0.2 * kt)[:, None, None]
    angle = 3 + np.cumsum(steps[..., 0], axis=1)
    frames = np.stack((angle, 5 + np.sin(angle) + steps[..., 1]), axis=-1)
    return TrainingTrajectories(list(frames), conditions=kt[:, None])


def keys(n: int, first: int = 0) -> list[DrawKey]:
    return [DrawKey(17, replica, 2) for replica in range(first, first + n)]


@pytest.fixture(scope="module")
def fitted() -> TrajectoryDiffusion:
    model = made(MIXED)
    model.fit(walks(12, 40), seed=1)
    return model


def test_channels_are_standardised_and_read_back() -> None:
    data = walks(6, 50)
    weights = np.arange(1.0, 7.0)
    weighted = TrainingTrajectories(data.frames, weights, data.conditions).checked(MIXED)
    channels = Channels(MIXED)
    channels.learn(weighted)
    y = np.stack([np.asarray(f) for f in data.frames])
    x = channels.encode(y)
    assert x.shape == (6, 50, 3)
    w = np.repeat(weights / weights.sum() / 50, 50)
    np.testing.assert_allclose(w @ x.reshape(-1, 3), 0, atol=1e-12)
    np.testing.assert_allclose(w @ x.reshape(-1, 3) ** 2, 1)
    back = channels.decode(x)
    np.testing.assert_allclose(back[..., 1], y[..., 1])
    np.testing.assert_allclose(np.cos(back[..., 0] - y[..., 0]), 1)
    assert back[..., 0].min() >= -np.pi
    assert back[..., 0].max() < np.pi
    # twin: an angle taken for a number jumps where it is wrapped
    turned = np.concatenate((back[..., :1], y[..., 1:]), axis=-1)
    np.testing.assert_allclose(channels.encode(turned), x)
    plain = Channels(Space((False, False), (False,)))
    plain.learn(weighted)
    assert np.abs(plain.encode(turned) - plain.encode(y)).max() > 1
    assert float(channels.largest) == max(channels.jumps(f[None]).max() for f in y)


def test_a_constant_channel_stays() -> None:
    space = Space((False, False))
    frames = np.stack((np.full(30, 7.0), np.arange(30.0)), axis=1)
    channels = Channels(space)
    channels.learn(TrainingTrajectories([frames]).checked(space))
    np.testing.assert_allclose(channels.decode(channels.encode(frames)), frames)


def test_snippets_begin_anywhere_and_stay_inside() -> None:
    """Every start is as likely; a trajectory's weight and conditions are those of its snippets."""
    space = Space((False,), (False,))
    lengths = [20, 5, 43]
    frames = [100.0 * i + np.arange(float(n))[:, None] for i, n in enumerate(lengths)]
    data = TrainingTrajectories(frames, np.array([1.0, 2, 3]), np.array([[0.0], [1], [5]])).checked(
        space
    )
    channels = Channels(space)
    channels.learn(data)
    snippets = Snippets.of(data, channels, 8)
    assert len(snippets) == 2 + 1 + 5
    assert not snippets.even
    assert snippets.weights is not None
    assert snippets.weights.tolist() == [0.5, 0.5, 1.0, *[1.5] * 5]
    generator = torch.Generator().manual_seed(2)
    index = torch.arange(8).repeat(4000)
    got, mask = snippets.drawn(index, 8, generator)
    assert mask is not None
    values = channels.decode(got.double().numpy())[..., 0].round()
    of = np.array([0, 0, 1, 2, 2, 2, 2, 2])[index.numpy()]
    whole = mask.numpy().all(axis=1)
    assert np.array_equal(whole, of != 1)
    assert (values // 100 == of[:, None]).all()
    assert (np.diff(values, axis=1)[whole] == 1).all()
    assert (mask.numpy().sum(axis=1)[of == 1] == 5).all()
    for trajectory, starts in ((0, 13), (2, 36)):
        counts = np.bincount((values[of == trajectory, 0] - 100 * trajectory).astype(int))
        assert len(counts) == starts
        expected = counts.sum() / starts
        # stratified, so that the spread is below that of independent draws; 5 sigma
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


class _Blind(nn.Module):
    """Makes nothing of real frames and nonsense of padded ones."""

    def forward(
        self, x: Tensor, level: Tensor, about: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        return torch.zeros_like(x) if mask is None else 1e6 * (1 - mask[:, :, None]).expand_as(x)


def test_the_loss_of_a_short_trajectory_is_that_of_its_frames(fitted: TrajectoryDiffusion) -> None:
    """EDM's target has unit variance; padded frames, whatever they hold, are not counted."""
    space = Space((False,))
    rng = np.random.default_rng(3)
    data = TrainingTrajectories([rng.standard_normal((5, 1)) for _ in range(3000)]).checked(space)
    channels = Channels(space)
    channels.learn(data)
    loss = SnippetLoss(Snippets.of(data, channels, 8), fitted.config.process, (8, 8))
    index = torch.arange(3000)
    for generator in (torch.Generator().manual_seed(1), None):
        values = loss(_Blind(), index, generator)
        error = 5 * float(values.std()) / 3000**0.5
        assert float(values.mean()) == pytest.approx(1, abs=error)
    assert torch.equal(loss(_Blind(), index, None), loss(_Blind(), index, None))


def test_draws_do_not_depend_on_how_many_there_are(fitted: TrajectoryDiffusion) -> None:
    """Whole, split by batches and filled up alike, bit for bit; other keys, other draws."""
    about = np.linspace(0.6, 1.4, 10)[:, None]
    path = np.array([[0.5, 5.4], *[[np.nan, np.nan]] * 6, [2.0, 5.9]])

    def all_kinds(rows: slice) -> list[Array]:
        some, c = keys(10)[rows], about[rows]
        free = fitted.generate(some, conditions=c, batch=4)
        between = fitted.inpaint(some, path, conditions=c, repeats=2, batch=4)
        return [free, between, fitted.vary(some, free, 0.5, conditions=c, batch=4)]

    together = all_kinds(slice(0, 10))
    parts = [all_kinds(slice(i, i + 4)) for i in (0, 4, 8)]
    for i, whole in enumerate(together):
        assert whole.shape == (10, 8, 2)
        assert np.array_equal(whole, np.concatenate([part[i] for part in parts]))
    again = fitted.generate([key._replace(attempt=1) for key in keys(10)], conditions=about)
    assert not np.isclose(again, together[0]).any()
    with pytest.raises(ValueError, match="no draws"):
        fitted.generate([], conditions=about[:1])


def test_given_frames_are_imposed(fitted: TrajectoryDiffusion) -> None:
    path = np.full((7, 2), np.nan)
    path[0], path[3] = (9.5, 5.0), (-3.0, 4.0)
    made_ = fitted.inpaint(keys(3), path, conditions=np.array([[1.0]]), repeats=2, jump=2, batch=3)
    assert np.array_equal(made_[:, [0, 3]], np.repeat(path[None, [0, 3]], 3, axis=0))
    assert np.isfinite(made_).all()
    with pytest.raises(ValueError, match="one repeat"):
        fitted.inpaint(keys(3), path, conditions=np.array([[1.0]]), repeats=0)
    path[5, 0] = 1.0
    with pytest.raises(ValueError, match="all of its columns"):
        fitted.inpaint(keys(3), path, conditions=np.array([[1.0]]))
    with pytest.raises(ValueError, match="one or more"):
        fitted.inpaint(keys(3), np.full((7, 2), np.nan), conditions=np.array([[1.0]]))


def test_a_variation_keeps_what_is_not_noised(fitted: TrajectoryDiffusion) -> None:
    path = fitted.channels.decode(fitted.channels.encode(walks(1, 8, 5).frames[0]))
    about = np.array([[1.0]])

    def moved(noise: float) -> float:
        near = fitted.vary(keys(4), path, noise, conditions=about, batch=4)
        return float(np.abs(fitted.channels.encode(near) - fitted.channels.encode(path)).max())

    assert moved(0.05) < 0.2 < moved(0.6)
    for wrong, noise in ((path, 0.0), (path, 1.1), (path[:, :1], 0.5)):
        with pytest.raises(ValueError, match=r"needs|noise"):
            fitted.vary(keys(4), wrong, noise, conditions=about)


def test_broken_paths_are_counted(fitted: TrajectoryDiffusion) -> None:
    """The data's own are whole; a jump, a state left without a way and a NaN are not."""
    paths = np.stack([np.asarray(y)[:8] for y in walks(12, 40).frames[:5]])
    assert fitted.screen(paths).whole.all()
    paths[1, 4, 1] += 40
    paths[2, 0, 0] = np.nan

    def states(frames: Array) -> np.ndarray:
        label = np.full(frames.shape[:2], -1)
        label[3, :4], label[3, 4:] = 0, 1
        label[4, :3], label[4, 4:] = 0, 1
        return label

    found = fitted.screen(paths, states)
    assert found.whole.tolist() == [True, False, False, False, True]
    assert (found.undefined, found.jumping, found.skipping) == (1, 1, 1)


def test_state_round_trip_determinism_and_warm_start(
    fitted: TrajectoryDiffusion, tmp_path: Any
) -> None:
    about = np.array([[1.0]])
    draw = fitted.generate(keys(3), length=11, conditions=about, batch=3)
    assert draw.shape == (3, 11, 2)
    assert np.abs(draw[..., 0]).max() <= np.pi
    again, other = made(MIXED), made(MIXED)
    first = again.fit(walks(12, 40), seed=1)
    other.fit(walks(12, 40), seed=2)
    assert np.array_equal(again.generate(keys(3), length=11, conditions=about, batch=3), draw)
    assert not np.isclose(other.generate(keys(3), length=11, conditions=about, batch=3), draw).any()
    back = load_trajectory_model(through_a_checkpoint(fitted.state(), tmp_path))
    assert np.array_equal(back.generate(keys(3), length=11, conditions=about, batch=3), draw)
    # goes on from where it is, and begins anew where it is told or the data have moved
    onward = back.fit(walks(12, 40), seed=1)
    assert onward.held_out_loss <= first.held_out_loss
    for fresh, data in ((True, walks(12, 40)), (False, _moved(walks(12, 40)))):
        model = load_trajectory_model(again.state())
        assert model.fit(data, seed=1, fresh=fresh).history[0][1] > onward.history[0][1]


def _moved(data: TrainingTrajectories) -> TrainingTrajectories:
    frames = [np.asarray(y) + np.array([0.0, 50.0]) for y in data.frames]
    return TrainingTrajectories(frames, conditions=data.conditions)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (TrainingTrajectories([]), "no trajectories"),
        (TrainingTrajectories([np.zeros((9, 2))]), "1 conditions"),
        (TrainingTrajectories([np.zeros((1, 2))], conditions=np.zeros((1, 1))), "two frames"),
        (TrainingTrajectories([np.zeros((9, 3))], conditions=np.zeros((1, 1))), r"\(n, 2\)"),
        (
            TrainingTrajectories([np.full((9, 2), np.nan)], conditions=np.zeros((1, 1))),
            "not finite",
        ),
        (TrainingTrajectories([np.zeros((9, 2))] * 3, conditions=np.zeros((2, 1))), "2 rows"),
        (TrainingTrajectories([np.zeros((9, 2))], np.zeros(1), np.zeros((1, 1))), "weights"),
    ],
)
def test_wrong_data(data: TrainingTrajectories, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made(MIXED).fit(data, seed=0)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"length": 3}, "length"),
        ({"length": [32, 16]}, "length"),
        ({"length": [32]}, "length"),
        ({"length": 8.5}, "length"),
        ({"width": 12}, "width"),
        ({"mults": []}, "mults"),
        ({"noise": "vp"}, "noise"),
        ({"steps": 0}, "steps"),
        ({"encoder_only": True}, "encoder_only"),
    ],
)
def test_what_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises((CampaignError, SpecError)) as caught:
        made(MIXED, **options)
    wrong = caught.value
    path = wrong.path if isinstance(wrong, SpecError) else dotted(wrong.problems[0].path)
    assert path == f"model.{field}"


def test_angles_are_no_conditions() -> None:
    with pytest.raises(SpecError, match="no angles"):
        made(Space((False,), (True,)))


@pytest.mark.parametrize("head", ["energy", "force"])
def test_stacked_nets_are_the_nets(head: str) -> None:
    """Values and gradients, with conditions and padding; rows in turn are rows of their nets."""
    models = [made(MIXED, head=head) for _ in range(3)]
    for seed, model in enumerate(models):
        model.begin(walks(4, 20).checked(MIXED), seed)
        model.net.double()
    stacked = StackedNets([model.net for model in models])
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 7, 3, generator=generator, dtype=torch.float64)
    level, about = 900 * x[:, 0, 0].abs(), x[:, 1, :1]
    mask = (torch.arange(7) < torch.arange(12)[:, None] % 4 + 3).double()
    folded = Folded(stacked, 3)
    out = folded(x, level, about, mask)
    out.square().sum().backward()
    slopes = [w.grad for w in stacked.weights]
    for i, model in enumerate(models):
        own = model.net(x[i::3], level[i::3], about[i::3], mask[i::3])
        torch.testing.assert_close(out[i::3], own)
        own.square().sum().backward()
        state = stacked.state_of(i)
        for name, slope in zip(stacked.names, slopes, strict=True):
            assert torch.equal(state[name], model.net.get_parameter(name))
            theirs = model.net.get_parameter(name).grad
            if theirs is not None:
                assert slope is not None
                torch.testing.assert_close(slope[i], theirs, rtol=1e-6, atol=1e-8)


def test_seeds_fitted_together_learn() -> None:
    """Each ends elsewhere, all of them better than they began."""
    config = made(Space((True, False), (False,)), epochs=4, learning_rate=1e-2).config
    models, report = fit_seeds(config, walks(12, 40), [1, 2])
    assert report.held_out_loss < report.history[0][1]
    data = walks(12, 40, 9).checked(MIXED)
    for model, first in zip(models, (1, 2), strict=True):
        loss = SnippetLoss(*(model.prepared(data)[0], config.process, config.lengths))
        index = torch.arange(len(loss.snippets))
        begun = TrajectoryDiffusion(config)
        begun.begin(data, first)
        with torch.no_grad():
            after, before = (loss(m.net, index, None).mean() for m in (model, begun))
        assert after < before - 0.05
    draws = [model.generate(keys(2), conditions=np.array([[1.0]]), batch=2) for model in models]
    assert not np.isclose(*draws).any()


@pytest.mark.parametrize("whole", [True, False])
def test_a_fit_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path, whole: bool) -> None:
    """To the last bit, after any epoch; where the optimizer's moments are lost it does not."""
    data, path = walks(12, 16), tmp_path / "fit.npz"
    once, again = (made(MIXED, epochs=4, patience=9) for _ in range(2))
    report = once.fit(data, seed=3)
    for after in (1, 2):
        with pytest.raises(CutOffError):
            again.fit(data, seed=3, kept=Cut(path, after))
    if not whole:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        for name in [k for k in arrays if k.endswith("exp_avg")]:
            arrays[name] = np.zeros_like(arrays[name])
        np.savez(path, **arrays)
    found = again.fit(data, seed=3, kept=KeptFit(path))
    assert (found.history == report.history) is whole
    if whole:
        mine, theirs = again.state().arrays, once.state().arrays
        assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
        assert (found.epochs, found.held_out_loss) == (report.epochs, report.held_out_loss)


@pytest.mark.slow
def test_double_well() -> None:
    """A few minutes' fit: F(x) and the autocorrelations; unfitted the same net fails all of it."""
    model = made(Space((False, False)), width=32, length=64, steps=20, batch=64, epochs=40)
    data = simulate(64, 1280, seed=1)
    begun = made(Space((False, False)), width=32, length=64, steps=20)
    begun.begin(TrainingTrajectories(list(data)).checked(Space((False, False))), 1)
    model.fit(TrainingTrajectories(list(data)), seed=1)
    true, learnt, twin = (
        tell(paths)
        for paths in (
            simulate(512, 64, seed=2),
            model.generate(keys(512), batch=128),
            begun.generate(keys(128), batch=128),
        )
    )
    print(f"F error {learnt.f_error:.2f} kT, of as many true snippets {true.f_error:.2f} kT")
    assert learnt.f_error < 1.2 < twin.f_error
    assert np.abs(learnt.correlations - true.correlations).max() < 0.15
    assert np.abs(twin.correlations - true.correlations).max() > 0.3


@pytest.mark.parametrize("head", ["energy", "force"])
def test_nothing_is_compiled_on_the_cpu(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in half precision; what is compiled elsewhere is compiled once."""
    called: list[nn.Module] = []

    def compiled(net: nn.Module) -> nn.Module:
        called.append(net)
        return net

    monkeypatch.setattr(torch, "compile", compiled)
    model = made(MIXED, head=head, epochs=1, device="auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model.fit(walks(12, 40), seed=1)
    assert not called
    snippets, _ = model.prepared(walks(12, 40).checked(MIXED))
    loss = SnippetLoss(snippets, model.config.process, (8, 8), compiles=True)
    for _ in range(2):
        assert loss(model.net, torch.arange(8), torch.Generator()).dtype == torch.float32
    loss(model.net, torch.arange(8), None)
    assert called == [model.net]
