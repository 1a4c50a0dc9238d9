"""Targets with known answers: gradients, log Z, symmetries, and the CVs that go with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from places import CONFIGS, TESTS
from scipy.integrate import quad
from sections import build_cvs, build_system, refused

from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.switching.level_sets import level_sets
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems import Walkers
from msgen.systems.potentials.clusters import DoubleWellCluster, LennardJonesCluster, Particles
from msgen.systems.potentials.harmonic_pair import HarmonicPair
from msgen.systems.potentials.many_well import ManyWell
from msgen.systems.potentials.phi4 import Phi4
from msgen.systems.potentials.two_dimensional import TorchSystem

PAIR = {
    "kind": "harmonic_pair",
    "means": [[-1.0, 0.0, 0.5], [1.5, 1.0, 0.0]],
    "stiffness": [[2.0, 1.0, 3.0], [4.0, 0.5, 1.0]],
    "offsets": [0.0, 1.2],
    "kT": 1.5,
}
SPECS = [
    {"kind": "many_well", "dim": 6},
    {"kind": "many_well", "kT": 0.8, "start": "right"},
    {"kind": "phi4", "n": 9, "field": 0.3},
    {"kind": "phi4"},
    {"kind": "dw4"},
    {"kind": "dw4", "n_particles": 5, "spatial_dim": 3, "a": 0.2, "trap": 0.4, "spring": 2.0},
    {"kind": "lj13"},
    {"kind": "lj13", "n_particles": 4, "spatial_dim": 2, "eps": 2.0, "rm": 1.3, "trap": 0.5},
    PAIR,
]


def build(spec: dict[str, object]) -> TorchSystem:
    system = build_system(spec, TESTS)
    assert isinstance(system, TorchSystem)
    return system


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s['kind']}-{len(s)}")
def test_gradient_is_that_of_the_values_and_of_the_torch_function(spec: dict[str, object]) -> None:
    system = build(spec)
    scale = 0.03 if spec["kind"] == "lj13" else 0.2
    noise = np.random.default_rng(1).normal(size=(4, system.n_dof))
    x = system.initial().positions + scale * noise
    u, f = system.energy_and_force(Walkers(x))
    np.testing.assert_allclose(u, system.energy(Walkers(x)), rtol=1e-13)
    auto_u, auto_g = TorchSystem.value_and_gradient(system, x)
    np.testing.assert_allclose(u, auto_u, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(f, -auto_g, rtol=1e-9, atol=1e-9 * np.abs(auto_g).max())
    h = 1e-6
    along = np.random.default_rng(2).normal(size=(3, system.n_dof))
    for e in along:
        numeric = (system.energy(Walkers(x + h * e)) - system.energy(Walkers(x - h * e))) / (2 * h)
        np.testing.assert_allclose(numeric, -f @ e, rtol=1e-5, atol=1e-6 * np.abs(f).max())


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s['kind']}-{len(s)}")
def test_nothing_that_cannot_be_evaluated_raises(spec: dict[str, object]) -> None:
    system = build(spec)
    nan = Walkers(np.full((2, system.n_dof), np.nan))
    assert not np.isfinite(system.energy_and_force(nan)[0]).any()
    target = BoltzmannTarget(system)
    assert (target.log_density(np.full((1, system.n_dof), 1e200)) == -np.inf).all()
    assert np.isfinite(system.energy(system.initial())).all()


def test_many_well_partition_function() -> None:
    one = quad(lambda a: np.exp(-(a**4 - 6 * a**2 - 0.5 * a)), -8, 8, points=[-1.7, 1.7])[0]
    for dim in (2, 32):
        expected = dim // 2 * (np.log(one) + 0.5 * np.log(2 * np.pi))
        assert ManyWell(dim).log_z == pytest.approx(expected, abs=1e-9)
    right = quad(lambda a: np.exp(-(a**4 - 6 * a**2 - 0.5 * a)), 0, 8, points=[1.7])[0]
    assert ManyWell().right_probability() == pytest.approx(right / one, abs=1e-10)
    with pytest.raises(ValueError, match="even"):
        ManyWell(5)


def test_harmonic_pair_in_closed_form() -> None:
    pair = HarmonicPair(np.array([[-1.0], [1.5]]), np.array([2.0, 4.0]), (0.0, 1.2), kT=1.5)
    z = [quad(lambda x: np.exp(-pair.value(np.array([[x]]))[0] / 1.5), *r)[0]
         for r in ((-12, 0.3), (0.3, 12))]  # fmt: skip
    assert pair.log_z == pytest.approx(np.log(sum(z)), abs=1e-9)
    np.testing.assert_allclose(pair.log_z_sides(0.3), np.log(z), atol=1e-8)
    expected = -np.log(np.sqrt(2.0 / 4.0)) + 1.2 / 1.5
    assert pair.delta_f == pytest.approx(expected, abs=1e-12)
    below, above = pair.log_z_sides(0.3)
    # the regions hold each other's tails: the two differences are not the same number
    assert abs(below - above - pair.delta_f) > 0.005


def test_phi4_chain_against_a_grid() -> None:
    """N = 3 by brute force on a grid; the mean's distribution as well."""
    phi = Phi4(n=3, a=0.3, beta=8.0, field=0.4)
    axis, h = np.linspace(-3.0, 3.0, 121, retstep=True)
    points = np.stack([a.ravel() for a in np.meshgrid(axis, axis, axis, indexing="ij")], -1)
    p = np.exp(-8.0 * phi.value(points))
    assert phi.log_z == pytest.approx(np.log(p.sum() * h**3), abs=1e-9)
    mean = points.mean(1)
    p /= p.sum()
    moments = [float(p @ mean), float(p @ mean**2)]
    m = np.linspace(-2.5, 2.5, 501)
    density = phi.mean_density(m)
    found = [float((density * m**k).sum() * 0.01) for k in (1, 2)]
    np.testing.assert_allclose(found, moments, atol=1e-7)
    assert density[m > 0].sum() * 0.01 == pytest.approx(phi.positive_probability(), abs=0.003)


