"""Moves inside a window and exchange between windows, against quadrature; and their wrong twins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sections import build_cvs, build_system

from msgen.actors.base import Tree, WorkOrder
from msgen.actors.configurations.window_density import AtWindow
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.batched import RestraintTarget
from msgen.actors.kernels import independence
from msgen.actors.kernels.base import BoltzmannTarget, SumTarget
from msgen.actors.kernels.independence import Independence
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.umbrella import UmbrellaPayload, UmbrellaRecord, WindowMoves
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import umbrella
from msgen.actors.roles.umbrella import sample_windows
from msgen.models import Broad
from msgen.systems.base import Array, Walkers

SETUP: Tree = {
    "system": {"kind": "evolving_double_well", "a3": 0.6},
    "cvs": {"z1": {"kind": "coordinate", "index": 0, "range": [0.0, 10.0], "bins": 40}},
    "strategy": {"local": {"kind": "mala", "step_size": 0.05}},
    "seed": 3,
}
SYSTEM = build_system(SETUP["system"], Path())
CVS = build_cvs(SETUP["cvs"], SYSTEM, Path())
KAPPA = np.array([4.0])
G = Conditional(KAPPA, np.array([False]))
SIGMAS = 4.0


class Crude:
    """Two Gaussians about the wells with weights and widths that are not the window's."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    @property
    def dim(self) -> int:
        return 2

    def _parts(self, label: Array) -> tuple[Array, Array, Array]:
        means = np.stack([np.full(len(label), -1.0), np.full(len(label), 1.0)], axis=1)
        weights = np.stack([np.full(len(label), 0.6), np.full(len(label), 0.4)], axis=1)
        return label[:, 0] + self.shift, means, weights

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        assert context is not None
        first, means, weights = self._parts(context)
        right = (rng.random(n) < weights[:, 1]).astype(int)
        z1 = first + 0.6 * rng.standard_normal(n)
        z2 = means[np.arange(n), right] + 0.3 * rng.standard_normal(n)
        return np.stack([z1, z2], axis=1)

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        assert context is not None
        first, means, weights = self._parts(context)
        one = -0.5 * ((y[:, 0] - first) / 0.6) ** 2 - np.log(0.6)
        two = np.log(weights) - 0.5 * ((y[:, 1:] - means) / 0.3) ** 2 - np.log(0.3)
        out: Array = one + np.logaddexp(two[:, 0], two[:, 1]) - np.log(2 * np.pi)
        return out

    def fit(self, data, *, seed, weights=None, context=None, fresh=False):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def state(self):  # type: ignore[no-untyped-def]
        raise NotImplementedError


def right_well(lam: float) -> float:
    """P(z2 > 0) in the window at λ."""
    z1, z2 = np.linspace(-3, 13, 1601), np.linspace(-2.5, 2.5, 1001)
    x = np.stack([a.ravel() for a in np.meshgrid(z1, z2, indexing="ij")], axis=1)
    u = SYSTEM.energy(Walkers(x)) / SYSTEM.kT + G.energy(np.array([lam]), x[:, :1])
    p = np.exp(-(u - u.min()))
    return float(p[x[:, 1] > 0].sum() / p.sum())


