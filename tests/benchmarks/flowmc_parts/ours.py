"""One campaign in a process of its own, with the clock read between its phases.

`python ours.py CAMPAIGN.yaml OUT.npz CV`: the series of the CV of every replica in `produce`, and
CPU seconds (user and system, all threads, imports left out) and evaluations of both phases;
everything before production, the search for states included, is training.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from msgen.actors.base import Segment
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.strategies.flow_mcmc.state import FlowState
from msgen.orchestrator.strategies.flow_mcmc.strategy import FlowMcmc


class Watch:
    """What the strategy absorbs, and when."""

    def __init__(self, cv: int) -> None:
        self.cv, self.begun = cv, time.process_time()
        self.evaluations = {"training": 0, "production": 0}
        self.trained = self.begun
        self.rounds: list[np.ndarray] = []
        self.moves = np.zeros(2)

    def see(self, phase: str, segments: Sequence[Segment]) -> None:
        moves = [s for s in segments if not s.is_fit]
        spent = sum(s.evaluations for s in moves)
        if phase != "produce":
            self.evaluations["training"] += spent
            self.trained = time.process_time()
            return
        self.evaluations["production"] += spent
        for s in moves:
            self.moves += s.counts["global_accepted"], s.counts["global_proposed"]
        parts = [
            s.samples["cvs"][:, self.cv].reshape(len(np.unique(s.samples["replica"])), -1)
            for s in moves
        ]
        self.rounds.append(np.concatenate(parts))


def main(campaign: str, out: str, cv: int) -> None:
    watch = Watch(cv)
    absorb = FlowMcmc.absorb

    def watched(self: FlowMcmc, state: FlowState, segments: Sequence[Segment]) -> FlowState:
        phase = state.phase
        new = absorb(self, state, segments)
        watch.see(phase, segments)
        return new

    FlowMcmc.absorb = watched  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        code = main_run([campaign, "--output-dir", folder])
    if code not in (0, 3):
        raise SystemExit(code)
    end = time.process_time()
    np.savez(
        out,
        production_series=np.concatenate(watch.rounds, axis=1),
        training_cpu=watch.trained - watch.begun,
        production_cpu=end - watch.trained,
        training_evaluations=watch.evaluations["training"],
        production_evaluations=watch.evaluations["production"],
        accepted=watch.moves[0] / watch.moves[1],
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