def test_phi4_without_a_field_is_even() -> None:
    phi = Phi4()
    x = 0.7 * np.random.default_rng(3).normal(size=(5, 64))
    u, g = phi.value_and_gradient(x)
    v, k = phi.value_and_gradient(-x)
    np.testing.assert_allclose(u, v)
    np.testing.assert_allclose(g, -k)
    assert Phi4(n=16).positive_probability() == pytest.approx(0.5, abs=1e-10)
    plus, minus = Phi4(n=16, field=0.1), Phi4(n=16, field=-0.1)
    assert plus.log_z == pytest.approx(minus.log_z, abs=1e-11)
    assert plus.positive_probability() > 0.9
    assert plus.positive_probability() + minus.positive_probability() == pytest.approx(1.0)


def test_phi4_gaussian_part_is_the_quadratic_part() -> None:
    """What is left of βU without the site terms is xᵀPx/2, P the precision of mass 0."""
    phi = Phi4(n=7)
    x = np.random.default_rng(4).normal(size=(6, 7))
    site = ((1 - x**2) ** 2).sum(1) / (4 * phi.a * phi.n)
    quadratic = 0.5 * np.einsum("ni,ij,nj->n", x, phi.gaussian_precision(0.0), x)
    np.testing.assert_allclose(phi.beta * (phi.value(x) - site), quadratic, rtol=1e-12)
    massive = phi.gaussian_precision(2.0) - phi.gaussian_precision(0.0)
    np.testing.assert_allclose(massive, np.eye(7) * phi.beta * 2.0 / (phi.a * phi.n), atol=1e-12)


