"""Windows of one order that have a width each: every walker is held by its own restraint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alanine_molecule import molecule

from msgen.actors.base import Tree, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.local_kernel import paced
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.langevin import Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.orders.umbrella import UmbrellaPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.umbrella import sample_windows
from msgen.systems.base import Array, Walkers

KAPPA = np.array([4.0, 400.0, 100.0])
CENTRES = np.array([-1.4, -0.6, -0.8])
BY_WIDTH = np.sqrt(KAPPA.min() / KAPPA)
LADDERS, BLOCKS = 300, 40
SIGMAS = 4.5


def setup(kind: str) -> Tree:
    local = {"kind": kind, "step_size": 0.25 if kind == "hmc" else 0.06, "leapfrog": 5}
    return {
        "system": {"kind": "double_well"},
        "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2.0, 2.0], "bins": 40}},
        "strategy": {"local": local},
        "seed": 3,
    }


def moments(kind: str, pace: Array | None, kappa: Array = KAPPA) -> tuple[Array, Array, float]:
    """Mean of ξ over the ladders and its error, shape (3,), and the share of moves accepted.

    Stretches differ in length, so that the walkers left are others from chunk to chunk.
    """
    context = WorkerContext(setup(kind))
    slots = np.arange(3 * LADDERS)
    window = slots % 3
    payload = UmbrellaPayload(
        walkers=WalkerRows(np.stack([CENTRES[window], np.zeros(len(slots))], axis=1)),
        slots=slots,
        window=window,
        who=slots,
        lam=CENTRES[window][:, None],
        kappa=kappa[window][:, None],
        restrained=True,
        chunks=np.array([3, 1, 2])[window],
        steps=4,
        blocks=BLOCKS,
        pairs=np.zeros((0, 3), dtype=np.int64),
        pace=None if pace is None else pace[window],
    )
    done = sample_windows(context, WorkOrder.of(0, payload), np.random.default_rng(7))
    xi, of = done.samples["cvs"][:, 0], done.samples["replica"].astype(int)
    each = np.zeros(len(slots))
    for s in slots:
        mine = xi[of == s]
        each[s] = mine[len(mine) // 2 :].mean()
    each = each.reshape(LADDERS, 3)
    share = done.counts["local_accepted"] / done.counts["local_proposed"]
    return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(LADDERS), share


def exact(kappa: Array = KAPPA) -> Array:
    """Mean of ξ in each window, by quadrature over both coordinates."""
    context = WorkerContext(setup("mala"))
    a, b = np.linspace(-3.0, 3.0, 1201), np.linspace(-6.0, 6.0, 401)
    x = np.stack([g.ravel() for g in np.meshgrid(a, b, indexing="ij")], axis=1)
    u = context.system.energy(Walkers(x)) / context.system.kT
    out = []
    for lam, k in zip(CENTRES, kappa, strict=True):
        w = u + 0.5 * k * (x[:, 0] - lam) ** 2
        p = np.exp(-(w - w.min()))
        out.append(float((p * x[:, 0]).sum() / p.sum()))
    return np.array(out)


@pytest.mark.parametrize(("kind", "pace"), [("mala", None), ("mala", BY_WIDTH), ("hmc", BY_WIDTH)])
def test_every_window_has_its_own_density(kind: str, pace: Array | None) -> None:
    mean, error, _ = moments(kind, pace)
    assert np.abs((mean - exact()) / error).max() < SIGMAS
    # the twin: one width for all is seen
    assert np.abs((mean - exact(np.full(3, 4.0))) / error).max() > 2 * SIGMAS


def test_moves_as_far_as_in_the_widest_stand_still_in_the_narrowest() -> None:
    _, far, share = moments("hmc", None)
    _, near, more = moments("hmc", BY_WIDTH)
    assert far[1] < 1e-9 < near[1]
    assert more > share + 0.1


def test_half_as_far_is_half_a_time_step_or_a_quarter_of_a_diffusive_one() -> None:
    pace = np.array([1.0, 0.5])
    hmc, mala = paced(Hmc(0.2), pace), paced(Mala(0.2), pace)
    assert isinstance(hmc, Hmc)
    assert isinstance(mala, Mala)
    np.testing.assert_allclose(hmc.dt, [[0.2], [0.1]])
    np.testing.assert_allclose(mala.dt, [[0.2], [0.05]])
    # dynamics go by the clock
    steps = Langevin(0.1, 1.0)
    assert paced(steps, pace) is steps


def test_twin_that_holds_the_first_rows_in_place_of_those_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Conditional, "of_rows", lambda g, index: replace(g, kappa=g.kappa[: len(index)])
    )
    mean, error, _ = moments("mala", None)
    assert np.abs((mean - exact()) / error).max() > 2 * SIGMAS


def test_a_molecule_is_held_by_the_restraint_of_its_row() -> None:
    system, cvs = molecule()
    engine = MoleculeEngine(system, cvs)
    g = Conditional(np.array([[40.0, 90.0], [5.0, 7.0]]), np.array([True, True]))
    engine.set_local_restraint(g)
    engine.begin(np.random.default_rng(34))
    xi = engine.load(system.initial())
    plain = engine.stepper(False).energy_and_forces()[0]
    lam = xi[0] + [0.3, -0.2]
    for row in (0, 1, 0):
        engine.restrain(row, lam)
        held = engine.stepper(True).energy_and_forces()[0] - plain
        # the force leaves the constant out
        kappa = g.kappa[row]
        asked = float((-kappa * np.cos(lam - xi[0])).sum()) * system.kT
        assert held == pytest.approx(asked, abs=2e-3)
