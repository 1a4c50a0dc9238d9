"""The two slow–fast systems: energies, exact densities, and the dynamics they come from."""

from __future__ import annotations

import numpy as np
import pytest
from crabtree import windows
from exact_populations import exact_probabilities, exact_state_probability
from places import TESTS
from sections import build_system, refused
from slow_fast_paths import Dynamics, Window, driven, euler_maruyama_density

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import CVSet, System, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast, VariableBarrier
from msgen.systems.potentials.two_dimensional import TorchSystem

SYSTEMS = [
    EvolvingDoubleWell(),
    EvolvingDoubleWell(a3=0.6, range=(2.0, 12.0)),
    VariableBarrier(2.0),
]
BINS = np.linspace(-1.8, 1.8, 25)


@pytest.mark.parametrize("system", SYSTEMS, ids=["evolving", "colder", "barrier"])
def test_gradients(system: SlowFast) -> None:
    assert isinstance(system, System)
    rng = np.random.default_rng(1)
    # walls included
    x = np.column_stack([rng.uniform(-0.5, 12.5, 60), rng.uniform(-1.5, 1.5, 60)])
    u, g = system.value_and_gradient(x)
    for d, h in ((0, 1e-5), (1, 1e-5)):
        e = np.eye(2)[d] * h
        numeric = (system.value(x + e) - system.value(x - e)) / (2 * h)
        np.testing.assert_allclose(g[:, d], numeric, rtol=1e-6, atol=1e-5)
    auto_u, auto_g = TorchSystem.value_and_gradient(system, x)
    np.testing.assert_allclose(u, auto_u, rtol=1e-12)
    np.testing.assert_allclose(g, auto_g, rtol=1e-9, atol=1e-9)
    _, force = system.energy_and_force(system.initial())
    assert abs(force[0, 1]) < 1e-4


@pytest.mark.parametrize("h", [2.0, 4.0])
def test_the_variable_barrier_is_the_papers(h: float) -> None:
    system, x = VariableBarrier(h), np.linspace(-2, 2, 41)
    plain = (x**2 - 1) ** 2 * (x**2 + h)
    np.testing.assert_allclose(system.potential(np.zeros(41), x), plain, atol=1e-12)
    for k in (-1.0, 0.4, 1.0):
        printed = (1 + x) ** 2 * (
            x**4 + (0.75 * k - 2) * x**3 + (h - k + 1) * x**2 - 2 * h * x + h
        )  # fmt: skip
        np.testing.assert_allclose(system.potential(np.full(41, k), x), printed, atol=1e-12)
        assert [system.potential(k, y) for y in (-1.0, 0.0, 1.0)] == pytest.approx([0.0, h, -k])
        np.testing.assert_allclose(system.minima(5 * (k + 1)), [-1.0, 1.0], atol=1e-6)
    # the label in kT
    p = system.conditional(5.0, np.array([-1.001, -0.999, -0.001, 0.001]))
    assert np.log(p[0] / p[2]) == pytest.approx(2 * h, abs=1e-3)


@pytest.mark.parametrize("system", SYSTEMS[::2], ids=["evolving", "barrier"])
def test_exact_answers_agree_with_each_other_and_with_draws(system: SlowFast) -> None:
    both = CVSet((Coordinate("x1", 0), Coordinate("x2", 1)))
    slow_edges, fast_edges = np.linspace(0, 10, 11), BINS
    joint = exact_probabilities(system, both, [slow_edges, fast_edges])
    slow = exact_probabilities(system, CVSet(both.cvs[:1]), [slow_edges])
    np.testing.assert_allclose(joint.sum(axis=1), slow, rtol=2e-3)
    assert exact_state_probability(system, both, {}) == pytest.approx(1.0)
    conditional = np.mean([system.conditional(x, fast_edges) for x in np.linspace(4, 5, 21)], 0)
    # the share of a quadrature point, at most 1/25 of a bin
    np.testing.assert_allclose(joint[4] / slow[4], conditional, atol=4e-3)
    # rejection from a box
    rng, (a, b) = np.random.default_rng(2), system.bounds
    x = np.column_stack([rng.uniform(*a, 800_000), rng.uniform(*b, 800_000)])
    u = system.value(x)
    x = x[np.log(rng.random(len(u))) < u.min() - u]
    counts, *_ = np.histogram2d(x[:, 0], x[:, 1], [slow_edges, fast_edges])
    sigma = np.sqrt(joint * len(x)) + 0.04 * joint * len(x) + 1
    assert (np.abs(counts - joint * len(x)) < 4.5 * sigma).all()


