"""Learnt energies: what changes nothing, gradients, states that come back, what a fit learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from silver import capped_bipyramid, octahedron

from msgen.models.base import Array, Json
from msgen.models.surrogate.committee import Committee, load_committee
from msgen.models.surrogate.descriptors import SymmetryFunctions, with_jacobian
from msgen.models.surrogate.fitting import fit_committee, useful, worth_keeping

ATOMS: dict[str, Json] = {
    "kind": "symmetry_functions",
    "n_dof": 18,
    "kinds": [0, 0, 0, 0, 1, 1],
    "cutoff": 0.6,
    "radial": 12,
    "width": 24,
    "members": 3,
}
LINE: dict[str, Json] = {"kind": "coordinates", "n_dof": 2, "kinds": [], "width": 16, "members": 3}


def shaken(n: int, seed: int = 0, by: float = 0.02) -> Array:
    rng = np.random.default_rng(seed)
    start = 0.1 * np.array([octahedron().ravel(), capped_bipyramid().ravel()])
    return np.asarray(start[np.arange(n) % 2] + by * rng.standard_normal((n, 18)))


def begun() -> Committee:
    model, x = Committee(ATOMS), shaken(20)
    model.begin(x, np.arange(20.0), seed=1)
    return model


def test_no_rotation_shift_or_exchange_of_like_atoms_changes_them() -> None:
    model, rng = begun(), np.random.default_rng(2)
    p = shaken(1, 3).reshape(6, 3)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    like, unlike = p[[2, 0, 3, 1, 5, 4]], p[[4, 1, 2, 3, 0, 5]]
    moved = np.array([p.ravel(), (p @ turn - 3.0).ravel(), like.ravel(), unlike.ravel()])
    told = model.tell(moved)
    np.testing.assert_allclose(told.energy[1:3], told.energy[0], rtol=1e-10)
    np.testing.assert_allclose(told.disagreement[1:3], told.disagreement[0], rtol=1e-8)
    assert abs(told.energy[3] - told.energy[0]) > 1e-3


def test_an_atom_that_leaves_is_forgotten_smoothly() -> None:
    """Nothing jumps where it passes the cutoff."""
    model = begun()
    x = np.repeat(shaken(1), 41, axis=0).reshape(41, 6, 3)
    x[:, 0, 0] += np.linspace(0.0, 1.2, 41)
    told = model.tell(x.reshape(41, 18))
    fine = np.repeat(x[:1], 1001, axis=0)
    fine[:, 0, 0] = x[0, 0, 0] + np.linspace(0.3, 0.8, 1001)
    steps = np.abs(np.diff(model.tell(fine.reshape(1001, 18)).energy))
    assert steps.max() < 0.05 * np.ptp(told.energy) + 1e-9
    assert np.abs(told.gradient[-1].reshape(6, 3)[0]).max() < 1e-8


@pytest.mark.parametrize("config", [ATOMS, LINE])
def test_gradients_are_those_of_finite_differences(config: dict[str, Json]) -> None:
    n = int(str(config["n_dof"]))
    model = Committee(config)
    x = shaken(8) if n == 18 else np.random.default_rng(1).standard_normal((8, 2))
    model.begin(x, np.arange(8.0), seed=4)
    way = np.random.default_rng(5).standard_normal(x.shape)
    told, h = model.tell(x), 1e-6
    numeric = (model.tell(x + h * way).energy - model.tell(x - h * way).energy) / (2 * h)
    np.testing.assert_allclose((told.gradient * way).sum(1), numeric, rtol=1e-5, atol=1e-6)
    log_density, gradient = model.log_density_and_gradient(x)
    np.testing.assert_array_equal(log_density, -told.energy)
    np.testing.assert_array_equal(gradient, -told.gradient)
    np.testing.assert_allclose(model.log_density(x), log_density, rtol=1e-12)


def test_jacobians_of_descriptors_are_theirs() -> None:
    seen, x = SymmetryFunctions([0, 0, 0, 0, 1, 1], 0.6, 6), torch.as_tensor(shaken(1))
    value, jacobian = with_jacobian(seen, x)
    way = torch.as_tensor(np.random.default_rng(6).standard_normal((1, 18)))
    found = torch.einsum("nafd,nd->naf", jacobian, way)
    here = x.clone().requires_grad_(True)
    weights = torch.as_tensor(np.random.default_rng(7).standard_normal(value.shape))
    (exact,) = torch.autograd.grad((seen(here) * weights).sum(), here)
    assert float((found * weights).sum()) == pytest.approx(float((exact * way).sum()), rel=1e-6)
    np.testing.assert_array_equal(value, seen(x))


def test_a_state_comes_back_bit_for_bit() -> None:
    model = begun()
    again = load_committee(model.state())
    x = shaken(3, 7)
    for a, b in zip(vars(model.tell(x)).values(), vars(again.tell(x)).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(weight.requires_grad for weight in again.parameters())


def morse(x: Array) -> tuple[Array, Array]:
    """U of Morse pairs, 4 kT deep, and its gradient."""
    t = torch.tensor(x, requires_grad=True)
    p = t.reshape(len(x), -1, 3)
    i, j = torch.triu_indices(6, 6, offset=1)
    e = torch.exp(-15.0 * (torch.linalg.vector_norm(p[:, i] - p[:, j], dim=-1) - 0.27))
    u = 4.0 * ((1.0 - e) ** 2 - 1.0).sum(-1)
    (gradient,) = torch.autograd.grad(u.sum(), t)
    return u.detach().numpy(), gradient.numpy()


def test_a_fit_learns_and_tells_where_it_has_not_been() -> None:
    """Pairs of one element; the error is below a fifth of what there is to be learnt."""
    x = shaken(240, 8, by=0.012)
    energy, gradient = morse(x)
    model = Committee({**ATOMS, "kinds": [0] * 6})
    learnt = fit_committee(model, x, energy, gradient, seed=9, updates=150, batch=32)
    assert learnt.error < 0.2 * learnt.spread
    fresh, far = shaken(60, 10, by=0.012), shaken(60, 10, by=0.06)
    told = model.tell(fresh)
    assert np.std(told.energy - morse(fresh)[0]) < 0.3 * learnt.spread
    assert np.median(model.tell(far).disagreement) > 3.0 * np.median(told.disagreement)
    # what lies on top of each other is not let through
    assert model.tell(np.zeros((1, 18)) + 1e-3 * shaken(1)).energy[0] > 1e3
    rows = worth_keeping(model, np.concatenate([fresh, far]), 40, np.random.default_rng(11))
    assert len(rows) == 40
    assert (rows >= 60).sum() >= 20


def test_the_same_seed_gives_the_same_fit() -> None:
    x = np.random.default_rng(3).standard_normal((60, 2))
    states = []
    for seed in (1, 1, 2):
        model = Committee(LINE)
        fit_committee(model, x, (x**2).sum(1), 2.0 * x, seed=seed, updates=8)
        states.append(model.state().arrays["w1"])
    np.testing.assert_array_equal(states[0], states[1])
    assert not np.array_equal(states[0], states[2])


def test_what_lies_too_high_is_not_learnt_from() -> None:
    energy = np.array([-3.0, 10.0, 36.0, 40.0, np.inf, np.nan])
    assert useful(energy, 18).tolist() == [True, True, False, False, False, False]
    assert not useful(np.array([np.nan]), 18).any()
