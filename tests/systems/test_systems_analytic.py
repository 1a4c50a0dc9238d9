"""Analytic systems: forces, exact answers, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from exact_populations import exact_probabilities, exact_state_probability, exact_surface
from places import TESTS
from sections import build_cvs, build_system, refused

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import CVSet, System, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.errors import SpecError
from msgen.systems.potentials.mixtures import GaussianMixture, GaussianTunnel
from msgen.systems.potentials.two_dimensional import TorchSystem

MIXTURE = {
    "kind": "gaussian_mixture",
    "means": [[-2.0, 0.0, 1.0], [2.0, 1.0, 0.0]],
    "scales": [[0.5, 1.0, 0.7], [0.6, 0.4, 1.2]],
    "weights": [3, 7],
    "kT": 2.5,
}
SPECS = [
    {"kind": "double_well"},
    {"kind": "double_well", "start": "right", "kT": 2.0},
    {"kind": "mueller_brown"},
    MIXTURE,
    {"kind": "gaussian_tunnel"},
    {"kind": "gaussian_tunnel", "start": 10},
]


def build(spec: dict[str, object]) -> TorchSystem:
    system = build_system(spec, TESTS)
    assert isinstance(system, TorchSystem)
    assert isinstance(system, System)
    return system


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s['kind']}-{s.get('start')}")
def test_force_is_minus_gradient(spec: dict[str, object]) -> None:
    system = build(spec)
    x = system.initial().positions + 0.3 * np.random.default_rng(1).normal(size=(5, system.n_dof))
    u, f = system.energy_and_force(Walkers(x))
    assert u.shape == (5,)
    assert f.shape == x.shape
    h = 1e-5
    for d in range(system.n_dof):
        e = np.zeros(system.n_dof)
        e[d] = h
        numeric = -(system.energy(Walkers(x + e)) - system.energy(Walkers(x - e))) / (2 * h)
        np.testing.assert_allclose(f[:, d], numeric, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(u, system.energy(Walkers(x)))
    auto_u, auto_g = TorchSystem.value_and_gradient(system, x)
    np.testing.assert_allclose(u, auto_u, rtol=1e-12)
    np.testing.assert_allclose(f, -auto_g, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s['kind']}-{s.get('start')}")
def test_start_is_inside_one_mode_and_nonfinite_never_raises(spec: dict[str, object]) -> None:
    system = build(spec)
    start = system.initial()
    assert start.positions.shape == (1, system.n_dof)
    _, force = system.energy_and_force(start)
    assert np.abs(force).max() < 0.5
    bad = Walkers(np.full((2, system.n_dof), np.nan))
    u, f = system.energy_and_force(bad)
    assert not np.isfinite(u).any()
    assert not np.isfinite(f).all()
    far = system.energy(Walkers(np.full((1, system.n_dof), 1e200)))
    assert not np.isfinite(far).any() or far[0] > 1e100


def coordinates(*index: int) -> CVSet:
    return CVSet(tuple(Coordinate(f"x{i}", i) for i in index))


def test_mixture_and_tunnel_are_normalised_and_their_answers_match_draws() -> None:
    rng = np.random.default_rng(5)
    n = 40_000
    mixture = build(MIXTURE)
    assert isinstance(mixture, GaussianMixture)
    k = rng.choice(2, n, p=mixture.weights)
    x = mixture.means[k] + mixture.scales[k] * rng.normal(size=(n, 3))
    tunnel = GaussianTunnel()
    z = np.where(rng.random(n) < 0.3, 0.0, 10.0) + rng.normal(size=n)
    y = 5 * np.cos(np.pi * z / 10)[:, None] + tunnel.sigma * rng.normal(size=(n, 19))
    cases: list[tuple[System, CVSet, np.ndarray, list[np.ndarray]]] = [
        (mixture, coordinates(0, 2), x, [np.linspace(-3, 4, 6), np.linspace(-2, 3, 5)]),
        (tunnel, coordinates(0), np.column_stack([z, y]), [np.linspace(-3, 13, 9)]),
        (
            tunnel,
            coordinates(0, 3),
            np.column_stack([z, y]),
            [np.linspace(-2, 12, 8), np.linspace(-7, 7, 5)],
        ),
    ]
    for system, cvs, draws, edges in cases:
        p = exact_probabilities(system, cvs, edges)
        hist, _ = np.histogramdd(cvs(draws), bins=edges)
        # 5 sigma of a binomial count, plus what the quadrature over z leaves
        tolerance = 5 * np.sqrt(p * (1 - p) / n) + 2e-3 * p + 5 / n
        assert np.all(np.abs(hist / n - p) < tolerance)
    # normalised: the mean of p/p' over draws from p' is 1
    proposal = mixture.means[k] + 1.5 * mixture.scales[k] * rng.normal(size=(n, 3))
    wide = GaussianMixture(mixture.means, 1.5 * mixture.scales, mixture.weights)
    ratio = np.exp(-mixture.energy(Walkers(proposal)) / 2.5 + wide.energy(Walkers(proposal)))
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(n)


def test_two_dimensional_answers() -> None:
    system = build({"kind": "double_well"})
    cvs = coordinates(0)
    x = np.linspace(-3, 3, 6001)
    p = np.exp(9 * x**2 - x**3 - 4.5 * x**4)
    left = p[x < 0].sum() / p.sum()
    assert abs(exact_state_probability(system, cvs, {"x0": (-3.0, 0.0)}) - left) < 2e-3
    surface = exact_surface(system, cvs, [np.linspace(-2, 2, 41)])
    assert surface.min() == 0
    assert surface.shape == (40,)
    brown = build({"kind": "mueller_brown"})
    both = exact_state_probability(brown, coordinates(0, 1), {})
    assert both == pytest.approx(1.0)
    with pytest.raises(ValueError, match="closed form"):
        exact_probabilities(GaussianTunnel(), coordinates(0, 0), [x, x])


def test_a_mixture_in_any_dimension_by_one_number_a_mode() -> None:
    system = build({"kind": "gaussian_mixture", "dim": 16, "means": [-1.5, 1.5], "scales": 0.6,
                    "weights": [0.3, 0.7], "start": 1})  # fmt: skip
    assert system.n_dof == 16
    assert np.all(system.initial().positions == 1.5)
    p = exact_state_probability(system, coordinates(0), {"x0": (0.0, 99.0)})
    assert p == pytest.approx(0.7, abs=5e-3)


@pytest.mark.parametrize(
    ("change", "field", "word"),
    [
        ({"kind": "duoble_well"}, "system.kind", "double_well"),
        ({"kind": "double_well", "kT": -1.0}, "system.kT", "default, 1.0"),
        ({"kind": "double_well", "start": "top"}, "system.start", "left, right"),
        ({"kind": "mueller_brown", "start": [1.0]}, "system.start", "[x, y]"),
        ({"kind": "gaussian_tunnel", "start": 5}, "system.start", "0, 10"),
        ({**MIXTURE, "weights": [1.0]}, "system.weights", "each of the"),
        ({**MIXTURE, "scales": [1.0, -1.0]}, "system.scales", "Write a number"),
        ({**MIXTURE, "dim": 4}, "system.means", "4 numbers"),
        ({**MIXTURE, "means": [[0.0], [1.0, 2.0]]}, "system.means", "numbers"),
        ({**MIXTURE, "means": [1.0, 2.0]}, "system.dim", "dim: 16"),
        ({**MIXTURE, "start": 2}, "system.start", "0 to 1"),
    ],
)
def test_wrong_specs(change: dict[str, object], field: str, word: str) -> None:
    problem = refused(change, TESTS)
    assert dotted(problem.path) == field
    assert word in problem.remedy


def test_spec_error_reads_like_a_sentence() -> None:
    error = SpecError(("system", "forcefield", 0), "foo.xml", "no such file", "Give another.")
    assert str(error) == "system.forcefield[0]: 'foo.xml' — no such file. Give another."


POTENTIAL = """
import numpy as np
import torch
from msgen.systems.potentials.python import TorchPotential

