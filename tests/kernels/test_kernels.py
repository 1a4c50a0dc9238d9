"""Each kernel keeps a known density, and the same test catches its wrong twins.

Walkers start from exact draws of the target, so any drift of a mean beyond its statistical error is
the kernel's own. "Right" is within 4.5 σ for three observables at once (flake below 1e-4 were the
seed free), "wrong" beyond 8 σ for at least one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from quartic_well import (
    DENSITY,
    GRID,
    RIGHT,
    WRONG,
    N,
    Well,
    drift,
    exact_draws,
    worst_sigma,
)

from msgen.actors.base import decode, encode
from msgen.actors.kernels import hmc, independence, mala
from msgen.actors.kernels.base import (
    BoltzmannTarget,
    Kernel,
    Mask,
    SumTarget,
    metropolis,
)
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.independence import Independence
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.overdamped import Overdamped
from msgen.actors.kernels.step_size import HMC_ACCEPTANCE, MALA_ACCEPTANCE, StepSize
from msgen.systems.base import Array, Walkers

Verdict = tuple[Mask, Array, Mask]


@dataclass(frozen=True)
class Normal:
    """N(mean, sd²) as a proposal; `cut`: nothing beyond it; `told`: the density it claims."""

    mean: float = 0.2
    sd: float = 0.6
    cut: float = np.inf
    told_sd: float | None = None

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        return self.mean + self.sd * rng.standard_normal((n, 1))

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        sd = self.told_sd or self.sd
        z = (y[:, 0] - self.mean) / sd
        value = -0.5 * z**2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
        return np.where(np.abs(y[:, 0]) > self.cut, -np.inf, value)


EXACT = {
    "mala": Mala(dt=0.05),
    "hmc": Hmc(dt=0.3, n_leapfrog=4, masses=2.0, kT=1.5, jitter=0.2),
    "independence": Independence(Normal()),
}
MODULES = {"mala": mala, "hmc": hmc, "independence": independence}


def test_the_draws_are_exact() -> None:
    assert worst_sigma(exact_draws(N, 1).positions[:, 0]) < RIGHT


@pytest.mark.parametrize("name", EXACT)
def test_kernel_is_exact(name: str) -> None:
    assert drift(EXACT[name]) < RIGHT


@pytest.mark.parametrize("name", EXACT)
def test_twin_without_the_ratio_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def always(new: Array, old: Array, fwd: Array, back: Array, log_u: Array) -> Verdict:
        return np.isfinite(new), np.zeros_like(new), ~np.isfinite(new)

    monkeypatch.setattr(MODULES[name], "metropolis", always)
    assert drift(EXACT[name]) > WRONG


@pytest.mark.parametrize("name", EXACT)
def test_twin_without_the_proposal_densities_is_caught(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def symmetric(new: Array, old: Array, fwd: Array, back: Array, log_u: Array) -> Verdict:
        return metropolis(new, old, 0 * fwd, 0 * back, log_u)

    monkeypatch.setattr(MODULES[name], "metropolis", symmetric)
    assert drift(EXACT[name]) > WRONG


def test_independence_with_another_versions_density_is_caught() -> None:
    assert drift(Independence(Normal(told_sd=0.5))) > WRONG


def test_overdamped_is_approximate_with_a_bias_of_order_dt_where_mala_is_exact() -> None:
    """In a harmonic well the Euler chain's variance is 1/(1 − dt/2), its bias ≈ dt/2."""

    class Harmonic(Well):
        def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
            return 0.5 * walkers.positions[:, 0] ** 2, -walkers.positions

    target = BoltzmannTarget(Harmonic())
    start = Walkers(np.random.default_rng(3).standard_normal((N, 1)))
    sigma = np.sqrt(2 / N)
    for dt in (0.2, 0.4):
        rng = np.random.default_rng(4)
        euler = Overdamped(dt)(target, start, rng, n_steps=60).walkers.positions.var()
        tested = Mala(dt)(target, start, rng, n_steps=60).walkers.positions.var()
        assert abs(euler - 1 / (1 - dt / 2)) < RIGHT * sigma / (1 - dt / 2)
        assert euler - 1 > WRONG * sigma
        assert abs(tested - 1) < RIGHT * sigma


@pytest.mark.parametrize("outside", [np.inf, np.nan, -np.inf])
@pytest.mark.parametrize("name", [*EXACT, "overdamped"])
def test_nothing_that_is_not_finite_is_accepted(name: str, outside: float) -> None:
    kernel: Kernel = Overdamped(0.05) if name == "overdamped" else EXACT[name]
    start = exact_draws(500, 5)
    start = start.with_positions(np.clip(start.positions, -0.79, 0.79))
    result = kernel(
        BoltzmannTarget(Well(0.8, outside)),
        start,
        np.random.default_rng(6),
        n_steps=20,
        record_every=1,
    )
    assert result.nonfinite > 0
    assert result.trajectory is not None
    assert np.abs(result.trajectory).max() <= 0.8
    assert result.accepted.mean() > 0.1