def run(proposal: AtWindow, lam: Array, seed: int, steps: int = 200) -> tuple[float, float]:
    """Mean and standard error of P(z2 > 0) over walkers that make global moves only."""
    on = np.ones(len(lam), dtype=bool)
    target = SumTarget((BoltzmannTarget(SYSTEM), RestraintTarget(CVS, G, lam, on)))
    start = Walkers(np.stack([lam[:, 0], np.full(len(lam), -1.0)], axis=1))
    done = Independence(proposal)(
        target, start, np.random.default_rng(seed), n_steps=steps, record_every=1
    )
    assert done.trajectory is not None
    each = (done.trajectory[steps // 4 :, :, 1] > 0).mean(axis=0)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


LAM = 4.4


def label(n: int = 200) -> Array:
    return np.full((n, 1), LAM)


def test_a_crude_model_is_exact_inside_a_window() -> None:
    mean, error = run(AtWindow(Crude(), label()), label(), seed=1)
    assert 0.1 < right_well(LAM) < 0.9
    assert abs(mean - right_well(LAM)) < SIGMAS * error
    assert error < 0.02


def test_walkers_of_different_windows_are_moved_each_at_its_own_label() -> None:
    lam = np.repeat([[3.0], [7.0]], 150, axis=0)
    on = np.ones(300, dtype=bool)
    target = SumTarget((BoltzmannTarget(SYSTEM), RestraintTarget(CVS, G, lam, on)))
    start = Walkers(np.stack([lam[:, 0], np.full(300, -1.0)], axis=1))
    done = Independence(AtWindow(Crude(), lam), batch=1500)(
        target, start, np.random.default_rng(5), n_steps=300, record_every=1
    )
    assert done.trajectory is not None
    each = (done.trajectory[60:, :, 1] > 0).mean(axis=0)
    for half, centre in ((slice(0, 150), 3.0), (slice(150, 300), 7.0)):
        mean, error = each[half].mean(), each[half].std(ddof=1) / np.sqrt(150)
        assert abs(mean - right_well(centre)) < SIGMAS * error


def test_twin_ratio_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepting on the target alone shows."""
    real = independence.metropolis
    monkeypatch.setattr(
        independence, "metropolis", lambda y, x, qy, qx, u: real(y, x, 0 * qy, 0 * qx, u)
    )
    mean, error = run(AtWindow(Crude(), label()), label(), seed=1)
    assert abs(mean - right_well(LAM)) > 2 * SIGMAS * error


def test_twin_density_of_another_version() -> None:
    """Proposing with one version and weighing with another shows."""

    class Mixed(Crude):
        def log_prob(self, y: Array, context: Array | None = None) -> Array:
            assert context is not None
            return Broad([False, False], mean=np.array([LAM, 0.3]), std=np.ones(2)).log_prob(y)

    mean, error = run(AtWindow(Mixed(), label()), label(), seed=1)
    assert abs(mean - right_well(LAM)) > 2 * SIGMAS * error


def test_twin_density_at_another_label() -> None:
    """Evaluating p(x|λ) at a neighbour's λ shows."""

    class Elsewhere(AtWindow):
        def log_prob(self, y: Array, context: Array | None = None) -> Array:
            return self.model.log_prob(y, self._tiled(len(y)) + 0.8)

    lam = label()
    on = np.ones(len(lam), dtype=bool)
    target = SumTarget((BoltzmannTarget(SYSTEM), RestraintTarget(CVS, G, lam, on)))

    def mean_z1(proposal: AtWindow) -> tuple[float, float]:
        done = Independence(proposal)(
            target, Walkers(np.tile([LAM, -1.0], (200, 1))), np.random.default_rng(2),
            n_steps=200, record_every=1,
        )  # fmt: skip
        assert done.trajectory is not None
        each = done.trajectory[50:, :, 0].mean(axis=0)
        return float(each.mean()), float(each.std(ddof=1) / np.sqrt(200))

    z1, z2 = np.linspace(-3, 13, 801), np.linspace(-2.5, 2.5, 501)
    x = np.stack([a.ravel() for a in np.meshgrid(z1, z2, indexing="ij")], axis=1)
    u = SYSTEM.energy(Walkers(x)) + G.energy(np.array([LAM]), x[:, :1])
    exact = float(np.average(x[:, 0], weights=np.exp(-(u - u.min()))))
    good, good_error = mean_z1(AtWindow(Crude(), lam))
    bad, bad_error = mean_z1(Elsewhere(Crude(), lam))
    assert abs(good - exact) < SIGMAS * good_error
    assert abs(bad - exact) > 2 * SIGMAS * bad_error


def order(
    centres: Array, ladders: int, *, exchange: bool, moves: WindowMoves | None = None
) -> WorkOrder:
    """A round of `ladders` walkers in each window, all in one order."""
    n, k = ladders * len(centres), len(centres)
    slots = np.arange(n)
    pairs = [(lad * k + i, lad * k + i + 1, i % 2) for lad in range(ladders) for i in range(k - 1)]
    lam = np.tile(centres[:, None], (ladders, 1))
    payload = UmbrellaPayload(
        walkers=WalkerRows(np.stack([lam[:, 0], np.full(n, -1.0)], axis=1)),
        slots=slots,
        window=slots % k,
        who=slots,
        lam=lam,
        kappa=KAPPA,
        restrained=True,
        chunks=np.full(n, 2),
        steps=5,
        blocks=400,
        pairs=np.array(pairs if exchange else [], dtype=np.int64).reshape(-1, 3),
        moves=moves,
    )
    return WorkOrder.of(0, payload)


CENTRES = np.array([3.5, 4.25, 5.0, 5.75, 6.5])


GRID = np.stack(
    [
        a.ravel()
        for a in np.meshgrid(np.linspace(-3, 13, 801), np.linspace(-2, 2, 201), indexing="ij")
    ],
    axis=1,
)


def deviations(*, exchange: bool) -> tuple[Array, float]:
    """(mean z1 − exact)/standard error of every window over ladders; acceptance of exchanges."""
    low = {**SETUP, "system": {"kind": "evolving_double_well", "a3": 1.5, "slow_mass": 1.0}}
    context = WorkerContext(low)
    done = sample_windows(context, order(CENTRES, 24, exchange=exchange), np.random.default_rng(7))
    k = len(CENTRES)
    each = done.samples["cvs"][:, 0].reshape(-1, k, 800)[:, :, 200:].mean(axis=2)
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))
    u = context.system.energy(Walkers(GRID)) / context.system.kT
    energies = [u + G.energy(np.array([lam]), GRID[:, :1]) for lam in CENTRES]
    exact = [np.average(GRID[:, 0], weights=np.exp(-(e - e.min()))) for e in energies]
    tried = done.counts.get("exchange_proposed", 0.0)
    return (mean - exact) / error, done.counts.get("exchange_accepted", 0.0) / max(tried, 1.0)