def well(stiffness=2.0, **options):
    return TorchPotential(lambda x: 0.5 * stiffness * (x**2).sum(-1), [0.3, 0.1], kT=0.5, **options)

def broken_gradient():
    return TorchPotential(lambda x: (x * x.detach()).sum(-1), [0.3, 0.1])

def wrong_shape():
    return TorchPotential(lambda x: (x**2), [0.3, 0.1])

def infinite():
    return TorchPotential(lambda x: torch.log(x - 0.3).sum(-1), [0.3, 0.1])

def single():
    return TorchPotential(lambda x: x.float().sum(-1), [0.3, 0.1])

def leaves_torch():
    return TorchPotential(lambda x: torch.tensor(np.sin(x.numpy())).sum(-1), [0.3, 0.1])

def nothing():
    return 3

def radius():
    return lambda x: torch.linalg.vector_norm(x, dim=-1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_potential.py").write_text(POTENTIAL)
    (tmp_path / "crashes.py").write_text("1/0")
    return tmp_path


def test_a_users_potential_and_cv(folder: Path) -> None:
    spec = {"kind": "python", "factory": "my_potential:well", "arguments": {"stiffness": 4.0}}
    system = build_system(spec, folder)
    u, f = system.energy_and_force(Walkers(np.array([[1.0, 2.0], [0.0, 1.0]])))
    np.testing.assert_allclose(u, [10.0, 2.0])
    np.testing.assert_allclose(f, [[-4.0, -8.0], [0.0, -4.0]])
    assert system.kT == 0.5
    cvs = build_cvs({"r": {"kind": "python", "factory": "my_potential:radius"}}, system, folder)
    np.testing.assert_allclose(cvs(np.array([[3.0, 4.0]])), [[5.0]])
    # the campaign's own folder wins over a module of the same name that is loaded already
    other = folder / "other"
    other.mkdir()
    (other / "my_potential.py").write_text(POTENTIAL.replace("kT=0.5", "kT=0.7"))
    assert build_system(spec, other).kT == 0.7
    assert build_system(spec, folder).kT == 0.5


@pytest.mark.parametrize(
    ("factory", "arguments", "word"),
    [
        ("my_potential:broken_gradient", None, "gradient"),
        ("my_potential:wrong_shape", None, "(2, 2)"),
        ("my_potential:infinite", None, "not finite"),
        ("my_potential:single", None, "float32"),
        ("my_potential:leaves_torch", None, "raised"),
        ("my_potential:nothing", None, "returned a int"),
        ("my_potential:wel", None, "no function 'wel'"),
        ("my_potential:well", {"stifness": 1.0}, "masses"),
        ("my_potential:well", {"masses": [1.0, 2.0, 3.0]}, "do not fit"),
        ("my_potential:well", {"masses": -1.0}, "not positive"),
        ("crashes:well", None, "ZeroDivisionError"),
        ("nowhere_at_all:well", None, "cannot be imported"),
        ("my_potential.well", None, "import path"),
    ],
)
def test_a_users_potential_is_checked(
    folder: Path, factory: str, arguments: dict[str, object] | None, word: str
) -> None:
    spec = {"kind": "python", "factory": factory, "arguments": arguments or {}}
    problem = refused(spec, folder)
    if word != "masses":
        assert word in problem.problem
    assert problem.path[0] == "system"
    assert len(problem.remedy) > 10


def test_torch_functions_keep_their_precision() -> None:
    for spec in SPECS:
        system = build(spec)
        x = torch.tensor(system.initial().positions)
        assert system.torch_energy(x).dtype == torch.float64
