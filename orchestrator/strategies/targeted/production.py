"""What the production of the targeted strategy has gathered, and the free energies from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.targeted.estimate import Joins
from msgen.systems.base import Array

Ints = NDArray[np.int64]

_DRAW = ("draw_log_weight", "draw_state")
_FRAME = ("frame_log_weight", "frame_state", "frame_replica")


@dataclass(frozen=True)
class Gathered:
    """Local samples and works, and the weights of configurations and draws under the models.

    Attributes
    ----------
    production : Production
        Samples inside the states; works of the maps.
    draws : Array, shape (n, 2)
        ln ρ̃ − ln q of draws, and the state.
    frames : Array, shape (m, 3)
        The same of sampled configurations, the state, and the replica.
    """

    production: Production
    draws: Array
    frames: Array

    @classmethod
    def start(
        cls,
        problem: Problem,
        stratum: Ints,
        n_states: int,
        ancestor: Ints,
        descent: Ints | None = None,
    ) -> Gathered:
        """Nothing yet; `ancestor` as in `with_round`."""
        made = Production.start(problem, stratum, n_states, ancestor, descent)
        return cls(made, np.zeros((0, 2)), np.zeros((0, 3)))

    def with_round(
        self,
        problem: Problem,
        states: Partition,
        stratum: Ints,
        segments: Sequence[Segment],
        counted: NDArray[np.bool_],
        ancestor: Ints,
        descent: Ints | None = None,
    ) -> Gathered:
        """And a round's segments: of replicas that are `counted`, shape (R,), and all draws.

        `ancestor`, shape (R,): whose copy each replica is, see `ReplicaPool`.
        """
        draws, frames = [self.draws], [self.frames]
        for s in segments:
            held = np.stack([s.samples[c] for c in _FRAME], axis=1)
            frames.append(held[counted[held[:, 2].astype(np.int64)]])
            draws.append(np.stack([s.samples[c] for c in _DRAW], axis=1))
        return Gathered(
            self.production.grown(stratum, ancestor, descent).with_round(
                problem, states, segments, counted
            ),
            np.concatenate(draws),
            np.concatenate(frames),
        )

    # estimates

    def estimate(
        self,
        problem: Problem,
        states: Partition,
        acceptance: Mapping[str, float],
        about: Mapping[str, Any],
        missing: Sequence[str],
    ) -> Estimate:
        """Free energies by the campaign's estimator, and by the others in the diagnostics."""
        joins = Joins(self.production, self.draws, self.frames, len(states))
        kind = str(problem.strategy["estimator"])
        extra = {
            **about,
            "estimator": kind,
            "estimators": joins.side_by_side(states.names),
            "models": joins.quality(states.names),
        }
        out = self.production.estimate(
            problem, states, True, acceptance, extra, missing, joins.bridge(kind)
        )
        return replace(out, log_z=joins.log_z(states.names, self._left_out(problem, states)))

    def _left_out(self, problem: Problem, states: Partition) -> bool:
        return bool((states.labels >= len(states)).any()) or problem.strategy["rest"] != "sample"
