"""Flows of identical particles: symmetry, and the exact density of the map that samples."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from built_models import build
from torch import Tensor

from msgen.models import load
from msgen.models.continuous.equivariant_coupling import equivariant_transport, laid_on
from msgen.models.continuous.equivariant_flow import EquivariantConfig, EquivariantFlow
from msgen.models.continuous.equivariant_units import ParticleUnits
from msgen.models.continuous.map_likelihood import MapLikelihood
from msgen.models.continuous.model import times
from msgen.models.continuous.ode_likelihood import log_likelihood
from msgen.models.nets.equivariant_net import PairNet
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.systems.errors import SpecError

QUICK: dict[str, Any] = {"kind": "equivariant_flow", "epochs": 12, "batch": 128, "steps": 4}


class Absolute(PairNet):
    """The wrong twin: it is fed absolute coordinates as well."""

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(x, t) + 0.1 * torch.sin(3 * x)

    def velocity_and_jacobian(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        v, jacobian = super().velocity_and_jacobian(x, t)
        return v + 0.1 * torch.sin(3 * x), jacobian + torch.diag_embed(0.3 * torch.cos(3 * x))


class Blind(PairNet):
    """The wrong twin of the Jacobian: it leaves out what a pair feels of third particles."""

    def _bend(self, to_own: Tensor, to_p: Tensor, a: Tensor, a_slope: Tensor) -> Tensor:
        return torch.zeros_like(super()._bend(to_own, to_p, a, a_slope))


def net(kind: type[PairNet], particles: int, space: int) -> PairNet:
    with torch.random.fork_rng(devices=[]):
        out = kind(particles, space, 2, 16).double()
    out.reset(torch.Generator().manual_seed(3))
    with torch.no_grad():
        # as large as that of a fitted one
        out.last.weight.mul_(10)
    return out


def cluster(n: int, particles: int, space: int, seed: int) -> np.ndarray:
    """A rough cluster away from the origin, (n, N·d)."""
    rng = np.random.default_rng(seed)
    x = 1.3 * rng.standard_normal((n, particles, space))
    x *= 1 + 0.5 * np.tanh(x[:, :, :1] ** 2).mean(axis=1, keepdims=True)
    out: np.ndarray = (x + 0.4 * rng.standard_normal((n, 1, space)) + 0.7).reshape(n, -1)
    return out


@cache
def fitted(particles: int, space: int) -> EquivariantFlow:
    model = build({**QUICK, "space": space}, particles * space, (False,) * (particles * space))
    model.fit(cluster(600, particles, space, 0), seed=1)
    assert isinstance(model, EquivariantFlow)
    return model


def turned(y: np.ndarray, particles: int, space: int, seed: int, mirror: bool) -> np.ndarray:
    """Turned, or reflected, about the centre of mass, and permuted."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((space, space)))[0]
    if (np.linalg.det(q) < 0) != mirror:
        q[:, 0] *= -1
    x = y.reshape(len(y), particles, space)
    centre = x.mean(axis=1, keepdims=True)
    out: np.ndarray = ((x - centre) @ q + centre)[:, rng.permutation(particles)]
    return out.reshape(len(y), -1)


def asymmetry(model: EquivariantFlow, particles: int, space: int) -> float:
    """Largest change of ln q under what must not change it."""
    y = cluster(12, particles, space, 5)
    images = [turned(y, particles, space, k, bool(k % 2)) for k in range(4)]
    here = model.log_prob(y)
    return float(max(np.abs(model.log_prob(image) - here).max() for image in images))


@pytest.mark.parametrize(("particles", "space"), [(4, 2), (5, 3)])
def test_log_prob_knows_no_orientation_handedness_or_order(particles: int, space: int) -> None:
    model = fitted(particles, space)
    assert asymmetry(model, particles, space) < 1e-5
    twin = EquivariantFlow.from_state(model.state())
    wrong = net(Absolute, particles, space)
    twin._density.net = wrong
    assert asymmetry(twin, particles, space) > 1e-2


def test_moving_all_particles_changes_only_the_gaussian_of_their_centre() -> None:
    particles, space = 4, 2
    model, y = fitted(particles, space), cluster(12, particles, space, 6)
    shift = np.array([0.8, -0.5])
    moved = y + np.tile(shift, particles)

    def centre(y: np.ndarray) -> np.ndarray:
        """ln density of √N times the centre of mass."""
        width = float(model._density.centre_scale)
        at = y.reshape(-1, particles, space).mean(axis=1) - model._density.loc.numpy()[:space]
        return -0.5 * particles * (at**2).sum(axis=1) / width**2

    free = model.log_prob(y) - centre(y)
    assert np.abs(model.log_prob(moved) - centre(moved) - free).max() < 1e-5
    twin = EquivariantFlow.from_state(model.state())
    twin._density.net = net(Absolute, particles, space)
    free = twin.log_prob(y) - centre(y)
    assert np.abs(twin.log_prob(moved) - centre(moved) - free).max() > 1e-2


