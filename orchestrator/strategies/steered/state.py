"""What the steered strategy keeps between rounds: one dataclass a phase."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree, decode
from msgen.actors.codec import FLAT, keys_of
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.actors.kernels.partial_ladders import PartialLadders
from msgen.actors.orders.walkers import WalkerRows
from msgen.models.base import ModelState
from msgen.orchestrator.strategies.common.exploration import Seeds
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.replica_pool import ReplicaPool
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.fit_data import FitData
from msgen.orchestrator.strategies.steered.flattening import Flattener
from msgen.orchestrator.strategies.steered.learnt_dynamics import SeenSteps
from msgen.orchestrator.strategies.steered.profile import Profiling
from msgen.orchestrator.strategies.steered.reweighting import BURN_IN
from msgen.orchestrator.strategies.steered.sightings import Sightings
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner
from msgen.orchestrator.strategies.steered.traffic import Traffic
from msgen.orchestrator.strategies.steered.tuning_price import Spent
from msgen.systems.base import Array


@dataclass(frozen=True, kw_only=True)
class CommonState:
    """What every phase knows.

    Attributes
    ----------
    round : int
        The one that comes next.
    attempt : int
        Rounds of pushes since the exploration began.
    isomers : dict of str to int
        How often each was met and left out.
    relooks : int
        How often the campaign went back because a new state was found.
    moves : LocalMoves
    found : Partition or None
        States that a look at the surface of production has found; None before the first.
    spent : Spent
    """

    round: int
    attempt: int = 0
    isomers: dict[str, int] = field(default_factory=dict)
    relooks: int = 0
    moves: Annotated[LocalMoves, FLAT]
    found: Partition | None = None
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, kw_only=True)
class ExploreState(CommonState):
    """Pushes look for the states.

    Attributes
    ----------
    pool : Seeds
        Walkers to push next, and to begin from.
    states, works, tuner, stratum, replica_pool
        Of a campaign that went back: what it knew, for its reports.
    """

    phase: Literal["explore"] = "explore"
    pool: Seeds
    states: Partition | None = None
    works: Works | None = None
    tuner: PathTuner | None = None
    stratum: NDArray[np.int64] | None = None
    replica_pool: Annotated[ReplicaPool, FLAT] = field(default_factory=ReplicaPool)


@dataclass(frozen=True)
class Settling:
    """What a chain has found, and how far it is from going to and fro in balance.

    Attributes
    ----------
    traffic : Traffic
    visited : Mask, shape (K,)
        States that a walker has been to.
    unsettled : bool
        Whether the proposals are to be taught once more because moves do not balance.
    joined : bool
        Whether moves have balanced before.
    """

    traffic: Traffic
    visited: Mask
    unsettled: bool
    joined: bool


@dataclass(frozen=True, kw_only=True)
class SamplingState(CommonState):
    """Local sampling of R replicas, and paths between K strata.

    Attributes
    ----------
    adapt : int
        Rounds of the adaptation so far.
    states : Partition
    missing : tuple of str
        States that were asked for and never found.
    strata : Partition
        The states, or all of CV space for a chain.
    stratum : int array, shape (R,)
        Where each replica is kept.
    descent : int array, shape (R,), or None
        The walker of the exploration that each comes from; None in a run that did not keep it.
    walkers : WalkerRows
        R of them.
    xi : Array, shape (R, C), or None
        Their CVs; None before the first round.
    replica_pool : ReplicaPool
    ladders : dict of int to Ladder
        The flattening bias of each stratum.
    flatteners : dict of int to Flattener
        What they are made of; none in production.
    partial : dict of int to PartialLadders
        The bias where surfaces are asked for, instead of `ladders`; none without.
    sightings : dict of int to Sightings
        What that is made of; none in production.
    works : Works
        Of the adaptation.
    version : int
        Of the proposals, −1 for none.
    model : ModelState or None
    log_mass : Array, shape (K,)
        ln Q_k of the defended model in each stratum.
    fit_data : dict of int to FitData
        What the next fit sees of each stratum; none in production.
    seen_steps : SeenSteps
        What it sees where steps of a dynamics are learnt; none in production.
    tuner : PathTuner or None
        None before the first paths.
    settling : Settling
    counts : dict of str to float
        Of the last round.
    """

    adapt: int = 0
    states: Partition
    missing: tuple[str, ...]
    strata: Partition
    stratum: NDArray[np.int64]
    descent: NDArray[np.int64] | None = None
    walkers: WalkerRows
    xi: Array | None = None
    replica_pool: Annotated[ReplicaPool, FLAT] = field(default_factory=ReplicaPool)
    ladders: dict[int, Ladder]
    flatteners: dict[int, Flattener] = field(default_factory=dict)
    partial: dict[int, PartialLadders] = field(default_factory=dict)
    sightings: dict[int, Sightings] = field(default_factory=dict)
    works: Works = field(default_factory=Works.empty)
    version: int = -1
    model: ModelState | None = None
    log_mass: Array
    fit_data: dict[int, FitData] = field(default_factory=dict)
    seen_steps: SeenSteps = field(default_factory=SeenSteps)
    tuner: PathTuner | None = None
    settling: Annotated[Settling, FLAT]
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def at_work(self) -> NDArray[np.int64]:
        """Ids of the replicas that sample in this round."""
        return self.replica_pool.at_work(len(self.stratum))

    @property
    def counted(self) -> Mask:
        """Whether what a replica samples in this round counts, shape (R,)."""
        return self.replica_pool.counted(len(self.stratum))

    @property
    def ancestors(self) -> NDArray[np.int64]:
        """Whose copy each replica is, itself for none, shape (R,)."""
        return self.replica_pool.ancestors(len(self.stratum))


@dataclass(frozen=True, kw_only=True)
class AdaptState(SamplingState):
    """Bias, proposals and paths are tuned."""

    phase: Literal["adapt"] = "adapt"


@dataclass(frozen=True, kw_only=True)
class ProduceState(SamplingState):
    """All is frozen, and what is sampled counts.

    Attributes
    ----------
    burn_in : int
        Rounds that do not count yet.
    produced : Production or None
        None before the first round that counts.
    produced_rounds : int
        Rounds that counted.
    local_share : float
        Local sampling between two paths, against what the campaign says.
    totals : dict of str to float
        Counts of all rounds that counted.
    profile : Profiling or None
        None where paths are not read.
    """

    phase: Literal["produce"] = "produce"
    burn_in: int = BURN_IN
    produced: Production | None = None
    produced_rounds: int = 0
    local_share: float = 1.0
    totals: dict[str, float] = field(default_factory=dict)
    profile: Profiling | None = None

    def adapting_again(self, adapted: int) -> AdaptState:
        """Back after `adapted` rounds of the adaptation; nothing counted so far is kept.

        With whoever is at work: those who rest leave, and nobody rests while nothing counts.
        """
        here = self.at_work
        return replace(
            AdaptState(**shared(self)),
            adapt=adapted,
            relooks=self.relooks + 1,
            missing=(),
            stratum=self.stratum[here],
            walkers=self.walkers.take(here),
            xi=None if self.xi is None else self.xi[here],
            descent=None if self.descent is None else self.descent[here],
            replica_pool=ReplicaPool(),
        )


SteeredState = ExploreState | AdaptState | ProduceState

_PHASES: dict[str, type[ExploreState] | type[AdaptState] | type[ProduceState]] = {
    "explore": ExploreState,
    "adapt": AdaptState,
    "produce": ProduceState,
}


def shared(state: SamplingState) -> dict[str, Any]:
    """What adaptation and production have in common, as arguments for the state of either."""
    return {f.name: getattr(state, f.name) for f in fields(SamplingState)}


def read_state(tree: Tree) -> SteeredState:
    """The state that was encoded as `tree`.

    Raises
    ------
    CodecError
        If it is of no phase.
    """
    kind = _PHASES[tree["phase"]]
    # a campaign that has gone back used to drag along what other phases know
    strange = frozenset().union(*(keys_of(k) for k in _PHASES.values())) - keys_of(kind)
    return decode(kind, {key: value for key, value in tree.items() if key not in strange})