@pytest.mark.parametrize("system", [DoubleWellCluster(), LennardJonesCluster()], ids=["dw", "lj"])
def test_clusters_are_symmetric_and_sit_on_a_spring(system: Particles) -> None:
    rng = np.random.default_rng(5)
    x = system.initial().positions + 0.05 * rng.normal(size=(3, system.n_dof))
    u = system.value(x)
    p = x.reshape(3, system.n_particles, system.spatial_dim)
    swapped = p[:, rng.permutation(system.n_particles)].reshape(3, -1)
    np.testing.assert_allclose(system.value(swapped), u, rtol=1e-12)
    turn = np.linalg.qr(rng.normal(size=(system.spatial_dim,) * 2))[0]
    np.testing.assert_allclose(system.value((p @ turn).reshape(3, -1)), u, rtol=1e-11)
    moved = (p - p.mean(1, keepdims=True) + 0.7).reshape(3, -1)
    rest = system.value((p - p.mean(1, keepdims=True)).reshape(3, -1))
    extra = 0.5 * system.n_particles * system.spatial_dim * 0.49
    np.testing.assert_allclose(system.value(moved) - rest, extra, rtol=1e-9)


def test_standard_pair_energies() -> None:
    """DW4: minima at 4 ± √(20/9) of −40/9, and 0 between them; Lennard-Jones: −ε at r_m."""
    at = np.array([4.0 - np.sqrt(20 / 9), 4.0, 4.0 + np.sqrt(20 / 9)])
    np.testing.assert_allclose(
        DoubleWellCluster().pair(at**2)[0], [-40 / 9, 0, -40 / 9], atol=1e-12
    )
    np.testing.assert_allclose(DoubleWellCluster().pair(at**2)[1], 0, atol=1e-12)
    np.testing.assert_allclose(LennardJonesCluster(eps=2.0, rm=1.3).pair(np.array([1.69]))[0], -2.0)
    # no soft core: half way in it is hard, and where particles coincide infinite
    assert LennardJonesCluster().pair(np.array([0.25]))[0][0] == 4096 - 128
    assert LennardJonesCluster().energy(Walkers(np.zeros((1, 39))))[0] == np.inf


def test_lennard_jones_dimer_partition_function() -> None:
    """Two particles in 1-D: centre of mass and distance factorise, log Z by quadrature."""
    pair = LennardJonesCluster(n_particles=2, spatial_dim=1, spring=2.0)
    x = np.linspace(0.5, 7.0, 20001)
    r = np.stack([x / 2, -x / 2], 1)
    weight = np.exp(-pair.value(r))
    relative = 2.0 * weight.sum() * (x[1] - x[0])
    z = relative * np.sqrt(2 * np.pi / (2 * 2.0))
    points, h = np.linspace(-8, 8, 901, retstep=True)
    a, b = np.meshgrid(points, points)
    with np.errstate(all="ignore"):
        grid = np.exp(-pair.value(np.stack([a.ravel(), b.ravel()], 1)))
    assert np.nansum(grid) * h**2 == pytest.approx(z, rel=1e-3)


def test_sampling_agrees_with_the_transfer_operator() -> None:
    """Mean field of φ⁴ in one state, with a field that leaves no other: 4 σ over 200 walkers."""
    phi = Phi4(n=16, field=0.5)
    m = np.linspace(-2.5, 2.5, 1001)
    density = phi.mean_density(m)
    exact = float((density * m).sum() * 0.005)
    kernel = Hmc(0.12, 10, kT=phi.kT, jitter=0.2)
    start = Walkers(np.repeat(phi.initial().positions, 200, axis=0))
    rng = np.random.default_rng(6)
    warm = kernel(BoltzmannTarget(phi), start, rng, n_steps=200).walkers
    done = kernel(BoltzmannTarget(phi), warm, rng, n_steps=400, record_every=4)
    assert done.trajectory is not None
    assert done.accepted.mean() > 0.6
    means = done.trajectory.mean((0, 2))
    error = means.std(ddof=1) / np.sqrt(200)
    assert abs(means.mean() - exact) < 4 * error
    assert error < 0.01


