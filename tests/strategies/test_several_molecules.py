"""Several molecules in one campaign of learned steps: one fit, and everything else apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from driving import same
from places import CONFIGS
from sections import build_system
from steps_by_hand import BUTANE, QUICK, StepsByHand, exact_of

from msgen.actors.base import Segment, WorkOrder, bare, copy_tree, encode
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, RollOutPayload, RollOutRecord
from msgen.actors.worker import Worker
from msgen.models.base import Array, ModelState
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.schema import Campaign, CampaignError
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.several import SeveralMolecules, SeveralState
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics, loop_of
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import _beside_problems, load_campaign
from msgen.systems import build_cvs

ANGLE = "{kind: angle, atoms: [ALK:C1, ALK:C2, ALK:C3], range: [90 deg, 140 deg]}"
PROPANE = (
    "{system: {kind: alkane, carbons: 3, temperature: 300 K, platform: Reference}, "
    f"cvs: {{bend: {ANGLE}, end: {{kind: distance, atoms: [ALK:C1, ALK:C3], "
    "range: [0.2 nm, 0.3 nm]}}, "
    "states: {wide: {bend: [113 deg, 140 deg]}}, free_energies: runs/propane}"
)
MOLECULES = f"strategy.molecules={{propane: {PROPANE}}}"


def campaign(*sets: str) -> Campaign:
    return load_campaign(BUTANE, [*QUICK, MOLECULES, *sets])


def exact_propane(problem: Any, system: Any, cvs: Any) -> Exact:
    """Shaken propane; what it weighs is made up."""
    rng = np.random.default_rng(3)
    x = system.initial().positions + 0.004 * rng.standard_normal((200, system.n_dof))
    states = problem.states()
    region, share = states.assign(cvs(x)), np.array([0.5, 0.5])
    told = {name: StateEstimate(0.0, 0.01 if k else 0.0) for k, name in enumerate(states.names)}
    axes = dict(zip(problem.names, problem.grid.centres, strict=True))
    flat = np.zeros(problem.grid.shape)
    estimate = Estimate(axes, flat, flat, told, {"ess": 1e3}, True, ())
    return Exact(states, share, x, cvs(x), region, np.ones(len(x)), estimate, ())


@dataclass
class Together:
    """A worker does all but fits; roll-outs are what a test says, by molecule."""

    strategy: SeveralMolecules
    worker: Worker
    made: Mapping[str, Array]
    state: SeveralState = field(init=False)
    answered: list[Segment] = field(default_factory=list)

    @classmethod
    def of(cls, made: Mapping[str, Array], *sets: str) -> Together:
        what, loops = campaign(*sets), dict[str, Dynamics]()
        section: Any = what.strategy
        learnt = {name for name, one in section.molecules.items() if one.learn}
        for name, one in {"": what, **what.strategy.beside(what)}.items():
            system = build_system(one.spec_system(), CONFIGS)
            cvs = build_cvs(one.spec_cvs(), system, CONFIGS)
            problem = strategies.problem_of(one, system, cvs)
            exact = (exact_propane if name else exact_of)(problem, system, cvs)
            loops[name] = loop_of(problem, system, one, exact)
        setup = {
            "system": what.spec_system(),
            "cvs": what.spec_cvs(),
            "base_dir": str(CONFIGS / "papers"),
            "threads": 1,
            **strategies.workers_settings(what),
        }
        assert set(setup["roles"]) == set(KINDS["dynamics"].roles)
        own = loops.pop("")
        several = SeveralMolecules(
            own, loops, frozenset(learnt | ({""} if section.learn else set()))
        )
        by = cls(several, Worker(setup), made)
        by.state = by.stored(several.start())
        return by

    def stored(self, state: SeveralState) -> SeveralState:
        """As it comes back from a checkpoint."""
        back = self.strategy.read(copy_tree(encode(state)))
        assert same(back, state)
        return back

    def step(self) -> tuple[WorkOrder, ...]:
        plan = self.strategy.decide(self.state)
        assert len({order.key for order in plan.orders}) == len(plan.orders) > 0
        self.answered = sorted(map(self.answer, plan.orders), key=lambda s: s.key)
        self.state = self.stored(self.strategy.absorb(self.state, self.answered))
        return plan.orders

    def answer(self, order: WorkOrder) -> Segment:
        record: Any
        if order.is_fit:
            record = FitRecord(True, ModelState({"kind": "none"}, {"w": np.ones(1)}))
        elif bare(order.kind) == RollOutPayload.kind:
            p = order.read(RollOutPayload)
            made = self.made[order.kind.rpartition(".")[0]]
            paths = made[np.arange(p.first, p.first + len(p.begin)) % len(made)]
            record = RollOutRecord(paths, np.ones(len(paths), dtype=bool), 0, p.task)
        else:
            done = self.worker.execute(order)
            assert isinstance(done, Segment)
            return done
        return Segment(order.key, carry=encode(record))

    def cycle(self) -> SeveralState:
        before = len(self.state.own.verdicts)
        while len(self.state.own.verdicts) == before:
            self.step()
        return self.state


@pytest.fixture(scope="module")
def made() -> dict[str, Array]:
    rng = np.random.default_rng(4)
    start = rng.choice([np.pi, 1.1, -1.1], (64, 1, 1), p=[0.6, 0.2, 0.2])
    propane = np.array([1.97, 0.255]) + np.array([0.05, 0.005]) * rng.standard_normal((64, 8, 2))
    return {"": start + 0.1 * rng.standard_normal((64, 8, 1)), "propane": propane}


def test_one_fit_has_the_pairs_of_all_that_are_learnt(made: dict[str, Array]) -> None:
    for sets, own, beside in (
        ((), True, [("CH3", "CH2", "CH3")]),
        (("strategy.learn=false",), False, [("CH3", "CH2", "CH3")]),
        (("strategy.molecules.propane.learn=false",), True, []),
    ):
        by = Together.of(made, *sets)
        kinds = set[str]()
        while by.state.own.doing == "gather":
            kinds |= {order.kind for order in by.step()}
        assert kinds == {"trajectory", "propane.trajectory"}
        (fit,) = by.strategy.decide(by.state).orders
        p = fit.read(FitStepsPayload)
        assert (p.own is not None) == own
        assert [one.species for one in p.beside] == beside
        shapes = [one.frames.shape for one in (p.own, *p.beside) if one is not None]
        assert shapes == [(16, 8, 4, 3)] * own + [(16, 8, 3, 3)] * len(beside)
        # gathered all the same: what is not learnt is judged
        assert [len(its.gathered) for its in by.state.beside] == [1]


def test_what_is_of_the_campaign_s_own_molecule_is_as_it_would_be_alone(
    made: dict[str, Array],
) -> None:
    alone, by = StepsByHand.of(made[""]), Together.of(made)
    by.cycle()
    assert same(by.state.own.gathered, alone.cycle().gathered)
    assert same(by.state.own.verdicts, alone.state.verdicts)
    ours, theirs = by.strategy.estimate(by.state), alone.strategy.estimate(alone.state)
    assert ours.dynamics is not None
    assert theirs.dynamics is not None
    bare_ours = replace(ours.dynamics, made=(), units=theirs.dynamics.units)
    assert same(bare_ours, replace(theirs.dynamics, made=()))


def test_each_is_judged_beside_its_own_simulator(made: dict[str, Array]) -> None:
    """A model that is right of butane and wrong of propane: it is said of which."""
    told = {}
    for shift in (0.0, 0.6):
        by = Together.of({**made, "propane": made["propane"] + np.array([shift, 0.0])})
        state = by.cycle()
        estimate = by.strategy.estimate(state)
        told[shift] = readings = estimate.diagnostics["dynamics"]
        assert readings["propane.gathered_frames"] == 16 * 8
        assert estimate.dynamics is not None
        (one,) = estimate.dynamics.made
        assert (one.what, one.paths) == ("of propane", 64)
        assert [s.cvs for s in one.surfaces[:2]] == [("propane bend",), ("propane end",)]
        assert list(estimate.dynamics.units.items())[:2] == [
            ("torsion", "rad"), ("propane bend", "rad")
        ]  # fmt: skip
        assert any(text.startswith("propane: ") for text in estimate.unmet)
    assert told[0.0]["difference_kT"] == told[0.6]["difference_kT"]
    off = [told[shift]["propane.divergence_after_wide"] for shift in (0.0, 0.6)]
    assert off[1] > off[0] + 0.2
    unseen = Together.of(made, "strategy.learn=false")
    unseen.cycle()
    judged = unseen.strategy.estimate(unseen.state).dynamics
    assert judged is not None
    assert "the model has not seen this molecule" in judged.notes


def test_samples_of_another_molecule_are_none_of_the_campaign_s(made: dict[str, Array]) -> None:
    by = Together.of(made, "strategy.hot={runs: 2, heat: 10, relax: 5, frames: 3}")
    by.step()
    names = {
        f"{s.key[1]}/{name}": value.shape[1:]
        for s in by.answered
        for name, value in s.samples.items()
    }
    assert names["trajectory/cvs"] == (1,)
    assert names["propane.trajectory/frames"] == (2,)
    assert not [n for n in names if n.startswith("propane") and n.endswith("/cvs")]
    hot = [s for s in by.answered if bare(s.key[1]) == "hot"]
    assert len(hot) == 4
    assert [its.hot.shape for its in (by.state.own, *by.state.beside) if its.hot is not None] == [
        (2, 3, 4, 3), (2, 3, 3, 3)
    ]  # fmt: skip


def test_an_order_is_the_same_on_any_worker_and_no_noise_is_shared(made: dict[str, Array]) -> None:
    one, other = Together.of(made), Together.of(made)
    orders = one.strategy.decide(one.state).orders
    again = other.strategy.decide(other.state).orders
    assert same([o.payload for o in orders], [o.payload for o in again])
    for order in (orders[0], orders[-1]):
        mine, theirs = one.worker.execute(order), other.worker.execute(order)
        assert isinstance(mine, Segment)
        assert isinstance(theirs, Segment)
        assert same(mine.samples, theirs.samples)
    seeds = {name: loop.problem.seed for name, loop in one.strategy.beside.items()}
    assert seeds["propane"] != one.strategy.own.problem.seed


def test_a_model_goes_from_molecule_to_molecule(made: dict[str, Array]) -> None:
    """Fitted to propane alone on a worker, and rolled out of both by their own CVs."""
    by = Together.of(made, "strategy.learn=false", "model.types=element")
    while by.state.own.doing == "gather":
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    done = by.worker.execute(fit)
    assert isinstance(done, Segment)
    record = done.read(FitRecord)
    assert record.model is not None
    assert record.model.config["species"] == ["CH2", "CH3"]
    by.state = by.stored(by.strategy.absorb(by.state, [done]))
    plan = by.strategy.decide(by.state)
    assert set(plan.models) == {0}
    by.worker.publish(0, encode(plan.models[0]))
    for kind, dim in (("roll_out", 1), ("propane.roll_out", 2)):
        order = next(o for o in plan.orders if o.kind == kind)
        p = order.read(RollOutPayload)
        few = replace(p, begin=p.begin[:2], frames=2, low=p.low - 1, high=p.high + 9)
        rolled = by.worker.execute(replace(order, payload=encode(few)))
        assert isinstance(rolled, Segment)
        assert rolled.read(RollOutRecord).paths.shape == (2, 2, dim)


def test_all_go_on_while_one_improves(made: dict[str, Array]) -> None:
    by = Together.of(made, "strategy.cycles=4")
    by.cycle()
    its = by.state.beside[0]
    # whatever butane's verdicts say, propane's have become better in the last cycle
    old = replace(its.verdicts[0], difference=9.0, stderr=0.1)
    by.state = replace(
        by.state,
        own=replace(
            by.state.own, verdicts=(replace(by.state.own.verdicts[0], difference=0.0),) * 3
        ),
        beside=(replace(its, verdicts=(old, old, replace(old, difference=8.0))),),
    )
    state = by.cycle()
    assert state.phase == "exhausted"
    assert {len(one.verdicts) for one in (state.own, *state.beside)} == {4}


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.molecules.propane.system.temperature=310 K",),
         "strategy.molecules.propane.system.temperature", "is at 310"),
        (("strategy.molecules.propane.system.timestep=0.5 fs",),
         "strategy.molecules.propane.system", "frames 0.0025 ps apart"),
        (("strategy.molecules.propane.system.carbons=two",),
         "strategy.molecules.propane.system.carbons", "whole number"),
        (("strategy.molecules.propane.learn=false", "strategy.learn=false"),
         "strategy.molecules", "leave nothing to learn"),
        (("strategy.molecules={}", "strategy.learn=false"), "strategy.learn", "nothing to learn"),
        (("model={kind: trajectory_diffusion, length: 8}",), "strategy.molecules",
         "are for models of steps"),
        (("strategy.molecules.propane.states={wide: {torsion: [0 deg, 9 deg]}}",),
         "strategy.molecules.propane.states.wide.torsion", "CV"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_molecule_is_told_where_it_stands(
    sets: tuple[str, ...], where: str, what: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        campaign(*sets)
    (problem,) = caught.value.problems
    assert dotted(problem.path) == where
    assert what in problem.problem


def test_an_unseen_molecule_has_no_atoms_that_nothing_learnt_has() -> None:
    butane, propane, ethane = (
        build_system(
            {"kind": "alkane", "carbons": n, "temperature": 300.0, "platform": "Reference"}, CONFIGS
        )
        for n in (4, 3, 2)
    )
    what = campaign("strategy.learn=false")
    section: Any = what.strategy
    assert not section.checks_together(what, {"": butane, "propane": propane})
    (problem,) = section.checks_together(what, {"": butane, "propane": ethane})
    assert dotted(problem.path) == "strategy.learn"
    assert "CH2" in problem.problem


def test_a_molecule_s_run_has_to_be_there() -> None:
    what = campaign("strategy.free_energies=nowhere")
    (problem,) = _beside_problems(what, CONFIGS, build_system(what.spec_system(), CONFIGS))
    assert dotted(problem.path) == "strategy.molecules.propane.free_energies"
