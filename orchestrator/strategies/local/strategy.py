"""Local moves alone, the honest baseline."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.actors.orders.sample import SamplePayload, SampleRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.base import StepPlan
from msgen.orchestrator.strategies.common.free_replicas import FreeReplicas, FreeState
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.local.schema import ADAPT_ROUNDS


class Local(FreeReplicas[FreeState]):
    """Local sampling only. It cannot converge unless its replicas go to and fro by themselves."""

    name = "local"
    state_type = FreeState
    adapt_rounds = ADAPT_ROUNDS

    def start(self) -> FreeState:
        """See `Strategy`."""
        return FreeState(
            arriving=self.arrives,
            round=0,
            phase="adapt",
            walkers=self.first_walkers(),
            trail=np.zeros((0, self.problem.dim)),
            moves=LocalMoves.first(self.problem),
        )

    def decide(self, state: FreeState) -> StepPlan:
        """See `Strategy`."""
        problem, whole = self.problem, Partition.whole(self.problem.periodic)
        chunks = max(1, int(self.spec["local"]["steps"]) // problem.stride)
        orders = tuple(
            WorkOrder.of(
                state.round,
                SamplePayload(
                    walkers=state.walkers.take(group),
                    replicas=group,
                    stratum=np.zeros(len(group), dtype=np.int64),
                    partition=whole,
                    ladder=Ladder.plain(problem.local_g),
                    blocks=self.blocks(state),
                    chunks=chunks,
                    steps=problem.stride,
                    step_size=state.moves.step_size,
                ),
                number,
                cost_hint=float(BLOCKS * chunks * problem.stride * len(group)),
            )
            for number, group in enumerate(self.groups(state))
        )
        return StepPlan(state.phase, orders)

    def walkers_in(self, segment: Segment) -> WalkerRows:
        """See `FreeReplicas`."""
        return segment.read(SampleRecord).walkers