def test_collective_cvs() -> None:
    dw = build({"kind": "dw4"})
    spec = {
        "mean": {"kind": "pair_distances"},
        "rms": {"kind": "pair_distances", "statistic": "rms"},
        "low": {"kind": "pair_distances", "statistic": "smallest"},
        "high": {"kind": "pair_distances", "statistic": "largest"},
        "short": {"kind": "pair_distances", "statistic": "short", "r0": 4.0},
        "u": {"kind": "potential_energy"},
        "m": {"kind": "mean_coordinate"},
        "part": {"kind": "mean_coordinate", "indices": [0, 2]},
        "haar": {"kind": "mean_coordinate", "scale": 8**0.5},
    }
    cvs = build_cvs(spec, dw, TESTS)
    x = np.array([[0.0, 0, 2.5, 0, 2.5, 6.0, 0, 6.0]])
    d = np.array([2.5, 2.5, 6, 6, 6.5, 6.5])
    expected = [
        d.mean(), np.sqrt((d**2).mean()), 2.5, 6.5, (1 / (1 + (d / 4) ** 12)).sum(),
        dw.value(x)[0], x.mean(), 1.25,
        x.sum() / 8**0.5,
    ]  # fmt: skip
    np.testing.assert_allclose(cvs(x)[0], expected, rtol=1e-12)
    value, gradient = cvs.value_and_gradient(x + 0.01 * np.arange(8))
    h = 1e-6
    e = np.random.default_rng(7).normal(size=8)
    up = cvs(x + 0.01 * np.arange(8) + h * e)
    down = cvs(x + 0.01 * np.arange(8) - h * e)
    np.testing.assert_allclose((up - down)[0] / (2 * h), gradient[0] @ e, rtol=1e-4, atol=1e-6)
    assert value.shape == (1, len(spec))
    rg = np.sqrt(((x.reshape(4, 2) - x.reshape(4, 2).mean(0)) ** 2).sum() / 4)
    assert expected[1] == pytest.approx(np.sqrt(8 / 3) * rg)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"kind": "many_well", "dim": 7}, "dim"),
        ({"kind": "many_well", "start": "middle"}, "start"),
        ({"kind": "phi4", "n": 1}, "n"),
        ({"kind": "phi4", "beta": -1.0}, "beta"),
        ({"kind": "phi4", "field": float("nan")}, "field"),
        ({"kind": "dw4", "spring": 0.0}, "spring"),
        ({"kind": "dw4", "trap": -1.0}, "trap"),
        ({"kind": "lj13", "trap": 0.0}, "trap"),
        ({"kind": "lj13", "n_particles": 2.5}, "n_particles"),
        ({"kind": "harmonic_pair", "means": [[0.0]]}, "means"),
        ({"kind": "harmonic_pair", "means": [[0.0], [1.0]], "stiffness": [1, -1]}, "stiffness"),
        ({"kind": "harmonic_pair", "means": [[0.0], [1.0]], "offsets": [1]}, "offsets"),
        ({"kind": "harmonic_pair", "means": [[0.0], [1.0]], "start": 2}, "start"),
    ],
)
def test_wrong_entries_are_named(spec: dict[str, object], field: str) -> None:
    assert refused(spec, TESTS).path[:2] == ("system", field)


@pytest.mark.parametrize(
    "path",
    sorted((CONFIGS / "papers").glob("gabrie_*.yaml")),
    ids=lambda p: p.stem,
)
def test_campaigns_of_the_paper_build(path: Path) -> None:
    campaign = load_campaign(path)
    if "tblite" in str(campaign.spec_system()):
        pytest.importorskip("tblite")
    checked = check(campaign, path.parent)
    x = torch.as_tensor(checked.system.initial().positions)
    assert torch.isfinite(checked.cvs.torch(x)).all()


def test_a_scaled_mean_is_moved_exactly_to_where_it_is_asked() -> None:
    system = build({"kind": "phi4", "n": 8})
    spec = {"haar": {"kind": "mean_coordinate", "scale": 8**0.5, "indices": [0, 2, 5]}}
    cvs = build_cvs(spec, system, TESTS)
    surfaces = level_sets(cvs, np.linspace(1.0, 3.0, 8))
    x = np.random.default_rng(3).normal(size=(5, 8))
    np.testing.assert_allclose(surfaces.value(x), cvs(x), rtol=1e-12)
    moved, _ = surfaces.displaced(x, cvs(x) + 0.7)
    np.testing.assert_allclose(cvs(moved), cvs(x) + 0.7, rtol=1e-12)
