"""An angle has one value: whole turns of its coordinate change nothing that engines or kernels do.

Each is run from walkers and, with the same random stream, from the same walkers turned on by whole
periods of their own. Equal is to 1e-7: a period of 20 taken off ten times leaves rounding of 1e-14,
which a few dozen steps enlarge. The twin tells the raw coordinate, and is caught.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from turned_systems import Turned, apart, spelled, turned

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.configurations.coordinates import InCoordinates, exact_coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Engine, Switched
from msgen.actors.engines.batched import ArrayEngine, RestraintTarget
from msgen.actors.engines.mass_matrix import PreconditionedEngine
from msgen.actors.engines.tempered_base import HeatedArray
from msgen.actors.kernels.base import BoltzmannTarget, SumTarget
from msgen.actors.kernels.expanded_ensemble import Ladder, Tempered
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.independence import Independence
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.switching.constrained_schemes import SCHEMES
from msgen.actors.kernels.switching.steered import steer
from msgen.actors.orders.umbrella import UmbrellaPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.umbrella import sample_windows
from msgen.models.defensive_mixture import Broad
from msgen.systems.base import Array, Walkers
from msgen.systems.cvs.torch_cvs import coordinate_angles

KINDS = ("coordinate", "python", "combination")
N, CLOSE = 12, 1e-7
TWO_PI = 2.0 * np.pi
ANGLE = np.array([True])
STATES = Partition.from_boxes({"near": {"t": (-1.4, 1.6)}}, ["t"], ANGLE)
G = Conditional(np.array([20.0]), ANGLE)


def engines(case: Turned) -> dict[str, Engine]:
    masses = np.array([[2.0, 0.3], [0.3, 1.0]])
    return {
        "mala": ArrayEngine(case.system, case.cvs, Mala(0.01)),
        "hmc": ArrayEngine(case.system, case.cvs, Hmc(0.05, 3, case.system.masses, 1.0)),
        "langevin": ArrayEngine(
            case.system, case.cvs, Langevin(0.02, 1.0, case.system.masses, 1.0)
        ),
        "ghmc": ArrayEngine(case.system, case.cvs, Ghmc(0.02, 1.0, case.system.masses, 1.0)),
        "masses": PreconditionedEngine(case.system, case.cvs, lambda s: Mala(0.01), masses),
    }


ENGINES = ("mala", "hmc", "langevin", "ghmc", "masses")


def both(case: Turned, seed: int, run: Callable[[Walkers, np.random.Generator], Any]) -> Any:
    """What `run` makes of walkers, and of the same some turns on; and the turns."""
    rng = np.random.default_rng(seed)
    walkers, turns = case.walkers(N, rng), rng.integers(-9, 10, N).astype(np.float64)
    first, second = (
        run(w, np.random.default_rng(seed)) for w in (walkers, case.turned(walkers, turns))
    )
    return first, second, turns


def differ(case: Turned, found: Any) -> float:
    """By how much switched paths hang on turns; infinite where an angle is told raw."""
    one, two, turns = found
    back = case.turned(two.walkers, -turns)
    if not all(spelled(x) for x in (one.xi, two.xi, one.profile_xi, two.profile_xi)):
        return np.inf
    names = ("xi", "work", "profile_xi", "profile_work")
    each = [apart(getattr(one, name), getattr(two, name)) for name in names]
    return max(*each, apart(one.walkers.positions, back.positions))


def switched(case: Turned, engine: str, seed: int, **schedule: Any) -> float:
    def run(walkers: Walkers, rng: np.random.Generator) -> Switched:
        mover = engines(case)[engine]
        mover.begin(rng)
        start = np.asarray(case.cvs(walkers.positions))
        stop = rng.uniform(-np.pi, np.pi, start.shape)
        given = {"min_steps": 6, "friction": 0.3, "refresh": 2, "readings": 4, **schedule}
        return mover.switch(walkers, start, stop, Schedule(G, 0.02, 4.0, np.ones(1), **given))

    return differ(case, both(case, seed, run))


def chunked(case: Turned, engine: str, seed: int) -> float:
    """Restrained local steps, one walker in two free."""

    def run(walkers: Walkers, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        mover = engines(case)[engine]
        mover.begin(rng)
        mover.set_local_restraint(G)
        first = mover.load(walkers)
        lam, on = rng.uniform(-np.pi, np.pi, (N, 1)), np.arange(N) % 2 == 0
        return first, mover.chunk(lam, on, 8), mover.walkers().positions

    one, two, turns = both(case, seed, run)
    back = case.turned(Walkers(two[2]), -turns).positions
    if not (spelled(two[0]) and spelled(two[1])):
        return np.inf
    return max(apart(one[0], two[0]), apart(one[1], two[1]), apart(one[2], back))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_engines_do_not_know_of_turns(kind: str, engine: str) -> None:
    for seed in range(3):
        case = turned(kind, np.random.default_rng(100 + seed))
        assert chunked(case, engine, seed) < CLOSE
        assert switched(case, engine, seed) < CLOSE
        assert switched(case, engine, seed, overdamped=True) < CLOSE


@pytest.mark.parametrize("scheme", SCHEMES)
def test_exactly_moved_angles_do_not_know_of_turns(scheme: str) -> None:
    """Only linear CVs are displaced in closed form, by schemes other than 'moving'."""
    kinds = KINDS if scheme == "moving" else ("coordinate", "combination")
    for kind, seed in itertools.product(kinds, range(3)):
        case = turned(kind, np.random.default_rng(200 + seed))
        assert switched(case, "mala", seed, scheme=scheme) < CLOSE


def test_twin_that_tells_the_raw_coordinate_is_caught() -> None:
    case = turned("unwrapped", np.random.default_rng(0))
    assert chunked(case, "mala", 0) > 1.0
    assert switched(case, "mala", 0) > 1.0


def test_value_and_gradient_tell_one_value() -> None:
    """As `CVSet` itself, for a coordinate and for what is differentiated."""
    for kind in KINDS:
        case = turned(kind, np.random.default_rng(7))
        x = np.random.default_rng(8).uniform(-50.0, 50.0, (100, 2))
        xi, slope = case.cvs.value_and_gradient(x)
        assert np.array_equal(xi, case.cvs(x))
        assert spelled(xi)
        h = 1e-6 * case.period
        aside = np.array([h, 0.0])
        step = case.cvs(x + aside) - case.cvs(x - aside)
        step = (step + np.pi) % (2 * np.pi) - np.pi
        assert np.allclose(slope[:, :, 0], step / (2 * h), rtol=1e-4)


def works(case: Turned, seed: int, schedule: Schedule) -> tuple[Array, Array, Array]:
    """Works and ends of paths between the two states, from walkers and from turned ones."""
    model = Broad([True])
    proposals = StratumProposals(
        model, model, 0.5, STATES, np.log(np.array([3.0, TWO_PI - 3.0]) / TWO_PI)
    )

    def run(walkers: Walkers, rng: np.random.Generator) -> tuple[Array, Array]:
        engine = engines(case)["mala"]
        engine.begin(rng)
        xi = case.cvs(walkers.positions)
        source = STATES.assign((xi + np.pi) % TWO_PI - np.pi)
        done = steer(engine, walkers, xi, source, 1 - source, STATES, proposals, schedule, rng)
        return done.work, done.start

    one, two, _ = both(case, seed, run)
    return one[0], two[0], two[1]


@pytest.mark.parametrize("scheme", ["extended", "moving"])
def test_steered_moves_do_not_know_of_turns(scheme: str) -> None:
    schedule = Schedule(G, 0.02, 30.0, np.ones(1), scheme=scheme)
    for kind in KINDS:
        one, two, start = works(turned(kind, np.random.default_rng(31)), 31, schedule)
        assert apart(one, two) < CLOSE
        assert np.isfinite(one).any()
        assert spelled(start)
    one, two, _ = works(turned("unwrapped", np.random.default_rng(31)), 31, schedule)
    assert apart(one, two) > 1.0


def test_paths_through_the_seam_count() -> None:
    """Both ways round from 3 to −3 rad of the short way: no path is lost outside of CV space."""
    case = turned("coordinate", np.random.default_rng(0))
    engine = engines(case)["mala"]
    engine.begin(np.random.default_rng(3))
    x = np.column_stack([np.full(200, 2.9), np.zeros(200)])
    schedule = Schedule(G, 0.05, 40.0, np.ones(1))
    done = engine.switch(Walkers(x), np.full((200, 1), 2.9), np.full((200, 1), -2.9), schedule)
    assert spelled(done.xi)
    assert (STATES.assign(done.xi) == 1).all()
    assert (done.walkers.positions[:, 0] > np.pi).mean() > 0.5  # twin: where the raw value is


def test_the_expanded_ensemble_does_not_know_of_turns() -> None:
    axis = np.linspace(-np.pi, np.pi, 18, endpoint=False)
    ladder = Ladder((axis,), np.zeros(18), 0.0, G)
    for kind in KINDS:
        case = turned(kind, np.random.default_rng(5))

        def run(walkers: Walkers, rng: np.random.Generator, case: Turned = case) -> Any:
            engine = engines(case)["mala"]
            engine.begin(rng)
            engine.set_local_restraint(G)
            stratum = STATES.assign(case.cvs(walkers.positions))
            return Tempered(engine, walkers, ladder, STATES, stratum, rng).run(6, 3)

        one, two, _ = both(case, 5, run)
        assert np.array_equal(one.plain, two.plain)
        assert one.reverted == two.reverted
        assert max(apart(one.xi, two.xi), apart(one.log_bias, two.log_bias)) < CLOSE
        assert spelled(two.xi)


def context_of(case: Turned, kind: str = "mala") -> WorkerContext:
    local = {"kind": kind, "step_size": 0.01}
    return WorkerContext({"strategy": {"local": local}}, case.system, case.cvs)


def test_windows_do_not_know_of_turns() -> None:
    """Umbrella windows, exchanges and what is watched; labels for the next fit."""
    for kind in KINDS:
        case = turned(kind, np.random.default_rng(9))
        pairs = np.array([[k, k + 1, k % 2] for k in range(N - 1)])

        def run(
            walkers: Walkers, rng: np.random.Generator, case: Turned = case, pairs: Any = pairs
        ) -> Segment:
            payload = UmbrellaPayload(
                walkers=WalkerRows(walkers.positions),
                slots=np.arange(N),
                window=np.arange(N),
                who=np.arange(N),
                lam=np.linspace(-np.pi, np.pi, N, endpoint=False)[:, None],
                kappa=np.array([4.0]),
                restrained=True,
                chunks=np.full(N, 2),
                steps=3,
                blocks=4,
                pairs=pairs,
                recent=4,
            )
            return sample_windows(context_of(case), WorkOrder.of(0, payload), rng)

        one, two, _ = both(case, 9, run)
        assert apart(one.samples["cvs"], two.samples["cvs"]) < CLOSE
        assert spelled(two.samples["cvs"])
        if kind != "python":  # nobody knows which coordinate that is an angle of
            assert apart(one.samples["watched"], two.samples["watched"]) < CLOSE
            assert apart(one.carry["recent"]["y"], two.carry["recent"]["y"]) < CLOSE


def test_temperatures_do_not_know_of_turns() -> None:
    tau = np.linspace(1.0, 2.0, N)
    for kind in KINDS:
        case = turned(kind, np.random.default_rng(13))

        def run(walkers: Walkers, rng: np.random.Generator, case: Turned = case) -> Any:
            rows = HeatedArray(context_of(case), walkers, tau, np.full(N, 0.01), rng)
            return rows.stretch(4, 3)

        one, two, _ = both(case, 13, run)
        for a, b in zip(one, two, strict=True):
            assert max(apart(a.xi, b.xi), apart(a.energy, b.energy)) < CLOSE
            assert spelled(b.xi)


def moved_globally(case: Turned, known: bool) -> float:
    """Independence moves of whole configurations, by a model that sees angles if `known`."""
    angles = coordinate_angles(case.cvs, 2) if known else None
    seen = exact_coordinates("auto", case.system, angles)
    mean, std = np.zeros(2), np.full(2, 2.0)
    proposal = Broad(seen.periodic, mean=mean, std=std)

    def run(walkers: Walkers, rng: np.random.Generator) -> Any:
        target = InCoordinates(BoltzmannTarget(case.system), seen)
        return Independence(proposal)(
            target, Walkers(seen.encode(walkers.positions)), rng, n_steps=10
        )

    one, two, _ = both(case, 17, run)
    return max(apart(one.walkers.positions, two.walkers.positions), apart(one.started, two.started))


def test_independence_moves_do_not_know_of_turns() -> None:
    for kind in ("coordinate", "combination"):
        case = turned(kind, np.random.default_rng(17))
        assert moved_globally(case, known=True) < CLOSE
        assert moved_globally(case, known=False) > 0.1  # twin: on the line ρ* has no norm


def test_restraints_do_not_know_of_turns() -> None:
    case = turned("coordinate", np.random.default_rng(19))
    rng = np.random.default_rng(19)
    walkers, turns = case.walkers(N, rng), rng.integers(-9, 10, N).astype(np.float64)
    held = RestraintTarget(case.cvs, G, rng.uniform(-3, 3, (N, 1)), np.arange(N) % 2 == 0)
    target = SumTarget((BoltzmannTarget(case.system), held))
    one = target.log_density_and_gradient(walkers.positions)
    two = target.log_density_and_gradient(case.turned(walkers, turns).positions)
    assert max(apart(one[0], two[0]), apart(one[1], two[1])) < CLOSE
    assert apart(target.log_density(walkers.positions), one[0]) < CLOSE
