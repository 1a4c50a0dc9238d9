"""What a model tells of its own draws is what it answers when asked."""

from __future__ import annotations

import numpy as np
import pytest
from built_models import build

from msgen.actors.kernels.base import Target
from msgen.actors.kernels.independence import Independence
from msgen.models import Broad, Defended
from msgen.models.base import Telling
from msgen.models.coupling.flow import FlowModel
from msgen.models.defensive_mixture import draw
from msgen.systems.base import Walkers

QUICK = {"epochs": 3, "hidden": [16], "transforms": 2}
KINDS = {
    "spline": ({"kind": "spline_flow", **QUICK}, (False, False, False), 0),
    "mixed": ({"kind": "spline_flow", **QUICK}, (True, False, True), 0),
    "conditional": ({"kind": "spline_flow", **QUICK}, (True, False, False), 2),
    "realnvp": ({"kind": "realnvp", **QUICK}, (False, False, False), 0),
    "turned": ({"kind": "realnvp", "transform": "whiten", **QUICK}, (False,) * 3, 0),
    "copula": ({"kind": "copula_flow", **QUICK}, (False, False, False), 0),
    "copula_turned": ({"kind": "copula_flow", "transform": "whiten", **QUICK}, (False,) * 3, 0),
    "copula_alone": ({"kind": "copula_flow", **QUICK}, (False,), 0),
}


def fitted(name: str) -> tuple[FlowModel, np.ndarray | None]:
    """A model of two bent modes, and a context where it takes one."""
    spec, periodic, n_context = KINDS[name]
    rng = np.random.default_rng(3)
    mode = rng.random((400, 1)) < 0.3
    y = np.where(mode, -1.2, 1.3) + 0.4 * rng.normal(size=(400, len(periodic)))
    y[:, -1] += 0.5 * y[:, 0] ** 2
    context = rng.normal(size=(400, n_context)) if n_context else None
    model = build(spec, len(periodic), periodic, n_context)
    model.fit(y, seed=1, context=context)
    assert isinstance(model, FlowModel)
    return model, context


@pytest.mark.parametrize("name", KINDS)
def test_a_flow_tells_the_density_of_its_draws(name: str) -> None:
    model, context = fitted(name)
    assert isinstance(model, Telling)
    y, log_q = model.sample_with_log_prob(400, np.random.default_rng(5), context)
    np.testing.assert_array_equal(y, model.sample(400, np.random.default_rng(5), context))
    np.testing.assert_allclose(log_q, model.log_prob(y, context), rtol=0, atol=1e-8)


@pytest.mark.parametrize("eps", [0.2, 1.0])
def test_a_defended_model_tells_the_density_of_its_draws(eps: float) -> None:
    model, context = fitted("conditional")
    drawn = model.sample(400, np.random.default_rng(1), context)
    broad = Broad(model.config.periodic, mean=drawn.mean(axis=0), std=2 * drawn.std(axis=0))
    defended = Defended(model, broad, eps)
    for about in (context, context[:1] if context is not None else None):
        y, log_q = draw(defended, 400, np.random.default_rng(5), about)
        np.testing.assert_array_equal(y, defended.sample(400, np.random.default_rng(5), about))
        np.testing.assert_allclose(log_q, defended.log_prob(y, about), rtol=0, atol=1e-8)


class Gaussian(Target):
    """Standard normal, one variable."""

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return -0.5 * (x**2).sum(axis=1)


class Wide:
    """N(0, 4), which tells ln q of its draws shifted by `wrong` of the draw."""

    def __init__(self, wrong: float) -> None:
        self.wrong = wrong

    def sample(self, n: int, rng: np.random.Generator, context=None) -> np.ndarray:
        return 2.0 * rng.standard_normal((n, 1))

    def log_prob(self, y: np.ndarray, context=None) -> np.ndarray:
        return -0.125 * (y**2).sum(axis=1)

    def sample_with_log_prob(self, n: int, rng: np.random.Generator, context=None):
        y = self.sample(n, rng)
        return y, self.log_prob(y) + self.wrong * y[:, 0]


@pytest.mark.parametrize(("wrong", "right"), [(0.0, True), (0.3, False)])
def test_the_move_takes_the_model_at_its_word(wrong: float, right: bool) -> None:
    """What is told decides, so telling something else shows: 4 σ of 40,000 chains' means."""
    rng = np.random.default_rng(2)
    walkers = Walkers(rng.standard_normal((40_000, 1)))
    done = Independence(Wide(wrong))(Gaussian(), walkers, rng, n_steps=4)
    off = abs(done.walkers.positions.mean()) / done.walkers.positions.std() * np.sqrt(40_000)
    assert (off < 4.0) == right
