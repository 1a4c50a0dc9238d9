"""The targeted strategy on two harmonic states with everything known in closed form."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driving import Drive, same, setup_of
from torsion_molecule import KT, exact_upper, potential, write

from msgen.actors.base import encode
from msgen.actors.configurations.state_models import StateModels
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.target import TargetPayload
from msgen.actors.worker import Worker
from msgen.models import load
from msgen.orchestrator.estimators.targeted import deep_bar
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.strategies.targeted.estimate import Joins
from msgen.systems import Walkers
from msgen.systems.coordinates.representation import Cartesian
from msgen.systems.potentials.harmonic_pair import HarmonicPair

PAIR = "papers/gabrie_free_energy_pair"
SMALL = (
    "system.means=[[-2, 0], [2, 1]]",
    "system.stiffness=[[1, 2], [4, 6]]",
    "system.offsets=[0, -0.4]",
    "states={A: {x: [-7, 0]}}",
    "replicas=16",
    "strategy.local={kind: hmc, steps: 3, leapfrog: 5}",
    "strategy.explore={pushes: 16, push_steps: 60, relax_steps: 40}",
    "model={kind: realnvp, transforms: 2, hidden: [16], epochs: 4}",
)
LAG = 2


@cache
def driven(*more: str) -> Drive:
    """A campaign with five rounds of production; not to be stepped further."""
    return Drive.of(PAIR, *SMALL, *more, lag=LAG).produce(5)


def truth() -> tuple[float, float]:
    """ln Z, and F of the rest against A."""
    system = driven().system
    assert isinstance(system, HarmonicPair)
    below, above = system.log_z_sides(0.0)
    return system.log_z, below - above


def test_the_phases_follow_each_other_and_fits_run_in_adapt() -> None:
    steps = driven().steps
    phases = [s.plan.phase for s in steps]
    assert phases == sorted(phases, key=["explore", "adapt", "produce"].index)
    assert set(phases) == {"explore", "adapt", "produce"}
    fitted = [i for i, s in enumerate(steps) if s.plan.fits]
    assert fitted
    assert all(phases[i] == "adapt" for i in fitted)
    assert all([f.replica for f in steps[i].plan.fits] == [0, 1] for i in fitted)


def test_production_is_frozen() -> None:
    rounds = [s for s in driven().steps if s.plan.phase == "produce"]
    first = rounds[0].plan
    assert len(first.models) == 2
    for step in rounds[1:]:
        assert same(encode(step.plan.models), encode(first.models))
        for order, other in zip(step.plan.orders, first.orders, strict=True):
            mine, before = order.read(TargetPayload), other.read(TargetPayload)
            assert mine.bridge is not None
            assert before.bridge is not None
            for name in ("partition", "step_size", "masses", "stratum"):
                assert same(encode(getattr(mine, name)), encode(getattr(before, name))), name
            for name in ("versions", "draws"):
                assert same(getattr(mine.bridge, name), getattr(before.bridge, name)), name


def test_decide_is_pure_and_the_state_survives_the_disk(tmp_path: Path) -> None:
    drive, disk = driven(), Checkpoints(tmp_path)
    fresh, setup, *_ = setup_of(PAIR, *SMALL)
    phases = [s.plan.phase for s in drive.steps]
    for rnd in (0, phases.index("adapt") + 4, phases.index("produce"), len(phases) - 1):
        step = drive.steps[rnd]
        state = drive.stored(step.before)
        plan = drive.strategy.decide(state)
        assert same(encode(state), encode(step.before))
        disk.save(rnd, encode(step.before))
        loaded = fresh.read(disk.load(rnd)[1])
        again = fresh.decide(loaded)
        assert same(asdict(again), asdict(step.plan))
        assert same(asdict(plan), asdict(step.plan))
        worker = Worker(setup)
        for version, model in again.models.items():
            worker.publish(version, encode(model))
        for order, segment in zip(again.orders, step.segments, strict=True):
            other = worker.execute(order)
            assert same(dict(other.samples), dict(segment.samples))
            assert same(other.carry, segment.carry)
        assert same(encode(fresh.absorb(loaded, step.absorbed)), encode(step.after))


def test_a_fit_that_comes_back_in_production_changes_nothing() -> None:
    drive = driven()
    fits = next(f for s in drive.steps if (f := [x for x in s.absorbed if x.is_fit]))
    last = drive.steps[-1]
    late = drive.strategy.absorb(drive.stored(last.before), [*fits, *last.segments])
    assert same(encode(late), encode(last.after))


def test_replicas_stay_in_their_states_and_energies_are_counted() -> None:
    for step in driven().steps:
        for order, segment in zip(step.plan.orders, step.segments, strict=True):
            if order.kind != "target":
                continue
            inside = segment.samples["cvs"][:, 0] < 0
            assert (inside == (order.read(TargetPayload).stratum[0] == 0)).all()
            if step.plan.phase == "produce":
                s = segment.samples
                energies = (
                    len(s["frame_log_weight"])
                    + np.isfinite(s["draw_log_weight"]).sum()
                    + np.isfinite(s["work"]).sum()
                    + len(s["watched"])
                )
                local = segment.counts["local_evaluations"]
                assert segment.evaluations == local + energies


@pytest.mark.parametrize("estimator", ["deep_bar", "bar", "tfep"])
def test_each_estimator_agrees_with_the_closed_form(estimator: str) -> None:
    """Within 4 of its own errors, and with errors that say something."""
    strategy = setup_of(PAIR, *SMALL, f"strategy.estimator={estimator}")[0]
    estimate, (log_z, delta) = strategy.estimate(driven().state), truth()
    rest = estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert abs(rest.f_kT - delta) < 4 * rest.stderr_kT
    assert 0.0 < rest.stderr_kT < 0.1
    assert estimate.log_z is not None
    assert estimate.log_z.stderr is not None
    assert abs(estimate.log_z.value - log_z) < 4 * estimate.log_z.stderr
    others = estimate.diagnostics["estimators"]
    for name in ("deep_bar", "bar", "tfep", "tfep_back"):
        value, error = others[name]["rest"]
        assert abs(value - delta) < 4 * error, name
    for name in ("log_z_deep_bar", "log_z_importance", "log_z_tfep"):
        value, error = others[name]["all"]
        assert abs(value - log_z) < 4 * error, name


def test_the_surface_agrees_with_the_closed_form() -> None:
    """F along x, bins below 2 kT: the mean squared deviation in units of its error is about one."""
    drive = driven()
    estimate = drive.strategy.estimate(drive.state)
    system: Any = drive.system
    x = estimate.axes["x"]
    logs = (
        system.log_z_states - 0.5 * system.stiffness[:, 0] * (x[:, None] - system.means[:, 0]) ** 2
    )
    exact = -np.logaddexp(*(logs + 0.5 * np.log(system.stiffness[:, 0] / (2 * np.pi))).T)
    low = exact - exact.min() < 2.0
    z = (estimate.f_kT - exact)[low]
    z = (z - np.average(z, weights=estimate.stderr_kT[low] ** -2)) / estimate.stderr_kT[low]
    assert np.mean(z**2) < 3.0


def _models(drive: Drive, steps: int = 1) -> StateModels:
    state = drive.state
    models = {k: load(model) for k, model in state.models.items()}
    assert len(state.learning.versions) == len(models) == 2
    places = Cartesian(2)
    return StateModels(drive.system, drive.cvs, places, state.states, models, steps=steps)


def test_works_of_a_map_and_of_its_inverse_are_opposite() -> None:
    """And without the log-determinants they are not what Crooks' symmetry asks for."""
    drive = driven()
    models, rng = _models(drive), np.random.default_rng(1)
    system: Any = drive.system
    x = system.means[0] + rng.normal(size=(400, 2)) / np.sqrt(system.stiffness[0])
    x = x[x[:, 0] < 0]
    density = models.log_density(x, x, np.zeros(len(x), dtype=np.int64))
    to = np.ones(len(x), dtype=np.int64)
    forward = models.works(0, x, density, to, rng)
    z, there = models.models[0].to_latent(x)  # type: ignore[attr-defined]
    y, back = models.models[1].from_latent(z)  # type: ignore[attr-defined]
    kept = np.isfinite(forward)
    end = models.log_density(y, y, to)
    reverse = models.works(1, y[kept], end[kept], np.zeros(kept.sum(), dtype=np.int64), rng)
    np.testing.assert_allclose(reverse, -forward[kept], atol=1e-8)
    bare = forward[kept] + (there + back)[kept]
    _, delta = truth()
    share = np.log(kept.mean())
    right, wrong = (-np.log(np.mean(np.exp(-w))) - share - delta for w in (forward[kept], bare))
    assert abs(right) < 0.15
    assert abs(wrong) > 0.3