def test_a_trajectory_is_the_papers_scheme_and_repeats() -> None:
    system = EvolvingDoubleWell()
    path = driven(system, 50, 1, seed=3)
    np.testing.assert_array_equal(path, driven(system, 50, 1, seed=3))
    noise = np.random.default_rng(3).standard_normal((2, 50))
    z1, z2 = 0.0, system.minima(0.0)[-1]
    for step in range(50):
        slope = -1 + 0.2 * z1 + 4 * z2 * (z2**2 - 1)
        z1, z2 = (
            z1 + 1e-4 * 0.01 + 1e-4 * 0.1 * noise[0, step],
            z2 - slope * 0.01 + 0.1 * noise[1, step],
        )
        np.testing.assert_allclose(path[step], [z1, z2], rtol=1e-12)


def test_a_training_set_covers_the_range_and_the_wells() -> None:
    system = EvolvingDoubleWell()
    path = driven(system, 20_000, 10, seed=4, dynamics=Dynamics(a1=5e-3))
    assert path[-1, 0] == pytest.approx(10.0, abs=0.1)
    for low in (0.0, 4.0, 9.0):
        near = path[(path[:, 0] >= low) & (path[:, 0] < low + 1)]
        share = system.conditional(low + 0.5, np.array([-3.0, 0.0]))[0]
        # relaxation between wells takes some 500 steps: 40 independent looks in 20,000
        assert abs((near[:, 1] < 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / 40) + 0.02


def test_with_the_printed_noise_nothing_ever_crosses() -> None:
    system = EvolvingDoubleWell(a3=0.1)
    window = Window(system, 5.0, np.full(500, -1.0), hold=True)
    assert (window.run(2000, np.random.default_rng(5)) < -0.5).all()
    # a3 = 1 as drawn in the figures
    window = Window(EvolvingDoubleWell(), 5.0, np.full(500, -1.0), hold=True)
    crossed = (window.run(2000, np.random.default_rng(5))[-1] > 0).mean()
    assert 0.4 < crossed < 0.6


@pytest.mark.parametrize("h", [2.0, 4.0])
def test_the_chain_has_the_density_of_its_transition_matrix(h: float) -> None:
    """And not the exact one: the test sees the error of ∆t that the figures are floored by."""
    system, n = VariableBarrier(h), 40_000
    seeds = windows.exact_seeds(system, 5.0)
    # stratified: the wells' shares, which nothing mixes in 40 steps, are right from the start
    window = Window(system, 5.0, seeds.quantile((np.arange(n) + 0.5) / n))
    x = window.run(40, np.random.default_rng(6))[-1]
    counts = np.histogram(x, BINS)[0]
    chain = euler_maruyama_density(system, 5.0, BINS)
    exact = system.conditional(5.0, BINS)

    def worst(p: np.ndarray) -> float:
        return float((np.abs(counts - n * p) / np.sqrt(n * p + 1)).max())

    assert chain.sum() == pytest.approx(1.0, abs=1e-6)
    assert worst(chain) < 4.0
    assert worst(exact) > 8.0
    fine = euler_maruyama_density(system, 5.0, BINS, dt=1e-3, n=4000)
    # O(∆t)
    ratio = np.abs(chain - exact).sum() / np.abs(fine - exact).sum()
    assert 7 < ratio < 14


def test_the_slow_variable_is_held_by_its_spring() -> None:
    system = EvolvingDoubleWell()
    window = Window(system, 5.0, np.zeros(4000), kappa=2.0, dynamics=Dynamics(a1=0.3, a2=0.4))
    window.run(400, np.random.default_rng(7))
    assert window.slow.mean() == pytest.approx(5.15, abs=4 * 0.2 / np.sqrt(4000))
    # a2/√(2κ) = 0.2, four sigma of a standard deviation of 4,000
    assert window.slow.std() == pytest.approx(0.2, rel=4 / np.sqrt(8000))
    stiff = Window(system, 5.0, np.zeros(100))
    stiff.run(200, np.random.default_rng(8))
    assert np.abs(stiff.slow - 5.0).max() < 2e-5


def test_what_runs_off_is_said() -> None:
    system = VariableBarrier(4.0)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="lower dt"):
        Window(system, 5.0, np.full(3, 5.0)).run(200, np.random.default_rng(9))
    with pytest.raises(FloatingPointError, match="lower dt"):
        driven(system, 1000, 1, seed=1, dynamics=Dynamics(dt=5.0))
    with pytest.raises(ValueError, match="too wide"):
        euler_maruyama_density(system, 5.0, BINS, dt=1e-6)