@pytest.mark.parametrize("exchange", [True, False])
def test_exchange_leaves_every_window_as_it_is(exchange: bool) -> None:
    off, acceptance = deviations(exchange=exchange)
    assert np.abs(off).max() < SIGMAS
    assert (0.2 < acceptance < 0.9) == exchange


def test_twin_exchange_always_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(umbrella, "log_uniform", lambda rng, shape: np.full(shape, -np.inf))
    off, acceptance = deviations(exchange=True)
    assert acceptance == 1.0
    assert np.abs(off).max() > 2 * SIGMAS


class InPlace(umbrella._Run):
    """Wrong twin: every block writes its CVs into those of the block before."""

    def local(self, chunks: umbrella.Ints) -> None:
        before = self.xi
        super().local(chunks)
        before[:] = self.xi
        self.xi = before


def mislabelled(exchange: bool) -> int:
    """Configurations handed to the next fit whose label is not ξ of them; 15 a block, 8 blocks."""
    low = {**SETUP, "system": {"kind": "evolving_double_well", "a3": 1.5, "slow_mass": 1.0}}
    given = order(CENTRES, 3, exchange=exchange).read(UmbrellaPayload)
    # stretches of two lengths, as production has them
    given = replace(given, blocks=8, recent=8, chunks=1 + np.arange(15) % 2)
    context = WorkerContext(low)
    done = sample_windows(context, WorkOrder.of(0, given), np.random.default_rng(4))
    recent = done.read(UmbrellaRecord).recent
    assert recent is not None
    assert len(recent.y) == 120
    return int((recent.xi != context.cvs(recent.y)).any(axis=1).sum())


@pytest.mark.parametrize("exchange", [True, False])
def test_labels_for_the_next_fit_are_those_of_their_rows(exchange: bool) -> None:
    assert mislabelled(exchange) == 0


def test_twin_whose_blocks_share_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most labels are then those of a later block."""
    monkeypatch.setattr(umbrella, "_Run", InPlace)
    assert mislabelled(False) > 90


def test_a_swap_swaps_who_stands_where() -> None:
    low = {**SETUP, "system": {"kind": "evolving_double_well", "a3": 1.5, "slow_mass": 1.0}}
    done = sample_windows(
        WorkerContext(low), order(CENTRES, 3, exchange=True), np.random.default_rng(1)
    )
    record = done.read(UmbrellaRecord)
    who = record.who.reshape(3, 5)
    # a walker never leaves its ladder, and none is lost
    assert (np.sort(who, axis=1) == np.arange(15).reshape(3, 5)).all()
    assert (who != np.arange(15).reshape(3, 5)).any()
    assert record.walkers.positions is not None
    np.testing.assert_array_equal(record.xi[:, 0], record.walkers.positions[:, 0])
    assert record.exchanges[:, 0].sum() == done.counts["exchange_proposed"]


def test_global_moves_and_exchange_in_one_order() -> None:
    """The role itself, with both kinds of moves on, holds the hidden well's weight."""
    context = WorkerContext({**SETUP, "system": {**SETUP["system"], "slow_mass": 1.0}})
    context.models._built[0] = Crude()
    broad = BroadGaussian(mean=np.array([5.0, 0.0]), std=np.array([3.0, 1.5]))
    moves = WindowMoves(global_steps=2, label=np.array([0]), broad=broad, epsilon=0.1)
    one = order(CENTRES, 24, exchange=True, moves=moves)
    done = sample_windows(context, replace(one, model_version=0), np.random.default_rng(4))
    assert done.counts["global_accepted"] > 0.1 * done.counts["global_proposed"]
    k = len(CENTRES)
    right = (done.samples["watched"][:, 0] > 0).reshape(24, k, 400)[:, :, 100:].mean(axis=2)
    mean, error = right.mean(axis=0), right.std(axis=0, ddof=1) / np.sqrt(24)
    exact = np.array([right_well(c) for c in CENTRES])
    assert np.abs((mean - exact) / error).max() < SIGMAS
    assert error.max() < 0.05
