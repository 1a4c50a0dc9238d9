"""Fits of a committee to energies and forces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from msgen.models.base import Array
from msgen.models.surrogate.committee import Committee
from msgen.models.surrogate.descriptors import Repulsion, with_jacobian
from msgen.models.training.descent import WarmCosine

HELD_OUT = 0.15
"""Share of the data that no member sees."""
WINDOW = 20.0
"""kT above what equipartition has, twice, up to which configurations are learnt from."""


@dataclass(frozen=True)
class Learnt:
    """How well a committee tells what it was not shown.

    Attributes
    ----------
    error : float
        Root of the mean square of its energy's error on held-out data, kT, less a constant: none
        matters to a test.
    spread : float
        Standard deviation of these energies.
    """

    error: float
    spread: float


def useful(energy: Array, n_dof: int) -> NDArray[np.bool_]:
    """Which configurations are worth learning from: those that the ensemble comes near to.

    Parameters
    ----------
    energy : Array, shape (n,)
        U/kT.
    n_dof : int
    """
    finite = np.isfinite(energy)
    if not finite.any():
        return np.asarray(finite)
    return np.asarray(finite & (energy < energy[finite].min() + n_dof + WINDOW))


def fit_committee(
    model: Committee,
    x: Array,
    energy: Array,
    gradient: Array,
    *,
    seed: int,
    updates: int,
    batch: int = 48,
    rate: float = 0.015,
) -> Learnt:
    """Fit all members, each by its own batches; deterministic in `seed`.

    .. math:: \\frac{⟨(E - U)^2⟩}{\\mathrm{Var}\\,U} + \\frac{⟨|∇E - ∇U|^2⟩}{⟨|∇U|^2⟩}

    Parameters
    ----------
    x, energy, gradient : Array, shapes (n, D), (n,) and (n, D)
        U and ∇U in kT.
    updates : int
        Steps of Adam, whose rate is warmed up to `rate` and lowered by a cosine.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    cut = max(1, round(HELD_OUT * len(x)))
    held, shown = order[:cut], order[cut:] if len(x) > cut else order
    model.begin(x[shown], energy[shown], seed)
    members = len(model.get_parameter("w1"))
    # descriptors do not change, so that a step goes through the nets alone
    seen, slopes = with_jacobian(model.seen, torch.as_tensor(x[shown]))
    t_u, t_g = torch.as_tensor(energy[shown]), torch.as_tensor(gradient[shown])
    of_u = max(float(np.var(energy[shown])), 1e-6)
    of_g = max(float(np.mean(np.sum(gradient[shown] ** 2, axis=1))), 1e-12)
    if model.core is not None:
        core, push = _core(model.core, torch.as_tensor(x[shown]))
        t_u, t_g = t_u - core, t_g - push
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    factor = WarmCosine(updates)
    for step in range(updates):
        pick = torch.as_tensor(rng.integers(len(shown), size=min(batch, len(shown))))
        here = seen[pick].expand(members, -1, -1, -1).clone().requires_grad_(True)
        each = model.of_seen(here)
        (by_seen,) = torch.autograd.grad(each.sum(), here, create_graph=True)
        slope = torch.einsum("mnaf,nafd->mnd", by_seen, slopes[pick])
        off = ((each - t_u[pick]) ** 2).mean() / of_u
        tilt = ((slope - t_g[pick]) ** 2).sum(-1).mean() / of_g
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(off + tilt)
        for group in adam.param_groups:
            group["lr"] = rate * factor(step)
        torch.nn.utils.clip_grad_norm_(list(model.parameters()), 10.0)
        adam.step()
    told = model.tell(x[held])
    return Learnt(float(np.std(told.energy - energy[held])), float(np.std(energy[held])))


def _core(core: Repulsion, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy and gradient of the repulsion, which is not learnt."""
    here = x.clone().requires_grad_(True)
    energy = core(here)
    (gradient,) = torch.autograd.grad(energy.sum(), here)
    return energy.detach(), gradient.detach()


def worth_keeping(
    model: Committee, x: Array, most: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Which rows of too many stay: half of `most` where the committee disagrees, the rest by lot.

    Returns
    -------
    int array, shape (at most `most`,), in ascending order
    """
    if len(x) <= most:
        return np.arange(len(x))
    unsure = np.argsort(-model.tell(x).disagreement, kind="stable")
    first, left = unsure[: most // 2], unsure[most // 2 :]
    return np.sort(np.concatenate([first, rng.permutation(left)[: most - len(first)]]))