@pytest.mark.parametrize(
    ("change", "field", "word"),
    [
        ({"range": [10.0, 0.0]}, "system.range", "low < high"),
        ({"range": [0.0]}, "system.range", "[low, high]"),
        ({"a3": 0.0}, "system.a3", "for the default"),
        ({"start": "top"}, "system.start", "left, right"),
        ({"kind": "variable_barrier", "h": 0.5}, "system.h", "Raise h"),
        ({"kind": "variable_barrier", "h": -1.0}, "system.h", "for the default"),
    ],
)
def test_wrong_specs(change: dict[str, object], field: str, word: str) -> None:
    problem = refused({"kind": "evolving_double_well", **change}, TESTS)
    assert dotted(problem.path) == field
    assert word in problem.remedy


def test_specs_reach_the_systems() -> None:
    system = build_system(
        {"kind": "variable_barrier", "h": 3.0, "a3": 0.8, "range": [1.0, 9.0], "slow_mass": 7.0,
         "start": "right"}, TESTS
    )  # fmt: skip
    assert isinstance(system, VariableBarrier)
    assert (system.h, system.a3, system.range) == (3.0, 0.8, (1.0, 9.0))
    np.testing.assert_allclose(system.initial().positions, [[5.0, 1.0]], atol=1e-6)
    np.testing.assert_array_equal(system.masses, [7.0, 1.0])
    outside = system.energy(Walkers(np.array([[9.1, 1.0], [9.0, 1.0]])))
    assert outside[0] - outside[1] == pytest.approx(0.5 - 0.02 * 2 / 0.64, abs=1e-9)


def test_windows_of_the_benchmark_fail_and_heal_as_they_should() -> None:
    """Ten starts drawn once leave a binomial error; in-window moves remove it."""
    system = VariableBarrier(4.0)
    exact = system.conditional(5.0, windows.BINS)

    def shares(scheme: windows.Scheme) -> np.ndarray:
        counts = windows.histograms(system, 5.0, scheme, 4000, 400, 10)
        assert (counts.sum(axis=1) == 4000).all()
        assert windows.l1(counts, exact).mean() < 1.05
        return counts[:, windows.BINS[1:] <= 1e-9].sum(axis=1) / 4000

    assert shares(windows.ALONE).mean() > 0.95
    drawn = np.abs(2 * shares(windows.SEEDED) - 1)
    # 400 experiments of spread 0.19: four sigma
    assert drawn.mean() == pytest.approx(0.246, abs=4 * 0.19 / 20)
    assert np.abs(2 * shares(windows.STRATIFIED) - 1).mean() < 0.06
    for scheme in (windows.IN_WINDOW, windows.EXACT):
        # 800 moves of N/5, nearly independent: E|2k/800 − 1| = 0.028
        assert np.abs(2 * shares(scheme) - 1).mean() < 0.05
