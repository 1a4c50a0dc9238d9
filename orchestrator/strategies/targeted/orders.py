"""The orders of the targeted strategy: sampling in the states, and fits of their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.replica_pool import at_work
from msgen.orchestrator.strategies.common.step_size import MASS_ROUNDS, masses_of, step_of
from msgen.orchestrator.strategies.common.walker_rows import rows
from msgen.systems.base import Array

Ints = NDArray[np.int64]

TRANSPORT = "fit_transport"
"""Kind of the orders that fit interpolants."""
FRAMES = 10
"""Stretches of local sampling in one order, a configuration kept after each; more as the rounds go
on."""
LONGEST = 16
"""`FRAMES` of the longest round."""
LEARNT = 2000
"""Configurations of each state that a round of the adaptation adds."""
MOST_LEARNT = 20_000
"""The most, and the latest, that a fit sees of one state."""
FIT_ROUNDS = tuple(MASS_ROUNDS + r for r in (1, 4, 8, 13, 20))
"""Rounds of the adaptation in which fits begin, each with about twice as much to learn from."""
LITTLE = 0.02
"""Nats by which a fit has to beat the one before it for another to be worth its while, beside a
per cent of the variables."""


@dataclass
class Learning:
    """What the states' models have learnt.

    Attributes
    ----------
    versions : Ints, shape (K,)
        Of each state's model in use, −1 for none; no two states share one.
    transports : Ints, shape (K,)
        Of the interpolant from the first state to each, −1 for none.
    losses : Array, shape (K,)
        Mean −ln q on held-out samples of the newest model of each; NaN before there is one.
    gains : Array, shape (K,)
        Nats by which the last fit beat the model before it; NaN before the second.
    newest : int
    inhabited : bool array, shape (K,)
        Where there are replicas.
    data : dict of int to Array
        Configurations to learn from, in the models' variables.
    rounds : int
        Of the adaptation.
    """

    versions: Ints
    transports: Ints
    losses: Array
    gains: Array
    inhabited: NDArray[np.bool_]
    newest: int = -1
    rounds: int = 0
    data: dict[int, Array] = field(default_factory=dict)

    @classmethod
    def start(cls, stratum: Ints, n_states: int) -> Learning:
        """Nothing yet, for replicas kept in `stratum` (R,)."""
        none = np.full(n_states, np.nan)
        inhabited = np.isin(np.arange(n_states), stratum)
        no_model = np.full(n_states, -1, dtype=np.int64)
        return cls(no_model, no_model.copy(), none, none.copy(), inhabited)

    def see(self, state: int, configurations: Array) -> None:
        """Add what a round saw of a state."""
        known = [self.data[state]] if state in self.data else []
        self.data[state] = np.concatenate([*known, configurations])[-MOST_LEARNT:]

    def take(self, fit: Segment) -> bool:
        """Note what came of a fit; whether its model is to be used from now on."""
        state = fit.key[2]
        if fit.key[1] == TRANSPORT:
            self.newest += 1
            self.transports[state] = self.newest
            return True
        self.gains[state] = float(fit.counts["gain"])
        if not fit.carry["accepted"]:
            return False
        self.newest += 1
        self.versions[state] = self.newest
        self.losses[state] = float(fit.counts["held_out_loss"])
        return True

    def done(self, joined: bool) -> bool:
        """Whether every state has a model (and, if `joined`, an interpolant), and another fit is
        not worth its while."""
        learnt = self.versions[self.inhabited] >= 0
        if not learnt.all() or (joined and not (self.transports[self.ends] >= 0).all()):
            return False
        dim = next(iter(self.data.values())).shape[1]
        enough = max(LITTLE, 0.01 * dim)
        flat = bool((self.gains[self.inhabited] < enough).all())
        # the last fits are absorbed a lag after they began
        return flat or self.rounds > 2 * FIT_ROUNDS[-1] - FIT_ROUNDS[-2]

    @property
    def ends(self) -> Ints:
        """States that an interpolant is wanted to: the others, where there is the first."""
        return np.flatnonzero(self.inhabited)[1:] if self.inhabited[0] else np.zeros(0, np.int64)

    def forget(self) -> None:
        """Drop the data: nothing is fitted any more."""
        self.data = {}

    def tree(self) -> Tree:
        return {
            "versions": self.versions,
            "transports": self.transports,
            "losses": self.losses,
            "gains": self.gains,
            "inhabited": self.inhabited,
            "newest": self.newest,
            "rounds": self.rounds,
            "data": {str(k): v for k, v in self.data.items()},
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> Learning:
        names = ("versions", "transports", "losses", "gains", "inhabited")
        arrays = {n: np.array(tree[n]) for n in names}
        data = {int(k): np.asarray(v) for k, v in tree["data"].items()}
        return cls(**arrays, newest=int(tree["newest"]), rounds=int(tree["rounds"]), data=data)


def sampling(problem: Problem, state: Tree, maps: str) -> tuple[WorkOrder, ...]:
    """Local sampling of every replica; in production also draws and maps of the models."""
    stratum = np.asarray(state["stratum"])
    per_frame = max(1, int(problem.strategy["local"]["steps"]) // problem.stride)
    learning = Learning.from_tree(state["learning"])
    common: Tree = {
        "partition": state["states"],
        "ladder": Ladder.plain(problem.local_g).tree(),
        "steps": problem.stride,
        "step_size": step_of(state),
        "masses": masses_of(state),
    }
    producing, frames = state["phase"] == "produce", FRAMES
    if producing:
        rounds = int(state["gathered"]["production"]["rounds"]) if state["gathered"] else 0
        frames *= min(LONGEST, 1 + rounds // 4)
        common.update(
            versions=learning.versions,
            draws=int(problem.strategy["draws"]),
            maps=maps,
            transports=learning.transports,
            turn=rounds,
        )
    out = []
    for number, group in enumerate(groups(problem, stratum, at_work(state, stratum))):
        kept, chunks = frames, per_frame
        if not producing:
            # as many configurations of every state, however many replicas are in it
            here = int(np.count_nonzero(stratum == stratum[group[0]]))
            kept = max(FRAMES, -(-LEARNT // here))
            chunks = max(1, FRAMES * per_frame // kept)
        payload = {
            **common,
            "walkers": rows(state["walkers"], group),
            "replicas": group,
            "stratum": stratum[group],
            "frames": kept,
            "chunks": chunks,
        }
        cost = float(kept * chunks * problem.stride * len(group))
        version = int(learning.newest) if producing else -1
        out.append(WorkOrder(int(state["round"]), "target", number, payload, version, cost))
    return tuple(out)


def fits(state: Tree, periodic: NDArray[np.bool_], maps: str) -> tuple[WorkOrder, ...]:
    """A fit of the model of each state, and of the interpolants, in the rounds that begin them."""
    learning, rnd = Learning.from_tree(state["learning"]), int(state["round"])
    if state["phase"] != "adapt" or int(state["adapt"]) not in FIT_ROUNDS:
        return ()
    models = [
        WorkOrder(
            rnd,
            "fit",
            k,
            {
                "data": data,
                "weights": np.ones(len(data)),
                "stratum": np.zeros(len(data), dtype=np.int64),
                "n_strata": 1,
                "periodic": periodic,
                "goes_on": True,
            },
            model_version=int(learning.versions[k]),
        )
        for k, data in sorted(learning.data.items())
    ]
    ends = learning.ends.tolist() if maps == "interpolant" else []
    joins = [
        WorkOrder(
            rnd,
            TRANSPORT,
            k,
            {"start": learning.data[0], "end": learning.data[k], "periodic": periodic},
            model_version=int(learning.transports[k]),
        )
        for k in ends
    ]
    return (*models, *joins)


def models(state: Tree) -> Mapping[int, Tree]:
    """Every version in use."""
    learning = state["learning"]
    out = {int(learning["versions"][int(k)]): tree for k, tree in state["models"].items()}
    for k, tree in state["maps"].items():
        out[int(learning["transports"][int(k)])] = tree
    return out