@pytest.mark.parametrize("steps", [1, 6])
def test_draws_outside_of_their_state_count_as_infinite(steps: int) -> None:
    """They cost no energy; left out, they bias ln Z by ln of the share inside. On annealed paths,
    too, which begin with them."""
    drive = driven()
    models, rng = _models(drive, steps), np.random.default_rng(2)
    inside = Partition.from_boxes({"A": {"x": (-9, -1.5)}, "B": {"x": (-1.5, 9)}}, ("x",),
                                  np.array([False]))  # fmt: skip
    models.partition = inside
    w = models.draws(0, 4000, rng)
    kept = np.isfinite(w)
    assert 0.4 < kept.mean() < 0.9
    assert kept.sum() <= models.evaluations <= steps * kept.sum()
    system: Any = drive.system
    x = system.means[0] + rng.normal(size=(20000, 2)) / np.sqrt(system.stiffness[0])
    x = x[x[:, 0] < -1.5][:4000]
    samples = models.weights(0, x, -system.energy(Walkers(x)), rng)
    exact = system.log_z_sides(-1.5)[0]
    right, wrong = deep_bar(w, samples), deep_bar(w[kept], samples)
    assert abs(right.value - exact) < 4 * right.stderr
    assert abs(wrong.value - exact) > 10 * wrong.stderr