@pytest.mark.parametrize(("particles", "space"), [(2, 2), (4, 2), (6, 3)])
def test_jacobian_is_that_of_the_velocity(particles: int, space: int) -> None:
    x, t = torch.as_tensor(cluster(5, particles, space, 2)), torch.tensor([0.4]).double()

    @torch.no_grad()
    def error(kind: type[PairNet]) -> float:
        velocity = net(kind, particles, space)
        v, jacobian = velocity.velocity_and_jacobian(x, t)
        by_rows = torch.func.vmap(torch.func.jacrev(lambda row: velocity(row[None], t)[0]))(x)
        assert torch.allclose(v, velocity(x, t), rtol=0, atol=1e-12)
        return float((jacobian - by_rows).abs().max())

    assert error(PairNet) < 1e-10
    if particles > 2:
        assert error(Blind) > 1e-3


def test_density_is_that_of_the_map_that_samples() -> None:
    # 3 particles in the plane: the Jacobian of the whole map, column by column
    model = fitted(3, 2)
    density, z = model._density, torch.as_tensor(model._density.base.sample(6, rng(1)))
    flow = model._flow(density.net.field())

    def draw(row: Tensor) -> Tensor:
        return density.from_unit(flow.push(row[None], None))[0]

    jacobian = torch.stack([torch.autograd.functional.jacobian(draw, row) for row in z])
    y = torch.stack([draw(row) for row in z]).detach()
    brute = (density.base.log_prob(z) - torch.linalg.slogdet(jacobian).logabsdet).numpy()
    assert np.abs(model.log_prob(y.numpy()) - brute).max() < 1e-4
    ours, with_it = model.sample_with_log_prob(6, rng(1))
    assert np.abs(ours - y.numpy()).max() < 1e-12
    assert np.abs(with_it - brute).max() < 1e-8
    # the wrong twin: the trace along the ODE in as many steps is the density of no such map
    with torch.no_grad():
        v = density.to_unit(y)
        trace, _ = log_likelihood(density.net.field(), density.base, v, None, 4, None)
        wrong = (trace + density.log_unit).numpy()
    assert np.abs(wrong - brute).max() > 1e-3


def test_density_integrates_to_one() -> None:
    # 2 particles in the plane: ln q depends on their distance r and the centre of mass, whose
    # Gaussian is known; r/√2 is the radius in orthogonal coordinates
    model = fitted(2, 2)
    scale, width = float(model._density.scale[0]), float(model._density.centre_scale)
    radius = np.linspace(0, 9 * scale, 1500)
    at = model._density.loc.numpy()[:2]
    y = np.tile(at, (len(radius), 2))
    y[:, 0] += radius / math.sqrt(2)
    y[:, 2] -= radius / math.sqrt(2)
    q = np.exp(model.log_prob(y)) * (2 * math.pi * width**2)
    assert abs(np.trapezoid(2 * math.pi * radius * q, radius) - 1) < 1e-3
    # the wrong twin leaves out the unit of the centre of mass
    assert abs(np.trapezoid(2 * math.pi * radius * q * width**2, radius) - 1) > 1e-1


