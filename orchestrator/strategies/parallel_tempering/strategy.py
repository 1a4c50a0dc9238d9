"""Parallel tempering, a baseline: no model, no CV in any move.

Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Hukushima and Nemoto, J. Phys. Soc. Jpn. 65,
1604 (1996); Sugita and Okamoto, Chem. Phys. Lett. 314, 141 (1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, Tree, decode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.step_size import StepSize
from msgen.actors.orders.temper import TemperRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import Estimate, StepPlan
from msgen.orchestrator.strategies.common.allocation import given_up
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.second_look import due_look
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.parallel_tempering.ladder import first_ladder, place
from msgen.orchestrator.strategies.parallel_tempering.orders import tempering_orders
from msgen.orchestrator.strategies.parallel_tempering.production import LadderProduction
from msgen.orchestrator.strategies.parallel_tempering.schema import ADAPT_ROUNDS
from msgen.orchestrator.strategies.parallel_tempering.state import TemperingState
from msgen.orchestrator.strategies.probing.base import Finds
from msgen.systems.base import System

PLACED = (2, 4)
"""Rounds of the adaptation after which temperatures are placed by the energies seen."""


class ParallelTempering:
    """Several ladders of walkers, one walker at each temperature; neighbours exchange.

    Ladders never exchange with one another, so that they are independent: their spread is the
    error, and R̂ between them says whether they agree. Slot = ladder · K + temperature.
    """

    name = "parallel_tempering"

    def __init__(self, problem: Problem, system: System) -> None:
        self.problem = problem
        self.spec = problem.strategy
        self.ladders = problem.replicas
        self._n_dof = system.n_dof

    def start(self) -> TemperingState:
        """See `Strategy`."""
        asked = self.spec["temperatures"]
        if isinstance(asked, list | tuple):
            tau = np.array(asked, dtype=np.float64)
        else:
            number = None if asked == "auto" else int(asked)
            tau = first_ladder(self._n_dof, float(self.spec["highest"]), number)
        slots = self.ladders * len(tau)
        one = LocalMoves.first(self.problem).step
        return TemperingState(
            round=0,
            phase="adapt",
            tau=tau,
            steps=() if one is None else tuple(one for _ in tau),
            walkers=self.problem.first_walkers().take(np.zeros(slots, dtype=np.int64)),
            who=np.arange(slots),
        )

    def read(self, tree: Tree) -> TemperingState:
        """See `Strategy`."""
        return decode(TemperingState, tree)

    def decide(self, state: TemperingState) -> StepPlan:
        """See `Strategy`."""
        return StepPlan(state.phase, tempering_orders(self.problem, state))

    def absorb(self, state: TemperingState, segments: Sequence[Segment]) -> TemperingState:
        """See `Strategy`."""
        records = [s.read(TemperRecord) for s in segments]
        order = np.argsort(np.concatenate([r.slots for r in records]), kind="stable")
        state = replace(
            state,
            round=state.round + 1,
            walkers=WalkerRows.join([r.walkers for r in records]).take(order),
            who=np.concatenate([r.who[-1] for r in records])[order],
        )
        if state.produced is None or state.states is None:
            return self._adapted(state, segments)
        produced = state.produced.with_round(self.problem, state.states, segments)
        state = replace(state, produced=produced, totals=with_counts(state.totals, segments))
        return self._looked_again(state, state.states, produced.rounds)

    def estimate(self, state: TemperingState) -> Estimate:
        """See `Strategy`."""
        labels = self._labels(state)
        if state.states is None or state.produced is None or not state.produced.rounds:
            about = {"tempering": {"temperatures": labels}}
            return pre_production_estimate(self.problem, state.phase, about)
        totals = state.totals
        acceptance = {
            name: totals[f"{name}_accepted"] / totals[f"{name}_proposed"]
            for name in ("local", "exchange")
            if totals.get(f"{name}_proposed")
        }
        more = {"nonfinite": totals.get("nonfinite", 0.0)}
        return state.produced.estimate(self.problem, state.states, labels, acceptance, more)

    def replicas(self, state: TemperingState) -> int:
        """See `Strategy`."""
        return len(state.who)

    def resize(self, state: TemperingState, replicas: int) -> TemperingState:
        """See `Strategy`: the ladders stay as many as they are."""
        return state

    def at_hand(self, state: TemperingState) -> WalkerRows | None:
        """See `Learner`."""
        return state.walkers if state.phase == "produce" else None

    def begin_again(self, state: TemperingState, finds: Finds) -> TemperingState:
        """See `Learner`: of some ladders, the walkers of all temperatures start from a find."""
        parts = 1 if state.states is None else len(state.states)
        ladder = given_up(self.ladders, len(finds), parts)
        return replace(
            state,
            phase="adapt",
            adapt=PLACED[-1],
            walkers=finds.put_among(state.walkers, np.repeat(ladder, len(state.tau))),
            who=np.arange(len(state.who)),
            states=None,
            found=None,
            produced=None,
            totals={},
            look=None,
        )

    def _looked_again(
        self, state: TemperingState, states: Partition | None, rounds: int
    ) -> TemperingState:
        """One round from counting anew, where the surface shows more states than are counted."""
        found = due_look(self.problem, lambda: self.estimate(state), states, rounds, state.relooks)
        if found is None:
            return state
        return replace(
            state,
            phase="adapt",
            adapt=ADAPT_ROUNDS - 1,
            states=None,
            found=found,
            relooks=state.relooks + 1,
            produced=None,
            totals={},
            look=None,
        )

    def _adapted(self, state: TemperingState, segments: Sequence[Segment]) -> TemperingState:
        """Step sizes by what was accepted, temperatures by the energies; then all is frozen."""
        state = replace(
            state,
            adapt=state.adapt + 1,
            steps=self._tuned(state, segments),
            look=self._look(state, segments),
        )
        asked = self.spec["temperatures"]
        if state.adapt in PLACED and not isinstance(asked, list | tuple):
            state = self._placed(state, segments)
        if state.adapt < ADAPT_ROUNDS:
            return state
        states = self.problem.states() or state.found or self._basins(state)
        nothing = self._nothing(state, states)
        return replace(state, phase="produce", states=states, produced=nothing, look=None)

    def _tuned(self, state: TemperingState, segments: Sequence[Segment]) -> tuple[StepSize, ...]:
        """Step sizes nearer to the wanted acceptance."""
        k = len(state.tau)
        tested = np.zeros((k, 2))
        for record in (s.read(TemperRecord) for s in segments):
            np.add.at(tested, record.slots % k, record.tested)
        return tuple(
            tuner.update(yes / tried)
            for tuner, (tried, yes) in zip(state.steps, tested if state.steps else (), strict=True)
        )

    def _look(self, state: TemperingState, segments: Sequence[Segment]) -> LadderProduction | None:
        """Where the temperatures as they are now have been, for the basins."""
        if self.problem.boxes is not None:
            return None
        whole = Partition.whole(self.problem.periodic)
        seen = self._nothing(state, whole) if state.look is None else state.look
        return seen.with_round(self.problem, whole, segments)

    def _nothing(self, state: TemperingState, states: Partition) -> LadderProduction:
        return LadderProduction.start(self.problem, state.tau, self.ladders, states.names)

    def _placed(self, state: TemperingState, segments: Sequence[Segment]) -> TemperingState:
        """The temperatures placed anew; each takes the walker of the nearest old one."""
        old, k = state.tau, len(state.tau)
        rung = np.concatenate([s.samples["replica"] for s in segments]).astype(np.int64) % k
        energy = np.concatenate([s.samples["energy"] for s in segments])
        good = np.isfinite(energy)
        total = np.bincount(rung[good], energy[good], minlength=k)
        mean = total / np.bincount(rung[good], minlength=k)
        asked = self.spec["temperatures"]
        tau = place(old, mean, None if asked == "auto" else int(asked))
        near = np.abs(np.log(tau)[:, None] - np.log(old)[None, :]).argmin(axis=1)
        slots = (np.arange(self.ladders)[:, None] * k + near).reshape(-1)
        return replace(
            state,
            tau=tau,
            steps=tuple(state.steps[i] for i in near) if state.steps else (),
            # velocities belong to the old temperatures
            walkers=state.walkers.take(slots).without_velocities(),
            who=np.arange(len(slots)),
            # and so does what was seen
            look=None,
        )

    def _basins(self, state: TemperingState) -> Partition:
        if state.look is None:
            raise ValueError("nothing was looked at that could show basins")
        problem, look = self.problem, state.look
        density, readings = look.density(problem), look.readings(problem)
        return find_basins(density, problem.grid, problem.names, readings=readings)

    def _labels(self, state: TemperingState) -> list[str]:
        """Temperatures as a person reads them."""
        kelvin = self.spec["kelvin"]
        if kelvin is None:
            return [f"{t:.3g} kT" for t in state.tau.tolist()]
        return [f"{t * kelvin:.0f} K" for t in state.tau.tolist()]