def test_a_wall_leaves_the_density_exact() -> None:
    inside = np.where(np.abs(GRID) <= 0.8, DENSITY, 0.0)
    inside /= inside.sum()
    for kernel in EXACT.values():
        x = kernel(
            BoltzmannTarget(Well(0.8, np.nan)),
            exact_draws(N, 7, inside),
            np.random.default_rng(8),
            n_steps=20,
        ).walkers.positions[:, 0]
        assert worst_sigma(x, inside) < RIGHT


def test_a_walker_where_the_model_is_zero_accepts_nothing_and_one_where_rho_is_zero_leaves() -> (
    None
):
    x = Walkers(np.array([[1.0], [0.0], [2.0]]))
    kernel = Independence(Normal(cut=0.9))
    result = kernel(BoltzmannTarget(Well(1.5)), x, np.random.default_rng(9), n_steps=40)
    assert result.accepted[0] == 0.0
    assert result.walkers.positions[0, 0] == 1.0
    assert result.accepted[1] > 0.0
    assert result.accepted[2] > 0.0


def test_a_proposal_the_model_calls_impossible_is_refused() -> None:
    accept, ratio, bad = metropolis(
        np.zeros(4),
        np.zeros(4),
        np.array([-np.inf, np.nan, np.inf, 0.0]),
        np.array([0.0, 0.0, 0.0, np.nan]),
        np.full(4, -50.0),
    )
    assert not accept.any()
    assert bad.all()
    assert np.isneginf(ratio).all()


def test_a_draw_from_a_truncated_model_and_local_moves_are_exact_together() -> None:
    """The model is blind beyond |x| > 0.9; MALA reaches there, so the pair is still exact."""
    walkers, target, rng = exact_draws(N, 10), BoltzmannTarget(Well()), np.random.default_rng(11)
    for _ in range(10):
        walkers = Independence(Normal(cut=0.9))(target, walkers, rng, n_steps=2).walkers
        walkers = Mala(0.05)(target, walkers, rng, n_steps=2).walkers
    assert worst_sigma(walkers.positions[:, 0]) < RIGHT


def test_sum_target_adds_a_restraint() -> None:
    class Spring:
        def log_density(self, x: Array) -> Array:
            return -2.0 * x[:, 0] ** 2

        def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
            return self.log_density(x), -4.0 * x

    density = DENSITY * np.exp(-2.0 * GRID**2)
    density /= density.sum()
    target = SumTarget((BoltzmannTarget(Well()), Spring()))
    result = Mala(0.05)(target, exact_draws(N, 12, density), np.random.default_rng(13), n_steps=20)
    x = result.walkers.positions[:, 0]
    assert worst_sigma(x, density) < RIGHT
    assert worst_sigma(x) > WRONG
    with pytest.raises(ValueError, match="at least one"):
        SumTarget(())


@pytest.mark.parametrize("name", EXACT)
def test_evaluations_are_counted_one_a_step_and_results_repeat(name: str) -> None:
    calls = 0

    class Counting(Well):
        def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
            nonlocal calls
            calls += len(walkers)
            return super().energy_and_force(walkers)

    kernel, start = EXACT[name], exact_draws(7, 14)
    first = kernel(
        BoltzmannTarget(Counting()), start, np.random.default_rng(15), n_steps=12, record_every=3
    )
    per_step = 4 if name == "hmc" else 1
    assert first.evaluations == calls == 7 * (12 * per_step + 1)
    assert first.trajectory is not None
    assert first.trajectory.shape == (4, 7, 1)
    assert np.array_equal(first.trajectory[-1], first.walkers.positions)
    again = kernel(BoltzmannTarget(Well()), start, np.random.default_rng(15), n_steps=12)
    assert np.array_equal(first.walkers.positions, again.walkers.positions)
    assert again.trajectory is None
    assert np.array_equal(start.positions, exact_draws(7, 14).positions)


def test_independence_batches_do_not_change_the_density() -> None:
    assert drift(Independence(Normal(), batch=N)) < RIGHT


@pytest.mark.parametrize("wanted", [MALA_ACCEPTANCE, HMC_ACCEPTANCE])
def test_adaptation_reaches_the_wanted_acceptance_and_ends(wanted: float) -> None:
    target, walkers, rng = BoltzmannTarget(Well()), exact_draws(400, 16), np.random.default_rng(17)

    def kernel(step: float) -> Kernel:
        return Mala(step**2) if wanted == MALA_ACCEPTANCE else Hmc(step, 4)

    tuner = StepSize(0.05, wanted)
    for _ in range(80):
        result = kernel(tuner.step)(target, walkers, rng, n_steps=2)
        walkers, tuner = result.walkers, tuner.update(float(result.probability.mean()))
        tuner = decode(StepSize, encode(tuner))
    tuner = tuner.freeze()
    seen = kernel(tuner.step)(target, walkers, rng, n_steps=50).probability.mean()
    assert abs(seen - wanted) < 0.05
    with pytest.raises(RuntimeError, match="frozen"):
        tuner.update(0.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mala(0.0),
        lambda: Overdamped(np.nan),
        lambda: Hmc(0.1, 0),
        lambda: Hmc(0.1, 3, masses=-1.0),
        lambda: Hmc(0.1, 3, jitter=1.0),
        lambda: Independence(Normal(), batch=0),
        lambda: StepSize(1.0, 1.0),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()