def test_what_is_left_out_is_said() -> None:
    drive, boxes = driven(), "states={A: {x: [-7, 0]}, B: {x: [0, 3.5]}}"
    kept = setup_of(PAIR, *SMALL, boxes, "strategy.rest=leave_out")[0]
    assert set(kept.estimate(kept.start()).states) == {"A", "B"}
    state = replace(drive.state, states=replace(drive.state.states, names=("A", "B")))
    estimate = kept.estimate(state)
    assert set(estimate.states) == {"A", "B"}
    assert estimate.log_z is not None
    assert estimate.log_z.method.endswith("of A, B only, what else there is left out")
    whole = drive.strategy.estimate(drive.state)
    assert whole.log_z is not None
    assert "only" not in whole.log_z.method


@pytest.mark.slow
def test_an_interpolant_joins_states_whose_models_are_no_bijections() -> None:
    """Both directions, and what rests on the models alone, within 4 errors."""
    more = ("strategy.map=interpolant", "strategy.estimator=bar", "model={kind: kde, kernels: 100}")
    drive = driven(*more)
    fitted = {f.key[1] for s in drive.steps for f in s.absorbed if f.is_fit}
    assert fitted == {"fit", "fit_transport"}
    assert len(drive.steps[-1].plan.models) == 3
    estimate, (log_z, delta) = drive.strategy.estimate(drive.state), truth()
    rest = estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert abs(rest.f_kT - delta) < 4 * rest.stderr_kT
    assert rest.stderr_kT < 0.1
    assert estimate.log_z is not None
    assert estimate.log_z.stderr is not None
    assert abs(estimate.log_z.value - log_z) < 4 * estimate.log_z.stderr
    value, error = estimate.diagnostics["estimators"]["deep_bar"]["rest"]
    assert abs(value - delta) < 4 * error


