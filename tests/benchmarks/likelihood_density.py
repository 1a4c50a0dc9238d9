"""Log-density exactness of every model, and what the tolerance of an ODE adds to an acceptance.

`make bench NAME=likelihood_models ARGS=density`. In 2-D a model is fitted to a mixture of two
states and integrated on a grid; in 8-D its ln q is set against central differences of the map that
samples, for models that are maps. The equivariant flow has such rows of its own.

Acceptance: of independence moves between draws of the mixture, min(1, ρ(y′)q(y)/ρ(y)q(y′)), with
ln q by the adaptive solver at rtol = atol = tol against tol 1e-9, and by one probe of Hutchinson's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from adaptive_ode import with_tolerance
from built_models import build
from rows import Row

from msgen.models.continuous.model import ContinuousModel
from msgen.models.continuous.ode_likelihood import log_likelihood
from msgen.systems.base import Array

KINDS = ("spline_flow", "realnvp", "copula_flow", "cnf", "flow_matching", "score", "kde")
QUICK: dict[str, dict[str, Any]] = {"cnf": {"epochs": 5}, "flow_matching": {"epochs": 60}}
QUICK["score"] = {"epochs": 60}
MAPS = ("spline_flow", "realnvp", "copula_flow", "cnf", "flow_matching")
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
PAIRS = 400


def rows(*kinds: str) -> list[Row]:
    """Rows of the kinds asked for, all by default."""
    torch.set_num_threads(1)
    found = []
    for kind in kinds or KINDS:
        model = build({"kind": kind, **QUICK.get(kind, {})}, 2, (False, False))
        model.fit(draw(4000, 0)[0], seed=1)
        off = abs(_mass(model) - 1)
        found.append(Row(f"{kind}, 2-D, |∫q − 1|", off, "", "0", "≤ 1e-3", off <= 1e-3))
        if kind in MAPS:
            off = _brute_force(kind)
            found.append(
                Row(f"{kind}, 8-D, |ln q − Jacobian|", off, "nats", "0", "≤ 1e-4", off <= 1e-4)
            )
        if isinstance(model, ContinuousModel):
            found += _tolerance(kind, model)
    return found


def draw(n: int, seed: int) -> tuple[Array, Array]:
    """Draws of the mixture, shape (n, 2), and their ln ρ."""
    rng = np.random.default_rng(seed)
    left = rng.random((n, 1)) < 0.3
    y = np.where(left, -1.5, 1.5) * [1.0, 0.5] + 0.4 * rng.standard_normal((n, 2))
    parts = [
        np.log(share) - 0.5 * (((y - np.array(mean)) / 0.4) ** 2).sum(axis=1)
        for share, mean in ((0.3, (-1.5, -0.75)), (0.7, (1.5, 0.75)))
    ]
    return y, np.logaddexp(*parts) - np.log(2 * np.pi * 0.16)


def _mass(model: Any) -> float:
    axis = (np.arange(400) + 0.5) / 400 * 12 - 6
    if model.state().config["kind"] in ("cnf", "flow_matching", "score"):
        axis = (np.arange(80) + 0.5) / 80 * 9 - 4.5
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return float(np.exp(model.log_prob(points)).sum() * (axis[1] - axis[0]) ** 2)


def _brute_force(kind: str) -> float:
    """Largest difference of ln q from one by differences of the map, over ten draws."""
    rng = np.random.default_rng(0)
    model: Any = build({"kind": kind, "epochs": 2}, 8, (False,) * 8)
    model.fit(rng.normal(size=(1000, 8)) @ rng.normal(size=(8, 8)) * 0.5, seed=0)
    z, step = rng.standard_normal((10, 8)), 1e-4
    columns = [
        (model.from_latent(z + step * e)[0] - model.from_latent(z - step * e)[0]) / (2 * step)
        for e in np.eye(8)
    ]
    base = -0.5 * (z * z).sum(axis=1) - 4 * np.log(2 * np.pi)
    expected = base - np.linalg.slogdet(np.stack(columns, axis=-1))[1]
    return float(np.abs(model.log_prob(model.from_latent(z)[0]) - expected).max())


def _tolerance(kind: str, model: ContinuousModel) -> list[Row]:
    y, log_rho = draw(2 * PAIRS, 7)

    def acceptance(log_q: Array) -> Array:
        w = log_rho - log_q
        return np.minimum(1.0, np.exp(w[PAIRS:] - w[:PAIRS]))

    exact = with_tolerance(model, 1e-9).log_prob(y)
    found, true = [], acceptance(exact)

    def told(what: str, log_q: Array, reference: str = "tol 1e-9") -> None:
        rms = float(np.sqrt(np.mean((log_q - exact) ** 2)))
        off = float(np.abs(acceptance(log_q) - true).mean())
        found.append(Row(f"{kind}, {what}, RMS error of ln q", rms, "nats", reference))
        found.append(Row(f"{kind}, {what}, mean error of acceptance", off, "", reference))

    for tol in TOLERANCES:
        loose = with_tolerance(model, tol)
        told(f"ODE at tol {tol:.0e}", loose.log_prob(y))
    alone = np.concatenate([with_tolerance(model, 1e-3).log_prob(row[None]) for row in y[:20]])
    beside = with_tolerance(model, 1e-3).log_prob(y)[:20]
    what = f"{kind}, ODE at tol 1e-3, ln q of a row alone and among {len(y)}"
    found.append(Row(what, float(np.abs(alone - beside).max()), "nats"))
    told("one Hutchinson probe", _one_probe(model, y))
    drawn, with_it = model.sample_with_log_prob(PAIRS, np.random.default_rng(1))
    off = float(np.abs(model.log_prob(drawn) - with_it).max())
    what = f"{kind}, map of {model.config.steps} steps, ln q of draws, there and back"
    found.append(Row(what, off, "nats", "0", "≤ 1e-4", off <= 1e-4))
    off = float(np.sqrt(np.mean((model.log_prob(y) - exact) ** 2)))
    what = f"{kind}, map of {model.config.steps} steps, RMS distance of its ln q from the ODE's"
    found.append(Row(what, off, "nats"))
    return found


def _one_probe(model: ContinuousModel, y: Array) -> Array:
    density: Any = model.network()
    probe = 2.0 * np.random.default_rng(2).integers(0, 2, y.shape) - 1
    field = density.net.field()
    v = density.to_unit(torch.as_tensor(y))
    label = field.embed(None, len(v))
    log_q, _ = log_likelihood(field, density.base, v, label, 32, torch.as_tensor(probe))
    out: Array = (log_q + density.log_unit).detach().numpy()
    return out
