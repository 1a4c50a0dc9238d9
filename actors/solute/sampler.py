"""Orders whose global moves are those of a solute, its solvent driven after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.context import WorkerContext
from msgen.actors.roles.independence_run import Run
from msgen.actors.solute.solute import solute_coordinates, solute_move
from msgen.systems.base import Walkers
from msgen.systems.coordinates.representation import Encoding


@dataclass
class SoluteRun(Run):
    """Moves of the solute to where the model proposes; told by the states in the payload.

    Counts beside those of `Run`: 'refused' draws, 'broken' paths, 'global_evaluations', and of the
    paths 'within' a state and 'between' two, by where they ended, the '_proposed', '_accepted' and
    '_expected', Σ min(1, e^r).
    """

    @classmethod
    def encoding(cls, context: WorkerContext) -> Encoding:
        """Internal coordinates of the solute."""
        return solute_coordinates(context)

    def propose(self) -> None:
        """Moves of all walkers in turn."""
        if self.q is None:
            return
        move = solute_move(self.context, self.q, self.order.model_version)
        states = self.payload.states
        if states is None:
            raise ValueError("moves of a solute are told by states, and the order has none")
        for _ in range(self.payload.global_steps):
            before = states.assign(self.context.cvs(self.walkers.positions))
            done = move(self.walkers, self.rng)
            self.tell("global", 1, float(done.accepted.sum()), int(done.broken.sum()))
            self.evaluations += done.evaluations
            self._add("global_evaluations", done.evaluations)
            self._add("refused", float(done.refused.sum()))
            self._add("broken", float(done.broken.sum()))
            there = np.flatnonzero(~(done.refused | done.broken))
            after = states.assign(self.context.cvs(done.ends[there]))
            stays = after == before[there]
            for name, mine in (("within", there[stays]), ("between", there[~stays])):
                self._add(f"{name}_proposed", len(mine))
                self._add(f"{name}_accepted", float(done.accepted[mine].sum()))
                chance = np.exp(np.minimum(done.log_ratio[mine], 0.0))
                self._add(f"{name}_expected", float(chance.sum()))
            # velocities are drawn anew on both outcomes, which leaves their density as it is
            self.walkers = Walkers(done.walkers.positions, None, self.walkers.box)
            self.note(self.walkers.positions[None])

    def _add(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + value