def test_one_state_of_its_replicas_gives_no_error_from_nothing() -> None:
    """With a single block in a state there is no error, and none is claimed."""
    drive = driven()
    gathered = drive.state.gathered
    made = gathered.production
    made = replace(made, block=np.where(made.stratum == 0, 0, made.block))
    joins = Joins(made, gathered.draws, gathered.frames, 2)
    assert np.isnan(joins.against_models[0].stderr)
    assert np.isfinite(joins.against_models[1].stderr)


def test_a_molecule_in_internal_coordinates(tmp_path: Path) -> None:
    """A chain of four atoms: ΔF of the halves of its torsion, and ln Z, within 4 errors.

    ln Z in bonds, angles and the torsion factorises; without the coordinates' volume it is off.
    """
    base = write(
        tmp_path,
        "{kind: targeted, local: {kind: langevin, steps: 20},"
        " explore: {pushes: 12, push_steps: 100, relax_steps: 100}}",
        "model: {kind: spline_flow, transforms: 2, hidden: [32], epochs: 4}",
        "replicas: 8",
    )
    drive = Drive.of(base).produce(4)
    estimate = drive.strategy.estimate(drive.state)
    rest = estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert rest.stderr_kT < 0.15
    assert abs(rest.f_kT - exact_upper()) < 4 * rest.stderr_kT
    assert estimate.log_z is not None
    assert estimate.log_z.stderr is not None
    assert abs(estimate.log_z.value - exact_log_z()) < 4 * estimate.log_z.stderr
    bare = exact_log_z() - exact_log_volume()
    assert abs(estimate.log_z.value - bare) > 8 * estimate.log_z.stderr
    for name in ("bar", "tfep"):
        value, error = estimate.diagnostics["estimators"][name]["rest"]
        assert abs(value - exact_upper()) < 4 * error


def _gauss(centre: float, k: float, power: int, sine: int) -> tuple[float, float]:
    """ln ∫ e^{−k (v − centre)²/2kT} v^power sin^sine dv, and how much of it the weight is."""
    width = np.sqrt(KT / k)
    v = centre + width * np.linspace(-10, 10, 20_001)
    v = v[(v > 0) & ((v < np.pi) | (sine == 0))]
    p = np.exp(-0.5 * ((v - centre) / width) ** 2)
    weight = v**power * np.sin(v) ** sine
    step = v[1] - v[0]
    return float(np.log(step * np.sum(p * weight))), float(np.log(np.sum(p * weight) / p.sum()))


def _factors() -> tuple[list[float], list[float]]:
    parts = [_gauss(0.15, 5e4, 2, 0)] * 3 + [_gauss(1.9, 300.0, 0, 1)] * 2
    return [a for a, _ in parts], [b for _, b in parts]


def exact_log_z() -> float:
    """ln of the integral over bonds, angles and torsion with the volume r² sin θ."""
    phi = (np.arange(20_000) + 0.5) / 20_000 * 2 * np.pi - np.pi
    torsion = np.log(2 * np.pi * np.mean(np.exp(-potential(phi) / KT)))
    return sum(_factors()[0]) + float(torsion)


def exact_log_volume() -> float:
    """What the volume r² sin θ makes of it."""
    return sum(_factors()[1])


@pytest.mark.slow
def test_annealed_paths_give_what_weights_give_of_a_poor_model() -> None:
    """With smaller errors; the campaign's orders carry them."""
    poor = "model={kind: realnvp, transforms: 1, hidden: [2], epochs: 1}"
    weights, paths = driven(poor), driven(poor, "strategy.path={steps: 12}")
    log_z, delta = truth()
    errors = []
    for drive in (weights, paths):
        estimate = drive.strategy.estimate(drive.state)
        assert estimate.log_z is not None
        assert estimate.log_z.stderr is not None
        assert abs(estimate.log_z.value - log_z) < 4 * estimate.log_z.stderr
        rest = estimate.states["rest"]
        assert rest.f_kT is not None
        assert rest.stderr_kT is not None
        assert abs(rest.f_kT - delta) < 4 * rest.stderr_kT
        errors.append(estimate.log_z.stderr)
    assert errors[1] < errors[0]
    order = paths.steps[-1].plan.orders[0].read(TargetPayload)
    assert order.bridge is not None
    assert order.bridge.steps == 12
