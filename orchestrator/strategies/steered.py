"""The steered strategy: local sampling inside the states, switching paths between them.

explore: pushes over the CV range find the states. adapt: the flattening bias, the proposal model
and the switching paths are tuned. produce: all of it is frozen, and only now is anything counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.build import FIRST_STEP
from msgen.actors.conditional import Conditional
from msgen.actors.engine import Schedule
from msgen.actors.kernels.adaptation import HMC_ACCEPTANCE, MALA_ACCEPTANCE, StepSize
from msgen.actors.kernels.tempered import Ladder
from msgen.actors.partition import Partition
from msgen.orchestrator.base import Estimate, StateEstimate, StepPlan
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.strategies import explore
from msgen.orchestrator.strategies.basins import find_basins
from msgen.orchestrator.strategies.flatten import Flattener, bin_centres, make_ladder
from msgen.orchestrator.strategies.problem import Problem
from msgen.orchestrator.strategies.production import Production
from msgen.orchestrator.strategies.tuner import PathTuner
from msgen.orchestrator.strategies.works import Works
from msgen.systems.base import Array

FIT_SIZE = 4000
"""Most samples of one stratum that a fit sees."""
BLOCKS = 8
"""Blocks of local sampling in one order, a path after each where λ is absent."""
FIT_ROUNDS = (1, 3)
"""Rounds of the adaptation in which a fit begins."""
WARM_UP = 2
"""Rounds of the adaptation before paths can be sent: the first fit has to be there."""


class Steered:
    """See the module; meets `msgen.orchestrator.base.Strategy`.

    Parameters
    ----------
    problem : Problem
    """

    name = "steered"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.spec: Mapping[str, Any] = problem.strategy
        self.stratify = bool(self.spec["stratify"])
        self.flatten = float(self.spec["flatten"])
        self.epsilon = float(self.spec["broad"])
        self.chunk = problem.stride

    # the state machine

    def start(self) -> Tree:
        """See `Strategy`."""
        problem = self.problem
        pool: Tree = {"positions": problem.start.positions, "xi": problem.start_xi[None]}
        if problem.start.box is not None:
            pool["box"] = problem.start.box
        return {
            "round": 0,
            "phase": "explore",
            "attempt": 0,
            "pool": pool,
            "isomers": {},
            "step": self._first_step(),
        }

    def decide(self, state: Tree) -> StepPlan:
        """See `Strategy`."""
        rnd, phase = int(state["round"]), state["phase"]
        if phase == "explore":
            orders = explore.orders(
                self.problem,
                rnd,
                int(state["attempt"]),
                state["pool"],
                self._path_dt(state),
                self._step(state),
            )
            return StepPlan("explore", orders)
        models = {}
        version = int(state["version"])
        if version >= 0:
            models[version] = state["model"]
        orders = self._sampling_orders(state)
        fits: tuple[WorkOrder, ...] = ()
        if phase == "adapt" and int(state["adapt"]) in FIT_ROUNDS and self._can_bridge(state):
            fits = (self._fit_order(state),)
        return StepPlan(phase, orders, fits, models)

    def absorb(self, state: Tree, segments: Sequence[Segment]) -> Tree:
        """See `Strategy`."""
        state = dict(state)
        state["round"] = int(state["round"]) + 1
        fits = [s for s in segments if s.key[1] == "fit"]
        rest = [s for s in segments if s.key[1] != "fit"]
        if state["phase"] == "explore":
            return self._explored(state, rest)
        for fit in fits:
            self._take_model(state, fit)
        self._keep_walkers(state, rest)
        if state["phase"] == "adapt":
            return self._adapted(state, rest)
        return self._produced(state, rest)

    # explore

    def _explored(self, state: Tree, segments: list[Segment]) -> Tree:
        problem = self.problem
        state["pool"], found = explore.absorb(problem, state["pool"], segments)
        isomers = dict(state["isomers"])
        for name, count in found["isomers"].items():
            isomers[name] = isomers.get(name, 0) + count
        state["isomers"] = isomers
        state["attempt"] = int(state["attempt"]) + 1
        trail = found["trail"]
        states = problem.states()
        if states is None:
            index = problem.grid.index(trail)
            counts = np.bincount(index[index >= 0], minlength=problem.grid.size)
            states = find_basins(counts.reshape(problem.grid.shape), problem.grid, problem.names)
        seeds = states.assign(state["pool"]["xi"])
        missing = [k for k in range(len(states)) if not (seeds == k).any()]
        if missing and state["attempt"] < explore.EXPLORE_ROUNDS:
            return state
        state["states"] = states.tree()
        state["missing"] = [states.names[k] for k in missing]
        self._begin_adapt(state, states)
        return state

    def _strata(self, states: Partition) -> Partition:
        return states if self.stratify else Partition.whole(self.problem.periodic)

    def _begin_adapt(self, state: Tree, states: Partition) -> None:
        strata = self._strata(states)
        where = states.assign(state["pool"]["xi"])
        stratum, seed = self._allocate(where, len(states), np.ones(len(states)))
        if not self.stratify:
            stratum = np.zeros_like(stratum)
        pool = state.pop("pool")
        state.update(
            phase="adapt",
            adapt=0,
            strata=strata.tree(),
            stratum=stratum,
            walkers={k: pool[k][seed] for k in ("positions", "box") if k in pool},
            ladders={str(k): Ladder.plain(self.problem.local_g).tree() for k in range(len(strata))},
            flatteners={},
            works=Works.empty().tree(),
            version=-1,
            model={},
            log_mass=np.zeros(len(strata)),
            fit_data={},
            tuner={},
            counts={},
        )

    def _allocate(
        self, where: NDArray[np.int64], n_strata: int, weight: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Stratum of every replica, by `weight` but at least two each, and a walker to start from.

        Walkers found in a stratum are taken at random, and again where they are few.
        """
        found = [k for k in range(n_strata) if (where == k).any()]
        r = self.problem.replicas
        share = np.array([max(weight[k], 1e-12) for k in found])
        least = min(2, r // len(found)) if len(found) <= r else 0
        number = np.full(len(found), least)
        ideal = share / share.sum() * r
        for _ in range(r - number.sum()):
            number[int(np.argmax(ideal - number))] += 1
        stratum = np.repeat(np.array(found, dtype=np.int64), number)
        rng = np.random.default_rng(np.random.SeedSequence(self.problem.seed, spawn_key=(79,)))
        picks = []
        for k, n in zip(found, number, strict=True):
            here = rng.permutation(np.flatnonzero(where == k))
            picks.append(here[np.arange(n) % len(here)])
        seed = np.concatenate(picks)
        return stratum, seed

    # orders

    def _sampling_orders(self, state: Tree) -> tuple[WorkOrder, ...]:
        rnd, phase = int(state["round"]), state["phase"]
        stratum = np.asarray(state["stratum"])
        schedules = self._schedules(state)
        bridging = int(state["version"]) >= 0 and self._can_bridge(state)
        per_block = max(1, int(self.spec["local"]["steps"]) // self.chunk)
        blocks = BLOCKS
        if phase == "produce":
            per_block = max(1, round(per_block * float(state["local_share"])))
            # longer rounds as they become a smaller part of the whole: less to commit
            blocks *= 1 + int(state["produced_rounds"]) // 4
        orders = []
        for number, group in enumerate(self._groups(stratum)):
            k = int(stratum[group[0]])
            walkers = {n: v[group] for n, v in state["walkers"].items()}
            payload: Tree = {
                "walkers": walkers,
                "replicas": group,
                "stratum": stratum[group],
                "partition": state["strata"],
                "ladder": state["ladders"][str(k)],
                "blocks": blocks,
                "chunks": per_block,
                "steps": self.chunk,
                "step_size": self._step(state),
            }
            if bridging:
                payload.update(
                    mode="strata" if self.stratify else "chain",
                    schedules=[s.tree() for s in schedules],
                    targets=self._targets(state),
                    proposals={
                        "broad": self.problem.broad(),
                        "epsilon": self.epsilon,
                        "log_mass": state["log_mass"],
                    },
                )
            orders.append(
                WorkOrder(
                    rnd,
                    "sample",
                    number,
                    payload,
                    model_version=int(state["version"]) if bridging else -1,
                    cost_hint=float(blocks * per_block * self.chunk * len(group)),
                )
            )
        return tuple(orders)

    def _groups(self, stratum: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Replicas that share an order: of one stratum, at most `Problem.batch`."""
        groups = []
        for k in np.unique(stratum):
            mine = np.flatnonzero(stratum == k)
            groups += [
                mine[i : i + self.problem.batch] for i in range(0, len(mine), self.problem.batch)
            ]
        return groups

    def _can_bridge(self, state: Tree) -> bool:
        """Whether there is anywhere to go: another stratum, or a whole space to move in."""
        return not self.stratify or len(np.unique(state["stratum"])) > 1

    def _targets(self, state: Tree) -> Array:
        """Chance of each target stratum, given the source."""
        n = len(Partition.from_tree(state["strata"]))
        if not self.stratify:
            return np.ones((1, 1))
        inhabited = np.isin(np.arange(n), state["stratum"])
        chance = np.tile(inhabited.astype(np.float64), (n, 1))
        np.fill_diagonal(chance, 0.0)
        return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1.0))

    def _fit_order(self, state: Tree) -> WorkOrder:
        """A fit of q_k(λ) on λ ~ g(·|ξ) of every stratum, each stratum weighing the same."""
        strata = Partition.from_tree(state["strata"])
        g = self._tuner(state).best.g
        seed = np.random.SeedSequence(self.problem.seed, spawn_key=(int(state["round"]), 78))
        rng = np.random.default_rng(seed)
        data, labels = [], []
        for k, seen in sorted(state["fit_data"].items(), key=lambda item: int(item[0])):
            weight = np.exp(seen["log_weight"] - seen["log_weight"].max())
            pick = rng.choice(len(weight), FIT_SIZE, p=weight / weight.sum())
            lam = g.sample(np.asarray(seen["xi"])[pick], rng)
            inside = strata.assign(lam) == int(k)
            data.append(lam[inside])
            labels.append(np.full(int(inside.sum()), int(k)))
        stratum = np.concatenate(labels)
        counts = np.bincount(stratum, minlength=len(strata))
        return WorkOrder(
            int(state["round"]),
            "fit",
            0,
            {
                "data": np.concatenate(data),
                "weights": 1.0 / counts[stratum],
                "stratum": stratum,
                "n_strata": len(strata),
                "periodic": self.problem.periodic,
                "partition": state["strata"],
                "broad": self.problem.broad(),
                "epsilon": self.epsilon,
            },
            model_version=int(state["version"]),
        )

    # what comes back

    def _take_model(self, state: Tree, fit: Segment) -> None:
        if not fit.carry["accepted"] or state["phase"] != "adapt":
            return
        state["version"] = int(state["version"]) + 1
        state["model"] = fit.carry["model"]
        state["log_mass"] = np.asarray(fit.carry["log_mass"])

    def _keep_walkers(self, state: Tree, segments: list[Segment]) -> None:
        """Every replica goes on from where it ended."""
        groups = self._groups(np.asarray(state["stratum"]))
        first = segments[0].carry["walkers"]
        r = len(state["stratum"])
        walkers = {n: np.zeros((r, *np.shape(v)[1:])) for n, v in first.items()}
        for segment, group in zip(segments, groups, strict=True):
            for n, v in segment.carry["walkers"].items():
                walkers[n][group] = v
        state["walkers"] = walkers
        state["counts"] = _summed(segments)

    def _adapted(self, state: Tree, segments: list[Segment]) -> Tree:
        strata = Partition.from_tree(state["strata"])
        works = Works.of(segments)
        known = Works.from_tree(state["works"]).and_(works)
        state["works"] = known.tree()
        f = known.network(len(strata)).f if self.stratify else np.zeros(1)
        self._see(state, segments, strata, f)
        self._tune_step(state)
        tuner = self._tuner(state)
        if len(works):
            tuner = tuner.absorb(
                works["schedule"], works["path_steps"], self._crossings(state, segments, works, f)
            )
        state["tuner"] = tuner.tree()
        state["adapt"] = int(state["adapt"]) + 1
        ready = tuner.done and (int(state["version"]) >= 0 or not self._can_bridge(state))
        if int(state["adapt"]) > max(FIT_ROUNDS) + WARM_UP and (ready or state["adapt"] > 20):
            self._begin_produce(state, strata)
        return state

    def _crossings(self, state: Tree, segments: list[Segment], works: Works, f: Array) -> Array:
        """How much of a crossing each path was; see `PathTuner`."""
        if self.stratify:
            return works.crossing(f)
        states = Partition.from_tree(state["states"])
        ends = [
            np.concatenate([s.samples[name] for s in segments if name in s.samples])
            for name in ("lambda_start", "xi_stop")
        ]
        moved = states.assign(ends[0]) != states.assign(np.nan_to_num(ends[1], nan=np.inf))
        return np.where(moved, np.exp(-np.clip(works["work"], 0.0, None)), 0.0)

    def _see(self, state: Tree, segments: list[Segment], strata: Partition, f: Array) -> None:
        """Update the ladders and the data of the next fit from a round's samples."""
        problem = self.problem
        flatteners, ladders = dict(state["flatteners"]), dict(state["ladders"])
        data: Tree = {}
        groups = self._groups(np.asarray(state["stratum"]))
        stratum_of = [int(state["stratum"][g[0]]) for g in groups]
        bottoms = {}
        for k in sorted(set(stratum_of)):
            mine = [s for s, j in zip(segments, stratum_of, strict=True) if j == k]
            xi = np.concatenate([s.samples["cvs"] for s in mine])
            log_bias = np.concatenate([s.samples["log_bias"] for s in mine])
            label = problem.grid.index(xi)
            zeros = np.zeros(len(label), dtype=np.int64)
            counts = block_sums(label, problem.grid.size, zeros, 1)[0]
            ladder = Ladder.from_tree(ladders[str(k)])
            flattener = (
                Flattener.from_tree(flatteners[str(k)])
                if str(k) in flatteners
                else Flattener([], [])
            )
            flattener.add(counts, ladder.log_bias(bin_centres(problem.grid)))
            flatteners[str(k)] = flattener.tree()
            every = max(1, len(xi) // (2 * FIT_SIZE))
            data[str(k)] = {"xi": xi[::every], "log_weight": -log_bias[::every]}
            p = flattener.populations()
            bottoms[k] = (p, float(f[k]) - float(np.log(p.max())))
        lowest = min(b for _, b in bottoms.values() if np.isfinite(b)) if bottoms else 0.0
        for k, (p, bottom) in bottoms.items():
            above = bottom - lowest if np.isfinite(bottom) else 0.0
            if self.flatten > 0:
                height = max(2.0, self.flatten - above)
                ladders[str(k)] = make_ladder(
                    p, height, k, strata, problem.grid, problem.local_g
                ).tree()
        state["flatteners"], state["ladders"], state["fit_data"] = flatteners, ladders, data

    def _begin_produce(self, state: Tree, strata: Partition) -> None:
        """Freeze everything; replicas go where the surface is widest."""
        area = np.ones(len(strata))
        for k, tree in state["flatteners"].items():
            p = Flattener.from_tree(tree).populations()
            area[int(k)] = np.sqrt(np.count_nonzero(p > p.max() * np.exp(-self.flatten)))
        stratum, seed = self._allocate(np.asarray(state["stratum"]), len(strata), area)
        walkers = {n: v[seed] for n, v in state["walkers"].items()}
        if len(np.unique(seed)) < len(seed):
            # copies of one walker part ways from different velocities
            walkers.pop("velocities", None)
        state.update(
            phase="produce",
            stratum=stratum,
            walkers=walkers,
            burn_in=1,
            produced_rounds=0,
            local_share=1.0,
            produced={},
            totals={},
        )
        for key in ("flatteners", "fit_data"):
            state[key] = {}

    def _produced(self, state: Tree, segments: list[Segment]) -> Tree:
        if int(state["burn_in"]) > 0:
            state["burn_in"] = int(state["burn_in"]) - 1
            return state
        states = Partition.from_tree(state["states"])
        production = self._production(state, states)
        production.absorb(self.problem, states, segments)
        state["produced"] = production.tree()
        state["produced_rounds"] = production.rounds
        totals = dict(state["totals"])
        for name, value in state["counts"].items():
            totals[name] = totals.get(name, 0.0) + value
        state["totals"] = totals
        if production.rounds % 4 == 0:
            self._balance(state, production, states)
        return state

    def _balance(self, state: Tree, production: Production, states: Partition) -> None:
        """Send the effort where the error comes from: local sampling or paths.

        The share depends on errors, never on the sign of an estimate, and each sample and each work
        is as good whatever their number.
        """
        if not self.stratify:
            return
        estimate = self._judged(state, production, states)
        asked = self.problem.criteria
        errors = [v.stderr_kT for v in estimate.states.values() if v.stderr_kT is not None]
        if not errors:
            return
        of_states = max(errors) / asked.state_error
        low = estimate.f_kT < asked.below
        of_surface = 0.0
        if asked.surface_error is not None and low.any():
            rms = float(np.sqrt(np.nanmean(estimate.stderr_kT[low] ** 2)))
            of_surface = rms / asked.surface_error
        share = float(state["local_share"]) * (2.0 if of_surface > of_states else 0.5)
        state["local_share"] = float(np.clip(share, 0.5, 8.0))

    # estimates

    def estimate(self, state: Tree) -> Estimate:
        """See `Strategy`."""
        if state["phase"] == "produce" and state["produced"]:
            states = Partition.from_tree(state["states"])
            return self._judged(state, self._production(state, states), states)
        return self._young(state)

    def _judged(self, state: Tree, production: Production, states: Partition) -> Estimate:
        totals = state["totals"]
        acceptance = {}
        if totals.get("local_proposed"):
            acceptance["local"] = totals["local_accepted"] / totals["local_proposed"]
        works = production.works
        if len(works):
            if self.stratify:
                f = works.network(len(states)).f
                delta = f[works["target"].astype(int)] - f[works["source"].astype(int)]
                chance = np.exp(np.minimum(0.0, np.nan_to_num(delta, nan=-np.inf) - works["work"]))
                acceptance["steered"] = float(chance.mean())
            else:
                acceptance["steered"] = totals.get("accepted", 0.0) / max(totals["paths"], 1.0)
        extra = {**self._about(state), "broken_paths": totals.get("broken", 0.0)}
        if not self.stratify and len(works):
            flips = int(np.abs(np.diff(production.labels, axis=1) != 0).sum())
            extra["switches_seen"] = flips
        return production.estimate(
            self.problem, states, self.stratify, acceptance, extra, state["missing"]
        )

    def _about(self, state: Tree) -> dict[str, Any]:
        out: dict[str, Any] = {"isomers_left_out": dict(state.get("isomers", {}))}
        if state.get("tuner"):
            tuner = self._tuner(state)
            best = tuner.best
            out["path"] = {
                "steps_per_unit": best.steps_per_unit,
                "sigma": [float(s) for s in 1.0 / np.sqrt(best.g.kappa)],
                "friction": best.friction,
                "timestep": best.dt,
                "evaluations_per_crossing": tuner.cost if np.isfinite(tuner.cost) else None,
            }
        return out

    def _young(self, state: Tree) -> Estimate:
        """Before production: what the adaptation makes of the states, without errors."""
        grid = self.problem.grid
        empty = np.full(grid.shape, np.nan)
        values: dict[str, StateEstimate] = {}
        if "states" in state:
            states = Partition.from_tree(state["states"])
            f = np.full(len(states), np.nan)
            if self.stratify:
                f = Works.from_tree(state["works"]).network(len(states)).f
            for k, name in enumerate(states.names):
                value = float(f[k] - f[0])
                joined = np.isfinite(value) and (k == 0 or f[k] != 0.0)
                values[name] = StateEstimate(value if joined else None, None)
        return Estimate(
            dict(zip(self.problem.names, grid.centres, strict=True)),
            empty,
            empty,
            values,
            self._about(state),
            False,
            (f"still in phase {state['phase']}: nothing counts yet",),
        )

    def _production(self, state: Tree, states: Partition) -> Production:
        if state["produced"]:
            return Production.from_tree(state["produced"])
        return Production.start(self.problem, np.asarray(state["stratum"]), len(states))

    # paths and steps

    def _schedules(self, state: Tree) -> tuple[Schedule, ...]:
        tuner = self._tuner(state)
        return (tuner.best,) if state["phase"] == "produce" else tuner.candidates

    def _tuner(self, state: Tree) -> PathTuner:
        if state.get("tuner"):
            return PathTuner.from_tree(state["tuner"])
        problem, path = self.problem, self.spec["path"]
        overdamped = path["dynamics"] == "overdamped"
        fixed_steps = not isinstance(path["steps"], str)
        axes = [] if fixed_steps else ["steps"]
        kappa = self._kappa(path["width"])
        if isinstance(path["width"], str):
            axes.append("kappa")
        friction = path["friction"]
        if isinstance(friction, str) and not overdamped:
            axes.append("friction")
        if isinstance(path["timestep"], str):
            axes.append("dt")
        # 300 steps of 2 fs per radian is where tuning starts for a molecule
        steps = int(path["steps"]) if fixed_steps else 10
        # 300 steps of 2 fs per radian is where tuning starts for a molecule
        first = Schedule(
            g=Conditional(kappa, problem.periodic),
            dt=self._path_dt(state, kappa),
            steps_per_unit=0.0 if fixed_steps else (300.0 if problem.molecular else 20.0),
            scale=problem.scale,
            stride=2 if problem.molecular else 1,
            friction=(0.5 if problem.molecular else 0.1)
            if isinstance(friction, str)
            else float(friction),
            refresh=50 if problem.molecular else 5,
            overdamped=overdamped,
            min_steps=steps,
        )
        return PathTuner(first, tuple(axes), turns=(2 if problem.molecular else 3) * len(axes))

    def _kappa(self, width: Any) -> Array:
        """1/σ² of the path's g: as given, or to start with half a bin of the surface."""
        if isinstance(width, str):
            return np.asarray((4.0 if self.problem.molecular else 1.0) / self.problem.spacing**2)
        return np.array([1.0 / float(width[name]) ** 2 for name in self.problem.names])

    def _path_dt(self, state: Tree, kappa: Array | None = None) -> float:
        """As given, or a step that both the system and the restraint are stable at."""
        given = self.spec["path"]["timestep"]
        if not isinstance(given, str):
            return float(given)
        step = self._step(state)
        dt = float(step) if step is not None else 0.02
        if kappa is None:
            kappa = explore.push_schedule(self.problem, dt).g.kappa
        # the restraint's frequency is √(κ kT |∇ξ|²/m); velocity Verlet is stable up to 2/ω
        frequency = np.sqrt(self.problem.kT * float(np.max(kappa * self.problem.metric)))
        return min(dt, 0.5 / float(frequency))

    def _first_step(self) -> Tree:
        """The tuner of the local step size, empty where the campaign fixes it."""
        local = self.spec["local"]
        if local["kind"] not in FIRST_STEP or not isinstance(local.get("step_size"), str):
            return {}
        goal = MALA_ACCEPTANCE if local["kind"] == "mala" else HMC_ACCEPTANCE
        return StepSize(FIRST_STEP[local["kind"]], goal).tree()

    def _step(self, state: Tree) -> float | None:
        return StepSize.from_tree(state["step"]).step if state["step"] else None

    def _tune_step(self, state: Tree) -> None:
        counts = state["counts"]
        if state["step"] and counts.get("local_proposed"):
            seen = counts["local_accepted"] / counts["local_proposed"]
            state["step"] = StepSize.from_tree(state["step"]).update(seen).tree()


def _summed(segments: Sequence[Segment]) -> dict[str, float]:
    total: dict[str, float] = {}
    for segment in segments:
        for name, value in segment.counts.items():
            total[name] = total.get(name, 0.0) + value
    return total