def test_units_are_a_bijection_of_known_determinant() -> None:
    y = cluster(500, 4, 3, 3)
    units = ParticleUnits(net(PairNet, 4, 3)).double()
    weights = rng(0).random(500)
    units.standardise(y, weights, None)
    x = torch.as_tensor(y[:3])
    assert torch.allclose(units.from_unit(units.to_unit(x)), x, rtol=0, atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(lambda row: units.to_unit(row[None])[0], x[0])
    assert abs(float(torch.linalg.slogdet(jacobian).logabsdet - units.log_unit)) < 1e-10
    # in these units the weighted data have mean 0 and variance 1 in both parts
    v = units.to_unit(torch.as_tensor(y)).numpy().reshape(500, 4, 3)
    centre, share = v.mean(axis=1), weights / weights.sum()
    assert np.abs(share @ centre).max() < 1e-12
    assert abs(4 * (share @ centre**2).mean() - 1) < 1e-12
    rest = share @ ((v - centre[:, None]) ** 2).sum(axis=(1, 2))
    assert abs(rest / 9 - 1) < 1e-12
    assert units.fits(y, weights)
    assert not units.fits(2 * y, weights)


def test_noise_laid_on_a_sample_is_an_image_of_it_and_nearer() -> None:
    z, x = (v.reshape(200, 5, 3) for v in (cluster(200, 5, 3, 8), cluster(200, 5, 3, 9)))
    z, x = z - z.mean(axis=1, keepdims=True), x - x.mean(axis=1, keepdims=True)
    laid = laid_on(z, x)
    before, after = (((v - x) ** 2).sum(axis=(1, 2)) for v in (z, laid))
    assert (after <= before + 1e-12).all()
    assert after.mean() < 0.5 * before.mean()

    def distances(v: np.ndarray) -> np.ndarray:
        i, j = np.triu_indices(5, 1)
        return np.sort(np.linalg.norm(v[:, i] - v[:, j], axis=-1), axis=1)

    assert np.abs(distances(laid) - distances(z)).max() < 1e-10
    # the centre of mass stays where the sample has it
    y = cluster(20, 5, 3, 10)
    start = equivariant_transport(3)(cluster(20, 5, 3, 11), y, rng(0))
    shift = (start - y).reshape(20, 5, 3).mean(axis=1)
    assert np.abs(shift).max() < 1e-12


def test_fits_repeat_and_states_restore() -> None:
    model = fitted(3, 2)
    again = build({**QUICK, "space": 2}, 6, (False,) * 6)
    again.fit(cluster(600, 3, 2, 0), seed=1)
    back, y = load(model.state()), cluster(5, 3, 2, 4)
    assert back.state().config["kind"] == "equivariant_flow"
    assert np.array_equal(model.log_prob(y), again.log_prob(y))
    assert np.array_equal(model.log_prob(y), back.log_prob(y))
    assert np.array_equal(model.sample(4, rng(2)), back.sample(4, rng(2)))
    assert model.log_prob(np.full((1, 6), np.nan))[0] == -np.inf


@pytest.mark.parametrize(
    ("spec", "dim", "periodic", "context", "field"),
    [
        ({"space": 3}, 8, False, 0, "space"),
        ({"space": 2}, 2, False, 0, "space"),
        ({}, 6, True, 0, "kind"),
        ({}, 6, False, 1, "kind"),
        ({"interpolant": "linear"}, 6, False, 0, "interpolant"),
    ],
)
def test_what_it_cannot_be_is_refused(
    spec: dict[str, Any], dim: int, periodic: bool, context: int, field: str
) -> None:
    with pytest.raises((CampaignError, SpecError)) as error:
        build({"kind": "equivariant_flow", **spec}, dim, (periodic,) * dim, context)
    wrong = error.value
    path = wrong.path if isinstance(wrong, SpecError) else dotted(wrong.problems[0].path)
    assert path == f"model.{field}"


def test_config_survives_json() -> None:
    config = fitted(3, 2).config
    assert EquivariantConfig.from_json(config.to_json()) == config


def test_refining_raises_the_likelihood() -> None:
    # large or small, which one Gaussian is not
    both = cluster(520, 3, 2, 0) * rng(1).choice([0.3, 1.5], (520, 1))
    y, new = both[:400], both[400:]
    brief = {**QUICK, "space": 2, "epochs": 1}
    matched, refined = (build({**brief, "refine": n}, 6, (False,) * 6) for n in (0, 12))
    matched.fit(y, seed=1)
    report = refined.fit(y, seed=1)
    told = refined.log_prob(new)
    gain = told - matched.log_prob(new)
    # 4 standard errors of the paired mean
    assert gain.mean() > 4 * gain.std() / math.sqrt(len(new))
    # and the loss is in nats: that of new data to 4 of its standard errors, 40 were held out
    assert abs(report.held_out_loss + told.mean()) < 4 * told.std() / math.sqrt(40)
    # a restored one goes on from there: matching first would throw it back
    later = load(refined.state())
    later.fit(y, seed=2)
    change = later.log_prob(new) - told
    assert change.mean() > -4 * change.std() / math.sqrt(len(new))


def test_loss_of_a_map_is_that_of_its_very_steps() -> None:
    model, y = fitted(3, 2), cluster(4, 3, 2, 13)
    density = model._density
    v = density.to_unit(torch.as_tensor(y))
    back = ProbabilityFlow(density.net.field(), times(2)[::-1])
    rows = [torch.autograd.functional.jacobian(lambda u: back.push(u[None], None)[0], u) for u in v]
    log_det = torch.linalg.slogdet(torch.stack(rows)).logabsdet
    brute = -(density.base.log_prob(back.push(v, None)) + log_det + density.log_unit)
    loss = MapLikelihood(v, density.base, float(density.log_unit), times(2))
    assert torch.allclose(loss(density.net, torch.arange(4), None), brute, rtol=0, atol=1e-8)
    # the wrong twin takes the trace along as many steps
    trace, _ = log_likelihood(density.net.field(), density.base, v, None, 2, None)
    assert float((-(trace + density.log_unit) - brute).detach().abs().max()) > 1e-3


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
